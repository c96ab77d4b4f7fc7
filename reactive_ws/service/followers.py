"""The replicas of a service: makes them, joins them to the receiver, and does what they ask for."""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import attrs
import msgspec
from msgspec import UnsetType

from ..connection import ErrorKind
from ..engine import Domain, check_count, check_seconds, outside_batches
from ..errors import UnknownType, UsageError
from ..inbound import Receiver, Subscriptions
from ..middleware import PersistFile, persist
from ..outbox import Delivery, Outbox
from ..replicas import Replica, Replicas, Saved
from ..wire import Envelope, Guarantee, Position, Registry
from .place import ServicePlace
from .sender import Sender
from .status import Reports

__all__ = ["MAX_STATE_SIZE", "Followers", "Reducers"]

S = TypeVar("S")

Reducers: TypeAlias = Mapping[Any, Callable[[S, Any], S]]
"""Pure functions `(state, payload) -> state` by the class of the payload, or by the name of the type."""

MAX_STATE_SIZE = 64 * 2**20
"""Bytes of the largest state that a replica takes, unless the program says otherwise."""
_MAX_RESTING = 1_000
"""Streams that were let go whose positions are kept."""
_OVERHEAD = 200
_UNKNOWN_SIZE = 4096
"""Bytes of an entry in memory besides its payload's text, and of an entry whose payload has no JSON text; about."""


@attrs.frozen
class _Plan(Generic[S]):
    """The arguments of one call, which all its replicas share."""

    initial: S
    reducers: Mapping[str, Callable[[S, Any], S]]
    snapshot: Callable[[Any], S | UnsetType]
    optimistic: Mapping[str, Callable[[S, Any], S]]
    max_state_size: int
    part: str = ""
    takes_unnumbered: bool = False


