from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import count
from typing import Any

import attrs
import pytest

from reactive_ws.connection import effects as do
from reactive_ws.connection.backoff import Backoff, Jitter
from reactive_ws.connection.close_policy import ClosePolicy, Meaning, Verdict
from reactive_ws.connection.decisions import Decisions
from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.options import DecisionOptions
from reactive_ws.connection.record import ConnectionState, Phase
from reactive_ws.dialects import (
    V1,
    Alive,
    Control,
    Handshaking,
    Hangup,
    Leaving,
    Notice,
    Opening,
    Ready,
    Step,
)
from reactive_ws.errors import (
    BadAddress,
    BadCertificate,
    ConnectionLost,
    DialFailed,
    GaveUp,
    HandshakeRefused,
    HeartbeatTimeout,
    ProxyRefused,
    RedirectRefused,
    Unauthorized,
)
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.control import (
    AuthOk,
    GoAway,
    Hello,
    Ping,
    Pong,
    Position,
    Recovery,
    Resume,
    Resumed,
    Sync,
)
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import protocol_v1

STEADY = Backoff(initial=1.0, factor=2.0, cap=60.0, jitter=Jitter.NONE)
S = ConnectionState


@attrs.frozen
class Said:
    """A message of the connection that the session writes."""

    payload: Any
    id: str | None = None


class Rig:
    """Decisions and sessions of v1 with a hand-set clock and a log of what they want."""

    def __init__(self, *, has_first_message: bool = False, **options: Any) -> None:
        self.positions: dict[str, Position] = {}
        self.backlog = 0
        self.now = 0.0
        self._token = "token" if has_first_message else None
        self._timeout = options.get("dial_timeout", 10.0)
        ids = count(1)
        self._new_id = lambda: f"id{next(ids)}"
        self.protocol = Decisions(
            DecisionOptions(backoff=STEADY, **options),
            rng=random.Random(0),
            new_id=self._new_id,
            backlog=lambda: self.backlog,
        )
        self._codec = JsonCodec(protocol_v1())
        self._dialect = V1(codec=self._codec)
        self._memory: Mapping[str, str] = {}
        self.session = self._dialect.session()
        self.effects: list[Any] = []
        self.states: list[S] = []

    def run(self, effects: list[do.Effect]) -> list[Any]:
        self.effects = []
        self._perform(effects)
        return self.effects

    def _perform(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, do.Publish) and self.states[-1:] != [effect.connection.state]:
                self.states.append(effect.connection.state)
            self.effects.append(effect)
            if isinstance(effect, do.Prove):
                step = self.session.prove(effect.token, self.now)
                if step is not None:
                    self.effects.pop()
                    self._take(step)

    def _take(self, step: Step | Envelope[Any]) -> None:
        if not isinstance(step, Step):
            return
        protocol, generation = self.protocol, self.generation
        for frame in step.frames:
            message = self._codec.decode(frame.data)
            self.effects.append(Said(message.payload, message.id))
        for event in step.events:
            match event:
                case Handshaking():
                    self._perform(
                        protocol.handshaking(
                            generation, self.now, event.phase, event.awaits, event.size
                        )
                    )
                case Ready():
                    self._perform(
                        protocol.ready(
                            generation,
                            self.now,
                            beat=event.beat,
                            is_recovered=event.is_recovered,
                        )
                    )
                case Alive(is_answer=True):
                    self._perform(protocol.alive(generation, self.now, event.token))
                case Leaving():
                    self._perform(protocol.leaving(generation, self.now, event.after))
                case Hangup():
                    self._memory = self.session.memory
                    self._perform(protocol.hang_up(generation, self.now, event.code, event.text))
                case Control() | Alive():
                    pass
                case _:
                    self.effects.append(event)

    @property
    def generation(self) -> int:
        return self.protocol.generation

    @property
    def state(self) -> S:
        return self.protocol.connection.state

    def kinds(self) -> list[str]:
        return [
            type(effect.payload if isinstance(effect, Said) else effect).__name__
            for effect in self.effects
        ]

    def connect(self) -> None:
        self.run(self.protocol.connect(self.now))

    def open(self, *, plain: bool = True) -> None:
        self.run(self.protocol.opened(self.generation))
        self._memory = self.session.memory
        self.session = self._dialect.session()
        opening = Opening(
            token=self._token,
            subprotocol=None if plain else self._codec.subprotocol,
            positions=self.positions,
            memory=self._memory,
            timeout=self._timeout,
            new_id=self._new_id,
        )
        self._take(self.session.opened(opening, self.now))

    def say(self, payload: Any, identity: str | None = None) -> None:
        name = protocol_v1().of(payload.__class__).name
        self.hear(self._codec.encode(Envelope(name, payload, name, identity)))

    def hear(self, frame: str) -> None:
        self.effects = []
        self._take(self.session.received(frame, self.now))

    def pong(self) -> None:
        self.run(self.protocol.pong(self.generation, self.now))
        self._take(self.session.ponged(self.now))

    def fail(self, error: Exception) -> None:
        self.run(self.protocol.failed(self.generation, error, self.now))

    def up(self) -> None:
        self.connect()
        self.open()

    def tick(self) -> float:
        """Goes to the next deadline."""
        times = (self.protocol.deadline, self.session.deadline)
        deadline = min(time for time in times if time is not None)
        self.now = deadline
        self.effects = []
        if self.session.deadline == deadline:
            self._take(self.session.tick(self.now))
        else:
            self._perform(self.protocol.tick(self.now))
        return deadline


