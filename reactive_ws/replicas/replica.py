"""`Replica`: the state of a stream, kept by reducers, with the program's own commands shown at once.

It sends nothing by itself: `service` gives it the function that sends, and calls it in the batch of each burst. The module is long because
it has a method for each event of the service and for each wish of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar, cast

import attrs
import msgspec
from msgspec import UnsetType

from ..engine import Domain, Source
from ..errors import StateTooBig
from ..outbox import Delivery, DeliveryStatus
from ..state import ReadOnly, Store, derived
from ..wire import Envelope, Position
from .facts import Facts, PendingCommand, ReplicaStatus, Rules

__all__ = ["Replica", "ReplicaService", "Saved"]

S = TypeVar("S")

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
"""Seconds before the state is asked for again, after more entries came than are kept for it."""


_WAITING = (ReplicaStatus.LOADING, ReplicaStatus.RECOVERING)


class ReplicaService(Protocol):
    """The service as a replica uses it. Any thread."""

    def send(
        self, message: object, stream: str, sending: Callable[[Envelope[Any]], None]
    ) -> Delivery:
        """Queues a command; calls `sending` with it before it can be acknowledged."""
        ...

    def sync(self, stream: str) -> None:
        """Asks the server for the state of a stream."""
        ...

    def leave(self, replica: Replica[Any]) -> None:
        """Stops following the stream of a replica."""
        ...

    def use(self, replica: Replica[Any]) -> None:
        """Follows the stream of a replica again."""
        ...

    def rest(self, replica: Replica[Any]) -> None:
        """Nothing needs a replica at the moment; lets it go after a while."""
        ...

    def later(self, replica: Replica[Any], seconds: float, act: Callable[[], None]) -> None:
        """Calls a function of a replica after so many seconds, in the service's loop, instead of the one before."""
        ...

    def size(self, message: Envelope[Any]) -> int:
        """Returns the bytes of a message."""
        ...

    def report(self, error: Exception, source: str) -> None:
        """Reports what a reducer raised."""
        ...

    def payload(self, kind: str, value: Any) -> Any:
        """Returns the command of a stored value, in the class that the registry has for the type."""
        ...


class Saved(msgspec.Struct, Generic[S], frozen=True):
    """The part of a replica that survives the process.

    Attributes:
        state: The confirmed state; None before the first one.
        epoch, seq: Its position.
        awaited: The acknowledged commands whose effect has not come: id, type, payload, epoch and seq of the effect.
    """

    state: S | None = None
    epoch: str = ""
    seq: int = 0
    awaited: tuple[tuple[str, str, Any, str, int], ...] = ()


