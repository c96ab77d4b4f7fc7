"""Textual: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import ui_drivers
from textual.app import App, ComposeResult
from textual.widgets import Static

from reactive_ws.domain import Domain
from reactive_ws.gui import TextualLoop
from reactive_ws.store import Store
from reactive_ws.testing import check_ui_loop


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.textual)


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
        async with app.run_test() as pilot:
            thread = threading.Thread(target=lambda: [app.store.set(n) for n in range(20_001)])
            thread.start()
            while thread.is_alive() or app.shown[-1] != 20_000:
                await pilot.pause(0.01)
            thread.join()
            assert str(app.query_one("#count", Static).render()) == "20000"

    asyncio.run(run())
    assert app.shown == sorted(app.shown)
    assert len(app.shown) <= app.ui.frame.number + 1
    assert app.errors == []


def test_a_binding_ends_when_its_widget_is_removed(domain: Domain) -> None:
    app = Counter(Store(0, domain=domain))

    async def run() -> None:
        async with app.run_test() as pilot:
            await app.query_one("#count").remove()
            app.store.set(1)
            await pilot.pause(0.05)
            assert app.selection.observer_count == 0

    asyncio.run(run())
    assert app.shown == [0]


def test_the_loop_closes_with_the_application(domain: Domain) -> None:
    app = Counter(Store(0, domain=domain))
    posted: list[Any] = []

    async def run() -> None:
        async with app.run_test():
            pass
        app.store.set(1)
        await asyncio.sleep(0.05)
        posted.append(app.ui.post(lambda: None))

    asyncio.run(run())
    assert posted == [False]
    assert (app.selection.observer_count, app.shown, app.errors) == (0, [0], [])
