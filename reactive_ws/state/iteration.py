"""Carries values from any thread to one `async for`, with a bound.

Selections and event streams iterate through a `Buffer`. It knows neither of them.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from ..engine import check_count, check_kind
from ..errors import FellBehind

__all__ = ["Buffer", "Policy", "WhenFull", "call_on", "run_for_each"]

T = TypeVar("T")


class WhenFull(enum.Enum):
    """The ways of an `async for` with one value more than may wait."""

    RAISE = "raise"
    """Drops all waiting values, and raises `FellBehind` in the loop."""
    DROP_OLDEST = "drop oldest"
    """Drops the value that waited longest, and reports once until the loop has caught up."""
    DROP_NEWEST = "drop newest"
    """Drops the new value, and reports once until the loop has caught up."""


class Policy(enum.Enum):
    """The ways of an async function with a value that comes while it runs."""

    LATEST = "latest"
    """Cancels the run and begins one with the new value."""
    QUEUED = "queued"
    """Runs with every value, one after the other, in order."""
    DROPPING = "dropping"
    """Drops the value."""


class Buffer(Generic[T]):
    """Values on their way to one `async for`.

    Args:
        name: Of the stream, for the error.
        max_waiting: How many values wait at most.
        when_full: What happens with one more.
        report: Called with a text when a value is dropped; None: dropping is what the loop asked for.

    Raises:
        UsageError: `max_waiting` is below 1, or `when_full` is not a `WhenFull`.
    """

    def __init__(
        self,
        name: str,
        max_waiting: int,
        when_full: WhenFull,
        report: Callable[[str], None] | None,
    ) -> None:
        check_count(max_waiting, "max_waiting=", least=1)
        check_kind(when_full, WhenFull, "when_full=", "WhenFull.RAISE", is_required=True)
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._max_waiting = max_waiting
        self._when_full = when_full
        self._report = report
        self._values: deque[T] = deque()
        self._arrived = asyncio.Event()
        # Whether the loop will look again. One call into the loop serves all values that come before it looks.
        self._is_woken = False
        self._is_ended = False
        self._is_overrun = False
        self._is_reported = False

    def begin(self) -> None:
        """Takes the running loop as the one that values come to. Before the first `put`.

        Raises:
            RuntimeError: no event loop runs here.
        """
        self._loop = asyncio.get_running_loop()

    def put(self, value: T) -> None:
        """Adds a value. Any thread, one at a time; never blocks."""
        values = self._values
        if len(values) >= self._max_waiting:
            if self._when_full is WhenFull.RAISE:
                self._is_overrun = True
                values.clear()
            elif self._when_full is WhenFull.DROP_NEWEST:
                self._note_drop("newest")
                return
            else:
                with suppress(IndexError):
                    values.popleft()
                self._note_drop("oldest")
        if not self._is_overrun:
            values.append(value)
        self._wake()

    def clear(self) -> None:
        """Drops what waits."""
        self._values.clear()

    def end(self) -> None:
        """Ends the iteration after the values that wait. Any thread."""
        self._is_ended = True
        self._wake()

    async def boxes(self) -> AsyncGenerator[list[T], None]:
        """Yields the values as they come, until `end`, each in a list of its own.

        The caller takes the value out: a loop that waits for the next value must not keep the last one alive.

        Raises:
            FellBehind: more values waited than may wait, and the policy is to raise.
        """
        values = self._values
        while True:
            self._is_woken = False
            self._arrived.clear()
            while values or self._is_overrun:
                if self._is_overrun:
                    raise FellBehind(self._name, self._max_waiting)
                yield [values.popleft()]
            self._is_reported = False
            # `end` comes after the last value, so what is still to come is seen here.
            if self._is_ended and not values:
                return
            await self._arrived.wait()

    def _note_drop(self, which: str) -> None:
        if self._report is None or self._is_reported:
            return
        self._is_reported = True
        self._report(
            f"an async for is slower than its stream: {self._max_waiting} values wait, and the {which} is dropped"
        )

    def _wake(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            assert self._loop is not None
            call_on(self._loop, self._arrived.set)


def call_on(
    loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any
) -> None:
    """Calls on the loop's thread; at once when this is it."""
    if asyncio._get_running_loop() is loop:
        function(*arguments)
        return
    # On a closed loop no task waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


async def run_for_each(
    buffer: Buffer[T],
    function: Callable[[T], Awaitable[object]],
    policy: Policy,
    report: Callable[[Exception], None],
) -> None:
    """Awaits `function` of the values of a buffer until it ends, by a policy. Two runs never overlap."""

    async def run(value: T) -> None:
        me = asyncio.current_task()
        try:
            await function(value)
        except asyncio.CancelledError as error:
            if me is None or me.cancelling():
                raise
            # This task goes on: the function awaited something that another part cancelled.
            report(RuntimeError(f"what the function awaited was cancelled: {error!r}"))
        except Exception as error:  # noqa: BLE001 - reported; the loop goes on with the next value
            report(error)

    if policy is not Policy.LATEST:
        async for box in buffer.boxes():
            await run(box.pop())
            if policy is Policy.DROPPING:
                buffer.clear()
        return
    task: asyncio.Task[None] | None = None
    try:
        async for box in buffer.boxes():
            if task is not None:
                task.cancel()
                # Its clean-up ends before the next run begins.
                await asyncio.wait([task])
            task = asyncio.create_task(run(box.pop()), name="reactive_ws for_each")
        if task is not None:
            await task
    finally:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])
