"""The two shells of a server: an ASGI connection, and a connection of `websockets`. Each becomes a `Duplex`."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from ..transport import unmasked
from .direct import DirectConnection
from .node import Disconnected

__all__ = ["AsgiDuplex", "Receive", "Scope", "Send", "SocketDuplex"]

Scope: TypeAlias = MutableMapping[str, Any]
"""The description of a connection, as ASGI gives it."""
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_MAX_REASON: Final = 123
"""Bytes that a close frame has for its reason."""
_SHARED_SIZE: Final = 65_536
"""Characters of the frames whose bytes are made once for all sockets."""


_whole = functools.lru_cache(maxsize=16)(unmasked)
"""Returns a frame as it goes over the wire: a server masks nothing, so the bytes are the same for each client."""


@functools.lru_cache(maxsize=16)
def _together(frames: tuple[str | bytes, ...]) -> bytes:
    """Returns frames as they go over the wire, one behind the other."""
    return b"".join(map(unmasked, frames))


class AsgiDuplex:
    """A WebSocket that an ASGI server accepted for us."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.take: None = None
        """ASGI sends with a coroutine only."""
        self._receive = receive
        self._send = send
        self._task = asyncio.current_task()

    def listen(self, heard: Callable[[deque[str | bytes]], None]) -> None:
        """Does nothing: ASGI has `receive` only."""

    def go_on(self) -> None:
        """Does nothing, for the same reason."""

    async def send(self, frame: str | bytes) -> None:
        """Sends a frame."""
        kind = "text" if isinstance(frame, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: frame})
        except (OSError, RuntimeError) as error:  # servers raise either one when the client is gone
            raise Disconnected from error

    async def receive(self) -> str | bytes:
        """Returns the next frame."""
        event = await self._receive()
        if event["type"] != "websocket.receive":
            raise Disconnected
        text: str | None = event.get("text")
        data: bytes = event.get("bytes") or b""
        return data if text is None else text

    async def close(self, code: int, reason: str) -> None:
        """Closes with a code."""
        try:
            await self._send(
                {"type": "websocket.close", "code": code, "reason": reason[:_MAX_REASON]}
            )
        except (OSError, RuntimeError) as error:
            raise Disconnected from error

    def abort(self) -> None:
        """Ends the application's task; ASGI has no other way to drop a connection."""
        if self._task is not None:
            self._task.cancel()


class SocketDuplex:
    """A connection of the `websockets` library."""

    def __init__(self, socket: DirectConnection) -> None:
        self._socket = socket
        self.listen = socket.listen
        self.go_on = socket.go_on

    def take(self, frames: Sequence[str | bytes]) -> bool:
        """Hands short frames to the system in one call, when nothing waits."""
        socket = self._socket
        transport = socket.transport
        if (
            sum(map(len, frames)) > _SHARED_SIZE
            or socket.protocol.state is not State.OPEN
            or transport.is_closing()
            or transport.get_write_buffer_size()
        ):
            return False
        transport.write(_whole(frames[0]) if len(frames) == 1 else _together(tuple(frames)))
        return True

    async def send(self, frame: str | bytes) -> None:
        """Sends a frame."""
        try:
            await self._socket.send(frame)
        except ConnectionClosed as error:
            raise Disconnected from error

    async def receive(self) -> str | bytes:
        """Returns the next frame."""
        try:
            return await self._socket.next()
        except ConnectionClosed as error:
            raise Disconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Closes with a code."""
        await self._socket.close(code, reason[:_MAX_REASON])

    def abort(self) -> None:
        """Drops the TCP connection."""
        self._socket.transport.abort()