def test_a_plain_connection_is_ready_when_open() -> None:
    rig = Rig()
    rig.connect()
    assert rig.kinds() == ["Publish", "Dial"]
    rig.open()
    assert rig.kinds() == ["Publish", "ConnectionReady"]
    assert rig.states == [S.CONNECTING, S.CONNECTED]


def test_hello_auth_and_resume_come_before_ready() -> None:
    rig = Rig(has_first_message=True)
    rig.positions = {"chat": Position("e", 5)}
    rig.connect()
    rig.open(plain=False)
    assert rig.effects == []
    rig.say(Hello("e", resume=True))
    assert rig.kinds() == ["Auth", "Publish"]
    rig.say(AuthOk())
    assert rig.effects[0].payload == Resume({"chat": Position("e", 5)})
    assert rig.protocol.connection.phase is Phase.RESUMING
    rig.say(Resumed({"chat": Recovery(False, "f", 9)}))
    assert rig.kinds() == ["Following", "Publish", "ConnectionReady"]
    assert rig.protocol.connection.is_recovered is False


def test_a_missing_hello_fails_the_dial_in_time() -> None:
    rig = Rig(dial_timeout=10.0)
    rig.connect()
    rig.open(plain=False)
    # In the middle it asks with a ping whether the server lives.
    assert rig.tick() == 5.0
    assert rig.tick() == 10.0
    assert rig.kinds() == ["Abort", "ConnectionEnded", "RaiseError", "Publish", "Publish"]
    assert rig.states == [S.CONNECTING, S.DISCONNECTED, S.RECONNECTING]


def test_an_outage_is_announced_once_however_many_dials_fail() -> None:
    rig = Rig()
    rig.up()
    rig.now = 100.0
    rig.fail(ConnectionLost(1006))
    delays = []
    for _ in range(4):
        before = rig.now
        delays.append(rig.tick() - before)
        rig.fail(DialFailed("refused"))
    assert delays == [1.0, 2.0, 4.0, 8.0]
    assert rig.protocol.connection.attempt == 5
    rig.tick()
    rig.open()
    assert rig.states == [S.CONNECTING, S.CONNECTED, S.DISCONNECTED, S.RECONNECTING, S.CONNECTED]


def test_delays_start_over_only_after_a_stable_connection() -> None:
    rig = Rig(stable_after=10.0)
    rig.up()
    delays = []
    for life in (0.0, 9.5, 9.5, 10.5, 0.0):
        rig.now += life
        rig.fail(ConnectionLost(1000))
        before = rig.now
        delays.append(round(rig.tick() - before, 6))
        rig.open()
    assert delays == [1.0, 2.0, 4.0, 1.0, 2.0]


