"""The machines pass on what is right, and find what was planted, in the quick profile."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from reactive_ws.connection.record import Connection, ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.outbox.outgoing import OutboxView
from reactive_ws.service.service import WebSocketService
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import NotificationRead, agent_chat
from reactive_ws.testing import NEVER, ClientSnapshot, Duplicate, Transcript, World
from reactive_ws.testing.generating.profiles import PROFILES
from reactive_ws.testing.machines.service_machine import Command, Event, ServiceMachine
from reactive_ws.testing.machines.store_machine import StoreMachine
from reactive_ws.wire.control import Position
from reactive_ws.wire.registry import Guarantee, MessageType, Registry

QUICK = PROFILES["quick"]


@pytest.fixture(autouse=True)
def no_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


# --- stores -----------------------------------------------------------------------------------------------------------


class Todos(StoreMachine):
    """A list of words: add one, or drop the last."""

    messages: ClassVar[Any] = st.sampled_from(["milk", "tea", None])
    initial_model: ClassVar[Any] = ()

    def make(self, domain: Domain) -> Store[tuple[str, ...]]:
        return Store((), domain=domain)

    def apply(self, store: Store[tuple[str, ...]], message: str | None) -> None:
        store.update(lambda words: words[:-1] if message is None else (*words, message))

    def next_model(self, model: tuple[str, ...], message: str | None) -> tuple[str, ...]:
        return model[:-1] if message is None else (*model, message)


def test_a_right_store_passes() -> None:
    run_state_machine_as_test(Todos, settings=QUICK)


class ForgetsTheThird(Todos):
    def apply(self, store: Store[tuple[str, ...]], message: str | None) -> None:
        if message is not None and len(store.get()) == 2:
            return
        super().apply(store, message)


class WritesOutsideOfTheBatch(Todos):
    """Keeps its state in a list on the side, so that a batch that fails leaves it changed."""

    def make(self, domain: Domain) -> Store[tuple[str, ...]]:
        self.words: list[str] = []
        return super().make(domain)

    def apply(self, store: Store[tuple[str, ...]], message: str | None) -> None:
        if message is None:
            self.words[-1:] = []
        else:
            self.words.append(message)
        store.set(tuple(self.words))


class ShowsOldValues(Todos):
    """A stream that shows every second value only."""

    def stream(self, store: Store[tuple[str, ...]]) -> Any:
        from reactivex import operators as ops

        return store.select().pipe(ops.filter(lambda words: len(words) % 2 == 0))


class MutatesItsValue(Todos):
    """The state is one list, changed in place: its observers are never told."""

    def make(self, domain: Domain) -> Any:
        return Store([], domain=domain)

    def apply(self, store: Any, message: str | None) -> None:
        def change(words: list[str]) -> list[str]:
            if message is None:
                words[-1:] = []
            else:
                words.append(message)
            return words

        store.update(change)

    def observe(self, snapshot: list[str]) -> tuple[str, ...]:
        return tuple(snapshot)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (ForgetsTheThird, "the model says"),
        (WritesOutsideOfTheBatch, "a batch raised, and the store went|the model says"),
        (ShowsOldValues, "LAST_VALUE"),
        (MutatesItsValue, "a batch raised, and the store went|the model says"),
    ],
)
def test_a_wrong_store_is_found(machine: type[StoreMachine], said: str) -> None:
    started = time.process_time()
    with pytest.raises(AssertionError, match=said):
        run_state_machine_as_test(machine, settings=QUICK)
    # A second at most on an idle machine; the limit lets a machine ten times slower pass.
    assert time.process_time() - started < 60


def test_a_machine_that_overrides_nothing_says_what_to_override() -> None:
    with pytest.raises(TypeError, match=r"StoreMachine must override make\(domain\)"):
        StoreMachine()


# --- services ---------------------------------------------------------------------------------------------------------


class Clean(ServiceMachine):
    has_faults: ClassVar[bool] = False


def clean_steps_a_second() -> float:
    """Returns how many steps a clean machine takes in a second of the processor's time."""
    steps = [0]

    class Counting(Clean):
        def check_invariants(self, *arguments: Any, **options: Any) -> None:
            steps[0] += 1
            super().check_invariants(*arguments, **options)

    started = time.process_time()
    run_state_machine_as_test(Counting, settings=QUICK)
    rate = steps[0] / (time.process_time() - started)
    print(f"{rate:.0f} steps a second of the processor's time")
    return rate


def test_a_service_without_faults_passes_at_speed() -> None:
    # 1 400 on an idle machine; a hundredth of that is still no machine that hangs.
    assert clean_steps_a_second() > 15


