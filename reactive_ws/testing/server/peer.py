"""One connection of a scripted server: what is sent through it, in what wrong way, and what was received.

Made by `server` for each connection; tests use it through the server, or directly when several clients are connected.
"""

from __future__ import annotations

import asyncio
import base64
import fnmatch
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from .mischief import Delay, Drop, Duplicate, Mute, Reorder
from .transcript import Frame, Transcript

if TYPE_CHECKING:
    from ...wire import Envelope

__all__ = ["Mischiefs", "Peer"]

_Outgoing: TypeAlias = Drop | Duplicate | Delay | Reorder


class Mischiefs:
    """The mischief that is still to be done to outgoing messages."""

    def __init__(self) -> None:
        self._to_do: list[tuple[_Outgoing, int]] = []
        self._held: list[tuple[Reorder, list[tuple[Peer, str | bytes]]]] = []

    def add(self, mischief: _Outgoing) -> None:
        """Adds one; they are used in the order in which they were added."""
        self._to_do.append((mischief, mischief.times))

    def take(self, kind: str) -> _Outgoing | None:
        """Returns what happens to the next message of this type, and counts it."""
        for place, (mischief, times) in enumerate(self._to_do):
            if fnmatch.fnmatchcase(kind, mischief.types):
                if times == 1:
                    del self._to_do[place]
                else:
                    self._to_do[place] = (mischief, times - 1)
                return mischief
        return None

    def hold(self, reorder: Reorder, peer: Peer, frame: str | bytes) -> None:
        """Keeps a message until the others of its `Reorder` are there, from whatever connection."""
        if not self._held or self._held[-1][0] is not reorder:
            self._held.append((reorder, []))
        waiting = self._held[-1][1]
        waiting.append((peer, frame))
        if len(waiting) == reorder.times:
            self._held.pop()
            _send_reordered(waiting)

    def clear(self) -> None:
        """Ends all mischief; what waits is sent."""
        self._to_do.clear()
        held, self._held = self._held, []
        for _, waiting in held:
            _send_reordered(waiting)


class Peer:
    """The server's end of a connection.

    Attributes:
        number: 1 for the first connection of the server.
        connection: The connection of `websockets`; its `request` has path and headers.
        received: What the client sent, decoded, in order.
        is_aborted: Whether the server dropped it.
    """

    def __init__(
        self,
        number: int,
        connection: ServerConnection,
        transcript: Transcript,
        mischiefs: Mischiefs,
    ) -> None:
        self.number = number
        self.connection = connection
        self.received: list[Envelope[Any]] = []
        self.is_aborted = False
        self._transcript = transcript
        self._mischiefs = mischiefs
        self._outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._is_speaking = asyncio.Event()
        self._is_speaking.set()
        self._is_reading = asyncio.Event()
        self._is_reading.set()

    def __repr__(self) -> str:
        return f"<Peer {self.number}, {self.connection.state.name}>"

    @property
    def is_open(self) -> bool:
        """Whether messages can still go through it."""
        return self.connection.state.name == "OPEN"

    @property
    def path(self) -> str:
        """The path and query that the client asked for."""
        assert self.connection.request is not None
        return self.connection.request.path

    def send(self, frame: str | bytes, kind: str) -> None:
        """Sends a frame of a message type, unless mischief has other plans with it. Never blocks."""
        match self._mischiefs.take(kind):
            case Drop():
                pass
            case Duplicate():
                self.send_raw(frame)
                self.send_raw(frame)
            case Delay(seconds):
                asyncio.get_running_loop().call_later(seconds, self.send_raw, frame)
            case Reorder() as mischief:
                self._mischiefs.hold(mischief, self, frame)
            case _:
                self.send_raw(frame)

    def send_raw(self, frame: str | bytes) -> None:
        """Sends exactly this frame. Never blocks.

        Raises:
            UnicodeEncodeError: a text frame with a lone surrogate, which no WebSocket can carry.
        """
        if isinstance(frame, str):
            frame.encode()
        self._outgoing.put_nowait(frame)

    def mute(self, mute: Mute) -> None:
        """Sends nothing for a time."""
        self._is_speaking.clear()
        if mute.seconds is not None:
            asyncio.get_running_loop().call_later(mute.seconds, self._is_speaking.set)

    def speak(self) -> None:
        """Ends a mute."""
        self._is_speaking.set()

    def stop_reading(self) -> None:
        """Leaves what the client sends where it is, until its buffers are full and it has to wait."""
        self._is_reading.clear()

    def resume_reading(self) -> None:
        """Reads again."""
        self._is_reading.set()

    def abort(self) -> None:
        """Drops the TCP connection without a close frame."""
        if self.connection.state.name != "CLOSED":
            self.is_aborted = True
            self.connection.transport.abort()

    async def close(self, code: int, reason: str = "") -> None:
        """Closes with a code and a reason."""
        await self.connection.close(code, reason)

    async def run(self, receive: Callable[[str | bytes], None]) -> None:
        """Reads and writes until the connection ends. Called by the server."""
        self.note("open", self.path)
        writer = asyncio.get_running_loop().create_task(
            self._write(), name=f"writer of connection {self.number}"
        )
        try:
            while True:
                await self._is_reading.wait()
                frame = await self.connection.recv()
                self.note("up", frame)
                receive(frame)
        except ConnectionClosed as error:
            end = error.rcvd or error.sent
            self.note("closed", "1006" if end is None else f"{end.code} {end.reason}".strip())
        finally:
            writer.cancel()

    async def _write(self) -> None:
        try:
            while True:
                frame = await self._outgoing.get()
                await self._is_speaking.wait()
                self.note("down", frame)
                await self.connection.send(frame)
        except ConnectionClosed:
            pass

    def note(self, what: Literal["open", "up", "down", "closed"], data: str | bytes) -> None:
        """Adds a line to the transcript."""
        is_binary = isinstance(data, bytes)
        text = base64.b64encode(data).decode() if isinstance(data, bytes) else data
        time = round(asyncio.get_running_loop().time(), 6)
        self._transcript.frames.append(Frame(time, self.number, what, text, is_binary))


def _send_reordered(waiting: list[tuple[Peer, str | bytes]]) -> None:
    for peer, frame in reversed(waiting):
        peer.send_raw(frame)