def test_events_of_older_sockets_are_counted_and_change_nothing() -> None:
    rig = Rig()
    rig.connect()
    old = rig.generation
    rig.run(rig.protocol.reconnect(0.0))
    connection = rig.protocol.connection
    assert rig.protocol.opened(old) == []
    assert rig.protocol.failed(old, DialFailed("late"), 0.0) == []
    assert rig.protocol.alive(old, 0.0, None) == []
    assert rig.protocol.ready(old, 0.0) == []
    assert rig.protocol.handshaking(old, 0.0, Phase.RESUMING, "answer") == []
    assert rig.protocol.leaving(old, 0.0, 1.0) == []
    assert rig.protocol.hang_up(old, 0.0, 1000, "over") == []
    assert rig.protocol.token_refused(old, 0.0, "old") == []
    assert rig.protocol.stale_events == 8
    assert rig.protocol.connection is connection


def test_attempts_run_out() -> None:
    rig = Rig(max_attempts=2)
    rig.connect()
    for _ in range(2):
        rig.fail(DialFailed("refused"))
        rig.tick()
    rig.fail(DialFailed("refused"))
    assert rig.state is S.ERROR
    assert isinstance(rig.protocol.connection.error, GaveUp)
    assert rig.protocol.deadline is None
    rig.connect()
    assert rig.state is S.CONNECTING


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConnectionLost(1000), S.RECONNECTING),
        (ConnectionLost(1001), S.RECONNECTING),
        (ConnectionLost(1008), S.ERROR),
        (ConnectionLost(1009, was_received=False), S.RECONNECTING),
        (ConnectionLost(4499), S.RECONNECTING),
        (ConnectionLost(4500), S.ERROR),
        (HandshakeRefused(404), S.ERROR),
        (HandshakeRefused(401), S.ERROR),
        (HandshakeRefused(502), S.RECONNECTING),
        (BadCertificate("expired"), S.ERROR),
        (Unauthorized(), S.ERROR),
        (RuntimeError("a bug"), S.ERROR),
    ],
)
def test_failures_are_judged_by_the_table(error: Exception, state: S) -> None:
    rig = Rig()
    rig.connect()
    rig.fail(error)
    assert rig.state is state


OUTSIDE = [
    ConnectionLost(1008),
    ConnectionLost(4500),
    HandshakeRefused(404),
    HandshakeRefused(403),
    RedirectRefused(302, "ws://login.example/", "another origin"),
    ProxyRefused(407),
    BadCertificate("self-signed"),
    BadAddress("***", "not a URL"),
]


@pytest.mark.parametrize("error", OUTSIDE, ids=repr)
def test_a_service_that_worked_retries_slowly_what_is_fatal_for_a_new_one(error: Exception) -> None:
    fresh = Rig()
    fresh.connect()
    fresh.fail(error)
    assert fresh.state is S.ERROR
    rig = Rig()
    rig.up()
    rig.now = 3.0
    rig.fail(ConnectionLost(1006))
    rig.tick()
    rig.now = 4.0
    rig.fail(error)
    assert rig.state is S.RECONNECTING
    assert rig.protocol.deadline == 9.0
    rig.tick()
    rig.open()
    assert rig.state is S.CONNECTED


def test_a_server_that_lets_in_and_refuses_has_not_worked() -> None:
    rig = Rig()
    for _ in range(2):
        rig.up()
        rig.fail(ConnectionLost(1008))
        assert rig.state is S.ERROR


def test_a_bug_and_a_dead_token_stay_fatal_after_a_service_worked() -> None:
    for error in (RuntimeError("a bug"), Unauthorized()):
        rig = Rig()
        rig.up()
        rig.fail(ConnectionLost(1006))
        rig.tick()
        rig.fail(error)
        assert rig.state is S.ERROR


