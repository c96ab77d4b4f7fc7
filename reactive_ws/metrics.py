"""What is counted while the service runs; `connection.Metrics` is the frozen picture of it that programs see."""

from __future__ import annotations

from typing import Any

import attrs

from .connection import Metrics

__all__ = ["Counters"]


@attrs.define(eq=False)
class Counters:
    """Plain numbers, written by the loop only; see `Metrics` for what they mean."""

    dials: int = 0
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

    def picture(self, now: float, **gauges: Any) -> Metrics:
        """Returns the metrics of this moment; `gauges` are the numbers that others keep."""
        counted: dict[str, Any] = attrs.asdict(self, filter=attrs.filters.exclude("connected_at"))
        since = self.connected_at
        return Metrics(
            **counted,
            **gauges,
            reconnects=max(0, self.connects - 1),
            connected_for=None if since is None else now - since,
        )
