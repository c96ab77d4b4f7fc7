"""The offline store: what waits in the outbox, since when, what failed, and what the user can do about one of them.

With a durable outbox what waits survives the process, and with a state file (see `app`) what failed does too. It holds no
queue of its own: order, resends and limits are the outbox's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from functools import cached_property
from typing import Any

import attrs
import msgspec
from reactivex.abc import DisposableBase

from reactive_ws.connection import ErrorKind
from reactive_ws.engine import Domain, refuse_copy
from reactive_ws.outbox import Delivery, DeliveryStatus, OutboxView, Waiting
from reactive_ws.service import WebSocketService
from reactive_ws.state import ReadOnly, Selection, Store
from reactive_ws.wire import Envelope, MessageReceived, moment

from .outside import Handlers, Report
from .wire import MessageSend

__all__ = ["FailedMessage", "Offline", "OfflineState", "WaitingMessage"]

_MAX_REMEMBERED = 4096
"""Ids of messages that were sent; an acknowledgement comes back within one window."""


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class WaitingMessage:
    """A message that is not acknowledged yet.

    Attributes:
        id, type: Of the message.
        status: How far it has come.
        attempts: Transmissions so far, in this process.
        since: When it was sent first, UTC, also by an earlier process; None when unknown.
        payload: What it says.
    """

    id: str
    type: str
    status: DeliveryStatus
    attempts: int
    since: datetime | None
    payload: Any = attrs.field(repr=False)


@attrs.frozen
class FailedMessage:
    """A message that was not delivered.

    Attributes:
        id, type: Of the message.
        reason: Why.
        is_uncertain: Whether the server may have it all the same.
        since: When it was sent first, UTC.
        payload: What it says.
    """

    id: str
    type: str
    reason: str
    is_uncertain: bool
    since: datetime | None
    payload: Any = attrs.field(repr=False, eq=False)


@attrs.frozen
class OfflineState:
    """The messages that are not delivered.

    Attributes:
        outbox: The messages that wait.
        failed: The messages that failed, the latest last.
    """

    outbox: OutboxView = attrs.field(factory=OutboxView, repr=False)
    failed: tuple[FailedMessage, ...] = ()

    @cached_property
    def waiting(self) -> tuple[WaitingMessage, ...]:
        """The messages that wait, in the order of sending. The first access costs a copy, a change of the outbox none."""
        return tuple(map(_shown, self.outbox))


# --- reducers ---------------------------------------------------------------------------------------------------------


def waits(state: OfflineState, view: OutboxView, new: Collection[str]) -> OfflineState:
    """The outbox changed; of the new messages, one that is sent again is no longer failed."""
    failed = tuple(one for one in state.failed if one.id not in new) if new else state.failed
    return OfflineState(view, failed)


def gave_up(state: OfflineState, message: FailedMessage, limit: int) -> OfflineState:
    """A message was not delivered."""
    others = tuple(one for one in state.failed if one.id != message.id)
    return attrs.evolve(state, failed=(*others, message)[-limit:])


def forgot(state: OfflineState, message_id: str) -> OfflineState:
    """The user gave up a failed message."""
    failed = tuple(one for one in state.failed if one.id != message_id)
    return attrs.evolve(state, failed=failed)


def _shown(one: Waiting) -> WaitingMessage:
    since = _time(one.envelope.timestamp)
    return WaitingMessage(one.id, one.type, one.status, one.attempts, since, one.envelope.payload)


def _time(timestamp: datetime | float | None) -> datetime | None:
    try:
        return None if timestamp is None else moment(timestamp)
    except (ValueError, OverflowError, OSError):
        return None


# --- store ------------------------------------------------------------------------------------------------------------


class Offline:
    """The messages that are not delivered; `Application` makes it.

    Args:
        domain: The service's domain.
        service: Whose outbox it is.
        report: See `ports`.
        resend: Sends a failed chat message again and shows it; for the composition root to give.
        limit: Failed messages that are kept.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        service: WebSocketService,
        report: Report,
        resend: Callable[[MessageSend], Delivery] | None = None,
        limit: int = 100,
    ) -> None:
        self._store = Store(OfflineState(), name="stores.offline", domain=domain)
        self._service = service
        self._report = report
        self._resend = resend
        self._limit = limit
        self._watched: dict[str, Delivery] = {}
        self._watch = service.outbox.select().subscribe(self._changed)

    def __repr__(self) -> str:
        state = self._store.get()
        return f"<Offline, {len(state.outbox)} waiting, {len(state.failed)} failed>"

    @property
    def state(self) -> ReadOnly[OfflineState]:
        """The messages that wait and those that failed."""
        return self._store.read_only

    @property
    def store(self) -> Store[OfflineState]:
        """The store itself; for the composition root, which keeps it in a file."""
        return self._store

    @property
    def waiting(self) -> Selection[tuple[WaitingMessage, ...]]:
        """The messages without an acknowledgement, in the order of sending."""
        return self._store.select(lambda state: state.waiting)

    @property
    def failed(self) -> Selection[tuple[FailedMessage, ...]]:
        """The messages that failed, the latest last."""
        return self._store.select(lambda state: state.failed)

    @property
    def oldest(self) -> Selection[datetime | None]:
        """Since when something waits; None when nothing does."""
        return self._store.select(
            lambda state: min((it.since for it in state.waiting if it.since), default=None)
        )

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {"message.received": self._received}

    @property
    def subscription(self) -> DisposableBase:
        """The subscriptions that keep the store up to date; `Application` disposes them."""
        return self._watch

    def _changed(self, view: OutboxView) -> None:
        added = self._added(view)
        ids = {one.id for one in added}
        self._store.update(lambda state: waits(state, view, ids))
        for one in added:
            self._watched[one.id] = one.delivery
            self._follow(one)
        if len(self._watched) > 2 * (_MAX_REMEMBERED + len(view)):
            self._forget_the_oldest()

    def _added(self, view: OutboxView) -> list[Waiting]:
        """Returns the messages that were not there before. The outbox appends them, so that the rest need not be looked at."""
        added: list[Waiting] = []
        for one in reversed(view):
            # A message that is sent again has a new delivery.
            if self._watched.get(one.id) is one.delivery:
                break
            added.append(one)
        added.reverse()
        return added

    def _forget_the_oldest(self) -> None:
        """Forgets the deliveries that are over, except for the latest; an acknowledgement may come twice."""
        over = [name for name, delivery in self._watched.items() if delivery.is_final]
        for name in over[:-_MAX_REMEMBERED]:
            del self._watched[name]

    def _follow(self, one: Waiting) -> None:
        envelope, delivery = one.envelope, one.delivery

        def see(status: DeliveryStatus) -> None:
            if status in (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN):
                failed = FailedMessage(
                    delivery.id,
                    envelope.type,
                    delivery.reason or "",
                    status is DeliveryStatus.UNCERTAIN,
                    _time(envelope.timestamp),
                    envelope.payload,
                )
                self._store.update(lambda state: gave_up(state, failed, self._limit))

        delivery.watch(see)

    def _received(self, envelope: Envelope[MessageReceived]) -> None:
        message_id = envelope.payload.message_id
        if message_id not in self._watched:
            self._report(
                ErrorKind.PROTOCOL,
                f"the server acknowledged message {message_id}, which was not sent from here",
            )

    # --- actions --------------------------------------------------------------------------------------------------------

    def retry(self, message_id: str) -> None:
        """Sends failed messages again, and dials now for those that wait. Any thread.

        Raises:
            KeyError: no such message waits or failed.
            ServiceClosed, MessageRejected: it cannot be sent; it stays as it was.
            DuplicateId: it was given up after it was written on this connection; call it again after a reconnect.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        state = self._store.get()
        failed = next((one for one in state.failed if one.id == message_id), None)
        if failed is None:
            if all(one.id != message_id for one in state.waiting):
                raise KeyError(_nobody(message_id))
            self._service.connect()
            return
        payload = self._typed(failed)
        if isinstance(payload, MessageSend) and self._resend is not None:
            self._resend(payload)
        elif isinstance(payload, dict | list | None):
            self._service.send(failed.type, payload)
        else:
            self._service.send(payload)
        self._store.update(lambda state: forgot(state, message_id))

    def discard(self, message_id: str) -> None:
        """Gives up on a message that waits, and forgets it. Any thread.

        Raises:
            KeyError: no such message waits or failed.
        """
        state = self._store.get()
        known = {one.id for one in state.waiting} | {one.id for one in state.failed}
        if message_id not in known:
            raise KeyError(_nobody(message_id))
        for one in self._service.outbox.get().entries:
            if one.id == message_id:
                # After the entry in `failed` that giving up makes.
                one.delivery.watch(lambda status: self._forget_if_over(message_id, status))
        self._service.discard(message_id)
        self._store.update(lambda state: forgot(state, message_id))

    def _forget_if_over(self, message_id: str, status: DeliveryStatus) -> None:
        if status in (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN):
            self._store.update(lambda state: forgot(state, message_id))

    def _typed(self, failed: FailedMessage) -> Any:
        """Returns the payload; one from a file is plain JSON and gets its class back where that is a chat message."""
        if failed.type == "message.send" and failed.payload.__class__ is dict:
            return msgspec.convert(failed.payload, MessageSend)
        return failed.payload


def _nobody(message_id: str) -> str:
    return f"no message {message_id!r} waits or failed; look at offline.waiting and offline.failed"
