"""Counts events while the service runs; `connection.Metrics` is the frozen picture of it that programs see."""

from __future__ import annotations

from typing import Any

import attrs

from .record import Connection, Metrics

__all__ = ["Counters"]

_MANY = 3
_RECENT = 300.0
"""Seconds: so many losses within that time mean a bad connection."""
_SLOW = 2.0
"""Seconds: a heartbeat that takes longer will soon be taken for dead."""


@attrs.define(eq=False)
class Counters:
    """Plain numbers, written by the loop only; see `Metrics` for what they mean."""

    dials: int = 0
    messages_acknowledged: int = 0
    connects: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    messages_rejected: int = 0
    stale_events: int = 0
    handler_errors: int = 0
    slow_handlers: int = 0
    connected_at: float | None = None
    losses: tuple[float, ...] = ()

    def lost(self, now: float) -> None:
        """A connection that had been ready ended by itself."""
        self.losses = (*self.losses, now)[-_MANY:]

    def picture(self, now: float, connection: Connection, **gauges: Any) -> Metrics:
        """Returns the metrics of this moment; `gauges` are the numbers that others keep."""
        counted: dict[str, Any] = attrs.asdict(
            self, filter=attrs.filters.exclude("connected_at", "losses")
        )
        counted |= {name: getattr(connection, name) for name in ("url", "state", "attempt")}
        since = self.connected_at
        return Metrics(
            **counted,
            **gauges,
            reconnects=max(0, self.connects - 1),
            connected_for=None if since is None else now - since,
            hint=self._hint(now, gauges.get("round_trip")),
        )

    def _hint(self, now: float, round_trip: float | None) -> str | None:
        if len(self.losses) == _MANY and now - self.losses[0] <= _RECENT:
            span = self.losses[-1] - self.losses[0]
            return (
                f"unstable: the connection was lost {_MANY} times within {span:.0f} s; "
                "look at the network, and at the timeouts of proxies between here and the server"
            )
        if round_trip is not None and round_trip > _SLOW:
            return f"slow: the last heartbeat took {round_trip:.1f} s; server or network are overloaded"
        return None
