"""A `reactivex` scheduler over a `UiLoop`: for `delay`, `debounce`, `interval` and `observe_on` in user interfaces.

Unlike the stock schedulers, every thread may use it, it blocks none, and it keeps the loop's monotonic time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from reactivex import abc, typing
from reactivex.disposable import SerialDisposable
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

from .ui_thread import UiThread

__all__ = ["UiScheduler"]

State = TypeVar("State")


class UiScheduler(PeriodicScheduler):
    """Runs actions on the UI thread. A `UiLoop` has one as its `scheduler`."""

    def __init__(self, ui: UiThread) -> None:
        super().__init__()
        self._ui = ui
        self._epoch = datetime.now(UTC) - timedelta(seconds=ui.now())

    @property
    def now(self) -> datetime:
        """The wall clock of the moment when the loop was made, plus the seconds of the loop since then."""
        return self._epoch + timedelta(seconds=self._ui.now())

    def schedule(
        self, action: abc.ScheduledAction[State], state: State | None = None
    ) -> abc.DisposableBase:
        """Runs `action` soon, after the functions posted before. Any thread."""
        task = _Task(self._ui, lambda: self.invoke_action(action, state))
        self._ui.post(task.run)
        return task

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: abc.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Runs `action` after a delay. Any thread."""
        task = _Task(self._ui, lambda: self.invoke_action(action, state))
        task.start(self._ui.now() + max(0.0, self.to_seconds(duetime)))
        return task

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: abc.ScheduledAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Runs `action` at a date; at once when it is past. Any thread."""
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    def schedule_periodic(
        self,
        period: typing.RelativeTime,
        action: typing.ScheduledPeriodicAction[State],
        state: State | None = None,
    ) -> abc.DisposableBase:
        """Runs `action` at fixed intervals from the first time on; it skips intervals that it missed. Any thread.

        The loop reports an action that raises, and the action ends.
        """
        seconds = max(0.0, self.to_seconds(period))
        due = self._ui.now() + seconds
        current = state

        def turn() -> None:
            nonlocal current, due
            current = action(current)
            now = self._ui.now()
            missed = 0.0 if seconds == 0.0 else max(0.0, (now - due) // seconds)
            due += seconds * (missed + 1.0)
            task.start(due)

        task = _Task(self._ui, turn)
        task.start(due)
        return task


class _Task(abc.DisposableBase):
    """One action that waits for its time; `dispose` works from every thread and never blocks."""

    def __init__(self, ui: UiThread, function: Callable[[], Any]) -> None:
        self._ui = ui
        self._function = function
        self._cancel: Callable[[], None] | None = None
        self._inner = SerialDisposable()
        self._is_dead = False

    def start(self, due: float) -> None:
        def arm() -> None:
            if not self._is_dead:
                self._cancel = self._ui.later(due - self._ui.now(), self.run)

        if self._ui.is_ui_thread():
            arm()
        else:
            self._ui.post(arm)

    def run(self) -> None:
        if self._is_dead:
            return
        self._cancel = None
        inner = self._function()
        if isinstance(inner, abc.DisposableBase):
            self._inner.disposable = inner

    def dispose(self) -> None:
        self._is_dead = True
        self._inner.dispose()
        if self._ui.is_ui_thread():
            self._stop()
        elif self._cancel is not None:
            self._ui.post(self._stop)

    def _stop(self) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