def loops_a_second() -> float:
    """Returns how often this machine now does a thousand turns of an empty loop in a second of the processor's time."""
    started = time.process_time()
    for _ in range(1_000_000):
        pass
    return 1_000 / (time.process_time() - started)


@pytest.mark.deep
def test_a_step_of_a_service_without_faults_costs_at_most_200_000_turns_of_a_loop() -> None:
    # It costs 70 000 to 100 000. Other programs slow both, so the machine's own speed does not matter.
    assert any(clean_steps_a_second() >= loops_a_second() / 200 for _ in range(10))


def test_a_clean_run_has_no_rules_that_cannot_run() -> None:
    class Faulty(Clean):
        has_faults: ClassVar[bool] = True

    def rules(machine: type[ServiceMachine]) -> set[str]:
        names = [
            name for name in dir(ServiceMachine) if name.startswith(("the_", "time_", "every"))
        ]
        return {name for name in names if getattr(machine, name) is not None}

    assert rules(Clean) == {
        "the_program_sends",
        "the_program_sends_many",
        "the_server_publishes",
        "time_passes",
        "the_rules_hold",
    }
    assert rules(Faulty) == rules(ServiceMachine) > rules(Clean)


class Counter(ServiceMachine):
    """A store of the program's own."""

    initial_model: ClassVar[Any] = 0

    def attach(self, service: WebSocketService) -> dict[str, Store[int]]:
        assert self.world is not None
        counter = Store(0, domain=self.world.domain)
        service.on("machine.event", lambda envelope: self.count(counter))
        return {"counter": counter}

    def count(self, counter: Store[int]) -> None:
        counter.update(lambda n: n + 1)

    def next_model(self, model: int, event: Any) -> int:
        return model + 1

    def observe(self, snapshot: ClientSnapshot) -> Any:
        return snapshot["counter"]


def test_a_store_of_the_program_is_compared_with_its_model() -> None:
    run_state_machine_as_test(Counter, settings=QUICK)


class CountsTwice(Counter):
    def count(self, counter: Store[int]) -> None:
        counter.update(lambda n: n + 2)


class GoesBack(Counter):
    def count(self, counter: Store[int]) -> None:
        counter.update(lambda n: 1 if n == 3 else n + 1)


class Forgets(Counter):
    def count(self, counter: Store[int]) -> None:
        counter.update(lambda n: min(n + 1, 2))


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (
            CountsTwice,
            r"the client shows 2, but the model was 0 when it was shown last, and then \[1\]",
        ),
        (
            GoesBack,
            r"the client shows 1, but the model was 3 when it was shown last, and then \[4\]",
        ),
        (Forgets, r"the client shows 2, but after all \d+ events the model is \d+"),
    ],
)
def test_a_wrong_store_of_a_program_is_found(machine: type[ServiceMachine], said: str) -> None:
    class CleanOne(machine):  # type: ignore[misc, valid-type]
        has_faults: ClassVar[bool] = False

    with pytest.raises(AssertionError, match=said):
        run_state_machine_as_test(CleanOne, settings=QUICK)


def test_a_snapshot_says_which_stores_it_has() -> None:
    snapshot = ClientSnapshot(Connection(), OutboxView(), {}, values={"a": 1, "b": 2})
    assert snapshot["b"] == 2
    with pytest.raises(
        LookupError, match=r"no store 'c' in the snapshot; attach\(\) returned .*'a', 'b'"
    ):
        snapshot["c"]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        snapshot.heard = (1,)  # type: ignore[misc]


def test_a_snapshot_shows_the_whole_client_under_one_commit() -> None:
    with World() as world:
        server, service = (
            world.run(world.server(registry=ServiceMachine.registry)),
            world.service(registry=ServiceMachine.registry),
        )
        count = Store(0, domain=world.domain)
        service.on("machine.event", lambda envelope: count.update(lambda n: n + 1))
        world.call(service.connect)
        world.run(service.wait_connected(10))
        world.call(lambda: server.publish(Event("a")))
        server.acknowledge_after = NEVER
        service.send(Command("b"))
        world.run(world.settle())
        snapshot = ClientSnapshot.of(service, {"count": count})
        assert snapshot.connection.is_connected
        assert [entry.type for entry in snapshot.outbox.entries] == ["machine.command"]
        assert dict(snapshot.positions) == {"app": Position("epoch-1", 1)}
        assert snapshot.values == {"count": 1}


def test_what_is_no_store_is_refused_by_name() -> None:
    with World() as world, pytest.raises(UsageError, match="not list"):
        ClientSnapshot.of(world.service(), {"count": []})  # type: ignore[dict-item]


