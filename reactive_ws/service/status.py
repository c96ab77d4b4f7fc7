"""Shows what happens in a service: errors and log lines, connection records, metrics, the outbox, and the wait for a connection.

`Status` publishes records in the order of the effects. It shows what changes with every message at most once per turn of
the loop (outbox) or once a second (metrics). Neither class ever logs a payload or a secret.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
from ..engine import Domain
from ..errors import (
    AcknowledgementLate,
    ConnectionFailed,
    ReactiveWSError,
    ServiceClosed,
    UsageError,
)
from ..inbound import Inbound
from ..outbox import Outbox, OutboxView, Outgoing, Pending
from ..state import EventSource, Store
from ..wire import Envelope
from .place import ServicePlace

__all__ = ["Reports", "Status", "reason_of"]

_METRICS_INTERVAL = 1.0
_BLOCKS = 0.5
"""Seconds of a handler that are a warning. A busy machine may pause any handler for less."""
_ENVELOPE = "A handler of a type name gets the Envelope: write envelope.payload. A handler of a class gets the payload."
"""A note for handlers that take the envelope for its payload."""


class Reports:
    """The errors of a service: an event and a log line for each. Any thread.

    Args:
        now: Returns seconds of the service's clock.
        counters: Counts the errors of handlers.
        log: Takes the lines.

    Attributes:
        events: The source of `service.errors`.
    """

    def __init__(self, now: Callable[[], float], counters: Counters, log: Logbook) -> None:
        self.events: EventSource[ErrorEvent] = EventSource("service.errors")
        self._now = now
        self._counters = counters
        self._log = log

    def error(
        self,
        kind: ErrorKind,
        error: Exception,
        *,
        is_retryable: bool,
        source: str | None = None,
        is_note: bool = False,
    ) -> None:
        """Writes one line about an error into the log and emits its event.

        Args:
            kind, error, is_retryable, source: Of the event.
            is_note: Whether the line is information and not a warning, which Python writes to stderr.
        """
        where = f" in {source}" if source else ""
        what = str(error) if isinstance(error, ReactiveWSError) else type(error).__name__
        # The lines of the connection tell the end of a connection and a failed dial.
        if not isinstance(error, ConnectionFailed):
            like_it = kind, type(error).__name__, source
            write = self._log.note if is_note else self._log.warning
            write(like_it, f"{kind.value} error{where}: {what}")
        self._emit(kind, error, is_retryable=is_retryable, source=source)

    def handler_failed(self, name: str, error: Exception, envelope: Envelope[Any]) -> None:
        """A handler raised: one line with the traceback, and the event."""
        text = f"handler {name} failed for a {envelope.type!r} message"
        self._handler_raised(name, error, text)

    def async_handler_failed(self, name: str, error: Exception) -> None:
        """A handler of `on_async` raised, or has too much to do."""
        if isinstance(error, UsageError):
            self.error(ErrorKind.APPLICATION, error, is_retryable=False, source=name)
        else:
            self._handler_raised(name, error, f"async handler {name} failed")

    def _handler_raised(self, name: str, error: Exception, text: str) -> None:
        if isinstance(error, (AttributeError, TypeError)) and "'Envelope'" in str(error):
            error.add_note(_ENVELOPE)
        self._counters.handler_errors += 1
        self._log.error((name, type(error).__name__), text, error)
        self._emit(ErrorKind.APPLICATION, error, is_retryable=False, source=name)

    def _emit(
        self, kind: ErrorKind, error: Exception, *, is_retryable: bool, source: str | None
    ) -> None:
        self.events.emit(ErrorEvent(kind, error, self._now(), is_retryable, source))

    def unknown_type(self, name: str, meant: str | None, is_handler: bool) -> None:  # noqa: FBT001 - a hook
        """A handler or a message has a type name that the registry does not know; `meant` is a similar name, or None."""
        if is_handler:
            text = f"a handler waits for {name!r}, which is not registered; did you mean {meant!r}?"
            error = UsageError(text)
            self.error(ErrorKind.APPLICATION, error, is_retryable=False, source=name)
        else:
            self._log.unhandled(name, meant)

    def handler_slow(self, name: str, seconds: float) -> None:
        """A handler took too long."""
        self._counters.slow_handlers += 1
        text = f"handler {name} took {seconds * 1000:.0f} ms; use on_async for slow work"
        self.error(
            ErrorKind.APPLICATION,
            UsageError(text),
            is_retryable=False,
            source=name,
            is_note=seconds < _BLOCKS,
        )

    def dropped(self, entry: Outgoing, reason: str) -> None:
        """The outbox dropped a message."""
        failure = entry.delivery.failure
        self.error(ErrorKind.APPLICATION, failure, is_retryable=False, source=reason)

    def slow(self, entry: Outgoing) -> None:
        """The server has read a message and does not acknowledge it."""
        since = entry.confirmed_at if entry.confirmed_at is not None else self._now()
        error = AcknowledgementLate(entry.delivery.id, self._now() - since)
        self.error(ErrorKind.SERVER, error, is_retryable=True)

    def storage_failed(self, error: Exception) -> None:
        """The durable outbox could not store or read a message."""
        source = "the durable outbox"
        self.error(ErrorKind.APPLICATION, error, is_retryable=False, source=source)


class Status:
    """The visible side of a running service. Loop only, except for `outbox_changed` and `wait_connected`.

    Args:
        domain: Of the stores.
        place: Where the service runs.
        decisions: Has the record of the connection.
        outbox: What waits.
        inbound: Counts duplicates and gaps.
        counters: The other counts.
        log: Takes the lines about the connection.

    Attributes:
        connection, metrics, outbox, can_send, is_filling: The stores that programs read.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        place: ServicePlace,
        decisions: Decisions,
        outbox: Outbox,
        inbound: Inbound,
        counters: Counters,
        log: Logbook,
    ) -> None:
        now = decisions.connection
        self.connection = Store(now, name="service.connection", domain=domain, is_dumped=False)
        self.metrics = Store(
            Metrics(now.url), name="service.metrics", domain=domain, is_dumped=False
        )
        self.outbox = Store(OutboxView(), name="service.outbox", domain=domain, is_dumped=False)
        self.can_send = Store(True, name="service.can_send", domain=domain, is_dumped=False)
        self.is_filling = Store(False, name="service.is_filling", domain=domain, is_dumped=False)
        self._is_accepting = True
        self._place = place
        self._decisions = decisions
        self._outbox = outbox
        self._inbound = inbound
        self._counters = counters
        self._log = log
        self._waiting: list[Pending[None]] = []
        self._is_poked = False
        self._shown_version = 0
        self._metrics_timer: asyncio.TimerHandle | None = None
        domain.explain_with(self)

    def explain(self) -> str:
        """Returns how the connection stands, for the text of a wait that ended without its value. Any thread."""
        now = self._decisions.connection
        attempt = f" (attempt {now.attempt})" if now.attempt else ""
        cause = "" if now.cause is None or now.is_connected else f": {now.cause}"
        return f"the connection to {now.url} is {now.state.value}{attempt}{cause}"

    def leave_to_parent(self) -> None:
        """In a forked child: shows that there is no connection here. The first look at the service does this."""
        now = self.connection.get()
        cause = "the connection stays with the process that made the service"
        if now.cause != cause:
            state = ConnectionState.CLOSED
            self.connection.set(Connection(state, now.url, cause=cause))
            self.can_send.set(False)

    # --- the connection ---------------------------------------------------------------------------------------------------

    def publish(self, connection: Connection) -> None:
        """Shows a new record of the connection."""
        before = self.connection.get()
        if before.is_connected and connection.state is ConnectionState.DISCONNECTED:
            self._counters.lost(self._place.now())
        self.connection.set(connection)
        self._log.connection(connection, len(self._outbox))
        self._show_metrics()
        self._serve_waiting(connection)

    async def wait_connected(self, timeout: float | None) -> None:
        """Waits until the connection is ready. Any loop."""
        connection = self._decisions.connection
        if connection.is_connected:
            return
        if connection.state is ConnectionState.ERROR:
            raise reason_of(connection)
        waiter: Pending[None] = Pending()
        self._waiting.append(waiter)
        if self._decisions.connection is not connection:
            # It changed between the look and the registration, on the service's thread.
            self._serve_waiting(self._decisions.connection)
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await waiter
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"no connection within {timeout:g} s; {self.explain()}") from None
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _serve_waiting(self, connection: Connection) -> None:
        """Resolves those who wait for a connection, if it is ready or will not come."""
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

    # --- the outbox -------------------------------------------------------------------------------------------------------

    def outbox_changed(self) -> None:
        """The outbox may have changed: writes, and shows it once per turn of the loop. Any thread."""
        if self._is_poked:
            return
        shell = self._place.shell
        if shell is None:
            # There is no loop that would show the metrics later.
            self._show_metrics()
            self._show_outbox()
            return
        self._is_poked = True
        if asyncio._get_running_loop() is shell.loop:
            # What comes first in a turn of the loop leaves at once; what follows in this turn leaves together.
            shell.loop.call_soon(self._poked)
            shell.write()
        else:
            try:
                shell.loop.call_soon_threadsafe(self._poked)
            except RuntimeError:
                # The loop ended between the look and the call; the next connection finds what was queued.
                self._is_poked = False

    def _poked(self) -> None:
        self._is_poked = False
        if self._place.shell is not None:
            self._place.shell.outbox_changed()
            self.counted()
        self._show_outbox()

    def _show_outbox(self) -> None:
        if self._outbox.version != self._shown_version:
            self._shown_version = self._outbox.version
            self.outbox.set(self._outbox.view())
            self._show_room()

    def accepting(self, *, is_accepting: bool) -> None:
        """The service takes messages from now on, or no more. Any thread."""
        self._is_accepting = is_accepting
        self._show_room()

    def _show_room(self) -> None:
        self.can_send.set(self._is_accepting and not self._outbox.is_full)
        self.is_filling.set(self._outbox.is_filling)

    # --- the metrics ------------------------------------------------------------------------------------------------------

    def counted(self) -> None:
        """Something was counted: shows the metrics within a second."""
        if self._metrics_timer is None and self._place.shell is not None:
            self._metrics_timer = self._place.shell.loop.call_later(
                _METRICS_INTERVAL, self._show_metrics
            )

    def end(self) -> None:
        """The service ends in this loop: shows the last outbox and leaves no timer."""
        self._is_poked = False
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
            self._metrics_timer = None
        self._show_outbox()

    def _show_metrics(self) -> None:
        if self._metrics_timer is not None:
            self._metrics_timer.cancel()
            self._metrics_timer = None
        self._counters.stale_events = self._decisions.stale_events
        outbox, heartbeat = self._outbox, self._decisions.heartbeat
        self.metrics.set(
            self._counters.picture(
                self._place.now(),
                self._decisions.connection,
                duplicates_dropped=self._inbound.duplicates,
                gaps=self._inbound.gaps,
                messages_dropped=outbox.dropped,
                resent=outbox.resent,
                queued_messages=len(outbox) - outbox.in_flight,
                messages_in_flight=outbox.in_flight,
                last_heartbeat_at=heartbeat.last_frame_at or None,
                round_trip=heartbeat.round_trip,
            )
        )


def reason_of(connection: Connection) -> Exception:
    """Returns the exception that `wait_connected()` raises for this connection."""
    return connection.error or ServiceClosed()
