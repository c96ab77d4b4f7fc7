"""The options of the outbox, its entries, and the read-only view of them that programs get.

Values, and the choice of what a full outbox drops. `queue` has the other rules.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable
from typing import Any

import attrs

from ..errors import OutboxFull
from ..wire import Envelope, Guarantee
from .delivery import Delivery, DeliveryStatus

__all__ = ["OutboxOptions", "OutboxView", "Outgoing", "Overflow", "Waiting", "victim_of"]


class Overflow(enum.Enum):
    """What a full outbox does with a new at-most-once message. Each drop is an error event and a failed Delivery."""

    DROP_OLDEST = "drop oldest"
    DROP_NEWEST = "drop newest"
    RAISE = "raise"


def _limit(options: OutboxOptions) -> int:
    return 100 if options.path is None else 10_000


@attrs.frozen(kw_only=True)
class OutboxOptions:
    """The numbers.

    Attributes:
        limit: Entries that wait or are in flight together; 100 in memory and 10 000 with a file.
        overflow: What happens to at-most-once messages when it is full.
        window: Entries in flight at most.
        acknowledgement_timeout: Seconds, while connected, until a resend.
        max_transmissions: Counted transmissions until an entry fails.
        path: File of the durable outbox, one per process; None keeps everything in memory. With a file, at-least-once
            messages are accepted when their status is `STORED`, and survive the process.
    """

    overflow: Overflow = Overflow.DROP_OLDEST
    window: int = attrs.field(default=20, validator=attrs.validators.ge(1))
    acknowledgement_timeout: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    max_transmissions: int = attrs.field(default=5, validator=attrs.validators.ge(1))
    path: str | os.PathLike[str] | None = None
    limit: int = attrs.field(
        default=attrs.Factory(_limit, takes_self=True), validator=attrs.validators.ge(1)
    )


@attrs.define(eq=False)
class Outgoing:
    """One message on its way out. Only the outbox changes it.

    Attributes:
        frame: The encoded message of the first transmission.
        expires_at: Loop time after which it is not sent for the first time any more.
        is_ready: False while it is not on disk yet.
        counted: Transmissions that count.
    """

    envelope: Envelope[Any]
    frame: str | bytes
    guarantee: Guarantee
    delivery: Delivery
    since: float
    expires_at: float | None = None
    is_ready: bool = True
    is_listed: bool = False
    is_over: bool = False
    is_durable: bool = False
    is_dropped: bool = False
    transmissions: int = 0
    counted: float = 0.0
    sent_at: float = 0.0
    _shown: Waiting | None = attrs.field(default=None, init=False, repr=False)

    def shown(self) -> Waiting:
        """Returns what the program sees of it; the same object for as long as that does not change."""
        shown = self._shown
        delivery = self.delivery
        status = delivery.status
        if (
            shown is None
            or shown.status is not status
            or shown.attempts != self.transmissions
            or shown.envelope is not self.envelope
        ):
            shown = self._shown = Waiting(
                delivery.id,
                self.envelope.type,
                status,
                self.transmissions,
                self.since,
                self.envelope,
                delivery,
            )
        return shown


@attrs.frozen
class Waiting:
    """One entry, as the program sees it.

    Attributes:
        id, type: Of the message.
        status: How far it has come.
        attempts: Transmissions so far.
        since: When it was queued, or restored from the file, in seconds of the service's clock.
        envelope: The message itself; its `timestamp` is when it was sent first, also across restarts.
        delivery: What becomes of it.
    """

    id: str
    type: str
    status: DeliveryStatus
    attempts: int
    since: float
    envelope: Envelope[Any] = attrs.field(eq=False, repr=False)
    delivery: Delivery = attrs.field(eq=False, repr=False)


@attrs.frozen
class OutboxView:
    """The outbox at one moment, in order of sending."""

    entries: tuple[Waiting, ...] = ()

    def __len__(self) -> int:
        return len(self.entries)

    @classmethod
    def of(cls, entries: Iterable[Outgoing]) -> OutboxView:
        """Returns the view of these entries, without those that are over."""
        return cls(tuple([entry.shown() for entry in entries if not entry.is_over]))


def victim_of(queue: Iterable[Outgoing], entry: Outgoing, options: OutboxOptions) -> Outgoing:
    """Returns what a full outbox drops for a new entry; that may be the new one.

    Raises:
        OutboxFull: neither the new entry nor another one may be dropped.
    """
    is_sure = entry.guarantee is Guarantee.AT_LEAST_ONCE
    if options.overflow is Overflow.RAISE:
        raise OutboxFull(options.limit)
    if not is_sure and options.overflow is Overflow.DROP_NEWEST:
        return entry
    for other in queue:
        if other.guarantee is not Guarantee.AT_LEAST_ONCE and not other.is_over:
            return other
    if is_sure:
        raise OutboxFull(options.limit)
    return entry
