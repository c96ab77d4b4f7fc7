"""One timer for many deadlines. A part whose deadline comes nearer says so; nothing polls.

It does not know what is due. `shell` looks when the alarm rings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

__all__ = ["Alarm"]


class Alarm:
    """A timer in the running loop.

    It rings at the earliest deadline or before it: a deadline that moves away or is gone leaves the timer where it is. The
    function that it calls looks what is due, and calls `set`.

    Args:
        deadlines: Returns all deadlines, in seconds of the loop's clock; None for never.
        ring: Called when the alarm rings.
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
        """Asks for all deadlines: rings at the earliest one, and is off when there is none."""
        due = min((time for time in self._deadlines() if time is not None), default=None)
        if due is None:
            self.stop()
        else:
            self.no_later_than(due)

    def stop(self) -> None:
        """Rings no more, whatever is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def no_later_than(self, due: float | None) -> None:
        """Rings at `due` or before it. The other deadlines are as they were; None changes nothing."""
        if due is None or (self._timer is not None and self._at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = due
        self._timer = self._loop.call_at(due, self._rang)

    def _rang(self) -> None:
        self._timer = None
        self._ring()
