"""The faults of `faults` on real sockets: a proxy on the loopback interface between a client and a real server.

For tests that put a foreign server behind it; everything else is faster and exact in a simulation. Time is real here.
It is less true than the in-memory network in three ways. The proxy accepts a refused connection and resets it at once. It
accepts a hanging one and sends it no byte. Its operating system acknowledges what an end wrote. So a writer notices a black
hole only when more is on the way than the proxy and its sockets hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Self

import attrs

from ..simulation import (
    Bandwidth,
    BlackHole,
    Buffers,
    Conditions,
    Direction,
    Ending,
    Fault,
    FaultPlan,
    Hang,
    Heal,
    Item,
    Lane,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Truncate,
    seeded,
)

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
        self._stalled_until = 0.0
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
            case Buffers():
                # The kernels of both sides decide.
                pass
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
        self._stalled_until = 0.0
        self._healed.set()
        self._healed = asyncio.Event()
        for link in self._links:
            for way in _WAYS:
                link.hand_over(way, link.lanes[way].heal())

    def _stall(self, seconds: float, direction: Direction) -> None:
        reason = object()
        links = tuple(self._links)
        loop = asyncio.get_running_loop()
        self._stalled_until = max(self._stalled_until, loop.time() + seconds)
        for link in links:
            for way in _ways(direction):
                link.lanes[way].block(reason)

        def go_on() -> None:
            for link in links:
                for way in _ways(direction):
                    link.hand_over(way, link.lanes[way].unblock(reason))

        self._timers.append(loop.call_later(seconds, go_on))

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
        await self._outlast_stall()
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        link = _Link({Direction.UP: server_writer, Direction.DOWN: writer}, self)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(link.pump(Direction.UP, reader))
                pumps.create_task(link.pump(Direction.DOWN, server_reader))
        finally:
            self._links.discard(link)
            server_writer.close()

    async def _outlast_stall(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._stalled_until:
            healed = asyncio.ensure_future(self._healed.wait())
            await asyncio.wait([healed], timeout=self._stalled_until - loop.time())
            healed.cancel()

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


class _Link:
    """One connection through the proxy."""

    def __init__(self, writers: dict[Direction, asyncio.StreamWriter], proxy: ChaosProxy) -> None:
        self._writers = writers
        self.lanes = {way: proxy.lane(way) for way in _WAYS}
        self._has_ended = {way: asyncio.Event() for way in _WAYS}
        self._has_moved = {way: asyncio.Event() for way in _WAYS}
        if proxy.pending_truncate is not None:
            self.truncate(proxy.pending_truncate)

    def truncate(self, fault: Truncate) -> None:
        for way in _ways(fault.direction):
            self.lanes[way].cut(fault.size, Ending.RESET if fault.is_reset else Ending.FIN)

    def reset(self) -> None:
        for writer in self._writers.values():
            _break(writer)
        for way in _WAYS:
            self._has_ended[way].set()
            self._has_moved[way].set()

    async def pump(self, way: Direction, reader: asyncio.StreamReader) -> None:
        """Carries bytes one way until the end of that way has arrived.

        Reading and delivering run beside each other, so that latency does not limit the bandwidth.
        """
        travelling: asyncio.Queue[tuple[float, Item] | None] = asyncio.Queue(64)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read(way, reader, travelling))
            both.create_task(self._deliver(way, travelling))
        # A black hole or stall may hold the end back, and bytes before it.
        await self._has_ended[way].wait()

    async def _read(
        self,
        way: Direction,
        reader: asyncio.StreamReader,
        travelling: asyncio.Queue[tuple[float, Item] | None],
    ) -> None:
        loop, lane, has_moved = asyncio.get_running_loop(), self.lanes[way], self._has_moved[way]
        item: Item = b""
        while isinstance(item, bytes):
            while lane.held_size > _MAX_HELD_SIZE and not self._has_ended[way].is_set():
                has_moved.clear()
                await has_moved.wait()
            try:
                item = await reader.read(_CHUNK_SIZE) or Ending.FIN
            except OSError:
                # A reset travels like everything else: late, or not at all in a black hole.
                item = Ending.RESET
            for piece in lane.send(loop.time(), item):
                await travelling.put(piece)
        await travelling.put(None)

    async def _deliver(
        self, way: Direction, travelling: asyncio.Queue[tuple[float, Item] | None]
    ) -> None:
        loop, writer = asyncio.get_running_loop(), self._writers[way]
        while (piece := await travelling.get()) is not None:
            at, item = piece
            if at > loop.time():
                await asyncio.sleep(at - loop.time())
            self.hand_over(way, self.lanes[way].arrive(item))
            with contextlib.suppress(OSError):  # the receiver is gone; its own way says so
                await writer.drain()

    def hand_over(self, way: Direction, items: tuple[Item, ...]) -> None:
        writer = self._writers[way]
        for item in items:
            if item is Ending.RESET:
                self.reset()
            elif isinstance(item, Ending):
                if writer.can_write_eof() and not writer.is_closing():
                    with contextlib.suppress(OSError):  # the peer is gone before the first read
                        writer.write_eof()
                self._has_ended[way].set()
            elif not writer.is_closing():
                writer.write(item)
        self._has_moved[way].set()


_WAYS = (Direction.UP, Direction.DOWN)


def _ways(direction: Direction) -> tuple[Direction, ...]:
    return _WAYS if direction is Direction.BOTH else (direction,)


def _break(writer: asyncio.StreamWriter) -> None:
    """Closes a connection with a reset: lingering for no time discards what is unsent, and says so to the peer."""
    real = writer.get_extra_info("socket")
    if real is not None and not writer.is_closing():
        real.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
