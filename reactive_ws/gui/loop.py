"""`UiLoop`: one contract for every toolkit's event loop, so that streams reach widgets the same way everywhere.

An adapter (`tk_loop`, `qt_loop`, `glib_loop`, `asyncio_loop`, `manual_loop`) supplies a thread-safe wake that never blocks
and a timer; everything else is here. Nothing here knows a store: that is `conflation`, `mirror` and `binding`.
"""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable
from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable

from ..errors import UsageError
from ..state import ReadOnly
from .binding import bind
from .frames import FrameClock
from .mirror import Mirror, Mirrors
from .scheduler import UiScheduler
from .ui_thread import Cancel
from .watching import Watch

__all__ = ["UiLoop"]

T = TypeVar("T")
W = TypeVar("W")

_REST = 0.001
"""Seconds between two wakes while posted work remains: room for the toolkit to paint and to take input."""


def _excepthook(error: Exception) -> None:
    sys.excepthook(type(error), error, error.__traceback__)


class UiLoop(ABC):
    """The event loop of a user interface.

    Made on the UI thread. It closes by itself when the root window or application ends; what is posted then is refused,
    so a background thread never waits for a user interface that is gone.

    Args:
        fps: At most how many frames a second.
        budget: Seconds of work per wake. When they are over, the toolkit gets its turn before the rest is done.
        on_error: Called on the UI thread with each exception of a posted function, timer or observer;
            `sys.excepthook` when None. The stream whose observer failed lives on.

    Attributes:
        fps, budget, on_error: As given; may be set at any time.
        frame: The frame clock.
        scheduler: A `reactivex` scheduler that runs on the UI thread, usable from every thread.
    """

    def __init__(
        self,
        *,
        fps: float = 60.0,
        budget: float = 0.008,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        if not (fps > 0 and budget > 0):
            raise ValueError(f"fps and budget must be above 0, not {fps!r} and {budget!r}")
        self.fps = fps
        self.budget = budget
        self.on_error: Callable[[Exception], object] = on_error or _excepthook
        self.frame = FrameClock(self)
        self.scheduler = UiScheduler(self)
        self._posted: deque[Callable[[], object]] = deque()
        # Re-entrant because the garbage collector may run a dispose() that posts while this thread holds it.
        self._lock = threading.RLock()
        self._is_woken = False
        self._is_resting = False
        self._is_closed = False
        self._is_released = False
        self._thread = threading.get_ident()
        self._closers: dict[int, Callable[[], object]] = {}
        self._timers: dict[int, Cancel] = {}
        self._last_key = 0
        self._watch = Watch(self._on_gone)
        self._mirrors = Mirrors(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' closed' if self._is_closed else ''}>"

    # --- what an adapter supplies -------------------------------------------------------------------------------------

    @abstractmethod
    def _wake(self) -> None:
        """Makes the UI thread call `_run_posted` soon. From any thread, under the lock: must not block.

        Raises:
            Exception: the user interface is gone; the loop closes then.
        """

    @abstractmethod
    def _start_timer(self, delay: float, function: Callable[[], None]) -> Cancel:
        """Calls `function` on the UI thread after `delay` seconds, once. UI thread only."""

    def _release(self) -> None:  # noqa: B027 - most adapters hold nothing
        """Gives back what the adapter holds. UI thread; called once, by `close`."""

    def _on_gone(self, widget: Any, gone: Callable[[], None]) -> None:  # noqa: B027 - collection is enough for some
        """Makes the toolkit call `gone` when it destroys `widget`, without keeping it alive. UI thread."""

    def is_alive(self, widget: Any) -> bool:
        """Whether `widget` may still be written to. UI thread."""
        return widget is not None

    # --- work ---------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Returns seconds of a clock that never goes back. Any thread."""
        return time.monotonic()

    def is_ui_thread(self) -> bool:
        """Whether the caller may touch widgets."""
        return threading.get_ident() == self._thread

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called or the user interface is gone."""
        return self._is_closed

    def post(self, function: Callable[[], object]) -> bool:
        """Runs `function` on the UI thread, soon, after what was posted before. Any thread; never blocks.

        Also before the toolkit's loop runs: it is kept until then.

        Returns:
            False when the loop is closed; `function` is dropped then.
        """
        with self._lock:
            if self._is_closed:
                return False
            self._posted.append(function)
            if self._is_woken:
                return True
            self._is_woken = True
            try:
                self._wake()
            except Exception:  # noqa: BLE001 - each toolkit has its own way to say that it is gone
                self._is_closed = True
                self._posted.clear()
                return False
        return True

    def later(self, delay: float, function: Callable[[], object]) -> Cancel:
        """Runs `function` after `delay` seconds. UI thread; from others use `scheduler` or `post`.

        Returns:
            A function that takes it back. UI thread.

        Raises:
            UsageError: on another thread.
        """
        if not self.is_ui_thread():
            raise UsageError("later() is for the UI thread; use post() or scheduler from others")
        if self._is_closed:
            return _nothing
        key = self._next_key()

        def fire() -> None:
            if self._timers.pop(key, None) is not None and not self._is_closed:
                self.guard(function)

        def cancel() -> None:
            stop = self._timers.pop(key, None)
            if stop is not None and not self._is_closed:
                stop()

        self._timers[key] = self._start_timer(max(0.0, delay), fire)
        return cancel

    def guard(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls `function`; an exception goes to `on_error` and no further."""
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001 - one broken label must not stop the others
            try:
                self.on_error(error)
            except Exception as second:  # noqa: BLE001 - the last resort must not fail too
                _excepthook(second)

    def _run_posted(self) -> None:
        """Runs what was posted until the budget is over. Adapters call it on the UI thread after a wake."""
        with self._lock:
            # From here on a post wakes again: a function may open a modal dialog, which runs a loop of its own.
            self._is_woken = False
            if self._is_resting:
                return
        end = self.now() + self.budget
        while True:
            with self._lock:
                if self._is_closed or not self._posted:
                    return
                function = self._posted.popleft()
            self.guard(function)
            if self.now() >= end:
                break
        self._rest()

    def _rest(self) -> None:
        """Lets the toolkit have its turn. A wake that comes meanwhile would starve painting and input."""
        if self._is_closed or self._is_resting:
            return
        self._is_resting = True
        self._start_timer(_REST, self._end_rest)

    def _end_rest(self) -> None:
        self._is_resting = False
        self._run_posted()

    # --- the end ------------------------------------------------------------------------------------------------------

    def on_close(self, function: Callable[[], object]) -> Cancel:
        """Calls `function` when the loop closes. Any thread; returns a function that takes it back."""
        key = self._next_key()
        self._closers[key] = function

        def forget() -> None:
            self._closers.pop(key, None)

        return forget

    def _next_key(self) -> int:
        with self._lock:
            self._last_key += 1
            return self._last_key

    def close(self) -> None:
        """Ends everything: nothing posted or timed runs any more, streams bound to this loop end. UI thread.

        Called by itself with the root window or application. Calling it twice does no harm.
        """
        with self._lock:
            self._is_closed = True
            is_first, self._is_released = not self._is_released, True
            self._posted.clear()
        timers, self._timers = list(self._timers.values()), {}
        for stop in timers:
            self.guard(stop)
        closers, self._closers = list(self._closers.values()), {}
        for function in closers:
            self.guard(function)
        if is_first:
            self._release()

    # --- streams and widgets ------------------------------------------------------------------------------------------

    def mirror(self, store: ReadOnly[T]) -> Mirror[T]:
        """Returns a replica of `store` that changes between frames only. UI thread; see `Mirror`."""
        return self._mirrors.add(store)

    def bind(
        self,
        stream: Observable[T] | ReadOnly[T],
        widget: W,
        setter: Callable[[W, T], object],
    ) -> DisposableBase:
        """Shows a stream in a widget: calls `setter(widget, value)` at most once a frame, with the newest value.

        The first value is shown before this returns. Ends when the widget is destroyed or collected, or with the loop.
        UI thread.

        Args:
            stream: A selection or another Observable, a store or a mirror.
            widget: Held weakly. For the loop `setter` should use its argument, not a widget of its own.
            setter: What raises is reported; the next value is shown again.
        """
        return bind(self, stream, widget, setter)

    def scope(self, widget: Any) -> CompositeDisposable:
        """Returns a collection of disposables that are disposed when `widget` is destroyed. UI thread."""
        things = CompositeDisposable()
        self.watch(widget, things.dispose)
        return things

    def watch(self, widget: Any, on_gone: Callable[[], object]) -> Cancel:
        """Calls `on_gone` when the toolkit destroys `widget`, or when it is collected. UI thread.

        Returns:
            A function that takes it back.
        """
        return self._watch.add(widget, on_gone)


def _nothing() -> None:
    pass
