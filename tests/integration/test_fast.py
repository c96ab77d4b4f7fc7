"""The service on picows: everything that a connection goes through, between real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import zlib

import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidProxyStatus
from websockets.utils import accept_key

from reactive_ws.connection.backoff import Backoff
from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import ConnectionLost, HandshakeRefused, ProxyRefused
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, agent_chat
from reactive_ws.transport import websockets
from reactive_ws.transport.credentials.authentication import Query

from .peers.foreign import part
from .scripted_server import ScriptedServer, until

LONG = 60.0


def make(url: str, **options: object) -> WebSocketService:
    given: dict[str, object] = {
        "domain": Domain("test"),
        "proxy": None,
        "backoff": Backoff(initial=0.01, factor=1.0, cap=0.01),
        **options,
    }
    return WebSocketService(
        url,
        connect=part("reactive_ws.transport.picows").connect,
        **{"registry": agent_chat(), **given},
    )  # type: ignore[arg-type]


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x", 0))


async def test_messages_go_both_ways_through_losses_and_closes_and_nothing_is_lost() -> None:
    async with ScriptedServer() as server:
        service = make(server.url)
        heard: list[str] = []
        codes: list[int] = []
        service.on(MessageResponse, lambda payload: heard.append(payload.message.content))
        service.errors.subscribe(
            lambda event: (
                codes.append(event.exception.code)
                if isinstance(event.exception, ConnectionLost)
                else None
            )
        )
        async with service:
            await service.wait_connected(LONG)
            await server.publish("first")
            await until(lambda: heard == ["first"])
            assert await service.send(chat(1)) is DeliveryStatus.ACKNOWLEDGED
            for number, end in enumerate((server.drop, lambda: server.close(1012, "again")), 2):
                ending = end()
                if ending is not None:
                    await ending
                await until(lambda number=number: server.connections == number)
                await service.wait_connected(LONG)
                assert await service.send(chat(number)) is DeliveryStatus.ACKNOWLEDGED
                await server.publish(f"after {number}")
            await until(lambda: len(heard) == 3)
        assert heard == ["first", "after 2", "after 3"]
        assert codes == [1006, 1012]
        assert [m["id"] for m in server.received if m["type"] == "message.send"] == [
            "c1",
            "c2",
            "c3",
        ]
        assert service.state is ConnectionState.CLOSED
        await until(lambda: not server.sockets)
        assert [t for t in asyncio.all_tasks() if "reactive_ws" in t.get_name()] == []


async def test_a_refused_handshake_is_told_with_its_status_and_a_closed_port_is_retried() -> None:
    server = ScriptedServer()
    server.process_request = lambda socket, _: socket.respond(404, "no\n")  # type: ignore[method-assign]
    async with server:
        service = make(server.url)
        await service.connect()
        with pytest.raises(HandshakeRefused, match="404"):
            await service.wait_connected(LONG)
        await service.disconnect()
    service = make(server.url)
    await service.connect()
    await service.connection.select().wait_for(lambda c: c.attempt >= 3, LONG)
    await service.disconnect()


@pytest.mark.parametrize("is_excepted", [False, True], ids=["proxy", "no_proxy"])
async def test_a_proxy_of_the_environment_that_wants_a_password_ends_it_unless_it_excepts_the_host(
    is_excepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
        writer.write(b"HTTP/1.1 407 No\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    for name in ("all_proxy", "https_proxy", "ws_proxy", "no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    port = proxy.sockets[0].getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    if is_excepted:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with ScriptedServer() as server:
        service = make(server.url, proxy=True)
        await service.connect()
        if is_excepted:
            await service.wait_connected(LONG)
        else:
            found = await service.connection.select().wait_for(lambda c: c.error is not None, LONG)
            assert isinstance(found.error, ProxyRefused)
            assert found.error.status == 407
            assert found.state is ConnectionState.ERROR
        await service.disconnect()
    proxy.close()
    assert set(asked) == (set() if is_excepted else {b"CONNECT"})


async def test_what_picows_logs_shows_no_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    async with ScriptedServer() as server:
        async with make(server.url, auth=Query("s3cr3t/t0ken")) as service:
            await service.wait_connected(LONG)
            await service.send(chat(1))
        assert "s3cr3t" in server.requests[0].path
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    assert "aiofastnet" in {record.name for record in ours}
    assert [record.getMessage() for record in ours if "s3cr3t" in record.getMessage()] == []


async def test_a_peer_that_breaks_the_rules_and_never_answers_our_close_is_dialed_again() -> None:
    dials = 0
    done = asyncio.Event()

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dials
        dials += 1
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1]
            for line in head.split(b"\r\n")
            if b"sec-websocket-key" in line.lower()
        )
        accept = accept_key(key.decode())
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        # A text frame of bytes that are not UTF-8.
        writer.write(b"\x81\x02\xc3\x28")
        await writer.drain()
        if dials == 3:
            done.set()
        await done.wait()
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    service = make(f"ws://127.0.0.1:{port}/", close_timeout=0.1)
    async with asyncio.timeout(LONG):
        await service.connect()
        await done.wait()
        assert service.state is not ConnectionState.ERROR
        await service.disconnect()
    server.close()


@pytest.mark.parametrize("answer", ["407 Proxy Authentication Required", "403 No", "502 Bad"])
async def test_the_status_of_a_proxy_is_the_one_of_websockets(answer: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    for connect in (part("reactive_ws.transport.picows").connect, websockets.connect):
        with pytest.raises(InvalidProxyStatus) as caught:
            await connect("ws://127.0.0.1:9/", proxy=f"http://u:p@127.0.0.1:{port}")
        assert caught.value.response.status_code == int(answer[:3])
    proxy.close()


async def test_a_server_that_waits_for_tls_is_mute_in_both_libraries() -> None:
    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x15\x03\x01\x00\x02\x02\x16")
        writer.close()

    server = await asyncio.start_server(alert, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for connect in (part("reactive_ws.transport.picows").connect, websockets.connect):
        with pytest.raises(InvalidMessage):
            await connect(f"ws://127.0.0.1:{port}/", proxy=None)
    server.close()


async def heard(
    compression: str | None, *frames: bytes, close: bool = True
) -> tuple[list[str | bytes], int]:
    """Returns the messages that a socket of picows gives when a server writes these bytes, and the code of the end."""
    picows = part("reactive_ws.transport.picows")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(it for it in head.split("\r\n") if it.lower().startswith("sec-websocket-key"))
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept_key(key.partition(':')[2].strip())}\r\n"
        )
        if compression:
            answer += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        writer.write(answer.encode() + b"\r\n")
        for frame in frames:
            writer.write(frame)
            await writer.drain()
        if close:
            writer.write(b"\x88\x02\x03\xe8")
        with contextlib.suppress(ConnectionError):
            while await reader.read(4_096):
                continue
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    got: list[str | bytes] = []
    socket = await picows.connect(
        f"ws://127.0.0.1:{port}/", compression=compression, max_size=70_000, proxy=None
    )
    try:
        async with asyncio.timeout(LONG):
            while True:
                got.append(await socket.recv())
    except ConnectionClosed as error:
        end = error.rcvd if close and error.rcvd is not None else error.sent
        code = 0 if end is None else end.code
    finally:
        socket.transport.abort()
        await socket.wait_closed()
        server.close()
        await server.wait_closed()
    return got, code


def frame(head: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        return bytes([head, size]) + data
    return bytes([head, 126]) + struct.pack("!H", size) + data


def squeezed(text: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(
    ("case", "frames", "expected"),
    [
        ("a run", [frame(0x81, b"%d" % it) for it in range(3)], (["0", "1", "2"], 1000)),
        ("binary", [frame(0x82, b"\0\xff")], ([b"\0\xff"], 1000)),
        ("a ping last", [frame(0x81, b"a") + frame(0x89, b"p")], (["a"], 1000)),
        (
            "fragments that split a character",
            [frame(0x01, b"gr\xc3"), frame(0x89, b"p"), frame(0x80, b"\xbc")],
            (["gr\xfc"], 1000),
        ),
        ("text that is no UTF-8", [frame(0x81, b"a"), frame(0x81, b"\xff")], (["a"], 1007)),
        ("fragments that are no UTF-8", [frame(0x01, b"\xff"), frame(0x80, b"")], ([], 1007)),
        ("a continuation of nothing", [frame(0x80, b"x")], ([], 1002)),
        ("a message within a message", [frame(0x01, b"a") + frame(0x81, b"b")], ([], 1002)),
        ("compressed without an agreement", [frame(0xC1, b"x")], ([], 1002)),
        ("too big", [frame(0x01, b"x" * 60_000), frame(0x80, b"x" * 10_001)], ([], 1009)),
        ("too many fragments", [frame(0x01, b"") + frame(0x00, b"") * 4_096], ([], 1009)),
    ],
)  # fmt: skip
async def test_picows_gives_messages_in_runs_by_the_rules_of_websockets(
    case: str, frames: list[bytes], expected: tuple[list[str | bytes], int]
) -> None:
    is_good = expected[1] == 1000
    assert await heard(None, *frames, close=is_good) == expected, case


async def test_picows_reads_compressed_messages_and_fragments() -> None:
    data = squeezed(b"x" * 1_000)
    half = len(data) // 2
    frames = [frame(0xC1, data), frame(0x41, data[:half]), frame(0x80, data[half:])]
    assert await heard("deflate", *frames) == (["x" * 1_000] * 2, 1000)


async def test_a_socket_of_picows_reads_no_further_than_its_queue_while_nothing_takes() -> None:
    picows = part("reactive_ws.transport.picows")
    async with ScriptedServer() as server:
        socket = await picows.connect(server.url, subprotocols=["reactive-ws.v1"], proxy=None)
        for number in range(100):
            await server.publish(f"{number}")
        await until(lambda: not socket.transport.is_reading())
        got = [await socket.recv() for _ in range(101)]
        assert socket.transport.is_reading()
        assert '"99"' in got[-1] or "99" in got[-1]
        await socket.close()
        await socket.wait_closed()
