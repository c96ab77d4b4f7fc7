"""`conflate` for state and `batched` for events: a stream on the UI thread, in frames, however many values arrive.

A program may conflate state, because the newest value replaces the older ones. It may not conflate events, because each one
counts. The stores of a service are state; notices, sounds and single answers are events.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

import attrs
from reactivex import Observable, abc

from .ui_thread import FramedUi

__all__ = ["Events", "batched", "conflate"]

T = TypeVar("T")
_NOTHING: Any = object()


def conflate(ui: FramedUi) -> Callable[[Observable[T]], Observable[T]]:
    """Returns an operator that emits the newest value, at most once a frame.

    Emits: the first value at once when subscribed on the UI thread, so that a widget is never empty for a frame. Then the
        newest value of each frame that had one, and always the last value.
    Replays: what its source replays.
    Thread: the UI thread. The loop reports an observer that raises to `ui.on_error` and calls it with the next value.
    Ends: after the last value; silently when the loop closes. Nothing comes after `dispose`.
    """

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return _Conflated(ui, observer).connect(source, scheduler)

        return Observable(subscribe)

    return operator


@attrs.frozen
class Events(Generic[T]):
    """The events since the last frame.

    Attributes:
        items: The events, oldest first.
        dropped: Number of events that were dropped because there was no room.
    """

    items: tuple[T, ...]
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.items)


def batched(
    ui: FramedUi, *, max_events: int = 1_000, keep: Literal["newest", "oldest"] = "newest"
) -> Callable[[Observable[T]], Observable[Events[T]]]:
    """Returns an operator that emits all events of a frame together.

    Emits: one `Events` per frame in which something came.
    Replays: nothing of its own.
    Thread: the UI thread. The loop reports an observer that raises to `ui.on_error` and calls it with the next events.
    Ends: after the last events; silently when the loop closes. Nothing comes after `dispose`.

    Args:
        ui: The loop with the frames.
        max_events: How many events may wait for one frame.
        keep: Which events stay when there are more; `Events` counts the others.

    Raises:
        ValueError: `max_events` below 1.
    """
    if max_events < 1:
        raise ValueError(f"max_events must be at least 1, not {max_events!r}")

    def operator(source: Observable[T]) -> Observable[Events[T]]:
        def subscribe(
            observer: abc.ObserverBase[Events[T]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return _Batched(ui, observer, max_events, keep).connect(source, scheduler)

        return Observable(subscribe)

    return operator


class _Framed(abc.DisposableBase, ABC):
    """One subscription whose values wait for the frame. It is its own key at the frame clock."""

    def __init__(self, ui: FramedUi, observer: abc.ObserverBase[Any]) -> None:
        self._ui = ui
        self._observer = observer
        self._lock = threading.RLock()
        self._end: Callable[[], object] | None = None
        self._is_dead = False
        self._is_joined = False
        self._upstream: abc.DisposableBase | None = None
        self._forget: Callable[[], None] | None = None

    def connect(
        self, source: Observable[Any], scheduler: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        if self._ui.is_closed:
            self._is_dead = True
            return self
        self._forget = self._ui.on_close(self.dispose)
        upstream = source.subscribe(self._next, self._failed, self._completed, scheduler=scheduler)
        self._joined()
        self._upstream = upstream
        if self._is_dead:
            upstream.dispose()
        return self

    @abstractmethod
    def _next(self, value: Any) -> None:
        """Keeps a value for the frame. Any thread."""

    def _joined(self) -> None:
        """Notes that the source's subscribe has returned."""
        self._is_joined = True

    @abstractmethod
    def _take(self) -> Any:
        """Returns the values that wait, or _NOTHING. The caller holds the lock."""

    @abstractmethod
    def _clear(self) -> None:
        """Drops the values that wait. The caller holds the lock."""

    def _failed(self, error: Exception) -> None:
        self._finish(lambda: self._observer.on_error(error))

    def _completed(self) -> None:
        self._finish(self._observer.on_completed)

    def _finish(self, end: Callable[[], object]) -> None:
        with self._lock:
            self._end = end
        self._ui.frame.request(self, self._flush)

    def _flush(self) -> None:
        with self._lock:
            if self._is_dead:
                return
            value, end = self._take(), self._end
        if value is not _NOTHING:
            self._ui.guard(self._observer.on_next, value)
        if end is not None and not self._is_dead:
            self.dispose()
            self._ui.guard(end)

    def dispose(self) -> None:
        with self._lock:
            if self._is_dead:
                return
            self._is_dead = True
            self._clear()
        self._ui.frame.cancel(self)
        if self._forget is not None:
            self._forget()
        if self._upstream is not None:
            self._upstream.dispose()


class _Conflated(_Framed):
    def __init__(self, ui: FramedUi, observer: abc.ObserverBase[Any]) -> None:
        super().__init__(ui, observer)
        self._value: Any = _NOTHING
        self._is_pending = False
        self._is_first = True

    def _next(self, value: Any) -> None:
        # Every write of the producer pays for this, so it takes no lock. Here the value is set before the flag is read, and
        # `_take` resets the flag before it reads the value. At worst an observer gets a value twice; it misses none.
        self._value = value
        if self._is_pending:
            return
        if self._is_first:
            with self._lock:
                is_first, self._is_first = self._is_first, False
            # Other threads may send later values while this one shows the first.
            if is_first and not self._is_joined and self._ui.is_ui_thread():
                if not self._is_dead:
                    self._value = _NOTHING
                    self._ui.guard(self._observer.on_next, value)
                return
        self._is_pending = True
        self._ui.frame.request(self, self._flush)

    def _take(self) -> Any:
        if not self._is_pending:
            return _NOTHING
        self._is_pending = False
        return self._value

    def _clear(self) -> None:
        self._value = _NOTHING


class _Batched(_Framed):
    def __init__(
        self,
        ui: FramedUi,
        observer: abc.ObserverBase[Any],
        max_events: int,
        keep: Literal["newest", "oldest"],
    ) -> None:
        super().__init__(ui, observer)
        self._waiting: deque[Any] = deque()
        self._dropped = 0
        self._max = max_events
        self._is_newest = keep == "newest"

    def _next(self, value: Any) -> None:
        with self._lock:
            if self._is_dead:
                return
            if len(self._waiting) < self._max:
                self._waiting.append(value)
            else:
                self._dropped += 1
                if self._is_newest:
                    self._waiting.popleft()
                    self._waiting.append(value)
        self._ui.frame.request(self, self._flush)

    def _take(self) -> Any:
        if not self._waiting:
            return _NOTHING
        events: Events[Any] = Events(tuple(self._waiting), self._dropped)
        self._clear()
        return events

    def _clear(self) -> None:
        self._waiting.clear()
        self._dropped = 0
