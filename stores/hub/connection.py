"""One client of the hub: its queue of frames, and what it wants to hear. Lives on the hub's loop; `server` owns it.

Positioned messages that happen between the greeting and the client's first word are held back, because that word may be
`resume`: sent at once they would look like a hole that the replay fills a moment later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from reactive_ws.wire import Codec, Envelope, Recovery

from .state import Replay

__all__ = ["Connection"]


class Connection:
    """One client.

    Args:
        number: Unique among the hub's clients of all time.
        socket: Its WebSocket.
        codec: Writes the frames.
        max_backlog: Frames that may wait for a client that does not read.
        is_plain: The client speaks no subprotocol: it gets no positions.
    """

    def __init__(
        self,
        number: int,
        socket: ServerConnection,
        codec: Codec,
        *,
        max_backlog: int,
        is_plain: bool,
    ) -> None:
        self.number = number
        self.socket = socket
        self.is_plain = is_plain
        self.is_live = is_plain
        self._codec = codec
        self._allowed = max_backlog
        self._held: list[tuple[Envelope[Any], str | bytes]] = []
        self._unwanted: set[str] = set()
        self._frames: deque[str | bytes] = deque()
        self._has_frames = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    def tell(self, envelope: Envelope[Any]) -> None:
        """Queues a message for this client alone."""
        self._queue(self._codec.encode(envelope))

    def hear(self, envelope: Envelope[Any], frame: str | bytes) -> None:
        """Queues, holds back or leaves out a message for all clients. `frame` is its text with its position."""
        if not self._wants(envelope):
            return
        if self.is_plain:
            bare = msgspec.structs.replace(envelope, stream=None, epoch=None, seq=None)
            self._queue(self._codec.encode(bare))
        elif self.is_live or envelope.stream is None:
            self._queue(frame)
        else:
            self._held.append((envelope, frame))

    def recover(self, replay: Replay) -> None:
        """Queues the answer to a resume and what was missed. What was held back of recovered streams is part of it."""
        self.tell(replay.envelope)
        self._allowed += len(replay.entries)
        for envelope in replay.entries:
            self.tell(envelope)
        self.go_live(replay.streams)

    def go_live(self, recovered: dict[str, Recovery] | None = None) -> None:
        """Queues what was held back, except what a replay brought; from now on nothing is held."""
        self.is_live = True
        held, self._held = self._held, []
        for envelope, frame in held:
            recovery = (recovered or {}).get(envelope.stream or "")
            if recovery is None or not recovery.recovered:
                self._queue(frame)

    def listen_to(self, channel: str, *, is_wanted: bool) -> None:
        """Hears a channel again, or no more. Of an ordered stream all or nothing: holes would look like losses."""
        if is_wanted:
            self._unwanted.discard(channel)
        else:
            self._unwanted.add(channel)

    async def write(self) -> None:
        """Sends what is queued, until the socket is closed or this is cancelled."""
        try:
            while True:
                await self._has_frames.wait()
                while self._frames:
                    await self.socket.send(self._frames.popleft())
                self._has_frames.clear()
                self._is_idle.set()
        except ConnectionClosed:
            return
        finally:
            self._is_idle.set()

    async def flush(self, timeout: float) -> None:
        """Waits until everything queued was handed to the socket, at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._is_idle.wait()

    def _wants(self, envelope: Envelope[Any]) -> bool:
        if not self._unwanted:
            return True
        return (envelope.stream or envelope.channel or envelope.type) not in self._unwanted

    def _queue(self, frame: str | bytes) -> None:
        if len(self._frames) >= self._allowed:
            # A polite close would wait behind what it does not read.
            self._allowed = 0
            self._frames.clear()
            self.socket.transport.abort()
            return
        self._frames.append(frame)
        self._is_idle.clear()
        self._has_frames.set()
