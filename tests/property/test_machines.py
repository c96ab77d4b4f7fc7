"""The machines pass on what is right, and find what was planted, in the quick profile."""

from __future__ import annotations

import logging
import time
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from reactive_ws.connection import Connection, ConnectionState
from reactive_ws.domain import Domain
from reactive_ws.messages import Guarantee, MessageType, Registry, protocol_v1
from reactive_ws.service import WebSocketService
from reactive_ws.store import Store
from reactive_ws.testing import World
from reactive_ws.testing.profiles import PROFILES
from reactive_ws.testing.service_machine import ServiceMachine
from reactive_ws.testing.store_machine import StoreMachine

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
    assert time.process_time() - started < 5


def test_a_machine_that_overrides_nothing_says_what_to_override() -> None:
    with pytest.raises(TypeError, match=r"StoreMachine must override make\(domain\)"):
        StoreMachine()


# --- services ---------------------------------------------------------------------------------------------------------


class Clean(ServiceMachine):
    has_faults: ClassVar[bool] = False


def test_a_service_without_faults_passes_at_speed() -> None:
    steps = [0]

    class Counting(Clean):
        def check_invariants(self, *arguments: Any, **options: Any) -> None:
            steps[0] += 1
            super().check_invariants(*arguments, **options)

    started, used = time.perf_counter(), time.process_time()
    run_state_machine_as_test(Counting, settings=QUICK)
    real, own = time.perf_counter() - started, time.process_time() - used
    print(
        f"{steps[0] / real:.0f} steps a second of real time, {steps[0] / own:.0f} of the processor's"
    )
    # 1 000 on an idle machine; what other programs take away from it is not ours to promise.
    assert steps[0] / own > 500


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
            if row.name == "session.close"
            else row
            for row in protocol_v1()
        )
        return world.service(registry=Registry(rows))


class SkipsStates(ServiceMachine):
    """Shows a reconnect as a first connect."""

    def make_service(self, world: World) -> WebSocketService:
        service = world.service()
        publish = service._publish

        def wrong(connection: Connection) -> None:
            if connection.state is ConnectionState.RECONNECTING:
                connection = attrs.evolve(connection, state=ConnectionState.CONNECTING)
            publish(connection)

        service._publish = wrong  # type: ignore[method-assign]
        return service


class NeverComesBack(ServiceMachine):
    """Forgets to dial again after a connection was lost."""

    def make_service(self, world: World) -> WebSocketService:
        return world.service(max_attempts=0)


class TakesMessagesAsTheyCome(ServiceMachine):
    """Knows neither duplicates nor gaps."""

    def make_service(self, world: World) -> WebSocketService:
        service = world.service()
        inbound = service._receiver.inbound
        accept = inbound.accept

        def careless(envelope: Any, now: float) -> Any:
            accept(envelope, now)
            return (envelope,)

        inbound.accept = careless  # type: ignore[method-assign]
        return service


class RaisesInAHandler(ServiceMachine):
    def attach(self, service: WebSocketService) -> None:
        super().attach(service)
        service.on("session.closed", lambda envelope: self.names[envelope.payload.session_id])

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
    assert time.process_time() - started < 5


@pytest.mark.deep
def test_a_wrong_service_is_shrunk_to_a_few_steps() -> None:
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(
            SkipsStates, settings=settings(PROFILES["deep"], max_examples=100)
        )
    steps = [line for line in "\n".join(caught.value.__notes__).splitlines() if "state." in line]
    assert len([step for step in steps if "the_rules_hold" not in step]) <= 6
