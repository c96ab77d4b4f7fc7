"""One connection of the in-memory network: two ends, two lanes between them, and what can happen to it.

An end is an `asyncio.Transport` with the behaviour of a TCP socket: flow control against a reader that does not read,
half-closing, and a reset for bytes that reach a closed socket. `network` makes links and keeps the list of them.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from .faults import Direction
from .lane import Conditions, Ending, Item, Lane

__all__ = ["End", "Link"]


class End(asyncio.Transport):
    """One end of a link, as a protocol sees it. Made by `Link`."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, link: Link, lane: Lane, names: dict[str, Any]
    ) -> None:
        super().__init__(names)
        self.peer: End | None = None
        self._loop = loop
        self._link = link
        self._lane = lane
        self._protocol: Any = None
        self._inbox: deque[Item] = deque()
        self._unread_size = 0
        self._high, self._low = 64 * 1024, 16 * 1024
        self._is_reading = True
        self._is_writing_paused = False
        self._is_closing = False
        self._is_lost = False

    def __repr__(self) -> str:
        return f"<End {self.get_extra_info('sockname')} of {self._link!r}>"

    # --- asyncio.Transport --------------------------------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_lost or self._is_closing or not data:
            return
        taken = bytes(data)
        self._unread_size += len(taken)
        before = self._lane.swallowed_size
        self._post(taken)
        # What cut the connection took the rest: no side will read it, and no writer waits for that.
        self._unread_size -= self._lane.swallowed_size - before
        if self.get_write_buffer_size() > self._high and not self._is_writing_paused:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return max(0, self._unread_size - self._lane.conditions.buffer_size)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._post(Ending.FIN)

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._loop.call_soon(self._read)

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._post(Ending.FIN)
        if self.get_write_buffer_size() == 0:
            self._loop.call_soon(self.lose, None)

    def abort(self) -> None:
        self._is_closing = True
        # An operating system answers data without a reader with a reset, and closes in order otherwise.
        self._post(Ending.RESET if self._inbox else Ending.FIN)
        self._loop.call_soon(self.lose, None)

    # --- the link's side ----------------------------------------------------------------------------------------------

    def lose(self, error: Exception | None) -> None:
        """Ends the connection for this end, now."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._inbox.clear()
        self._link.forget(self)
        self._protocol.connection_lost(error)

    @property
    def is_lost(self) -> bool:
        """Whether the protocol has received the end of the connection."""
        return self._is_lost

    def receive(self, item: Item) -> None:
        """Takes what arrived."""
        if self._is_lost:
            if isinstance(item, bytes):
                self._acknowledge(item)
                self._post_reset()
        elif item is Ending.RESET:
            self.lose(connection_reset())
        else:
            self._inbox.append(item)
            self._read()

    def _read(self) -> None:
        while self._inbox and self.is_reading():
            item = self._inbox.popleft()
            if isinstance(item, bytes):
                self._acknowledge(item)
                self._protocol.data_received(item)
            elif not self._protocol.eof_received():
                self.close()

    def _acknowledge(self, data: bytes) -> None:
        if self.peer is not None:
            self.peer.acknowledged(len(data))

    def acknowledged(self, size: int) -> None:
        """Notes that the other end read so many bytes of what this end wrote."""
        self._unread_size -= size
        if self._is_lost:
            return
        if self._is_writing_paused and self.get_write_buffer_size() <= self._low:
            self._is_writing_paused = False
            self._protocol.resume_writing()
        if self._is_closing and self.get_write_buffer_size() == 0:
            self._loop.call_soon(self.lose, None)

    def _post(self, item: Item) -> None:
        self._link.post(self._lane, item, self._deliver_to_peer)

    def _post_reset(self) -> None:
        # The lane ended with this end's FIN; the reset is the operating system's, and travels as long as bytes do.
        self._link.post_late(self._lane, Ending.RESET, self._deliver_to_peer)

    def _deliver_to_peer(self, item: Item) -> None:
        if self.peer is not None:
            self.peer.receive(item)


class Link:
    """One connection between a client and a server of the simulation.

    Attributes:
        up, down: The lanes from client to server and back.
        client, server: The ends.
        number: 1 for the first connection of the network.
        address: Host and port of the server.
        in_flight: Pieces under way that are not held by a black hole or stall.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        random: Random,
        number: int,
        address: tuple[str, int],
        conditions: dict[Direction, Conditions],
        on_closed: Callable[[Link], None],
    ) -> None:
        self.number = number
        self.address = address
        self.in_flight = 0
        self._loop = loop
        self._on_closed = on_closed
        here = ("127.0.0.1", 40_000 + number)
        self.up = Lane(conditions[Direction.UP], random)
        self.down = Lane(conditions[Direction.DOWN], random)
        self.client = End(loop, self, self.up, {"sockname": here, "peername": address})
        self.server = End(loop, self, self.down, {"sockname": address, "peername": here})
        self.client.peer, self.server.peer = self.server, self.client

    def __repr__(self) -> str:
        host, port = self.address
        return f"<Link {self.number} to {host}:{port}>"

    @property
    def is_open(self) -> bool:
        """Whether an end still has the connection."""
        return not (self.client.is_lost and self.server.is_lost)

    def lanes(self, direction: Direction = Direction.BOTH) -> tuple[Lane, ...]:
        """Returns the lanes of a direction."""
        if direction is Direction.UP:
            return (self.up,)
        if direction is Direction.DOWN:
            return (self.down,)
        return self.up, self.down

    def black_hole(self, direction: Direction = Direction.BOTH) -> None:
        """Stops all data without a sign to either side, until `heal`."""
        for lane in self.lanes(direction):
            lane.block(self)

    def stall(self, seconds: float, direction: Direction = Direction.BOTH) -> None:
        """Lets nothing arrive for so many seconds."""
        reason = object()
        for lane in self.lanes(direction):
            lane.block(reason)

        def go_on() -> None:
            for lane in self.lanes(direction):
                self._hand_over(lane, lane.unblock(reason))

        self._loop.call_later(seconds, go_on)

    def heal(self) -> None:
        """Ends black holes, stalls and truncation to come; what was held arrives now."""
        for lane in self.lanes():
            self._hand_over(lane, lane.heal())

    def truncate(
        self, size: int, *, is_reset: bool = False, direction: Direction = Direction.DOWN
    ) -> None:
        """Closes the connection in the middle after `size` more bytes."""
        for lane in self.lanes(direction):
            lane.cut(size, Ending.RESET if is_reset else Ending.FIN)

    def reset(self) -> None:
        """Breaks the connection: both ends get a reset."""
        for end in (self.client, self.server):
            self._loop.call_soon(end.lose, connection_reset())

    # --- the ends' side -----------------------------------------------------------------------------------------------

    def post(self, lane: Lane, item: Item, deliver: Callable[[Item], None]) -> None:
        """Sends what an end wrote through its lane."""
        for at, piece in lane.send(self._loop.time(), item):
            self._travel(lane, at, piece, deliver)

    def post_late(self, lane: Lane, ending: Ending, deliver: Callable[[Item], None]) -> None:
        """Sends an ending behind everything, through a lane that has ended already."""
        self._travel(lane, self._loop.time() + lane.conditions.latency, ending, deliver)

    def forget(self, end: End) -> None:
        """Notes that an end has lost the connection."""
        other = self.server if end is self.client else self.client
        if other.is_lost:
            self._on_closed(self)

    def _travel(self, lane: Lane, at: float, item: Item, deliver: Callable[[Item], None]) -> None:
        self.in_flight += 1

        def arrive() -> None:
            self.in_flight -= 1
            for arrived in lane.arrive(item):
                deliver(arrived)

        self._loop.call_at(at, arrive)

    def _hand_over(self, lane: Lane, items: tuple[Item, ...]) -> None:
        receiver = self.server if lane is self.up else self.client
        is_running = self._loop.is_running()
        for item in items:
            if is_running:
                receiver.receive(item)
            else:
                # A test called from outside; a socket gives data in a call of the loop.
                self._loop.call_soon(receiver.receive, item)


def connection_reset() -> ConnectionResetError:
    """Returns what a socket raises when the other side, or something between, broke the connection."""
    return ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
