"""The examples do what they say, as a user would run them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

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
