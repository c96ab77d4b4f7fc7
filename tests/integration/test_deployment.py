"""The configurations of haproxy and nginx that `docs/server.md` prints: a page in a browser and a program connect through each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from listening import listening
from missing_parts import skip_or_fail
from todo_types import Add, Added, types
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from reactive_ws import Domain, WebSocketService
from reactive_ws.server import Context, Server

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text("utf-8")
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def block(language: str) -> str:
    """Returns the one block of a language on the page."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def here(text: str, *changes: tuple[str, str]) -> str:
    """Returns a configuration with addresses of this machine, and without TLS."""
    for printed, ours in changes:
        assert printed in text
        text = text.replace(printed, ours)
    return text


def haproxy(folder: Path, port: int, node: int) -> list[str]:
    text = here(
        block("haproxy"),
        (":443 ssl crt /etc/haproxy/app.pem", f"127.0.0.1:{port}"),
        ("10.0.0.1:8001", f"127.0.0.1:{node}"),
        ("10.0.0.2:8001", f"127.0.0.1:{node}"),
    )
    (folder / "haproxy.cfg").write_text(text)
    return [program("haproxy"), "-f", str(folder / "haproxy.cfg"), "-db"]


def nginx(folder: Path, port: int, node: int) -> list[str]:
    text = here(
        block("nginx"),
        ("443 ssl", f"127.0.0.1:{port}"),
        ("    ssl_certificate /etc/nginx/app.pem;\n", ""),
        ("    ssl_certificate_key /etc/nginx/app.key;\n", ""),
        ("10.0.0.1:8001", f"127.0.0.1:{node}"),
        ("    server 10.0.0.2:8001;\n", ""),
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{text}}}\n"
    )
    return [program("nginx"), "-p", str(folder), "-e", "error.log", "-c", f"{folder}/nginx.conf"]


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        skip_or_fail(f"{name} is not installed (apt-get install {name})")
    return found


@contextlib.asynccontextmanager
async def running(command: list[str], port: int) -> AsyncIterator[None]:
    """Runs a proxy while the context is open."""
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await listening(port, lambda: process.returncode is not None, PATIENCE)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)


@pytest.mark.parametrize("proxy", [haproxy, nginx])
def test_a_page_and_a_program_connect_through_the_proxy_as_printed(
    proxy: Callable[[Path, int, int], list[str]], tmp_path: Path
) -> None:
    server = Server(types())

    @server.command(Add)
    async def add(command: Add, context: Context) -> None:
        context.publish("todos", Added(command.title))

    async def check() -> None:
        port, node = free_port(), free_port()
        async with (
            server.serve(port=node, path="/live/"),
            running(proxy(tmp_path, port, node), port),
        ):
            url = f"ws://127.0.0.1:{port}/live/"

            def dial(origin: str) -> Any:
                spoken = [Subprotocol("reactive-ws.v1")]
                return connect(url, origin=Origin(origin), subprotocols=spoken, proxy=None)

            async with dial(f"http://127.0.0.1:{port}") as page:
                assert '"hello"' in str(await asyncio.wait_for(page.recv(), PATIENCE))
            with pytest.raises(InvalidStatus):
                async with dial("http://elsewhere.example"):
                    pass
            async with WebSocketService(url, registry=types(), domain=Domain("proxy")) as one:
                await asyncio.wait_for(one.send(Add("1", "milk")), PATIENCE)

    asyncio.run(check())


BACKEND = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from reactive_ws.server import Server
from reactive_ws.wire import protocol_v1

server = Server(protocol_v1(), leave_after=0.5)

@asynccontextmanager
async def lifespan(_):
    await server.start()
    yield
    await server.stop()

app = FastAPI(lifespan=lifespan)
app.mount("/live", server)
"""


def test_clients_of_uvicorn_get_goaway_with_the_program_as_printed(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (text,) = (one for one in blocks if "class Leaving" in one)

    async def check() -> None:
        port = free_port()
        (tmp_path / "server.py").write_text(BACKEND)
        (tmp_path / "serve.py").write_text(here(text, ("port=8001", f"port={port}")))
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "serve.py"), cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await listening(port, lambda: program.returncode is not None, PATIENCE)
            spoken = [Subprotocol("reactive-ws.v1")]
            url = f"ws://127.0.0.1:{port}/live/"
            async with connect(url, subprotocols=spoken, proxy=None) as client:
                assert '"hello"' in str(await asyncio.wait_for(client.recv(), PATIENCE))
                program.terminate()
                assert '"goaway"' in str(await asyncio.wait_for(client.recv(), PATIENCE))
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(client.recv(), PATIENCE)
                assert client.close_code == 1012
            assert await asyncio.wait_for(program.wait(), PATIENCE) in (0, -signal.SIGTERM)
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()

    asyncio.run(check())
