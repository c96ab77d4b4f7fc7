"""Functions that follow a stream: `effect` runs one with each value, `when` once.

A plain function runs on the delivering thread, like an observer, and may return a clean-up function. An async function runs on
an event loop, by one of three policies for values that come while it runs. What either raises is reported, and the effect goes
on with the next value.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Self, TypeVar, cast, overload

from reactivex import Observable
from reactivex.abc import DisposableBase

from ..engine import (
    Domain,
    check_count,
    check_function,
    check_kind,
    default_domain,
    fork_safe_lock,
    refuse_copy,
)
from ..errors import UsageError
from ..state import Policy, ReadOnly
from .runner import Runner, check_stream

__all__ = ["Effect", "Policy", "effect", "when"]

T = TypeVar("T")


class Effect(DisposableBase, Generic[T]):
    """A function that follows a stream. Made by `effect`; `dispose()` it, or use it as a context manager. Any thread."""

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        stream: Observable[T] | ReadOnly[T],
        function: Callable[[T], Any],
        policy: Policy,
        max_queued: int,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self._function = function
        self._policy = policy
        self._max_queued = max_queued
        self._domain = domain_of(stream)
        self._is_disposed = False
        # Of plain functions: the values that come while the function runs, and whether it runs.
        self._lock = fork_safe_lock()
        self._values: deque[T] = deque()
        self._is_busy = False
        self._cleanup: Callable[[], object] | None = None
        # Async functions only; touched on the loop only.
        self._running: set[asyncio.Task[None]] = set()
        self._queue: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None
        self._runner: Runner | None = None
        if inspect.iscoroutinefunction(function):
            self._runner = Runner(loop)
            self._runner.start()
        source = stream.select() if isinstance(stream, ReadOnly) else stream
        self._subscription: DisposableBase = source.subscribe(
            self._see if self._runner is None else self._see_async, self._report
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Ends the effect: cancels what runs, drops what waits, and runs the clean-up of a plain function."""
        with self._lock:
            if self._is_disposed:
                return
            self._is_disposed = True
        self._subscription.dispose()
        if self._runner is None:
            self._clean_up()
        else:
            self._runner.call(self._cancel)

    # --- plain functions ----------------------------------------------------------------------------------------------

    def _see(self, value: T) -> None:
        with self._lock:
            self._values.append(value)
            if self._is_busy:
                # The function wrote to the stream, or another thread did; this value comes after the run.
                return
            self._is_busy = True
        try:
            while True:
                with self._lock:
                    if not self._values:
                        self._is_busy = False
                        return
                    value = self._values.popleft()
                self._run_plain(value)
        except BaseException:
            # An interrupt ends the run.
            self._is_busy = False
            raise

    def _run_plain(self, value: T) -> None:
        self._clean_up()
        try:
            cleanup = None if self._is_over() else self._function(value)
        except Exception as error:  # noqa: BLE001 - reported; the effect goes on
            self._report(error)
            return
        if callable(cleanup):
            with self._lock:
                self._cleanup = cast("Callable[[], object]", cleanup)
            if self._is_over():
                # The function, or another thread, disposed the effect.
                self._clean_up()

    def _is_over(self) -> bool:
        return self._is_disposed

    def _clean_up(self) -> None:
        with self._lock:
            cleanup, self._cleanup = self._cleanup, None
        if cleanup is not None:
            try:
                cleanup()
            except Exception as error:  # noqa: BLE001 - as above
                self._report(error)

    # --- async functions ----------------------------------------------------------------------------------------------

    def _see_async(self, value: T) -> None:
        runner = self._runner
        assert runner is not None
        runner.call(lambda: self._take(value))

    def _take(self, value: T) -> None:
        if self._is_disposed:
            return
        if self._task is not None:
            if self._policy is Policy.DROPPING:
                return
            if self._policy is Policy.QUEUED:
                if len(self._queue) >= self._max_queued:
                    self._queue.popleft()
                    self._report(
                        UsageError(
                            f"an effect has {self._max_queued} values waiting and drops the oldest;"
                            " make it faster, or choose another policy"
                        )
                    )
                self._queue.append(value)
                return
            self._task.cancel()
        self._begin(value)

    def _begin(self, value: T) -> None:
        loop = asyncio.get_running_loop()
        before = set(self._running)
        self._task = loop.create_task(self._run(value, before), name="reactive_ws effect")
        self._running.add(self._task)
        self._task.add_done_callback(self._running.discard)

    async def _run(self, value: T, before: set[asyncio.Task[None]]) -> None:
        me = asyncio.current_task()
        try:
            if before:
                # The clean-up of cancelled runs ends first, so that two runs never overlap.
                await asyncio.wait(before)
            await self._function(value)
        except asyncio.CancelledError as error:
            if self._task is not me or (me is not None and me.cancelling()):
                raise
            # This run goes on: the function awaited something that another part cancelled.
            self._report(RuntimeError(f"what the effect awaited was cancelled: {error!r}"))
        except Exception as error:  # noqa: BLE001 - reported; the effect goes on
            self._report(error)
        finally:
            if self._task is me:
                self._task = None
        if self._task is None and self._queue and not self._is_disposed:
            self._begin(self._queue.popleft())

    def _cancel(self) -> None:
        self._queue.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _report(self, error: Exception) -> None:
        self._domain.report("effect", error, "effect", self._function)


