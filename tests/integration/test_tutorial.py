"""The page `docs/your-server.md`, done as it says: its files, its commands, two clients, and a server that stops and comes back."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path

from listening import listening

ROOT = Path(__file__).parents[2]
FILE = re.compile(
    r'^```python title="(?P<name>[a-z]+\.py)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
PATIENCE = 120.0


async def run(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", *arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def serve(folder: Path, port: int) -> asyncio.subprocess.Process:
    """Starts the server as the page says, and waits until it listens."""
    server = await run(folder, "-m", "uvicorn", "server:app", "--port", str(port))
    await listening(port, lambda: server.returncode is not None, PATIENCE)
    return server


async def until(client: asyncio.subprocess.Process, line: str) -> None:
    """Reads what a client prints until this line."""
    assert client.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while (read := (await client.stdout.readline()).decode().strip()) != line:
            assert read, f"the client ended without {line!r}"


def write(client: asyncio.subprocess.Process, line: str) -> None:
    assert client.stdin is not None
    client.stdin.write(f"{line}\n".encode())


async def stop(server: asyncio.subprocess.Process) -> None:
    server.send_signal(signal.SIGINT)
    await asyncio.wait_for(server.wait(), PATIENCE)


def test_the_page_about_an_own_server_holds_for_two_clients_and_an_outage(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "your-server.md").read_text("utf-8")
    files = {found["name"]: found["text"] for found in FILE.finditer(page)}
    assert set(files) == {"messages.py", "server.py", "client.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])

    async def follow() -> None:
        url = f"ws://127.0.0.1:{port}/live/"
        server = await serve(tmp_path, port)
        clients = [await run(tmp_path, "client.py", url) for _ in range(2)]
        try:
            for client in clients:
                await until(client, "nothing to do")
            write(clients[0], "milk")
            for client in clients:
                await until(client, "milk")
            await stop(server)
            write(clients[0], "tea")
            await until(clients[0], "milk, tea ...")
            server = await serve(tmp_path, port)
            for client in clients:
                await until(client, "milk, tea")
                write(client, "")
                assert await asyncio.wait_for(client.wait(), PATIENCE) == 0
            await stop(server)
        finally:
            for process in (server, *clients):
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    asyncio.run(follow())
