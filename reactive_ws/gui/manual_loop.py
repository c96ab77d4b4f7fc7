"""`ManualLoop`: a user interface without a toolkit, turned by hand. For unit tests, games and other loops of your own.

In a test, time is what you say it is: `ui.run(0.1)`. In a game, call `run_until_now()` once per picture.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import Any

from .loop import UiLoop

__all__ = ["ManualLoop"]


class ManualLoop(UiLoop):
    """Does nothing until it is told to.

    Args:
        clock: Seconds that never go back, such as `time.monotonic`, for a loop that runs in real time; None for time that
            moves with `run` only.
        options: What `UiLoop` takes.
    """

    _time = 0.0

    def __init__(self, *, clock: Callable[[], float] | None = None, **options: Any) -> None:
        self._clock = clock
        if clock is not None:
            self._time = clock()
        self._has_work = False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        super().__init__(**options)

    def now(self) -> float:
        """Returns the seconds that were run, or those of the clock."""
        return self._time if self._clock is None else self._clock()

    @property
    def timer_count(self) -> int:
        """How many timers wait: 0 while nothing is going on."""
        return len(self._queue)

    def run(self, seconds: float = 0.0) -> None:
        """Does what is due now and within `seconds`, in order of time, and moves the time there. UI thread."""
        self._run_to(self._time + seconds)

    def run_until_now(self) -> None:
        """Does what is due by the clock. UI thread; for loops made with `clock=time.monotonic`."""
        self._run_to((self._clock or time.monotonic)())

    def _run_to(self, end: float) -> None:
        self._work()
        while self._queue and self._queue[0][0] <= end + 1e-9:
            due, _, function = heapq.heappop(self._queue)
            self._time = max(self._time, due)
            function()
            self._work()
        self._time = max(self._time, end)

    def _work(self) -> None:
        while self._has_work:
            self._has_work = False
            self._run_posted()

    def _wake(self) -> None:
        self._has_work = True

    def _start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        self._order += 1
        entry = (self.now() + delay, self._order, function)
        heapq.heappush(self._queue, entry)

        def cancel() -> None:
            if entry in self._queue:
                self._queue.remove(entry)
                heapq.heapify(self._queue)

        return cancel

    def _release(self) -> None:
        self._queue.clear()