def test_a_refused_token_is_refreshed_once_per_outage() -> None:
    rig = Rig(can_refresh=True)
    rig.up()
    rig.now = 20.0
    rig.fail(ConnectionLost(4401))
    rig.tick()
    assert rig.effects[-1] == do.Dial(rig.generation, force_token=True)
    rig.fail(HandshakeRefused(403))
    assert rig.state is S.ERROR
    assert isinstance(rig.protocol.connection.error, Unauthorized)


def test_a_token_that_was_refreshed_serves_the_next_outage() -> None:
    rig = Rig(can_refresh=True)
    rig.up()
    rig.now = 20.0
    rig.fail(ConnectionLost(4401))
    rig.tick()
    rig.open()
    rig.now += 20.0
    rig.fail(ConnectionLost(1006))
    rig.tick()
    assert rig.effects[-1] == do.Dial(rig.generation, force_token=False)


def test_a_disconnect_without_time_leaves_what_waits() -> None:
    for drain in ((), (0.0,)):
        rig = Rig()
        rig.up()
        rig.backlog = 1
        rig.run(rig.protocol.disconnect(0.0, *drain))
        assert (rig.state, rig.protocol.is_draining) == (S.CLOSED, False)


def test_a_dialect_closes_with_its_code_and_the_next_dial_comes() -> None:
    rig = Rig()
    rig.up()
    rig.run(rig.protocol.hang_up(rig.generation, 0.0, 3000, "no such channel"))
    assert rig.effects[0] == do.Close(rig.generation - 1, 3000)
    assert (rig.state, rig.protocol.connection.cause) == (S.RECONNECTING, "no such channel")


def test_the_server_decides_how_long_to_wait() -> None:
    rig = Rig()
    rig.connect()
    rig.fail(HandshakeRefused(503, 120.0))
    assert rig.protocol.deadline == 120.0
    rig.tick()
    rig.fail(HandshakeRefused(429))
    assert rig.protocol.deadline == 125.0


def test_goaway_closes_politely_and_comes_back_later() -> None:
    rig = Rig()
    rig.up()
    rig.say(GoAway(30.0))
    assert rig.kinds()[:2] == ["Close", "ConnectionEnded"]
    assert rig.protocol.deadline == 31.0
    assert rig.state is S.RECONNECTING


def test_stop_on_normal_close_ends_for_good() -> None:
    rig = Rig(policy=ClosePolicy(stop_on_normal_close=True))
    rig.up()
    rig.fail(ConnectionLost(1000))
    assert rig.state is S.CLOSED
    assert rig.protocol.deadline is None


def test_the_policy_is_data() -> None:
    fatal, retry = Meaning(Verdict.FATAL), Meaning(Verdict.RETRY)
    assert ClosePolicy(codes={1001: fatal}).for_code(1001) is fatal
    assert ClosePolicy(codes={4700: retry}).for_code(4700) is retry


def test_a_silent_connection_is_aborted_and_an_answered_ping_is_life() -> None:
    rig = Rig(heartbeat=Heartbeat(interval=30.0, timeout=10.0))
    rig.up()
    assert rig.tick() == 30.0
    assert rig.kinds() == ["Prove"]
    rig.run(rig.protocol.pong(rig.generation, 35.0))
    assert rig.tick() == 60.0
    assert rig.kinds() == ["Prove"]
    assert rig.tick() == 70.0
    assert rig.effects == []
    # The socket is looked at once more.
    assert rig.tick() == 70.05
    assert rig.kinds()[0] == "Abort"
    assert isinstance(rig.protocol.connection.error, HeartbeatTimeout)
    assert rig.state is S.RECONNECTING


def test_a_ping_of_the_old_connection_does_not_hurt_the_new_one() -> None:
    rig = Rig(heartbeat=Heartbeat(interval=30.0, timeout=10.0))
    rig.up()
    rig.tick()
    rig.run(rig.protocol.reconnect(31.0))
    rig.now = 32.0
    rig.open()
    assert rig.protocol.deadline == 62.0


