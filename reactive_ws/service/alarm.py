"""One timer for many deadlines: set at the earliest of them, and asked anew whenever one may have changed.

It knows nothing about what is due; `connection_loop` looks when it rings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

__all__ = ["Alarm"]


class Alarm:
    """A timer in the running loop.

    Args:
        deadlines: Returns when something is due, in seconds of the loop's clock; None for never.
        ring: Called at the earliest deadline or before it: who is called too early just looks again.
    """

    def __init__(
        self, deadlines: Callable[[], Iterable[float | None]], ring: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadlines = deadlines
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def __repr__(self) -> str:
        return f"<Alarm {'off' if self._timer is None else f'at {self._at:g}'}>"

    def set(self) -> None:
        """Sees to it that it rings at the earliest deadline; without one it is off."""
        due = min((time for time in self._deadlines() if time is not None), default=None)
        if self._timer is not None:
            if due is not None and self._at <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._at = due
            self._timer = self._loop.call_at(due, self._rang)

    def _rang(self) -> None:
        self._timer = None
        self._ring()