class Replica(ReadOnly[S]):
    """The state of a stream. `get`, `select` and `derived` see it with the pending commands on top.

    `WebSocketService.replica` makes one. All methods may be called from any thread.

    Attributes:
        is_closed: Whether `close` was called.
        is_followed: Whether the service follows the stream; False before its loop took the replica, and after it let it go.
        linger: Seconds after which the service lets a replica of a pattern go when nothing needs it; None: never.
        unnumbered: The types that it takes also from messages without a position in its stream.
    """

    __slots__ = (
        "__weakref__",
        "_confirmed",
        "_convert",
        "_facts",
        "_failed",
        "_hub",
        "_is_asked",
        "_is_observed",
        "_is_recovered",
        "_is_saving",
        "_max_state_size",
        "_optimistic",
        "_pause",
        "_pending",
        "_rules",
        "_status",
        "_visible",
        "_was_behind",
        "is_closed",
        "is_followed",
        "linger",
        "part",
        "saved",
        "unnumbered",
    )

    def __init__(
        self,
        stream: str,
        initial: S,
        reducers: Mapping[str, Callable[[S, Any], S]],
        *,
        snapshot: Callable[[Any], S | UnsetType],
        optimistic: Mapping[str, Callable[[S, Any], S]],
        max_state_size: int,
        domain: Domain,
        hub: ReplicaService,
        linger: float | None = None,
        part: str = "",
        takes_unnumbered: bool = False,
    ) -> None:
        name = f"replica {stream}" if not part else f"replica {stream} {part}"
        self.part = part
        self.unnumbered = frozenset(reducers) if takes_unnumbered else frozenset[str]()
        self._hub = hub
        self._convert = snapshot
        self._optimistic = dict(optimistic)
        self._max_state_size = max_state_size
        self._rules = Rules(stream, dict(reducers), lambda error: hub.report(error, name), hub.size)
        self.linger = linger
        is_shared = linger is not None
        self._is_observed = False
        self.is_closed = False
        self.is_followed = False
        self._facts: Store[Facts[S]] = Store(
            Facts(initial),
            name=name,
            domain=domain,
            on_start=self._observed if is_shared else None,
            on_stop=self._unobserved if is_shared else None,
            is_dumped=False,
        )
        self._pause = _FIRST_PAUSE
        self._is_recovered = False
        # Whether the last state that came lacked entries that were here already.
        self._was_behind = False
        # Whether the state is asked for and has not come.
        self._is_asked = False
        self._is_saving = False
        self._failed: set[str] = set()
        self.saved: Store[Saved[S]] = Store(
            Saved(), name=f"{name} saved", domain=domain, is_dumped=False
        )
        self._visible = derived(self._facts, self._shown, name=name)
        self._confirmed = derived(self._facts, lambda now: now.confirmed, name=f"{name} confirmed")
        self._pending = derived(self._facts, lambda now: now.pending, name=f"{name} pending")
        self._status = derived(self._facts, lambda now: now.status, name=f"{name} status")

    def __repr__(self) -> str:
        now = self._facts.get()
        return f"<Replica of {self.stream!r}, {now.status.value}, {len(now.pending)} pending>"

    @property
    def _origin(self) -> Source:
        return self._visible

    # --- for programs ---------------------------------------------------------------------------------------------------

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self._rules.stream

    @property
    def status(self) -> ReadOnly[ReplicaStatus]:
        """How far it is; a UI shows it."""
        return self._status

    @property
    def confirmed(self) -> ReadOnly[S]:
        """The state without the pending commands."""
        return self._confirmed

    @property
    def pending(self) -> ReadOnly[tuple[PendingCommand, ...]]:
        """The commands whose effect is shown and not confirmed, oldest first."""
        return self._pending

    @property
    def is_needed(self) -> bool:
        """Whether it has an observer or a pending command."""
        return self._is_observed or bool(self._facts.get().pending)

    @property
    def position(self) -> Position | None:
        """The last entry in the confirmed state; None before the first state."""
        return self._facts.get().position

    def get(self) -> S:
        """Returns the state with the pending commands on top; inside a batch the batch's."""
        return self._visible.get()

    def send(self, command: object) -> Delivery:
        """Sends a command, and shows its effect at once when its type has an optimistic reducer.

        A refusal takes the effect back, alone. Inside a `batch()` of the program the effect does not wait for the end of the
        batch, because the answer may come before.

        Returns:
            What becomes of the message.

        Raises:
            UnknownType, MessageRejected, OutboxFull, DuplicateId, ServiceClosed: as `WebSocketService.send`.
        """
        sent: list[str] = []

        def sending(envelope: Envelope[Any]) -> None:
            if envelope.type in self._optimistic and self.add(envelope):
                sent.append(envelope.id or "")

        try:
            delivery = self._hub.send(command, self.stream, sending)
        except Exception:
            for identity in sent:
                self.ended(identity)
            raise
        if sent:
            self.watch(delivery)
        if self.linger is not None and not self.is_closed:
            self._hub.use(self)
        return delivery

    def reload(self) -> None:
        """Asks the server for the whole state, also after the replica broke."""
        # A replica that was let go subscribes first; the answer asks for the state.
        is_away = self.linger is not None and not self.is_followed
        self._is_asked = not is_away
        self._change(lambda now: attrs.evolve(self._rules.reloading(now), is_suspect=False))
        if is_away:
            self._hub.use(self)
        else:
            self._hub.sync(self.stream)

    def close(self) -> None:
        """Stops following the stream and lets the state file go. The last state can still be read."""
        self.is_closed = True
        self._hub.leave(self)

    # --- for the service; in its loop, in the batch of a burst ------------------------------------------------------------

    def loose(self, message: Envelope[Any]) -> None:
        """Takes a message that has no position in the stream."""
        self._change(lambda now: self._rules.loose(now, message))

    def entry(self, message: Envelope[Any]) -> bool:
        """Takes a message of the stream; returns whether to ask for the state now."""
        self._change(lambda now: self._rules.entry(now, message))
        return self._asks()

    def _is_behind(self) -> bool:
        """Whether a state that just came lacks an entry that is here already, and some before that one."""
        now = self._facts.get()
        return now.status is ReplicaStatus.RECOVERING and not now.is_suspect

    def _asks(self) -> bool:
        """Whether the state is needed and not asked for yet."""
        if self._is_asked or self._facts.get().status is not ReplicaStatus.RECOVERING:
            return False
        self._is_asked = True
        return True

    def state(self, position: Position, value: Any, size: int = 0) -> bool:
        """Takes the state of the stream; returns whether to ask for another one.

        Args:
            position: The last entry in it.
            value: Plain values.
            size: Bytes of its text; counted here when 0.
        """
        if self._facts.get().is_flooded:
            self._ask_later()
            return False
        self._is_asked = False
        try:
            size = size or len(msgspec.json.encode(value))
            if size > self._max_state_size:
                raise StateTooBig(self.stream, size, self._max_state_size)
            found = self._convert(value)
        except Exception as error:  # noqa: BLE001 - the program's function, or a state of another shape
            self._hub.report(error, f"replica {self.stream}")
            self._change(self._rules.unusable)
            return False
        self._change(
            lambda now: self._rules.state(
                now,
                position,
                self._rules.kept_up_to(now, position) if isinstance(found, UnsetType) else found,
            )
        )
        if self._facts.get().status is ReplicaStatus.LIVE:
            self._pause = _FIRST_PAUSE
            self._was_behind = False
        elif self._is_behind():
            # The server may read a copy of its database that is late; asking at once would never end.
            if self._was_behind:
                self._is_asked = True
                self._ask_later()
            self._was_behind = True
        return self._asks()

    def unusable(self) -> None:
        """The state of the stream cannot be read; the error is reported already."""
        self._is_asked = False
        self._change(self._rules.unusable)

    def _ask_later(self) -> None:
        """Asks for the state after a pause, because the one that came was of no use and the next one may be of none, too."""

        def ask() -> None:
            now = self._facts.get()
            if now.is_flooded:
                # More entries came than are kept for the state.
                self._change(self._rules.reloading)
            elif not now.is_waiting:
                return
            self._hub.sync(self.stream)

        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        self._hub.later(self, pause, ask)

    def missed(self) -> bool:
        """An entry of the stream is not available; returns whether to ask for the state now."""
        self._change(self._rules.missed)
        return self._asks()

    def following(self, *, is_recovered: bool | None) -> bool:
        """The server says whether all entries after the position follow; returns whether to ask for the state now."""
        self._is_recovered = is_recovered is True
        status = self._facts.get().status
        if status is ReplicaStatus.LIVE and (
            is_recovered is False or self._facts.get().has_unheard
        ):
            # In the middle of a connection: the server could not go on with the stream, or did not say where an effect is.
            return self.missed()
        if self._is_asked and self._facts.get().has_unheard:
            self._change(self._rules.heard)
        # Without a word about missed entries the stream was not resumed: only its state says what is missing.
        is_new = is_recovered is None and status is ReplicaStatus.STALE
        is_waiting = status in _WAITING or status is ReplicaStatus.REFUSED
        if self._is_asked or not (is_new or is_waiting):
            return False
        self._change(self._rules.reloading)
        self._is_asked = True
        return True

    def refused(self) -> None:
        """The client may not hear the stream."""
        self._change(self._rules.refused)

    def acknowledged(
        self, identity: str, positions: Mapping[str, Position] | None, *, is_heard: bool = True
    ) -> bool:
        """The server acknowledged a message; returns whether to ask for the state now.

        Args:
            identity: Of the message.
            positions: Where its effects are, by stream; None when this server does not say so.
            is_heard: Whether the server knew that this client follows the stream.
        """
        if all(it.id != identity for it in self._facts.get().pending):
            return False
        if positions is None and self.unnumbered:
            # Nothing will say when the effect is there, and the reducers accept it a second time.
            self._change(self._kept_as_sent(identity))
            return False
        self._change(
            lambda now: self._rules.acknowledged(now, identity, positions or {}, is_heard=is_heard)
        )
        return self._asks()

    def ended(self, identity: str) -> None:
        """The server refused a message."""
        self._change(lambda now: self._rules.ended(now, identity))

    def lost(self) -> None:
        """The connection ended."""
        self._is_recovered = self._is_asked = False
        self._change(self._rules.lost)

    def ready(self, position: Position | None) -> bool:
        """A connection is ready; returns whether to ask for the state now.

        Args:
            position: The position from which the stream goes on.
        """
        is_recovered = self._is_recovered and position == self.position
        self._change(lambda now: self._rules.ready(now, is_recovered=is_recovered))
        needs = self._facts.get().status in _WAITING
        asks = needs and not self._is_asked
        self._is_asked = self._is_asked or needs
        return asks

    # --- pending commands -----------------------------------------------------------------------------------------------

    def add(self, envelope: Envelope[Any]) -> bool:
        """Shows the effect of a command that is on its way; returns False when a command with its id is shown already."""
        command = PendingCommand(envelope.id or "", envelope.type, envelope.payload)
        known = {it.id for it in self._facts.get().pending}
        if command.id in known:
            # Such as after a process that died when its state file had the acknowledgement and its outbox still the message.
            return False
        self._failed &= known
        self._change(lambda now: self._rules.sent(now, command))
        return True

    def takes(self, envelope: Envelope[Any]) -> bool:
        """Whether a message that waits in the outbox is one of this replica's commands."""
        return envelope.type in self._optimistic and envelope.channel == self.stream

    def watch(self, delivery: Delivery) -> None:
        """Takes the effect back when the message is given up."""

        def settled(status: DeliveryStatus) -> None:
            if status is DeliveryStatus.FAILED or status is DeliveryStatus.UNCERTAIN:
                self._change(lambda now: self._rules.ended(now, delivery.id))
            elif status is DeliveryStatus.SENT and delivery.is_final:
                self._change(self._kept_as_sent(delivery.id))

        delivery.watch(settled)

    def _kept_as_sent(self, identity: str) -> Callable[[Facts[S]], Facts[S]]:
        def step(now: Facts[S]) -> Facts[S]:
            kind = next((it.type for it in now.pending if it.id == identity), "")
            return self._rules.kept_as_sent(now, identity, self._optimistic.get(kind))

        return step

    def restore(self) -> Position | None:
        """Starts from what was saved, and saves from now on; returns the position."""
        self._is_saving = True
        saved = self.saved.get()
        if saved.state is None:
            return None
        state = saved.state
        position = Position(saved.epoch, saved.seq)
        waiting = {it.id for it in self._facts.get().pending}
        pending = tuple(
            PendingCommand(
                identity,
                kind,
                self._hub.payload(kind, payload),
                is_acknowledged=True,
                awaited=Position(epoch, seq) if epoch else None,
                is_unheard=not epoch,
            )
            for identity, kind, payload, epoch, seq in saved.awaited
            # The process died when its state file had the acknowledgement and its outbox still the message.
            if identity not in waiting
        )
        self._facts.update(
            lambda now: Facts(state, position, ReplicaStatus.STALE, (*pending, *now.pending))
        )
        return position

    # --- observers ------------------------------------------------------------------------------------------------------

    def _observed(self) -> None:
        self._is_observed = True
        if not self.is_closed:
            self._hub.use(self)

    def _unobserved(self) -> None:
        self._is_observed = False
        self._hub.rest(self)

    def _change(self, step: Callable[[Facts[S]], Facts[S]]) -> None:
        was_needed = self.linger is not None and self.is_needed
        self._facts.update(step)
        if was_needed and not self.is_needed:
            self._hub.rest(self)
        if self._is_saving:
            now = self._facts.get()
            if now.position is not None:
                self.saved.set(_saved(now))

    def _shown(self, now: Facts[S]) -> S:
        state = now.confirmed
        for command in now.pending:
            reducer = self._optimistic.get(command.type)
            if reducer is None:
                continue
            try:
                state = reducer(state, command.payload)
            except Exception as error:  # noqa: BLE001 - the program's reducer; the other commands must show
                if command.id not in self._failed:
                    self._failed.add(command.id)
                    self._hub.report(error, f"optimistic {command.type} of {self.stream}")
        return state


def _saved(now: Facts[S]) -> Saved[S]:
    at = cast("Position", now.position)
    awaited = tuple(
        (
            it.id,
            it.type,
            it.payload,
            "" if it.awaited is None else it.awaited.epoch,
            0 if it.awaited is None else it.awaited.seq,
        )
        for it in now.pending
        if it.is_acknowledged
    )
    return Saved(now.confirmed, at.epoch, at.seq, awaited)
