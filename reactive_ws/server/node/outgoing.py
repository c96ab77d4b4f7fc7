"""`Outgoing`: the frames of one client on their way to its socket.

The call of `write` hands frames to the socket while no frame waits and the socket takes them without a wait. So a message to a thousand
clients makes no task switch and no future. From the first frame that has to wait, a task of the client writes what waits, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from asyncio import tasks
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from types import coroutine
from typing import Any, Final

from ..session import Close
from .duplex import Disconnected, Duplex

__all__ = ["Outgoing"]

# Asyncio documents both under "Extending". Code in `send` has to find the client's writing task as the current one, because a send
# that waits goes on in that task. A timeout in it, for example, cancels the task in which it began.
_enter, _leave = tasks._enter_task, tasks._leave_task
_DONE: Final = object()
"""Instead of what a send waits for, when it waits for nothing."""


class Outgoing:
    """The frames of one client on their way to its socket. The loop's thread calls every method.

    Args:
        duplex: The socket.
        on_room: Called when frames no longer wait, after `is_full` was set.

    Attributes:
        size: Bytes that wait for the socket.
        is_full: Set by the client, when its session is to make no further frames until `on_room`.
        sending_since: Since when the socket takes nothing, on the loop's clock; None while no send waits.
    """

    __slots__ = (
        "_closing",
        "_context",
        "_duplex",
        "_failure",
        "_is_resting",
        "_loop",
        "_on_room",
        "_rest",
        "_take",
        "_waiting",
        "_wake",
        "is_full",
        "sending_since",
        "size",
        "task",
    )

    def __init__(self, duplex: Duplex, on_room: Callable[[], None]) -> None:
        self.size = 0
        self.is_full = False
        self.sending_since: float | None = None
        self._duplex = duplex
        self._take = duplex.take
        self._on_room = on_room
        self._waiting: deque[str | bytes] | None = None
        self._is_resting = False
        self._wake: asyncio.Future[None] | None = None
        self._rest: tuple[Coroutine[Any, Any, None], Any, int] | None = None
        self._failure: BaseException | None = None
        self._closing: Close | None = None
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self.task = self._loop.create_task(self._run(), context=self._context)

    def write(self, frames: Sequence[str | bytes]) -> None:
        """Writes frames, at least one, behind those that wait; at once when none does."""
        if not self._is_resting:
            for frame in frames:
                self._put(frame)
            return
        if self._take is not None and self._take(frames):
            return
        # What is written meanwhile waits, as it does while the task writes.
        self._is_resting = False
        loop, send, run = self._loop, self._duplex.send, self._context.run
        # A task of the client may run; a node that writes to all runs in none.
        current = asyncio.current_task(loop)
        if current is not None:
            _leave(loop, current)
        _enter(loop, self.task)
        sent = 0
        try:
            for frame in frames:
                sending = send(frame)
                # Runs to the first wait. The iterator of a coroutine ends without an exception.
                waits_for = run(next, sending.__await__(), _DONE)
                sent += 1
                if waits_for is not _DONE:
                    self._rest = sending, waits_for, len(frame)
                    self.size += len(frame)
                    self.sending_since = loop.time()
                    break
                if self._waiting is not None or self._closing is not None:
                    break
            else:
                self._is_resting = True
                return
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the writing task raises it
            self._failure = error
        finally:
            _leave(loop, self.task)
            if current is not None:
                _enter(loop, current)
        if sent < len(frames):
            # Before what was written meanwhile.
            rest = frames[sent:]
            self._waiting = deque([*rest, *(self._waiting or ())])
            self.size += sum(map(len, rest))
        self._wake_up()

    def close(self, closing: Close) -> None:
        """Closes the socket behind the frames that wait."""
        self._closing = closing
        self._wake_up()

    async def end(self) -> None:
        """Ends the writing task. What waits is not written."""
        self.task.cancel()
        await asyncio.wait([self.task])
        if self._rest is not None:
            self._rest[0].close()

    def _put(self, frame: str | bytes) -> None:
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(frame)
        self.size += len(frame)

    def _wake_up(self) -> None:
        self._is_resting = False
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # --- the writing task -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        with contextlib.suppress(Disconnected):
            while not await self._write_all():
                self._wake = self._loop.create_future()
                self._is_resting = True
                await self._wake

    async def _write_all(self) -> bool:
        """Writes what waits; returns whether the connection was closed after it."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._rest is not None:
                sending, waits_for, size = self._rest
                self._rest = None
                await _rest_of(sending, waits_for)
                self.size -= size
            while self._waiting:
                frame = self._waiting.popleft()
                self.sending_since = self._loop.time()
                await self._duplex.send(frame)
                self.size -= len(frame)
            self.sending_since = None
            self._waiting = None
            if self._closing is not None:
                await self._duplex.close(self._closing.code, self._closing.reason)
                return True
            if not self.is_full:
                return False
            self.is_full = False
            self._on_room()


@coroutine
def _rest_of(sending: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Goes on with a coroutine that waits for something already."""
    while True:
        try:
            yield waits_for
        except BaseException as error:  # noqa: BLE001 - cancellation belongs to the coroutine
            try:
                waits_for = sending.throw(error)
            except StopIteration:
                return
        else:
            break
    yield from sending.__await__()
