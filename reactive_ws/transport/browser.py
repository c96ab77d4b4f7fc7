"""`connect` over the WebSocket of a browser, for programs in Pyodide, which is Python for browsers.

A service in Pyodide uses it without an option. A browser hides parts of a WebSocket, so some things differ:

    * It sends no headers of the program. A token goes as `Query`, `Subprotocol` or `FirstMessage`.
    * It hides why a dial failed: every failure is an `OSError`, and the service dials again. It follows no redirect.
    * It sends no ping frames. Protocol v1 has ping messages; a plain server needs `PlainJson(ping=...)` or `heartbeat=None`.
    * It sends no close code but 1000 and 3000 to 4999. Another code of ours goes out as a close frame without a code.
    * It cannot make a server wait. Frames that the program has not read stay in memory, 16 MiB at most; then the connection
      ends and the service dials again.

`Dialer` calls it. It needs the modules `js` and `pyodide`, which only Pyodide has.
"""

from __future__ import annotations

import asyncio
import collections
import importlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidURI
from websockets.frames import Close

from ..connection import CloseCode, may_be_sent_by_a_page
from ..errors import UsageError

__all__ = ["IS_BROWSER", "BrowserSocket", "connect"]

IS_BROWSER = sys.platform == "emscripten"
"""Whether this Python runs in Pyodide."""
_UNREAD_LIMIT = 16 * 2**20
"""Bytes or characters of frames that the program has not read."""
_WAITING_LIMIT = 128 * 1024
"""Bytes that the browser takes beyond what it has sent. More would wait where no heartbeat can pass it."""
_LOOK_AGAIN = 0.02
"""Seconds. A browser has no event for bytes that it has sent."""
_OPEN, _CLOSED = 1, 3
"""Values of `readyState` in the WebSocket standard."""


async def connect(
    url: str,
    *,
    subprotocols: Sequence[str] | None = None,
    additional_headers: Mapping[str, str] | None = None,
    open_timeout: float | None = 10.0,
    close_timeout: float | None = 10.0,
    max_size: int | None = 2**20,
    **options: Any,
) -> BrowserSocket:
    """Opens a connection. The browser decides about proxies, TLS, compression and the origin: these options are not used.

    Raises:
        UsageError: this Python is not in a browser, or there are headers, which a browser does not send.
        InvalidURI: the browser takes the address for none.
        OSError: the connection did not come about.
        TimeoutError: the handshake took longer than `open_timeout` seconds.
    """
    del options
    if additional_headers:
        names = ", ".join(additional_headers)
        raise UsageError(
            f"a browser sends no headers ({names}); use Query, Subprotocol or FirstMessage for a token"
        )
    try:
        js, ffi = importlib.import_module("js"), importlib.import_module("pyodide.ffi")
    except ImportError:
        raise UsageError("this connect needs Pyodide; leave `connect=` out elsewhere") from None
    try:
        native = js.WebSocket.new(url, ffi.to_js(list(subprotocols or ())))
    except ffi.JsException as error:
        raise InvalidURI(url, "the browser does not take it") from error
    native.binaryType = "arraybuffer"
    socket = BrowserSocket(native, ffi, max_size=max_size, close_timeout=close_timeout)
    try:
        async with asyncio.timeout(open_timeout):
            await socket.opened
    except BaseException:
        socket.transport.abort()
        raise
    return socket


