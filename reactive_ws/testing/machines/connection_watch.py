"""The rules of one connection, whatever happens to it: what it may become, and what its record says in each state.

`World.check` asks a watch for each service. Only what the record shows is judged here; messages are judged by `history`.
"""

from __future__ import annotations

from ...connection import TRANSITIONS, Connection, ConnectionState, Phase
from ...service import WebSocketService
from ..simulation import Simulation

__all__ = ["ConnectionWatch"]

_MAX_DELAY = 3600.0
"""Seconds: the longest wait that a server may ask of a client."""


class ConnectionWatch:
    """The rules of one connection: what it may become, and what its attributes say in each state.

    Args:
        service: Whose connection it is.
        stable_after: Seconds that a connection must last before retries count from zero, as in the service.
        is_awake: Whether the computer never sleeps: after waking up, retries count from zero, and no record shows it.
    """

    def __init__(self, service: WebSocketService, *, stable_after: float, is_awake: bool) -> None:
        self._service = service
        self._is_awake = is_awake
        self._stable_after = stable_after
        self._retries = 0
        self._last: Connection | None = None
        self._broken: list[str] = []
        self.subscription = service.connection.select().subscribe(self._see)

    def _see(self, now: Connection) -> None:
        before, self._last = self._last, now
        if before is None:
            return
        targets = {before.state, *TRANSITIONS[before.state].values()}
        if now.state not in targets:
            self._broken.append(
                f"{before.state.name} became {now.state.name}, which no rule allows"
            )
        self._count(before, now)
        if now.generation < before.generation:
            self._broken.append(f"generation {now.generation} came after {before.generation}")
        if now.max_attempts is not None and now.attempt > now.max_attempts:
            self._broken.append(f"attempt {now.attempt} of {now.max_attempts}")
        if now.next_retry_at is not None and now.state is not ConnectionState.RECONNECTING:
            self._broken.append(f"a retry is scheduled in state {now.state.name}")

    def _count(self, before: Connection, now: Connection) -> None:
        """The count of retries grows until the program starts again or a connection lasts."""
        was_connected = before.is_connected and not now.is_connected
        is_stable = was_connected and now.since - before.since >= self._stable_after
        if is_stable or (now.phase is Phase.DIALING and now.attempt == 0):
            self._retries = 0
        if now.phase is Phase.BACKING_OFF and before.phase is not Phase.BACKING_OFF:
            if self._is_awake and now.attempt != self._retries + 1:
                self._broken.append(f"retry {now.attempt} came after retry {self._retries}")
            self._retries = now.attempt

    def check(self) -> None:
        """Checks what was seen so far, and the record as it is now.

        Raises:
            AssertionError: a rule is broken.
        """
        now = self._service.connection.get()
        loop = Simulation.current().loop
        if now.next_retry_at is not None and now.next_retry_at > loop.time() + _MAX_DELAY:
            self._broken.append(f"the next retry is {now.next_retry_at - loop.time():g} s away")
        if self._service.is_connected is not (now.state is ConnectionState.CONNECTED):
            self._broken.append(f"is_connected is {self._service.is_connected} in {now.state.name}")
        if self._broken:
            raise AssertionError(f"{self._service!r}: " + "; ".join(self._broken))
