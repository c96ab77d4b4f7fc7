"""What a service tells the world: connection records, metrics, the outbox, errors, and the log.

Base of `running`. Records are published in the order of the protocol's effects; what changes with every message is shown
at most once per turn of the loop (outbox) or once a second (metrics). No payload and no secret is ever logged.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ..connection import (
    Connection,
    ConnectionState,
    Counters,
    Decisions,
    ErrorEvent,
    ErrorKind,
    Logbook,
    Metrics,
)
from ..errors import ConnectionFailed, ReactiveWSError, ServiceClosed, UsageError
from ..inbound import Receiver
from ..outbox import Outbox, OutboxView, Outgoing, Pending
from ..state import EventSource, Store
from ..transport import Settings
from ..wire import Envelope
from .shell import ConnectionLoop

__all__ = ["Publishing", "reason_of"]

_METRICS_INTERVAL = 1.0


class Publishing:
    """The visible side of a running service."""

    _settings: Settings
    _protocol: Decisions
    _outbox: Outbox
    _receiver: Receiver
    _counters: Counters
    _log: Logbook
    _errors: EventSource[ErrorEvent]
    _connection: Store[Connection]
    _metrics: Store[Metrics]
    _view: Store[OutboxView]

    def __init__(self) -> None:
        self._runner: ConnectionLoop | None = None
        self._waiting: list[Pending[None]] = []
        self._is_poked = False
        self._shown_version = 0
        self._metrics_timer: asyncio.TimerHandle | None = None

    def _now(self) -> float:
        runner = self._runner
        loop = runner.loop if runner is not None else asyncio._get_running_loop()
        # Without any loop this is the clock that the loop will have.
        return loop.time() if loop is not None else time.monotonic()

    def _publish(self, connection: Connection) -> None:
        before = self._connection.get()
        if before.is_connected and connection.state is ConnectionState.DISCONNECTED:
            self._counters.lost(self._now())
        self._connection.set(connection)
        self._log.connection(connection, len(self._outbox))
        self._show_metrics()
        self._serve_waiting(connection)

    def _serve_waiting(self, connection: Connection) -> None:
        """Tells whoever waits for a connection, if there is something to tell."""
        if not connection.is_connected and connection.state in (
            ConnectionState.CONNECTING,
            ConnectionState.DISCONNECTED,
            ConnectionState.RECONNECTING,
        ):
            return
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if connection.is_connected:
                waiter.settle(None)
            else:
                waiter.fail(reason_of(connection))

    def _poke(self) -> None:
        """The outbox may have changed; tells the loop once per turn. Any thread."""
        if self._is_poked:
            return
        runner = self._runner
        if runner is None:
            # There is no loop that would show the metrics later.
            self._show_metrics()
            self._show_outbox()
            return
        self._is_poked = True
        if asyncio._get_running_loop() is runner.loop:
            runner.loop.call_soon(self._poked)
        else:
            try:
                runner.loop.call_soon_threadsafe(self._poked)
            except RuntimeError:
                # The loop ended between the look and the call; the next connection finds what was queued.
                self._is_poked = False

    def _poked(self) -> None:
        self._is_poked = False
        if self._runner is not None:
            self._runner.outbox_changed()
            self._touch_metrics()
        self._show_outbox()

    def _show_outbox(self) -> None:
        if self._outbox.version != self._shown_version:
            self._shown_version = self._outbox.version
            self._view.set(self._outbox.view())

    def _touch_metrics(self) -> None:
        if self._metrics_timer is None and self._runner is not None:
            self._metrics_timer = self._runner.loop.call_later(
                _METRICS_INTERVAL, self._show_metrics
            )

    def _show_metrics(self) -> None:
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
            self._metrics_timer = None
        inbound = self._receiver.inbound
        self._counters.stale_events = self._protocol.stale_events
        self._metrics.set(
            self._counters.picture(
                self._now(),
                self._protocol.connection,
                duplicates_dropped=inbound.duplicates,
                gaps=inbound.gaps,
                messages_dropped=self._outbox.dropped,
                resent=self._outbox.resent,
                queued_messages=len(self._outbox) - self._outbox.in_flight,
                messages_in_flight=self._outbox.in_flight,
                last_heartbeat_at=self._protocol.heartbeat.last_frame_at or None,
                round_trip=self._protocol.heartbeat.round_trip,
            )
        )

    def _report(
        self,
        kind: ErrorKind,
        error: Exception,
        is_retryable: bool,  # noqa: FBT001 - one signature for all reporters
        source: str | None = None,
        /,
    ) -> None:
        who = f" in {source}" if source else ""
        what = str(error) if isinstance(error, ReactiveWSError) else type(error).__name__
        # The end of a connection and a failed dial are told by the connection's own lines.
        if not isinstance(error, ConnectionFailed):
            like_it = kind, type(error).__name__, source
            self._log.warning(like_it, f"{kind.value} error{who}: {what}")
        self._errors.emit(ErrorEvent(kind, error, self._now(), is_retryable, source))

    def _handler_failed(self, name: str, error: Exception, envelope: Envelope[Any]) -> None:
        self._counters.handler_errors += 1
        text = f"handler {name} failed for a {envelope.type!r} message"
        self._log.error((name, type(error).__name__), text, error)
        self._report(ErrorKind.APPLICATION, error, False, name)

    def _handler_slow(self, name: str, seconds: float) -> None:
        self._counters.slow_handlers += 1
        text = f"handler {name} took {seconds * 1000:.0f} ms; use on_async for slow work"
        self._report(ErrorKind.APPLICATION, UsageError(text), False, name)

    def _dropped(self, entry: Outgoing, reason: str) -> None:
        self._report(ErrorKind.APPLICATION, entry.delivery.failure, False, reason)

    def _storage_failed(self, error: Exception) -> None:
        self._report(ErrorKind.APPLICATION, error, False, "the durable outbox")

    def _end_publishing(self) -> None:
        self._is_poked = False
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
            self._metrics_timer = None
        self._show_outbox()


def reason_of(connection: Connection) -> Exception:
    """Returns what whoever waits for this connection is told."""
    return connection.error or ServiceClosed()