class _Transport:
    """The part of an asyncio transport that a service uses."""

    def __init__(self, native: Any, drop: Callable[[], None]) -> None:
        self._native = native
        self._drop = drop

    def abort(self) -> None:
        """Forgets the socket; the browser ends it on its own."""
        self._drop()

    def is_reading(self) -> bool:
        """Returns True: a browser always reads."""
        return True

    def get_write_buffer_size(self) -> int:
        """Returns how many bytes wait in the browser."""
        return int(self._native.bufferedAmount)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Returns the default: a browser shows no socket."""
        del name
        return default


class BrowserSocket:
    """An open connection. Loop only. Its methods raise what those of `websockets` raise.

    Args:
        native: The `WebSocket` of the browser.
        ffi: The module `pyodide.ffi`.
        max_size: Bytes or characters of the largest frame; None for no limit.
        close_timeout: Seconds for the server's answer to a close frame.
    """

    def __init__(
        self, native: Any, ffi: Any, *, max_size: int | None, close_timeout: float | None
    ) -> None:
        self._native = native
        self._ffi = ffi
        self._max_size = max_size
        self._close_timeout = close_timeout
        self._frames: collections.deque[str | bytes] = collections.deque()
        self._unread = 0
        self._reader: asyncio.Future[None] | None = None
        self._sent: Close | None = None
        self._end: Exception | None = None
        self._over = asyncio.Event()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport = _Transport(native, self._drop)
        self._listeners: dict[str, Any] = {
            name: ffi.create_proxy(function)
            for name, function in (
                ("open", self._on_open),
                ("message", self._on_message),
                ("close", self._on_close),
                ("error", self._on_error),
            )
        }
        for name, listener in self._listeners.items():
            native.addEventListener(name, listener)

    def __repr__(self) -> str:
        return f"<BrowserSocket{' over' if self._over.is_set() else ''}>"

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server selected."""
        return str(self._native.protocol) or None

    async def recv(self) -> str | bytes:
        """Returns the next message; does not suspend while one is there.

        Raises:
            ConnectionClosed: the connection is over.
        """
        while not self._frames:
            if self._end is not None:
                raise self._end
            # A `recv` that was cancelled may end after the next one began: it leaves that one's future alone.
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        frame = self._frames.popleft()
        self._unread -= len(frame)
        return frame

    async def send(self, message: str | bytes) -> None:
        """Sends a message; waits while the browser holds 128 KiB or more.

        Raises:
            ConnectionClosed: the connection is over.
        """
        while self._end is None and self._native.bufferedAmount >= _WAITING_LIMIT:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(_LOOK_AGAIN)
        if self._end is not None:
            raise self._end
        if self._native.readyState != _OPEN:
            # The close frame is under way; its event brings the reason to the reader.
            raise ConnectionClosedError(None, self._sent, None)
        self._native.send(message if isinstance(message, str) else self._ffi.to_js(message))

    async def ping(self) -> Awaitable[float]:
        """Refuses: a browser sends no ping frames.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "a browser sends no ping frames; use PlainJson(ping=...) or heartbeat=None with a plain server"
        )

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Closes with the closing handshake, or drops the socket after the close timeout."""
        if self._sent is None:
            self._sent = Close(code, reason)
        if may_be_sent_by_a_page(code):
            self._native.close(code, reason)
        else:
            self._native.close()
        try:
            async with asyncio.timeout(self._close_timeout):
                await self._over.wait()
        except TimeoutError:
            self._drop()

    async def wait_closed(self) -> None:
        """Waits until the socket is gone."""
        await self._over.wait()

    # --- events of the browser -------------------------------------------------------------------------------------------

    def _on_open(self, event: Any) -> None:
        del event
        if not self.opened.done():
            self.opened.set_result(None)

    def _on_message(self, event: Any) -> None:
        data = event.data
        frame: str | bytes = data if isinstance(data, str) else data.to_bytes()
        if self._max_size is not None and len(frame) > self._max_size:
            self._refuse(Close(CloseCode.TOO_BIG, f"a frame is larger than {self._max_size} bytes"))
            return
        if self._unread + len(frame) > _UNREAD_LIMIT:
            self._refuse(Close(CloseCode.POLICY, "the program reads too slowly"))
            return
        self._unread += len(frame)
        self._frames.append(frame)
        self._wake()

    def _on_close(self, event: Any) -> None:
        code, reason = int(event.code), str(event.reason)
        received = None if code == CloseCode.NO_FRAME else Close(code, reason)
        is_ours = self._sent is not None
        kind = ConnectionClosedOK if code == CloseCode.NORMAL else ConnectionClosedError
        self._finish(kind(received, self._sent, not is_ours if received and is_ours else None))

    def _on_error(self, event: Any) -> None:
        """Ends a dial. Browsers send a close event after it; node does not. An open socket always gets a close event."""
        del event
        if not self.opened.done():
            self._finish(ConnectionClosedError(None, None, None))

    # --- ends ------------------------------------------------------------------------------------------------------------

    def _refuse(self, close: Close) -> None:
        """Ends the connection because of what the server sent."""
        self._sent = close
        self._finish(ConnectionClosedError(None, close, None))
        self._native.close()

    def _drop(self) -> None:
        self._finish(ConnectionClosedError(None, self._sent, None))
        if self._native.readyState != _CLOSED:
            self._native.close()

    def _finish(self, end: Exception) -> None:
        """Sets the end once and takes the listeners away."""
        if self._end is not None:
            return
        self._end = end
        for name, listener in self._listeners.items():
            self._native.removeEventListener(name, listener)
            listener.destroy()
        self._listeners.clear()
        self._over.set()
        if not self.opened.done():
            self.opened.set_exception(OSError(0, "the browser does not say why"))
            # Where the dial was cancelled, no task awaits it.
            self.opened.exception()
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
