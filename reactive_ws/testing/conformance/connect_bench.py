"""The bench for `connect_checks`: a small server that ends connections in every way, and the options of the service."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

__all__ = [
    "MAX_SIZE",
    "Bench",
    "CheckFailed",
    "babble",
    "expect",
    "hang_up",
    "tcp_server",
]

CLOSE_TIMEOUT = 0.5
MAX_SIZE = 4_096
"""Bytes; the limit that the factory gets."""


class CheckFailed(Exception):
    """A check found something; the text says what."""


def expect(is_kept: object, text: str) -> None:
    """Raises `CheckFailed` unless something holds."""
    if not is_kept:
        raise CheckFailed(text)


class Bench:
    """A server, the factory, and what the server saw.

    Attributes:
        connect: The factory.
        port: Where the server listens.
        seen: The server's connections.
        logger: The logger that the factory gets.
    """

    def __init__(self, connect: Callable[..., Awaitable[Any]]) -> None:
        self.connect = connect
        self.port = 0
        self.seen: list[ServerConnection] = []
        self.logger = logging.getLogger("reactive_ws.check_connect")
        self._open: list[Any] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, connect: Callable[..., Awaitable[Any]]) -> AsyncGenerator[Bench]:
        bench = cls(connect)
        async with serve(
            bench.handle,
            "127.0.0.1",
            0,
            select_subprotocol=_second,
            process_request=bench.answer,
            ping_interval=None,
            close_timeout=0.2,
            logger=_silent(),
        ) as server:
            bench.port = next(iter(server.sockets)).getsockname()[1]
            try:
                yield bench
            finally:
                for socket in bench._open:
                    with contextlib.suppress(Exception):
                        socket.transport.abort()

    async def dial(self, path: str = "/", *, port: int | None = None, **options: Any) -> Any:
        """Opens a socket with the options that the service passes."""
        given: dict[str, Any] = {
            "subprotocols": ["first", "second"],
            "additional_headers": {"X-Check": "secret-of-the-check"},
            "logger": self.logger,
            "open_timeout": None,
            "ping_interval": None,
            "ping_timeout": None,
            "close_timeout": CLOSE_TIMEOUT,
            "max_size": MAX_SIZE,
            "compression": None,
            "proxy": None,
            **options,
        }
        url = f"ws://127.0.0.1:{self.port if port is None else port}{path}"
        socket = await self.connect(url, **given)
        self._open.append(socket)
        return socket

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        if request.path == "/moved":
            response = socket.respond(http.HTTPStatus.TEMPORARY_REDIRECT, "moved\n")
            response.headers["Location"] = "/"
            return response
        if request.path != "/busy":
            return None
        response = socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "busy\n")
        response.headers["Retry-After"] = "7"
        return response

    async def handle(self, socket: ServerConnection) -> None:
        self.seen.append(socket)
        with contextlib.suppress(ConnectionClosed):
            async for frame in socket:
                if frame == "three":
                    for text in ("1", "2", "3"):
                        await socket.send(text)
                elif frame == "close":
                    await socket.send("last words")
                    await socket.close(4321, "enough")
                elif frame == "empty close":
                    socket.transport.write(b"\x88\x00")
                elif frame == "die":
                    socket.transport.abort()
                elif frame == "big":
                    await socket.send("x" * (MAX_SIZE + 1))
                else:
                    await socket.send(frame)

    async def ended(self) -> ServerConnection:
        """Returns the server's last connection when it is closed."""
        await self.seen[-1].wait_closed()
        return self.seen[-1]


def _second(socket: ServerConnection, offers: Sequence[Subprotocol]) -> Subprotocol | None:
    del socket
    second = Subprotocol("second")
    return second if second in offers else None


def _silent() -> logging.Logger:
    logger = logging.getLogger("reactive_ws.check_connect.server")
    logger.propagate = False
    logger.disabled = True
    return logger


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that does not speak HTTP."""
    del reader
    writer.write(b"220 mail.example ready\r\n\r\n")
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that closes at once."""
    del reader
    writer.close()


async def close_and_stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A WebSocket server that sends a close frame and keeps TCP open."""
    protocol = ServerProtocol()
    protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    writer.writelines([*protocol.data_to_send(), b"\x88\x02\x10\xe1"])
    try:
        # It ends when the client drops the connection.
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def tcp_server(
    behaviour: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[int]:
    """Listens on loopback; gives the port."""
    server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
