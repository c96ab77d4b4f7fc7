"""A test of the tests: bugs that clients of other projects have, planted into service and stores, must be found.

Each bug is a few lines that replace a part of the real service. Users subclass the machines that must find them. A
machine must find each bug within 5 s in the quick profile, and shrink it to a few steps in the deep one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from reactive_ws.connection import decisions
from reactive_ws.connection.decisions import Decisions
from reactive_ws.connection.transitions import ConnectionState, Event, follow
from reactive_ws.engine.domain import Domain
from reactive_ws.inbound.order import Inbound
from reactive_ws.outbox.delivery import Delivery
from reactive_ws.outbox.queue import Outbox
from reactive_ws.service.loop.alarm import Alarm
from reactive_ws.stores.history.entry import Entry
from reactive_ws.stores.history.history import History
from reactive_ws.stores.history.timeline import Timeline
from reactive_ws.stores.wire.chat import Message, MessageResponse
from reactive_ws.testing import ServiceMachine, SimulationError, StoreMachine
from reactive_ws.testing.generating.profiles import PROFILES
from reactive_ws.transport.sockets.line import Line
from reactive_ws.wire.envelope import Envelope

Patch = Callable[[pytest.MonkeyPatch], None]

_place = Inbound._place
_ready = Decisions._ready
_settle = Timeline._settle


class HistoryMachine(StoreMachine):
    """The history of one session: messages in any order, some of them twice. The model: their numbers, sorted."""

    messages: ClassVar[Any] = st.integers(1, 9)
    initial_model: ClassVar[Any] = ()

    def make(self, domain: Domain) -> History:
        return History(
            domain,
            send=lambda payload: Delivery("unused", is_final_when_sent=True),
            sync=lambda stream: None,
            report=lambda kind, text, *, is_retryable=False: None,
            new_id=lambda: "unused",
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )

    def apply(self, store: History, message: int) -> None:
        said = Message(f"m{message}", "s", "assistant", "text", 0.0, sequence=message)
        response = MessageResponse("s", said)
        store.handlers["message.response"](Envelope("message.response", response))

    def next_model(self, model: tuple[int, ...], message: int) -> tuple[int, ...]:
        return tuple(sorted({*model, message}))

    def read(self, store: History) -> Any:
        return store.select("s").get()

    def stream(self, store: History) -> Any:
        return store.select("s")

    def observe(self, snapshot: Any) -> tuple[int, ...]:
        return () if snapshot is None else tuple(e.head.sequence for e in snapshot.timeline)


# --- the bugs -----------------------------------------------------------------------------------------------------------


def illegal_transition(patch: pytest.MonkeyPatch) -> None:
    """A retry is shown as a first connect."""

    def wrong(state: ConnectionState, event: Event) -> ConnectionState:
        return ConnectionState.CONNECTING if event is Event.RETRY else follow(state, event)

    patch.setattr(decisions, "follow", wrong)


def duplicate_sequence(patch: pytest.MonkeyPatch) -> None:
    """The service delivers a message again that it has seen before."""

    def place(
        inbound: Inbound, cursor: Any, seq: int, envelope: Envelope[Any] | None, now: float
    ) -> tuple[Envelope[Any], ...]:
        if seq <= cursor.seq and envelope is not None:
            return (envelope,)
        return _place(inbound, cursor, seq, envelope, now)

    patch.setattr(Inbound, "_place", place)


def unsorted_history(patch: pytest.MonkeyPatch) -> None:
    """Messages are kept in the order of their arrival."""

    def settle(timeline: Timeline, entry: Entry) -> Timeline:
        if timeline.last_place is None or entry.place is None:
            return _settle(timeline, entry)
        return attrs.evolve(
            timeline,
            settled=timeline.settled.append(entry),
            recent=timeline._recent.set(entry.id, entry),
        )

    patch.setattr(Timeline, "_settle", settle)


def loss_at_partial_flush(patch: pytest.MonkeyPatch) -> None:
    """When a flush is cut off, only its first message comes back to the queue."""

    def return_to_head(outbox: Outbox) -> None:
        if outbox._in_flight:
            outbox._queue.appendleft(next(iter(outbox._in_flight.values())))
            outbox._in_flight.clear()

    patch.setattr(Outbox, "_return_to_head", return_to_head)


def retry_timer_leak(patch: pytest.MonkeyPatch) -> None:
    """A timer that is no longer needed stays set."""

    def set_alarm(alarm: Alarm) -> None:
        due = min((time for time in alarm._deadlines() if time is not None), default=None)
        if due is not None:
            alarm._timer = alarm._loop.call_at(due, alarm._rang)

    patch.setattr(Alarm, "set", set_alarm)


def stale_socket_event(patch: pytest.MonkeyPatch) -> None:
    """A dropped socket still reports its end, and its report is taken for one about the new socket."""

    def abort(line: Line) -> None:
        if line._socket is None:
            line.is_over = True
            line._task.cancel()
        else:
            line._socket.transport.abort()

    patch.setattr(Line, "abort", abort)
    patch.setattr(Decisions, "_is_stale", lambda record, generation: False)


def reset_on_open(patch: pytest.MonkeyPatch) -> None:
    """The backoff starts over when a connection opens, not when it has lasted."""

    def ready(protocol: Decisions, now: float, **options: Any) -> None:
        protocol._start_over()
        _ready(protocol, now, **options)

    patch.setattr(Decisions, "_ready", ready)


BUGS: list[tuple[Patch, type[RuleBasedStateMachine], str]] = [
    (illegal_transition, ServiceMachine, "became CONNECTING, which no rule allows"),
    (duplicate_sequence, ServiceMachine, "the client shows"),
    (unsorted_history, HistoryMachine, "the model says"),
    (loss_at_partial_flush, ServiceMachine, "still not delivered|but lost"),
    (retry_timer_leak, ServiceMachine, "these timers are set"),
    (
        stale_socket_event,
        ServiceMachine,
        "but the service is|deadlock|came after retry|no task awaited",
    ),
    (reset_on_open, ServiceMachine, "retry 1 came after retry"),
]
NAMES = [patch.__name__ for patch, _, _ in BUGS]


@pytest.fixture(autouse=True)
def no_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def test_without_a_bug_the_history_passes() -> None:
    run_state_machine_as_test(HistoryMachine, settings=PROFILES["quick"])


# A second at most on an idle machine; the limit lets a machine ten times slower pass.
@pytest.mark.parametrize("limit", [60, pytest.param(5, marks=pytest.mark.deep)], ids="{} s".format)
@pytest.mark.parametrize(("plant", "machine", "said"), BUGS, ids=NAMES)
def test_a_planted_bug_is_found_at_once(
    plant: Patch,
    machine: type[RuleBasedStateMachine],
    said: str,
    limit: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    started = time.process_time()
    # Which examples a run draws depends on the modules that are loaded, and so on the tests before this one.
    patient = settings(PROFILES["quick"], max_examples=400)
    with pytest.raises((AssertionError, SimulationError), match=said):
        run_state_machine_as_test(machine, settings=patient)
    assert time.process_time() - started < limit


@pytest.mark.deep
@pytest.mark.parametrize(("plant", "machine", "said"), BUGS, ids=NAMES)
def test_a_planted_bug_is_shrunk_to_a_few_steps(
    plant: Patch, machine: type[RuleBasedStateMachine], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    one = settings(PROFILES["deep"], report_multiple_bugs=False)
    with pytest.raises((AssertionError, SimulationError), match=said) as caught:
        run_state_machine_as_test(machine, settings=one)
    story = "\n".join(caught.value.__notes__).splitlines()
    steps = [line for line in story if line.startswith("state.") and not _is_frame(line)]
    print(plant.__name__, *steps, sep="\n    ")
    assert len(steps) <= 3


def _is_frame(line: str) -> bool:
    """Whether a line of the story is there in any case, or is an invariant."""
    frame = ("begin", "teardown", "the_rules_hold", "everything_is_as_it_should_be")
    return line.removeprefix("state.").startswith(frame)
