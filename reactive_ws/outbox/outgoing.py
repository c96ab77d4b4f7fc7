"""The options of the outbox, its entries, and the read-only view of them that programs get. Values only."""

from __future__ import annotations

import enum
import itertools
import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import attrs

from ..engine import refuse_copy
from ..wire import Envelope, Guarantee
from .delivery import Delivery, DeliveryStatus

__all__ = ["OutboxOptions", "OutboxView", "Outgoing", "Overflow", "Sending", "Waiting"]


class Overflow(enum.Enum):
    """The reaction of a full outbox to a new message. Each drop is an error event and a failed Delivery.

    An at-least-once message is never dropped for another one. When nothing else can make room for a new at-least-once
    message, its Delivery fails at once with `OutboxFull`.
    """

    DROP_OLDEST = "drop oldest"
    """Drops the oldest queued message that is not at-least-once."""
    DROP_NEWEST = "drop newest"
    """Drops the new message, unless it is at-least-once: then like DROP_OLDEST."""
    RAISE = "raise"
    """`send` raises `OutboxFull`."""


def _limit(options: OutboxOptions) -> int:
    return 100 if options.path is None else 10_000


@attrs.frozen(kw_only=True)
class OutboxOptions:
    """Bounds, windows and the file of an outbox.

    Attributes:
        limit: Entries that wait or are in flight together; 100 in memory and 10 000 with a file.
        max_size: Bytes of their frames together.
        overflow: What happens to a new message when the outbox is full.
        window: Entries in flight at most.
        acknowledgement_timeout: Seconds without an acknowledgement, after the server has confirmed that it read the
            message, until the message counts as slow.
        reconnect_after: The same until the service reconnects, because this connection does not serve the message. Doubles
            with each such reconnect, up to 600 s, until an acknowledgement arrives.
        max_refusals: How often a server must close the connection at a message that is alone in flight until it fails.
        path: File of the durable outbox, one per process; None keeps everything in memory. With a file, at-least-once
            messages are accepted when their status is `STORED`, and survive the process.
    """

    overflow: Overflow = Overflow.DROP_OLDEST
    window: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    acknowledgement_timeout: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    reconnect_after: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    max_refusals: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    max_size: int = attrs.field(default=64 * 2**20, validator=attrs.validators.ge(1))
    path: str | os.PathLike[str] | None = None
    limit: int = attrs.field(
        default=attrs.Factory(_limit, takes_self=True), validator=attrs.validators.ge(1)
    )


@attrs.define(eq=False)
class Outgoing:
    """One message on its way out. Only the outbox changes it, except for `position`.

    Attributes:
        frame: The message as the outbox and its file keep it.
        size: Bytes of it.
        written: The first frame of the newest transmission.
        parts: The frames that follow it, such as binary attachments; no other frame comes between.
        expires_at: Loop time after which it is no longer sent for the first time.
        is_ready: False while it is not on disk yet.
        first_sent: When it was transmitted first, in seconds since 1970; None before. For a message of an earlier process it
            is when that process may have transmitted it.
        is_marked: Whether the file says that it may have been transmitted; only such a durable message is transmitted.
        is_marking: Whether the file is about to say so.
        number: Its place in the order of sending.
        weight: Its share of the outbox's `max_size`.
        refusals: How often the server refused it; see `Meaning.refusals`.
        position: Bytes written on the connection up to its end; None while it is not in flight.
        confirmed_at: When the server confirmed those bytes; None before.
        is_slow: Whether the server confirmed it and did not acknowledge it in time.
        is_parked: Whether it is set aside, so that later messages go ahead.
        parkings: How often it was parked.
        released_at: Loop time at which it is no longer parked; None: with the next connection.
    """

    envelope: Envelope[Any]
    frame: str | bytes
    size: int
    guarantee: Guarantee
    delivery: Delivery
    since: float
    expires_at: float | None = None
    is_ready: bool = True
    is_listed: bool = False
    is_over: bool = False
    is_durable: bool = False
    is_dropped: bool = False
    number: int = 0
    weight: int = 0
    transmissions: int = 0
    refusals: float = 0.0
    sent_at: float = 0.0
    first_sent: float | None = None
    is_marked: bool = False
    is_marking: bool = False
    position: int | None = None
    confirmed_at: float | None = None
    is_slow: bool = False
    is_parked: bool = False
    released_at: float | None = None
    parkings: int = 0
    written: str | bytes = ""
    parts: tuple[str | bytes, ...] = ()
    _shown: Waiting | None = attrs.field(default=None, init=False, repr=False)

    def shown(self) -> Waiting:
        """Returns what the program sees of it; the same object for as long as that does not change."""
        shown, status = self._shown, self.delivery.status
        if (
            shown is None
            or shown.status is not status
            or shown.attempts != self.transmissions
            or shown.envelope is not self.envelope
            or shown.is_slow is not self.is_slow
            or shown.is_parked is not self.is_parked
        ):
            shown = self._shown = Waiting(
                self.delivery.id,
                self.envelope.type,
                status,
                self.transmissions,
                self.since,
                self.envelope,
                self.delivery,
                self.is_slow,
                self.is_parked,
            )
        return shown


@attrs.frozen
class Sending:
    """A message that the program has just sent, whatever becomes of it.

    Attributes:
        envelope: The message.
        guarantee: How far its delivery is promised.
        delivery: What becomes of it; `delivery.watch` and `delivery.stream` follow it.
    """

    envelope: Envelope[Any] = attrs.field(eq=False, repr=False)
    guarantee: Guarantee
    delivery: Delivery


@attrs.frozen
class Waiting:
    """One entry of the outbox, as the program sees it.

    Attributes:
        id, type: Of the message.
        status: How far it has come.
        attempts: Transmissions so far.
        since: When it was queued, or restored from the file, in seconds of the service's clock.
        envelope: The message itself; its `timestamp` is when it was sent first, also across restarts.
        delivery: What becomes of it.
        is_slow: Whether the server has the message and does not acknowledge it.
        is_parked: Whether it is set aside and later messages go ahead: the server refused it for now, or takes no message
            as large as this.
    """

    id: str
    type: str
    status: DeliveryStatus
    attempts: int
    since: float
    envelope: Envelope[Any] = attrs.field(eq=False, repr=False)
    delivery: Delivery = attrs.field(eq=False, repr=False)
    is_slow: bool = False
    is_parked: bool = False


class OutboxView:
    """The outbox at one moment, in order of sending. Immutable.

    Two views of one outbox share the parts that did not change, so that showing a change does not depend on how many
    messages wait. `len` costs nothing; the first access to `entries` costs a copy of the references.

    Args:
        parts: The entries in parts, each in order.
        unreadable: Ids of stored messages that the codec cannot read any longer. They are not sent; `discard` deletes
            them.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self, parts: tuple[tuple[Waiting, ...], ...] = (), unreadable: tuple[str, ...] = ()
    ) -> None:
        self.parts = parts
        self.unreadable = unreadable
        self._length = sum(map(len, parts))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Waiting]:
        return itertools.chain.from_iterable(self.parts)

    def __reversed__(self) -> Iterator[Waiting]:
        return itertools.chain.from_iterable(map(reversed, reversed(self.parts)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OutboxView):
            return NotImplemented
        if self.unreadable != other.unreadable:
            return False
        return self.parts == other.parts or self.entries == other.entries

    def __hash__(self) -> int:
        return hash((self.entries, self.unreadable))

    def __repr__(self) -> str:
        return f"OutboxView({list(self)!r})"

    @cached_property
    def entries(self) -> tuple[Waiting, ...]:
        """All entries."""
        return tuple(self)
