"""The connection store: what a status line shows, and what a user can do about the connection.

A view of the service's own stores with a little memory. It decides nothing: states and retries are the service's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
from reactivex.abc import DisposableBase

from reactive_ws.connection import Connection, ConnectionState, Metrics
from reactive_ws.derived import derived
from reactive_ws.domain import Domain
from reactive_ws.messages import Envelope, Hello, Pong
from reactive_ws.outbox_entry import OutboxView, Waiting
from reactive_ws.pending import Pending
from reactive_ws.selection import Selection
from reactive_ws.service import WebSocketService
from reactive_ws.store import ReadOnly, Store

from .ports import Handlers

__all__ = ["ConnectionStatus", "ConnectionStore", "status_text"]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Memory:
    """What the service forgets."""

    last_connected_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    server: Hello | None = None


@attrs.frozen
class ConnectionStatus:
    """The connection as a user sees it.

    Attributes:
        connection: State, attempt, next retry, cause.
        metrics: Counts and gauges.
        queue: What waits to be sent or acknowledged, in order.
        last_connected_at: When the connection last became ready, UTC.
        last_heartbeat_at: When the server last answered a ping, UTC.
        server: What the server said about itself; None in plain mode.
    """

    connection: Connection
    metrics: Metrics
    queue: tuple[Waiting, ...] = ()
    last_connected_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    server: Hello | None = None


# --- reducers ---------------------------------------------------------------------------------------------------------


def status_text(connection: Connection, now: float) -> str:
    """Returns the connection in words, such as "Connected (45s)".

    Args:
        connection: The connection.
        now: Seconds of the service's clock.
    """
    state = connection.state
    if state is ConnectionState.CONNECTED:
        return f"Connected ({max(0.0, now - connection.since):.0f}s)"
    if state is ConnectionState.RECONNECTING:
        attempt = f"attempt {connection.attempt}"
        if connection.max_attempts is not None:
            attempt += f" of {connection.max_attempts}"
        if connection.next_retry_at is None:
            return f"Reconnecting now ({attempt})..."
        return f"Reconnecting in {max(0.0, connection.next_retry_at - now):.0f} s ({attempt})..."
    if state is ConnectionState.ERROR:
        return f"Not connected: {connection.cause or 'gave up'}"
    return "Connecting..." if state is ConnectionState.CONNECTING else "Disconnected"


def _status(
    connection: Connection, metrics: Metrics, outbox: OutboxView, memory: _Memory
) -> ConnectionStatus:
    return ConnectionStatus(
        connection,
        metrics,
        outbox.entries,
        memory.last_connected_at,
        memory.last_heartbeat_at,
        memory.server,
    )


# --- store ------------------------------------------------------------------------------------------------------------


class ConnectionStore:
    """The connection. Made by `Application`.

    Args:
        domain: Of its store; the service's.
        service: Whose connection it is.
        clock: Wall clock, UTC.
    """

    def __init__(
        self, domain: Domain, *, service: WebSocketService, clock: Callable[[], datetime]
    ) -> None:
        self._service = service
        self._clock = clock
        self._memory = Store(_Memory(), name="stores.connection", domain=domain)
        self._status = derived(
            service.connection,
            service.metrics,
            service.outbox,
            self._memory,
            _status,
            name="stores.connection.status",
        )
        self._watch = service.connection.select(lambda now: now.is_connected).subscribe(
            self._turned
        )

    @property
    def status(self) -> ReadOnly[ConnectionStatus]:
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
    def queue_length(self) -> Selection[int]:
        """How many messages wait to be sent or acknowledged."""
        return self._service.outbox.select(len)

    @property
    def has_queued_messages(self) -> Selection[bool]:
        """Whether messages wait to be sent or acknowledged."""
        return self._service.outbox.select(lambda now: len(now) > 0)

    @property
    def handlers(self) -> Handlers:
        """What this store does about the server's messages; for the composition root."""
        return {"hello": self._greeted, "pong": self._beat}

    @property
    def subscription(self) -> DisposableBase:
        """What keeps it up to date; the composition root disposes it."""
        return self._watch

    def _turned(self, is_connected: bool) -> None:  # noqa: FBT001 - a stream gives one argument
        if is_connected:
            now = self._clock()
            self._memory.update(lambda memory: attrs.evolve(memory, last_connected_at=now))

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
