"""The stream of a store or of a part of it: what UI code subscribes to.

A `Selection` is an ordinary `reactivex` Observable: operators, schedulers and disposal work as everywhere. Its own
subscribe is shorter than the library's: it has no detaching observer and no trampoline. Delivery keeps the order, isolates
errors, and never calls after dispose already. A selection never fails: what an operator or an
observer of a `pipe` raises ends that pipe, not the selection.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Generic, NoReturn, TypeVar, cast

from reactivex import Observable, abc

from ..engine import (
    Audience,
    Domain,
    SelectionNode,
    active_batch,
    check_function,
    check_kind,
    check_seconds,
    ignore,
    name_of,
    refuse_copy,
)
from ..errors import UsageError
from .iteration import Buffer, Policy, WhenFull, call_on, run_for_each

__all__ = ["Selection"]

_INSTEAD = (
    "iterate with `async for value in selection`,"
    " or start a task: `lambda value: loop.create_task(f(value))`"
)

_FUNCTIONS = frozenset({FunctionType, MethodType, BuiltinFunctionType})
"""Classes of observers that have no `on_next`: to ask an abstract class about each costs a twentieth of a subscription."""

T_co = TypeVar("T_co", covariant=True)


class Selection(Observable[T_co], Generic[T_co]):
    """The stream of a store, or of a part of it: shows the value now and every later one.

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
            Exception: what the selector raises, or the function of the derived value that it is a part of.
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
        elif given.__class__ not in _FUNCTIONS and (
            isinstance(given, abc.ObserverBase) or callable(getattr(given, "on_next", None))
        ):
            observer = cast("abc.ObserverBase[T_co]", given)
            given, on_completed = observer.on_next, getattr(observer, "on_completed", None)
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
            timeout: Seconds; None: no limit.

        Raises:
            TimeoutError: no such value in time. The text names the store, the predicate, and the connection of a service
                of the same domain.
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
                call_on(loop, fail, error)
                return
            if is_it:
                call_on(loop, resolve, value)

        def end() -> None:
            call_on(
                loop, fail, RuntimeError(f"{self!r} was closed while a task waited for a value")
            )

        with self.subscribe(look, None, end):
            limit = asyncio.timeout(timeout)
            try:
                async with limit:
                    return cast("T_co", await found)
            except TimeoutError:
                if not limit.expired():
                    raise
                wanted = (
                    "that is true" if predicate is None else f"that {_place_of(predicate)} accepts"
                )
                text = (
                    f"store {self._audience._label()!r} had no value {wanted} within {timeout:g} s"
                )
                raise TimeoutError(f"{text}{self.domain.explanation()}") from None

    def __aiter__(self) -> AsyncIterator[T_co]:
        """Returns the current value and then the newest one, each time the loop comes back, until the store is closed.

        A loop that is slower than the writers skips values, and gets the last one in the end. At most one value waits.
        For every value use `every()`.
        """
        return self._values(Buffer(self._audience._label(), 1, WhenFull.DROP_OLDEST, None))

    def every(
        self, *, max_waiting: int = 10_000, when_full: WhenFull = WhenFull.RAISE
    ) -> AsyncGenerator[T_co, None]:
        """Returns the current value and then every later one, until the store is closed, for `async for`.

        `async for value in selection.every():` instead of `async for value in selection:`.

        Args:
            max_waiting: How many values wait at most while the loop is busy, 1 or more.
            when_full: What happens with one more. What the two policies that drop do is reported as "backlog".

        Raises:
            FellBehind: the loop is slower than the writers, and the policy is `WhenFull.RAISE`.
            UsageError: `max_waiting` is below 1, or `when_full` is not a `WhenFull`.
        """
        label, domain = self._audience._label(), self.domain
        buffer: Buffer[T_co] = Buffer(
            label,
            max_waiting,
            when_full,
            lambda text: domain.report("backlog", UsageError(text), label, self.every),
        )
        return self._values(buffer)

    async def _values(self, buffer: Buffer[T_co]) -> AsyncGenerator[T_co, None]:
        buffer.begin()
        with self.subscribe(buffer.put, None, buffer.end):
            async for box in buffer.boxes():
                yield box.pop()

    async def for_each(
        self,
        function: Callable[[T_co], Awaitable[object]],
        policy: Policy = Policy.LATEST,
        *,
        max_queued: int = 10_000,
    ) -> None:
        """Awaits an async function of the current value and of later ones, until the store is closed.

        Ends when its task is cancelled, with the run that is under way. What the function raises is reported as "effect", and
        the next value follows; so does the cancellation of what it awaits. `resources.effect` does the same without a task of your own.

        Args:
            function: An async function of the value.
            policy: What happens with a value that comes while the function runs.
            max_queued: Of `Policy.QUEUED`: how many values wait at most; the oldest is dropped, which is reported.

        Raises:
            UsageError: `function` is not an async function, or an option has a wrong value.
        """
        if not inspect.iscoroutinefunction(function):
            raise UsageError(
                f"for_each() takes an `async def`; got {function!r:.80}. Give a plain function to subscribe()"
            )
        check_kind(policy, Policy, "policy=", "Policy.QUEUED", is_required=True)
        label, domain = self._audience._label(), self.domain
        is_queued = policy is Policy.QUEUED
        buffer: Buffer[T_co] = Buffer(
            label,
            max_queued if is_queued else 1,
            WhenFull.DROP_OLDEST,
            (lambda text: domain.report("backlog", UsageError(text), label, function))
            if is_queued
            else None,
        )
        buffer.begin()
        with self.subscribe(buffer.put, None, buffer.end):
            await run_for_each(
                buffer,
                function,
                policy,
                lambda error: domain.report("effect", error, label, function),
            )


def _place_of(function: Callable[..., Any]) -> str:
    """Returns the name of a function, and for a lambda the line that it is in."""
    code = getattr(function, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return name_of(function)
    return f"the lambda in line {code.co_firstlineno} of {os.path.basename(code.co_filename)}"


def reading(node: SelectionNode, in_batch: Callable[[], Any]) -> Callable[[], Any]:
    """Returns a function that reads the current part of a source, or of the open batch."""

    def read() -> Any:
        if active_batch() is not None:
            return in_batch()
        return node._project(node._domain._read_at_once(node._capture_exactly))

    return read
