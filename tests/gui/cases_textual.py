"""Textual: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import ui_drivers
from fake_service import FakeService
from random_edits import Row, key, random_edits
from textual.app import App, ComposeResult
from textual.widgets import ListItem, ListView, Static

from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.gui import TextualLoop
from reactive_ws.gui.status import connection_view
from reactive_ws.gui.textual.lists import ListRows
from reactive_ws.gui.textual.widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus
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
        # It notices with its next wake.
        app.ui.post(lambda: posted.append("ran"))
        await until(lambda: app.ui.is_closed)
        posted.append(app.ui.post(lambda: None))
        await asyncio.sleep(0.05)
        stop()
        assert app.shown[-1] == last < app.store.get()

    asyncio.run(run())
    assert posted == [False]
    assert (app.selection.observer_count, app.errors) == (0, [])


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
        self.full = ConnectionStatus(ui, Static, views).widget
        self.compact = ConnectionStatus(ui, Static, views, detail="compact").widget
        self.metrics = ConnectionStatus(ui, Static, views, detail="metrics").widget
        self.indicator = ConnectionIndicator(
            ui, Static, views, hide_when_connected=True, position="bottom-right"
        ).widget
        self.banner = ConnectionBanner(ui, Static, views).widget
        yield from (self.banner, self.full, self.compact, self.metrics, self.indicator)


def test_the_connection_widgets_show_an_outage(domain: Domain) -> None:
    service = FakeService(domain)
    app = Statuses(service)

    async def run() -> None:
        async with app.run_test(size=(60, 20)):
            # A connection of long ago, whose age in minutes stays the same for a while.
            service.become(ConnectionState.CONNECTED, since=app.ui.now() - 3_600.0 * 5 - 30.0)
            await until(lambda: str(app.full.render()) == "● Connected (5h 00m)")
            await until(lambda: app.compact.tooltip == "Connected (5h 00m)")
            assert str(app.compact.render()) == "●"
            await until(
                lambda: str(app.metrics.render()).splitlines()[1:3] == ["Received: 0", "Sent: 0"]
            )
            assert (app.indicator.display, app.banner.display) == (False, False)

            service.become(ConnectionState.DISCONNECTED)
            service.queue(2)
            await until(lambda: app.indicator.display and app.banner.display)
            await until(lambda: str(app.full.render()) == "✕ Disconnected  [2]")
            await until(lambda: str(app.compact.render()) == "✕ 2")
            await until(lambda: app.indicator.region.y == 19)
            assert str(app.banner.render()).startswith("✕ Connection lost.")

            service.become(ConnectionState.CONNECTED, since=app.ui.now())
            await until(lambda: not app.indicator.display and not app.banner.display)

    asyncio.run(run())
    app.ui.close()
    assert app.errors == []
    assert service.connections.select().observer_count == 0


# --- lists ---


class Listing(App[None]):
    """One live list."""

    def __init__(self, store: Store[tuple[Row, ...]], *, follow_end: bool = False) -> None:
        super().__init__()
        self.store = store
        self.follow_end = follow_end
        self.errors: list[Exception] = []

    def compose(self) -> ComposeResult:
        self.view = ListView()
        yield self.view

    def on_mount(self) -> None:
        self.ui = TextualLoop(self, on_error=self.errors.append, fps=10_000.0)
        self.rows = ListRows(
            self.ui,
            self.view,
            ListItem,
            Static,
            self.store,
            key=key,
            render=lambda row: row[1],
            follow_end=self.follow_end,
        )

    async def has(self, count: int) -> None:
        """Waits until so many rows have been laid out."""
        await until(lambda: len(self.rows) == count and self.rows.is_settled)
        await until(lambda: self.view.virtual_size.height == max(count, self.view.size.height))

    async def settle(self) -> None:
        number = self.ui.frame.number
        while self.ui.frame.number == number or not self.rows.is_settled:
            await asyncio.sleep(0.001)


def test_highlight_focus_and_scroll_position_survive_a_thousand_random_edits(
    domain: Domain,
) -> None:
    start = [(number, f"row {number}") for number in range(40)]
    store = Store(tuple(start), domain=domain)
    app = Listing(store)
    kept = 0

    async def run() -> None:
        nonlocal kept
        async with app.run_test(size=(40, 12)) as pilot:
            await app.has(40)
            app.view.index = 20
            app.view.focus()
            await until(lambda: app.focused is app.view)
            # The view scrolls to the highlight when it comes, and not again.
            await until(lambda: app.view.scroll_y == 9)
            app.view.scroll_to(y=5, animate=False, immediate=True)
            await until(lambda: app.view.scroll_y == 5)
            before = app.rows.operations
            shown = list(start)
            for now in random_edits(start, {20}, 1_000, seed=1):
                top = shown[round(app.view.scroll_y)]
                store.set(tuple(now))
                await app.settle()
                index = app.view.index
                assert index is not None
                assert key(app.rows[index]) == 20
                lit = [item for item in app.view.query(ListItem) if item.highlighted]
                assert [str(item.query_one(Static).render()) for item in lit] == [now[index][1]]
                place = [key(row) for row in now].index(key(top)) if key(top) in dict(now) else None
                # A row near the end cannot be at the top.
                if place is not None and place <= len(now) - app.view.size.height:
                    kept += 1
                    await until(lambda place=place: app.view.scroll_y == place)
                else:
                    await pilot.pause()
                shown = now
            texts = [str(item.query_one(Static).render()) for item in app.view.query(ListItem)]
            assert texts == [text for _, text in now]
            assert app.rows.operations - before <= 2 * 3 * 1_000
            assert app.focused is app.view

    asyncio.run(run())
    assert app.errors == []
    assert kept > 500


def test_the_top_row_stays_where_it_is_when_rows_come_above(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(40)), domain=domain)
    app = Listing(store)

    async def run() -> None:
        async with app.run_test(size=(40, 12)):
            await app.has(40)
            app.view.scroll_to(y=15, animate=False, immediate=True)
            await until(lambda: app.view.scroll_y == 15)
            store.update(lambda now: ((100, "new"), (101, "new"), *now[1:]))
            await app.settle()
            await until(lambda: app.view.scroll_y == 16)

    asyncio.run(run())


def test_a_list_that_follows_its_end_stays_there(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(40)), domain=domain)
    app = Listing(store, follow_end=True)

    async def run() -> None:
        async with app.run_test(size=(40, 12)) as pilot:
            await app.has(40)
            store.update(lambda now: (*now, (100, "new")))
            await app.settle()
            await until(lambda: app.view.scroll_y == app.view.max_scroll_y == 29)
            await pilot.resize_terminal(40, 8)
            await until(lambda: app.view.scroll_y == app.view.max_scroll_y == 33)
            app.view.release_anchor()
            app.view.scroll_to(y=5, animate=False, immediate=True)
            store.update(lambda now: (*now, (101, "new")))
            await app.settle()
            await until(lambda: app.view.max_scroll_y == 34)
            await pilot.pause()
            assert app.view.scroll_y == 5

    asyncio.run(run())


def test_a_removed_highlighted_row_leaves_the_highlight_to_the_next_one(domain: Domain) -> None:
    store = Store(tuple((number, f"row {number}") for number in range(4)), domain=domain)
    app = Listing(store)

    async def run() -> None:
        async with app.run_test(size=(40, 12)):
            await app.has(4)
            app.view.index = 3
            store.set(((0, "row 0"), (1, "row 1")))
            await app.settle()
            await until(lambda: app.view.index == 1)
            lit = [
                str(it.query_one(Static).render())
                for it in app.view.query(ListItem)
                if it.highlighted
            ]
            assert lit == ["row 1"]

    asyncio.run(run())
