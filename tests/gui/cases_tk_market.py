"""The market monitor on recorded traffic at full speed. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ui_drivers

from reactive_ws.connection.close_policy import ClosePolicy
from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.gui import TkLoop
from reactive_ws.service.service import WebSocketService

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "examples"))


def test_the_table_shows_the_last_state_of_every_book_and_was_painted_once_a_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import market as feed
    import market_tk

    drawn: list[int] = []
    draw = market_tk.Depth.draw

    def counted(depth: Any, shown: Any) -> None:
        drawn.append(ui.frame.number)
        draw(depth, shown)

    monkeypatch.setattr(market_tk.Depth, "draw", counted)
    recording = str(ROOT / "tests" / "data" / "coinbase-2021-04-17.jsonl.gz")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "reactive_ws", "replay", recording),
            *("--port", "0", "--speed", "max"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        turning = ui_drivers.tk()
        ui = turning.loop
        assert isinstance(ui, TkLoop)
        domain = Domain("market")
        service = WebSocketService(
            url,
            domain=domain,
            dialect=feed.dialect,
            policy=ClosePolicy(stop_on_normal_close=True),
            heartbeat=None,
        )
        market: Any = feed.Market(service, domain)
        window: Any = market_tk.Window(ui._root, ui, service, market)
        service.start()
        for _ in range(6_000):
            if service.state is ConnectionState.CLOSED and market.books.get("SKL-USD"):
                break
            turning.turn(0.01)
        else:
            pytest.fail("the recording did not come to its end")
        service.stop()

        def shown() -> dict[str, tuple[str, ...]]:
            return {
                window.table.item(row, "text"): tuple(
                    map(str, window.table.item(row, "values")[:2])
                )
                for row in window.table.get_children()
            }

        wanted = {
            product: tuple(f"{side.get():.8f}"[:10] for side in market.row(product)[:2])
            for product in feed.PRODUCTS
        }
        ui_drivers.comes(turning, shown, wanted)
        assert window.rows.operations <= ui.frame.number * len(feed.PRODUCTS) + len(feed.PRODUCTS)

        # The chart shows the newest book too; a change of its size draws it again.
        depth, canvas = window.depth, window.depth.canvas
        first, last = feed.PRODUCTS[0], feed.PRODUCTS[-1]
        ui_drivers.comes(turning, lambda: depth.shown, (first, market.books.get(first)))
        assert len(drawn) <= ui.frame.number + 10
        items = canvas.find_all()
        window.table.focus_force()
        ui_drivers.until(turning, lambda: ui._root.focus_get() is window.table)
        presses = len(feed.PRODUCTS) - 1
        for key, product in (("<Down>", last), ("<Up>", first)):
            for _ in range(presses):
                window.table.event_generate(key)
            ui_drivers.comes(
                turning,
                lambda: canvas.itemcget(depth.title, "text"),
                product,
            )
        assert canvas.find_all() == items
        buyers, sellers = (canvas.coords(it) for it in depth.areas)
        book = market.books.get(first)
        levels = market_tk.LEVELS
        # Two corners a level, and one at each end; buyers on the left, sellers on the right.
        assert len(buyers) == 2 * (2 * min(levels, len(book.bids)) + 2)
        assert max(buyers[::2]) < min(sellers[::2])
        assert (min(buyers[::2]), max(sellers[::2])) == pytest.approx(
            (0, canvas.winfo_width()), abs=1
        )
        ui._root.destroy()
    finally:
        server.terminate()
        server.wait(10.0)
        if server.stdout is not None:
            server.stdout.close()
