"""A model-based machine for client, server and everything between: messages both ways, faults, mischief, restarts.

Safety after every step: the rules of `World.check`, and the client shows what the model was after some of the events, never going
back. Then, at the end, liveness: everything is healed, time passes, and the service must be connected, every promised message
delivered, and the client must show what the model says. Subclass `ServiceMachine` to attach your own handlers and stores, and
say with `next_model` and `observe` what they should show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.strategies import SearchStrategy

from reactive_ws.delivery import Delivery, DeliveryStatus
from reactive_ws.errors import OutboxFull
from reactive_ws.messages import Envelope, SessionClose, SessionClosed
from reactive_ws.outbox_entry import OutboxOptions
from reactive_ws.service import WebSocketService
from reactive_ws.store import ReadOnly

from .client_snapshot import ClientSnapshot
from .faults import Fault, Latency
from .garbage import Garbage, wire_garbage
from .history import Promise
from .mischief import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder
from .server import ScriptedServer
from .strategies import faults, seeds
from .world import World

__all__ = ["ServiceMachine"]

_NAMES = st.text("abc", min_size=1, max_size=3)
_PATIENCE = 300.0
"""Virtual seconds in which everything must be delivered once all is healed: the longest backoff, dial and resends."""

_CLEAN_PATIENCE = 30.0
"""The same without faults: nothing is lost or late, and one heartbeat shows that the connection lasts."""

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
_EVENTS: SearchStrategy[Any] = st.runner().flatmap(lambda machine: machine.events)

F = TypeVar("F", bound=Callable[..., Any])

_fault_rules: list[str] = []


def _fault(step: F) -> F:
    """Marks a rule that a clean run does without."""
    _fault_rules.append(step.__name__)
    return step


class ServiceMachine(RuleBasedStateMachine):
    """Plays a service against a scripted server. Override what is below `# what a subclass says`.

    Attributes:
        commands: Draws what the program sends: payloads of at-least-once types.
        events: Draws what the server publishes in its stream.
        initial_model: The model before the first event; never changed in place.
        promise: What is demanded of the commands.
        has_faults: Whether the network and the server misbehave; False gives a clean run.
    """

    commands: ClassVar[SearchStrategy[Any]] = st.builds(SessionClose, _NAMES)
    events: ClassVar[SearchStrategy[Any]] = st.builds(SessionClosed, _NAMES)
    initial_model: ClassVar[Any] = ()
    promise: ClassVar[Promise] = Promise.EFFECTIVELY_ONCE
    has_faults: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Rules that are there but may not run would cost much of the time of a clean run: Hypothesis draws them again and again.
        for name in _fault_rules:
            if not cls.has_faults:
                setattr(cls, name, None)
            elif getattr(cls, name) is None:
                setattr(cls, name, getattr(ServiceMachine, name))

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.models: list[Any] = [type(self).initial_model]
        self.deliveries: list[Delivery] = []
        self.stores: Mapping[str, ReadOnly[Any]] = {}
        self._heard: list[Any] = []
        self._shown = 0
        self._event_type = "*"
        self._has_failed = False

    # --- what a subclass says -----------------------------------------------------------------------------------------

    def make_service(self, world: World) -> WebSocketService:
        """Returns the service; made by `world.service`, so that it takes clock, chance and ids from there.

        Its window is small: few messages are enough to fill it.
        """
        return world.service(outbox=OutboxOptions(window=4))

    def attach(self, service: WebSocketService) -> Mapping[str, ReadOnly[Any]] | None:
        """Registers handlers and makes stores in `self.world.domain`; returns the stores that `observe` needs, by name."""

    def next_model(self, model: Any, event: Any) -> Any:
        """Returns the model after an event took effect at the client. Pure: the old model stays as it is."""
        return (*model, event)

    def observe(self, snapshot: ClientSnapshot) -> Any:
        """Returns what the client shows, to be compared with the model. Pure.

        It is asked after every step, when the client may not have got all events yet: then it must show what the model was
        after the first few of them. By default it shows the events that reached handlers.
        """
        return snapshot.heard

    # --- beginning and end --------------------------------------------------------------------------------------------

    @initialize(first=_EVENTS, seed=seeds(), order=st.none() | st.integers(0, 2**16))
    def begin(self, first: Any, seed: int, order: int | None) -> None:
        """Opens a world, connects, and lets a first event happen."""
        self.world = World(seed, order=order)
        self.world.__enter__()
        with _Failing(self):
            self.server: ScriptedServer = self.world.run(self.world.server())
            self.service = self.make_service(self.world)
            # Before the program's own handlers: one that raises must not hide what came.
            self.service.subscribe("*", self._hear)
            self.stores = self.attach(self.service) or {}
            self.world.call(self.service.connect)
            self.world.run(self.service.wait_connected(30))
            # From here on the client has a position in the stream, and misses nothing.
            self._publish(first)

    def teardown(self) -> None:
        """Heals everything, lets time pass, and demands that all is well."""
        world, self.world = self.world, None
        if world is None:
            return
        if self._has_failed:
            world.simulation.__exit__(AssertionError, AssertionError(), None)
            return
        try:
            self._demand_liveness(world)
        except BaseException as error:
            world.__exit__(type(error), error, error.__traceback__)
            raise
        world.__exit__(None, None, None)

    def _demand_liveness(self, world: World) -> None:
        patience = _PATIENCE if self.has_faults else _CLEAN_PATIENCE

        async def heal() -> None:
            await world.heal()
            world.network.apply(Latency(0.01))
            await world.advance(patience)
            await world.settle()

        world.run(heal())
        world.check()
        if not self.service.is_connected:
            raise AssertionError(
                f"everything is healed for {patience:g} s, but the service is "
                f"{self.service.connection.get()!r}"
            )
        waiting = [delivery for delivery in self.deliveries if not delivery.is_final]
        if waiting:
            raise AssertionError(f"these are still not delivered: {waiting!r}")
        world.history.judge(self.promise).check()
        seen = self.observe(self.snapshot())
        if seen != self.models[-1]:
            raise AssertionError(
                f"the client shows {seen!r}, but after all {len(self.models) - 1} events the model is "
                f"{self.models[-1]!r}"
            )

    # --- what happens -------------------------------------------------------------------------------------------------

    @rule(command=_COMMANDS)
    def the_program_sends(self, command: Any) -> None:
        """A command goes out, or waits."""
        self._send(command)

    @rule(command=_COMMANDS, count=st.integers(2, 6))
    def the_program_sends_many(self, command: Any, count: int) -> None:
        """The same command, many times at once: more than the window lets go together."""
        for _ in range(count):
            self._send(command)

    @rule(event=_EVENTS)
    def the_server_publishes(self, event: Any) -> None:
        """An event goes to the client, now or when it resumes."""
        self._publish(event)

    @_fault
    @rule(count=st.integers(1, 3))
    def the_server_repeats(self, count: int) -> None:
        """The newest events go to the client again, with their old numbers."""
        with _Failing(self):
            self._world.call(lambda: self.server.replay(count))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing else happens for a while."""
        with _Failing(self):
            self._world.run(self._world.advance(seconds))

    @_fault
    @rule(fault=faults())
    def the_network_fails(self, fault: Fault) -> None:
        """A byte-level fault begins, or everything heals."""
        with _Failing(self):
            self._world.network.apply(fault)

    @_fault
    @rule()
    def everything_heals(self) -> None:
        """The network and the server are as good as new."""
        with _Failing(self):
            self._world.run(self._world.heal())

    @_fault
    @rule(mischief=_mischiefs())
    def the_server_misbehaves(self, mischief: Mischief) -> None:
        """A message-level mischief begins."""
        with _Failing(self):
            if isinstance(mischief, Duplicate | Reorder):
                mischief = attrs.evolve(mischief, types=self._event_type)
            self._world.call(lambda: self.server.misbehave(mischief))

    @_fault
    @rule()
    def the_server_stops_reading(self) -> None:
        """Buffers fill, and who writes has to wait."""
        with _Failing(self):
            self._world.call(self.server.stop_reading)

    @_fault
    @rule(status=st.sampled_from(_RETRIED_STATUSES), times=st.integers(1, 3))
    def the_server_refuses(self, status: int, times: int) -> None:
        """The next handshakes get an HTTP status, as from a proxy whose server is away."""
        with _Failing(self):
            self._world.call(lambda: self.server.refuse_handshake(status, times=times))

    @_fault
    @rule(garbage=wire_garbage(rows=_HARMLESS))
    def the_server_sends_garbage(self, garbage: Garbage) -> None:
        """A frame that is no message; nothing may come of it."""
        with _Failing(self):
            self._world.call(lambda: self.server.send_frame(garbage.frame))

    @_fault
    @rule(command=_COMMANDS, count=st.integers(2, 10), received=st.integers(0, 5))
    def the_connection_breaks_in_a_flush(self, command: Any, count: int, received: int) -> None:
        """The program sends many at once; the server receives some of them, and the connection breaks."""
        with _Failing(self):
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

        with _Failing(self):
            self._world.run(close())

    @_fault
    @rule(seconds=st.sampled_from([0.1, 5.0, 100.0]))
    def the_server_restarts(self, seconds: float) -> None:
        """The server is away for a while, and comes back with its memory."""

        async def restart() -> None:
            await self.server.stop(1012)
            await self._world.advance(seconds)
            await self.server.start()

        with _Failing(self):
            self._world.run(restart())

    @_fault
    @rule()
    def the_program_reconnects(self) -> None:
        """The user presses the button."""
        with _Failing(self):
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

        with _Failing(self):
            self._world.run(leave())

    @precondition(lambda self: self.world is not None)
    @invariant()
    def the_rules_hold(self) -> None:
        """What must hold whatever happens."""
        with _Failing(self):
            self._settle()
            self._world.check()
            self._check_what_is_shown()

    # --- inside -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> ClientSnapshot:
        """Returns what the client shows now."""
        return ClientSnapshot.of(self.service, self.stores, tuple(self._heard))

    def _check_what_is_shown(self) -> None:
        seen = self.observe(self.snapshot())
        for place in range(self._shown, len(self.models)):
            if self.models[place] == seen:
                self._shown = place
                return
        raise AssertionError(
            f"the client shows {seen!r}, but the model was {self.models[self._shown]!r} when it was shown last, and "
            f"then {self.models[self._shown + 1 :]!r}"
        )

    def _hear(self, payload: Any, envelope: Envelope[Any]) -> None:
        if envelope.seq is not None:
            self._heard.append(payload)

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _send(self, command: Any) -> None:
        with _Failing(self):
            try:
                delivery = self.service.send(command)
            except OutboxFull:
                return
            self._world.history.accepted(delivery.id)
            self.deliveries.append(delivery)
            delivery.watch(lambda status: self._note(delivery.id, status))

    def _publish(self, event: Any) -> None:
        with _Failing(self):
            self._event_type = self._world.call(lambda: self.server.publish(event)).type
            self.models.append(self.next_model(self.models[-1], event))

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
        self._has_failed = True
        if self.world is not None:
            self.world.keep_transcript(error)


class _Failing:
    """Notes on its machine that a step raised."""

    def __init__(self, machine: ServiceMachine) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if error is not None:
            self._machine.note_failure(error)
