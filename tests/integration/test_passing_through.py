"""Options that the service passes on unchanged: TLS, proxies, Unix sockets, headers, subprotocols, origin, query."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from integration.peers.foreign import part
from integration.scripted_server import until
from websockets.asyncio.server import ServerConnection, serve, unix_serve

from reactive_ws.connection.backoff import Backoff
from reactive_ws.connection.close_policy import ClosePolicy
from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import BadCertificate
from reactive_ws.service.service import WebSocketService
from reactive_ws.transport.credentials.authentication import Subprotocol
from reactive_ws.wire.envelope import Envelope


def make(url: str, **options: Any) -> WebSocketService:
    quick = Backoff(initial=0.02, factor=1.0, cap=0.02)
    return WebSocketService(
        url, **{"domain": Domain("test"), "proxy": None, "backoff": quick, **options}
    )


class Echo:
    """Repeats every frame; `seen` has the socket of each handshake."""

    def __init__(self) -> None:
        self.seen: list[ServerConnection] = []

    async def __call__(self, socket: ServerConnection) -> None:
        self.seen.append(socket)
        async for frame in socket:
            await socket.send(frame)

    @property
    def request(self) -> Any:
        return self.seen[-1].request


@contextlib.asynccontextmanager
async def echoing(**options: Any) -> AsyncIterator[tuple[Echo, int]]:
    echo = Echo()
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        yield echo, next(iter(server.sockets)).getsockname()[1]


async def exchange(service: WebSocketService) -> None:
    """Connects, and hears its own words."""
    heard: list[Any] = []

    def hear(envelope: Envelope[Any]) -> None:
        heard.append(envelope.payload)

    service.on("echo", hear)
    await service.wait_connected(60)
    service.send("echo", {"n": 1})
    await until(lambda: heard == [{"n": 1}])


async def test_tls_is_verified_against_the_authority_that_the_program_names() -> None:
    authority = part("trustme").CA()
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(for_server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with echoing(ssl=for_server) as (echo, port):
        url = f"wss://localhost:{port}/ws"
        async with make(url, ssl=trusting) as service:
            await exchange(service)
        async with make(url) as suspicious:
            with pytest.raises(BadCertificate, match="pass ssl= with the right certificate"):
                await suspicious.wait_connected(60)
            assert suspicious.state is ConnectionState.ERROR
            assert suspicious.metrics.get().dials == 1
    assert len(echo.seen) == 1


async def test_an_interceptor_is_named_as_the_cause_and_waited_out_after_it_worked_once() -> None:
    own, foreign = part("trustme").CA(), part("trustme").CA()
    trusting = ssl.create_default_context()
    own.configure_trust(trusting)

    def of(authority: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)
        return context

    def listen(authority: Any, port: int) -> serve:
        return serve(Echo(), "localhost", port, family=socket.AF_INET, ssl=of(authority))

    quick = ClosePolicy(slow_delay=0.05)
    async with listen(own, 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        service = make(f"wss://localhost:{port}/ws", ssl=trusting, policy=quick)
        await service.connect()
        await service.wait_connected(60)
    try:
        async with listen(foreign, port):
            await until(lambda: isinstance(service.connection.get().error, BadCertificate))
            now = service.connection.get()
            assert now.state is ConnectionState.RECONNECTING
            assert "certificate was not accepted: unable to get local issuer" in (now.cause or "")
        async with listen(own, port):
            await service.wait_connected(60)
            assert service.connection.get().cause is None
    finally:
        await service.disconnect()


async def test_a_certificate_for_another_host_is_refused_even_from_the_right_authority() -> None:
    authority = part("trustme").CA()
    for_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("elsewhere.example").configure_cert(for_server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        echoing(ssl=for_server) as (_, port),
        make(f"wss://localhost:{port}/ws", ssl=trusting) as service,
    ):
        with pytest.raises(BadCertificate, match="localhost"):
            await service.wait_connected(60)


class ConnectProxy:
    """An HTTP proxy that knows CONNECT; `asked` has the head of every request."""

    def __init__(self, *, credentials: str | None = None) -> None:
        self.asked: list[str] = []
        self._credentials = credentials
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        if self._credentials is not None and self._credentials not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            writer.close()
            return
        host, _, port = head.split()[1].rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def proxying(proxy: ConnectProxy) -> AsyncIterator[int]:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_proxy_carries_the_connection() -> None:
    proxy = ConnectProxy()
    async with echoing() as (echo, port), proxying(proxy) as proxy_port:
        url = f"ws://127.0.0.1:{port}/ws"
        async with make(url, proxy=f"http://127.0.0.1:{proxy_port}") as service:
            await exchange(service)
        await until(lambda: not echo.seen[0].transport or echo.seen[0].transport.is_closing())
    assert [head.splitlines()[0] for head in proxy.asked] == [
        f"CONNECT 127.0.0.1:{port} HTTP/1.1",
    ]


async def test_the_proxy_of_the_environment_is_used_unless_the_program_says_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = ConnectProxy()
    async with echoing() as (_, port), proxying(proxy) as proxy_port:
        for name in ("no_proxy", "NO_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("all_proxy", "ws_proxy", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
        url = f"ws://127.0.0.1:{port}/ws"
        async with make(url, proxy=True) as through:
            await exchange(through)
        assert len(proxy.asked) == 1
        async with make(url, proxy=None) as straight:
            await exchange(straight)
        assert len(proxy.asked) == 1


async def test_a_unix_socket_is_dialled_and_the_url_still_names_host_and_path(
    tmp_path: Path,
) -> None:
    echo = Echo()
    path = tmp_path / "app.sock"
    async with (
        unix_serve(echo, str(path)),
        make("ws://app.local/ws?room=1", unix_socket=path, proxy=True) as service,
    ):
        await exchange(service)
    assert echo.request.path == "/ws?room=1"
    assert echo.request.headers["Host"] == "app.local"


async def test_headers_origin_and_query_parameters_arrive() -> None:
    async with echoing(origins=["https://app.example"]) as (echo, port):
        url = f"ws://127.0.0.1:{port}/ws?room=1&name=%C3%A9"
        headers = {"X-Client": "desktop", "Cookie": "a=1"}
        async with make(url, headers=headers, origin="https://app.example") as service:
            await exchange(service)
    assert echo.request.path == "/ws?room=1&name=%C3%A9"
    arrived = {name: echo.request.headers[name] for name in ("X-Client", "Cookie", "Origin")}
    assert arrived == {"X-Client": "desktop", "Cookie": "a=1", "Origin": "https://app.example"}


async def test_subprotocols_are_offered_after_our_own_and_a_foreign_choice_means_plain_mode() -> (
    None
):
    async with echoing(subprotocols=["chat.v2"]) as (echo, port):
        url = f"ws://127.0.0.1:{port}/ws"
        offers = ("chat.v3", "chat.v2", "reactive-ws.v1")
        async with make(url, subprotocols=offers, auth=Subprotocol("token")) as service:
            await exchange(service)
    assert echo.seen[0].subprotocol == "chat.v2"
    offered = echo.request.headers["Sec-WebSocket-Protocol"]
    assert offered == "reactive-ws.v1, chat.v3, chat.v2, bearer.dG9rZW4"
