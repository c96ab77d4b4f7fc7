"""The steps of a `service_machine`: events that can happen to a service. The machine checks the results.

Sends, publishes, time, and unless it is a clean run everything that goes wrong with networks and servers. No rule is checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from hypothesis.strategies import SearchStrategy

from ...errors import OutboxFull
from ...outbox import Delivery, DeliveryStatus
from ...service import WebSocketService
from ..generating import Garbage, faults, wire_garbage
from ..server import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder, ScriptedServer
from ..simulation import Fault
from .world import World

__all__ = ["EVENTS", "Failing", "ServiceSteps"]

_HARMLESS = ("deep nesting", "not a number", "empty", "not an object", "no type", "invalid utf-8")
"""Rows of garbage that no reading makes a message of the protocol."""

_RETRIED_CODES = (1000, 1001, 1011, 1012, 1013, 3005, 4000, 4429, 4499)
_RETRIED_STATUSES = (408, 429, 500, 502, 503, 504)


def _mischiefs() -> SearchStrategy[Mischief]:
    times = st.integers(1, 3)
    return st.one_of(
        st.builds(Drop, times, st.just("message.received")),
        st.builds(Delay, st.floats(0.1, 30), times, st.just("message.received")),
        st.builds(Duplicate, times),
        st.builds(Reorder, st.integers(2, 3)),
        st.builds(Mute, st.floats(1, 60)),
        st.builds(DieAfter, times),
    )


_COMMANDS: SearchStrategy[Any] = st.runner().flatmap(lambda machine: machine.commands)
EVENTS: SearchStrategy[Any] = st.runner().flatmap(lambda machine: machine.events)

F = TypeVar("F", bound=Callable[..., Any])

_fault_rules: list[str] = []


def _fault(step: F) -> F:
    """Marks a rule that a clean run does without."""
    _fault_rules.append(step.__name__)
    return step


class ServiceSteps(RuleBasedStateMachine):
    """The steps. Base of `ServiceMachine`, where the attributes are explained."""

    commands: ClassVar[SearchStrategy[Any]]
    events: ClassVar[SearchStrategy[Any]]
    has_faults: ClassVar[bool] = True
    world: World | None
    server: ScriptedServer
    service: WebSocketService

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Rules that are there but may not run would cost much of the time of a clean run: Hypothesis draws them again and again.
        for name in _fault_rules:
            if not cls.has_faults:
                setattr(cls, name, None)
            elif getattr(cls, name) is None:
                setattr(cls, name, getattr(ServiceSteps, name))

    def __init__(self) -> None:
        super().__init__()
        self.deliveries: list[Delivery] = []
        self._event_type = "*"
        self._has_failed = False

    if TYPE_CHECKING:

        def _published(self, event: Any) -> None: ...

    @rule(command=_COMMANDS)
    def the_program_sends(self, command: Any) -> None:
        """A command goes out, or waits."""
        self._send(command)

    @rule(command=_COMMANDS, count=st.integers(2, 6))
    def the_program_sends_many(self, command: Any, count: int) -> None:
        """The same command, many times at once: more than the window lets go together."""
        for _ in range(count):
            self._send(command)

    @rule(event=EVENTS)
    def the_server_publishes(self, event: Any) -> None:
        """An event goes to the client, now or when it resumes."""
        self._publish(event)

    @_fault
    @rule(count=st.integers(1, 3))
    def the_server_repeats(self, count: int) -> None:
        """The newest events go to the client again, with their old numbers."""
        with Failing(self):
            self._world.call(lambda: self.server.replay(count))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing else happens for a while."""
        with Failing(self):
            self._world.run(self._world.advance(seconds))

    @_fault
    @rule(fault=faults())
    def the_network_fails(self, fault: Fault) -> None:
        """A byte-level fault begins, or everything heals."""
        with Failing(self):
            self._world.network.apply(fault)

    @_fault
    @rule()
    def everything_heals(self) -> None:
        """The network and the server are as good as new."""
        with Failing(self):
            self._world.run(self._world.heal())

    @_fault
    @rule(mischief=_mischiefs())
    def the_server_misbehaves(self, mischief: Mischief) -> None:
        """A message-level mischief begins."""
        with Failing(self):
            if isinstance(mischief, Duplicate | Reorder):
                mischief = attrs.evolve(mischief, types=self._event_type)
            self._world.call(lambda: self.server.misbehave(mischief))

    @_fault
    @rule()
    def the_server_stops_reading(self) -> None:
        """Buffers fill, and a writer has to wait."""
        with Failing(self):
            self._world.call(self.server.stop_reading)

    @_fault
    @rule(status=st.sampled_from(_RETRIED_STATUSES), times=st.integers(1, 3))
    def the_server_refuses(self, status: int, times: int) -> None:
        """The next handshakes get an HTTP status, as from a proxy whose server is away."""
        with Failing(self):
            self._world.call(lambda: self.server.refuse_handshake(status, times=times))

    @_fault
    @rule(garbage=wire_garbage(rows=_HARMLESS))
    def the_server_sends_garbage(self, garbage: Garbage) -> None:
        """A frame that is not a message; it must have no effect."""
        with Failing(self):
            self._world.call(lambda: self.server.send_frame(garbage.frame))

    @_fault
    @rule(command=_COMMANDS, count=st.integers(2, 10), received=st.integers(0, 5))
    def the_connection_breaks_in_a_flush(self, command: Any, count: int, received: int) -> None:
        """The program sends many at once; the server receives some of them, and the connection breaks."""
        with Failing(self):
            if received:
                self._world.call(lambda: self.server.misbehave(DieAfter(received)))
            else:
                self._world.network.black_hole()
            for _ in range(count):
                self._send(command)
            self._settle()
            self._world.network.heal()
            self._world.network.reset()

    @_fault
    @rule(code=st.sampled_from(_RETRIED_CODES), times=st.integers(1, 3))
    def the_server_closes(self, code: int, times: int) -> None:
        """The connection is closed politely, with a code that allows to come back; the next ones soon after they open."""

        async def close() -> None:
            await self.server.close(code)
            for _ in range(times - 1):
                await self._world.advance(5.0)
                await self.server.close(code)

        with Failing(self):
            self._world.run(close())

    @_fault
    @rule(seconds=st.sampled_from([0.1, 5.0, 100.0]))
    def the_server_restarts(self, seconds: float) -> None:
        """The server is away for a while, and comes back with its memory."""

        async def restart() -> None:
            await self.server.stop(1012)
            await self._world.advance(seconds)
            await self.server.start()

        with Failing(self):
            self._world.run(restart())

    @_fault
    @rule()
    def the_program_reconnects(self) -> None:
        """The user presses the button."""
        with Failing(self):
            self._world.call(self.service.reconnect)

    @_fault
    @rule(drain=st.sampled_from([0.0, 5.0]), seconds=st.sampled_from([0.0, 1.0, 60.0]))
    def the_program_disconnects(self, drain: float, seconds: float) -> None:
        """The user goes offline on purpose, and comes back later."""

        async def leave() -> None:
            await self.service.disconnect(drain)
            self._world.check_at_rest()
            await self._world.advance(seconds)
            await self.service.connect()

        with Failing(self):
            self._world.run(leave())

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _send(self, command: Any) -> None:
        with Failing(self):
            delivery = self.service.send(command)
            if isinstance(delivery.failure, OutboxFull):
                return
            self._world.history.accepted(delivery.id)
            self.deliveries.append(delivery)
            delivery.watch(lambda status: self._note(delivery.id, status))

    def _publish(self, event: Any) -> None:
        with Failing(self):
            self._event_type = self._world.call(lambda: self.server.publish(event)).type
            self._published(event)

    def _settle(self) -> None:
        self._world.run(self._world.settle())

    def _note(self, message: str, status: DeliveryStatus) -> None:
        history = self._world.history if self.world is not None else None
        if history is None:
            return
        if status is DeliveryStatus.ACKNOWLEDGED:
            history.acknowledged(message)
        elif status in (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN):
            history.dropped(message)

    def note_failure(self, error: BaseException) -> None:
        """Remembers that a step failed: then nothing more can be demanded at the end. Keeps the frames so far."""
        if not self._has_failed and self.world is not None:
            self.world.explain(error)
        self._has_failed = True


class Failing:
    """Notes on its machine that a step raised."""

    def __init__(self, machine: ServiceSteps) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None:
            self._machine.note_failure(error)
