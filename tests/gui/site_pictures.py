"""Takes docs/images/site.png: the playground of the built site after the quick start ran. `make docs` comes first.

PYTHONPATH=tests:. python tests/gui/site_pictures.py
"""

from __future__ import annotations

import asyncio

from headless_browser import Chromium, need_chromium
from integration.test_playground import served
from raw_client import ROOT

FRAME = "document.querySelector('iframe').contentDocument.getElementById"


async def take(address: str) -> None:
    async with Chromium(need_chromium(), width=1300, height=900) as page:
        await page.open(f"{address}/playground.html")
        await page.until(f"{FRAME}('state').textContent === 'ready'", seconds=300)
        await page.evaluate(f"{FRAME}('run').click()")
        await page.until(f"{FRAME}('state').textContent === 'finished'", seconds=300)
        await page.picture(ROOT / "docs" / "images" / "site.png")


if __name__ == "__main__":
    with served(ROOT / "build" / "site") as address:
        asyncio.run(take(address))
