"""URL providers, codecs that return nonsense, and peers that ask without reading."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from reactive_ws import DeliveryStatus, WebSocketService
from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.errors import (
    BadAddress,
    DialFailed,
    MessageRejected,
    ProxyRefused,
    Unauthorized,
)
from reactive_ws.testing import Simulation, simulate
from reactive_ws.wire import Envelope, JsonCodec

SECRET = "s3cr3t"


def make(url: Any = "ws://home/ws", **options: Any) -> WebSocketService:
    given: dict[str, Any] = {
        "domain": Domain("test"),
        "proxy": None,
        "rng": random.Random(1),
        "codec": JsonCodec(subprotocol=None),
        **options,
    }
    return WebSocketService(url, **given)


def errors_of(service: WebSocketService) -> list[Exception]:
    found: list[Exception] = []
    service.errors.subscribe(lambda event: found.append(event.exception))
    return found


@simulate
async def test_a_url_provider_runs_on_every_dial_sync_or_async() -> None:
    paths: list[str] = []

    async def drops(connection: ServerConnection) -> None:
        request = connection.request
        assert isinstance(request, Request)
        paths.append(request.path)
        connection.transport.abort()

    async def later() -> str:
        await asyncio.sleep(0.1)
        return f"http://home/async/{len(paths)}?ticket={SECRET}"

    providers: list[Callable[[], Any]] = [lambda: f"ws://home/sync/{len(paths)}", later]
    async with serve(drops, "home", 80, ping_interval=None):
        for provider in providers:
            paths.clear()
            service = make(provider)
            await service.connect()
            await asyncio.sleep(10)
            assert len(paths) > 2
            assert [path.partition("?")[0][-1] for path in paths] == [
                str(number) for number in range(len(paths))
            ]
            assert SECRET not in f"{service!r}{service.connection.get()!r}"
            await service.disconnect()


@pytest.mark.parametrize(
    ("result", "kind", "state", "words"),
    [
        (OSError(f"no {SECRET}"), DialFailed, ConnectionState.RECONNECTING, "raised OSError"),
        (7, DialFailed, ConnectionState.RECONNECTING, "the URL provider returned int"),
        (Unauthorized("signed out"), Unauthorized, ConnectionState.ERROR, "signed out"),
        (f"ftp://h/?{SECRET}", BadAddress, ConnectionState.ERROR, "the scheme must be"),
    ],
    ids=["raises", "no string", "signed out", "no URL"],
)
@simulate
async def test_a_provider_that_fails_says_so_without_its_secret(
    result: Any, kind: type[Exception], state: ConnectionState, words: str
) -> None:
    def provider() -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    service = make(provider)
    await service.connect()
    await asyncio.sleep(0.5)
    error = service.connection.get().error
    assert isinstance(error, kind)
    assert words in str(error)
    assert service.state is state
    assert SECRET not in repr(error) + str(error)
    await service.disconnect()


class Odd(JsonCodec):
    """Writes messages of type `odd` as the test wants."""

    def __init__(self, frame: Any) -> None:
        super().__init__(subprotocol=None)
        self.frame = frame

    def encode(self, envelope: Envelope[Any]) -> Any:
        return self.frame if envelope.type == "odd" else super().encode(envelope)


@pytest.mark.parametrize("frame", ["\ud800", None, {"a": 1}, 7], ids=repr)
@simulate
async def test_a_frame_that_no_socket_takes_is_refused_by_send(frame: Any) -> None:
    got: list[str] = []

    async def hears(connection: ServerConnection) -> None:
        got.extend([json.loads(message)["type"] async for message in connection])

    async with serve(hears, "home", 80, ping_interval=None):
        service = make(codec=Odd(frame))
        found = errors_of(service)
        await service.connect()
        await service.wait_connected(5)
        with pytest.raises(MessageRejected, match="the codec returned"):
            service.send("odd", {})
        fine = service.send("fine", {})
        await asyncio.sleep(1)
        assert fine.status is DeliveryStatus.SENT
        assert found == []
        assert service.is_connected
        await service.disconnect()
        await asyncio.sleep(1)
        assert got == ["fine"]


@simulate
async def test_a_bug_in_a_socket_library_ends_the_connection_and_is_reported() -> None:
    async def hears(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(hears, "home", 80, ping_interval=None):
        service = make()
        found = errors_of(service)
        await service.connect()
        await service.wait_connected(5)
        client: Any = Simulation.current().network.link.client.get_protocol()

        def broken(_: Any) -> None:
            raise LookupError("a bug")

        client.write = broken
        service.send("fine", {})
        await asyncio.sleep(1)
        assert [type(error) for error in found] == [LookupError]
        assert service.state is ConnectionState.ERROR
        await service.disconnect()


@simulate
async def test_a_proxy_that_refuses_is_named_with_its_status_and_without_its_password() -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(refuses, "proxy", 3128):
        service = make(proxy=f"http://user:{SECRET}@proxy:3128")
        await service.connect()
        await asyncio.sleep(1)
        error = service.connection.get().error
        assert isinstance(error, ProxyRefused)
        assert error.status == 407
        assert service.state is ConnectionState.ERROR
        assert SECRET not in repr(service.connection.get()) + str(error)
        await service.disconnect()
