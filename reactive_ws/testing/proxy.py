"""The faults of `faults` on real sockets: a proxy on the loopback interface between a client and a real server.

For tests that put a foreign server behind it; everything else is faster and exact in a simulation. Time is real here.
Where it is less true than the in-memory network: a refused connection is accepted and reset at once, and what an end wrote is
acknowledged by the proxy's own operating system, so a writer notices a black hole only when 64 KiB are on the way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self

import attrs

from .entropy import seeded
from .faults import (
    Bandwidth,
    BlackHole,
    Direction,
    Fault,
    FaultPlan,
    Hang,
    Heal,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Truncate,
)
from .lane import Conditions, Ending, Item, Lane

__all__ = ["ChaosProxy"]

_CHUNK_SIZE = 16 * 1024
_MAX_HELD_SIZE = 64 * 1024


class ChaosProxy:
    """Listens on a free loopback port and passes bytes on to a server, with faults. An async context manager.

    Args:
        host, port: The server behind it.
        seed: Decides jitter and pieces.

    Attributes:
        accepted: How many connections were accepted, refused and hanging ones too.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.accepted = 0
        self._target = (host, port)
        self._random = seeded(seed, "proxy")
        self._conditions = {way: Conditions(latency=0.0) for way in _WAYS}
        self._black: set[Direction] = set()
        self._truncate: Truncate | None = None
        self._refusals: int | None = 0
        self._hangs: int | None = 0
        self._healed = asyncio.Event()
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        return (
            f"<ChaosProxy to {self._target[0]}:{self._target[1]}, {len(self._links)} connections>"
        )

    @property
    def port(self) -> int:
        """The port to dial on 127.0.0.1.

        Raises:
            RuntimeError: the proxy is not open.
        """
        if self._server is None:
            raise RuntimeError("the proxy is not open; use `async with`")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in tuple(self._links):
            link.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def apply(self, fault: Fault) -> None:
        """Lets a fault begin: for the open connections, and for later ones until `Heal`."""
        match fault:
            case Latency(seconds, jitter, direction):
                self._change(direction, lambda c: attrs.evolve(c, latency=seconds, jitter=jitter))
            case Bandwidth(rate, direction):
                self._change(direction, lambda c: attrs.evolve(c, rate=rate))
            case Split(max_size, direction):
                self._change(direction, lambda c: attrs.evolve(c, max_chunk=max_size))
            case Stall(seconds, direction):
                self._stall(seconds, direction)
            case BlackHole(direction):
                self._black.update(_ways(direction))
                for link in self._links:
                    for way in _ways(direction):
                        link.lanes[way].block(self)
            case Reset():
                for link in tuple(self._links):
                    link.reset()
            case Truncate():
                self._truncate = fault
                for link in self._links:
                    link.truncate(fault)
            case Refuse(times):
                self._refusals = times
            case Hang(times):
                self._hangs = times
            case Heal():
                self._heal()

    def play(self, plan: FaultPlan) -> None:
        """Starts a plan: each fault begins so many real seconds after now."""
        loop = asyncio.get_running_loop()
        for timed in plan:
            self._timers.append(loop.call_later(timed.at, self.apply, timed.fault))

    def _heal(self) -> None:
        self._black.clear()
        self._truncate = None
        self._refusals = self._hangs = 0
        self._healed.set()
        self._healed = asyncio.Event()
        for link in self._links:
            for way in _WAYS:
                link.hand_over(way, link.lanes[way].heal())

    def _stall(self, seconds: float, direction: Direction) -> None:
        reason = object()
        links = tuple(self._links)
        for link in links:
            for way in _ways(direction):
                link.lanes[way].block(reason)

        def go_on() -> None:
            for link in links:
                for way in _ways(direction):
                    link.hand_over(way, link.lanes[way].unblock(reason))

        self._timers.append(asyncio.get_running_loop().call_later(seconds, go_on))

    def _change(self, direction: Direction, change: Callable[[Conditions], Conditions]) -> None:
        for way in _ways(direction):
            self._conditions[way] = change(self._conditions[way])
            for link in self._links:
                link.lanes[way].conditions = change(link.lanes[way].conditions)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # only the proxy cancels this task, and a stream's callback would log it
        except OSError:
            _break(writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusals is None or self._refusals > 0:
            self._refusals = None if self._refusals is None else self._refusals - 1
            _break(writer)
            return
        if self._black or self._hangs is None or self._hangs > 0:
            self._hangs = None if self._hangs is None else max(0, self._hangs - 1)
            await self._healed.wait()
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        link = _Link({Direction.UP: server_writer, Direction.DOWN: writer}, self)
        self._links.add(link)
        try:
            await asyncio.gather(
                link.pump(Direction.UP, reader), link.pump(Direction.DOWN, server_reader)
            )
        finally:
            self._links.discard(link)
            server_writer.close()

    def lane(self, way: Direction) -> Lane:
        """Returns a lane in the present conditions."""
        lane = Lane(self._conditions[way], self._random)
        if way in self._black:
            lane.block(self)
        return lane

    @property
    def pending_truncate(self) -> Truncate | None:
        """The truncation that new connections get."""
        return self._truncate

    async def healed(self) -> None:
        """Waits for the next `Heal`."""
        await self._healed.wait()


class _Link:
    """One connection through the proxy."""

    def __init__(self, writers: dict[Direction, asyncio.StreamWriter], proxy: ChaosProxy) -> None:
        self._writers = writers
        self._proxy = proxy
        self.lanes = {way: proxy.lane(way) for way in _WAYS}
        if proxy.pending_truncate is not None:
            self.truncate(proxy.pending_truncate)

    def truncate(self, fault: Truncate) -> None:
        for way in _ways(fault.direction):
            self.lanes[way].cut(fault.size, Ending.RESET if fault.is_reset else Ending.FIN)

    def reset(self) -> None:
        for writer in self._writers.values():
            _break(writer)

    async def pump(self, way: Direction, reader: asyncio.StreamReader) -> None:
        """Carries bytes one way: reading and delivering run beside each other, so that latency is no bandwidth limit."""
        travelling: asyncio.Queue[tuple[float, Item] | None] = asyncio.Queue(64)

        async def read() -> None:
            loop = asyncio.get_running_loop()
            lane = self.lanes[way]
            while True:
                while lane.held_size > _MAX_HELD_SIZE:
                    await self._proxy.healed()
                data = await reader.read(_CHUNK_SIZE)
                for piece in lane.send(loop.time(), data or Ending.FIN):
                    await travelling.put(piece)
                if not data:
                    await travelling.put(None)
                    return

        async def deliver() -> None:
            loop = asyncio.get_running_loop()
            while (piece := await travelling.get()) is not None:
                at, item = piece
                if at > loop.time():
                    await asyncio.sleep(at - loop.time())
                self.hand_over(way, self.lanes[way].arrive(item))
                await self._writers[way].drain()

        await asyncio.gather(read(), deliver())

    def hand_over(self, way: Direction, items: tuple[Item, ...]) -> None:
        for item in items:
            writer = self._writers[way]
            if isinstance(item, bytes):
                writer.write(item)
            elif item is Ending.RESET:
                self.reset()
            elif writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()


_WAYS = (Direction.UP, Direction.DOWN)


def _ways(direction: Direction) -> tuple[Direction, ...]:
    return _WAYS if direction is Direction.BOTH else (direction,)


def _break(writer: asyncio.StreamWriter) -> None:
    """Closes a connection with a reset: lingering for no time discards what is unsent, and says so to the peer."""
    real = writer.get_extra_info("socket")
    if real is not None and not writer.is_closing():
        real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
