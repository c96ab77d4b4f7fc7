"""Performs the effects of the decisions in an event loop, and reports to the decisions what happens there.

It owns the lines (sockets) and the one timer. It performs the steps of the dialect's session. What the connection itself
sends, such as subscriptions, syncs and tokens, goes ahead of what waits in the outbox. The shell decides only when to call
what. Everything runs in the loop that it was made in, and after the end it leaves nothing there.

The module is long because all of it runs in one loop and shares the line, the session and the timer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from ..connection import (
    CloseCode,
    Connection,
    ConnectionEffect,
    ConnectionState,
    Counters,
    Decisions,
    ErrorKind,
    Logbook,
    Reading,
)
from ..connection import effects as do
from ..dialects import (
    Alive,
    Event,
    Frame,
    Handshaking,
    Hangup,
    Leaving,
    Limit,
    Opening,
    Probe,
    Ready,
    Request,
    Step,
    TokenWanted,
)
from ..errors import ConnectionLost, DialFailed, MessageRejected, MessageTooBig, UsageError
from ..inbound import Burst, Receiver, Subscriptions
from ..outbox import Outbox, Outgoing
from ..transport import Dialer, Line, Settings, Socket, TokenWatch, frame_size
from ..wire import Envelope, Guarantee
from .conversation import Conversation
from .loop import Alarm, SleepWatch

__all__ = ["Listener", "Shell"]

_logger = logging.getLogger("reactive_ws.connection")


class Listener(Protocol):
    """Takes the reports of a shell. The shell calls it in its loop."""

    def published(self, connection: Connection) -> None:
        """Takes every new record of the connection, in order."""
        ...

    def reported(self, kind: ErrorKind, error: Exception, *, is_retryable: bool) -> None:
        """Takes every error."""
        ...

    def outbox_changed(self) -> None:
        """The outbox may have changed."""
        ...

    def counted(self) -> None:
        """Messages were counted."""
        ...

    def settled(self) -> None:
        """A disconnect on purpose has decided what becomes of every message."""
        ...

    def asked(self, message: Envelope[Any]) -> Any:
        """Returns the answer to a request of the server.

        Raises:
            MessageRejected: nothing answers it.
        """
        ...

    def token_expires(self) -> None:
        """The token should be replaced."""
        ...

    def ended(self) -> None:
        """Everything is closed and no task is left."""
        ...


class Shell:
    """The connection in one event loop, from `connect` until everything is closed.

    Args:
        settings: The options of the service.
        conversation: Has the session of the dialect.
        decisions, outbox, receiver, counters: The parts that outlive this loop.
        subscriptions: The channels to subscribe to on every connection.
        log: Takes a line for each message.
        listener: What to report to.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        conversation: Conversation,
        decisions: Decisions,
        outbox: Outbox,
        receiver: Receiver,
        counters: Counters,
        subscriptions: Subscriptions,
        log: Logbook,
        listener: Listener,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._settings = settings
        self._conversation = conversation
        self._decisions = decisions
        self._outbox = outbox
        self._receiver = receiver
        self._counters = counters
        self._subscriptions = subscriptions
        self._log = log
        self._listener = listener
        self._dialer = Dialer(settings)
        self._line: Line | None = None
        self._lines: set[Line] = set()
        self._to_do: list[ConnectionEffect] = []
        self._is_performing = False
        self._alarm = Alarm(self._deadlines, self._tick)
        self._token_watch = TokenWatch(lambda: settings.clock().timestamp(), settings.rng)
        self._sleep = SleepWatch(settings.suspended, settings.suspend_limit)
        # The token of the last connection; secret.
        self._token: str | None = None
        self._peer_limit: int | None = None
        self._keeps_outcomes: float | None = None
        self._has_acknowledgements = False
        # Whether the connection itself said something after the last entry was taken: not a ping, which is always small.
        self._has_said = False
        # Steps that came while a burst was read; they are performed after it.
        self._is_reading = False
        self._in_handshake: tuple[str, ...] = ()
        self._steps: list[Step] = []

    # --- what the program wants (in the loop) ---------------------------------------------------------------------------

    def connect(self) -> None:
        """Starts."""
        self._perform(self._decisions.connect(self.loop.time()))

    def reconnect(self) -> None:
        """Drops the socket and dials again."""
        self._perform(self._decisions.reconnect(self.loop.time()))

    def disconnect(self, drain: float) -> None:
        """Closes, after at most `drain` seconds."""
        self._perform(self._decisions.disconnect(self.loop.time(), drain))

    def leave_closed_loop(self) -> None:
        """Ends without a loop: it was closed around a running service, and what was in it is gone. Any thread."""
        self._decisions.disconnect(self.loop.time())
        self._log.given_up(self._outbox.settle())
        self._listener.ended()

    def write(self) -> None:
        """Writes what waits, unless a burst or an effect is under way, which write at their end."""
        if self._line is not None and not self._is_reading and not self._is_performing:
            self._line.wake()

    def outbox_changed(self) -> None:
        """Writes what waits. Must not call the listener's `outbox_changed`, which calls this."""
        if self._line is not None:
            self._line.wake()
        self._look_if_drained()
        self._alarm.no_later_than(self._outbox.deadline)

    # --- what the connection itself says, past everything that waits ------------------------------------------------------

    def send_frame(self, frame: str | bytes, *, is_ping: bool = False) -> bool:
        """Sends a frame past the outbox; False when there is no socket to take it."""
        line = self._line
        if line is None or line.is_over:
            return False
        self._has_said = self._has_said or not is_ping
        line.send_control(frame)
        self._counters.messages_sent += 1
        self._wrote(line)
        return True

    def send_now(self, message: Envelope[Any], kept: str | bytes) -> bool:
        """Sends a message past the outbox; False when there is no connection to take it.

        Raises:
            MessageRejected: the dialect cannot write it.
        """
        session = self._conversation.session
        if session is None or self._line is None or self._line.is_over:
            return False
        written = session.send(message, self.loop.time(), kept)
        if isinstance(written, Step):
            self._take(written)
            return True
        return self.send_frame(written)

    def sync(self, streams: tuple[str, ...]) -> None:
        """Asks for snapshots, now or when there is a connection."""
        self._receiver.to_sync.update(dict.fromkeys(streams))
        self._send_syncs()

    def agenda_changed(self) -> None:
        """The agenda of the receiver may have an earlier item."""
        self._alarm.no_later_than(self._receiver.agenda.deadline)

    def forget(self, streams: tuple[str, ...]) -> None:
        """Forgets the positions of streams."""
        for stream in streams:
            self._receiver.to_sync.pop(stream, None)
        self._receiver.forget(streams)

    def say_subscriptions(self) -> None:
        """Tells the server which subscriptions changed, and repeats those that it did not confirm in time."""
        conversation = self._conversation
        session = conversation.session
        if session is not None and conversation.is_ready:
            if session.capabilities.subscribes:
                now = self.loop.time()
                positions = self._receiver.positions.get()
                for asking in self._subscriptions.due(now):
                    channel = asking.channel
                    if asking.is_wanted:
                        self._take(session.subscribe(channel, now, positions.get(channel)))
                    else:
                        self._take(session.unsubscribe(channel, now))
            elif self._wants_channels() and conversation.is_first("subscriptions"):
                self._warn(
                    "this server has no subscriptions that the service knows, so subscribe=True asks for nothing; "
                    "pass a dialect that says how to subscribe, such as PlainJson(subscribe=...)"
                )
        self._alarm.no_later_than(self._subscriptions.deadline)

    def _wants_channels(self) -> bool:
        """Whether the program wants a channel for something else than a replica."""
        followed = self._receiver.followers.streams
        return any(name not in followed for name in self._subscriptions.wanted)

    def need_states(self) -> None:
        """The program relies on states of streams; says once that this server has none."""
        conversation = self._conversation
        if not conversation.is_ready or conversation.capabilities.has_snapshots:
            return
        if conversation.is_first("states"):
            self._warn(
                "this server sends no states of streams, so sync() asks for nothing and a replica stays LOADING; "
                "speak protocol v1 with it, or keep the state yourself with service.on"
            )

    def _warn(self, text: str) -> None:
        self._listener.reported(ErrorKind.APPLICATION, UsageError(text), is_retryable=True)

    async def refresh_token(self) -> None:
        """Gets a new token; sends it in place where that works, and reconnects with it elsewhere.

        Raises:
            Exception: what the provider raises; the connection stays as it is.
        """
        session = self._conversation.session
        can_send = session is not None and session.takes_tokens
        is_in_place = self._decisions.refresh(is_in_place=can_send)
        try:
            token = await self._dialer.fresh_token(for_next_dial=not is_in_place)
        except Exception:
            self._token_watch.again(self.loop.time())
            self._alarm.no_later_than(self._token_watch.deadline)
            raise
        decisions = self._decisions
        if not is_in_place:
            # A disconnect while the provider was asked is final.
            is_closed = decisions.connection.state is ConnectionState.CLOSED
            if not is_closed and not decisions.is_draining:
                self.reconnect()
        elif token is not None:
            session = self._conversation.session
            if session is not None:
                self._take(session.authenticate(token, self.loop.time()))
            self._subscriptions.token_changed()
            self.say_subscriptions()
            self._token_watch.start(token, self.loop.time())
            self._alarm.no_later_than(self._token_watch.deadline)

    def _send_syncs(self) -> None:
        session = self._conversation.session
        to_sync = self._receiver.to_sync
        if to_sync and session is not None and self._conversation.is_ready:
            self.need_states()
            pending = self._outbox.unknown()
            step = session.sync(tuple(to_sync), self.loop.time(), pending)
            if step.frames:
                to_sync.clear()
                self._take(step)

    # --- steps of the dialect -------------------------------------------------------------------------------------------

    def _take(self, step: Step, *, is_ping: bool = False) -> None:
        """Performs a step that the session did by itself, not because of a frame."""
        for frame in step.frames:
            self._send_part(frame, is_ping=is_ping)
        if not step.events:
            return
        events = Step(events=step.events)
        if self._is_reading:
            self._steps.append(events)
        else:
            self._finish_burst(self._receiver.step(events))

    def _send_part(self, frame: Frame, *, is_ping: bool = False) -> None:
        try:
            frame_size(frame.data, frame.name)
        except MessageRejected as error:
            self._listener.reported(ErrorKind.APPLICATION, error, is_retryable=False)
            return
        if self.send_frame(frame.data, is_ping=is_ping) and self._log.has_messages:
            self._log.sent(frame.name, frame.of)

    def _handshake(self, event: Handshaking, generation: int, now: float) -> None:
        self._perform(
            self._decisions.handshaking(generation, now, event.phase, event.awaits, event.size)
        )

    def _probe(self, _event: Probe, _generation: int, _now: float) -> None:
        if self._line is not None:
            self._line.send_ping()

    def _became_ready(self, event: Ready, generation: int, now: float) -> None:
        self._peer_limit = event.max_size
        self._keeps_outcomes = event.keeps_outcomes
        self._receiver.take_capabilities()
        if event.is_subscribed:
            self._subscriptions.asked(self._in_handshake)
        self._perform(
            self._decisions.ready(
                generation,
                now,
                beat=event.beat,
                window=event.window,
                is_recovered=event.is_recovered,
            )
        )

    def _limited(self, event: Limit, _generation: int, _now: float) -> None:
        self._peer_limit = event.max_size

    def _answered(self, event: Alive, generation: int, now: float) -> None:
        if event.is_answer:
            self._perform(self._decisions.alive(generation, now, event.token))

    def _token_refused(self, event: TokenWanted, generation: int, now: float) -> None:
        self._perform(self._decisions.token_refused(generation, now, event.text))

    def _leave(self, event: Leaving, generation: int, now: float) -> None:
        self._perform(self._decisions.leaving(generation, now, event.after))

    def _hang_up(self, event: Hangup, generation: int, now: float) -> None:
        self._perform(self._decisions.hang_up(generation, now, event.code, event.text))

    def _asked(self, event: Request, _generation: int, now: float) -> None:
        session = self._conversation.session
        if session is None:
            return
        try:
            result = self._listener.asked(event.message)
            self._take(session.answer(event.reference, result, now))
        except MessageRejected as error:
            self._listener.reported(ErrorKind.APPLICATION, error, is_retryable=False)

    _events: dict[type[Any], Callable[[Shell, Any, int, float], None]] = {
        Handshaking: _handshake,
        Probe: _probe,
        Ready: _became_ready,
        Limit: _limited,
        Alive: _answered,
        TokenWanted: _token_refused,
        Leaving: _leave,
        Hangup: _hang_up,
        Request: _asked,
    }

    # --- effects --------------------------------------------------------------------------------------------------------

    def _perform(self, effects: list[ConnectionEffect]) -> None:
        """Performs effects in order; what observers cause meanwhile comes after them."""
        if not effects and not self._to_do:
            self._alarm.no_later_than(self._decisions.deadline)
            return
        self._to_do.extend(effects)
        if self._is_performing:
            return
        self._is_performing = True
        try:
            while self._to_do:
                effect = self._to_do.pop(0)
                self._actions[type(effect)](self, effect)
        finally:
            self._is_performing = False
        self._alarm.set()
        self._end_if_over()

    def _show(self, effect: do.Publish) -> None:
        connection = effect.connection
        if connection.state is not ConnectionState.CONNECTED:
            self._counters.connected_at = None
        elif self._counters.connected_at is None:
            # Counted here, so that no metrics say CONNECTED and zero connects.
            self._counters.connects += 1
            self._counters.connected_at = self.loop.time()
        if connection.state in (ConnectionState.CLOSED, ConnectionState.ERROR):
            self._sleep.stop()
        else:
            self._sleep.start(self.loop.time())
        self._listener.published(connection)

    def _open(self, effect: do.Dial) -> None:
        for older in list(self._lines):
            older.abort()
        self._counters.dials += 1
        self._end_session()
        if effect.force_token:
            self._subscriptions.token_changed()

        async def dial() -> Socket:
            return await self._dialer.dial(force=effect.force_token)

        self._line = Line(effect.generation, dial, self, close_timeout=self._settings.close_timeout)
        self._lines.add(self._line)

    def _prove(self, effect: do.Prove) -> None:
        session = self._conversation.session
        step = None if session is None else session.prove(effect.token, self.loop.time())
        if step is not None:
            self._take(step, is_ping=True)
        elif self._line is not None:
            self._line.send_ping()

    def _end_session(self) -> None:
        self._conversation.end()
        self._receiver.begin(None)
        self._peer_limit = self._keeps_outcomes = None

    def _abort(self, effect: do.Abort) -> None:
        if self._line is not None and self._line.generation == effect.generation:
            self._line.abort()
            self._line = None

    def _close(self, effect: do.Close) -> None:
        if self._line is not None and self._line.generation == effect.generation:
            self._line.close(effect.code)
            self._line = None

    def _ready(self, _effect: do.ConnectionReady) -> None:
        self._conversation.is_ready = True
        self._has_acknowledgements = self._conversation.capabilities.acknowledges
        self._outbox.online(
            has_acknowledgements=self._has_acknowledgements,
            max_size=self._peer_limit,
            keeps_outcomes=self._keeps_outcomes,
            deduplicates=self._conversation.capabilities.deduplicates,
        )
        self.say_subscriptions()
        if self._settings.decisions.can_refresh:
            self._token_watch.start(self._dialer.token, self.loop.time())
        self._listener.counted()
        self._receiver.inbound.ready(self.loop.time())
        followers = self._receiver.followers
        if followers.need_states:
            self.need_states()
        positions = self._receiver.positions.get()
        for follower in followers:
            is_asking = follower.ready(positions.get(follower.stream))
            if is_asking and self._conversation.capabilities.has_snapshots:
                self._receiver.to_sync[follower.stream] = None
        self._send_syncs()
        if self._line is not None:
            self._line.wake()

    def _ended(self, effect: do.ConnectionEnded) -> None:
        self._end_session()
        for follower in self._receiver.followers:
            follower.lost()
        self._subscriptions.lost()
        self._token_watch.deadline = None
        if self._has_said:
            self._outbox.wrote_beside(math.inf)
        self._outbox.lost(effect.refusals)
        reason = "the connection ended before the reply"
        self._receiver.requests.lost(ConnectionLost(CloseCode.NO_FRAME, reason))
        self._receiver.inbound.lost()
        self._listener.outbox_changed()

    def _settle(self, _effect: do.SettleOutbox) -> None:
        self._end_session()
        self._subscriptions.lost()
        self._token_watch.stop()
        self._log.given_up(self._outbox.settle())
        self._listener.outbox_changed()
        self._listener.settled()

    def _raise(self, effect: do.RaiseError) -> None:
        self._listener.reported(effect.kind, effect.exception, is_retryable=effect.is_retryable)

    _actions: dict[type[Any], Callable[[Shell, Any], None]] = {
        do.Publish: _show,
        do.Dial: _open,
        do.Prove: _prove,
        do.Abort: _abort,
        do.Close: _close,
        do.ConnectionReady: _ready,
        do.ConnectionEnded: _ended,
        do.SettleOutbox: _settle,
        do.RaiseError: _raise,
    }

    # --- lines ----------------------------------------------------------------------------------------------------------

    def line_opened(self, line: Line) -> None:
        """The handshake is done."""
        if line is not self._line:
            return
        settings, now = self._settings, self.loop.time()
        self._decisions.heartbeat.frame_arrived(now)
        self._perform(self._decisions.opened(line.generation))
        if self._dialer.token != self._token:
            self._token = self._dialer.token
            self._subscriptions.token_changed()
        opening = Opening(
            token=self._dialer.token if settings.sends_token else None,
            subprotocol=line.subprotocol,
            positions=self._receiver.resume_positions(),
            subscriptions=self._subscriptions.wanted,
            pending=self._outbox.unknown(),
            client=self._outbox.client,
            max_size=settings.max_size,
            memory=self._conversation.memory,
            timeout=settings.decisions.dial_timeout,
            new_id=settings.new_id,
            clock=settings.clock,
        )
        self._in_handshake = opening.subscriptions
        session = self._conversation.begin()
        step = session.opened(opening, now)
        self._receiver.begin(session)
        self._take(step)
        self._alarm.no_later_than(session.deadline)

    def line_burst(self, line: Line, frames: deque[str | bytes]) -> bool:
        """Frames arrived."""
        if line is not self._line:
            self._decisions.stale_events += 1
            frames.clear()
            return False
        self._decisions.heartbeat.last_frame_at = self.loop.time()
        version = self._outbox.version
        if not self._conversation.is_ready:
            # If this burst makes the connection ready, it answers what was said before it.
            self._has_said = False
        self._is_reading = True
        try:
            burst = self._receiver.burst(frames)
        finally:
            self._is_reading = False
        self._listener.counted()
        self._finish_burst(burst)
        self._confirmed(self._outbox.position)
        if self._outbox.version != version:
            self.outbox_changed()
            self._listener.outbox_changed()
        self._alarm.no_later_than(self._receiver.inbound.deadline)
        session = self._conversation.session
        if session is not None:
            self._alarm.no_later_than(session.deadline)
        return burst.has_more and not line.is_over

    def _finish_burst(self, burst: Burst) -> None:
        for item in burst.connection:
            self._perform_part(item)
        if burst.unsynced:
            self.sync(burst.unsynced)
        while self._steps:
            self._finish_burst(self._receiver.step(self._steps.pop(0)))

    def _perform_part(self, item: Frame | Event) -> None:
        if isinstance(item, Frame):
            self._send_part(item)
            return
        generation = self._line.generation if self._line is not None else -1
        self._events[item.__class__](self, item, generation, self.loop.time())

    def line_ponged(self, line: Line) -> None:
        """A WebSocket pong arrived."""
        self._perform(self._decisions.pong(line.generation, self.loop.time()))
        session = self._conversation.session
        if session is not None and line is self._line:
            self._take(session.ponged(self.loop.time()))
        self._confirmed(0)
        # A quiet connection counts nothing else that would show the latency.
        self._listener.counted()

    def line_next(self, line: Line) -> Outgoing | None:
        """Returns what to write next; in resends the message says so."""
        while line is self._line:
            heartbeat = self._decisions.heartbeat
            now = self.loop.time()
            room = heartbeat.room()
            outbox = self._outbox
            if self._has_said and self._conversation.is_ready and line.traffic is not None:
                self._has_said = False
                outbox.wrote_beside(line.traffic.written)
            entry = outbox.take(now, room)
            if entry is None:
                if outbox.has_next and (room < math.inf or outbox.is_held):
                    heartbeat.hold(now)
                    self._alarm.no_later_than(heartbeat.deadline)
                return None
            try:
                size = self._prepare(entry)
            except MessageTooBig as error:
                self._too_big(entry, error)
                continue
            except MessageRejected as error:
                self._outbox.refused(entry, error)
                self._listener.reported(ErrorKind.APPLICATION, error, is_retryable=False)
                continue
            self._counters.bytes_sent += size
            if line.traffic is not None:
                entry.position = line.traffic.written + size
            return entry
        return None

    def _prepare(self, entry: Outgoing) -> int:
        """Makes the frames of this transmission and returns their bytes.

        Raises:
            MessageTooBig: the server takes no message of this size.
            MessageRejected: the dialect cannot write it, or its frame is nothing that a socket takes.
        """
        session = self._conversation.session
        assert session is not None
        if entry.transmissions > 1:
            self._dialer.resend(entry)
        kept = entry.frame
        written = session.send(entry.envelope, self.loop.time(), kept)
        kind, limit = entry.envelope.type, self._peer_limit
        if isinstance(written, Step):
            frames = [frame.data for frame in written.frames]
            if not frames:
                raise MessageRejected("the dialect returned no frame for it", type=kind)
            entry.written, entry.parts = frames[0], tuple(frames[1:])
            entry.size = sum(frame_size(frame, kind) for frame in frames)
            if written.events:
                self._take(Step(events=written.events))
        else:
            entry.written = written
            if written is not kept or entry.transmissions > 1:
                entry.size = frame_size(written, kind)
        if limit is not None and entry.size > limit:
            raise MessageTooBig(entry.size, limit)
        return entry.size

    def _too_big(self, entry: Outgoing, error: MessageTooBig) -> None:
        """A promised message waits for a server that takes it; another one fails."""
        if not self._outbox.park_too_big(entry):
            self._outbox.refused(entry, error)
        self._listener.reported(ErrorKind.APPLICATION, error, is_retryable=False)
        self._listener.outbox_changed()

    def line_wrote(self, line: Line, entries: Sequence[Outgoing]) -> None:
        """The socket took messages."""
        self._wrote(line)
        self._counters.messages_sent += len(entries)
        is_logging = self._log.has_messages
        for entry in entries:
            if is_logging:
                self._log.sent(entry.envelope.type, entry.delivery.id)
            self._outbox.written(entry)
            if not self._has_acknowledgements and entry.guarantee is Guarantee.AT_LEAST_ONCE:
                self._warn_of_no_acknowledgements(entry.envelope.type)
        self._look_if_drained()
        self._listener.outbox_changed()

    def _look_if_drained(self) -> None:
        if not len(self._outbox) and self._decisions.awaits_drain:
            self._perform(self._decisions.drained(self.loop.time()))

    def _warn_of_no_acknowledgements(self, kind: str) -> None:
        if self._conversation.is_first("acknowledgements"):
            self._warn(
                f"{kind!r} is an at-least-once message, but this server acknowledges nothing: its Delivery ends as SENT, "
                "which proves nothing; speak a dialect with acknowledgements, or register the type as at-most-once"
            )

    def _wrote(self, line: Line) -> None:
        traffic, heartbeat = line.traffic, self._decisions.heartbeat
        if traffic is not None and heartbeat.wrote(traffic.written, self.loop.time()):
            self._alarm.no_later_than(heartbeat.deadline)

    def _confirmed(self, position: int) -> None:
        """The server has read bytes up to a position, or as far as its pong says."""
        heartbeat = self._decisions.heartbeat
        heartbeat.confirm(position, self.loop.time())
        if self._outbox.needs_confirmation:
            self._outbox.confirmed(heartbeat.confirmed, self.loop.time())
            self._alarm.no_later_than(self._outbox.deadline)
        if self._line is not None:
            self._line.wake()

    def line_cut_off(self, line: Line, entry: Outgoing) -> None:
        """The socket ended while it took a message."""
        del line
        self._outbox.cut_off(entry)
        self._listener.outbox_changed()

    def line_failed(self, line: Line, error: Exception) -> None:
        """The dial failed or the socket ended."""
        failure = self._dialer.end(error) if line.has_opened else self._dialer.failure(error)
        if line is self._line:
            self._line = None
        self._perform(self._decisions.failed(line.generation, failure, self.loop.time()))

    def line_over(self, line: Line) -> None:
        """The last task of a line ends."""
        self._lines.discard(line)
        if line is self._line:
            # Neither side ended it: the loop shuts down and cancels all tasks.
            self._line = None
            self.disconnect(0.0)
        self._end_if_over()

    def _end_if_over(self) -> None:
        state = self._decisions.connection.state
        if state is ConnectionState.CLOSED and not self._lines and not self._is_performing:
            # A message of a durable outbox may still have a time to live. It counts again with the next connection.
            self._alarm.stop()
            flight = self._dialer.close()
            if flight is not None:
                flight.add_done_callback(lambda _: self._listener.ended())
            else:
                self._listener.ended()

    # --- time -----------------------------------------------------------------------------------------------------------

    def _deadlines(self) -> Iterable[float | None]:
        yield self._decisions.deadline
        yield self._outbox.deadline
        yield self._receiver.inbound.deadline
        yield self._receiver.agenda.deadline
        yield self._subscriptions.deadline
        yield self._sleep.deadline
        yield self._token_watch.deadline
        if self._conversation.session is not None:
            yield self._conversation.session.deadline

    def _reading(self) -> Reading:
        traffic = self._line.traffic if self._line is not None else None
        if traffic is None:
            return Reading()
        return Reading(traffic.received, traffic.written, traffic.waiting, traffic.is_reading)

    def _tick(self) -> None:
        now = self.loop.time()
        if self._sleep.has_slept(now):
            _logger.info("the computer slept; dialing again")
            self._perform(self._decisions.woke(now))
        due = self._decisions.deadline
        if due is not None and due <= now:
            self._perform(self._decisions.tick(now, self._reading()))
        due = self._outbox.deadline
        if due is not None and due <= now:
            if not self._outbox.tick(now):
                text = (
                    "the server reads messages and acknowledges none; another connection may help"
                )
                self._perform(self._decisions.abandon(DialFailed(text), now))
            self.outbox_changed()
            self._listener.outbox_changed()
        due = self._receiver.inbound.deadline
        if due is not None and due <= now:
            self._finish_burst(self._receiver.release(now))
        self._receiver.agenda.tick(now)
        session = self._conversation.session
        if session is not None and session.deadline is not None and session.deadline <= now:
            self._take(session.tick(now))
        if self._token_watch.is_due(now):
            self._listener.token_expires()
        self.say_subscriptions()
        self._alarm.set()
