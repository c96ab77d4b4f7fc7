"""One socket with its two tasks: one dials and then reads, one writes. Each dial makes a new line with its own number.

It gives frames in bursts to its owner, `service.shell`, and asks it for frames to write; it decides nothing. Whatever
happens, it reports its end exactly once and leaves no task and no socket behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol
from weakref import WeakSet

from websockets.exceptions import ConnectionClosed

from ..connection import CloseCode
from ..errors import ConnectionLost
from ..outbox import Outgoing
from .traffic import Traffic

__all__ = ["Line", "LineOwner", "Socket"]


class Socket(Protocol):
    """The part of a `websockets` connection that a line uses."""

    @property
    def subprotocol(self) -> str | None: ...
    @property
    def transport(self) -> asyncio.Transport: ...
    def recv(self) -> Coroutine[Any, Any, str | bytes]: ...
    async def send(self, message: str | bytes) -> None: ...
    async def ping(self) -> Awaitable[float]: ...
    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None: ...
    async def wait_closed(self) -> None: ...


class LineOwner(Protocol):
    """Takes the reports of a line, always in the loop."""

    def line_opened(self, line: Line) -> None: ...
    def line_burst(self, line: Line, frame: str | bytes) -> bool:
        """Takes a frame and whatever `line.pull` gives; True when there may be more to pull."""
        ...

    def line_ponged(self, line: Line) -> None: ...
    def line_next(self, line: Line) -> Outgoing | None: ...
    def line_wrote(self, line: Line, entry: Outgoing) -> None: ...
    def line_cut_off(self, line: Line, entry: Outgoing) -> None: ...
    def line_failed(self, line: Line, error: Exception) -> None: ...
    def line_over(self, line: Line) -> None: ...


_PING = object()
_CONTROL_LIMIT = 16 * 2**20
"""Characters or bytes. A resume with all positions and subscriptions of a client is smaller."""
_FLUSH_RUN = 32
"""Messages written before other tasks get a turn: without it a flush does not notice that the socket closed."""


_lines: WeakSet[Line] = WeakSet()


def _leave_sockets_to_parent() -> None:
    """Takes the sockets of the lines away from a forked child.

    A copy of a socket would steal bytes from the parent, and the server would see no end when the parent dies. Closing the
    descriptor would make it free for another file, so it leads to nowhere instead.
    """
    for line in list(_lines):
        with contextlib.suppress(OSError):
            line.lead_nowhere()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_sockets_to_parent)


class Line:
    """A socket of one generation.

    Args:
        generation: Its number.
        dial: Opens the socket.
        owner: Takes the reports.
        close_timeout: Seconds for a polite close.

    Attributes:
        is_over: Whether it has ended, or its owner has ended it.
        traffic: The byte counts of the socket; None before the handshake succeeded.
    """

    def __init__(
        self,
        generation: int,
        dial: Callable[[], Awaitable[Socket]],
        owner: LineOwner,
        *,
        close_timeout: float,
    ) -> None:
        self.generation = generation
        self.is_over = False
        self._dial = dial
        self._owner = owner
        self._close_timeout = close_timeout
        self._close_code: int | None = None
        self._socket: Socket | None = None
        self.traffic: Traffic | None = None
        # Only for a socket whose bytes nothing else counts: a call for each frame is dear.
        self._count: Callable[[str | bytes], None] | None = None
        # No deque: an empty one takes 760 bytes, and here are rarely two.
        self._control: list[str | bytes | object] = []
        self._control_size = 0
        self._broken: Exception | None = None
        self._wake = asyncio.Event()
        self._blocked: _Blocked | None = None
        self._task = asyncio.get_running_loop().create_task(
            self._run(), name=f"reactive_ws-line-{generation}"
        )
        # Not in a `finally` of the task: one that is cancelled before its first step never gets there.
        self._task.add_done_callback(self._ended)
        _lines.add(self)

    def lead_nowhere(self) -> None:
        """In a forked child: the descriptor of the socket leads to nowhere from now on.

        Raises:
            OSError: the system has no descriptor left.
        """
        transport = None if self._socket is None else self._socket.transport
        found = None if transport is None else transport.get_extra_info("socket")
        number = -1 if found is None else found.fileno()
        if number >= 0:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            os.close(nowhere)

    def __repr__(self) -> str:
        return f"<Line {self.generation}{' over' if self.is_over else ''}>"

    @property
    def task(self) -> asyncio.Task[None]:
        """The task that ends last."""
        return self._task

    @property
    def has_opened(self) -> bool:
        """Whether the handshake succeeded."""
        return self._socket is not None

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server selected."""
        return self._socket.subprotocol if self._socket is not None else None

    # --- from the owner -------------------------------------------------------------------------------------------------

    def send_control(self, frame: str | bytes) -> None:
        """Sends a frame before everything that waits in the outbox.

        A peer that asks without reading fills a queue on our side. At 16 MiB the line ends with `ConnectionLost`.
        """
        self._control.append(frame)
        self._control_size += len(frame)
        if self._control_size > _CONTROL_LIMIT:
            reason = "the server asks for answers and does not read them"
            self._break(ConnectionLost(CloseCode.NO_FRAME, reason, was_received=False))
        self._wake.set()

    def send_ping(self) -> None:
        """Sends a WebSocket ping frame."""
        self._control.append(_PING)
        self._wake.set()

    def wake(self) -> None:
        """The outbox may have something."""
        self._wake.set()

    def abort(self) -> None:
        """Drops the socket, or cancels the dial, without a closing handshake."""
        self.is_over = True
        self._close_code = None
        if self._socket is not None:
            self._socket.transport.abort()
        self._task.cancel()

    def close(self, code: int) -> None:
        """Closes politely; a peer that does not answer is aborted after the close timeout."""
        if not self.is_over:
            self.is_over = True
            self._close_code = code
            self._task.cancel()

    def pull(self) -> str | bytes | None:
        """Returns a frame that is here already, or None. Never switches tasks.

        `recv` does not suspend while frames are buffered, so its coroutine is run by hand; once it does suspend, it is
        kept, and the reader goes on waiting for it.
        """
        if self._socket is None or self._blocked is not None or self.is_over:
            return None
        receiving = self._socket.recv()
        try:
            waits_for = receiving.send(None)
        except StopIteration as stop:
            frame: str | bytes = stop.value
            if self._count is not None:
                self._count(frame)
            return frame
        except Exception as error:  # noqa: BLE001 - the reader raises it where it belongs
            self._blocked = _Blocked(None, None, error)
            return None
        self._blocked = _Blocked(receiving, waits_for, None)
        return None

    # --- tasks ----------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            error = await self._live()
            if not self.is_over:
                self.is_over = True
                self._owner.line_failed(self, error)
        except asyncio.CancelledError:
            if not self.is_over:
                # Not ours: the loop is being shut down around us.
                self.is_over = True
                raise
        finally:
            await self._hang_up()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"{self!r} failed", "exception": task.exception(), "task": task}
            )
        self._owner.line_over(self)

    async def _live(self) -> Exception:
        try:
            socket = self._socket = await self._dial()
        except Exception as error:  # noqa: BLE001 - translated and judged by the owner
            return error
        traffic = self.traffic = Traffic(socket)
        self._count = None if traffic.counts_bytes else traffic.frame_received
        self._owner.line_opened(self)
        writer = asyncio.get_running_loop().create_task(
            self._write(socket, traffic), name=f"reactive_ws-writer-{self.generation}"
        )
        try:
            while True:
                if self._blocked is not None:
                    blocked, self._blocked = self._blocked, None
                    frame = await blocked
                else:
                    frame = await socket.recv()
                if self._count is not None:
                    self._count(frame)
                if self._owner.line_burst(self, frame):
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - translated and judged by the owner
            return self._broken or error
        finally:
            if self._blocked is not None:
                self._blocked.close()
                self._blocked = None
            writer.cancel()
            await asyncio.wait([writer])

    async def _write(self, socket: Socket, traffic: Traffic) -> None:
        run = 0
        try:
            while True:
                while self._control:
                    await self._write_control(socket, traffic, self._control.pop(0))
                entry = self._owner.line_next(self)
                if entry is None:
                    run = 0
                    await self._wake.wait()
                    self._wake.clear()
                    continue
                traffic.payload_written(entry.size)
                try:
                    await socket.send(entry.written)
                    for frame in entry.parts:
                        await socket.send(frame)
                except BaseException:
                    self._owner.line_cut_off(self, entry)
                    raise
                self._owner.line_wrote(self, entry)
                run += 1
                if run >= _FLUSH_RUN:
                    run = 0
                    await asyncio.sleep(0)
        except ConnectionClosed:
            # The reader sees the same end and reports it.
            return
        except Exception as error:  # noqa: BLE001 - the reader hands it to the owner
            self._break(error)

    async def _write_control(
        self, socket: Socket, traffic: Traffic, frame: str | bytes | object
    ) -> None:
        if isinstance(frame, str | bytes):
            self._control_size -= len(frame)
            traffic.frame_written(frame)
            await socket.send(frame)
            return
        ponged = await socket.ping()
        asyncio.ensure_future(ponged).add_done_callback(self._ponged)

    def _ponged(self, answer: asyncio.Future[float]) -> None:
        if not answer.cancelled() and answer.exception() is None and not self.is_over:
            self._owner.line_ponged(self)

    def _break(self, error: Exception) -> None:
        """Drops the socket; the reader reports this error."""
        self._broken = self._broken or error
        if self._socket is not None:
            self._socket.transport.abort()

    async def _hang_up(self) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            if self._close_code is not None:
                async with asyncio.timeout(self._close_timeout):
                    await socket.close(self._close_code)
        except TimeoutError:
            # A peer that does not answer the close is aborted below.
            return
        finally:
            socket.transport.abort()
            await socket.wait_closed()


class _Blocked:
    """A `recv` that was started by hand and waits for a future; awaiting it goes on where it stopped."""

    __slots__ = ("_error", "_receiving", "_waits_for")

    def __init__(
        self,
        receiving: Coroutine[Any, Any, str | bytes] | None,
        waits_for: Any,
        error: Exception | None,
    ) -> None:
        self._receiving = receiving
        self._waits_for = waits_for
        self._error = error

    def __await__(self) -> Generator[Any, Any, str | bytes]:
        if self._error is not None:
            raise self._error
        receiving = self._receiving
        assert receiving is not None
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - passed on into the coroutine
                try:
                    waits_for = receiving.throw(error)
                except StopIteration as stop:
                    frame: str | bytes = stop.value
                    return frame
            else:
                try:
                    waits_for = receiving.send(sent)
                except StopIteration as stop:
                    later: str | bytes = stop.value
                    return later

    def close(self) -> None:
        """Ends a `recv` for which no task waits."""
        if self._receiving is not None:
            self._receiving.close()
