"""Tk: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import functools
import gc
import threading
import tkinter as tk
import weakref
from collections.abc import Iterator
from contextlib import suppress
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

import pytest
import ui_drivers
from fake_service import FakeService
from random_edits import key, random_edits

from reactive_ws.connection import ConnectionState, Metrics
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import ConnectionView, TkLoop
from reactive_ws.gui.status import connection_view
from reactive_ws.gui.tk import (
    ConnectionBanner,
    ConnectionIndicator,
    ConnectionStatus,
    FollowEnd,
    TreeRows,
)
from reactive_ws.gui.tk.parts import ink_of
from reactive_ws.state.store import Store
from reactive_ws.testing import Turning, check_ui_loop

FIVE_HOURS = 5 * 3_600.0 + 30.0
"""Seconds; such an age is shown in minutes, so a slow test does not see it change."""


@pytest.mark.parametrize("is_polling", [False, True], ids=["pipe", "polling"])
def test_the_loop_keeps_the_contract(is_polling: bool) -> None:
    check_ui_loop(lambda: ui_drivers.tk(is_polling=is_polling))


@pytest.fixture(params=[False, True], ids=["pipe", "polling"])
def turning(request: pytest.FixtureRequest) -> Iterator[Turning]:
    it = ui_drivers.tk(is_polling=request.param)
    yield it
    it.loop.close()
    with suppress(tk.TclError):
        # Some tests destroy the window themselves.
        it.clean_up()


def root_of(turning: Turning) -> tk.Tk:
    assert isinstance(turning.loop, TkLoop)
    return turning.loop._root


def test_a_label_shows_the_last_value_of_a_flood(turning: Turning, domain: Domain) -> None:
    store = Store(0, domain=domain)
    label = tk.Label(root_of(turning))
    label.pack()
    turning.loop.bind(store, label, lambda it, value: it.configure(text=str(value)))
    stop = ui_drivers.flood(store)
    ui_drivers.settle(turning, 0.1)
    stop()
    ui_drivers.comes(turning, lambda: label.cget("text"), str(store.get()))


def test_a_binding_ends_when_its_widget_is_destroyed(turning: Turning, domain: Domain) -> None:
    selection = Store(0, domain=domain).select()
    frame = tk.Frame(root_of(turning))
    label, sibling = tk.Label(frame), tk.Label(frame)
    turning.loop.bind(selection, frame, lambda it, value: None)
    turning.loop.bind(selection, label, lambda it, value: None)
    sibling.destroy()
    assert selection.observer_count == 2
    frame.destroy()
    assert selection.observer_count == 0


def test_a_binding_does_not_keep_a_destroyed_widget_alive(turning: Turning, domain: Domain) -> None:
    label = tk.Label(root_of(turning))
    gone = weakref.ref(label)
    turning.loop.bind(Store(0, domain=domain), label, lambda it, value: it.configure(text=value))
    label.destroy()
    del label
    gc.collect()
    assert gone() is None


def test_closing_the_window_in_a_flood_leaks_nothing_and_raises_nothing(
    turning: Turning, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    errors: list[Exception] = []
    turning.loop.on_error = errors.append
    root = root_of(turning)
    for _ in range(20):
        label = tk.Label(root)
        label.pack()
        turning.loop.bind(selection, label, lambda it, value: it.configure(text=str(value)))
    stop = ui_drivers.flood(store)
    ui_drivers.settle(turning, 0.05)
    root.destroy()
    stop()
    assert turning.loop.is_closed
    assert turning.loop.post(lambda: None) is False
    assert selection.observer_count == 0
    assert errors == []


def test_a_thread_may_be_joined_by_the_ui_while_it_floods_also_in_a_modal_dialog(
    turning: Turning, domain: Domain
) -> None:
    root = root_of(turning)
    store = Store(0, domain=domain)
    label = tk.Label(root)
    turning.loop.bind(store, label, lambda it, value: it.configure(text=str(value)))
    joined: list[str] = []

    def modal() -> None:
        dialog = tk.Toplevel(root)
        stop = ui_drivers.flood(store)

        def close() -> None:
            if label.cget("text") == "0":
                root.after(50, close)
                return
            stop()
            joined.append(label.cget("text"))
            dialog.destroy()

        root.after(50, close)
        root.wait_window(dialog)

    turning.loop.post(modal)
    ui_drivers.until(turning, lambda: joined)
    # It was joined, and while the dialog was open the label behind it went on.
    assert len(joined) == 1
    assert int(joined[0]) > 0
    ui_drivers.comes(turning, lambda: label.cget("text"), str(store.get()))


def test_no_timer_runs_while_nothing_is_to_be_done(domain: Domain) -> None:
    turning = ui_drivers.tk()
    root = root_of(turning)
    store = Store(0, domain=domain)
    label = tk.Label(root)
    turning.loop.bind(store, label, lambda it, value: it.configure(text=str(value)))
    store.set(1)
    ui_drivers.comes(turning, lambda: str(label.cget("text")), "1")
    ui_drivers.comes(turning, lambda: root.tk.call("after", "info"), "")
    turning.clean_up()


def test_an_interpreter_that_is_collected_on_another_thread_does_not_abort_the_process() -> None:
    turning = ui_drivers.tk()
    root_of(turning).destroy()
    del turning
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()


# --- connection widgets ---


def words(widget: Any) -> list[str]:
    """The texts of the canvases, labels and buttons below a widget."""
    found: list[str] = []
    for child in widget.winfo_children():
        if isinstance(child, tk.Canvas):
            items = [it for it in child.find_all() if child.type(it) == "text"]
            found += [str(child.itemcget(it, "text")) for it in items]
        elif isinstance(child, tk.Label | tk.Button) and child.winfo_manager():
            found.append(str(child.cget("text")))
        elif not isinstance(child, tk.Button):
            found += words(child)
    return [it for it in found if it]


def test_the_connection_widgets_show_an_outage(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - FIVE_HOURS)
    views = connection_view(ui, service, grace=0.05)
    full = ConnectionStatus(ui, root, views)
    compact = ConnectionStatus(ui, root, views, detail="compact")
    metrics = ConnectionStatus(ui, root, views, detail="metrics")
    indicator = ConnectionIndicator(ui, root, views, hide_when_connected=True)
    banner = ConnectionBanner(ui, root, views)
    for widget in (banner.widget, full.widget, compact.widget, metrics.widget):
        widget.pack(fill="x")
    comes, until = (functools.partial(it, turning) for it in (ui_drivers.comes, ui_drivers.until))
    comes(lambda: words(full.widget), ["Connected (5h 00m)"])
    comes(lambda: (words(compact.widget), compact.tooltip), ([], "Connected (5h 00m)"))
    numbers = ["Connected (5h 00m)", "Received", "0", "Sent", "0"]
    comes(lambda: words(metrics.widget)[:5], numbers)
    comes(lambda: (indicator.widget.winfo_ismapped(), banner.widget.winfo_height()), (0, 1))

    service.become(ConnectionState.DISCONNECTED)
    service.queue(2)
    comes(lambda: words(full.widget), ["Disconnected", "2", "Retry now"])
    comes(lambda: words(compact.widget), ["2"])
    comes(indicator.widget.winfo_ismapped, 1)
    until(lambda: indicator.widget.winfo_x() > root.winfo_width() // 2)
    until(lambda: banner.widget.winfo_height() == banner.widget.winfo_reqheight() > 10)
    said = ("Connection lost.", "What you write is sent when it is back.")
    comes(lambda: banner.texts, (*said, "2 messages wait to be sent"))

    # Painting again must not ask for the height of a hidden banner.
    service.queue(3)
    comes(lambda: banner.texts, (*said, "3 messages wait to be sent"))
    until(lambda: banner.widget.winfo_height() == banner.widget.winfo_reqheight() > 10)

    service.become(ConnectionState.CONNECTED, since=ui.now())
    comes(lambda: (indicator.widget.winfo_ismapped(), banner.widget.winfo_height()), (0, 1))
    root.destroy()
    assert service.connections.select().observer_count == 0


def test_an_age_that_changes_draws_its_words_only(domain: Domain) -> None:
    turning = ui_drivers.tk()
    root = root_of(turning)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=turning.loop.now() - FIVE_HOURS)
    status = ConnectionStatus(turning.loop, root, connection_view(turning.loop, service))
    status.widget.pack()
    ui_drivers.comes(turning, lambda: status.pill.text, "Connected (5h 00m)")
    ui_drivers.settle(turning, 0.1)
    drawn = status.pill.widget.find_all()
    service.become(ConnectionState.CONNECTED, since=turning.loop.now() - FIVE_HOURS - 60.0)
    ui_drivers.comes(turning, lambda: status.pill.text, "Connected (5h 01m)")
    # A drawing deletes all items and makes new ones.
    assert status.pill.widget.find_all() == drawn
    service.become(ConnectionState.CLOSED)
    ui_drivers.until(turning, lambda: status.pill.widget.find_all() != drawn)
    turning.loop.close()
    root.destroy()


@pytest.mark.parametrize(
    ("position", "is_left", "is_top"),
    [
        ("top-left", True, True),
        ("top-right", False, True),
        ("bottom-left", True, False),
        ("bottom-right", False, False),
    ],
)
def test_an_indicator_sits_in_its_corner(
    position: Any, is_left: bool, is_top: bool, domain: Domain
) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    root.geometry("300x200")
    views = connection_view(ui, FakeService(domain))
    label = ConnectionIndicator(ui, root, views, position=position).widget

    def place() -> tuple[int, int]:
        """The distances from the two edges of its corner."""
        x, y = label.winfo_x(), label.winfo_y()
        return (
            x if is_left else 300 - x - label.winfo_width(),
            y if is_top else 200 - y - label.winfo_height(),
        )

    ui_drivers.until(turning, lambda: label.winfo_width() > 1)
    ui_drivers.comes(turning, place, (8, 8))
    turning.clean_up()


def test_a_tooltip_has_all_words_while_the_pointer_rests(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.queue(1)
    # In the corner of the screen, a long text has to go elsewhere.
    service.become(ConnectionState.ERROR, cause="word " * 60)
    root.geometry(f"60x30+{root.winfo_screenwidth() - 70}+{root.winfo_screenheight() - 40}")
    status = ConnectionStatus(ui, root, connection_view(ui, service), detail="compact")
    status.widget.pack()
    label = status.pill.widget
    ui_drivers.until(turning, label.winfo_ismapped)
    ui_drivers.settle(turning, 0.1)
    label.event_generate("<Enter>")

    def windows() -> list[tk.Toplevel]:
        return [child for child in label.winfo_children() if isinstance(child, tk.Toplevel)]

    ui_drivers.until(turning, windows)
    (window,) = windows()
    texts = [child.cget("text") for child in window.winfo_children()]
    assert texts == [status.tooltip]
    assert texts[0].startswith("Not connected.\n1 message waits to be sent\nDetails: word word")
    # A window has a size of 1 until the display has shown it.
    ui_drivers.until(turning, lambda: window.winfo_ismapped() and window.winfo_height() > 1)
    ui_drivers.until(
        turning,
        lambda: (
            window.winfo_rootx() + window.winfo_width() <= root.winfo_screenwidth()
            and window.winfo_rooty() + window.winfo_height() <= root.winfo_screenheight()
        ),
    )
    label.event_generate("<Leave>")
    assert label.winfo_children() == []
    turning.clean_up()


def test_a_narrow_window_elides_the_status_and_wraps_the_banner(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.RECONNECTING, attempt=4)
    service.queue(12)
    views = connection_view(ui, service, grace=0.0)
    banner, status = ConnectionBanner(ui, root, views), ConnectionStatus(ui, root, views)
    banner.widget.pack(fill="x")
    status.widget.pack(anchor="w", fill="x")
    root.geometry("180x300")
    # The badge stays, and the words give way.
    ui_drivers.until(turning, lambda: status.pill.text.endswith("…"))
    ui_drivers.until(turning, lambda: "12" in words(status.widget))
    ui_drivers.until(turning, lambda: 1 < status.pill.widget.winfo_width() <= 180)

    def is_wrapped() -> bool:
        labels = [it for it in banner._labels if it.winfo_manager()]
        right = max(it.winfo_rootx() + it.winfo_width() for it in labels)
        fits = all(it.winfo_reqwidth() <= it.winfo_width() for it in labels)
        return fits and right <= root.winfo_rootx() + 180

    ui_drivers.until(turning, is_wrapped)

    # The button stays whole too, and stands beside the pill where there is room.
    service.become(ConnectionState.DISCONNECTED)
    retry, pill = status._retry, status.pill.widget

    def is_whole() -> bool:
        right = retry.winfo_rootx() + retry.winfo_width()
        is_fitting = retry.winfo_width() >= retry.winfo_reqwidth()
        return bool(retry.winfo_ismapped()) and is_fitting and right <= root.winfo_rootx() + 180

    ui_drivers.until(turning, is_whole)
    root.geometry("600x300")
    ui_drivers.until(turning, lambda: pill.winfo_width() == pill.winfo_reqwidth())
    ui_drivers.until(
        turning,
        lambda: 0 <= retry.winfo_rootx() - pill.winfo_rootx() - pill.winfo_width() <= 20,
    )
    turning.clean_up()


def test_tk_deletes_images_and_fonts_with_their_widgets(domain: Domain) -> None:
    """A finalizer runs on any thread, and Tk refuses it there, so none of ours may call Tk."""
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - FIVE_HOURS)
    views = connection_view(ui, service, grace=0.0)

    def in_tk() -> tuple[int, int]:
        return len(root.tk.splitlist(root.tk.call("image", "names"))), len(tkfont.names(root))

    before = in_tk()
    frame = tk.Frame(root)
    frame.pack()
    for widget in (ConnectionStatus, ConnectionBanner, ConnectionIndicator):
        widget(ui, frame, views).widget.pack(fill="x")
    ui_drivers.until(turning, lambda: in_tk()[0] > before[0])
    ui_drivers.settle(turning, 0.05)
    shown = in_tk()
    for attempt in range(5):
        service.become(ConnectionState.RECONNECTING, attempt=attempt)
        ui_drivers.settle(turning, 0.05)
        service.become(ConnectionState.CONNECTED, since=ui.now() - FIVE_HOURS)
        ui_drivers.settle(turning, 0.05)
    # The symbol and the two ends of a banner stay while it is folded.
    assert in_tk()[0] <= shown[0] + 3
    finalized = [it for it in gc.get_objects() if isinstance(it, tk.Image)]
    finalized += [it for it in gc.get_objects() if isinstance(it, tkfont.Font) and it.delete_font]
    assert finalized == []
    frame.destroy()
    ui_drivers.comes(turning, in_tk, before)
    turning.clean_up()


def test_retry_is_a_button_that_keys_reach(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED)
    banner = ConnectionBanner(ui, root, connection_view(ui, service, grace=0.0))
    banner.widget.pack(fill="x")
    ui_drivers.until(turning, banner._retry.winfo_ismapped)
    banner._retry.focus_force()
    ui_drivers.until(turning, lambda: root.focus_get() is banner._retry)
    banner._retry.event_generate("<Return>")
    ui_drivers.comes(turning, lambda: service.dials, 1)
    turning.clean_up()


def test_nothing_turns_in_a_window_that_is_hidden(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTING)
    status = ConnectionStatus(ui, root, connection_view(ui, service))
    status.widget.pack()
    ui_drivers.until(turning, lambda: status.pill.spinner.is_turning)
    root.withdraw()
    ui_drivers.until(turning, lambda: not status.pill.spinner.is_turning)
    root.deiconify()
    ui_drivers.until(turning, lambda: status.pill.spinner.is_turning)
    turning.clean_up()


def test_no_age_counts_while_no_window_is_on_the_screen(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now())
    status = ConnectionStatus(ui, root, connection_view(ui, service))
    status.widget.pack()
    ui_drivers.comes(turning, lambda: len(ui._timers), 1)
    root.withdraw()
    ui_drivers.comes(turning, lambda: (ui.is_seen(), ui._timers), (False, {}))
    other = tk.Toplevel(root)
    ConnectionStatus(ui, other, connection_view(ui, service)).widget.pack()
    ui_drivers.comes(turning, lambda: (ui.is_seen(), len(ui._timers)), (True, 2))
    other.destroy()
    root.deiconify()
    ui_drivers.comes(turning, lambda: len(ui._timers), 1)
    turning.clean_up()


@pytest.mark.parametrize("how", ["palette", "theme", "configure"])
def test_the_widgets_follow_a_change_of_colours_while_the_program_runs(
    how: str, domain: Domain
) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED, since=ui.now() - 60.0)
    views = connection_view(ui, service)
    shown: list[ConnectionView] = []
    views.subscribe(shown.append)
    status = ConnectionStatus(ui, root, views, detail="metrics")
    banner = ConnectionBanner(ui, root, views)
    for widget in (status.widget, banner.widget):
        widget.pack()

    def colours() -> tuple[str, str]:
        return str(status._retry.cget("foreground")), str(banner._inner.cget("background"))

    light, dark = (shown[-1].ink(is_dark=it) for it in (False, True))
    ui_drivers.comes(turning, colours, (light.text, light.tint))
    root.configure(background="#1f2430")
    if how == "palette":
        root.tk_setPalette("#1f2430")
    elif how == "theme":
        ttk.Style(root).theme_use("clam")
    else:
        # Tk tells nothing of this, so the next view brings the colours.
        service.queue(3)
    ui_drivers.comes(turning, colours, (dark.text, dark.tint))
    assert status.pill._drawn is not None
    assert status.pill._drawn.ink.tint == dark.tint
    grounds = (status.widget, status.pill.widget, status._retry, banner.widget)
    assert {str(it.cget("background")) for it in grounds} == {"#1f2430"}
    turning.clean_up()


@pytest.mark.parametrize(("background", "is_dark"), [("#202020", True), ("white", False)])
def test_colours_follow_the_window_and_ttk_styles_win(
    background: str, is_dark: bool, domain: Domain
) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    root.configure(background=background)
    view: list[ConnectionView] = []
    connection_view(ui, FakeService(domain)).subscribe(view.append)
    assert ink_of(root, view[0]) == view[0].ink(is_dark=is_dark)
    ttk.Style(root).configure("idle.Connection", background="#123456", foreground="#abcdef")
    assert (ink_of(root, view[0]).tint, ink_of(root, view[0]).text) == ("#123456", "#abcdef")
    # Tk announces a changed style when it is idle.
    ui_drivers.settle(turning, 0.05)
    turning.clean_up()


MARKUP = '{x} [exit] $tcl \\n <b>y</b> "quoted'


def test_a_tree_shows_the_rows_of_one_stream_only(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    store: Store[tuple[str, ...]] = Store((), domain=domain)
    tree = ttk.Treeview(root)
    rows = TreeRows(ui, tree, store, key=str, text=str)
    with pytest.raises(UsageError, match=r"make one ttk\.Treeview for each"):
        TreeRows(ui, tree, store, key=str, text=str)
    other = ttk.Treeview(root)
    other.insert("", "end", text="mine")
    with pytest.raises(UsageError, match="leave it empty"):
        TreeRows(ui, other, store, key=str, text=str)
    store.set(("one",))
    ui_drivers.comes(
        turning, lambda: [tree.item(it, "text") for it in tree.get_children()], ["one"]
    )
    assert len(rows) == 1
    root.destroy()


def test_a_strangers_text_is_text_in_every_sink(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.become(ConnectionState.ERROR, cause=MARKUP)
    service.counts.set(Metrics(hint=MARKUP))
    status = ConnectionStatus(ui, root, connection_view(ui, service, grace=0.0))
    status.widget.pack()
    tree = ttk.Treeview(root, columns=("more",))
    tree.pack()
    store = Store((MARKUP,), domain=domain)
    TreeRows(ui, tree, store, key=len, text=str, values=lambda row: (row, row))
    ui_drivers.comes(
        turning, lambda: status.tooltip, f"Not connected.\n{MARKUP}\nDetails: {MARKUP}"
    )
    ui_drivers.until(turning, tree.get_children)
    (row,) = tree.get_children()
    assert tree.item(row, "text") == MARKUP
    assert [str(it) for it in tree.item(row, "values")] == [MARKUP, MARKUP]
    root.title(MARKUP)
    assert root.title() == MARKUP
    turning.clean_up()


# --- bindings to other objects ---


def test_a_binding_writes_a_variable_and_anything_else(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    store = Store(0, domain=domain)
    selection = store.select()
    variable = tk.StringVar(root)
    tag: dict[int, int] = {}
    label = tk.Label(root, textvariable=variable)
    ui.bind(selection, variable, lambda it, value: it.set(str(value)), until=label)
    # An int has no weak references; it is kept as long as the label is.
    ui.bind(selection, 7, lambda it, value: tag.update({it: value}), until=label)
    thread = threading.Thread(target=lambda: store.set(7))
    thread.start()
    thread.join()
    ui_drivers.comes(
        turning, lambda it=variable: (it.get(), label.cget("text"), tag), ("7", "7", {7: 7})
    )
    label.destroy()
    assert selection.observer_count == 0
    kept = tk.StringVar(root)
    ui.bind(selection, kept, lambda it, value: it.set(str(value)))
    assert (kept.get(), selection.observer_count) == ("7", 1)
    del kept
    gc.collect()
    assert selection.observer_count == 0
    del variable
    turning.clean_up()


# --- lists ---


def show_a_frame(turning: Turning) -> None:
    number = turning.loop.frame.number
    while turning.loop.frame.number == number:
        turning.turn(0.001)


def test_selection_focus_and_scroll_position_survive_a_thousand_random_edits(
    domain: Domain,
) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    ui.fps = 10_000.0
    start = [(number, f"row {number}") for number in range(100)]
    store = Store(tuple(start), domain=domain)
    tree = ttk.Treeview(root, columns=("number",), height=8)
    tree.pack()
    rows = TreeRows(ui, tree, store, key=key, text=lambda row: row[1], values=lambda row: (row[0],))
    # The display tells a widget its size; only then it can scroll.
    ui_drivers.until(turning, lambda: len(tree.get_children()) == 100 and tree.yview()[1] < 1.0)
    ids = tree.get_children()
    tree.selection_set(ids[7], ids[40])
    tree.focus(ids[41])
    tree.focus_force()
    tree.yview_moveto(50 / 100)
    ui_drivers.until(turning, lambda: tree.yview()[0] == 0.5 and root.focus_get() is tree)

    def top() -> int:
        return round(tree.yview()[0] * len(rows))

    before = rows.operations
    shown = list(start)
    for now in random_edits(start, {7, 40, 41}, 1_000, seed=1):
        was = shown[top()]
        store.set(tuple(now))
        show_a_frame(turning)
        assert [tree.item(it, "text") for it in tree.get_children()] == [row[1] for row in now]
        assert sorted(key(rows.item_of(it)) for it in tree.selection()) == [7, 40]
        assert key(rows.item_of(tree.focus())) == 41
        if key(was) in dict(now) and tree.yview()[1] < 1.0:
            assert key(now[top()]) == key(was)
        shown = now
    assert rows.operations - before <= 2 * 3 * 1_000
    assert root.focus_get() is tree
    turning.clean_up()


def test_a_tree_that_follows_its_end_stays_there(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    store = Store(tuple((number, f"row {number}") for number in range(50)), domain=domain)
    tree = ttk.Treeview(root, height=8)
    tree.pack()
    TreeRows(ui, tree, store, key=key, text=lambda row: row[1], follow_end=True)
    until = functools.partial(ui_drivers.until, turning)

    def count() -> int:
        return len(tree.get_children())

    until(lambda: count() == 50 and tree.winfo_ismapped() and tree.yview() != (0.0, 1.0))
    tree.yview_moveto(1.0)
    until(lambda: tree.yview()[1] == 1.0)
    store.update(lambda now: (*now, (50, "row 50")))
    until(lambda: count() == 51 and tree.yview()[1] == 1.0)
    tree.yview_moveto(0.0)
    until(lambda: tree.yview()[0] == 0.0)
    ui_drivers.settle(turning, 0.02)
    store.update(lambda now: (*now, (51, "row 51")))
    until(lambda: count() == 52)
    ui_drivers.settle(turning, 0.05)
    assert tree.yview()[0] == 0.0
    turning.clean_up()


@pytest.mark.parametrize("kind", ["Treeview", "Text", "Listbox"])
def test_a_widget_that_follows_its_end_stays_there_when_it_shrinks(
    kind: str, domain: Domain
) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    root.geometry("300x300")
    rows = Store(tuple(range(50)), domain=domain)
    widget: Any
    if kind == "Treeview":
        widget = ttk.Treeview(root, show="tree")
        end = TreeRows(ui, widget, rows, key=lambda row: row, text=str, follow_end=True).end
    else:
        widget = tk.Text(root) if kind == "Text" else tk.Listbox(root)
        following = FollowEnd(ui, widget)
        end = following.end

        def show(it: Any, values: tuple[int, ...]) -> None:
            for value in values[len(rows_in(it)) :]:
                it.insert("end", f"{value}\n" if kind == "Text" else str(value))
            following.changed()

        ui.bind(rows, widget, show)
    bar = ttk.Scrollbar(root, command=widget.yview)
    widget.configure(yscrollcommand=bar.set)
    bar.pack(side="right", fill="y")
    widget.pack(fill="both", expand=True)
    comes, until = (functools.partial(it, turning) for it in (ui_drivers.comes, ui_drivers.until))

    def count() -> int:
        return len(widget.get_children() if kind == "Treeview" else rows_in(widget))

    until(lambda: count() == 50 and widget.winfo_height() > 1 and widget.yview()[0] > 0.0)
    comes(lambda: (widget.yview()[1], end.is_there), (1.0, True))
    rows.update(lambda now: (*now, 50))
    comes(lambda: (count(), widget.yview()[1]), (51, 1.0))
    # What a banner does.
    height = widget.winfo_height()
    banner = tk.Label(root, text="Connection lost", pady=20)
    banner.pack(before=bar, fill="x")
    until(lambda: widget.winfo_height() < height)
    rows.update(lambda now: (*now, 51))
    comes(lambda: (count(), widget.yview()[1], end.is_there), (52, 1.0, True))
    # The scrollbar that the program has connected goes on.
    comes(lambda: bar.get()[1], 1.0)
    if kind == "Text":
        # While it measures its lines, a scroll looks as if rows had come.
        until(lambda: not root.tk.getboolean(root.tk.call(widget, "pendingsync")))
    ui_drivers.settle(turning, 0.1)
    widget.yview_scroll(-10, "units")
    until(lambda: not end.is_there)
    ui_drivers.settle(turning, 0.1)
    first = widget.yview()[0]
    rows.update(lambda now: (*now, 52))
    comes(count, 53)
    ui_drivers.settle(turning, 0.1)
    assert widget.yview()[1] < 1.0
    if kind == "Treeview":
        comes(end.unseen.get, 1)
    banner.destroy()
    until(lambda: widget.winfo_height() == height)
    until(lambda: widget.yview()[0] <= first)
    end.go()
    comes(lambda: (widget.yview()[1], end.is_there, end.unseen.get()), (1.0, True, 0))
    turning.clean_up()


def test_a_user_scrolls_up_in_a_text_that_is_still_measured() -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    root.geometry("300x200")
    text = tk.Text(root, wrap="word")
    following = FollowEnd(ui, text)
    text.pack(fill="both", expand=True)
    text.insert("end", "\n".join(map(str, range(400))))
    following.changed()
    ui_drivers.until(turning, lambda: text.winfo_height() > 1 and text.yview()[1] == 1.0)
    text.insert("1.0", "words that wrap " * 5_000)
    following.changed()
    root.update()
    assert text.tk.call(str(text), "pendingsync"), "Tk measures it after this"
    text.yview_scroll(-10, "units")
    ui_drivers.until(turning, lambda: not following.end.is_there)
    ui_drivers.until(turning, lambda: not text.tk.call(str(text), "pendingsync"))
    ui_drivers.settle(turning, 0.1)
    assert (following.end.is_there, text.yview()[1] < 1.0) == (False, True)
    turning.clean_up()


def rows_in(widget: Any) -> list[str]:
    if isinstance(widget, tk.Listbox):
        return list(widget.get(0, "end"))
    return str(widget.get("1.0", "end")).split()


def test_two_that_follow_the_end_of_one_widget_do_not_call_each_other_without_end() -> None:
    turning = ui_drivers.tk()
    ui: Any = turning.loop
    errors: list[str] = []
    root = ui._root
    root.report_callback_exception = lambda kind, error, _: errors.append(repr(error))
    tree = ttk.Treeview(root, show="tree")
    tree.pack()
    seen: list[tuple[str, str]] = []
    tree.configure(yscrollcommand=lambda first, last: seen.append((first, last)))
    follow = [FollowEnd(ui, tree) for _ in range(2)]
    for number in range(40):
        tree.insert("", "end", text=str(number))
        for each in follow:
            each.changed()
    ui_drivers.until(turning, lambda: seen and seen[-1][1] == "1.0" and float(seen[-1][0]) > 0.0)
    assert errors == []
    root.destroy()
