"""The stream of a store or of a part of it: what UI code subscribes to.

A `Selection` is an ordinary `reactivex` Observable: operators, schedulers and disposal work as everywhere. It takes a
shorter way than the library's own subscribe (no detaching observer, no trampoline), because each value comes from a
delivery that is already in order, isolates errors, and never calls after dispose. It never fails: what an operator or an
observer of a `pipe` raises ends that pipe, not the selection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Generic, NoReturn, TypeVar, cast

from reactivex import Observable, abc

from ..engine import (
    Audience,
    Domain,
    active_batch,
    check_function,
    check_seconds,
    ignore,
    refuse_copy,
)
from ..errors import UsageError

__all__ = ["Selection"]

_INSTEAD = (
    "iterate with `async for value in selection`,"
    " or start a task: `lambda value: loop.create_task(f(value))`"
)

T_co = TypeVar("T_co", covariant=True)


class Selection(Observable[T_co], Generic[T_co]):
    """A value that changes.

    Emits: the current value at once, then every later one that differs, once, in order.
    Replays: the current value, to each observer, on the thread that subscribes.
    Thread: later values come on the delivering thread of the store's domain.
    Ends: when the store is closed, after its last value.
    """

    def __init__(self, audience: Audience, read: Callable[[], T_co]) -> None:
        super().__init__()
        self._audience = audience
        self._read = read

    def __repr__(self) -> str:
        return f"<Selection of store {self._audience._label()!r}>"

    __reduce_ex__ = refuse_copy

    def __iter__(self) -> NoReturn:
        """Refuses a plain `for`, which would never end.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "a selection has no end to iterate to; write `async for value in selection`, or take selection.get()"
        )

    @property
    def domain(self) -> Domain:
        """The domain in whose order its values come."""
        return cast("Domain", self._audience._domain)

    def get(self) -> T_co:
        """Returns the value now, also ahead of delivery; inside a batch the batch's. Any thread.

        Raises:
            Exception: what the selector raises.
        """
        return self._read()

    @property
    def observer_count(self) -> int:
        """How many observers this stream has."""
        return self._audience._live

    def subscribe(
        self,
        on_next: abc.ObserverBase[T_co] | Callable[[T_co], Any] | None = None,
        on_error: Callable[[Exception], Any] | None = None,
        on_completed: Callable[[], Any] | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Calls `on_next` with the current value now, and then with each later one.

        Commits that meet the first call are shown on this thread too, before `subscribe` returns; so an observer that
        is slower than a steady flood of writes keeps the subscriber for as long as the flood lasts.

        Args:
            on_next: A function of the value, or an observer object.
            on_error: Never called by a selection; taken because every Observable does.
            on_completed: Called once when the store is closed.
            scheduler: Not used: values come when commits are delivered.

        Returns:
            The subscription; `dispose()` it, or use it as a context manager.
        """
        del on_error, scheduler
        given: Any = on_next
        if given is None:
            given = ignore
        elif isinstance(given, abc.ObserverBase) or callable(getattr(given, "on_next", None)):
            observer = cast("abc.ObserverBase[T_co]", given)
            given, on_completed = observer.on_next, observer.on_completed
        check_function(given, "an observer", _INSTEAD)
        if on_completed is not None:
            check_function(on_completed, "on_completed", _INSTEAD)
        return self._audience._join(given, on_completed)

    async def wait_for(
        self, predicate: Callable[[T_co], object] | None = None, timeout: float | None = None
    ) -> T_co:
        """Returns the first value for which `predicate` holds, the current one included.

        Without a predicate: the first value that is true in a boolean sense. Waits in the running loop; the store may
        be written from any thread.

        Args:
            predicate: A function of the value.
            timeout: Seconds; None waits for ever.

        Raises:
            TimeoutError: no such value in time.
            RuntimeError: the store was closed first.
        """
        if predicate is not None:
            check_function(predicate, "a predicate", "compute at once, and await afterwards")
        if timeout is not None:
            check_seconds(timeout, "timeout=")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Any] = loop.create_future()

        def resolve(value: Any) -> None:
            if not found.done():
                found.set_result(value)

        def fail(error: Exception) -> None:
            if not found.done():
                found.set_exception(error)

        def look(value: Any) -> None:
            try:
                is_it = bool(value if predicate is None else predicate(value))
            except Exception as error:  # noqa: BLE001 - the caller's predicate: the caller gets its error
                _call(loop, fail, error)
                return
            if is_it:
                _call(loop, resolve, value)

        def end() -> None:
            _call(
                loop, fail, RuntimeError(f"{self!r} was closed while somebody waited for a value")
            )

        with self.subscribe(look, None, end):
            async with asyncio.timeout(timeout):
                return cast("T_co", await found)

    async def __aiter__(self) -> AsyncIterator[T_co]:
        """Yields the current value and then every later one, none skipped, until the store is closed."""
        loop = asyncio.get_running_loop()
        values: asyncio.Queue[tuple[bool, Any]] = asyncio.Queue()

        def see(value: Any) -> None:
            _call(loop, values.put_nowait, (True, value))

        def end() -> None:
            _call(loop, values.put_nowait, (False, None))

        with self.subscribe(see, None, end):
            while True:
                is_value, value = await values.get()
                if not is_value:
                    return
                yield value


def _call(
    loop: asyncio.AbstractEventLoop, function: Callable[[Any], object], argument: Any
) -> None:
    """Calls on the loop's thread; at once when this is it."""
    if asyncio._get_running_loop() is loop:
        function(argument)
        return
    # A closed loop has nobody left who waits.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, argument)


def reading(audience: Audience, in_batch: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a function that reads the current value of an audience, or of the open batch."""

    def read() -> Any:
        if active_batch() is not None:
            return in_batch()
        domain = audience._domain
        with domain._lock:
            captured = audience._capture()
        if domain._leftover:
            domain._after_section()
        return audience._project(captured)

    return read
