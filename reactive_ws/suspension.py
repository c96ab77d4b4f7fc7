"""How long the computer has slept: the difference of a clock that stops in suspend and one that does not.

asyncio's timers stop with CLOCK_MONOTONIC on Linux, so after a night a heartbeat timer still has its seconds to go while
the socket is long dead. It only reads clocks; `connection_loop` compares two readings.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["suspension_clock"]


def suspension_clock() -> tuple[Callable[[], float], float]:
    """Returns a function of slept seconds, and the jump that counts as a wake-up.

    Where there is no CLOCK_BOOTTIME the wall clock stands in for it; it is also set by hand and by NTP, so the limit is
    higher there.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return (lambda: time.time() - time.monotonic()), 60.0
    clock: int = boottime
    return (lambda: time.clock_gettime(clock) - time.clock_gettime(time.CLOCK_MONOTONIC)), 10.0
