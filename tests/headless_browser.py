"""A page in headless Chromium, for tests of what a browser shows."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

__all__ = ["Page"]


class Page:
    """`with Page(url) as page: page.run("document.title")`. Waits at most `patience` seconds for each answer."""

    def __init__(self, url: str, *, patience: float = 30.0) -> None:
        self._url = url
        self._patience = patience
        self._number = 0
        self._folder = tempfile.mkdtemp()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [
                shutil.which("chromium") or "chromium",
                *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-background-networking", "--disable-component-update"),
                *("--disable-sync", "--disable-quic", "--remote-debugging-port=0"),
                f"--user-data-dir={self._folder}",
                self._url,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._connecting = connect(self._address(), max_size=None)
            self._socket = self._connecting.__enter__()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connecting.__exit__(kind, error, traceback)
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(10.0)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _address(self) -> str:
        end = time.monotonic() + self._patience
        file = Path(self._folder) / "DevToolsActivePort"
        while True:
            assert time.monotonic() < end, "Chromium did not start"
            assert self._process.poll() is None, "Chromium ended"
            time.sleep(0.05)
            if not file.exists() or not (lines := file.read_text().split()):
                continue
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list") as answer:
                pages = [it for it in json.load(answer) if it["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])

    def command(self, method: str, **parameters: Any) -> Any:
        """Sends one command of the DevTools protocol; returns its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(self._patience))
            if answer.get("id") == self._number:
                return answer.get("result")

    def run(self, script: str) -> Any:
        """Returns the value of a JavaScript expression."""
        found = self.command("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    def until(self, script: str, value: Any) -> None:
        """Waits until a JavaScript expression has this value."""
        end = time.monotonic() + self._patience
        while (found := self.run(script)) != value:
            assert time.monotonic() < end, f"{script} is {found!r}, not {value!r}"
            time.sleep(0.05)
