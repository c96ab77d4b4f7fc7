"""From frames to stores: read, put in order, call the handlers, commit. One burst of frames is one commit.

The session of the dialect says what a frame means. A burst ends after 64 messages or 2 ms. It also ends with a step of the
connection itself, so that what follows is read in the new state. After four full bursts in a row the limit rises to 512
messages, still within 2 ms. The handlers of a run (`run=`) come on top, once for all of it. What a handler writes, the
acknowledgements and the positions of the streams become visible together. Event observers and requests get the messages
after the commit, so they read stores in which the message has taken effect.

It opens no socket and decides nothing about the connection. `shell` passes frames in and gets the frames and events back
that are for the connection.

The module is long because a burst passes through all of its steps with one batch open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

import attrs

from ..connection import Counters, ErrorKind, Logbook
from ..dialects import (
    Acknowledged,
    Alive,
    Control,
    Ended,
    Event,
    Fault,
    Following,
    Frame,
    Marked,
    Notice,
    Refused,
    Request,
    RunReader,
    Session,
    State,
    Step,
)
from ..engine import Domain, OpenBatch, Tracer, active_batch, batch, refuse_copy
from ..errors import MessageRejected, MessagesMissing, PositionsDropped, RequestFailed
from ..outbox import Outbox
from ..state import EventSource, EventStream, Map, Store
from ..wire import Envelope, Position
from .agenda import Agenda
from .dispatcher import Dispatcher, Route, matches
from .followers import StreamFollowers
from .order import Inbound, has_place
from .requests import Requests
from .subscriptions import Subscriptions

__all__ = ["Burst", "Receiver"]

_MAX_MESSAGES = 64
_MAX_OF_BACKLOG = 512
_PATIENCE = 4
"""Full bursts of late that make a backlog."""
_MAX_SECONDS = 0.002
_MAX_UNTIMED = 64
"""Messages of a run that are gathered between two looks at the clock; their handlers run later."""

_stream_of = attrgetter("stream")
_ReadRun: TypeAlias = Callable[[Iterable[str | bytes]], Sequence[Envelope[Any]]]


class Report(Protocol):
    """Takes errors."""

    def __call__(self, kind: ErrorKind, error: Exception, /, *, is_retryable: bool) -> None:
        """Reports one error."""
        ...


@attrs.frozen
class Burst:
    """The work that a burst leaves for its caller.

    Attributes:
        connection: Frames to write and events for the connection, in order.
        unsynced: Streams that need a snapshot.
        has_more: Whether the burst ended before the frames did.
    """

    connection: list[Frame | Event]
    unsynced: tuple[str, ...]
    has_more: bool


class Receiver:
    """The way in. Loop only, except for `messages`."""

    __reduce_ex__ = refuse_copy

    __slots__ = (
        "_answers",
        "_arrived",
        "_batch",
        "_connection",
        "_counters",
        "_dispatcher",
        "_domain",
        "_full",
        "_has_snapshots",
        "_is_logging",
        "_log",
        "_names_effects",
        "_outbox",
        "_read_run",
        "_received",
        "_report",
        "_run",
        "_run_route",
        "_session",
        "_subscriptions",
        "_taps",
        "_tracer",
        "_types",
        "_unknown",
        "_unsynced",
        "agenda",
        "clock",
        "followers",
        "inbound",
        "positions",
        "requests",
        "to_sync",
        "unhandled",
    )

    def __init__(
        self,
        *,
        domain: Domain,
        dispatcher: Dispatcher,
        outbox: Outbox,
        subscriptions: Subscriptions,
        counters: Counters,
        clock: Callable[[], float],
        report: Report,
        log: Logbook,
    ) -> None:
        self.positions: Store[Mapping[str, Position]] = Store(
            Map(), name="service.positions", domain=domain, is_dumped=False
        )
        self.unhandled: EventSource[Envelope[Any]] = EventSource("service.unhandled")
        self.followers = StreamFollowers()
        self.inbound = Inbound()
        self.agenda = Agenda()
        # Streams whose state is wanted and was not asked for yet.
        self.to_sync: dict[str, None] = {}
        self.requests = Requests()
        self._domain = domain
        self._session: Session | None = None
        self._received: Callable[[str | bytes, float], Step | Event] = _nothing
        self._read_run: _ReadRun | None = None
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
        self._batch: OpenBatch | None = None
        self._tracer: Tracer | None = None
        # Types of the burst, for the tracer.
        self._types: dict[str, None] = {}
        # How many bursts were full of late.
        self._full = 0
        self._report = report
        self._taps: tuple[tuple[str, EventSource[Envelope[Any]]], ...] = ()
        self._arrived: list[Envelope[Any]] = []
        self._unknown: list[Envelope[Any]] = []
        self._has_snapshots = self._names_effects = False
        self._answers: list[Acknowledged | tuple[str, Exception]] = []
        self._connection: list[Frame | Event] = []
        self._unsynced: dict[str, None] = {}

    def resume_positions(self) -> Mapping[str, Position]:
        """Returns the positions to resume from, and goes on from there."""
        return self.inbound.adopt(self.positions.get())

    def begin(self, session: Session | None) -> None:
        """Reads frames of this session from now on."""
        self._session = session
        self._received = _nothing if session is None else session.received
        self._read_run = session.received_run if isinstance(session, RunReader) else None
        self._has_snapshots = self._names_effects = False
        self.take_capabilities()

    def take_capabilities(self) -> None:
        """The session's capabilities may have changed."""
        session = self._session
        if session is not None:
            self.inbound.ids_are_unique = session.capabilities.ids_are_unique
            self._has_snapshots = session.capabilities.has_snapshots
            self._names_effects = session.capabilities.names_effects

    def burst(self, frames: deque[str | bytes]) -> Burst:
        """Takes frames from the left until the burst is over."""
        clock, counters = self.clock, self._counters
        now = clock()
        self._is_logging = self._log.has_messages
        end = now + _MAX_SECONDS
        most = _MAX_MESSAGES if self._full < _PATIENCE else _MAX_OF_BACKLOG
        read = self._read_run
        count = 0
        try:
            with batch(self._domain):
                self._batch = active_batch()
                self._tracer = self._domain.tracer
                while frames:
                    before = len(frames)
                    frame = frames.popleft()
                    is_over = self._found(frame, self._received(frame, now), now)
                    if not is_over and frames and self._run_route is not None and read is not None:
                        self._take_run(read, frames, min(_MAX_UNTIMED, most - count - 1), now, end)
                    count += before - len(frames)
                    if is_over or count >= most or clock() >= end:
                        break
                self._end_run()
                self._store_positions()
                if self._tracer is not None:
                    self._say_types(self._tracer)
        except Exception as error:  # noqa: BLE001 - such as a store that was closed under a handler: this burst is lost
            self._report(ErrorKind.APPLICATION, error, is_retryable=False)
        # Halved and not forgotten: what the socket library holds ends with a short burst, and the next part is on its way.
        is_full = count >= _MAX_MESSAGES
        self._full = min(self._full + 1, 2 * _PATIENCE) if is_full else self._full // 2
        counters.messages_received += count
        return self._after(has_more=bool(frames))

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
            if self._tracer is not None:
                self._say_types(self._tracer)
        return self._after(has_more=False)

    def step(self, step: Step) -> Burst:
        """Takes what a session did by itself, such as at a deadline."""
        with batch(self._domain):
            self._batch = active_batch()
            self._step(step, self.clock())
            self._end_run()
            self._store_positions()
            if self._tracer is not None:
                self._say_types(self._tracer)
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

    def _take_run(
        self, read: _ReadRun, frames: deque[str | bytes], most: int, now: float, end: float
    ) -> None:
        """Takes frames that go on with the run: messages of its type and channel, each the next one of its stream.

        It does what `_found` does for these, and makes a flood cheaper: each step looks at all of them in one loop.
        """
        if (
            self._is_logging
            or self._tracer is not None
            or self._taps
            or self.inbound.entries.waiting
            or self.requests.waiting
            or self._run[-1].type in self.followers.unnumbered
        ):
            return
        found = read(islice(frames, most))
        if not found:
            return
        taken: list[str | bytes] = [frames.popleft() for _ in found]
        run, followed, count = self._run, self.followers.streams, 0
        if found[0].type == run[-1].type and not (
            followed and not followed.keys().isdisjoint(map(_stream_of, found))
        ):
            count = self.inbound.follow(found, run[-1].channel)
        if count == len(found):
            run += found
            self._counters.bytes_received += sum(map(len, taken))
            return
        run += found[:count]
        self._counters.bytes_received += sum(map(len, taken[:count]))
        for at in range(count, len(found)):
            self._found(taken[at], found[at], now)
            if self.clock() >= end:
                # Handlers may have run, so the burst ends here.
                frames.extendleft(reversed(taken[at + 1 :]))
                return

    def _found(self, frame: str | bytes, found: Step | Event, now: float) -> bool:
        """Takes what a frame was; returns whether the burst ends with it."""
        size = len(frame)
        self._counters.bytes_received += size
        if not isinstance(found, Envelope):
            if isinstance(found, Acknowledged):
                self._end_run()
                self._acknowledged(found, now)
                self._end_run()
                return False
            step = found if isinstance(found, Step) else Step(events=(found,))
            return self._step(step, now, size)
        if self._is_logging:
            self._log.received(found.type, found.id)
        if found.problems:
            self._repaired(found)
        inbound = self.inbound
        is_alone = not (found.more or inbound.entries.waiting)
        for message in (
            inbound.accept(found, now, size) if is_alone else self._ordered(found, now, size)
        ):
            self._deliver(message)
        return False

    def _ordered(self, message: Envelope[Any], now: float, size: int) -> Iterable[Envelope[Any]]:
        """Takes a message of the application from a frame of `size` characters; returns what can be delivered now."""
        inbound = self.inbound
        if message.more and message.seq is not None:
            return inbound.gather(message, now, size)
        if inbound.entries.waiting:
            return inbound.whole(message, now, size)
        return inbound.accept(message, now, size)

    def _step(self, step: Step, now: float, size: int = 0) -> bool:
        """Takes a step, of a frame of `size` characters; returns whether the burst ends with it."""
        ends_burst = False
        self._connection += step.frames
        for event in step.events:
            if isinstance(event, Envelope):
                if self._is_logging:
                    self._log.received(event.type, event.id)
                if event.problems:
                    self._repaired(event)
                for message in self._ordered(event, now, size):
                    self._deliver(message)
                continue
            if event.__class__ is Fault:
                # A bad element between two messages does not part them.
                self._fault(event, now)
                continue
            self._end_run()
            act = self._actions.get(event.__class__)
            if act is None:
                self._connection.append(event)
                ends_burst = ends_burst or event.__class__ is not Alive
            else:
                act(self, event, now)
            self._end_run()
        return ends_burst

    def _say_types(self, tracer: Tracer) -> None:
        """Tells the tracer of the domain which messages the next commit is about."""
        tracer.handling(tuple(self._types))
        self._types.clear()

    def _deliver(self, envelope: Envelope[Any]) -> None:
        if self._tracer is not None:
            self._types[envelope.type] = None
        if self.followers:
            self._ask(envelope.stream, is_asking=self.followers.deliver(envelope))
        route = self._dispatcher.route(envelope)
        if self._run_route is not None and route is not self._run_route:
            self._end_run()
        if route.takes_runs:
            self._run_route = route
            self._run.append(envelope)
        elif not self._dispatcher.dispatch(envelope, self._batch, route):
            self._unknown.append(envelope)
        if self._taps or self.requests.waiting:
            self._arrived.append(envelope)

    def _ask(self, stream: str | None, *, is_asking: bool) -> None:
        if is_asking and stream is not None and self._has_snapshots:
            self._unsynced[stream] = None

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
        if error.stream is not None and error.stream in self.followers.streams:
            if error.type == "snapshot" and error.seq is None:
                for follower in self.followers.of(error.stream):
                    follower.unusable()
            elif error.seq is not None:
                self._ask(error.stream, is_asking=self.followers.missed(error.stream))
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

    def _control(self, event: Control, _now: float) -> None:
        if self._is_logging:
            self._log.received(event.message.type, event.message.id)
        self._deliver(event.message)

    def _acknowledged(self, event: Acknowledged, _now: float) -> None:
        # The stream of a command is the channel of its message, so nothing asks all followers whose it was.
        stream = self._outbox.channel(event.id) if self.followers else None
        if self._outbox.acknowledge(event.id):
            self._counters.messages_acknowledged += 1
        positions = event.positions if self._names_effects else None
        for follower in self.followers.of(stream):
            is_heard = not self._subscriptions.is_asking(follower.stream)
            is_asking = follower.acknowledged(event.id, positions, is_heard=is_heard)
            self._ask(follower.stream, is_asking=is_asking)
        if self.requests.waiting:
            self._answers.append(event)
        message = event.message
        if message is not None:
            if self._is_logging:
                self._log.received(message.type, message.id)
            self._deliver(message)

    def _refused(self, event: Refused, now: float) -> None:
        payload = self._outbox.payload(event.id)
        error = RequestFailed(event.code, event.text, retryable=event.is_retryable, payload=payload)
        is_retried = event.is_retryable and self._outbox.postpone(event.id, now, event.after)
        if not is_retried:
            followers = self.followers.of(self._outbox.channel(event.id))
            self._outbox.reject(event.id, error)
            for follower in followers:
                follower.ended(event.id)
            self._answers.append((event.id, error))
        self._report(ErrorKind.APPLICATION, error, is_retryable=event.is_retryable)
        if event.message is not None:
            self._control(Control(event.message), now)

    def _state(self, event: State, _now: float) -> None:
        if self._is_logging:
            self._log.received(event.message.type, event.message.id)
        if event.message.problems:
            self._repaired(event.message)
        if event.stream in self.followers.streams:
            is_asking = self.followers.state(event.stream, event.position, event.state, event.size)
            self._ask(event.stream, is_asking=is_asking)
            if self.inbound.is_before(event.stream, event.position):
                # The replica asked for the state. Handlers get every entry, so the position of the stream stays.
                self._deliver(event.message)
                return
        is_new, following = self.inbound.snapshot(event.stream, event.position)
        if is_new:
            self._deliver(event.message)
        for message in self.inbound.entries.whole(following):
            self._deliver(message)

    def _following(self, event: Following, _now: float) -> None:
        if event.is_recovered is None:
            self._subscriptions.confirmed(event.channel)
        name = event.channel if event.stream is None else event.stream
        is_asking = self.followers.following(name, is_recovered=event.is_recovered)
        self._ask(name, is_asking=is_asking)
        if event.stream is None:
            return
        if event.is_recovered is False:
            if event.position is not None:
                self.inbound.restarted(event.stream, event.position)
            if self._has_snapshots and has_place(event.stream):
                self._unsynced[event.stream] = None
        elif event.position is not None and event.is_recovered is None:
            self.inbound.subscribed(event.stream, event.position)

    def _ended(self, event: Ended, now: float) -> None:
        again = None if event.again_after is None else now + event.again_after
        is_refused = event.code is not None
        self._subscriptions.ended(event.channel, is_refused=is_refused, again_at=again)
        if event.code is not None:
            for follower in self.followers.of(event.channel) if again is None else ():
                follower.refused()
            text = event.text
            if event.channel not in text:
                # A program with many channels has to know which one.
                refused = f"the channel {event.channel!r} was refused"
                text = f"{refused}: {text}" if text else refused
            error = RequestFailed(event.code, text, retryable=again is not None)
            self._report(ErrorKind.APPLICATION, error, is_retryable=again is not None)

    def _request(self, event: Request, now: float) -> None:
        for message in self._ordered(event.message, now, 0):
            self._deliver(message)
        self._connection.append(event)

    def _fault(self, event: Any, now: float) -> None:
        self._rejected(event.error, now)

    def _marked(self, event: Marked, _now: float) -> None:
        self.inbound.marked(event.mark)

    def _notice(self, event: Notice, _now: float) -> None:
        self._report(event.kind, event.error, is_retryable=event.is_retryable)

    # All other events are for the connection.
    _actions: dict[type[Any], Callable[[Receiver, Any, float], None]] = {
        Control: _control,
        Acknowledged: _acknowledged,
        Refused: _refused,
        State: _state,
        Following: _following,
        Ended: _ended,
        Request: _request,
        Marked: _marked,
        Notice: _notice,
    }

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
            if self.inbound.dropped:
                dropped = tuple(self.inbound.dropped)
                self.inbound.dropped.clear()
                error = PositionsDropped(dropped)
                self._report(ErrorKind.PROTOCOL, error, is_retryable=False)

    def is_in_burst(self) -> bool:
        """Whether the caller's open batch is that of the burst: a handler runs. Any thread."""
        return self._batch is not None and active_batch() is self._batch

    def know(self, stream: str, position: Position) -> None:
        """Goes on with a stream after a position, unless the stream is ahead of it."""
        self.inbound.know(stream, position)
        self._store_positions()

    def forget(self, streams: Iterable[str], *, is_resting: bool = False) -> None:
        """Forgets the positions of streams.

        Args:
            streams: Their names.
            is_resting: Whether they were let go, so that messages that are on their way and were delivered before are dropped.
        """
        known = self.positions.get()
        left = known if isinstance(known, Map) else Map(known)
        forget = self.inbound.rest if is_resting else self.inbound.forget
        for stream in streams:
            forget(stream)
            if stream in left:
                left = left.delete(stream)
        self.inbound.take_forgotten()
        self.positions.set(left)

    def _after(self, *, has_more: bool) -> Burst:
        if self._tracer is not None:
            self._tracer.handling(())
        connection, self._connection = self._connection, []
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            for envelope in arrived:
                for pattern, source in self._taps:
                    if matches(pattern, envelope.channel):
                        source.emit(envelope)
                self.requests.arrived(envelope)
        if self._answers:
            answers, self._answers = self._answers, []
            for answer in answers:
                if isinstance(answer, Acknowledged):
                    self.requests.acknowledged(answer.id, answer.reply, answer.message)
                else:
                    self.requests.refused(*answer)
        if self._unknown:
            unknown, self._unknown = self._unknown, []
            for envelope in unknown:
                self.unhandled.emit(envelope)
        gaps = self.inbound.take_gaps()
        for gap in gaps:
            error = MessagesMissing(
                gap.stream, gap.expected, gap.got, gap.is_new_epoch, epoch=gap.epoch
            )
            self._report(ErrorKind.PROTOCOL, error, is_retryable=True)
        unsynced: tuple[str, ...] = ()
        if self._unsynced or gaps:
            if self._has_snapshots:
                self._unsynced.update({gap.stream: None for gap in gaps})
            unsynced, self._unsynced = tuple(self._unsynced), {}
        return Burst(connection, unsynced, has_more)


def _nothing(_frame: str | bytes, _now: float) -> Step:
    """No session is there that could read a frame."""
    return Step()