def test_pings_of_the_server_are_answered_with_their_id() -> None:
    rig = Rig()
    rig.up()
    rig.say(Ping(), "7")
    assert rig.effects == [Said(Pong(), "7")]


def test_the_server_may_ask_for_a_faster_heartbeat() -> None:
    rig = Rig(heartbeat=Heartbeat(interval=30.0))
    rig.connect()
    rig.open(plain=False)
    rig.say(Hello("e", heartbeat=5.0))
    assert rig.tick() == 5.0
    (asked,) = rig.effects
    assert asked.payload == Ping()
    rig.now = 5.25
    rig.say(Pong(), asked.id)
    assert rig.protocol.heartbeat.round_trip == 0.25


def test_disconnect_waits_for_what_is_queued_but_not_for_ever() -> None:
    rig = Rig()
    rig.up()
    rig.backlog = 1
    rig.run(rig.protocol.disconnect(0.0, 5.0))
    assert rig.state is S.CONNECTED
    assert rig.protocol.connection.phase is Phase.CLOSING
    assert rig.tick() == 5.0
    assert rig.kinds() == ["Close", "SettleOutbox", "ConnectionEnded", "Publish"]
    assert rig.state is S.CLOSED
    assert rig.protocol.deadline is None


def test_disconnect_works_in_every_state_and_leaves_no_deadline() -> None:
    rig = Rig()
    rig.run(rig.protocol.disconnect(0.0))
    assert rig.state is S.CLOSED
    rig.connect()
    rig.run(rig.protocol.disconnect(0.0))
    assert rig.kinds() == ["Abort", "SettleOutbox", "ConnectionEnded", "Publish"]
    rig.connect()
    rig.fail(DialFailed("no"))
    rig.run(rig.protocol.disconnect(0.0))
    assert (rig.state, rig.protocol.deadline) == (S.CLOSED, None)


def test_connect_while_waiting_dials_at_once_with_attempts_at_zero() -> None:
    rig = Rig()
    rig.connect()
    for _ in range(5):
        rig.fail(DialFailed("no"))
        rig.tick()
    rig.fail(DialFailed("no"))
    rig.connect()
    assert rig.kinds() == ["Publish", "Dial"]
    assert rig.protocol.connection.attempt == 0
    rig.connect()
    assert rig.effects == []
    rig.fail(DialFailed("no"))
    assert rig.protocol.deadline == rig.now + 1.0


def test_waking_up_dials_soon_with_attempts_at_zero() -> None:
    rig = Rig()
    rig.up()
    rig.now = 3.0
    rig.run(rig.protocol.woke(3.0))
    assert rig.kinds()[0] == "Abort"
    assert rig.state is S.RECONNECTING
    assert rig.protocol.deadline is not None
    assert 3.0 <= rig.protocol.deadline <= 5.0


def test_reconnect_from_every_state_dials_once() -> None:
    rig = Rig()
    rig.run(rig.protocol.reconnect(0.0))
    assert rig.kinds() == ["Publish", "Dial"]
    rig.open()
    rig.run(rig.protocol.reconnect(0.0))
    assert rig.kinds() == ["Abort", "ConnectionEnded", "Publish", "Dial"]
    assert rig.state is S.RECONNECTING


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (ConnectionLost(1012), 1.0),
        (ConnectionLost(1011), 1.0),
        *((ConnectionLost(code), 5.0) for code in (1013, 3008, 4008, 4429)),
        (HandshakeRefused(429), 5.0),
        (HandshakeRefused(503), 5.0),
        (HandshakeRefused(503, 0.0), 5.0),
        (HandshakeRefused(429, 30.0), 30.0),
        (HandshakeRefused(503, 10_000_000.0), 3600.0),
    ],
    ids=str,
)
def test_a_server_that_is_busy_is_asked_slowly_and_as_late_as_it_says(
    error: Exception, delay: float
) -> None:
    rig = Rig()
    rig.connect()
    rig.fail(error)
    assert rig.protocol.deadline == delay


