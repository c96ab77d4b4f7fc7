"""The rules of a replica as pure functions on one record: entries, states, commands and their acknowledgements.

A replica has the confirmed state of a stream at a position. Commands of the program that are under way lie on top of it. A
command leaves the list with the first of these:

    1. an entry of the stream that names it as its cause
    2. an acknowledgement with a position in this stream that the replica has reached
    3. an acknowledgement without a position in this stream
    4. an acknowledgement with a position of another epoch than that of a state which came after it
    5. a refusal
    6. a server that acknowledges nothing got it, or one that never says where effects are acknowledged it to a replica which
       takes messages without positions: then its effect joins the confirmed state

Rules 2 to 4 wait while the state is loaded, because the new state may not have the command yet. Rule 3 does not hold for a command that
the server acknowledged before it answered the subscription: a server names positions of the streams that it knows the client to
follow. Such a command waits for a state that is asked for later. `replica` calls these functions.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from ..wire import Envelope, Position

__all__ = ["Facts", "PendingCommand", "ReplicaStatus", "Rules"]

S = TypeVar("S")

Held: TypeAlias = "tuple[Envelope[Any], Held | None]"
"""The newest message that is kept, and the others."""

_MAX_KEPT = 10_000
_MAX_KEPT_SIZE = 4 * 2**20
"""Messages, and bytes of them, that are kept while the state is loaded."""


class ReplicaStatus(enum.Enum):
    """How far a replica is."""

    LOADING = "loading"
    """No state yet; the initial one is shown."""
    LIVE = "live"
    """The state follows the stream."""
    STALE = "stale"
    """The connection is lost; the last state is shown."""
    RECOVERING = "recovering"
    """Entries are missing; the last state is shown until the server sends a new one."""
    REFUSED = "refused"
    """The server does not let this client hear the stream; asked again when the token changes."""
    BROKEN = "broken"
    """A reducer raised, and raised again after a new state was loaded; `reload()` tries again."""


@attrs.frozen
class PendingCommand:
    """A command whose effect is shown and not confirmed.

    Attributes:
        id, type: Of the message.
        payload: The command.
        is_acknowledged: Whether the server has it; its effect then comes with an entry.
        awaited: The position of its effect in this stream, once the server said it.
        is_unheard: Whether it was acknowledged without a position before the server answered the subscription of the stream.
    """

    id: str
    type: str
    payload: Any
    is_acknowledged: bool = False
    awaited: Position | None = None
    is_unheard: bool = False


@attrs.frozen
class Facts(Generic[S]):
    """The state of a replica at one moment.

    Attributes:
        confirmed: The state without pending commands.
        position: The last entry in it; None before the first state.
        status: How far the replica is.
        pending: The commands under way, oldest first.
        held: Messages that arrived while the state is loaded: the newest one, and those before it in the same form, so that one
            more costs the same at any number. `kept` has them in a tuple.
        kept_count, kept_size: How many, and bytes of them.
        is_flooded: Whether more arrived than are kept, so that the state which is on its way cannot be used.
        is_suspect: Whether a reducer raised and no entry was applied since.
    """

    confirmed: S
    position: Position | None = None
    status: ReplicaStatus = ReplicaStatus.LOADING
    pending: tuple[PendingCommand, ...] = ()
    held: Held | None = attrs.field(default=None, eq=False, repr=False)
    kept_count: int = 0
    kept_size: int = 0
    is_flooded: bool = False
    is_suspect: bool = False

    @property
    def kept(self) -> tuple[Envelope[Any], ...]:
        """The messages that arrived while the state is loaded, the oldest first. Costs their number."""
        found: list[Envelope[Any]] = []
        held = self.held
        while held is not None:
            message, held = held
            found.append(message)
        return tuple(reversed(found))

    @property
    def is_waiting(self) -> bool:
        """Whether entries are kept for a state that is on its way."""
        return self.status in (ReplicaStatus.LOADING, ReplicaStatus.RECOVERING)

    @property
    def has_unheard(self) -> bool:
        """Whether only a state that is asked for later says where the effect of a command is."""
        return any(it.is_unheard for it in self.pending)

    @property
    def is_out(self) -> bool:
        """Whether no state is on its way, and entries mean nothing."""
        return self.status in (ReplicaStatus.REFUSED, ReplicaStatus.BROKEN)


@attrs.frozen
class Rules(Generic[S]):
    """The functions of one replica. Every method returns the next facts and changes nothing.

    Attributes:
        stream: Name of the stream.
        reducers: `(state, payload) -> state` by the type of an entry; an entry of another type only moves the position.
        report: Takes what a reducer raised.
        size: Returns the bytes of a message; called for those that are kept.
    """

    stream: str
    reducers: Mapping[str, Callable[[S, Any], S]]
    report: Callable[[Exception], None]
    size: Callable[[Envelope[Any]], int]

    # --- the stream -----------------------------------------------------------------------------------------------------

    def entry(self, now: Facts[S], message: Envelope[Any]) -> Facts[S]:
        """A message of the stream was delivered."""
        if now.is_out:
            return now
        if now.is_waiting:
            return self._keeping(now, message)
        return self._settled(self._applied(now, message))

    def state(self, now: Facts[S], position: Position, state: S) -> Facts[S]:
        """The state of the stream arrived; entries after it that were kept are applied."""
        at = now.position
        if now.is_out or now.is_flooded:
            # A flooded replica lacks entries that come after this state.
            return now
        if at is not None and at.epoch == position.epoch and position.seq < at.seq:
            # An answer to an earlier question, or of a copy that is late. It lacks entries that were applied and are not kept.
            return now
        # Kept messages of an epoch before the state's are in it, or gone for good.
        kept = [it for it in now.kept if it.epoch == position.epoch]
        now = attrs.evolve(
            now,
            confirmed=state,
            position=position,
            status=ReplicaStatus.LIVE,
            held=None,
            kept_count=0,
            kept_size=0,
        )
        for message in kept:
            now = self.entry(now, message)
        return self._settled(now)

    def kept_up_to(self, now: Facts[S], position: Position) -> S:
        """Returns the confirmed state with the kept entries up to a position, for a state that says nothing about this one."""
        for message in now.kept:
            if message.epoch == position.epoch and (message.seq or 0) <= position.seq:
                now = self.loose(now, message)
        return now.confirmed

    def missed(self, now: Facts[S]) -> Facts[S]:
        """An entry is not available; only a new state has its effect."""
        if now.status is ReplicaStatus.LIVE or now.status is ReplicaStatus.STALE:
            return _loading(now, ReplicaStatus.RECOVERING)
        return now

    def unusable(self, now: Facts[S]) -> Facts[S]:
        """The state of the stream cannot be used; only `reload()` asks for it again."""
        return _loading(now, ReplicaStatus.BROKEN)

    def _keeping(self, now: Facts[S], message: Envelope[Any]) -> Facts[S]:
        if now.is_flooded:
            return now
        size = now.kept_size + self.size(message)
        if size > _MAX_KEPT_SIZE or now.kept_count >= _MAX_KEPT:
            return attrs.evolve(now, held=None, kept_count=0, kept_size=0, is_flooded=True)
        return attrs.evolve(
            now, held=(message, now.held), kept_count=now.kept_count + 1, kept_size=size
        )

    def _applied(self, now: Facts[S], message: Envelope[Any]) -> Facts[S]:
        at, seq, epoch = now.position, message.seq or 0, message.epoch or ""
        if at is not None and epoch == at.epoch and seq <= at.seq:
            return now
        if at is None or epoch != at.epoch or seq != at.seq + 1:
            return self._keeping(_loading(now, ReplicaStatus.RECOVERING), message)
        reducer = self.reducers.get(message.type)
        confirmed = now.confirmed
        if reducer is not None:
            try:
                confirmed = reducer(confirmed, message.payload)
            except Exception as error:  # noqa: BLE001 - the program's reducer meets what the server sends
                self.report(error)
                status = ReplicaStatus.BROKEN if now.is_suspect else ReplicaStatus.RECOVERING
                return attrs.evolve(_loading(now, status), is_suspect=True)
        pending = now.pending
        if message.cause is not None:
            pending = tuple(it for it in pending if it.id != message.cause)
        return attrs.evolve(
            now,
            confirmed=confirmed,
            pending=pending,
            # All messages of an entry have its position, which holds when the last one took effect.
            position=at if message.more else Position(epoch, seq),
            is_suspect=now.is_suspect and reducer is None,
        )

    def loose(self, now: Facts[S], message: Envelope[Any]) -> Facts[S]:
        """A message without a position in the stream takes effect as it comes; the next state of the stream replaces it."""
        reducer = self.reducers.get(message.type)
        if reducer is None:
            return now
        try:
            confirmed = reducer(now.confirmed, message.payload)
        except Exception as error:  # noqa: BLE001 - the program's reducer meets what the server sends
            self.report(error)
            return now
        pending = now.pending
        if message.cause is not None:
            pending = tuple(it for it in pending if it.id != message.cause)
        return attrs.evolve(now, confirmed=confirmed, pending=pending)

    # --- commands -------------------------------------------------------------------------------------------------------

    def sent(self, now: Facts[S], command: PendingCommand) -> Facts[S]:
        """A command is on its way."""
        return attrs.evolve(now, pending=(*now.pending, command))

    def acknowledged(
        self,
        now: Facts[S],
        identity: str,
        positions: Mapping[str, Position],
        *,
        is_heard: bool = True,
    ) -> Facts[S]:
        """The server has the command.

        Args:
            now: The facts.
            identity: Of the command.
            positions: Where its effects are, by stream.
            is_heard: Whether the server knew that this client follows the stream.
        """
        at = positions.get(self.stream)
        is_unheard = at is None and not is_heard
        pending = tuple(
            attrs.evolve(it, is_acknowledged=True, awaited=at, is_unheard=is_unheard)
            if it.id == identity
            else it
            for it in now.pending
        )
        now = attrs.evolve(now, pending=pending)
        if at is not None and now.position is not None and at.epoch != now.position.epoch:
            # The stream has another epoch. Rule 4 holds when a state of this moment does not have the effect.
            now = self.missed(now)
        return self._settled(now)

    def kept_as_sent(
        self, now: Facts[S], identity: str, reducer: Callable[[S, Any], S] | None
    ) -> Facts[S]:
        """The command went to a server that will not say when its effect is there: it stays, until the server says otherwise."""
        command = next((it for it in now.pending if it.id == identity), None)
        if command is None:
            return now
        confirmed = now.confirmed
        if reducer is not None:
            try:
                confirmed = reducer(confirmed, command.payload)
            except Exception as error:  # noqa: BLE001 - the program's reducer
                self.report(error)
        return attrs.evolve(self.ended(now, identity), confirmed=confirmed)

    def ended(self, now: Facts[S], identity: str) -> Facts[S]:
        """The server refused the command, or the program gave it up."""
        left = tuple(it for it in now.pending if it.id != identity)
        return now if len(left) == len(now.pending) else attrs.evolve(now, pending=left)

    def _settled(self, now: Facts[S]) -> Facts[S]:
        """Takes away the acknowledged commands whose effect is in the state."""
        at = now.position
        if now.is_out:
            # No entry is going to show the effects elsewhere; rule 3 alone needs no entry.
            left = tuple(it for it in now.pending if not it.is_acknowledged or it.awaited)
            return now if len(left) == len(now.pending) else attrs.evolve(now, pending=left)
        if now.status is not ReplicaStatus.LIVE or at is None:
            return now
        left = tuple(
            it for it in now.pending if not it.is_acknowledged or it.is_unheard or _is_ahead(it, at)
        )
        return now if len(left) == len(now.pending) else attrs.evolve(now, pending=left)

    # --- the connection -------------------------------------------------------------------------------------------------

    def lost(self, now: Facts[S]) -> Facts[S]:
        """The connection ended."""
        status = now.status
        if status is ReplicaStatus.LIVE:
            status = ReplicaStatus.STALE
        return _loading(now, status)

    def ready(self, now: Facts[S], *, is_recovered: bool) -> Facts[S]:
        """A connection is ready.

        Args:
            now: The facts.
            is_recovered: Whether all entries after the replica's position follow.
        """
        if now.is_out:
            return now
        if is_recovered and now.status is ReplicaStatus.STALE and not now.has_unheard:
            return self._settled(attrs.evolve(now, status=ReplicaStatus.LIVE))
        return self.reloading(now)

    def heard(self, now: Facts[S]) -> Facts[S]:
        """The server answered the subscription, and the state that is on its way comes after that."""
        return attrs.evolve(now, pending=_heard(now.pending))

    def reloading(self, now: Facts[S]) -> Facts[S]:
        """The state is asked for; entries are kept from now on."""
        is_first = now.position is None
        status = ReplicaStatus.LOADING if is_first else ReplicaStatus.RECOVERING
        return _loading(now, status)

    def refused(self, now: Facts[S]) -> Facts[S]:
        """The client may not hear the stream."""
        return self._settled(_loading(now, ReplicaStatus.REFUSED))


def _loading(now: Facts[S], status: ReplicaStatus) -> Facts[S]:
    """Returns the facts in a status, with no messages kept. A state that is asked for from now on has all that was acknowledged."""
    is_asking = status in (ReplicaStatus.LOADING, ReplicaStatus.RECOVERING)
    return attrs.evolve(
        now,
        status=status,
        pending=_heard(now.pending) if is_asking else now.pending,
        held=None,
        kept_count=0,
        kept_size=0,
        is_flooded=False,
    )


def _heard(pending: tuple[PendingCommand, ...]) -> tuple[PendingCommand, ...]:
    """Returns the commands; the next state has the effects of those that were acknowledged before the subscription was answered."""
    if not any(it.is_unheard for it in pending):
        return pending
    return tuple(attrs.evolve(it, is_unheard=False) for it in pending)


def _is_ahead(command: PendingCommand, at: Position) -> bool:
    """Whether the effect of an acknowledged command comes after a position."""
    awaited = command.awaited
    return awaited is not None and awaited.epoch == at.epoch and awaited.seq > at.seq
