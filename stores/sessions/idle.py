"""Waits for sessions in which nothing happens for a while: one timer, for the first that falls idle, and none without sessions.

What is idle is decided in `session_list`; `sessions` says when something happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from reactive_ws.state import Store

from ..collections import Roster
from ..outside import Later
from ..wire import Session
from .session_list import Times, fell_idle, known_as_idle

__all__ = ["IdleWatch"]


class IdleWatch:
    """The timer. Made by `Sessions`.

    Args:
        store: When something happened in the sessions.
        roster: Returns the sessions.
        clock: Wall clock, UTC.
        later: Starts a timer.
        after: Without activity for this long a session is idle.
    """

    def __init__(
        self,
        store: Store[Times],
        roster: Callable[[], Roster[Session]],
        *,
        clock: Callable[[], datetime],
        later: Later,
        after: timedelta,
    ) -> None:
        self._store = store
        self._roster = roster
        self._clock = clock
        self._later = later
        self._after = after
        # Own messages touch their session on whatever thread they are sent.
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None

    def look(self) -> None:
        """Marks the sessions that are idle by now, and waits for the next one."""
        self.end()
        now, roster = self._clock(), self._roster()
        self._store.update(lambda times: fell_idle(times, roster, now, self._after))
        self.wait()

    def became_known(self, session_id: str) -> None:
        """Marks a new session that is idle by now, and waits for it otherwise. The others are as they were."""
        now = self._clock()
        if session_id in self._roster():
            self._store.update(lambda times: known_as_idle(times, session_id, now, self._after))
        if session_id not in self._store.get().quiet:
            self.wait()

    def wait(self) -> None:
        """Starts the timer, unless it runs or no session can become idle."""
        if self._cancel is not None:
            return
        times, roster = self._store.get(), self._roster()
        waiting = (
            it for key, it in times.sessions.items() if key in roster and key not in times.quiet
        )
        first = min(waiting, default=None)
        if first is None:
            return
        delay = (first + self._after - self._clock()).total_seconds()
        with self._lock:
            if self._cancel is None:
                self._cancel = self._later(max(0.001, delay), self.look)

    def end(self) -> None:
        """Ends the timer."""
        with self._lock:
            cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
