"""The byte counts of a socket, and sockets that end in time, in the virtual network and on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
from typing import Any

import pytest
import websockets.asyncio.client
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request
from websockets.server import ServerProtocol

from reactive_ws.testing import Bandwidth, Direction, Simulation, simulate
from reactive_ws.transport import Traffic, connect
from reactive_ws.transport.sockets.traffic import NOT_SENT_LIMIT
from reactive_ws.transport.websockets import adapted

SIZE = 100_000


async def sends_much(connection: ServerConnection) -> None:
    async for _ in connection:
        await connection.send("x" * SIZE)


@simulate
async def test_bytes_are_counted_while_a_long_message_is_still_under_way() -> None:
    async with serve(sends_much, "server", 80, ping_interval=None, compression=None):
        socket_ = await connect("ws://server", proxy=None, compression=None, ping_interval=None)
        traffic = Traffic(socket_)
        before = traffic.received
        Simulation.current().network.apply(Bandwidth(10_000, Direction.DOWN))
        await socket_.send("go")
        counts: list[int] = []
        receiving = asyncio.ensure_future(socket_.recv())
        while not receiving.done():
            await asyncio.sleep(1)
            counts.append(traffic.received - before)
        assert counts == sorted(counts)
        assert len(set(counts)) > 5, "the count stood still while bytes flowed"
        assert SIZE < counts[-1] <= SIZE + 16
        await socket_.close()


@pytest.mark.parametrize(
    ("frame", "size"),
    [("x" * 125, 131), ("x" * 126, 134), ("é" * 63, 134), (b"x" * 65_536, 65_550)],
)
@simulate
async def test_written_bytes_include_header_and_mask(frame: str | bytes, size: int) -> None:
    got: list[int] = []

    async def reads(connection: ServerConnection) -> None:
        link = Simulation.current().network.link
        before = link.up.sent_size
        await connection.send("ready")
        await connection.recv()
        got.append(link.up.sent_size - before)

    async with serve(reads, "server", 80, ping_interval=None, compression=None):
        socket_ = await connect("ws://server", proxy=None, compression=None, ping_interval=None)
        await socket_.recv()
        traffic = Traffic(socket_)
        traffic.frame_written(frame)
        await socket_.send(frame)
        await asyncio.sleep(1)
        assert got == [size]
        assert traffic.written == size
        traffic.payload_written(len(frame.encode() if isinstance(frame, str) else frame))
        assert traffic.written == 2 * size
        await socket_.close()


class Bare:
    """A socket of a library without a count of its own."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_the_kernel_counts_for_sockets_without_a_count_of_their_own() -> None:
    async def main() -> None:
        async with serve(sends_much, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            own = await connect(f"ws://127.0.0.1:{port}", proxy=None, compression=None)
            counted, kernel = Traffic(own), Traffic(Bare(own.transport))
            await own.send("go")
            assert await own.recv() == "x" * SIZE
            assert counted.received == kernel.received > SIZE
            assert kernel.counts_bytes
            tcp = own.transport.get_extra_info("socket")
            assert tcp.getsockopt(socket.IPPROTO_TCP, 25) == NOT_SENT_LIMIT
            await own.close()
            assert kernel.received >= SIZE, "the count of a closed socket is gone"

    asyncio.run(main())


@simulate
async def test_without_any_count_whole_frames_are_counted() -> None:
    async with serve(sends_much, "server", 80, ping_interval=None):
        socket_ = await connect("ws://server", proxy=None, ping_interval=None)
        traffic = Traffic(Bare(socket_.transport))
        assert not traffic.counts_bytes
        traffic.frame_received("x" * 200)
        assert traffic.received == 204
        await socket_.close()


@pytest.mark.parametrize(
    "ending",
    [b"\x88\x02\x03\xe9", b"\x83\x00"],
    ids=["a close frame", "a violation of the protocol"],
)
@simulate
async def test_a_peer_that_keeps_tcp_open_after_its_close_gets_the_close_timeout(
    ending: bytes,
) -> None:
    async def keeps_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handshake = ServerProtocol()
        handshake.receive_data(await reader.readuntil(b"\r\n\r\n"))
        (request,) = handshake.events_received()
        assert isinstance(request, Request)
        handshake.send_response(handshake.accept(request))
        writer.writelines([*handshake.data_to_send(), ending])
        # Reading ends when the client drops the connection.
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(keeps_open, "server", 80):
        socket_ = await connect("ws://server", proxy=None, ping_interval=None, close_timeout=2)
        begin = asyncio.get_running_loop().time()
        with pytest.raises(websockets.ConnectionClosed):
            await socket_.recv()
        assert asyncio.get_running_loop().time() - begin == pytest.approx(2, abs=0.1)
        await asyncio.sleep(1)


def test_the_connect_of_websockets_becomes_ours_and_others_stay() -> None:
    theirs = websockets.asyncio.client.connect
    part = adapted(functools.partial(theirs, max_size=7))
    assert isinstance(part, functools.partial)
    assert part.func is connect
    assert part.keywords == {"max_size": 7}

    def own() -> None: ...

    assert adapted(own) is own
    assert adapted(theirs) is connect
