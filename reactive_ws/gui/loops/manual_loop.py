"""`ManualLoop`: a user interface without a toolkit, for unit tests, games and other loops that a program turns itself.

A test moves the time: `ui.run(0.1)`. A game with pygame or DearPyGui calls `run_until_now()` once a picture.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import Any

from ..loop import UiLoop

__all__ = ["ManualLoop"]


class ManualLoop(UiLoop):
    """Works only inside `run` and `run_until_now`.

    Args:
        clock: A clock that never goes back, such as `time.monotonic`, for a loop in real time; None for time that only
            `run` moves.
        options: What `UiLoop` takes.
    """

    _time = 0.0

    def __init__(self, *, clock: Callable[[], float] | None = None, **options: Any) -> None:
        self._clock = clock
        if clock is not None:
            self._time = clock()
        self._has_work = False
        self._is_seen = True
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        super().__init__(**options)

    def now(self) -> float:
        """Returns the seconds that `run` has moved, or those of the clock."""
        return self._time if self._clock is None else self._clock()

    def spent(self) -> float:
        """Returns 0 where only `run` moves the time, because no work takes any of it."""
        return 0.0 if self._clock is None else super().spent()

    def is_seen(self) -> bool:
        """Whether a window can be seen, as `set_seen` said last; True at first."""
        return self._is_seen

    def set_seen(self, is_seen: bool) -> None:  # noqa: FBT001 - the only argument
        """Says whether the user can see a window of the program: a game knows it, a test plays it. UI thread."""
        self._is_seen = is_seen
        self.seen_changed()

    @property
    def timer_count(self) -> int:
        """Number of timers that wait."""
        return len(self._queue)

    def run(self, seconds: float = 0.0) -> None:
        """Runs the functions that are due now and within `seconds`, in order of time, and moves the time. UI thread."""
        self._run_to(self._time + seconds)

    def run_until_now(self) -> None:
        """Runs the functions that are due by the clock. UI thread; for loops made with `clock=time.monotonic`."""
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
            self.run_posted()

    def wake(self) -> None:
        self._has_work = True

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        self._order += 1
        entry = (self.now() + delay, self._order, function)
        heapq.heappush(self._queue, entry)

        def cancel() -> None:
            if entry in self._queue:
                self._queue.remove(entry)
                heapq.heapify(self._queue)

        return cancel

    def release(self) -> None:
        self._queue.clear()