def test_a_step_that_fails_keeps_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REACTIVE_WS_TRANSCRIPTS", str(tmp_path))
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(CountsTwice, settings=QUICK)
    (path,) = tmp_path.iterdir()
    assert f"every frame of this run: {path}" in caught.value.__notes__
    frames = Transcript.read(path).frames
    assert "machine.event" in [frame.text for frame in frames if frame.what == "down"][-1]


class Notifications(ServiceMachine):
    """Events that are not the ones of the examples."""

    registry: ClassVar[Registry] = agent_chat()
    events: ClassVar[Any] = st.builds(NotificationRead, st.sampled_from("abc"))


def test_mischief_is_done_to_the_events_of_the_program() -> None:
    machine = Notifications()
    try:
        machine.begin(first=NotificationRead("a"), seed=0, order=None)
        machine.the_server_misbehaves(Duplicate(1))
        machine.the_server_publishes(NotificationRead("b"))
        machine.the_rules_hold()
        names = [
            json.loads(frame.text)["type"]
            for frame in machine.world.transcript.frames
            if frame.what == "down"
        ]  # type: ignore[union-attr]
        assert names[-3:] == ["notification.read"] * 3
        assert [event.notification_id for event in machine.snapshot().heard] == ["a", "b"]
    finally:
        machine.teardown()


def test_a_service_passes_under_faults() -> None:
    run_state_machine_as_test(ServiceMachine, settings=QUICK)


@pytest.mark.deep
def test_a_service_passes_under_very_many_faults() -> None:
    run_state_machine_as_test(ServiceMachine, settings=PROFILES["deep"])


class LosesWhatItSent(ServiceMachine):
    """Takes what was written to the socket for delivered."""

    def make_service(self, world: World) -> WebSocketService:
        rows = tuple(
            MessageType(row.name, row.payload, Guarantee.AT_MOST_ONCE, row.required)
            if row.name == "machine.command"
            else row
            for row in self.registry
        )
        return world.service(registry=Registry(rows))


class SkipsStates(ServiceMachine):
    """Shows a reconnect as a first connect."""

    def make_service(self, world: World) -> WebSocketService:
        service = world.service(registry=self.registry)
        publish = service._status.publish

        def wrong(connection: Connection) -> None:
            if connection.state is ConnectionState.RECONNECTING:
                connection = attrs.evolve(connection, state=ConnectionState.CONNECTING)
            publish(connection)

        service._status.publish = wrong  # type: ignore[method-assign]
        return service


class NeverComesBack(ServiceMachine):
    """Forgets to dial again after a connection was lost."""

    def make_service(self, world: World) -> WebSocketService:
        return world.service(max_attempts=0, registry=self.registry)


class TakesMessagesAsTheyCome(ServiceMachine):
    """Knows neither duplicates nor gaps."""

    def make_service(self, world: World) -> WebSocketService:
        service = world.service(registry=self.registry)
        inbound = service._receiver.inbound
        accept = inbound.accept

        def careless(envelope: Any, now: float) -> Any:
            accept(envelope, now)
            return (envelope,)

        inbound.accept = careless  # type: ignore[method-assign]
        return service


class RaisesInAHandler(ServiceMachine):
    def attach(self, service: WebSocketService) -> None:
        service.on("machine.event", lambda envelope: self.names[envelope.payload.name])

    names: ClassVar[dict[str, str]] = {"a": ""}


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (LosesWhatItSent, "effectively once was promised, but lost"),
        (SkipsStates, "became CONNECTING, which no rule allows"),
        (NeverComesBack, "everything is healed for 300 s, but|these are still not delivered"),
        (TakesMessagesAsTheyCome, "the client shows"),
        (RaisesInAHandler, "observers or handlers raised"),
    ],
)
def test_a_wrong_service_is_found(machine: type[ServiceMachine], said: str) -> None:
    started = time.process_time()
    with pytest.raises((AssertionError, ExceptionGroup), match=said):
        run_state_machine_as_test(machine, settings=QUICK)
    # A second at most on an idle machine; the limit lets a machine ten times slower pass.
    assert time.process_time() - started < 60


@pytest.mark.deep
def test_a_wrong_service_is_shrunk_to_a_few_steps() -> None:
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(
            SkipsStates, settings=settings(PROFILES["deep"], max_examples=100)
        )
    steps = [line for line in "\n".join(caught.value.__notes__).splitlines() if "state." in line]
    assert len([step for step in steps if "the_rules_hold" not in step]) <= 6
