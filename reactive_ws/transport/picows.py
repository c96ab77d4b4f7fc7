"""`connect` of the socket library picows, in the shape that the service needs. It needs the extra `fast`.

    from reactive_ws.transport import picows

    service = WebSocketService(url, connect=picows.connect)

picows 2.3 has the interface of `websockets` but exceptions of its own, no `transport`, and 0 for a close without a code; here
they are translated. It dials no Unix sockets, takes no extensions, and its transport logs addresses (no secrets) to the logger
`aiofastnet`. It counts no bytes; on Linux `Traffic` asks the kernel. `Dialer` calls it when the program passes it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NoReturn

from websockets import exceptions as ours
from websockets.datastructures import Headers
from websockets.frames import Close
from websockets.http11 import Response
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from .sockets import open_socket

try:
    import picows
    from picows.websockets import compat
    from picows.websockets import exceptions as theirs
    from picows.websockets.asyncio import connection as picows_connection
    from picows.websockets.asyncio import negotiation
    from python_socks import ProxyError
except ImportError as error:
    raise ImportError("picows is missing; install reactive-ws[fast]") from error

from ..connection import CloseCode

__all__ = ["FastSocket", "connect"]

_AGENT = "reactive-ws (picows)"
_LEAST_STATUS = 100
"""Smaller codes are those of SOCKS."""
_STATUS = re.compile(r"\bstatus ([1-9][0-9]{2})\b")


async def connect(
    url: str,
    *,
    subprotocols: Sequence[str] | None = None,
    additional_headers: Mapping[str, str] | None = None,
    origin: str | None = None,
    logger: Any = None,
    open_timeout: float | None = 10.0,
    ping_interval: float | None = None,
    ping_timeout: float | None = None,
    close_timeout: float | None = 10.0,
    max_size: int | None = 2**20,
    compression: str | None = None,
    proxy: str | bool | None = True,
    ssl: Any = None,
) -> FastSocket:
    """Opens a connection; the options are those of `websockets.asyncio.client.connect`.

    Raises:
        InvalidURI, InvalidStatus, InvalidHandshake: as `websockets` raises them.
        OSError: no server listens there.
        TimeoutError: the handshake took longer than `open_timeout` seconds.
    """
    library: Any = picows
    offers = list(subprotocols or ())
    size = max_size or 0

    def listen(request: Any, response: Any) -> _Connection:
        answer = compat.Response.from_picows(response)
        return _Connection(
            request=compat.Request.from_picows(request),
            response=answer,
            subprotocol=negotiation.resolve_subprotocol(offers, answer),
            permessage_deflate=negotiation.configure_permessage_deflate(answer, compression),
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_queue=16,
            write_limit=32_768,
            max_message_size=size,
            max_frame_size=size or 2**31 - 1,
            logger=logger,
        )

    async def race(parsed: Any) -> Any:
        return await open_socket(parsed.host, parsed.port)

    headers = [*(additional_headers or {}).items(), ("User-Agent", _AGENT)]
    if origin is not None:
        headers.append(("Origin", origin))
    if offers:
        headers.append(("Sec-WebSocket-Protocol", ", ".join(offers)))
    if compression == "deflate":
        offer = "permessage-deflate; client_max_window_bits"
        headers.append(("Sec-WebSocket-Extensions", offer))
    if proxy is True:
        # What the environment says of proxies means the same as with `websockets`: `no_proxy` counts.
        proxy = get_proxy(parse_uri(url))
    try:
        _, listener = await library.ws_connect(
            listen,
            url,
            ssl_context=ssl,
            websocket_handshake_timeout=open_timeout,
            enable_auto_ping=False,
            enable_auto_pong=True,
            max_frame_size=size or 2**31 - 1,
            extra_headers=headers,
            proxy=proxy or None,
            logger_name=logger,
            max_redirects=0,
            socket_factory=None if proxy else race,
        )
    except picows.WSInvalidURL as error:
        raise ours.InvalidURI(url, "isn't a WebSocket URL") from error
    except picows.WSInvalidStatusError as error:
        raise ours.InvalidStatus(_response(error.response)) from error
    except picows.WSHandshakeError as error:
        raise ours.InvalidHandshake(str(error)) from error
    except ProxyError as error:
        status = _status_of(error)
        if status is not None:
            answer = Response(status, "", Headers())
            raise ours.InvalidProxyStatus(answer) from error
        raise ours.ProxyError(str(error)) from error
    except theirs.InvalidHandshake as error:
        raise ours.InvalidHandshake(str(error)) from error
    if not isinstance(listener, _Connection) or listener.core is None:
        raise ours.InvalidMessage("the connection ended before the handshake did")
    return FastSocket(listener)


def _status_of(error: ProxyError) -> int | None:
    """Returns the HTTP status of a proxy's answer; None when there was none. picows has it in the text alone."""
    if error.error_code is not None and error.error_code >= _LEAST_STATUS:
        return int(error.error_code)
    found = _STATUS.search(str(error))
    return None if found is None else int(found[1])


