"""The connection as a program sees it: the state with its attributes, the metrics, and error events.

Values only. `protocol` makes the connection records, `service` publishes them; status views and stores read them.
"""

from __future__ import annotations

import enum

import attrs

from .transitions import ConnectionState

__all__ = ["Connection", "ConnectionState", "ErrorEvent", "ErrorKind", "Metrics", "Phase"]


class Phase(enum.Enum):
    """The step that is under way within a state."""

    DIALING = "dialing"
    """TCP, TLS, the WebSocket handshake, and the server's hello."""
    AUTHENTICATING = "auth"
    RESUMING = "resuming"
    """Waiting for the server to say what it can replay."""
    FLUSHING = "flushing"
    """Connected, and what waited in the outbox is being sent."""
    LIVE = "live"
    BACKING_OFF = "backing off"
    CLOSING = "closing"
    """Disconnecting; waiting for acknowledgements."""


class ErrorKind(enum.Enum):
    """Whose fault an error is."""

    NETWORK = "network"
    HEARTBEAT = "heartbeat"
    SERVER = "server"
    PROTOCOL = "protocol"
    AUTH = "auth"
    APPLICATION = "application"
    """A handler, a provider, or an `error` message of the server's application."""


@attrs.frozen
class Connection:
    """The connection at one moment.

    Attributes:
        state: One of the six states.
        url: Where to, redacted.
        phase: What exactly is going on; None when nothing is.
        attempt: Number of the retry that is waited for or under way in this outage, from 1; 0 outside one.
        max_attempts: How many retries there will be; None when there is no limit.
        next_retry_at: When the next dial starts, in seconds of the service's clock (`loop.time()`, which is
            `time.monotonic()` on real loops); None when none is scheduled.
        since: When this state began, same clock.
        cause: Why it was lost or given up, as text that is safe to show; None while all is well.
        error: The exception behind `cause`.
        generation: Number of the socket; grows with every dial.
        is_recovered: False when the server could not replay what was missed; None before the first resume.
    """

    state: ConnectionState = ConnectionState.CLOSED
    url: str = ""
    phase: Phase | None = None
    attempt: int = 0
    max_attempts: int | None = None
    next_retry_at: float | None = None
    since: float = 0.0
    cause: str | None = None
    error: Exception | None = attrs.field(default=None, eq=False, repr=False)
    generation: int = 0
    is_recovered: bool | None = None

    @property
    def is_connected(self) -> bool:
        """Whether messages can go out now."""
        return self.state is ConnectionState.CONNECTED


@attrs.frozen
class Metrics:
    """Counts since the service was made; gauges as of the last publication, at most a second old.

    Attributes:
        url: Where to, redacted.
        state, attempt: Of the connection, see `Connection`.
        dials, connects, reconnects: Dials started, connections that became ready, and those of them after the first.
        messages_received, messages_sent: Whole messages, control messages included.
        messages_acknowledged: Own messages that the server confirmed.
        bytes_received, bytes_sent: Characters of text messages and bytes of binary ones.
        messages_rejected: Frames without a valid message: protocol errors.
        duplicates_dropped, gaps: Inbound messages seen before, and places where some are missing.
        messages_dropped: Outbox entries that were dropped because it was full or their time was over.
        resent: Transmissions of messages that were sent before.
        stale_events: Events of older sockets, tasks and timers, which were ignored.
        handler_errors, slow_handlers: Calls that raised, and calls of over 50 ms.
        queued_messages, messages_in_flight: Waiting to be sent, and waiting for their acknowledgement.
        last_heartbeat_at: When anything arrived last, in seconds of the service's clock; None before the first time.
        round_trip: Seconds from the last ping to its answer, the latency; None before the first.
        connected_for: Seconds since the connection became ready, the uptime; None while there is none.
        hint: A text for the user about a bad connection; None while there is none.
    """

    url: str = ""
    state: ConnectionState = ConnectionState.CLOSED
    attempt: int = 0
    dials: int = 0
    connects: int = 0
    reconnects: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    messages_acknowledged: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    messages_rejected: int = 0
    duplicates_dropped: int = 0
    gaps: int = 0
    messages_dropped: int = 0
    resent: int = 0
    stale_events: int = 0
    handler_errors: int = 0
    slow_handlers: int = 0
    queued_messages: int = 0
    messages_in_flight: int = 0
    last_heartbeat_at: float | None = None
    round_trip: float | None = None
    connected_for: float | None = None
    hint: str | None = None


@attrs.frozen
class ErrorEvent:
    """Something went wrong and the service lives on, or gave up.

    Attributes:
        kind: The side that is at fault.
        exception: What happened; its text holds no secrets.
        time: When, in seconds of the service's clock.
        is_retryable: Whether the service tries again by itself, or trying again may help.
        source: The part that failed, such as the name of a handler; None for the connection itself.
    """

    kind: ErrorKind
    exception: Exception
    time: float
    is_retryable: bool = True
    source: str | None = None
