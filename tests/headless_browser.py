"""A headless Chromium for tests of pages: loads an address and evaluates JavaScript over the protocol of its devtools.

`Chromium` is for async tests, `Page` for others.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import shutil
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from missing_parts import skip_or_fail
from websockets.asyncio.client import ClientConnection, connect

__all__ = ["Chromium", "Page", "need_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def need_chromium() -> str:
    """Returns the program, or skips the test with the reason."""
    found = next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)
    if found is None:
        skip_or_fail("no Chromium is installed, which shows the pages of the tests")
    return found


class Chromium:
    """One page."""

    def __init__(self, program: str, *, width: int = 1300, height: int = 720) -> None:
        self._program = program
        self._size = f"--window-size={width},{height}"
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._number = 0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._folder.name}",
            self._size,
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"},
        )
        stderr = self._process.stderr
        assert stderr is not None
        port = ""
        while not port:
            line = (await asyncio.wait_for(stderr.readline(), 60)).decode()
            assert line, "Chromium ended"
            found = re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
            port = found[1] if found else ""
        self._reader = asyncio.create_task(stderr.read())

        def pages() -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
                return json.load(answer)

        targets = await asyncio.to_thread(pages)
        url = next(it["webSocketDebuggerUrl"] for it in targets if it["type"] == "page")
        self._socket: ClientConnection = await connect(
            # A `Page` turns the loop only while it waits for an answer.
            url,
            max_size=2**26,
            proxy=None,
            ping_interval=None,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._socket.close()
        self._process.terminate()
        await self._process.wait()
        await self._reader
        self._folder.cleanup()

    async def command(self, method: str, **parameters: Any) -> Any:
        """Runs one command of the protocol and returns its result."""
        self._number += 1
        await self._socket.send(
            json.dumps({"id": self._number, "method": method, "params": parameters})
        )
        while True:
            answer = json.loads(await asyncio.wait_for(self._socket.recv(), 30))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def open(self, url: str) -> None:
        """Loads a page."""
        await self.command("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    async def evaluate(self, script: str) -> Any:
        """Returns the value of an expression."""
        result = await self.command(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str, *, seconds: float = 120.0) -> Any:
        """Returns the value of an expression as soon as it is true; the page may need a while."""
        async with asyncio.timeout(seconds):
            while True:
                value = await self.evaluate(script)
                if value:
                    return value
                await asyncio.sleep(0.05)

    async def picture(self, path: Path) -> None:
        """Writes the page as PNG."""
        result = await self.command("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(result["data"]))


class Page:
    """`with Page(url) as page: page.run("document.title")`, for a thread without a running loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browser = Chromium(need_chromium())
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.run(self._browser.__aenter__())
        self._runner.run(self._browser.open(self._url))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._runner.run(self._browser.__aexit__(kind, error, traceback))
        self._runner.close()

    def command(self, method: str, **parameters: Any) -> Any:
        """Runs one command of the protocol and returns its result."""
        return self._runner.run(self._browser.command(method, **parameters))

    def run(self, script: str) -> Any:
        """Returns the value of an expression; None when it raises."""
        found = self.command("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    def until(self, script: str, value: Any) -> None:
        """Waits until an expression has this value."""
        end = time.monotonic() + 120.0
        while (found := self.run(script)) != value:
            assert time.monotonic() < end, f"{script} is {found!r}, not {value!r}"
            time.sleep(0.05)
