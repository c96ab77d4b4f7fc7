"""The chaos proxy between real websockets clients and a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from reactive_ws.testing import (
    Bandwidth,
    BlackHole,
    ChaosProxy,
    Direction,
    Hang,
    Heal,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Timed,
    Truncate,
)


@pytest.fixture(autouse=True)
def no_noise_from_broken_handlers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="websockets")


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def proxied() -> AsyncIterator[ChaosProxy]:
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with ChaosProxy("127.0.0.1", port) as proxy:
            yield proxy


def dial(proxy: ChaosProxy, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{proxy.port}", proxy=None, compression=None, **options)


def run(test: Callable[[ChaosProxy], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(120), proxied() as proxy:
            await test(proxy)

    asyncio.run(main())


async def ask(client: ClientConnection, text: str = "x") -> float:
    started = time.perf_counter()
    await client.send(text)
    assert await client.recv() == text
    return time.perf_counter() - started


def test_without_faults_it_passes_everything_on() -> None:
    async def test(proxy: ChaosProxy) -> None:
        async with dial(proxy) as client:
            for size in (0, 1, 100, 200_000):
                await ask(client, "x" * size)
        assert proxy.accepted == 1

    run(test)


def test_latency_bandwidth_and_splitting() -> None:
    async def test(proxy: ChaosProxy) -> None:
        async with dial(proxy) as client:
            proxy.apply(Latency(0.1, direction=Direction.UP))
            assert await ask(client) > 0.1
            proxy.apply(Latency(0.0))
            proxy.apply(Split(1))
            await ask(client, "byte by byte")
            proxy.apply(Split(None))
            proxy.apply(Bandwidth(10_000, Direction.DOWN))
            assert await ask(client, "x" * 2_000) > 0.15

    run(test)


def test_a_stall_and_a_black_hole_delay_and_lose_nothing() -> None:
    async def test(proxy: ChaosProxy) -> None:
        async with dial(proxy) as client:
            started = time.perf_counter()
            proxy.apply(Stall(0.2))
            await ask(client)
            assert time.perf_counter() - started > 0.15
            proxy.apply(BlackHole())
            await client.send("held")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.recv(), 0.2)
            proxy.apply(Heal())
            assert await client.recv() == "held"

    run(test)


@pytest.mark.parametrize("fault", [Reset(), Truncate(5), Truncate(5, is_reset=True)], ids=str)
def test_a_connection_breaks_and_the_next_one_works(fault: Any) -> None:
    async def test(proxy: ChaosProxy) -> None:
        async with dial(proxy) as client:
            await ask(client)
            proxy.apply(fault)
            with pytest.raises(ConnectionClosed) as caught:
                await ask(client, "long enough")
            assert caught.value.rcvd is None
        proxy.apply(Heal())
        async with dial(proxy) as client:
            await ask(client)

    run(test)


def test_refused_and_hanging_dials() -> None:
    async def test(proxy: ChaosProxy) -> None:
        proxy.apply(Refuse(2))
        for _ in range(2):
            with pytest.raises(Exception, match=r"(?i)reset|did not receive|closed|handshake"):
                await dial(proxy)
        proxy.apply(Hang())
        with pytest.raises(TimeoutError):
            await dial(proxy, open_timeout=0.2)
        asyncio.get_running_loop().call_later(0.1, proxy.apply, Heal())
        async with dial(proxy) as client:
            await ask(client)

    run(test)


def test_a_plan_runs_in_real_time() -> None:
    async def test(proxy: ChaosProxy) -> None:
        async with dial(proxy) as client:
            started = time.perf_counter()
            proxy.play((Timed(0.1, Reset()), Timed(3600.0, Reset())))
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert time.perf_counter() - started > 0.05

    run(test)


def test_a_closed_proxy_has_no_port() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        _ = ChaosProxy("127.0.0.1", 1).port


class Recording:
    """A plain TCP server that writes down what it gets, and how it ends."""

    def __init__(self) -> None:
        self.size = 0
        self.ends: list[str] = []
        self.answer = b""
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.size += len(data)
            self.ends.append("eof")
            writer.write(self.answer)
        except ConnectionResetError:
            self.ends.append("reset")
        writer.close()


def run_raw(
    test: Callable[[ChaosProxy, Recording], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> None:
        recording = Recording()
        server = await asyncio.start_server(recording.serve, "127.0.0.1", 0)
        async with (
            asyncio.timeout(60),
            server,
            ChaosProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy,
        ):
            await test(proxy, recording)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def abort_with_reset(writer: asyncio.StreamWriter) -> None:
    lingering = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
    writer.transport.abort()


def test_a_stall_of_more_than_the_proxy_holds_ends_by_itself() -> None:
    async def test(proxy: ChaosProxy, recording: Recording) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await until(lambda: recording.writers)
        proxy.apply(Stall(0.3))
        writer.write(b"x" * 1_000_000)
        await until(lambda: recording.size == 1_000_000)
        writer.close()
        await until(lambda: recording.ends == ["eof"])

    run_raw(test)


def test_a_new_connection_waits_for_the_end_of_a_stall() -> None:
    async def test(proxy: ChaosProxy, recording: Recording) -> None:
        started = time.perf_counter()
        proxy.apply(Stall(0.3))
        _, first = await asyncio.open_connection("127.0.0.1", proxy.port)
        await until(lambda: recording.writers)
        assert time.perf_counter() - started >= 0.29
        proxy.apply(Stall(3600))
        _, second = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.apply(Heal())
        await until(lambda: len(recording.writers) == 2)
        first.close()
        second.close()
        await until(lambda: recording.ends == ["eof", "eof"])

    run_raw(test)


def test_one_way_can_end_before_the_other() -> None:
    async def test(proxy: ChaosProxy, recording: Recording) -> None:
        recording.answer = b"y" * 200_000
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x" * 1000)
        writer.write_eof()
        assert await reader.read(-1) == recording.answer
        assert (recording.size, recording.ends) == (1000, ["eof"])
        writer.close()

    run_raw(test)


def test_a_reset_of_the_client_reaches_the_server_as_a_reset() -> None:
    async def test(proxy: ChaosProxy, recording: Recording) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await until(lambda: recording.writers)
        abort_with_reset(writer)
        await until(lambda: recording.ends == ["reset"])

    run_raw(test)


def test_what_was_sent_before_both_ends_closed_in_a_black_hole_arrives_after_it() -> None:
    async def test(proxy: ChaosProxy, recording: Recording) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await until(lambda: recording.writers)
        proxy.apply(BlackHole())
        writer.write(b"x" * 1000)
        writer.write_eof()
        recording.writers[0].write(b"y" * 1000)
        recording.writers[0].write_eof()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        assert (recording.size, recording.ends) == (0, [])
        proxy.apply(Heal())
        assert await reader.read(-1) == b"y" * 1000
        await until(lambda: recording.ends == ["eof"])
        assert recording.size == 1000
        writer.close()

    run_raw(test)


def test_nothing_is_behind_the_proxy() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with ChaosProxy("127.0.0.1", port) as proxy, asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    asyncio.run(main())


def test_the_end_of_a_server_behind_a_client_that_is_gone_unnoticed_is_no_error() -> None:
    async def test(proxy: ChaosProxy, recording: Recording) -> None:
        problems: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(context))
        client = socket.create_connection(("127.0.0.1", proxy.port))
        client.setblocking(False)
        await until(lambda: recording.writers)
        proxy.apply(BlackHole(Direction.UP))
        refused = 0
        # Until the proxy holds so much that it reads no more, and so does not see what happens to the client.
        while refused < 30:
            try:
                client.send(b"x" * 65_536)
                refused = 0
            except BlockingIOError:
                refused += 1
                await asyncio.sleep(0.01)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        recording.writers[0].write_eof()
        await asyncio.sleep(0.1)
        assert proxy.accepted == 1
        proxy.apply(Heal())
        await until(lambda: recording.ends)
        assert problems == []

    run_raw(test)
