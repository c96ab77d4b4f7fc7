"""From frames to stores: decode, put in order, call the handlers, commit. One burst of frames is one commit.

A burst ends after 64 messages or 2 ms. It also ends with a message about the connection itself, so that what follows is
read in the new state. After four full bursts in a row the limit rises to 256 messages, still within 2 ms. What a handler
writes, the acknowledgements and the positions of the streams become visible together. Event observers and requests get
the messages after the commit, so they read stores in which the message has taken effect.

It opens no socket and decides nothing about the connection. `shell` passes frames in and gets the messages back that are
for the decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import attrs

from ..connection import Counters, ErrorKind, Logbook
from ..engine import Batch, Domain, Tracer, active_batch, batch
from ..errors import MessageRejected, MessagesMissing, RequestFailed
from ..outbox import Outbox
from ..state import EventSource, EventStream, Map, Store
from ..wire import (
    AuthOk,
    Codec,
    Envelope,
    GoAway,
    Hello,
    MessageReceived,
    Ping,
    Pong,
    Position,
    Resumed,
    ServerError,
    Snapshot,
    Subscribed,
)
from .dispatcher import Dispatcher, Route, matches
from .order import Inbound
from .requests import Requests
from .subscriptions import Subscriptions

__all__ = ["Burst", "Receiver"]

_MAX_MESSAGES = 64
_MAX_OF_BACKLOG = 256
_PATIENCE = 4
"""Full bursts of late that make a backlog."""
_MAX_SECONDS = 0.002


class Report(Protocol):
    """Takes errors."""

    def __call__(self, kind: ErrorKind, error: Exception, /, *, is_retryable: bool) -> None:
        """Reports one error."""
        ...


@attrs.frozen
class Burst:
    """The work that a burst leaves for its caller.

    Attributes:
        protocol: Messages for the protocol, in order.
        unsynced: Streams that need a snapshot.
        has_more: Whether the burst ended before the frames did.
    """

    protocol: list[Envelope[Any]]
    unsynced: tuple[str, ...]
    has_more: bool


class _WithSubclasses(dict[type[Any], Any]):
    """A table by class in which a subclass has the entry of its base, and any other class None.

    The application's snapshot is such a subclass. An answer is kept, so that each class is looked up once.
    """

    def __missing__(self, payload: type[Any]) -> Any:
        found = next((self[base] for base in payload.__mro__[1:] if base in self), None)
        self[payload] = found
        return found


class Receiver:
    """The way in. Loop only, except for `messages`."""

    def __init__(
        self,
        *,
        domain: Domain,
        codec: Codec,
        dispatcher: Dispatcher,
        outbox: Outbox,
        subscriptions: Subscriptions,
        counters: Counters,
        clock: Callable[[], float],
        report: Report,
        log: Logbook,
    ) -> None:
        self.positions: Store[Mapping[str, Position]] = Store(
            Map(), name="service.positions", domain=domain
        )
        self.unhandled: EventSource[Envelope[Any]] = EventSource("service.unhandled")
        self.inbound = Inbound()
        self.requests = Requests()
        self._domain = domain
        self._decode = codec.decode
        self._dispatcher = dispatcher
        # Messages in a row whose handlers take them together, and their route.
        self._run: list[Envelope[Any]] = []
        self._run_route: Route | None = None
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._counters = counters
        self._log = log
        self._is_logging = False
        self.clock = clock
        self._batch: Batch | None = None
        self._tracer: Tracer | None = None
        # Types of the burst, for the tracer.
        self._types: dict[str, None] = {}
        # How many bursts were full of late.
        self._full = 0
        self._report = report
        self._taps: tuple[tuple[str, EventSource[Envelope[Any]]], ...] = ()
        self._arrived: list[Envelope[Any]] = []
        self._unknown: list[Envelope[Any]] = []
        self._protocol: list[Envelope[Any]] = []

    def resume_positions(self) -> Mapping[str, Position]:
        """Returns the positions to resume from, and goes on from there."""
        positions = self.positions.get()
        self.inbound.adopt(positions)
        return positions

    def burst(self, frame: str | bytes | None, pull: Callable[[], str | bytes | None]) -> Burst:
        """Takes a frame and what `pull` gives after it, until the burst is over."""
        clock, counters = self.clock, self._counters
        now = clock()
        self._is_logging = self._log.has_messages
        end = now + _MAX_SECONDS
        most = _MAX_MESSAGES if self._full < _PATIENCE else _MAX_OF_BACKLOG
        has_more = False
        count = 0
        try:
            with batch(self._domain):
                self._batch = active_batch()
                self._tracer = self._domain.tracer
                while frame is not None:
                    count += 1
                    counters.bytes_received += len(frame)
                    if self._take(frame, now) or count >= most or clock() >= end:
                        has_more = True
                        break
                    frame = pull()
                self._end_run()
                self._store_positions()
                self._say_types()
        except Exception as error:  # noqa: BLE001 - such as a store that was closed under a handler: this burst is lost
            self._report(ErrorKind.APPLICATION, error, is_retryable=False)
        # Halved and not forgotten: what the socket library holds ends with a short burst, and the next part is on its way.
        is_full = count >= _MAX_MESSAGES
        self._full = min(self._full + 1, 2 * _PATIENCE) if is_full else self._full // 2
        counters.messages_received += count
        return self._after(has_more=has_more)

    def release(self, now: float) -> Burst:
        """Gives up on gaps that were waited for long enough."""
        return self.deliver(self.inbound.tick(now))

    def deliver(self, messages: Iterable[Envelope[Any]]) -> Burst:
        """Delivers messages that are in order already."""
        with batch(self._domain):
            self._batch = active_batch()
            self._tracer = self._domain.tracer
            for message in self.inbound.entries.whole(messages):
                self._deliver(message)
            self._end_run()
            self._store_positions()
            self._say_types()
        return self._after(has_more=False)

    def messages(
        self,
        pattern: str,
        *,
        on_start: Callable[[], None] | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> EventStream[Envelope[Any]]:
        """Returns the messages of the channels that match, as a stream. Any thread."""

        def start() -> None:
            self._taps = (*self._taps, (pattern, source))
            if on_start is not None:
                on_start()

        def stop() -> None:
            self._taps = tuple(tap for tap in self._taps if tap[1] is not source)
            if on_stop is not None:
                on_stop()

        source: EventSource[Envelope[Any]] = EventSource(
            f"messages({pattern!r})", on_start=start, on_stop=stop
        )
        return source.stream

    # --- one message ----------------------------------------------------------------------------------------------------

    def _take(self, frame: str | bytes, now: float) -> bool:
        """Takes one frame; returns whether the burst ends with it."""
        try:
            envelope = self._decode(frame)
        except MessageRejected as error:
            self._rejected(error, now)
            return False
        if self._is_logging:
            self._log.received(envelope.type, envelope.id)
        if envelope.problems:
            self._repaired(envelope)
        special = self._special[envelope.payload.__class__]
        if special is not None:
            self._end_run()
            ends_burst = special(self, envelope)
            self._end_run()
            return ends_burst
        inbound = self.inbound
        if envelope.more and envelope.seq is not None:
            inbound.gather(envelope)
            return False
        if inbound.entries:
            ready: Iterable[Envelope[Any]] = inbound.whole(envelope, now)
        else:
            ready = inbound.accept(envelope, now)
        for message in ready:
            self._deliver(message)
        return False

    def _say_types(self) -> None:
        """Tells the tracer of the domain which messages the next commit is about."""
        if self._tracer is not None:
            self._tracer.handling(tuple(self._types))
            self._types.clear()

    def _deliver(self, envelope: Envelope[Any]) -> None:
        if self._tracer is not None:
            self._types[envelope.type] = None
        route = self._dispatcher.route(envelope)
        if route is not self._run_route:
            self._end_run()
        if route.takes_runs:
            self._run_route = route
            self._run.append(envelope)
        elif not self._dispatcher.dispatch(envelope, self._batch, route):
            self._unknown.append(envelope)
        if self._taps or self.requests.is_waiting:
            self._arrived.append(envelope)

    def _end_run(self) -> None:
        """Calls the handlers of the messages that were gathered."""
        route = self._run_route
        if route is not None:
            run, self._run, self._run_route = self._run, [], None
            if len(run) == 1:
                self._dispatcher.dispatch(run[0], self._batch, route)
            else:
                self._dispatcher.dispatch_run(run, self._batch, route)

    def _rejected(self, error: MessageRejected, now: float) -> None:
        self._counters.messages_rejected += 1
        self._report(ErrorKind.PROTOCOL, error, is_retryable=False)
        inbound, place = self.inbound, (error.stream, error.epoch, error.seq)
        if error.more:
            inbound.entries.begin(*place)
        elif (before := inbound.entries.last(*place)) is not None:
            for message in inbound.whole(before, now):
                self._deliver(message)
        else:
            for message in inbound.entries.whole(inbound.skip(*place, now)):
                self._deliver(message)

    def _repaired(self, envelope: Envelope[Any]) -> None:
        for problem in envelope.problems:
            error = MessageRejected(
                f"a bad field was dropped: {problem}", type=envelope.type, id=envelope.id
            )
            self._report(ErrorKind.PROTOCOL, error, is_retryable=False)

    def _for_protocol(self, envelope: Envelope[Any]) -> bool:
        self._protocol.append(envelope)
        self._deliver(envelope)
        return True

    def _for_heartbeat(self, envelope: Envelope[Any]) -> bool:
        self._protocol.append(envelope)
        self._deliver(envelope)
        return False

    def _acknowledged(self, envelope: Envelope[Any]) -> bool:
        if self._outbox.acknowledge(envelope.payload.message_id):
            self._counters.messages_acknowledged += 1
        self._deliver(envelope)
        return False

    def _complained(self, envelope: Envelope[Any]) -> bool:
        payload: ServerError = envelope.payload
        error = RequestFailed(payload.code, payload.message, retryable=payload.retryable)
        identity = payload.reply_to
        if identity is not None:
            is_retried = payload.retryable is True and self._outbox.postpone(
                identity, self.clock(), payload.after
            )
            if is_retried:
                self.requests.postponed(identity)
            else:
                self._outbox.reject(identity, error)
        self._report(ErrorKind.APPLICATION, error, is_retryable=payload.retryable is True)
        self._deliver(envelope)
        return False

    def _snapshot(self, envelope: Envelope[Any]) -> bool:
        is_new, following = self.inbound.snapshot(envelope.payload)
        if is_new:
            self._deliver(envelope)
        for message in self.inbound.entries.whole(following):
            self._deliver(message)
        return False

    def _subscribed(self, envelope: Envelope[Any]) -> bool:
        payload: Subscribed = envelope.payload
        self._subscriptions.confirmed(payload.channel)
        if payload.stream is not None and payload.epoch is not None and payload.seq is not None:
            self.inbound.subscribed(payload.stream, payload.epoch, payload.seq)
        self._deliver(envelope)
        return False

    _special: dict[type[Any], Callable[[Receiver, Envelope[Any]], bool] | None] = _WithSubclasses(
        {
            Hello: _for_protocol,
            AuthOk: _for_protocol,
            Resumed: _for_protocol,
            GoAway: _for_protocol,
            Ping: _for_heartbeat,
            Pong: _for_heartbeat,
            MessageReceived: _acknowledged,
            ServerError: _complained,
            Snapshot: _snapshot,
            Subscribed: _subscribed,
        }
    )

    # --- the end of a burst ---------------------------------------------------------------------------------------------

    def _store_positions(self) -> None:
        if self.inbound.is_moved:
            moved = self.inbound.take_moved()
            positions = self.positions.get()
            known = positions if isinstance(positions, Map) else Map(positions)
            known = known.update(moved)
            for name in self.inbound.take_forgotten():
                if name in known:
                    known = known.delete(name)
            self.positions.set(known)

    def forget(self, streams: Iterable[str]) -> None:
        """Forgets the positions of streams."""
        known = self.positions.get()
        left = known if isinstance(known, Map) else Map(known)
        for stream in streams:
            self.inbound.forget(stream)
            if stream in left:
                left = left.delete(stream)
        self.inbound.take_forgotten()
        self.positions.set(left)

    def _after(self, *, has_more: bool) -> Burst:
        if self._tracer is not None:
            self._tracer.handling(())
        protocol, self._protocol = self._protocol, []
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            for envelope in arrived:
                for pattern, source in self._taps:
                    if matches(pattern, envelope.channel):
                        source.emit(envelope)
                self.requests.arrived(envelope)
        if self._unknown:
            unknown, self._unknown = self._unknown, []
            for envelope in unknown:
                self.unhandled.emit(envelope)
        gaps = self.inbound.take_gaps()
        for gap in gaps:
            error = MessagesMissing(gap.stream, gap.expected, gap.got)
            self._report(ErrorKind.PROTOCOL, error, is_retryable=True)
        return Burst(protocol, tuple({gap.stream: None for gap in gaps}), has_more)
