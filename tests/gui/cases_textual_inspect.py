"""The screen of `reactive-ws inspect` with a real program behind it. Run by `test_toolkits.py` in its own process."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import DataTable, Static, Tree

from reactive_ws import Domain, Store
from reactive_ws.devtools import DevServer, inspect_program
from reactive_ws.devtools.feed import read_document
from reactive_ws.devtools.terminal import InspectScreen

PATIENCE = 60.0


async def until(pilot: Pilot[None], look: Callable[[], Any]) -> Any:
    """Returns what `look` gives as soon as it is true; the program and the screen are real."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = look()
            if found:
                return found
            await pilot.pause(0.05)


def rows(screen: InspectScreen) -> list[str]:
    table = screen.query_one("#log", DataTable)
    return [
        " ".join(str(cell) for cell in table.get_row_at(n)[1:3]) for n in range(table.row_count)
    ]


def text_of(screen: InspectScreen, name: str) -> str:
    return str(screen.query_one(name, Static).render())


def stores_of(screen: InspectScreen) -> str:
    found: list[str] = []

    def walk(node: Any) -> None:
        found.append(str(node.label))
        for child in node.children:
            walk(child)

    walk(screen.query_one("#stores", Tree).root)
    return "\n".join(found)


def test_the_screen_shows_filters_pauses_travels_and_exports(tmp_path: Path) -> None:
    domain = Domain("shop")
    basket = Store[tuple[str, ...]]((), name="shop.basket", domain=domain)
    login = Store({"user": "ann", "token": "SECRET"}, name="shop.login", domain=domain)

    async def look(tools: DevServer) -> None:
        screen = InspectScreen(tools.url, folder=tmp_path)
        async with screen.run_test(size=(130, 40)) as pilot:
            await until(pilot, lambda: "connected" in text_of(screen, "#status"))
            basket.set(("tea",))
            basket.set(("tea", "[b]milk[/b]"))
            login.set({"user": "bob", "token": "SECRET"})
            await until(pilot, lambda: len(rows(screen)) == 3)
            assert rows(screen) == [
                "commit 1 shop.basket",
                "commit 2 shop.basket",
                "commit 3 shop.login",
            ]
            wanted = ("bob", "[b]milk[/b]", "token: ***")
            await until(pilot, lambda: all(it in stores_of(screen) for it in wanted))
            shown = stores_of(screen)
            assert "token: ***" in shown
            assert "1: '[b]milk[/b]'" in shown
            assert "SECRET" not in shown
            await pilot.press("up")
            await until(pilot, lambda: "'[b]milk[/b]'" in text_of(screen, "#details"))
            await until(pilot, lambda: "cause: " in text_of(screen, "#details"))
            await pilot.press("up", "j")
            await until(pilot, lambda: basket.get() == ("tea",))
            await until(pilot, lambda: "moved in time" in text_of(screen, "#status"))
            folder = os.environ.get("REACTIVE_WS_PICTURES")
            if folder:
                screen.save_screenshot(str(Path(folder) / "devtools_screen.svg"))
            await pilot.press("b")
            await until(pilot, lambda: basket.get() == ("tea", "[b]milk[/b]"))
            await until(pilot, lambda: "moved in time" not in text_of(screen, "#status"))
            await pilot.press("slash", *"login", "enter")
            await until(pilot, lambda: all("login" in row for row in rows(screen)))
            await pilot.press("slash", "p")
            await until(pilot, lambda: len(rows(screen)) > 3)
            count = len(rows(screen))
            basket.set(())
            await until(pilot, lambda: "1 line kept back" in text_of(screen, "#status"))
            assert len(rows(screen)) == count
            await pilot.press("p")
            await until(pilot, lambda: len(rows(screen)) == count + 1)
            await pilot.press("e")
            (path,) = await until(pilot, lambda: list(tmp_path.glob("record-*.json")))
            document = read_document(await until(pilot, path.read_text))
            assert "SECRET" not in json.dumps(document)
            tools.stop()
            await until(pilot, lambda: "the program is gone" in text_of(screen, "#status"))
        again = InspectScreen(document=document)
        async with again.run_test(size=(130, 40)) as pilot:
            await until(pilot, lambda: len(rows(again)) == count + 1)
            await until(pilot, lambda: "a saved record" in text_of(again, "#status"))
            await until(pilot, lambda: "basket" in stores_of(again))

    with inspect_program(domain=domain) as tools:
        asyncio.run(look(tools))


def test_the_screen_says_when_the_token_is_wrong() -> None:
    async def look(tools: DevServer) -> None:
        screen = InspectScreen(tools.url[:-3])
        async with screen.run_test() as pilot:
            await until(pilot, lambda: "not let in" in text_of(screen, "#status"))

    with inspect_program(domain=Domain()) as tools:
        asyncio.run(look(tools))
