"""Textual: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import ui_drivers
from fake_service import FakeService
from random_edits import Row, key, random_edits
from reactivex.disposable import Disposable
from textual.app import App, ComposeResult
from textual.screen import Screen
from textual.widgets import Static, Tooltip

from reactive_ws.connection import ConnectionState, Metrics
from reactive_ws.engine.domain import Domain
from reactive_ws.gui import TextualLoop
from reactive_ws.gui.status import connection_view
from reactive_ws.gui.textual import (
    Box,
    ConnectionBanner,
    ConnectionIndicator,
    ConnectionStatus,
    ListRows,
)
from reactive_ws.state.store import Store
from reactive_ws.testing import check_ui_loop


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.textual)


async def until(condition: Callable[[], object]) -> None:
    """Lets the application go on until it shows what is wanted; a slow machine takes its time."""
    for _ in range(6_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the screen never came to show it")


class Counter(App[None]):
    """Shows a store that other threads write."""

    def __init__(self, store: Store[int]) -> None:
        super().__init__()
        self.store = store
        self.selection = store.select()
        self.shown: list[int] = []
        self.errors: list[Exception] = []

    def compose(self) -> ComposeResult:
        yield Static(id="count")

    def on_mount(self) -> None:
        self.ui = TextualLoop(self, on_error=self.errors.append)
        self.ui.bind(self.selection, self.query_one("#count", Static), self.show)

    def show(self, widget: Static, value: int) -> None:
        self.shown.append(value)
        widget.update(str(value))


def test_a_flood_shows_few_values_the_last_one_included(domain: Domain) -> None:
    app = Counter(Store(0, domain=domain))

    async def run() -> None:
        async with app.run_test():
            thread = threading.Thread(target=lambda: [app.store.set(n) for n in range(20_001)])
            thread.start()
            await until(lambda: not thread.is_alive() and app.shown[-1] == 20_000)
            thread.join()
            assert str(app.query_one("#count", Static).render()) == "20000"

    asyncio.run(run())
    assert app.shown == sorted(app.shown)
    assert len(app.shown) <= app.ui.frame.number + 1
    assert app.errors == []


def test_a_binding_ends_when_its_widget_is_removed(domain: Domain) -> None:
    app = Counter(Store(0, domain=domain))

    async def run() -> None:
        async with app.run_test():
            await app.query_one("#count").remove()
            app.store.set(1)
            await until(lambda: app.selection.observer_count == 0)

    asyncio.run(run())
    assert app.shown == [0]


def test_closing_the_application_in_a_flood_leaks_nothing_and_raises_nothing(
    domain: Domain,
) -> None:
    app = Counter(Store(0, domain=domain))
    posted: list[Any] = []

    async def run() -> None:
        async with app.run_test():
            stop = ui_drivers.flood(app.store)
            await until(lambda: len(app.shown) > 3)
        await until(lambda: app.selection.observer_count == 0)
        last = app.shown[-1]
        posted.append(app.ui.post(lambda: posted.append("ran")))
        await asyncio.sleep(0.05)
        stop()
        assert app.shown[-1] == last < app.store.get()

    asyncio.run(run())
    assert posted == [False]
    assert (app.selection.observer_count, app.errors) == (0, [])


def test_a_post_after_the_application_has_ended_is_refused_and_ends_the_bindings(
    domain: Domain,
) -> None:
    app = Counter(Store(0, domain=domain))
    ran: list[str] = []

    async def run() -> None:
        async with app.run_test():
            await until(lambda: app.shown == [0])
        assert app.ui.post(lambda: ran.append("late")) is False
        assert app.ui.is_closed
        await until(lambda: app.selection.observer_count == 0)

    asyncio.run(run())
    assert (ran, app.errors) == ([], [])


# --- connection widgets ---


class Statuses(App[None]):
    """All connection widgets."""

    def __init__(self, service: FakeService) -> None:
        super().__init__()
        self.service = service
        self.errors: list[Exception] = []

    def compose(self) -> ComposeResult:
        self.ui = ui = TextualLoop(self, on_error=self.errors.append)
        views = connection_view(ui, self.service, grace=0.05)
        self.full = ConnectionStatus(ui, views)
        self.compact = ConnectionStatus(ui, views, detail="compact")
        self.metrics = ConnectionStatus(ui, views, detail="metrics")
        self.indicator = ConnectionIndicator(
            ui, views, hide_when_connected=True, position="bottom-right"
        )
        self.banner = ConnectionBanner(ui, views)
        yield from (self.banner, self.full, self.compact, self.metrics, self.indicator)


def test_the_connection_widgets_show_an_outage(domain: Domain) -> None:
    service = FakeService(domain)
    app = Statuses(service)

    async def run() -> None:
        async with app.run_test(size=(60, 20)):
            # A connection of long ago, whose age in minutes stays the same for a while.
            service.become(ConnectionState.CONNECTED, since=app.ui.now() - 3_600.0 * 5 - 30.0)
            await until(lambda: app.full.text == "● Connected (5h 00m)")
            await until(lambda: str(app.compact.pill.tooltip) == "Connected (5h 00m)")
            assert app.compact.text == "●"
            await until(
                lambda: (
                    [line.split() for line in str(app.metrics.numbers.render()).splitlines()][:2]
                    == [["Received", "0"], ["Sent", "0"]]
                )
            )
            assert (app.indicator.display, app.banner.display) == (False, False)

            service.become(ConnectionState.DISCONNECTED)
            service.queue(2)
            await until(lambda: app.indicator.display and app.banner.display)
            await until(lambda: app.full.text == "✕ Disconnected  2 ")
            await until(lambda: app.compact.text == "✕  2 ")
            await until(lambda: app.indicator.region.bottom_right == (60, 20))
            assert app.banner.text == (
                "✕ Connection lost. What you write is sent when it is back. "
                "2 messages wait to be sent."
            )

            service.become(ConnectionState.CONNECTED, since=app.ui.now())
            await until(lambda: not app.indicator.display and not app.banner.display)

    asyncio.run(run())
    app.ui.close()
    assert app.errors == []
    assert service.connections.select().observer_count == 0


def test_an_age_that_keeps_its_width_lays_out_no_screen(
    domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = FakeService(domain)
    app = Statuses(service)
    laid_out: list[str] = []

    async def run() -> None:
        async with app.run_test(size=(60, 20)) as pilot:
            now = app.ui.now()
            service.become(ConnectionState.CONNECTED, since=now - 70_000.0)
            await until(lambda: app.full.text == "● Connected (19h 26m)")
            await pilot.pause()
            lay_out = Screen._refresh_layout

            def count(screen: Screen[None], *arguments: Any, **options: Any) -> None:
                laid_out.append(app.full.text)
                lay_out(screen, *arguments, **options)

            monkeypatch.setattr(Screen, "_refresh_layout", count)
            service.become(ConnectionState.CONNECTED, since=now - 74_000.0)
            await until(lambda: app.full.text == "● Connected (20h 33m)")
            await pilot.pause()
            assert laid_out == []
            # A wider text needs its room.
            service.become(ConnectionState.CONNECTED, since=now - 3_000_000.0)
            await until(lambda: app.full.text == "● Connected (34d 17h)")
            service.queue(3)
            await until(lambda: app.full.pill.size.width == len("● Connected (34d 17h)  3 "))
            assert laid_out

    asyncio.run(run())
    app.ui.close()


# --- lists ---


class Listing(App[None]):
    """One live list."""

    def __init__(
        self,
        store: Store[tuple[Row, ...]],
        *,
        follow_end: bool = False,
        gap: int = 0,
        box: Callable[[Row], Box] | None = None,
    ) -> None:
        super().__init__()
        self.box = box
        self.store = store
        self.follow_end = follow_end
        self.gap = gap
        self.errors: list[Exception] = []
        self.selected: list[Any] = []

    def compose(self) -> ComposeResult:
        self.ui = TextualLoop(self, on_error=self.errors.append, fps=10_000.0)
        self.rows = ListRows(
            self.ui,
            self.store,
            key=key,
            render=lambda row: row[1],
            box=self.box,
            follow_end=self.follow_end,
            gap=self.gap,
        )
        yield self.rows

    def on_list_rows_selected(self, event: ListRows.Selected) -> None:
        self.selected.append((event.index, event.item))

    async def has(self, count: int) -> None:
        """Waits until so many rows have been laid out."""
        await until(lambda: len(self.rows) == count and self.rows.virtual_size.height >= count)
        await until(lambda: count <= self.rows.size.height or self.rows.allow_vertical_scroll)

    async def settle(self) -> None:
        number = self.ui.frame.number
        while self.ui.frame.number == number:
            await asyncio.sleep(0.001)

    def screen_lines(self) -> list[str]:
        return [self.rows.render_line(y).text.rstrip() for y in range(self.rows.size.height)]


def test_highlight_focus_and_scroll_position_survive_a_thousand_random_edits(
    domain: Domain,
) -> None:
    start = [(number, f"row {number}") for number in range(40)]
    store = Store(tuple(start), domain=domain)
    app = Listing(store)
    kept = 0

    async def run() -> None:
        nonlocal kept
        async with app.run_test(size=(40, 12)):
            await app.has(40)
            view = app.rows
            view.index = 20
            view.focus()
            await until(lambda: app.focused is view)
            # The view scrolls to the highlight when it comes, and not again.
            await until(lambda: view.scroll_y == 9)
            view.scroll_to(y=5, animate=False, immediate=True)
            before = view.operations
            shown = list(start)
            for now in random_edits(start, {20}, 1_000, seed=1):
                top = shown[round(view.scroll_y)]
                store.set(tuple(now))
                await app.settle()
                index = view.index
                assert index is not None
                assert key(view[index]) == 20
                assert view.texts == [text for _, text in now]
                keys = [key(row) for row in now]
                place = keys.index(key(top)) if key(top) in keys else None
                # A row near the end cannot be at the top.
                if place is not None and place <= len(now) - view.size.height:
                    kept += 1
                    assert view.scroll_y == place
                first = round(view.scroll_y)
                assert app.screen_lines() == [text for _, text in now[first : first + 12]]
                shown = now
            assert view.operations - before <= 2 * 3 * 1_000
            assert app.focused is view

    asyncio.run(run())
    assert app.errors == []
    assert kept > 500


def test_the_top_row_stays_where_it_is_when_rows_come_above(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(40)), domain=domain)
    app = Listing(store)

    async def run() -> None:
        async with app.run_test(size=(40, 12)):
            await app.has(40)
            app.rows.scroll_to(y=15, animate=False, immediate=True)
            store.update(lambda now: ((100, "new"), (101, "new"), *now[1:]))
            await app.settle()
            assert app.rows.scroll_y == 16
            # A row that goes leaves its place to the next one.
            store.update(lambda now: tuple(row for row in now if row[0] != 15))
            await app.settle()
            assert app.screen_lines()[0] == "row 16"

    asyncio.run(run())


def test_a_list_that_follows_its_end_stays_there(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(40)), domain=domain)
    app = Listing(store, follow_end=True)
    seen: list[tuple[bool, int]] = []

    async def run() -> None:
        async with app.run_test(size=(40, 12)) as pilot:
            await app.has(40)
            view = app.rows
            view.end.unseen.select().subscribe(lambda now: seen.append((view.end.is_there, now)))
            store.update(lambda now: (*now, (100, "new")))
            await app.settle()
            assert view.scroll_y == view.max_scroll_y == 29
            await pilot.resize_terminal(40, 8)
            await until(lambda: view.scroll_y == view.max_scroll_y == 33)
            # A row that grows over several lines pushes the end along.
            store.update(lambda now: (*now[:-1], (100, "word " * 20)))
            await app.settle()
            assert view.scroll_y == view.max_scroll_y == 35
            view.scroll_to(y=5, animate=False, immediate=True)
            store.update(lambda now: (*now, (101, "new"), (102, "new")))
            await app.settle()
            assert (view.scroll_y, view.max_scroll_y) == (5, 37)
            assert (view.end.is_there, view.end.unseen.get()) == (False, 2)
            view.end.go()
            assert (view.end.is_there, view.end.unseen.get()) == (True, 0)
            assert view.scroll_y == 37

    asyncio.run(run())
    assert seen == [(True, 0), (False, 2), (True, 0)]


def test_a_removed_highlighted_row_leaves_the_highlight_to_the_next_one(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(4)), domain=domain)
    app = Listing(store)

    async def run() -> None:
        async with app.run_test(size=(40, 12)):
            await app.has(4)
            app.rows.index = 3
            store.set(((0, "row 0"), (1, "row 1")))
            await app.settle()
            assert app.rows.index == 1

    asyncio.run(run())


def test_a_list_is_used_with_keys_alone(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(40)), domain=domain)
    app = Listing(store, gap=1)

    async def run() -> None:
        async with app.run_test(size=(40, 12)) as pilot:
            await app.has(40)
            await pilot.press("tab")
            await until(lambda: app.focused is app.rows)
            await pilot.press("down", "down", "enter", "end", "enter", "home", "pagedown", "enter")
            await until(lambda: len(app.selected) == 3)
            assert [index for index, _ in app.selected] == [1, 39, 6]
            assert app.selected[0][1] == (1, "row 1")

    asyncio.run(run())


def test_text_of_a_list_is_selected_and_copied(domain: Domain) -> None:
    store = Store(((1, "one " * 12), (2, "two"), (3, "three")), domain=domain)
    app = Listing(store)

    async def run() -> None:
        async with app.run_test(size=(30, 12)) as pilot:
            await app.has(3)
            await pilot.mouse_down(app.rows, offset=(0, 0))
            await pilot.hover(app.rows, offset=(3, 3))
            await pilot.mouse_up(app.rows, offset=(3, 3))
            wanted = "one one one one one one one\none one one one one\ntwo\nthre"
            await until(lambda: app.screen.get_selected_text() == wanted)

    asyncio.run(run())


def test_a_box_leaves_room_beside_a_row_and_gives_it_back_in_a_narrow_list(domain: Domain) -> None:
    store: Store[tuple[Row, ...]] = Store(((1, "a word " * 6), (2, "b")), domain=domain)
    boxes = {1: Box(10, 2, "on red"), 2: Box(0, 20)}
    app = Listing(store, box=lambda row: boxes[row[0]])

    async def run() -> None:
        async with app.run_test(size=(42, 12)) as pilot:
            rows = app.rows
            await app.has(2)
            width = rows.size.width - rows.scrollbar_size_vertical
            line = rows.render_line(0)
            assert line.text[:17] == " " * 11 + "a word"
            colours = [it.style.bgcolor.name for it in line for _ in it.text]  # type: ignore[union-attr]
            assert colours.count("#ff0000") == width - 12
            assert (rows.virtual_size.height, rows.render_line(2).text[:2]) == (3, " b")
            await pilot.mouse_down(rows, offset=(0, 0))
            await pilot.hover(rows, offset=(20, 1))
            await pilot.mouse_up(rows, offset=(20, 1))
            wanted = "a word a word a word a\nword a wor"
            await until(lambda: app.screen.get_selected_text() == wanted)
            await pilot.resize_terminal(20, 12)
            await until(lambda: rows.render_line(0).text.startswith(" a word"))

    asyncio.run(run())


def test_a_token_in_a_list_of_a_thousand_rows_draws_its_own_lines_only(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(1_000)), domain=domain)
    app = Listing(store, follow_end=True)
    rendered: list[Row] = []

    async def run() -> None:
        async with app.run_test(size=(40, 12)) as pilot:
            await app.has(1_000)
            await pilot.pause()
            render = app.rows._render_row
            drawn = sum(row.strips is not None for row in app.rows._shown)

            def counted(row: Row) -> Any:
                rendered.append(row)
                return render(row)

            app.rows._render_row = counted
            for number in range(5):
                store.update(lambda now: (*now[:-1], (999, now[-1][1] + " w")))
                await app.settle()
                # Two tokens that come before the screen is drawn are drawn together.
                await until(lambda number=number: len(rendered) > number)
                await pilot.pause()
            # Opened, it has drawn a screenful; later tokens draw one row.
            assert drawn <= 2 * 12
            assert sum(row.strips is not None for row in app.rows._shown) <= drawn + 1

    asyncio.run(run())
    assert [key(row) for row in rendered] == [999] * 5


# --- bindings ---


def test_bindings_and_scopes_end_when_their_widget_is_removed(domain: Domain) -> None:
    app = Counter(Store(0, domain=domain))
    other = Store(0, domain=domain)
    selection = other.select()
    ended: list[str] = []
    names = list[str]()

    async def run() -> None:
        async with app.run_test():
            late = Static()
            # Before it is mounted, as in `compose`.
            app.ui.bind(selection, late, lambda it, value: it.update(str(value)))
            app.ui.bind(selection, names, lambda it, value: it.append(value), until=late)
            app.ui.scope(late).add(Disposable(lambda: ended.append("scope")))
            await app.mount(late)
            other.set(1)
            await until(lambda: str(late.render()) == "1")
            assert (selection.observer_count, ended) == (2, [])
            await late.remove()
            await until(lambda: (selection.observer_count, ended) == (0, ["scope"]))

    asyncio.run(run())


# --- a stranger's text ---

MARKUP = "[b]x[/b] [/] [@click=app.quit]here[/] <b>y</b> [link='http://e']z"


def test_a_strangers_text_is_text_in_every_sink(domain: Domain) -> None:
    service = FakeService(domain)
    service.become(ConnectionState.ERROR, cause=MARKUP)
    service.counts.set(Metrics(hint=MARKUP))
    store: Store[tuple[Row, ...]] = Store(((1, MARKUP),), domain=domain)

    class Sinks(Statuses):
        def compose(self) -> ComposeResult:
            yield from super().compose()
            yield ListRows(self.ui, store, key=key, render=lambda row: row[1])

    app = Sinks(service)

    async def run() -> None:
        async with app.run_test(size=(100, 30), tooltips=True) as pilot:
            await until(lambda: app.full.text.startswith("▲ Not connected."))
            await pilot.hover(app.full.pill)
            await until(lambda: app.screen.query(Tooltip).first().display)
            wanted = f"Not connected.\n{MARKUP}\nDetails: {MARKUP}"
            await until(lambda: str(app.screen.query(Tooltip).first().render()) == wanted)
            rows = app.query_one(ListRows)
            await until(lambda: rows.render_line(0).text.rstrip() == MARKUP)

    asyncio.run(run())
    assert app.errors == []


def test_retry_is_a_button_that_keys_reach(domain: Domain) -> None:
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED)
    app = Statuses(service)

    async def run() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await until(lambda: app.full.retry.display)
            app.full.retry.focus()
            await until(lambda: app.focused is app.full.retry)
            await pilot.press("enter")
            await until(lambda: service.dials == 1)

    asyncio.run(run())
