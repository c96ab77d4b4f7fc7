"""`UiLoop`: the contract of a toolkit's event loop, so that streams reach widgets in the same way in every toolkit.

An adapter is a subclass with two methods: `wake`, which any thread may call and which never blocks, and `start_timer`. It may
override `is_alive`, `on_gone`, `is_seen` and `release`. All else is in this class. `testing.check_ui_loop` checks an adapter.
"""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from reactivex import Observable
from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable

from ..engine import Domain, refuse_copy
from ..errors import UsageError
from ..state import KeyedStore, ReadOnly, ReadOnlyKeyed, Selection
from .binding import bind
from .frames import FrameClock
from .mirror import Mirror, Mirrors
from .scheduler import UiScheduler
from .ui_thread import Cancel
from .watching import Watch, check_watched

__all__ = ["UiLoop", "check_loop", "check_toolkit", "without_arguments"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")
W = TypeVar("W")

_REST = 0.001
"""Seconds between two wakes while posted work remains, in which the toolkit paints and takes input."""


def _excepthook(error: Exception) -> None:
    sys.excepthook(type(error), error, error.__traceback__)


class UiLoop(ABC):
    """The event loop of a user interface. Make it on the UI thread.

    It closes when the root window or the application ends. `post` then returns False, so a background thread never waits
    for a user interface that has ended.

    Args:
        fps: Most frames a second.
        share: Above 60 frames a second, the part of the UI thread's time that work and painting may take before the next
            frame waits. It does not slow down the first 60.
        budget: Seconds of work for one wake. After them the toolkit has its turn before the loop does the rest.
        on_error: The loop calls it on the UI thread with each exception of a posted function, a timer or an observer;
            `sys.excepthook` when None. The stream of that observer lives on.

    Attributes:
        fps, share, budget, on_error: As given; the program may set them at any time.
        frame: The frame clock.
        scheduler: A `reactivex` scheduler that runs on the UI thread; every thread may use it.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        *,
        fps: float = 60.0,
        share: float = 0.5,
        budget: float = 0.008,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        if not (fps > 0 and budget > 0):
            raise ValueError(f"fps and budget must be above 0, not {fps!r} and {budget!r}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {share!r}")
        self.fps = fps
        self.share = share
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
        self._watchers: dict[int, Callable[[], object]] = {}
        self._timers: dict[int, Cancel] = {}
        self._last_key = 0
        self._watch = Watch(self.on_gone, self._run)
        self._mirrors = Mirrors(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{' closed' if self._is_closed else ''}>"

    # --- what an adapter supplies; programs do not call these ---------------------------------------------------------

    @abstractmethod
    def wake(self) -> None:
        """Makes the UI thread call `run_posted` soon. The loop calls it on any thread, under its lock: never block.

        Raises:
            Exception: the user interface has ended; the loop then closes.
        """

    @abstractmethod
    def start_timer(self, delay: float, function: Callable[[], None]) -> Cancel:
        """Calls `function` on the UI thread after `delay` seconds, once; returns what cancels it. UI thread."""

    def is_alive(self, thing: Any) -> bool:
        """Whether a program may still write to `thing`. UI thread.

        Args:
            thing: A widget, any other target of `bind`, or None for an object that Python has collected. Return True
                for objects that the toolkit does not know.
        """
        return thing is not None

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:  # noqa: B027 - collection is enough for some
        """Makes the toolkit call `gone` when it destroys `thing`, without keeping `thing` alive. UI thread.

        The loop calls it once for each object. `gone` may run more than once. Ignore objects that the toolkit does not
        know: their bindings end when Python collects them.
        """

    def is_seen(self) -> bool:
        """Whether the user can see a window of the program; True where the toolkit does not tell. UI thread.

        While it is False, ages stand still and spinners stop. An adapter that overrides this calls `seen_changed`.
        """
        return True

    def release(self) -> None:  # noqa: B027 - most adapters hold nothing
        """Frees what the adapter holds. `close` calls it once, on the UI thread."""

    # --- work ---------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Returns seconds of a clock that never goes back. Any thread."""
        return time.monotonic()

    def spent(self) -> float:
        """Returns seconds of processor time that the calling thread has used; the frame clock asks on the UI thread."""
        return time.thread_time()

    def is_ui_thread(self) -> bool:
        """Whether the caller may touch widgets."""
        return threading.get_ident() == self._thread

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called or the user interface is gone."""
        return self._is_closed

    def post(self, function: Callable[[], object]) -> bool:
        """Runs `function` on the UI thread, soon, after the functions posted before. Any thread; never blocks.

        A program may post before the toolkit's loop runs.

        Returns:
            False when the loop is closed; the loop then drops `function`.
        """
        with self._lock:
            if self._is_closed:
                return False
            self._posted.append(function)
            if self._is_woken:
                return True
            self._is_woken = True
            try:
                self.wake()
            except Exception:  # noqa: BLE001 - each toolkit has its own error for this
                self._is_closed = True
                self._posted.clear()
                return False
        return True

    def later(self, delay: float, function: Callable[[], object]) -> Cancel:
        """Runs `function` after `delay` seconds. UI thread; other threads use `scheduler` or `post`.

        Returns:
            A function that cancels the timer. UI thread.

        Raises:
            UsageError: another thread called it.
        """
        self._check_thread("later", "use post() or scheduler from others")
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

        self._timers[key] = self.start_timer(max(0.0, delay), fire)
        return cancel

    def guard(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls `function` and gives its exception to `on_error`."""
        try:
            function(*arguments)
        except Exception as error:  # noqa: BLE001 - one broken painter must not stop the others
            try:
                self.on_error(error)
            except Exception as second:  # noqa: BLE001 - the last resort must not fail too
                _excepthook(second)

    def _run(self, function: Callable[[], object]) -> None:
        """Calls `function` on the UI thread: at once there, soon from other threads, and on any thread after the end."""
        if self.is_ui_thread() or not self.post(function):
            self.guard(function)

    def _check_thread(self, name: str, instead: str = "") -> None:
        """Refuses a call of another thread."""
        if not self.is_ui_thread():
            way = instead or f"on another thread, write ui.post(lambda: ui.{name}(...))"
            raise UsageError(f"{name}() is for the UI thread; {way}")

    def run_posted(self) -> None:
        """Runs posted functions until the budget is over. Adapters call it on the UI thread after a wake."""
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
        """Gives the toolkit its turn. A wake during the rest does nothing, or it would starve painting and input."""
        if self._is_closed or self._is_resting:
            return
        self._is_resting = True
        self.start_timer(_REST, self._end_rest)

    def _end_rest(self) -> None:
        self._is_resting = False
        self.run_posted()

    # --- windows that the user sees -----------------------------------------------------------------------------------

    def seen_changed(self) -> None:
        """Calls the functions of `on_seen`. Adapters and widgets call it when a window appears or disappears. UI thread."""
        for function in list(self._watchers.values()):
            self.guard(function)

    def on_seen(self, function: Callable[[], object]) -> Cancel:
        """Calls `function` whenever `is_seen` may have changed; returns a function that cancels this. UI thread."""
        key = self._next_key()
        self._watchers[key] = function

        def forget() -> None:
            self._watchers.pop(key, None)

        return forget

    # --- the end ------------------------------------------------------------------------------------------------------

    def on_close(self, function: Callable[[], object]) -> Cancel:
        """Calls `function` when the loop closes; returns a function that cancels this. Any thread."""
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
        """Ends the loop: it drops posted functions and timers, and ends all bindings. UI thread.

        The loop calls it when the root window or the application ends. A second call does nothing.
        """
        with self._lock:
            self._is_closed = True
            is_first, self._is_released = not self._is_released, True
            self._posted.clear()
        timers, self._timers = list(self._timers.values()), {}
        for stop in timers:
            self.guard(stop)
        self._watchers.clear()
        closers, self._closers = list(self._closers.values()), {}
        for function in closers:
            self.guard(function)
        if is_first:
            self.release()

    # --- streams and widgets ------------------------------------------------------------------------------------------

    @overload
    def mirror(self, store: ReadOnly[T] | Selection[T]) -> Mirror[T]: ...
    @overload
    def mirror(self, store: KeyedStore[K, V] | ReadOnlyKeyed[K, V]) -> Mirror[Mapping[K, V]]: ...

    def mirror(self, store: Any) -> Mirror[Any]:
        """Returns a replica of `store` that changes between frames only. UI thread; see `Mirror`.

        Args:
            store: A store, a derived value, a selection of one of them, or a keyed store, whose mirror has a mapping.

        Raises:
            UsageError: `store` has no current value, or another thread called it.
        """
        self._check_thread("mirror")
        return self._mirrors.add(store)

    @property
    def domain(self) -> Domain:
        """The domain of the mirrors: stores in it can be combined with mirrors. UI thread."""
        return self._mirrors.domain

    @overload
    def bind(
        self,
        stream: Observable[T] | ReadOnly[T],
        target: W,
        setter: Callable[[W, T], object],
        *,
        until: Any = None,
    ) -> DisposableBase: ...
    @overload
    def bind(
        self,
        stream: KeyedStore[K, V] | ReadOnlyKeyed[K, V],
        target: W,
        setter: Callable[[W, Mapping[K, V]], object],
        *,
        until: Any = None,
    ) -> DisposableBase: ...

    def bind(
        self,
        stream: Any,
        target: Any,
        setter: Callable[[Any, Any], object],
        *,
        until: Any = None,
    ) -> DisposableBase:
        """Calls `setter(target, value)` with the newest value of a stream, at most once a frame. UI thread.

        The setter gets the first value before this returns. The binding ends with the loop and with the stream. It also ends
        when the toolkit destroys or Python collects `target` or `until`, and when the program disposes what this returns.
        Where the toolkit has destroyed one of the two before, the binding has ended when this returns.

        Args:
            stream: A selection or another Observable, a store, a mirror, or a keyed store, whose mapping the setter gets.
            target: A widget, or any other object: a Tk variable, an item of a Qt table, a view model, a tag. The binding
                holds it weakly where Python can, so the program keeps it; with `until` it holds it strongly.
            setter: Use its first argument, not a widget of the enclosing scope, which the binding would keep alive. The
                loop reports an exception to `on_error` and calls the setter again with the next value.
            until: A widget that ends the binding when it goes; None when the target itself does.

        Raises:
            UsageError: `stream` is none of these, or `target` is None or a bound method. Or another thread called this. Or
                Python has no weak references to `until`, so nothing tells when it goes.
        """
        self._check_thread("bind")
        return bind(self, stream, target, setter, until)

    def scope(self, widget: Any) -> CompositeDisposable:
        """Returns a collection of disposables that the loop disposes when `widget` goes. UI thread; see `watch`."""
        things = CompositeDisposable()
        self.watch(widget, things.dispose)
        return things

    def watch(self, thing: Any, on_gone: Callable[[], object]) -> Cancel:
        """Calls `on_gone` on the UI thread when the toolkit destroys `thing`, or when Python collects it. UI thread.

        It calls `on_gone` at once when the toolkit has destroyed `thing` before, or when the loop is closed. The loop
        reports an exception to `on_error`.

        Returns:
            A function that cancels this.

        Raises:
            UsageError: Python has no weak references to `thing`, or another thread called this.
        """
        self._check_thread("watch")
        check_watched(thing)
        if self._is_closed or not self.is_alive(thing):
            self.guard(on_gone)
            return _nothing
        return self._watch.add(thing, on_gone)


def _nothing() -> None:
    pass


def check_toolkit(given: object, attribute: str, form: str) -> None:
    """Refuses what is not the module or the object of a toolkit.

    Args:
        given: What the program handed in.
        attribute: A name that the right one has.
        form: What to write, such as "QtLoop(QtCore)".

    Raises:
        UsageError: `given` has no such attribute, or is a class.
    """
    if isinstance(given, type) or not hasattr(given, attribute):
        raise UsageError(f"write {form}; got {type(given).__name__} {given!r:.80}")


def check_loop(given: object, kind: type[UiLoop], form: str) -> None:
    """Refuses what is not the loop of a toolkit, such as the next argument.

    Args:
        given: What the program handed in.
        kind: The class of the loop.
        form: What to write, such as "ConnectionStatus(ui, views)".

    Raises:
        UsageError: `given` is not a loop of this kind.
    """
    if not isinstance(given, kind):
        name = type(given).__name__
        raise UsageError(f"write {form}, where ui is a {kind.__name__}; got {name} {given!r:.80}")


def without_arguments(function: Callable[[], None]) -> Callable[..., None]:
    """Returns a function for a toolkit that passes arguments, such as an event, which `function` does not take."""

    def call(*_: object) -> None:
        function()

    return call
