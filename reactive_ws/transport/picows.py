"""`connect` of the socket library picows, in the shape that the service needs. It needs the extra `fast`.

    from reactive_ws.transport import picows

    service = WebSocketService(url, connect=picows.connect)

picows 2.3 has the interface of `websockets` but exceptions of its own, no `transport`, and 0 for a close without a code; here
they are translated. It dials no Unix sockets, takes no extensions, and its transport logs addresses (no secrets) to the logger
`aiofastnet`. It counts no bytes; on Linux `Traffic` asks the kernel. `Dialer` calls it when the program passes it.

The module is long because all of it is one border: what picows has in another shape than `websockets`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from websockets import exceptions as ours
from websockets.datastructures import Headers
from websockets.frames import Close
from websockets.http11 import Response
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from .sockets import masked, open_socket

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
_TEXT_TYPE: Any = picows.WSMsgType.TEXT
_CONTINUATION, _TEXT = picows.WSMsgType.CONTINUATION.value, picows.WSMsgType.TEXT.value
_DATA = frozenset({_CONTINUATION, _TEXT, picows.WSMsgType.BINARY.value})
_MAX_QUEUE = 16
"""Messages that wait for `recv` before the peer has to wait."""
_MAX_FRAGMENTS = 4096
"""Fragments of one message, as `websockets` limits them."""


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
            deflate=negotiation.configure_permessage_deflate(answer, compression),
            most=size,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_queue=_MAX_QUEUE,
            write_limit=32_768,
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
    """Takes messages in the callback of picows, in runs, and leaves control frames to picows.

    Attributes:
        core: The transport, which picows hides.
        arrived: Messages that were not taken yet.
        end: Why the connection ended; None while it is open.
        is_behind: Whether the operating system takes nothing more for now.
        deflate: The extension that the handshake agreed on, or None.
        heard, writable: What a line listens with.
        count: Called with each message; None when the bytes are counted elsewhere.
    """

    core: Any = None

    def __init__(self, *, deflate: Any, most: int, **options: Any) -> None:
        super().__init__(permessage_deflate=deflate, max_message_size=most, **options)
        self.arrived: deque[str | bytes] = deque()
        self.end: Exception | None = None
        self.is_behind = False
        self.deflate = deflate
        self.heard: Callable[[], None] | None = None
        self.writable: Callable[[], None] | None = None
        self.count: Callable[[str | bytes], None] | None = None
        self._most = most or sys.maxsize
        self._loop_of_it = asyncio.get_running_loop()
        self._is_due = False
        # The parts of a message that comes in fragments, and what they are.
        self._parts: list[bytes] = []
        self._kind = 0
        self._size = 0

    def on_ws_connected(self, transport: Any) -> None:
        self.core = transport
        self._picows.on_ws_connected(transport)

    @property
    def _picows(self) -> Any:
        """The methods of picows itself, whose types are not known."""
        return super()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        # `frame.msg_type` makes a member of an enum, which costs more than the text; `int` of it costs as much again.
        kind = frame.msg_type
        if (
            kind is _TEXT_TYPE
            and frame.fin
            and not (self._kind or frame.rsv1)
            and frame.payload_size <= self._most
        ):
            try:
                text = frame.get_payload_as_utf8_text()
            except UnicodeDecodeError as error:
                raise _invalid_text(error) from None
            if self.count is not None:
                self.count(text)
            self.arrived.append(text)
        elif int(kind) in _DATA:
            self._take_part(int(kind), frame)
        else:
            self._picows.on_ws_frame(transport, frame)
        if frame.last_in_buffer:
            self.tell()
        elif self.arrived and not self._is_due:
            # What is last may be a ping, which picows answers without a call.
            self._is_due = True
            self._loop_of_it.call_soon(self._tell_late)

    def _take_part(self, kind: int, frame: Any) -> None:
        """Takes a fragment, a compressed or a binary message.

        Raises:
            WSProtocolError: the peer violates the protocol; picows closes with the code.
        """
        if (kind == _CONTINUATION) != bool(self._kind):
            raise _violation("a continuation of nothing, or a message within a message")
        if frame.rsv1 and self.deflate is None:
            raise _violation("a compressed message, which the handshake did not agree on")
        room = max(1, self._most - self._size)
        whole: Any = self.deflate.decode_frame(frame, room) if self.deflate else None
        data: bytes = frame.get_payload_as_bytes() if whole is None else whole
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._most or len(self._parts) > _MAX_FRAGMENTS:
            raise picows.WSProtocolError(picows.WSCloseCode.MESSAGE_TOO_BIG, "message too big")
        self._kind = self._kind or kind
        if not frame.fin:
            return
        message = b"".join(self._parts)
        kind, self._kind, self._parts, self._size = self._kind, 0, [], 0
        try:
            self._add(message.decode() if kind == _TEXT else message)
        except UnicodeDecodeError as error:
            raise _invalid_text(error) from None

    def _add(self, message: str | bytes) -> None:
        if self.count is not None:
            self.count(message)
        self.arrived.append(message)

    def _tell_late(self) -> None:
        self._is_due = False
        if self.arrived:
            self.tell()

    def tell(self) -> None:
        """Says that messages arrived or the connection ended."""
        if self.heard is not None:
            self.heard()

    def on_ws_disconnected(self, transport: Any) -> None:
        self._picows.on_ws_disconnected(transport)
        # Its own queue is empty, so its `recv` says at once why the connection ended.
        receiving = self._picows.recv()
        try:
            receiving.send(None)
        except theirs.ConnectionClosed as error:
            self.end = _translated(error)
        finally:
            receiving.close()
        self.tell()

    def pause_writing(self) -> None:
        self.is_behind = True
        super().pause_writing()

    def resume_writing(self) -> None:
        self.is_behind = False
        super().resume_writing()
        if self.writable is not None:
            self.writable()


def _invalid_text(error: UnicodeDecodeError) -> Exception:
    reason = f"{error.reason} at position {error.start}"
    found: Exception = picows.WSProtocolError(picows.WSCloseCode.INVALID_TEXT, reason)
    return found


def _violation(text: str) -> Exception:
    error: Exception = picows.WSProtocolError(picows.WSCloseCode.PROTOCOL_ERROR, text)
    return error


class _Transport:
    """The part of an asyncio transport that a service uses."""

    def __init__(self, core: Any) -> None:
        self._core = core

    def abort(self) -> None:
        """Drops the socket without a closing handshake."""
        self._core.disconnect(False)

    def pause_reading(self) -> None:
        """Takes nothing from the operating system until `resume_reading`."""
        self._core.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Reads on."""
        self._core.underlying_transport.resume_reading()

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
    """An open connection. Loop only. Its methods raise what those of `websockets` raise.

    It takes and gives messages in runs, so a line needs no task for it.

    Attributes:
        transport: The part of an asyncio transport that a service uses.
        most_at_once: Messages that one `write` should have.
        arrived: Messages that were not taken yet. Take them from the left, then call `resume`.
    """

    most_at_once = 32

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.transport = _Transport(connection.core)
        self.arrived: deque[str | bytes] = connection.arrived
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        connection.heard = self._wake

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server selected."""
        selected: str | None = self._connection.subprotocol
        return selected

    # --- in runs --------------------------------------------------------------------------------------------------------

    @property
    def end(self) -> Exception | None:
        """Why the connection ended; None while it is open."""
        end: Exception | None = self._connection.end
        return end

    @property
    def is_writable(self) -> bool:
        """Whether `write` takes messages now: the connection is open, and the operating system keeps up."""
        connection = self._connection
        core = connection.core
        return not (connection.is_behind or core.is_close_frame_sent or core.is_disconnected)

    def listen(self, heard: Callable[[], None] | None, writable: Callable[[], None] | None) -> None:
        """Calls `heard` when messages arrived or the connection ended, and `writable` when `write` takes messages again.

        Both run in the call of the transport. None ends it.
        """
        self._connection.heard = self._wake if heard is None else heard
        self._connection.writable = writable

    def pause(self) -> None:
        """Makes the peer wait."""
        if not self._is_paused and self.end is None:
            self._is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Reads on after `pause`."""
        if self._is_paused:
            self._is_paused = False
            if self.end is None:
                self.transport.resume_reading()

    def write(self, messages: Sequence[str | bytes]) -> None:
        """Sends messages in one system call, if the operating system takes them; the rest waits in the transport."""
        connection = self._connection
        deflate = connection.deflate
        if deflate is None:
            connection.core.underlying_transport.write(masked(messages))
            return
        for message in messages:
            kind = picows.WSMsgType.TEXT if isinstance(message, str) else picows.WSMsgType.BINARY
            connection.core.send(kind, deflate.encode_frame(kind, message, True), True, True)

    def probe(self, answered: Callable[[], None]) -> None:
        """Sends a ping, and calls `answered` when its answer comes."""

        def done(answer: asyncio.Future[float]) -> None:
            if not answer.cancelled() and answer.exception() is None:
                answered()

        sending = self._connection.ping()
        try:
            # It does not wait while the connection is open.
            sending.send(None)
        except StopIteration as sent:
            sent.value.add_done_callback(done)
        except theirs.ConnectionClosed:
            # The line hears of the end in another way.
            return
        finally:
            sending.close()

    def count_with(self, count: Callable[[str | bytes], None]) -> None:
        """Calls a function with each message that arrives from now on. For systems whose kernel does not say how many bytes came."""
        self._connection.count = count

    async def release(self) -> None:
        """Does nothing: no task runs for `listen`."""

    # --- one by one -----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if len(self.arrived) > _MAX_QUEUE:
            self.pause()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def recv(self) -> str | bytes:
        """Returns the next message; does not suspend while one is there. For callers that do not `listen`.

        Raises:
            ConnectionClosed: the connection is over.
            ConcurrencyError: another `recv` waits.
        """
        if self._waiter is not None:
            raise ours.ConcurrencyError("cannot call recv while another coroutine is running it")
        while not self.arrived:
            if self.end is not None:
                raise self.end
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self.arrived.popleft()
        if not self.arrived:
            self.resume()
        return message

    async def send(self, message: str | bytes) -> None:
        """Sends a message.

        Raises:
            ConnectionClosed: the connection is over.
        """
        try:
            await self._connection.send(message)
        except theirs.ConnectionClosed as error:
            raise _translated(error) from None

    async def ping(self) -> Awaitable[float]:
        """Sends a ping; returns what ends with its answer.

        Raises:
            ConnectionClosed: the connection is over.
        """
        try:
            waiter: Awaitable[float] = await self._connection.ping()
        except theirs.ConnectionClosed as error:
            raise _translated(error) from None
        return waiter

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Closes with the closing handshake."""
        await self._connection.close(code, reason)

    async def wait_closed(self) -> None:
        """Waits until the socket is gone."""
        await self._connection.wait_closed()


def _translated(error: Any) -> Exception:
    received, sent = _close(error.rcvd), _close(error.sent)
    # picows gives an order also when only one side sent a close frame; the exception takes one for two frames only.
    order = None if received is None or sent is None else error.rcvd_then_sent
    return ours.ConnectionClosedError(received, sent, order)


def _close(frame: Any) -> Close | None:
    if frame is None:
        return None
    return Close(int(frame.code) or CloseCode.EMPTY, frame.reason or "")
