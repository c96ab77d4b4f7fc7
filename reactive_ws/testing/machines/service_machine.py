"""A model-based machine for client, server and everything between: messages both ways, faults, mischief, restarts.

Safety after every step: the rules of `World.check`, and the client shows what the model was after some of the events, never going
back. Then, at the end, liveness: everything is healed, time passes, and the service must be connected, every promised message
delivered, and the client must show what the model says. Subclass `ServiceMachine` to attach your own handlers and stores, and
say with `next_model` and `observe` what they should show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition
from hypothesis.strategies import SearchStrategy
from msgspec import Struct

from ...outbox import OutboxOptions
from ...service import WebSocketService
from ...state import ReadOnly
from ...wire import Envelope, Guarantee, Registry, protocol_v1
from ..generating import seeds
from ..simulation import Latency
from ..watching import Promise
from .client_snapshot import ClientSnapshot
from .service_steps import EVENTS, Failing, ServiceSteps
from .world import World

__all__ = ["Command", "Event", "ServiceMachine"]

_NAMES = st.text("abc", min_size=1, max_size=3)
_PATIENCE = 300.0
"""Virtual seconds in which everything must be delivered once all is healed: the longest backoff, dial and resends."""

_CLEAN_PATIENCE = 30.0
"""The same without faults: nothing is lost or late, and one heartbeat shows that the connection lasts."""


_TYPES = protocol_v1()


@_TYPES.message("machine.command", guarantee=Guarantee.AT_LEAST_ONCE)
class Command(Struct, frozen=True):
    """A command that the program of a `ServiceMachine` sends by default."""

    name: str


@_TYPES.message("machine.event")
class Event(Struct, frozen=True):
    """An event that the server of a `ServiceMachine` publishes by default."""

    name: str


class ServiceMachine(ServiceSteps):
    """Plays a service against a scripted server. Override what is below `# what a subclass says`.

    Attributes:
        commands: Draws what the program sends: payloads of at-least-once types.
        events: Draws what the server publishes in its stream.
        registry: The message types of server and service; those of `commands` and `events` must be in it.
        initial_model: The model before the first event; never changed in place.
        promise: What is demanded of the commands.
        has_faults: Whether the network and the server misbehave; False gives a clean run.
    """

    commands: ClassVar[SearchStrategy[Any]] = st.builds(Command, _NAMES)
    events: ClassVar[SearchStrategy[Any]] = st.builds(Event, _NAMES)
    registry: ClassVar[Registry] = _TYPES
    initial_model: ClassVar[Any] = ()
    promise: ClassVar[Promise] = Promise.EFFECTIVELY_ONCE

    def __init__(self) -> None:
        super().__init__()
        self.world: World | None = None
        self.models: list[Any] = [type(self).initial_model]
        self.stores: Mapping[str, ReadOnly[Any]] = {}
        self._heard: list[Any] = []
        self._shown = 0

    # --- what a subclass says -----------------------------------------------------------------------------------------

    def make_service(self, world: World) -> WebSocketService:
        """Returns the service; made by `world.service`, so that it takes clock, chance and ids from there.

        Its window is small: few messages are enough to fill it.
        """
        return world.service(registry=self.registry, outbox=OutboxOptions(window=4))

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

    @initialize(first=EVENTS, seed=seeds(), order=st.none() | st.integers(0, 2**16))
    def begin(self, first: Any, seed: int, order: int | None) -> None:
        """Opens a world, connects, and lets a first event happen."""
        self.world = World(seed, order=order)
        self.world.__enter__()
        with Failing(self):
            self.server = self.world.run(self.world.server(registry=self.registry))
            self.service = self.make_service(self.world)
            # Before the program's own handlers: one that raises must not hide what came.
            self.service.on_channel("*", self._hear)
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

    @precondition(lambda self: self.world is not None)
    @invariant()
    def the_rules_hold(self) -> None:
        """The rules that hold after every step."""
        with Failing(self):
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

    def _published(self, event: Any) -> None:
        self.models.append(self.next_model(self.models[-1], event))
