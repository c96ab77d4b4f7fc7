"""What a store does while somebody listens: start with the first observer, stop with the last.

The store notes the need under its domain's lock; the callbacks run without it, on the thread that subscribed or
disposed, one at a time and alternating. With a linger the stop waits, and an observer that comes back in time prevents it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from reactivex.abc import DisposableBase, SchedulerBase

from .source import Source

__all__ = ["Lifecycle"]


class Lifecycle:
    """Start and stop callbacks of one store.

    Args:
        on_start: Called when the first observer came.
        on_stop: Called when the last observer went, `linger` seconds later.
        linger: Seconds.
        scheduler: Keeps the time of `linger`.
    """

    def __init__(
        self,
        on_start: Callable[[], object] | None,
        on_stop: Callable[[], object] | None,
        linger: float,
        scheduler: SchedulerBase,
    ) -> None:
        self._on_start = on_start
        self._on_stop = on_stop
        self._linger = linger
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._is_started = False
        self._is_running = False
        self._timer: DisposableBase | None = None

    def settle(self, source: Source) -> None:
        """Starts or stops, as the number of listeners now asks for. Runs user code; called without locks."""
        if not source._is_observed() and self._linger > 0 and self._is_started:
            with self._lock:
                if self._timer is not None:
                    self._timer.dispose()
                self._timer = self._scheduler.schedule_relative(
                    self._linger, lambda _scheduler, _state: self._act(source)
                )
            return
        self._act(source)

    def _act(self, source: Source) -> None:
        while True:
            with self._lock:
                is_wanted = source._is_observed()
                if self._is_running or is_wanted == self._is_started:
                    return
                self._is_running = True
                self._is_started = is_wanted
                if is_wanted and self._timer is not None:
                    self._timer.dispose()
                    self._timer = None
            callback = self._on_start if is_wanted else self._on_stop
            try:
                if callback is not None:
                    callback()
            except Exception as error:  # noqa: BLE001 - user code; the observer that came is served all the same
                source._domain._report("lifecycle", error, source.name, callback)
            finally:
                with self._lock:
                    self._is_running = False
