"""Streams of events: things that happen, where a store holds what is. Nothing is replayed and nothing is merged.

An observer that raises is reported to the log and keeps its subscription; the others are served. `pipe` works as on
every Observable; what an operator's own function raises ends that pipe, as everywhere in reactivex.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc

from ..engine import Registration, check_function, check_kind, refuse_copy
from .iteration import Buffer, WhenFull

__all__ = ["EventSource", "EventStream"]

T = TypeVar("T")

_logger = logging.getLogger("reactive_ws.events")

_BUFFER = 10_000
"""Events that an `async for` may lag behind; a loop that never comes back must not eat the memory."""


class EventStream(Observable[T]):
    """The reading end.

    Emits: Every event, in order, from the moment of subscribing.
    Replays: Nothing.
    Thread: The thread that calls `emit`; for a service's streams, the thread of its loop.
    Ends: Never.
    """

    def __init__(self, source: EventSource[T]) -> None:
        super().__init__()
        self._source = source

    __reduce_ex__ = refuse_copy

    def __repr__(self) -> str:
        return f"<EventStream {self._source.name!r}>"

    def subscribe(
        self,
        on_next: abc.ObserverBase[T] | abc.OnNext[T] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        """Calls `on_next` with every later event until the returned disposable is disposed.

        An event stream never fails and never completes, so the other callbacks are never called.
        """
        del on_error, on_completed, scheduler
        if on_next is None:
            return Registration()
        listener: Any = on_next
        if hasattr(listener, "on_next"):
            listener = listener.on_next
        check_function(
            listener,
            "an observer",
            "iterate with `async for event in stream`, or start a task in it",
        )
        return self._source.add(listener)

    def __aiter__(self) -> AsyncIterator[T]:
        """Iterates the later events. A loop that lags 10 000 events behind loses the oldest, which is logged."""
        return self.every()

    def every(
        self, *, max_waiting: int = _BUFFER, when_full: WhenFull = WhenFull.DROP_OLDEST
    ) -> AsyncGenerator[T, None]:
        """Returns the later events for `async for`, with a bound of your own.

        Args:
            max_waiting: How many events wait at most while the loop is busy, 1 or more.
            when_full: What happens with one more. What the two policies that drop do is logged.

        Raises:
            FellBehind: the loop is slower than the events, and the policy is `WhenFull.RAISE`.
            UsageError: `max_waiting` is below 1, or `when_full` is not a `WhenFull`.
        """
        buffer: Buffer[T] = Buffer(
            self._source.name,
            max_waiting,
            when_full,
            lambda text: _logger.warning("%r: %s", self, text),
        )
        return self._values(buffer)

    async def _values(self, buffer: Buffer[T]) -> AsyncGenerator[T, None]:
        buffer.begin()
        with self.subscribe(buffer.put):
            async for box in buffer.boxes():
                yield box.pop()


class _Listener(Generic[T]):
    """One observer; no event reaches it once it is not live."""

    __slots__ = ("is_live", "observer")

    def __init__(self, observer: Callable[[T], Any]) -> None:
        self.observer = observer
        self.is_live = True


class _Emitting(threading.local):
    """The sources that emit on this thread, each with the events that its observers emitted meanwhile."""

    def __init__(self) -> None:
        self.later: dict[EventSource[Any], deque[tuple[tuple[_Listener[Any], ...], Any]]] = {}


_emitting = _Emitting()


class EventSource(Generic[T]):
    """The writing end; only its owner holds it. `emit` may be called from any thread.

    Args:
        name: For logs.
        on_start, on_stop: Called when the first observer came and when the last one left.
    """

    def __init__(
        self,
        name: str,
        *,
        on_start: Callable[[], None] | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        check_kind(name, str, "name=", '"clicks"', is_required=True)
        for callback, option in ((on_start, "on_start="), (on_stop, "on_stop=")):
            if callback is not None:
                check_function(callback, option, "start a task in it")
        self.name = name
        self.stream: EventStream[T] = EventStream(self)
        self._on_start = on_start
        self._on_stop = on_stop
        self._observers: tuple[_Listener[T], ...] = ()

    __reduce_ex__ = refuse_copy

    @property
    def is_observed(self) -> bool:
        """Whether an observer is there, so that a costly event is worth making. Any thread."""
        return bool(self._observers)

    def emit(self, event: T) -> None:
        """Gives the event to the observers of this moment, in the order of their subscriptions.

        An event that an observer emits comes after the current one, to all observers. So `emit` returns before it came.

        Raises:
            BaseException: an observer raised one that is not an Exception; the others were served.
        """
        observers = self._observers
        if not observers:
            return
        emitting = _emitting.later
        later = emitting.get(self)
        if later is not None:
            later.append((observers, event))
            return
        later = deque([(observers, event)])
        fatal: BaseException | None = None
        while later:
            emitting[self] = later
            try:
                while later:
                    for listener in later[0][0]:
                        try:
                            if listener.is_live:
                                listener.observer(later[0][1])
                        except Exception:
                            _logger.exception(
                                "an observer of %s raised; it stays subscribed", self.name
                            )
                        except BaseException as error:  # noqa: BLE001 - raised after the others were served
                            fatal = fatal or error
                    later.popleft()
            finally:
                # A signal handler may have emitted until here, so the outer loop looks again.
                del emitting[self]
        if fatal is not None:
            raise fatal

    def add(self, observer: Callable[[T], Any]) -> abc.DisposableBase:
        """Adds an observer; the same function may be added twice."""
        mine = _Listener(observer)
        if self._replace(lambda before: (*before, mine)) == () and self._on_start is not None:
            self._on_start()

        def remove() -> None:
            mine.is_live = False
            before = self._replace(lambda all_: tuple(it for it in all_ if it is not mine))
            if before == (mine,) and self._on_stop is not None:
                self._on_stop()

        return Registration(remove)

    def _replace(
        self, change: Callable[[tuple[_Listener[T], ...]], tuple[_Listener[T], ...]]
    ) -> tuple[_Listener[T], ...]:
        """Replaces the listeners by a function of them; returns those before. Any thread."""
        while True:
            before = self._observers
            after = change(before)
            # Without a call between the look and the assignment, so that no other thread and no handler comes between.
            if self._observers is before:
                self._observers = after
                return before
