"""An end that is cancelled, or that an application's function would delay: nothing goes on behind it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from reactive_ws.errors import LogUnavailable
from reactive_ws.server import (
    Batch,
    Context,
    MemoryLog,
    Proposal,
    Request,
    Server,
    SqliteLog,
    listen,
    stop_listening,
)
from reactive_ws.server.access import SUBPROTOCOL
from reactive_ws.server.logs.sqlite.tables import Tables
from reactive_ws.testing import World, simulate
from reactive_ws.wire import protocol_v1


class Noted:
    """Something that a consumer may follow."""


async def cancelled(ending: asyncio.Task[None]) -> None:
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending


async def end(serving: AbstractAsyncContextManager[str]) -> None:
    await serving.__aexit__(None, None, None)


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


async def serves(_: ServerConnection) -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("turns", [1, 2, 20])
def test_a_listener_whose_end_is_cancelled_aborts_peers_without_a_handshake(turns: int) -> None:
    async def run() -> None:
        listener = await listen(serves, "127.0.0.1", 0, open_timeout=None)
        port = next(iter(listener.sockets)).getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            while not listener.handler_tasks:
                await asyncio.sleep(0.001)
            ending = asyncio.create_task(stop_listening(listener))
            for _ in range(turns):
                await asyncio.sleep(0)
            await cancelled(ending)
            assert await reader.read() == b""
            assert not listener.is_serving()
            await stop_listening(listener)
            writer.close()

    asyncio.run(run())


@simulate
async def test_a_server_ends_at_once_beside_an_authorize_that_hangs() -> None:
    async def authorize(_: Request) -> str | None:
        await asyncio.get_running_loop().create_future()
        return None

    async def dial() -> int:
        with pytest.raises(InvalidStatus) as refused:
            await connect("ws://server:80/", subprotocols=[Subprotocol(SUBPROTOCOL)])
        return refused.value.response.status_code

    async with World():
        server = Server(protocol_v1(), log=MemoryLog(), authorize=authorize)
        async with server.serve("server", 80):
            dialling = asyncio.create_task(dial())
            await asyncio.sleep(1)
            begin = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begin <= 0.5
        # The client comes back: its token was not refused.
        assert await dialling == 503


@simulate
async def test_a_server_whose_end_is_cancelled_leaves_nothing_running() -> None:
    registry = protocol_v1()
    registry.message("noted")(Noted)
    log = MemoryLog()
    server = Server(registry, log=log, leave_after=30.0)

    @server.consumer("notes", "notes", Noted)
    async def note(_: Noted, __: Context) -> None: ...

    async with World():
        before = others()
        serving = server.serve("server", 80)
        await serving.__aenter__()
        async with connect("ws://server:80/", subprotocols=[Subprotocol(SUBPROTOCOL)]) as socket:
            ending = asyncio.create_task(server.stop())
            await asyncio.sleep(1)
            begin = asyncio.get_running_loop().time()
            await cancelled(ending)
            assert asyncio.get_running_loop().time() == begin
            with pytest.raises(LogUnavailable, match="closed"):
                await log.mark()
            await socket.wait_closed()
            assert socket.close_code == 1012
        await serving.__aexit__(None, None, None)
        await asyncio.sleep(1)
        assert others() == before


def test_a_log_whose_close_is_cancelled_writes_and_closes(tmp_path: Path) -> None:
    may_go_on = threading.Event()
    proposal = Proposal(None, Batch({"s": [b"text"]}))

    async def run() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()
        before = set(threading.enumerate())

        def hold(_: Tables) -> None:
            may_go_on.wait(60)

        holding = asyncio.create_task(log._submit(hold))
        waiting = asyncio.create_task(log.append([proposal]))
        closing = asyncio.create_task(log.close())
        await asyncio.sleep(0)
        assert not log._is_open
        await cancelled(closing)
        with pytest.raises(LogUnavailable, match="closed"):
            await log.append([proposal])
        may_go_on.set()
        # Another call waits for the end of the first.
        await log.close()
        await holding
        assert (await waiting).outcomes[0].positions["s"].seq == 1
        assert not [one for one in before if one.is_alive() and "reactive-ws-log-write" in one.name]
        assert not (tmp_path / "log.db-wal").exists()
        await log.open()
        assert (await log.read("s", None)).head.seq == 1
        await log.close()

    asyncio.run(run())


def test_a_log_closes_when_its_loop_ends_in_the_middle_of_a_close(tmp_path: Path) -> None:
    may_go_on = threading.Event()
    log = SqliteLog(tmp_path / "log.db")

    async def run() -> None:
        await log.open()

        def hold(_: Tables) -> None:
            may_go_on.wait(60)

        holding = asyncio.create_task(log._submit(hold))
        closing = asyncio.create_task(log.close())
        await asyncio.sleep(0)
        assert not log._is_open
        assert not holding.done()
        assert not closing.done()

    async def again() -> None:
        await log.open()
        assert (await log.append([Proposal(None, Batch({"s": [b"text"]}))])).outcomes
        await log.close()

    asyncio.run(run())
    thread = log._thread
    assert thread is not None
    may_go_on.set()
    thread.join(60)
    assert not thread.is_alive()
    asyncio.run(again())


def test_port_and_log_are_free_after_an_end_that_was_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        server = Server(protocol_v1(), log=SqliteLog(tmp_path / "log.db"), leave_after=30.0)
        serving = server.serve(port=0)
        url = await serving.__aenter__()
        async with connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)]) as socket:
            leaving = asyncio.create_task(end(serving))
            while b"goaway" not in await socket.recv(decode=False):
                pass
            await cancelled(leaving)
        async with (
            server.serve(port=urlsplit(url).port or 0) as again,
            connect(again, subprotocols=[Subprotocol(SUBPROTOCOL)]),
        ):
            pass

    asyncio.run(run())
