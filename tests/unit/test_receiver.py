from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.connection.logbook import Logbook
from reactive_ws.connection.metrics import Counters
from reactive_ws.connection.record import ErrorKind
from reactive_ws.dialects import V1, Opening, RunReader
from reactive_ws.engine.domain import Domain
from reactive_ws.inbound.dispatcher import Dispatcher
from reactive_ws.inbound.receiver import Burst, Receiver
from reactive_ws.inbound.subscriptions import Subscriptions
from reactive_ws.outbox.queue import Outbox
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import agent_chat
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.envelope import Envelope


class Rig:
    """A receiver whose handlers of `session.closed` take runs and those of `typing` do not; `got` says what came."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.problems: list[tuple[ErrorKind, str]] = []
        self.domain = Domain()
        self.commits: list[int] = []
        registry = agent_chat()
        self.dispatcher = Dispatcher(
            registry, clock=lambda: 0.0, on_failed=self.failed, on_slow=self.failed
        )
        self.dispatcher.on("session.closed", self.one, run=self.many)
        self.dispatcher.on("typing", self.one)
        self.receiver = Receiver(
            domain=self.domain,
            dispatcher=self.dispatcher,
            outbox=Outbox(None, on_drop=self.failed),
            subscriptions=Subscriptions(),
            log=Logbook(lambda: 0.0),
            counters=Counters(),
            clock=lambda: 0.0,
            report=lambda kind, error, *, is_retryable: self.problems.append(
                (kind, type(error).__name__)
            ),
        )

        codec = JsonCodec(registry, subprotocol=None)
        session = V1(codec=codec).session()
        session.opened(Opening(), 0.0)
        self.receiver.begin(session)

    def failed(self, *what: Any) -> None:
        self.got.append(what)

    def one(self, envelope: Envelope[Any]) -> None:
        self.got.append(name(envelope))

    def many(self, envelopes: Sequence[Envelope[Any]]) -> None:
        self.got.append([name(envelope) for envelope in envelopes])

    def burst(self, *frames: str) -> Burst:
        return self.receiver.burst(deque(frames))


def name(envelope: Envelope[Any]) -> str:
    return getattr(envelope.payload, "session_id", envelope.type)


def closed(number: int, seq: int | None = None) -> str:
    position = "" if seq is None else f',"stream":"s","epoch":"e","seq":{seq}'
    return f'{{"type":"session.closed"{position},"payload":{{"sessionId":"s{number}"}}}}'


TYPING = '{"type":"typing","payload":{"conversationId":"c","userId":"u"}}'


def test_messages_in_a_row_are_handled_together_and_in_order_with_the_others() -> None:
    rig = Rig()
    rig.burst(closed(1), closed(2), TYPING, closed(3), closed(4), closed(5))
    assert rig.got == [["s1", "s2"], "typing", ["s3", "s4", "s5"]]


def numbered(number: int, seq: int, rest: str = "", stream: str = "s", epoch: str = "e") -> str:
    position = f'"stream":"{stream}","epoch":"{epoch}","seq":{seq}{rest}'
    return f'{{"type":"session.closed",{position},"payload":{{"sessionId":"s{number}"}}}}'


ANY_FRAME = st.one_of(
    *[st.builds(numbered, st.integers(0, 9), st.integers(1, 12)) for _ in range(3)],
    st.builds(
        numbered,
        st.integers(0, 9),
        st.integers(1, 12),
        st.sampled_from(
            [
                "",
                ',"channel":"elsewhere"',
                ',"channel":"session.closed"',
                ',"more":true',
                ',"problems":["made up"]',
                ',"id":"one"',
                ',"type":"typing"',
                ',"timestamp":"yesterday"',
            ]
        ),
        st.sampled_from("st"),
        st.sampled_from("ef"),
    ),
    st.builds(closed, st.integers(0, 9)),
    st.sampled_from(
        [TYPING, "<html>", b"binary", '{"type":"session.closed"}', '{"type":"nobody.knows"}']
    ),
)


def taken(frames: Sequence[str | bytes], *, is_together: bool) -> Any:
    """Returns what a receiver made of frames that came together, or one after the other."""
    rig = Rig()
    waiting: deque[str | bytes] = deque()
    for part in [frames] if is_together else [[frame] for frame in frames]:
        waiting.extend(part)
        while waiting:
            rig.receiver.burst(waiting)
    receiver, counters = rig.receiver, rig.receiver._counters
    got = [one for it in rig.got for one in (it if isinstance(it, list) else [it])]
    counts = counters.messages_received, counters.bytes_received, counters.messages_rejected
    inbound = receiver.inbound
    held = {name: [*cursor.held] for name, cursor in inbound._cursors.items()}
    positions = dict(receiver.positions.get())
    # A gap is reported at the end of its burst.
    problems = sorted(map(str, rig.problems))
    return got, problems, counts, inbound.duplicates, inbound.gaps, held, positions


@given(
    st.lists(ANY_FRAME, max_size=30),
    st.integers(0, 40).map(lambda count: [closed(count, seq) for seq in range(1, count)]),
)
def test_frames_that_come_together_have_the_effect_of_frames_that_come_alone(
    odd: list[str | bytes], usual: list[str | bytes]
) -> None:
    for frames in ([*usual, *odd], [*odd, *usual], [*usual, *odd, *usual]):
        assert taken(frames, is_together=True) == taken(frames, is_together=False)


def test_messages_that_follow_each_other_are_read_in_one_call() -> None:
    rig = Rig()
    reads: list[int] = []
    read = rig.receiver._read_run
    assert read is not None

    def counted(frames: Any) -> Any:
        found = read(frames)
        reads.append(len(found))
        return found

    rig.receiver._read_run = counted
    rig.burst(*[closed(number, number) for number in range(1, 61)])
    rig.burst(*[closed(number, number) for number in range(61, 121)])
    # The first of all goes the long way, which makes the decoder of its type; the second begins the run.
    assert reads == [0, 58, 59]
    assert [len(run) for run in rig.got] == [60, 60]


class ForeignCodec:
    """A codec of the program, which knows no runs."""

    subprotocol = None

    def __init__(self) -> None:
        self.inner = JsonCodec(agent_chat(), subprotocol=None)

    def encode(self, envelope: Envelope[Any]) -> str | bytes:
        return self.inner.encode(envelope)

    def decode(self, frame: str | bytes) -> Envelope[Any]:
        return self.inner.decode(frame)


def test_frames_of_a_codec_that_knows_no_runs_are_read_one_by_one() -> None:
    rig = Rig()
    session = V1(codec=ForeignCodec()).session()
    session.opened(Opening(), 0.0)
    rig.receiver.begin(session)
    rig.burst(*[closed(number, number) for number in range(1, 4)])
    assert rig.got == [["s1", "s2", "s3"]]
    assert session.received_run([closed(4, 4)]) == ()


def test_messages_of_the_connection_are_in_no_run() -> None:
    codec = JsonCodec(agent_chat(), subprotocol=None)
    session = V1(codec=codec).session()
    session.opened(Opening(), 0.0)
    assert isinstance(session, RunReader)
    pong = '{"type":"pong","payload":{},"id":"one"}'
    codec.decode(pong)
    codec.decode(pong)
    assert len(codec.decode_run([pong])) == 1
    assert session.received_run([pong]) == ()


def test_a_burst_ends_in_time_when_a_run_is_broken_by_handlers_that_take_long() -> None:
    rig = Rig()
    now = [0.0]
    rig.receiver.clock = lambda: now[0]

    def slow(_: Envelope[Any]) -> None:
        now[0] += 0.0015

    rig.dispatcher.on_channel("elsewhere", lambda _, envelope: slow(envelope))
    rig.burst(closed(1, 1))
    others = [numbered(seq, seq, ',"channel":"elsewhere"') for seq in range(3, 30)]
    frames: deque[str | bytes] = deque([closed(2, 2), *others])
    assert rig.receiver.burst(frames).has_more
    assert now[0] == 0.003
    assert [*frames] == others[2:]
    while frames:
        rig.receiver.burst(frames)
    assert rig.receiver.positions.get()["s"].seq == 29


def test_a_run_ends_with_its_burst_and_one_alone_is_no_run() -> None:
    rig = Rig()
    rig.burst(closed(1))
    rig.burst(closed(2), closed(3))
    assert rig.got == ["s1", ["s2", "s3"]]


def test_a_run_is_over_before_a_message_of_the_connection_is_handled() -> None:
    rig = Rig()
    rig.dispatcher.on("hello", rig.one)
    burst = rig.burst(closed(1), closed(2), '{"type":"hello","payload":{"epoch":"e"}}', closed(3))
    assert rig.got == [["s1", "s2"], "hello"]
    assert burst.has_more


def test_a_bad_message_does_not_break_a_run() -> None:
    rig = Rig()
    rig.burst(closed(1), "<html>", closed(2))
    assert rig.got == [["s1", "s2"]]
    assert rig.problems == [(ErrorKind.PROTOCOL, "MessageRejected")]


def test_messages_that_were_held_for_a_gap_join_the_run() -> None:
    rig = Rig()
    rig.burst(closed(1, 1), closed(3, 3), closed(2, 2), closed(2, 2))
    assert rig.got == [["s1", "s2", "s3"]]


def test_a_handler_that_is_added_between_two_messages_of_a_burst_gets_the_second() -> None:
    rig = Rig()
    seen: list[str] = []

    def add(_: Envelope[Any]) -> None:
        rig.dispatcher.on("session.closed", lambda envelope: seen.append(name(envelope)))

    rig.dispatcher.on("typing", add)
    rig.burst(closed(1), closed(2), TYPING, closed(3))
    assert (rig.got, seen) == ([["s1", "s2"], "typing", "s3"], ["s3"])


def test_what_a_run_writes_is_in_the_commit_of_the_burst_with_the_positions() -> None:
    rig = Rig()
    store = Store(0, domain=rig.domain)
    rig.dispatcher.on("pong", lambda _: None)
    rig.dispatcher.on(
        "session.created",
        lambda _: store.update(lambda now: now + 1),
        run=lambda them: store.update(lambda now: now + len(them)),
    )
    seen: list[tuple[int, dict[str, int]]] = []

    def look(value: int) -> None:
        positions = rig.receiver.positions.get()
        seen.append((value, {stream: it.seq for stream, it in positions.items()}))

    store.select().subscribe(look)
    rig.burst(
        *[
            f'{{"type":"session.created","stream":"s","epoch":"e","seq":{seq},"payload":{{"sessionId":"a"}}}}'
            for seq in (1, 2, 3)
        ]
    )
    assert seen == [(0, {}), (3, {"s": 3})]


def test_bursts_grow_while_there_is_a_backlog_and_shrink_when_it_is_gone() -> None:
    rig = Rig()
    waiting: deque[str | bytes] = deque()

    def sizes(count: int) -> list[int]:
        """The messages of each burst until nothing waits."""
        waiting.extend([TYPING] * count)
        found: list[int] = []
        while waiting:
            before = len(waiting)
            rig.receiver.burst(waiting)
            found.append(before - len(waiting))
        return found

    assert sizes(1500) == [64, 64, 64, 64, 512, 512, 220]
    # A short burst halves the count of full ones, so only several short ones in a row end the backlog.
    assert sizes(550) == [512, 38]
    assert [sizes(1) for _ in range(3)] == [[1]] * 3
    assert sizes(300) == [64, 64, 64, 64, 44]


def test_a_burst_of_a_backlog_ends_after_two_milliseconds_as_any_other() -> None:
    rig = Rig()
    for _ in range(4):
        rig.burst(*[TYPING] * 100)
    now = itertools.count(0.0, 0.0001)
    rig.receiver.clock = lambda: next(now)
    rig.got.clear()
    assert rig.burst(*[TYPING] * 100).has_more
    assert len(rig.got) == 20