def _response(answer: Any) -> Response:
    headers = Headers()
    for name, value in answer.headers.items():
        headers[name] = value
    return Response(int(answer.status), answer.status.phrase, headers, answer.body or b"")


class _Connection(picows_connection.ClientConnection):
    """Keeps the transport, which picows hides."""

    core: Any = None

    def on_ws_connected(self, transport: Any) -> None:
        self.core = transport
        picows_side: Any = super()
        picows_side.on_ws_connected(transport)


class _Transport:
    """The part of an asyncio transport that a service uses."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def abort(self) -> None:
        """Drops the socket without a closing handshake."""
        self._core.disconnect(False)

    def is_reading(self) -> bool:
        """Whether the socket reads now."""
        reads: bool = self._core.underlying_transport.is_reading()
        return reads

    def get_write_buffer_size(self) -> int:
        """Returns how many bytes wait for the operating system."""
        size: int = self._core.underlying_transport.get_write_buffer_size()
        return size

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Returns what an asyncio transport knows under this name."""
        return self._core.underlying_transport.get_extra_info(name, default)


class FastSocket:
    """An open connection. Loop only. Its methods raise what those of `websockets` raise."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.transport = _Transport(connection.core)

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server selected."""
        selected: str | None = self._connection.subprotocol
        return selected

    async def recv(self) -> str | bytes:
        """Returns the next message; does not suspend while one is there.

        Raises:
            ConnectionClosed: the connection is over.
        """
        try:
            frame: str | bytes = await self._connection.recv()
        except theirs.ConnectionClosed as error:
            _end(error)
        return frame

    async def send(self, message: str | bytes) -> None:
        """Sends a message.

        Raises:
            ConnectionClosed: the connection is over.
        """
        try:
            await self._connection.send(message)
        except theirs.ConnectionClosed as error:
            _end(error)

    async def ping(self) -> Awaitable[float]:
        """Sends a ping; returns what ends with its answer.

        Raises:
            ConnectionClosed: the connection is over.
        """
        try:
            waiter: Awaitable[float] = await self._connection.ping()
        except theirs.ConnectionClosed as error:
            _end(error)
        return waiter

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Closes with the closing handshake."""
        await self._connection.close(code, reason)

    async def wait_closed(self) -> None:
        """Waits until the socket is gone."""
        await self._connection.wait_closed()


def _end(error: Any) -> NoReturn:
    received, sent = _close(error.rcvd), _close(error.sent)
    # picows gives an order also when only one side sent a close frame; the exception takes one for two frames only.
    order = None if received is None or sent is None else error.rcvd_then_sent
    raise ours.ConnectionClosedError(received, sent, order) from None


def _close(frame: Any) -> Close | None:
    if frame is None:
        return None
    return Close(int(frame.code) or CloseCode.EMPTY, frame.reason or "")
