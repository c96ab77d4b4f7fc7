"""A `reactivex` scheduler that lives in the time of an asyncio loop, virtual or real.

The stock `AsyncIOScheduler` answers `now` with the wall clock but runs by the clock of the loop: under virtual time
`delay` never delivers and `throttle_first` never passes a second item. Here both are the same clock. Not for other threads
than the loop's.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from reactivex.scheduler.eventloop import AsyncIOScheduler

__all__ = ["LoopScheduler"]


class LoopScheduler(AsyncIOScheduler):
    """Runs actions on the loop; `now` is `epoch` plus the loop's seconds.

    Args:
        loop: The loop.
        epoch: What `now` is at the loop's second 0.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, epoch: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    ) -> None:
        super().__init__(loop)
        self._epoch = epoch
        self._clock = loop.time

    @property
    def now(self) -> datetime:
        """The loop's time as a date."""
        return self._epoch + timedelta(seconds=self._clock())
