"""Waits for sessions in which nothing happens for a while: one timer, for the first that falls idle, and none without sessions.

What is idle is decided in `session_list`; `sessions` says when something happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from reactive_ws.state import Store

from ..outside import Later
from .session_list import SessionsState, fell_idle, known_as_idle

__all__ = ["IdleWatch"]


class IdleWatch:
    """The timer. Made by `Sessions`.

    Args:
        store: The sessions.
        clock: Wall clock, UTC.
        later: Starts a timer.
        after: Without activity for this long a session is idle.
    """

    def __init__(
        self,
        store: Store[SessionsState],
        *,
        clock: Callable[[], datetime],
        later: Later,
        after: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._later = later
        self._after = after
        # Own messages touch their session on whatever thread they are sent.
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None

    def look(self) -> None:
        """Marks the sessions that are idle by now, and waits for the next one."""
        self.end()
        now = self._clock()
        self._store.update(lambda state: fell_idle(state, now, self._after))
        self.wait()

    def became_known(self, session_id: str) -> None:
        """Marks a new session that is idle by now, and waits for it otherwise. The others are as they were."""
        now = self._clock()
        self._store.update(lambda state: known_as_idle(state, session_id, now, self._after))
        if session_id not in self._store.get().quiet:
            self.wait()

    def wait(self) -> None:
        """Starts the timer, unless it runs or no session can become idle."""
        if self._cancel is not None:
            return
        state = self._store.get()
        times = (it for key, it in state.last_activity.items() if _can_fall_idle(state, key))
        first = min(times, default=None)
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


def _can_fall_idle(state: SessionsState, session_id: str) -> bool:
    return session_id in state.roster and session_id not in state.quiet