def test_a_refresh_is_in_place_only_where_the_server_understands_it() -> None:
    plain = Rig(has_first_message=True)
    plain.up()
    assert plain.kinds() == ["Auth", "Publish", "ConnectionReady"]
    assert plain.session.takes_tokens is False
    assert plain.protocol.refresh(is_in_place=False) is False
    rig = Rig(has_first_message=True)
    rig.connect()
    rig.open(plain=False)
    assert rig.protocol.refresh(is_in_place=rig.session.takes_tokens) is False
    rig.say(Hello("e"))
    rig.say(AuthOk())
    assert rig.protocol.refresh(is_in_place=rig.session.takes_tokens) is True
    rig.run(rig.protocol.reconnect(0.0))
    assert rig.effects[-1] == do.Dial(rig.generation, force_token=True)


def test_waking_up_while_nothing_is_wanted_does_nothing() -> None:
    rig = Rig()
    assert rig.protocol.woke(0.0) == []
    rig.connect()
    rig.fail(HandshakeRefused(404))
    assert rig.protocol.woke(0.0) == []
    assert (rig.state, rig.protocol.deadline) == (S.ERROR, None)


def test_connect_while_a_disconnect_waits_for_the_outbox_keeps_the_connection() -> None:
    rig = Rig()
    rig.up()
    rig.backlog = 1
    rig.run(rig.protocol.disconnect(0.0, 5.0))
    assert rig.protocol.is_draining
    rig.connect()
    assert (rig.protocol.is_draining, rig.protocol.connection.phase) == (False, Phase.LIVE)
    assert rig.protocol.deadline == 30.0
    rig.run(rig.protocol.disconnect(0.0, 5.0))
    rig.run(rig.protocol.drained(1.0))
    assert rig.kinds() == ["Close", "SettleOutbox", "ConnectionEnded", "Publish"]
    assert rig.state is S.CLOSED


def test_a_connection_flushes_what_waited_and_is_live_when_that_is_gone() -> None:
    rig = Rig()
    rig.backlog = 2
    rig.up()
    assert rig.protocol.connection.phase is Phase.FLUSHING
    rig.run(rig.protocol.drained(0.0))
    assert rig.protocol.connection.phase is Phase.LIVE
    rig.run(rig.protocol.drained(0.0))
    assert rig.effects == []


def test_what_the_shell_finds_useless_is_dropped_only_when_there_is_something() -> None:
    rig = Rig()
    assert rig.protocol.abandon(DialFailed("x"), 0.0) == []
    rig.up()
    rig.run(rig.protocol.abandon(DialFailed("x"), 0.0))
    assert rig.kinds() == ["Abort", "ConnectionEnded", "RaiseError", "Publish", "Publish"]
    assert rig.state is S.RECONNECTING
    assert rig.protocol.abandon(DialFailed("x"), 0.0) == []


def test_a_server_that_cannot_replay_is_asked_for_snapshots() -> None:
    rig = Rig()
    rig.positions = {"chat": Position("e", 5)}
    rig.connect()
    rig.open(plain=False)
    rig.say(Hello("e", resume=False))
    assert rig.effects[0].payload == Sync(("chat",))
    assert rig.state is S.CONNECTED


def test_each_step_of_the_handshake_has_its_own_time_and_says_what_was_missing() -> None:
    rig = Rig(has_first_message=True, dial_timeout=10.0)
    rig.positions = {"chat": Position("e", 5)}
    texts = []
    # A server that greeted once is one of v1 for good.
    rig.connect()
    rig.open(plain=False)
    rig.say(Hello("e"))
    rig.run(rig.protocol.disconnect(rig.now))
    for steps in range(3):
        rig.connect()
        rig.open(plain=False)
        if steps > 0:
            rig.now += 4.0
            rig.say(Hello("e", resume=True))
        if steps > 1:
            rig.now += 4.0
            rig.say(AuthOk())
        before = rig.now
        assert rig.tick() == before + 10.0
        texts.append(str(rig.protocol.connection.error))
        rig.run(rig.protocol.disconnect(rig.now))
    assert texts == [
        "no hello within 10 s",
        "no answer to the token within 10 s",
        "no answer to the resume within 10 s",
    ]