class Followers:
    """The `ReplicaService` of the replicas. Any thread.

    Args:
        domain: Of the replicas' stores.
        registry: Finds the types of entries and commands.
        receiver: Feeds the replicas.
        subscriptions: The channels that the server is asked for.
        outbox: Has commands that an earlier process left.
        place: Where the service runs.
        sender: Sends commands.
        reports: Takes what reducers raise.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        registry: Registry,
        receiver: Receiver,
        subscriptions: Subscriptions,
        outbox: Outbox,
        place: ServicePlace,
        sender: Sender,
        reports: Reports,
    ) -> None:
        self._domain = domain
        self._registry = registry
        self._receiver = receiver
        self._subscriptions = subscriptions
        self._outbox = outbox
        self._place = place
        self._sender = sender
        self._reports = reports
        self._files: dict[Replica[Any], PersistFile] = {}
        # Positions of streams that were let go, the longest unused one first.
        self._resting: dict[str, Position] = {}
        self._known: weakref.WeakValueDictionary[tuple[str, str], Replica[Any]] = (
            weakref.WeakValueDictionary()
        )

    def replica(
        self,
        stream: str,
        initial: S,
        reducers: Reducers[S],
        *,
        snapshot: type[S] | Callable[[Any], S | UnsetType] | None,
        optimistic: Reducers[S],
        max_state_size: int,
        state_file: str | os.PathLike[str] | None,
        part: str,
        takes_unnumbered: bool,
    ) -> Replica[S]:
        """Makes the replica of a stream."""
        if "*" in stream:
            raise UsageError(
                f"{stream!r} is a pattern; service.replicas({stream!r}, ...) has a replica for each of its streams"
            )
        plan = self._plan(initial, reducers, snapshot, optimistic, max_state_size)
        plan = attrs.evolve(plan, part=part, takes_unnumbered=takes_unnumbered)
        replica = self._made(plan, stream, None)
        if state_file is not None:
            kind: type[S] = type(initial)
            file = persist(replica.saved, state_file, as_type=Saved[kind])  # type: ignore[valid-type]
            self._files[replica] = file
            self._sender.closing.append(file.flush)
            position = replica.restore()
            if position is not None:
                self._receiver.positions.update(lambda known: {stream: position, **known})
        self._add_waiting(replica)
        self.use(replica)
        return replica

    def replicas(
        self,
        pattern: str,
        initial: S,
        reducers: Reducers[S],
        *,
        snapshot: type[S] | Callable[[Any], S | UnsetType] | None,
        optimistic: Reducers[S],
        max_state_size: int,
        linger: float,
    ) -> Replicas[S]:
        """Makes the replicas of a pattern."""
        if pattern != "*" and pattern[-2:] not in (".*", "/*"):
            raise UsageError(
                f"{pattern!r} is not a pattern; give '*', or a name that ends in '/*' or '.*'"
            )
        check_seconds(linger, "linger=")
        plan = self._plan(initial, reducers, snapshot, optimistic, max_state_size)

        def make(stream: str) -> Replica[S]:
            replica = self._made(plan, stream, linger)
            self._add_waiting(replica)
            return replica

        return Replicas(pattern, make, self.use)

    def _plan(
        self,
        initial: S,
        reducers: Reducers[S],
        snapshot: type[S] | Callable[[Any], S | UnsetType] | None,
        optimistic: Reducers[S],
        max_state_size: int,
    ) -> _Plan[S]:
        check_count(max_state_size, "max_state_size=", least=1)
        wanted = type(initial) if snapshot is None else snapshot
        return _Plan(
            initial,
            {self._name(key): reducer for key, reducer in reducers.items()},
            _converter(wanted),
            {self._promised(key): it for key, it in optimistic.items()},
            max_state_size,
        )

    def _made(self, plan: _Plan[S], stream: str, linger: float | None) -> Replica[S]:
        known = self._known.get((stream, plan.part))
        if known is not None and not known.is_closed:
            raise UsageError(
                f"there is a replica of {stream!r} already; keep the first one, or give part= a name of its own"
            )
        replica = self._known[stream, plan.part] = Replica(
            stream,
            plan.initial,
            plan.reducers,
            snapshot=plan.snapshot,
            optimistic=plan.optimistic,
            max_state_size=plan.max_state_size,
            domain=self._domain,
            hub=self,
            linger=linger,
            part=plan.part,
            takes_unnumbered=plan.takes_unnumbered,
        )
        return replica

    def _add_waiting(self, replica: Replica[Any]) -> None:
        """Shows the commands of an earlier process, and those that were sent while the replica was not there."""
        for waiting in self._outbox.view():
            if replica.takes(waiting.envelope):
                replica.add(waiting.envelope)
                replica.watch(waiting.delivery)

    def _name(self, key: type[Any] | str) -> str:
        return key if isinstance(key, str) else self._registry.of(key).name

    def _promised(self, key: type[Any] | str) -> str:
        row = self._registry.get(self._name(key))
        if row is None:
            raise UnknownType(str(key))
        if row.guarantee is not Guarantee.AT_LEAST_ONCE:
            raise UsageError(
                f"an optimistic command must be at-least-once, or its effect could stay without one; "
                f"register {row.name!r} with guarantee=Guarantee.AT_LEAST_ONCE"
            )
        return row.name

    # --- for replicas ---------------------------------------------------------------------------------------------------

    def send(
        self, message: object, stream: str, sending: Callable[[Envelope[Any]], None]
    ) -> Delivery:
        """Queues a command of a replica."""

        def at_once(envelope: Envelope[Any]) -> None:
            if self._receiver.is_in_burst():
                sending(envelope)
                return
            # The answer may come before a batch of the program ends, and has to find the pending command.
            with outside_batches():
                sending(envelope)

        return self._sender.send(message, None, stream, None, at_once)

    def use(self, replica: Replica[Any]) -> None:
        """Lets a replica follow its stream; a replica of a pattern follows it for its linger time at least."""
        stream = replica.stream

        def join() -> None:
            followers, shell = self._receiver.followers, self._place.shell
            if replica.is_closed:
                return
            if followers.add(replica):
                replica.is_followed = True
                position = self._resting.pop(stream, None)
                if position is not None:
                    self._receiver.know(stream, position)
                is_heard = self._subscriptions.is_confirmed(stream)
                self._subscriptions.add(stream)
                if shell is not None:
                    shell.say_subscriptions()
                    if not replica.unnumbered:
                        shell.need_states()
                    if is_heard and replica.following(is_recovered=None):
                        shell.sync((stream,))
            self._rest(replica)

        self._place.post(join)

    def rest(self, replica: Replica[Any]) -> None:
        """Lets a replica go after its linger time, unless something needs it then."""
        self._place.post(lambda: self._rest(replica))

    def _rest(self, replica: Replica[Any]) -> None:
        if replica.linger is not None and not replica.is_needed:
            name = ("linger", replica)
            self._schedule(name, replica.linger, lambda: self._let_go(replica))

    def _schedule(
        self, name: tuple[str, Replica[Any]], seconds: float, act: Callable[[], None]
    ) -> None:
        self._receiver.agenda.at(name, self._place.now() + seconds, act)
        if self._place.shell is not None:
            self._place.shell.agenda_changed()

    def _let_go(self, replica: Replica[Any]) -> None:
        stream = replica.stream
        if replica.is_needed or not self._part(replica):
            return
        # A stream without a subscription is not resumed. Its next subscription goes on after this position.
        position = self._receiver.positions.get().get(stream)
        if position is not None and stream not in self._receiver.followers.streams:
            self._resting[stream] = position
            self._receiver.forget((stream,), is_resting=True)
            if len(self._resting) > _MAX_RESTING:
                del self._resting[next(iter(self._resting))]

    def _part(self, replica: Replica[Any]) -> bool:
        """Stops following a stream; returns whether it was followed. Loop only."""
        if not self._receiver.followers.remove(replica):
            return False
        replica.is_followed = False
        self._receiver.agenda.cancel(("linger", replica))
        self._receiver.agenda.cancel(("sync", replica))
        self._subscriptions.remove(replica.stream)
        if self._place.shell is not None:
            self._place.shell.say_subscriptions()
        replica.lost()
        return True

    def leave(self, replica: Replica[Any]) -> None:
        """Ends a replica: its stream is no longer followed, and its file is let go."""

        def part() -> None:
            self._part(replica)

        self._place.post(part)
        name = replica.stream, replica.part
        if self._known.get(name) is replica:
            del self._known[name]
        file = self._files.pop(replica, None)
        if file is not None:
            self._sender.closing.remove(file.flush)
            file.close()

    def later(self, replica: Replica[Any], seconds: float, act: Callable[[], None]) -> None:
        """Calls a function of a replica after so many seconds. Loop only."""
        self._schedule(("sync", replica), seconds, act)

    def size(self, message: Envelope[Any]) -> int:
        """Returns the bytes of a message, about."""
        try:
            return len(msgspec.json.encode(message.payload)) + _OVERHEAD
        except (TypeError, ValueError):
            # A payload of the program's own codec.
            return _UNKNOWN_SIZE

    def sync(self, stream: str) -> None:
        """Asks the server for the state of a stream."""

        def ask() -> None:
            if self._place.shell is not None:
                self._place.shell.sync((stream,))
            else:
                self._receiver.to_sync[stream] = None

        self._place.post(ask)

    def report(self, error: Exception, source: str) -> None:
        """Reports what a reducer raised."""
        self._reports.error(ErrorKind.APPLICATION, error, is_retryable=False, source=source)

    def payload(self, kind: str, value: Any) -> Any:
        """Returns a stored command in its class."""
        row = self._registry.get(kind)
        return value if row is None else msgspec.convert(value, row.payload)


def _converter(
    wanted: type[S] | Callable[[Any], S | UnsetType],
) -> Callable[[Any], S | UnsetType]:
    if not isinstance(wanted, type):
        return wanted
    kind: Any = wanted
    return functools.partial(msgspec.convert, type=kind)
