"""Tk: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import gc
import threading
import tkinter as tk
import weakref
from collections.abc import Iterator
from contextlib import suppress
from tkinter import ttk
from typing import Any

import pytest
import ui_drivers
from fake_service import FakeService
from random_edits import key, random_edits

from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.gui import TkLoop
from reactive_ws.gui.status import connection_view
from reactive_ws.gui.tk.lists import TreeRows
from reactive_ws.gui.tk.widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus
from reactive_ws.state.store import Store
from reactive_ws.testing import Turning, check_ui_loop

FIVE_HOURS = 5 * 3_600.0 + 30.0
"""Seconds; the age of such a connection is told in minutes, and a slow test does not see it change."""


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
    ui_drivers.settle(turning, 0.05)
    assert label.cget("text") == str(store.get())


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
    ui_drivers.settle(turning, 0.2)
    # It was joined, and while the dialog was open the label behind it went on.
    assert len(joined) == 1
    assert int(joined[0]) > 0
    assert label.cget("text") == str(store.get())


def test_no_timer_runs_while_nothing_is_to_be_done(domain: Domain) -> None:
    turning = ui_drivers.tk()
    root = root_of(turning)
    store = Store(0, domain=domain)
    label = tk.Label(root)
    turning.loop.bind(store, label, lambda it, value: it.configure(text=str(value)))
    store.set(1)
    ui_drivers.settle(turning, 0.1)
    assert root.tk.call("after", "info") == ""
    turning.clean_up()


def test_an_interpreter_that_is_collected_on_another_thread_does_not_abort_the_process() -> None:
    turning = ui_drivers.tk()
    root_of(turning).destroy()
    del turning
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()


# --- connection widgets ---


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
    ui_drivers.settle(turning, 0.05)
    assert full.widget.cget("text") == "● Connected (5h 00m)"
    assert compact.widget.cget("text") == "●"
    assert metrics.widget.cget("text").splitlines()[1:3] == ["Received: 0", "Sent: 0"]
    assert (indicator.widget.winfo_ismapped(), banner.widget.winfo_height()) == (0, 1)

    service.become(ConnectionState.DISCONNECTED)
    service.queue(2)
    ui_drivers.settle(turning, 0.2)
    assert full.widget.cget("text") == "✕ Disconnected  [2]"
    assert str(full.widget.cget("foreground")) == "#ef4444"
    assert compact.widget.cget("text") == "✕ 2"
    assert indicator.widget.winfo_ismapped() == 1
    assert indicator.widget.winfo_x() > root.winfo_width() // 2
    assert banner.widget.winfo_height() > 10
    assert banner.label.cget("text").startswith("✕  Connection lost.")

    service.become(ConnectionState.CONNECTED, since=ui.now())
    ui_drivers.settle(turning, 0.05)
    assert (indicator.widget.winfo_ismapped(), banner.widget.winfo_height()) == (0, 1)
    root.destroy()
    assert service.connections.select().observer_count == 0


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
    ui_drivers.settle(turning, 0.1)
    x, y = label.winfo_x(), label.winfo_y()
    assert ((x == 8, y == 8)) == (is_left, is_top)
    assert is_left or x + label.winfo_width() == 292
    assert is_top or y + label.winfo_height() == 192
    turning.clean_up()


def test_a_tooltip_has_all_words_while_the_pointer_rests(domain: Domain) -> None:
    turning = ui_drivers.tk()
    ui, root = turning.loop, root_of(turning)
    assert isinstance(ui, TkLoop)
    service = FakeService(domain)
    service.queue(1)
    label = ConnectionStatus(ui, root, connection_view(ui, service), detail="compact").widget
    label.pack()
    ui_drivers.settle(turning, 0.1)
    label.event_generate("<Enter>")
    ui_drivers.settle(turning, 0.7)
    windows = [child for child in label.winfo_children() if isinstance(child, tk.Toplevel)]
    texts = [child.cget("text") for window in windows for child in window.winfo_children()]
    assert texts == ["Offline\n1 message waits to be sent"]
    label.event_generate("<Leave>")
    assert label.winfo_children() == []
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
    ui_drivers.settle(turning, 0.05)
    ids = tree.get_children()
    tree.selection_set(ids[7], ids[40])
    tree.focus(ids[41])
    tree.focus_force()
    tree.yview_moveto(50 / 100)
    ui_drivers.settle(turning, 0.02)

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
    ui_drivers.settle(turning, 0.05)
    tree.yview_moveto(1.0)
    ui_drivers.settle(turning, 0.02)
    store.update(lambda now: (*now, (50, "row 50")))
    ui_drivers.settle(turning, 0.05)
    assert tree.yview()[1] == 1.0
    tree.yview_moveto(0.0)
    ui_drivers.settle(turning, 0.02)
    store.update(lambda now: (*now, (51, "row 51")))
    ui_drivers.settle(turning, 0.05)
    assert tree.yview()[0] == 0.0
    turning.clean_up()
