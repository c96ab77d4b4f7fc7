"""How long the computer has slept: the difference of a clock that stops in suspend and one that does not.

asyncio's timers stop with CLOCK_MONOTONIC on Linux. After a night a heartbeat timer still has its seconds to go, while the
socket is long dead. `SleepWatch` compares two readings; `shell` asks it every five seconds and reports to the decisions.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["SleepWatch", "suspension_clock"]

_INTERVAL = 5.0
"""Seconds between two looks at the clock."""


def suspension_clock() -> tuple[Callable[[], float], float]:
    """Returns a function of slept seconds, and the jump that counts as a wake-up.

    Where there is no CLOCK_BOOTTIME the wall clock stands in for it; it is also set by hand and by NTP, so the limit is
    higher there. A browser has the name of that clock, but not the clock.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    try:
        if boottime is not None:
            time.clock_gettime(boottime)
    except OSError:
        boottime = None
    if boottime is None:
        return (lambda: time.time() - time.monotonic()), 60.0
    clock: int = boottime
    return (lambda: time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC)), 10.0


class SleepWatch:
    """Looks every five seconds whether the computer slept. It owns no timer.

    Args:
        suspended: Seconds slept so far, on some scale; None watches nothing.
        limit: Seconds that count as sleep.

    Attributes:
        deadline: When to look next; None while nothing is watched.
    """

    def __init__(self, suspended: Callable[[], float] | None, limit: float) -> None:
        self.deadline: float | None = None
        self._suspended = suspended
        self._limit = limit
        self._slept = 0.0

    def start(self, now: float) -> None:
        """Watches from now on; does nothing when it does already."""
        if self._suspended is not None and self.deadline is None:
            self._slept = self._suspended()
            self.deadline = now + _INTERVAL

    def stop(self) -> None:
        """Watches no more."""
        self.deadline = None

    def has_slept(self, now: float) -> bool:
        """Looks, if it is time to: whether the computer slept since the last look."""
        if self._suspended is None or self.deadline is None or now < self.deadline:
            return False
        before, self._slept = self._slept, self._suspended()
        self.deadline = now + _INTERVAL
        return self._slept - before > self._limit
