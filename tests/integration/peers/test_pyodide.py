"""Python for browsers: Pyodide under node. The quick start runs there, and a service over the browser's WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from integration.peers.in_pyodide import InPyodide
from msgspec import Struct
from raw_client import ROOT
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from reactive_ws import Guarantee, protocol_v1
from reactive_ws.stores.hub import Hub

MORE = """
import asyncio
import sys

from reactive_ws import KeyedStore, snapshot

prices = KeyedStore({"tea": 1.0})
prices.select_keys().subscribe(print)
prices.upsert("milk", 2.0)


async def later() -> None:
    await asyncio.sleep(0.01)
    lines.update(lambda now: (*now, "eggs"))


task = asyncio.ensure_future(later())
print(await lines.select().wait_for(lambda now: len(now) == 2, timeout=30))
print(snapshot(title, lines))
try:
    await title.select().wait_for(lambda now: now == "x", timeout=0.01)
except TimeoutError as error:
    print(str(error).partition(" had ")[0])
print([it for it in ("websockets", "msgspec") if it in sys.modules], sys.platform)
"""


def slow_start(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Gives a test more time than others have: Pyodide alone takes seconds of CPU time to start."""

    @functools.wraps(test)
    def run(tmp_path: Path) -> None:
        asyncio.run(asyncio.wait_for(test(tmp_path), 240))

    return run


