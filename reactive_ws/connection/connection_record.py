"""The one place where the connection's state changes, and where it is decided which events are too old to matter.

Base of `protocol`, which decides what happens; here is only how it is written down.
"""

from __future__ import annotations

from typing import Any

import attrs

from . import effects as do
from .effects import Effect
from .record import Connection
from .transitions import Event, follow

__all__ = ["ConnectionRecord"]


class ConnectionRecord:
    """The connection as it is, and what is to be done about it.

    Attributes:
        connection: The newest record.
        stale_events: How many events of older sockets, tasks and timers were ignored.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.stale_events = 0
        self._effects: list[Effect] = []
        self._generation: int = 0

    @property
    def generation(self) -> int:
        """The number of the newest dial."""
        return self._generation

    def _take(self) -> list[Effect]:
        taken, self._effects = self._effects, []
        return taken

    def _is_stale(self, generation: int) -> bool:
        if generation == self._generation:
            return False
        self.stale_events += 1
        return True

    def _note(self, **changes: Any) -> None:
        changed = attrs.evolve(self.connection, **changes)
        if changed != self.connection:
            self.connection = changed
            self._effects.append(do.Publish(changed))

    def _move(self, event: Event, now: float, **changes: Any) -> None:
        state = follow(self.connection.state, event)
        since = now if state is not self.connection.state else self.connection.since
        self._note(state=state, since=since, **changes)