def test_a_disconnect_of_what_is_over_waits_for_no_outbox() -> None:
    rig = Rig(max_attempts=1)
    rig.backlog = 1
    rig.connect()
    rig.fail(Unauthorized("no"))
    assert rig.state is S.ERROR
    rig.run(rig.protocol.disconnect(0.0, 5.0))
    assert (rig.protocol.is_draining, rig.state) == (False, S.CLOSED)
    rig.run(rig.protocol.disconnect(0.0, 5.0))
    assert (rig.protocol.is_draining, rig.state, rig.protocol.deadline) == (False, S.CLOSED, None)


def test_the_end_for_good_settles_the_outbox_and_starts_the_count_over() -> None:
    rig = Rig(policy=ClosePolicy(stop_on_normal_close=True))
    rig.connect()
    rig.fail(DialFailed("no"))
    rig.tick()
    assert rig.protocol.connection.attempt == 1
    rig.open()
    rig.now += 1.0
    rig.fail(ConnectionLost(1000, "done"))
    assert "SettleOutbox" in rig.kinds()
    assert (rig.state, rig.protocol.connection.attempt) == (S.CLOSED, 0)


def test_a_state_is_as_old_as_its_last_change() -> None:
    rig = Rig()
    rig.now = 3.0
    rig.connect()
    assert rig.protocol.connection.since == 3.0
    rig.now = 5.0
    rig.open()
    assert (rig.state, rig.protocol.connection.since) == (S.CONNECTED, 5.0)
    rig.now = 9.0
    rig.pong()
    assert rig.protocol.connection.since == 5.0


def reported(rig: Rig) -> list[str]:
    return [str(effect.error) for effect in rig.effects if isinstance(effect, Notice)]


def test_a_server_that_only_repeats_the_subprotocol_is_spoken_to_in_plain_mode() -> None:
    rig = Rig(dial_timeout=10.0)
    rig.connect()
    rig.open(plain=False)
    assert rig.tick() == 5.0
    assert rig.kinds() == ["Probe"]
    rig.pong()
    assert rig.state is S.CONNECTED
    assert do.ConnectionReady(rig.generation) in rig.effects
    assert not rig.session.capabilities.acknowledges
    assert ["plain mode" in text for text in reported(rig)] == [True]
    rig.fail(ConnectionLost(1006))
    rig.tick()
    rig.open(plain=False)
    # Known by now: it is asked at once, and nothing is reported again.
    assert rig.tick() == rig.now
    rig.pong()
    assert rig.state is S.CONNECTED
    assert reported(rig) == []


def test_another_first_frame_than_a_hello_ends_the_wait() -> None:
    rig = Rig()
    rig.connect()
    rig.open(plain=False)
    assert rig.state is S.CONNECTING
    rig.hear("welcome")
    assert rig.state is S.CONNECTED


def test_a_server_that_greeted_once_is_never_taken_for_a_plain_one() -> None:
    rig = Rig(dial_timeout=10.0)
    rig.connect()
    rig.open(plain=False)
    rig.say(Hello("e"))
    rig.fail(ConnectionLost(1006))
    rig.tick()
    rig.open(plain=False)
    rig.hear("welcome")
    rig.pong()
    assert rig.state is S.RECONNECTING
    begin = rig.now
    assert rig.tick() == begin + 10.0


def test_a_hello_that_comes_late_brings_v1_back() -> None:
    rig = Rig(dial_timeout=10.0)
    rig.connect()
    rig.open(plain=False)
    rig.hear("welcome")
    rig.say(Hello("e"))
    assert rig.state is S.RECONNECTING
    rig.tick()
    rig.open(plain=False)
    rig.say(Hello("e"))
    assert do.ConnectionReady(rig.generation) in rig.effects
    assert rig.session.capabilities.acknowledges
