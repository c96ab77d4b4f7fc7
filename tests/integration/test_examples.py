"""The examples do what they say, as a user would run them."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from missing_parts import skip_or_fail
from websockets.asyncio.server import ServerConnection, serve

ROOT = Path(__file__).parents[2]


async def echo(connection: ServerConnection) -> None:
    async for frame in connection:
        await connection.send(frame)


def test_the_minimal_example_works_against_an_echo_server_that_knows_nothing_of_us() -> None:
    async def main() -> tuple[int | None, list[str], str]:
        async with serve(echo, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            program = await asyncio.create_subprocess_exec(
                sys.executable,
                str(ROOT / "examples" / "minimal.py"),
                f"ws://127.0.0.1:{port}",
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(program.communicate(), 120)
            return program.returncode, out.decode().splitlines(), err.decode()

    code, lines, errors = asyncio.run(main())
    assert (code, errors) == (0, "")
    assert lines[0] == "0 echoes"
    assert lines[-1] == "3 echoes"


def test_the_minimal_example_is_minimal() -> None:
    assert len((ROOT / "examples" / "minimal.py").read_text().splitlines()) <= 20


@pytest.mark.parametrize(
    ("name", "toolkit"),
    [("chat_qt", "PySide6"), ("chat_textual", "textual")],
)
def test_a_mistyped_address_is_one_line(name: str, toolkit: str) -> None:
    if importlib.util.find_spec(toolkit) is None:
        skip_or_fail(f"{toolkit} is not installed")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), "ftp://host"],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    *_, last = ran.stderr.splitlines()
    assert last.startswith("chat: cannot dial 'ftp://host': the scheme must be ws")
    assert "Traceback" not in ran.stderr
