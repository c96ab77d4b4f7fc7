"""Is the server still there? A ping every `interval` seconds, and `timeout` seconds for anything at all to arrive.

ANY frame is life, not only the answer: a busy server sends its pongs late, and that is no reason to drop a healthy
connection. It sends nothing and owns no timer: `protocol` asks at `deadline` what is due.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..errors import HeartbeatTimeout

__all__ = ["Heartbeat", "HeartbeatMonitor"]


@attrs.frozen
class Heartbeat:
    """How to look for a dead connection.

    Attributes:
        interval: Seconds between pings; a server that asks for a shorter one in its hello gets it. 30 s is below the
            60 s after which common proxies drop an idle connection.
        timeout: Seconds after a ping in which some frame must arrive.
        is_json: Send JSON pings also to a server that did not select the subprotocol.
    """

    interval: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    timeout: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    is_json: bool = False


class HeartbeatMonitor:
    """The heartbeat of one connection after the other.

    Attributes:
        last_frame_at: When a frame arrived last; the reader writes it, once per burst.
        round_trip: Seconds from the last answered ping to its pong; None before the first.
    """

    def __init__(self, options: Heartbeat | None, new_id: Callable[[], str]) -> None:
        self.last_frame_at = 0.0
        self.round_trip: float | None = None
        self._options = options
        self._new_id = new_id
        self._interval = options.interval if options is not None else 0.0
        self._ping_at: float | None = None
        self._pong_until: float | None = None
        self._pinged_at = 0.0
        self._ping_id: str | None = None

    @property
    def is_json(self) -> bool:
        """Whether pings are JSON messages also in plain mode."""
        return self._options is not None and self._options.is_json

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to say."""
        return self._pong_until if self._pong_until is not None else self._ping_at

    def suggest(self, interval: float | None) -> None:
        """The server would like a ping at least this often."""
        if self._options is not None:
            wanted = interval if interval is not None and interval > 0 else self._options.interval
            self._interval = min(self._options.interval, wanted)

    def start(self, now: float) -> None:
        """A connection became ready; what an older one waited for is forgotten."""
        self.stop()
        self.last_frame_at = now
        if self._options is not None:
            self._ping_at = now + self._interval

    def stop(self) -> None:
        """The connection ended."""
        self._ping_at = self._pong_until = self._ping_id = None

    def frame_arrived(self, now: float) -> None:
        """Any frame is life."""
        self.last_frame_at = now

    def pong(self, id: str | None, now: float) -> None:  # noqa: A002 - the wire field's name
        """An answer arrived; without an id it answers the ping that is out."""
        if self._ping_id is not None and id in (None, self._ping_id):
            self.round_trip = now - self._pinged_at
            self._ping_id = None

    def tick(self, now: float) -> str | HeartbeatTimeout | None:
        """Returns the id of a ping to send, or the timeout that happened, or None."""
        if self._options is None:
            return None
        if self._pong_until is not None:
            if now < self._pong_until:
                return None
            self._pong_until = None
            if self.last_frame_at < self._pinged_at:
                return HeartbeatTimeout(now - self._pinged_at)
        if self._ping_at is None or now < self._ping_at:
            return None
        self._pinged_at = now
        self._ping_at = max(now, self._ping_at + self._interval)
        self._pong_until = now + self._options.timeout
        self._ping_id = self._new_id()
        return self._ping_id
