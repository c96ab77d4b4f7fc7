"""The playground of the documentation: built, served on loopback, and used in a headless Chromium."""

from __future__ import annotations

import asyncio
import functools
import http.server
import importlib.util
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from headless_browser import Chromium, need_chromium
from missing_parts import skip_or_fail
from raw_client import ROOT

from reactive_ws.stores.hub import Hub

STARTS = 240.0
"""Seconds. Pyodide takes a few seconds of CPU time to start, and the machine may have other work."""


class _Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".html": "text/html",
        "": "application/octet-stream",
    }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Logs nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder on loopback; gives its address."""
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def playground(tmp_path: Path) -> Path:
    spec = importlib.util.spec_from_file_location(
        "playground_tool", ROOT / "tools" / "playground.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tool
    spec.loader.exec_module(tool)
    try:
        tool.build(tmp_path / "playground")
    except FileNotFoundError as error:
        skip_or_fail(f"{error.filename or error} is missing; `make setup` installs it where npm is")
    return tmp_path / "playground"


def test_the_playground_runs_the_quick_start_and_a_service(playground: Path) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```\n\nIt prints:\n\n```\n(.*?)^```$",
        (ROOT / "README.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    program, output = blocks[0]
    links = re.findall(r"https?:", (playground / "run.html").read_text("utf-8"))
    assert links == []

    async def use(address: str) -> None:
        async with Hub(origins=("*",)) as hub, Chromium(need_chromium()) as page:
            await page.open(f"{address}/run.html")
            state = "document.getElementById('state').textContent"
            text = "document.getElementById('output').textContent"
            await page.until(f"{state} === 'ready' || {state}.includes('did not')", seconds=STARTS)
            assert await page.evaluate(state) == "ready"
            assert await page.evaluate("document.getElementById('program').value") == program
            await page.evaluate("document.getElementById('run').click()")
            await page.until(f"{state} !== 'running'", seconds=STARTS)
            assert (await page.evaluate(state), await page.evaluate(text)) == ("finished", output)
            await page.evaluate(
                "(() => { const it = document.getElementById('example'); it.value = 'A service'; it.onchange();"
                " const program = document.getElementById('program');"
                f" program.value = program.value.replace('ws://127.0.0.1:8000/ws', '{hub.url}');"
                " document.getElementById('run').click(); })()"
            )
            await page.until(f"{state} !== 'running'", seconds=STARTS)
            assert await page.evaluate(text) == "connected\npanel: Weather\n"
            assert await page.evaluate(state) == "finished"
            await page.evaluate(
                "document.getElementById('program').value = '1 / 0';"
                "document.getElementById('run').click()"
            )
            await page.until(f"{state} !== 'running'", seconds=STARTS)
            assert "ZeroDivisionError" in await page.evaluate(text)
            assert await page.evaluate(state) == "failed"

    with served(playground) as address:
        asyncio.run(use(address))