@overload
def effect(
    stream: Observable[T] | ReadOnly[T],
    function: Callable[[T], Awaitable[object]],
    *,
    policy: Policy = Policy.LATEST,
    max_queued: int = 10_000,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Effect[T]: ...
@overload
def effect(
    stream: Observable[T] | ReadOnly[T], function: Callable[[T], Callable[[], object] | None]
) -> Effect[T]: ...


def effect(
    stream: Observable[T] | ReadOnly[T],
    function: Callable[[T], Any],
    *,
    policy: Policy = Policy.LATEST,
    max_queued: int = 10_000,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Effect[T]:
    """Runs a function with the value of a stream now, and with each later one.

    Args:
        stream: A store, a selection, a derived value or any other stream.
        function: A plain function runs on the delivering thread. What it returns, if that is a function, runs before the next
            run and at the end. An async function runs on the loop and is cancelled at the end.
        policy: Of an async function: what happens with a value that comes while it runs.
        max_queued: Of the policy `QUEUED`: how many values wait at most; the oldest is dropped, which is reported.
        loop: Of an async function: where it runs; None: on the loop that runs here, or in a daemon thread.

    Raises:
        UsageError: `function` is not a function, or `max_queued` is below 1.
    """
    if not callable(function):
        raise UsageError(f"effect() takes a function of the value; got {type(function).__name__}")
    check_stream(stream, "the stream of effect()")
    check_kind(policy, Policy, "policy=", "Policy.QUEUED", is_required=True)
    check_count(max_queued, "max_queued=", least=1)
    check_kind(loop, asyncio.AbstractEventLoop, "loop=", "asyncio.get_running_loop()")
    return Effect(stream, function, policy, max_queued, loop)


def when(stream: Observable[T] | ReadOnly[T], function: Callable[[T], object]) -> DisposableBase:
    """Runs a function once, with the first value that is true in a boolean sense; the value now included.

    `await selection.wait_for()` is the same for a task.

    Args:
        stream: As for `effect`.
        function: A plain function; what it raises is reported.

    Returns:
        The subscription; `dispose()` it to run nothing.
    """
    check_function(
        function, "the function of when()", "write `await selection.wait_for()` in a task"
    )
    ending: list[DisposableBase] = []
    is_done = False

    def look(value: T) -> None:
        nonlocal is_done
        if is_done or not value:
            return
        is_done = True
        for it in ending:
            it.dispose()
        function(value)

    ending.append(effect(stream, look))
    if is_done:
        ending[0].dispose()
    return ending[0]


def domain_of(stream: object) -> Domain:
    """Returns the domain of a stream whose values have one, else the default domain."""
    domain = getattr(stream, "domain", None)
    return domain if isinstance(domain, Domain) else default_domain()
