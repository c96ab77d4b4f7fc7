"""One socket: dials, takes messages in the call of the transport, writes them in the call that sends. Each dial makes a new
line with its own number.

It gives messages in bursts to its owner, `service.shell`, and asks it for messages to write; it decides nothing. Whatever
happens, it reports its end exactly once and leaves no task and no socket behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol
from weakref import WeakSet

from ...connection import CloseCode
from ...engine import refuse_copy
from ...errors import ConnectionLost
from ...outbox import Outgoing
from .pulling import Pulled, Runs, Socket
from .traffic import Traffic

__all__ = ["Line", "LineOwner"]


class LineOwner(Protocol):
    """Takes the reports of a line, always in the loop."""

    def line_opened(self, line: Line) -> None: ...
    def line_burst(self, line: Line, frames: deque[str | bytes]) -> bool:
        """Takes frames from the left; True when it wants the others in a later turn of the loop."""
        ...

    def line_ponged(self, line: Line) -> None: ...
    def line_next(self, line: Line) -> Outgoing | None: ...
    def line_wrote(self, line: Line, entries: Sequence[Outgoing]) -> None: ...
    def line_cut_off(self, line: Line, entry: Outgoing) -> None: ...
    def line_failed(self, line: Line, error: Exception) -> None: ...
    def line_over(self, line: Line) -> None: ...


_PING = object()
_CONTROL_LIMIT = 16 * 2**20
"""Characters or bytes. A resume with all positions and subscriptions of a client is smaller."""
_FLUSH_RUN = 32
"""Messages written before other tasks get a turn: without it a flush does not notice that the socket closed."""
_FLUSH_SIZE = 16 * 1024
"""Bytes written at once. What one call writes has one fate, so it should be little."""


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

    __reduce_ex__ = refuse_copy

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
        self._runs: Runs | None = None
        self.traffic: Traffic | None = None
        # No deque: an empty one takes 760 bytes, and here are rarely two.
        self._control: list[str | bytes | object] = []
        self._control_size = 0
        self._broken: Exception | None = None
        # Written, and the operating system has not taken them yet.
        self._unfinished: list[Outgoing] = []
        self._is_flushing = False
        self._is_due = False
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._run(), name=f"reactive_ws-line-{generation}")
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
        self.wake()

    def send_ping(self) -> None:
        """Sends a WebSocket ping frame."""
        self._control.append(_PING)
        self.wake()

    def wake(self) -> None:
        """Writes what waits, now if the socket takes it."""
        if self._is_flushing or self._runs is None or self.is_over:
            return
        self._is_flushing = True
        try:
            self._flush(self._runs)
        except Exception as error:  # noqa: BLE001 - the end of the line reports it
            self._break(error)
        finally:
            self._is_flushing = False

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
        runs = _runs_of(socket, None if traffic.counts_bytes else traffic.frame_received)
        self._runs = runs
        try:
            self._owner.line_opened(self)
            runs.listen(self._heard, self.wake)
            self._heard()
            await self._over
        except Exception as error:  # noqa: BLE001 - translated and judged by the owner
            return self._broken or error
        finally:
            self._runs = None
            # A socket that closes politely still reads, and what it reads is for no one.
            runs.listen(runs.arrived.clear, None)
            runs.arrived.clear()
            runs.resume()
            await runs.release()
            for entry in self._unfinished:
                self._owner.line_cut_off(self, entry)
        end = self._broken or runs.end
        assert end is not None
        return end

    # --- in -------------------------------------------------------------------------------------------------------------

    def _heard(self) -> None:
        """Messages arrived, or the connection ended."""
        if self._is_due or self._over.done() or self._runs is None or self.is_over:
            return
        try:
            self._take(self._runs)
        except Exception as error:  # noqa: BLE001 - the end of the line reports it
            self._over.set_exception(error)

    def _take(self, runs: Runs) -> None:
        if runs.arrived:
            if self._owner.line_burst(self, runs.arrived):
                runs.pause()
            # What else comes in this turn of the loop is one burst with what is left.
            self._is_due = True
            self._loop.call_soon(self._go_on)
        elif runs.end is not None:
            self._over.set_result(None)
        else:
            runs.resume()

    def _go_on(self) -> None:
        self._is_due = False
        self._heard()

    # --- out ------------------------------------------------------------------------------------------------------------

    def _flush(self, runs: Runs) -> None:
        count = 0
        while runs.is_writable:
            self._finish()
            frames: list[str | bytes] = []
            if self._control:
                self._take_control(runs, frames)
            else:
                self._unfinished = self._take_entries(runs.most_at_once, frames)
            if not frames:
                return
            runs.write(frames)
            if runs.is_writable:
                self._finish()
            count += len(frames)
            if count >= _FLUSH_RUN:
                self._loop.call_soon(self.wake)
                return

    def _take_control(self, runs: Runs, frames: list[str | bytes]) -> None:
        assert self.traffic is not None
        control, self._control, self._control_size = self._control, [], 0
        for frame in control:
            if isinstance(frame, str | bytes):
                self.traffic.frame_written(frame)
                frames.append(frame)
            else:
                runs.probe(self._ponged)

    def _take_entries(self, most: int, frames: list[str | bytes]) -> list[Outgoing]:
        assert self.traffic is not None
        entries: list[Outgoing] = []
        size = 0
        while len(entries) < most and size < _FLUSH_SIZE:
            entry = self._owner.line_next(self)
            if entry is None:
                break
            entries.append(entry)
            size += entry.size
            self.traffic.payload_written(entry.size)
            frames.append(entry.written)
            frames += entry.parts
        return entries

    def _finish(self) -> None:
        """The operating system took what was written."""
        if self._unfinished:
            unfinished, self._unfinished = self._unfinished, []
            self._owner.line_wrote(self, unfinished)

    def _ponged(self) -> None:
        if not self.is_over:
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


def _runs_of(socket: Any, count: Callable[[str | bytes], None] | None) -> Runs:
    """Returns the socket itself where it takes and gives messages in runs."""
    if hasattr(socket, "most_at_once"):
        if count is not None and hasattr(socket, "count_with"):
            socket.count_with(count)
        runs: Runs = socket
        return runs
    return Pulled(socket, count)
