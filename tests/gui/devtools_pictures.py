"""Draws the pictures of the developer tools in `docs/images`: the page in Chromium and the screen in a terminal. Run by `make screenshots`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from headless_browser import Chromium, need_chromium
from svg_pictures import without_fonts
from textual.widgets import DataTable

from reactive_ws.devtools import inspect_program
from reactive_ws.devtools.terminal import InspectScreen
from reactive_ws.stores import Application
from reactive_ws.stores.hub import Hub

IMAGES = Path(__file__).parents[2] / "docs" / "images"


async def main() -> None:
    async with Hub() as hub, Application.at(hub.url) as app:
        with inspect_program(app.service, call_sites=True) as tools:
            await app.service.wait_connected(5)
            chat = app.sessions.create("First chat")
            for text in ("panel create Weather", "hello", "tell me about stores"):
                await app.history.send(chat.id, text)
            await asyncio.sleep(4)  # the answers come word by word
            async with Chromium(need_chromium(), width=1300, height=640) as page:
                await page.open(tools.url)
                chosen = "[...document.querySelectorAll('#log li')].filter((it) => it.innerText.includes('carousel'))[0]"
                await page.until(chosen + " !== undefined")
                await page.evaluate(chosen + ".click()")
                await page.until("document.querySelector('#details').innerText.includes('cause')")
                await page.picture(IMAGES / "devtools_page.png")
            screen = InspectScreen(tools.url)
            async with screen.run_test(size=(130, 36)) as pilot:
                table = screen.query_one("#log", DataTable)
                wanted: list[int] = []
                async with asyncio.timeout(20):
                    while not wanted:
                        await pilot.pause(0.1)
                        titles = [str(table.get_row_at(n)[2]) for n in range(table.row_count)]
                        wanted = [
                            n
                            for n, title in enumerate(titles)
                            if title.startswith("stores.history,")
                        ]
                table.move_cursor(row=wanted[0])
                await pilot.pause(0.5)
                svg = re.sub(r"terminal-\d+", "terminal", screen.export_screenshot())
                (IMAGES / "devtools_screen.svg").write_text(without_fonts(svg), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
