"""Decides what follows an event of one connection, without I/O, and keeps the record of the connection.

    * One method, `_move`, assigns the state, and only through the table of `transitions`.
    * Every event of a socket carries its generation. An event of an older generation is counted and changes nothing.
    * Every call returns effects, which the caller performs in order. A call may change `deadline`; the caller then calls
      `tick` at that time.
    * Time and random numbers come from the caller. The same calls give the same effects, always.

It opens no socket, keeps no message and knows no thread. `service.shell` performs the effects.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from ..errors import (
    BadAddress,
    BadCertificate,
    ConnectionLost,
    DialFailed,
    GaveUp,
    HandshakeRefused,
    HeartbeatTimeout,
    ProxyRefused,
    RedirectRefused,
    TokenRefused,
    Unauthorized,
)
from . import effects as do
from .close_policy import CloseCode, Meaning, Verdict
from .effects import ConnectionEffect
from .heartbeat import HeartbeatMonitor, Reading
from .options import DecisionOptions
from .record import Connection, ErrorKind, Phase
from .transitions import ConnectionState, Event, follow

__all__ = ["Decisions"]

_FROM_OUTSIDE = (
    BadAddress,
    BadCertificate,
    ConnectionLost,
    HandshakeRefused,
    ProxyRefused,
    RedirectRefused,
)
"""Failures that a login page, an intercepting proxy or a deployment causes for a while. A bug is not among them."""


class Decisions:
    """Decides for one connection over its whole life. Loop only.

    Args:
        options: What to decide by.
        rng: For jitter.
        new_id: Makes the ids of pings.
        backlog: Returns how many messages wait in the outbox or for their acknowledgement.

    Attributes:
        connection: The newest record of the connection.
        heartbeat: Watches whether the server still answers.
        stale_events: How many events of older sockets, tasks and timers were ignored.
    """

    def __init__(
        self,
        options: DecisionOptions,
        *,
        rng: random.Random,
        new_id: Callable[[], str],
        backlog: Callable[[], int],
    ) -> None:
        self.connection = Connection(url=options.url, max_attempts=options.max_attempts)
        self.stale_events = 0
        self.heartbeat = HeartbeatMonitor(options.heartbeat, new_id)
        self._options = options
        self._rng = rng
        self._backlog = backlog
        self._effects: list[ConnectionEffect] = []
        self._generation = 0
        self._has_socket = False
        # The answer that the handshake waits for, for the error text.
        self._awaits = "connection"
        self._connected_at = 0.0
        self._is_refreshed = False
        self._has_worked = False
        self._force_token = False
        self._retry_at: float | None = None
        self._handshake_until: float | None = None
        self._drain_until: float | None = None
        self._retries = 0
        self._delays: Iterator[float] = options.backoff.delays(rng)

    @property
    def generation(self) -> int:
        """The number of the newest dial."""
        return self._generation

    @property
    def is_draining(self) -> bool:
        """Whether a disconnect waits for acknowledgements."""
        return self._drain_until is not None

    @property
    def awaits_drain(self) -> bool:
        """Whether `drained` would change anything."""
        return self._drain_until is not None or self.connection.phase is Phase.FLUSHING

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called next; None for never."""
        times = (
            self._retry_at,
            self._handshake_until,
            self._drain_until,
            self.heartbeat.deadline,
        )
        return min((time for time in times if time is not None), default=None)

    # --- what the program wants -----------------------------------------------------------------------------------------

    def connect(self, now: float) -> list[ConnectionEffect]:
        """Starts, or does nothing when that is under way; while waiting for a retry, dials at once."""
        state = self.connection.state
        if self._drain_until is not None:
            self._drain_until = None
            if state is ConnectionState.CONNECTED:
                self._note(phase=Phase.LIVE)
        is_dialing = self._retry_at is None and state is ConnectionState.RECONNECTING
        if state is ConnectionState.CONNECTED or state is ConnectionState.CONNECTING or is_dialing:
            return self._take()
        self._start_over()
        self._dial(now, Event.CONNECT)
        return self._take()

    def reconnect(self, now: float) -> list[ConnectionEffect]:
        """Drops the socket and dials at once. Nothing that waits is lost."""
        self._drain_until = None
        self._drop()
        self._start_over()
        self._dial(now, Event.RECONNECT)
        return self._take()

    def disconnect(self, now: float, drain: float = 0.0) -> list[ConnectionEffect]:
        """Closes, after at most `drain` seconds in which what waits may still be delivered.

        Without a socket and without a dial under way there is nothing to wait for.
        """
        is_open = self._has_socket or self._handshake_until is not None
        if drain > 0 and self._backlog() and is_open:
            self._drain_until = now + drain
            self._note(phase=Phase.CLOSING)
        else:
            self._finish(now)
        return self._take()

    def drained(self, now: float) -> list[ConnectionEffect]:
        """The outbox became empty."""
        if self._drain_until is not None:
            self._finish(now)
        elif self.connection.phase is Phase.FLUSHING:
            self._note(phase=Phase.LIVE)
        return self._take()

    # --- what happens to the socket -------------------------------------------------------------------------------------

    def opened(self, generation: int) -> list[ConnectionEffect]:
        """The handshake of the socket succeeded; the dialect's handshake comes next."""
        if not self._is_stale(generation):
            self._has_socket = True
            self._force_token = False
        return self._take()

    def handshaking(
        self, generation: int, now: float, phase: Phase, awaits: str, size: int = 0
    ) -> list[ConnectionEffect]:
        """The dialect's handshake goes on; each answer of the server has the dial timeout for itself.

        Args:
            generation: Of the socket.
            now: The time.
            phase: The step, for the record.
            awaits: The missing answer, for the error text.
            size: Bytes of the question when it is large.
        """
        if self._is_stale(generation) or not self._has_socket:
            return self._take()
        self._awaits = awaits
        if phase is not Phase.DIALING:
            until = now + self._options.dial_timeout + size / self.heartbeat.rate
            self._handshake_until = until
            self._note(phase=phase)
        return self._take()

    def ready(
        self,
        generation: int,
        now: float,
        *,
        beat: float | None = None,
        window: int | None = None,
        is_recovered: bool | None = None,
    ) -> list[ConnectionEffect]:
        """The connection may carry messages.

        Args:
            generation: Of the socket.
            now: The time.
            beat: Seconds between two pings that the server asks for.
            window: Bytes that may be unconfirmed, as the server asks for.
            is_recovered: Whether every stream goes on where it stopped; None when there was none.
        """
        if not self._is_stale(generation) and self._has_socket:
            self.heartbeat.suggest(beat, window)
            self._ready(now, is_recovered=is_recovered)
        return self._take()

    def failed(self, generation: int, error: Exception, now: float) -> list[ConnectionEffect]:
        """The dial failed or the socket closed."""
        if not self._is_stale(generation):
            event = Event.LOST if self._has_socket else Event.DIAL_FAILED
            self._has_socket = False
            self._end(error, now, event)
        return self._take()

    def abandon(self, error: Exception, now: float) -> list[ConnectionEffect]:
        """The shell found that the connection is of no further use: drop it and retry."""
        if self._has_socket:
            self._drop_and_retry(error, now)
        return self._take()

    def refresh(self, *, is_in_place: bool) -> bool:
        """A new token is wanted.

        Args:
            is_in_place: Whether the server takes one on this connection.

        Returns:
            True: send it in place; False: reconnect, the next dial asks for a new one.
        """
        if is_in_place and self.connection.state is ConnectionState.CONNECTED:
            return True
        self._force_token = True
        return False

    def woke(self, now: float) -> list[ConnectionEffect]:
        """The computer slept: whatever was open is dead, whatever was waited for is over."""
        if self.connection.state in (ConnectionState.CLOSED, ConnectionState.ERROR):
            return self._take()
        self._start_over()
        error = ConnectionLost(CloseCode.NO_FRAME, "the computer was asleep")
        self._drop_and_retry(error, now, delay=self._rng.uniform(0.0, 2.0))
        return self._take()

    def alive(self, generation: int, now: float, token: str | None) -> list[ConnectionEffect]:
        """The server answered a `Prove`; without a token, the oldest one."""
        if not self._is_stale(generation):
            self.heartbeat.pong(token, now)
        return self._take()

    def leaving(self, generation: int, now: float, after: float) -> list[ConnectionEffect]:
        """The server will close soon and wants the client back after some seconds."""
        if not self._is_stale(generation) and self._has_socket:
            self._go_away(after, now)
        return self._take()

    def hang_up(self, generation: int, now: float, code: int, text: str) -> list[ConnectionEffect]:
        """The dialect wants this connection closed with a code, for the reason in the text."""
        if not self._is_stale(generation) and self._has_socket:
            self._effects.append(do.Close(generation, code))
            event = Event.LOST
            self._end(DialFailed(text), now, event)
        return self._take()

    def token_refused(self, generation: int, now: float, text: str) -> list[ConnectionEffect]:
        """The server refused the token in a message."""
        if not self._is_stale(generation) and self._has_socket:
            self._drop_and_retry(TokenRefused(text), now)
        return self._take()

    def pong(self, generation: int, now: float) -> list[ConnectionEffect]:
        """A WebSocket pong frame answered ours."""
        if not self._is_stale(generation):
            self.heartbeat.frame_arrived(now)
            self.heartbeat.pong(None, now)
        return self._take()

    def tick(self, now: float, reading: Reading | None = None) -> list[ConnectionEffect]:
        """Does what is due at `now`. `reading` are the byte counts of the socket, if there is one."""
        if self._drain_until is not None and self._drain_until <= now:
            self._finish(now)
        elif self._retry_at is not None and self._retry_at <= now:
            self._dial(now, Event.RETRY)
        elif self._handshake_until is not None and self._handshake_until <= now:
            text = f"no {self._awaits} within {self._options.dial_timeout:g} s"
            self._drop_and_retry(DialFailed(text), now)
        else:
            self._beat(now, reading or Reading())
        return self._take()

    # --- the record -----------------------------------------------------------------------------------------------------

    def _take(self) -> list[ConnectionEffect]:
        taken, self._effects = self._effects, []
        return taken

    def _is_stale(self, generation: int) -> bool:
        if generation == self._generation:
            return False
        self.stale_events += 1
        return True

    def _note(self, **changes: Any) -> None:
        changed = attrs.evolve(self.connection, **changes)
        if changed != self.connection:
            self.connection = changed
            self._effects.append(do.Publish(changed))

    def _move(self, event: Event, now: float, **changes: Any) -> None:
        state = follow(self.connection.state, event)
        since = now if state is not self.connection.state else self.connection.since
        self._note(state=state, since=since, **changes)

    # --- how ------------------------------------------------------------------------------------------------------------

    def _start_over(self) -> None:
        self._retries = 0
        self._is_refreshed = False
        self._delays = self._options.backoff.delays(self._rng)

    def _dial(self, now: float, event: Event) -> None:
        self._generation += 1
        self._retry_at = None
        self._handshake_until = now + self._options.dial_timeout
        self._awaits = "connection"
        self._move(
            event,
            now,
            phase=Phase.DIALING,
            attempt=self._retries,
            next_retry_at=None,
            generation=self._generation,
        )
        self._effects.append(do.Dial(self._generation, self._force_token))

    def _ready(self, now: float, *, is_recovered: bool | None = None) -> None:
        self._handshake_until = None
        self._connected_at = now
        self.heartbeat.start(now)
        self._move(
            Event.READY,
            now,
            phase=Phase.CLOSING
            if self.is_draining
            else Phase.FLUSHING
            if self._backlog()
            else Phase.LIVE,
            attempt=0,
            next_retry_at=None,
            cause=None,
            error=None,
            is_recovered=is_recovered,
        )
        self._effects.append(do.ConnectionReady(self._generation))

    def _beat(self, now: float, reading: Reading) -> None:
        due = self.heartbeat.tick(now, reading)
        if due is None:
            return
        if isinstance(due, HeartbeatTimeout):
            self._drop_and_retry(due, now)
        else:
            self._effects.append(do.Prove(self._generation, due))

    def _go_away(self, after: float, now: float) -> None:
        self._effects.append(do.Close(self._generation, CloseCode.GOING_AWAY))
        self._has_socket = False
        wait = min(max(0.0, after), self._options.policy.max_server_delay)
        error = ConnectionLost(CloseCode.GOING_AWAY, "the server asked us to come back later")
        self._end(error, now, Event.LOST, delay=wait + next(self._delays))

    def _drop(self) -> None:
        """Drops socket or dial. Its later events are stale, because the next dial has another generation."""
        if self._has_socket or self._handshake_until is not None:
            self._effects.append(do.Abort(self._generation))
            self._effects.append(do.ConnectionEnded())
        self._quiet()

    def _quiet(self) -> None:
        if self.connection.is_connected:
            self._has_worked = True
        self._has_socket = False
        self._retry_at = self._handshake_until = None
        self.heartbeat.stop()

    def _drop_and_retry(self, error: Exception, now: float, *, delay: float | None = None) -> None:
        self._effects.append(do.Abort(self._generation))
        event = Event.LOST if self._has_socket else Event.DIAL_FAILED
        self._end(error, now, event, delay=delay)

    def _finish(self, now: float) -> None:
        self._drain_until = None
        if self._has_socket:
            self._effects.append(do.Close(self._generation))
        elif self._handshake_until is not None:
            self._effects.append(do.Abort(self._generation))
        was_open = self._has_socket or self._handshake_until is not None
        self._quiet()
        # What the closing socket still reports belongs to the past.
        self._generation += 1
        self._effects.append(do.SettleOutbox())
        if was_open:
            self._effects.append(do.ConnectionEnded())
        self._move(Event.DISCONNECT, now, phase=None, attempt=0, next_retry_at=None)

    def _end(
        self, error: Exception, now: float, event: Event, *, delay: float | None = None
    ) -> None:
        """Decides what follows the end of a connection or of a dial."""
        had_worked = self._has_worked
        was_connected = self.connection.state is ConnectionState.CONNECTED
        if was_connected and now - self._connected_at >= self._options.stable_after:
            self._start_over()
        self._quiet()
        # A socket that reports again after this, such as the one that was just aborted, is an old one.
        self._generation += 1
        meaning = self._options.policy.meaning_of(error)
        self._effects.append(do.ConnectionEnded(meaning.refusals))
        verdict, fatal = self._judge(meaning, error, has_worked=had_worked)
        if fatal is not None:
            # A server that lets in and then refuses, such as one with a policy of its own, has not worked.
            self._has_worked = had_worked
        if verdict is Verdict.STOP:
            self._stop(error, now)
            return
        self._effects.append(do.RaiseError(meaning.kind, error, fatal is None))
        limit = self._options.max_attempts
        if fatal is None and limit is not None and self._retries >= limit:
            fatal = GaveUp(self._retries, str(error))
            self._effects.append(do.RaiseError(ErrorKind.NETWORK, fatal, is_retryable=False))
        if fatal is not None:
            self._drain_until = None
            self._move(
                Event.FATAL, now, phase=None, next_retry_at=None, cause=str(fatal), error=fatal
            )
            return
        if self.connection.state is not ConnectionState.RECONNECTING:
            self._move(event, now, phase=None, cause=str(error), error=error)
        if self.is_draining:
            # Only another connection could deliver what waits, and the program wants none.
            self._finish(now)
            return
        self._retry(error, verdict, now, delay)

    def _retry(self, error: Exception, verdict: Verdict, now: float, delay: float | None) -> None:
        if delay is None:
            delay = self._options.policy.delay_after(error, verdict, next(self._delays))
        self._retries += 1
        self._retry_at = now + delay
        self._move(
            Event.RETRY,
            now,
            phase=Phase.BACKING_OFF,
            attempt=self._retries,
            next_retry_at=self._retry_at,
            cause=str(error),
            error=error,
        )

    def _stop(self, error: Exception, now: float) -> None:
        self._drain_until = None
        self._effects.append(do.SettleOutbox())
        self._move(
            Event.DISCONNECT, now, phase=None, attempt=0, next_retry_at=None, cause=str(error)
        )

    def _judge(
        self, meaning: Meaning, error: Exception, *, has_worked: bool
    ) -> tuple[Verdict, Exception | None]:
        """Returns the verdict, and the exception to give up with when it is fatal."""
        options, verdict = self._options, meaning.verdict
        if verdict is Verdict.REFRESH_TOKEN and not (options.has_token or options.can_refresh):
            # Without a token of ours the refusal may be about something else, such as a network that wants a sign-in.
            if has_worked:
                return Verdict.RETRY_SLOWLY, None
            return Verdict.FATAL, Unauthorized(str(error))
        if verdict is Verdict.REFRESH_TOKEN:
            if not options.can_refresh or self._is_refreshed:
                return Verdict.FATAL, Unauthorized(str(error))
            self._is_refreshed = self._force_token = True
        if verdict is Verdict.FATAL and has_worked and isinstance(error, _FROM_OUTSIDE):
            return Verdict.RETRY_SLOWLY, None
        return verdict, error if verdict is Verdict.FATAL else None