@slow_start
async def test_the_state_part_runs_in_pyodide(tmp_path: Path) -> None:
    quick_start = re.findall(
        r"^```python\n(.*?)^```\n\nIt prints:\n\n```\n(.*?)^```$",
        (ROOT / "README.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    program, output = quick_start[0]
    async with InPyodide(program + MORE, tmp_path) as run:
        assert await run.rest() == [
            *output.splitlines(),
            "('tea',)",
            "('tea', 'milk')",
            "My notes (2)",
            "('milk', 'eggs')",
            "('My notes', ('milk', 'eggs'))",
            "store 'store 1'",
            "[] emscripten",
        ]


SOCKETS = """
import asyncio

from websockets.exceptions import ConnectionClosed

from reactive_ws import Header, WebSocketService
from reactive_ws.transport.browser import connect


async def end_of(socket):
    try:
        while True:
            print("frame", (await socket.recv())[:3])
    except ConnectionClosed as error:
        print("end", error.rcvd, error.sent, error.rcvd_then_sent)
    try:
        await socket.send("late")
    except ConnectionClosed:
        print("closed")
    await socket.wait_closed()


socket = await connect(URL + "/echo", subprotocols=["first", "second"])
print(socket.subprotocol)
await socket.send("text \u00e9")
await socket.send(bytes([0, 255]))
print(await socket.recv(), await socket.recv())
waiting = asyncio.ensure_future(socket.recv())
await asyncio.sleep(0)
waiting.cancel()
await socket.send("after a cancelled recv")
print(await socket.recv())
await socket.close(3001, "bye")
await end_of(socket)
socket = await connect(URL + "/echo")
await socket.close(1001)
await end_of(socket)
for path in ("two-and-4401", "cut", "normal"):
    await end_of(await connect(f"{URL}/{path}"))
await end_of(await connect(URL + "/two-and-4401", max_size=2))
socket = await connect(URL + "/flood", max_size=None)
while not socket._over.is_set():
    await asyncio.sleep(0.01)
print("unread", socket._unread <= 16 * 2**20)
await end_of(socket)
socket = await connect(URL + "/echo")
socket.transport.abort()
await end_of(socket)
print(socket.transport.is_reading(), socket.transport.get_extra_info("socket", 7))
for url, options in (
    (URL + "/refused", {}),
    ("no address", {}),
    (URL, {"additional_headers": {"Authorization": "secret"}}),
    (URL + "/hang", {"open_timeout": 0.2}),
):
    try:
        await connect(url, **options)
    except Exception as error:
        print(type(error).__name__, error)
try:
    await (await connect(URL + "/echo")).ping()
except Exception as error:
    print(type(error).__name__, error)
async with WebSocketService(URL + "/echo", auth=Header("secret")) as service:
    try:
        await service.wait_connected(30)
    except Exception as error:
        print(type(error).__name__, error)
"""

ABOUT_SOCKETS = [
    "second",
    "text \u00e9 b'\\x00\\xff'",
    "after a cancelled recv",
    "end 3001 (registered) bye 3001 (registered) bye False",
    "closed",
    "end 1005 (no status received [internal]) 1001 (going away) False",
    "closed",
    *("frame 1", "frame two", "end 4401 (private use) who? None None", "closed"),
    *("end None None None", "closed"),
    *("frame 1", "frame two", "end 1000 (OK) None None", "closed"),
    *("frame 1", "end None 1009 (message too big) a frame is larger than 2 bytes None", "closed"),
    "unread True",
    *["frame xxx"] * 16,
    "end None 1008 (policy violation) the program reads too slowly None",
    "closed",
    "end None None None",
    "closed",
    "True 7",
    "OSError [Errno 0] the browser does not say why",
    "InvalidURI no address isn't a valid URI: the browser does not take it",
    "UsageError a browser sends no headers (Authorization); use Query, Subprotocol or FirstMessage for a token",
    "TimeoutError ",
    "UsageError a browser sends no ping frames; use PlainJson(ping=...) or heartbeat=None with a plain server",
    "UsageError a browser sends no headers (Authorization); use Query, Subprotocol or FirstMessage for a token",
]

SERVICE = """
from msgspec import Struct

from reactive_ws import Guarantee, Store, WebSocketService, protocol_v1

types = protocol_v1()


@types.message("line.add", guarantee=Guarantee.AT_LEAST_ONCE)
class LineAdd(Struct, frozen=True):
    text: str


async with WebSocketService(HUB, registry=types) as service:
    lines = Store[tuple[str, ...]](())
    service.on(LineAdd, lambda it: lines.update(lambda now: (*now, it.text)))
    await service.wait_connected(30)
    print(service.state.value, (await service.send(LineAdd("eggs"))).value)
    await service.connection.select().wait_for(lambda it: it.state.value == "reconnecting", 30)
    delivery = service.send(LineAdd("milk"))
    print(delivery.status.value)
    print((await delivery).value)
    print(await lines.select().wait_for(lambda now: len(now) == 2, timeout=30))
print(service.state.value)
"""


@slow_start
async def test_a_service_uses_the_websocket_of_a_browser(tmp_path: Path) -> None:
    types = protocol_v1()

    @types.message("line.add", guarantee=Guarantee.AT_LEAST_ONCE)
    class LineAdd(Struct, frozen=True):
        text: str

    assert LineAdd.__name__ == "LineAdd"
    log = tmp_path / "hub"
    hub = Hub(registry=types, log=log)
    await hub.start()
    hanging = asyncio.Event()

    async def answer(connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        if request.path == "/echo":
            with contextlib.suppress(ConnectionClosed):
                async for frame in connection:
                    await connection.send(frame)
        elif request.path == "/flood":
            with contextlib.suppress(ConnectionClosed):
                for _ in range(40):
                    await connection.send("x" * 2**20)
        else:
            await connection.send("1")
            await connection.send("two")
            if request.path == "/cut":
                connection.transport.abort()
            elif request.path == "/normal":
                await connection.close()
            else:
                await connection.close(4401, "who?")

    async def process(connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/hang":
            await hanging.wait()
        return connection.respond(400, "no") if request.path == "/refused" else None

    def select(_: ServerConnection, offers: Sequence[Subprotocol]) -> Subprotocol | None:
        return offers[1] if offers else None

    async with serve(
        answer, "127.0.0.1", 0, select_subprotocol=select, process_request=process
    ) as server:
        port = server.sockets[0].getsockname()[1]
        addresses = f"HUB = {hub.url!r}\nURL = 'ws://127.0.0.1:{port}'\n"
        async with InPyodide(addresses + SOCKETS + SERVICE, tmp_path) as run:
            try:
                sockets = [await run.line() for _ in ABOUT_SOCKETS]
            finally:
                hanging.set()
            assert sockets == ABOUT_SOCKETS
            assert await run.line() == "connected acknowledged"
            await hub.close()
            assert await run.line() == "queued"
            async with Hub(registry=types, log=log, port=hub.port):
                assert await run.rest() == ["acknowledged", "('eggs', 'milk')", "closed"]
