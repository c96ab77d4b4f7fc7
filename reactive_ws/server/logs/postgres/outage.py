"""The log lines of a database that is away: one when that begins, one when a person has to act, and one when it is back."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ....errors import LogError, LogUnusable

__all__ = ["Outage"]

_log = logging.getLogger("reactive_ws.server")


class Outage:
    """One outage, from the end of a connection until the next one works.

    Args:
        name: The name of the log, without a password.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._since = clock()
        self._said: set[bool] = set()

    def failed(self, error: LogError) -> None:
        """An attempt failed. The first one is a line, and the first one that only a person can cure is an error."""
        is_unusable = isinstance(error, LogUnusable)
        if is_unusable in self._said:
            return
        self._said.add(is_unusable)
        if is_unusable:
            _log.error("the log is tried until its database is repaired: %s", error)
        else:
            _log.warning("the log is tried until its database is back: %s", error)

    def ended(self) -> None:
        """The log works again. An outage that was over before an attempt failed has no line."""
        if self._said:
            away = self._clock() - self._since
            _log.warning("log %r works again after %.1f s", self._name, away)
