"""The connection store: what a status line shows, and what a user can do about the connection.

A view of the service's own stores with a little memory. It decides nothing: states and retries are the service's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable

from reactive_ws.connection import Connection, ConnectionState, ErrorEvent, ErrorKind, Metrics
from reactive_ws.engine import Domain, refuse_copy
from reactive_ws.outbox import OutboxView, Pending, Waiting
from reactive_ws.service import WebSocketService
from reactive_ws.state import ReadOnly, Selection, Store, derived
from reactive_ws.wire import Envelope, Hello, Pong

from .outside import Handlers, Later
from .status_line import StatusLine, status_text

__all__ = ["ConnectionStore", "ConnectionSummary", "status_text"]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class EarlierConnections:
    """Facts about earlier connections, which the service does not keep."""

    last_connected_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    server: Hello | None = None
    last_error: ErrorEvent | None = None


@attrs.frozen
class ConnectionSummary:
    """The connection as a user sees it.

    Attributes:
        connection: State, attempt, next retry, cause.
        metrics: Counts and gauges.
        queue: The messages that wait to be sent or acknowledged, in order.
        last_connected_at: When the connection last became ready, UTC.
        last_heartbeat_at: When the server last answered a ping, UTC.
        server: What the server said about itself; None in plain mode.
        last_error: What last went wrong with the connection, until `clear_error`; a server's `error` messages and
            handlers that raise are none of it.
    """

    connection: Connection
    metrics: Metrics
    queue: tuple[Waiting, ...] = ()
    last_connected_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    server: Hello | None = None
    last_error: ErrorEvent | None = None


# --- reducers ---------------------------------------------------------------------------------------------------------


def _status(
    connection: Connection, metrics: Metrics, outbox: OutboxView, memory: EarlierConnections
) -> ConnectionSummary:
    return ConnectionSummary(
        connection,
        metrics,
        outbox.entries,
        memory.last_connected_at,
        memory.last_heartbeat_at,
        memory.server,
        memory.last_error,
    )


# --- store ------------------------------------------------------------------------------------------------------------


class ConnectionStore:
    """The connection. Made by `Application`.

    Args:
        domain: The service's domain.
        service: Whose connection it is.
        clock: Wall clock, UTC.
        now: Seconds of the service's clock.
        later: Starts a timer.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        service: WebSocketService,
        clock: Callable[[], datetime],
        now: Callable[[], float],
        later: Later,
    ) -> None:
        self._service = service
        self._clock = clock
        self._memory = Store(EarlierConnections(), name="stores.connection", domain=domain)
        self._status = derived(
            service.connection,
            service.metrics,
            service.outbox,
            self._memory,
            _status,
            name="stores.connection.status",
        )
        self._line = StatusLine(domain, connection=service.connection, now=now, later=later)
        self._watch = CompositeDisposable(
            service.connection.select(lambda now: now.is_connected).subscribe(self._turned),
            service.errors.subscribe(self._failed),
        )

    def __repr__(self) -> str:
        return f"<ConnectionStore of {self._service!r}>"

    @property
    def status(self) -> ReadOnly[ConnectionSummary]:
        """All of it."""
        return self._status

    @property
    def state(self) -> Selection[ConnectionState]:
        """One of the six states."""
        return self._service.connection.select(lambda now: now.state)

    @property
    def is_connected(self) -> Selection[bool]:
        """Whether messages can go out now."""
        return self._service.connection.select(lambda now: now.is_connected)

    @property
    def is_reconnecting(self) -> Selection[bool]:
        """Whether an outage is going on that ends by itself."""
        return self._service.connection.select(
            lambda now: now.state is ConnectionState.RECONNECTING
        )

    @property
    def status_text(self) -> Selection[str]:
        """The connection in words, such as "Connected (45s)" or "Reconnecting in 3 s (attempt 2 of 10)...".

        It ticks while it has an observer; see `status_line`.
        """
        return self._line.text

    @property
    def attempt(self) -> Selection[int]:
        """Number of the retry that is waited for or under way, from 1; 0 outside an outage."""
        return self._service.connection.select(lambda now: now.attempt)

    @property
    def next_retry_at(self) -> Selection[float | None]:
        """When the next dial starts, in seconds of the service's clock; None when none is scheduled."""
        return self._service.connection.select(lambda now: now.next_retry_at)

    @property
    def last_connected_at(self) -> Selection[datetime | None]:
        """When the connection last became ready, UTC."""
        return self._memory.select(lambda memory: memory.last_connected_at)

    @property
    def last_heartbeat_at(self) -> Selection[datetime | None]:
        """When the server last answered a ping, UTC."""
        return self._memory.select(lambda memory: memory.last_heartbeat_at)

    @property
    def latency(self) -> Selection[float | None]:
        """Seconds from the last ping to its answer; None before the first."""
        return self._service.metrics.select(lambda now: now.round_trip)

    @property
    def last_error(self) -> Selection[ErrorEvent | None]:
        """The last error of the connection, until `clear_error`."""
        return self._memory.select(lambda memory: memory.last_error)

    @property
    def metrics(self) -> ReadOnly[Metrics]:
        """Counts and gauges."""
        return self._service.metrics

    @property
    def queue(self) -> Selection[tuple[Waiting, ...]]:
        """The messages that wait to be sent or acknowledged, in order."""
        return self._service.outbox.select(lambda now: now.entries)

    @property
    def queue_length(self) -> Selection[int]:
        """How many messages wait to be sent or acknowledged."""
        return self._service.outbox.select(len)

    @property
    def has_queued_messages(self) -> Selection[bool]:
        """Whether messages wait to be sent or acknowledged."""
        return self._service.outbox.select(lambda now: len(now) > 0)

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {"hello": self._greeted, "pong": self._beat}

    @property
    def subscription(self) -> DisposableBase:
        """The subscriptions that keep the store up to date; `Application` disposes them."""
        return self._watch

    def _turned(self, is_connected: bool) -> None:  # noqa: FBT001 - a stream gives one argument
        if is_connected:
            now = self._clock()
            self._memory.update(lambda memory: attrs.evolve(memory, last_connected_at=now))

    def _failed(self, event: ErrorEvent) -> None:
        if event.kind is not ErrorKind.APPLICATION:
            self._memory.update(lambda memory: attrs.evolve(memory, last_error=event))

    def _greeted(self, envelope: Envelope[Hello]) -> None:
        hello = envelope.payload
        self._memory.update(lambda memory: attrs.evolve(memory, server=hello))

    def _beat(self, _: Envelope[Pong]) -> None:
        now = self._clock()
        self._memory.update(lambda memory: attrs.evolve(memory, last_heartbeat_at=now))

    # --- actions --------------------------------------------------------------------------------------------------------

    def connect(self) -> Pending[None]:
        """Connects, or dials at once while a retry is waited for. See `WebSocketService.connect`."""
        return self._service.connect()

    def reconnect(self) -> None:
        """Drops the connection and dials at once; nothing that waits is lost."""
        self._service.reconnect()

    def disconnect(self, drain: float = 0.0) -> Pending[None]:
        """Disconnects for good. See `WebSocketService.disconnect`."""
        return self._service.disconnect(drain)

    def clear_error(self) -> None:
        """Forgets the last error."""
        self._memory.update(lambda memory: attrs.evolve(memory, last_error=None))

    def clear_message_queue(self) -> None:
        """Gives up on everything that waits: what was never sent fails, what was is uncertain. Any thread."""
        self._service.discard(*(waiting.id for waiting in self._service.outbox.get().entries))
