"""Runs programs in Pyodide under node, with the WebSocket that node has in common with browsers."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Self

from missing_parts import skip_or_fail
from raw_client import ROOT

__all__ = ["InPyodide"]

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules" / ".pyodide-packages"


class InPyodide:
    """`async with InPyodide(program, folder) as run: await run.line()`.

    Args:
        program: Python code; it may use `await` at its top level.
        folder: Takes the file of the program.
    """

    def __init__(self, program: str, folder: Path) -> None:
        node = shutil.which("node")
        if node is None or not PACKAGES.is_dir():
            skip_or_fail("node or Pyodide is missing; `make setup` installs it where npm is")
        self._path = folder / "program.py"
        self._path.write_text(program, "utf-8")
        # From node 22 on, the option has no effect.
        script = HERE / "run_in_pyodide.mjs"
        self._command = [node, "--experimental-websocket", "--no-warnings", str(script)]

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            str(self._path),
            str(ROOT),
            str(PACKAGES),
            cwd=self._path.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()

    async def line(self) -> str:
        """Returns the next line that the program prints."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 120)
        if not line:
            _, errors = await self._process.communicate()
            raise AssertionError(f"the program ended: {errors.decode()[-3000:]}")
        return line.decode().rstrip("\n")

    async def rest(self) -> list[str]:
        """Returns the lines up to the end of the program, which must succeed."""
        output, errors = await asyncio.wait_for(self._process.communicate(), 120)
        assert self._process.returncode == 0, errors.decode()[-3000:]
        return output.decode().splitlines()
