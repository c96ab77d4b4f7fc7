"""Two whole applications and the hub under random faults, in virtual time: when all is healed, both show what the hub has.

The model is the hub itself, whose state is one value: sessions, panels, and what was said in each session, in order.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from app_world import application
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reactive_ws.connection.record import ErrorKind
from reactive_ws.errors import DeliveryError, OutboxFull
from reactive_ws.stores import Application, command_center
from reactive_ws.stores.hub import Hub
from reactive_ws.testing import Bandwidth, Direction, Fault, Latency, World
from reactive_ws.testing.generating.strategies import faults, seeds

_PATIENCE = 400.0
"""Virtual seconds in which everything must be the same on both sides once all is healed."""

TALK = st.sampled_from(
    [
        "hello",
        "tell me more about it",
        "panel create Plan",
        "panel create Sketch",
        "panel update Plan: step 1",
        "panel close Sketch",
        "notify Tea: is ready",
    ]
)


class ApplicationMachine(RuleBasedStateMachine):
    """Users talk on two machines, the network fails."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.apps: list[Application] = []
        self.failed = False

    @initialize(
        seed=seeds(), order=st.none() | st.integers(0, 2**16), delay=st.sampled_from([0.0, 0.05])
    )
    def begin(self, seed: int, order: int | None, delay: float) -> None:
        self.world = world = World(seed, order=order)
        world.__enter__()
        self.hub = Hub("server", 80, token_delay=delay, registry=command_center())
        world.run(self.hub.start())
        self.apps = [application(world) for _ in range(2)]
        for app in self.apps:
            world.call(app.service.connect)
            world.run(app.service.wait_connected(30))
        world.call(lambda: self.apps[0].sessions.create("first"))
        self._settle()

    @rule(who=st.integers(0, 1), title=st.sampled_from(["a", "b"]))
    def a_session_is_created(self, who: int, title: str) -> None:
        self._do(lambda: self.apps[who].sessions.create(title))

    @rule(who=st.integers(0, 1), which=st.integers(0, 3), text=TALK, count=st.integers(1, 4))
    def somebody_talks(self, who: int, which: int, text: str, count: int) -> None:
        app = self.apps[who]
        sessions = app.sessions.all.get()
        if sessions:
            session = sessions[which % len(sessions)]
            for _ in range(count):
                self._do(lambda: app.history.send(session.id, text))

    @rule(who=st.integers(0, 1), which=st.integers(0, 3))
    def a_session_is_closed(self, who: int, which: int) -> None:
        app = self.apps[who]
        sessions = app.sessions.all.get()
        if len(sessions) > 1:
            self._do(lambda: app.sessions.close(sessions[which % len(sessions)].id))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        self._world.run(self._world.advance(seconds))

    @rule(fault=faults())
    def the_network_fails(self, fault: Fault) -> None:
        self._world.network.apply(fault)

    @rule()
    def everything_heals(self) -> None:
        self._world.network.heal()

    @rule(who=st.integers(0, 1))
    def somebody_reconnects(self, who: int) -> None:
        self._world.call(self.apps[who].service.reconnect)

    @precondition(lambda self: self.world is not None)
    @invariant()
    def no_handler_and_no_observer_raises(self) -> None:
        self._settle()
        reports = self._world.errors
        raised = [
            it.exception
            for it in reports
            if it.kind is ErrorKind.APPLICATION
            and it.source is not None
            and not isinstance(it.exception, DeliveryError)
            and "ms; use on_async" not in str(it.exception)
        ]
        assert raised == []
        for app in self.apps:
            for session_id in app.history.select_session_ids().get():
                ids = [entry.id for entry in app.history.get_entries(session_id)]
                assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        world, self.world = self.world, None
        if world is None:
            return
        try:
            world.network.heal()
            world.network.apply(Latency(0.01))
            # The slowest line that the documentation promises; healing leaves the speed of a line as it is.
            world.network.apply(Bandwidth(2_000.0, Direction.BOTH))
            world.run(world.advance(_PATIENCE))
            world.run(world.settle())
            self._compare(world)
            for app in self.apps:
                world.run(app.service.disconnect())
                app.close()
            world.run(self.hub.close())
        except BaseException as error:
            world.__exit__(type(error), error, error.__traceback__)
            raise
        world.__exit__(None, None, None)

    def _compare(self, world: World) -> None:
        state = world.run(self.hub.chat())
        for app in self.apps:
            assert app.service.is_connected
            assert app.offline.waiting.get() == ()
            found = app.sessions.state.get()
            assert found.pending == frozenset()
            assert {it.id: it.title for it in found.sessions} == {
                it.id: it.title for it in state.sessions.values()
            }
            assert {it.id: (it.title, it.data) for it in app.carousel.panels.get()} == {
                it.id: (it.title, it.data) for it in state.panels.values()
            }
            for session_id in state.sessions:
                said = world.run(self.hub.conversation(session_id))
                assert len(said.messages) == said.length
                assert [_line(it.message) for it in app.history.get_entries(session_id)] == [
                    _line(message) for message in said.messages
                ]
        first, second = self.apps
        assert first.carousel.panels.get() == second.carousel.panels.get() or (
            {it.id for it in first.carousel.panels.get()}
            == {it.id for it in second.carousel.panels.get()}
        )

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _do(self, action: Any) -> None:
        def act() -> None:
            try:
                action()
            except OutboxFull:
                return

        self._world.call(act)

    def _settle(self) -> None:
        self._world.run(self._world.settle())


def _line(message: Any) -> tuple[str, str, str, int | None]:
    return message.id, message.role, message.content, message.sequence


@pytest.fixture(autouse=True)
def no_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def test_after_healing_the_applications_show_what_the_hub_has() -> None:
    run_state_machine_as_test(
        ApplicationMachine,
        settings=settings(settings.get_profile("reactive-ws-quick"), max_examples=25),
    )


@pytest.mark.deep
def test_after_healing_the_applications_show_what_the_hub_has_after_long_stories() -> None:
    run_state_machine_as_test(
        ApplicationMachine,
        settings=settings(
            settings.get_profile("reactive-ws-deep"), max_examples=150, stateful_step_count=40
        ),
    )
