"""The notifications store: notices for the user, and how many are unread.

The store sends read marks to the server, and applies read marks from other devices.
"""

from __future__ import annotations

import attrs
import msgspec

from reactive_ws.engine import Domain, refuse_copy
from reactive_ws.outbox import Delivery
from reactive_ws.state import ReadOnly, Selection, Store
from reactive_ws.wire import Envelope

from .outside import Handlers, Send
from .wire import Notification, NotificationNew, NotificationRead

__all__ = ["Notifications", "NotificationsState"]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class NotificationsState:
    """The notices, the latest last."""

    notifications: tuple[Notification, ...] = ()

    @property
    def unread(self) -> int:
        """How many were not read yet."""
        return sum(not one.is_read for one in self.notifications)


# --- reducers ---------------------------------------------------------------------------------------------------------


def arrived(
    state: NotificationsState, notification: Notification, limit: int
) -> NotificationsState:
    """A notice is there, in place of the one with its id. One that was read stays read."""
    others: list[Notification] = []
    for old in state.notifications:
        if old.id != notification.id:
            others.append(old)
        elif old.is_read:
            notification = msgspec.structs.replace(notification, is_read=True)
    return NotificationsState(tuple([*others, notification][-limit:]))


def read(state: NotificationsState, notification_id: str) -> NotificationsState:
    """A notice was read, here or elsewhere."""
    return NotificationsState(
        tuple(
            msgspec.structs.replace(one, is_read=True)
            if one.id == notification_id and not one.is_read
            else one
            for one in state.notifications
        )
    )


# --- store ------------------------------------------------------------------------------------------------------------


class Notifications:
    """Notices for the user. Made by `Application`.

    Args:
        domain: Of its store.
        send: See `ports`.
        limit: Notices that are kept.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, domain: Domain, *, send: Send, limit: int = 200) -> None:
        self._store = Store(NotificationsState(), name="stores.notifications", domain=domain)
        self._send = send
        self._limit = limit

    def __repr__(self) -> str:
        return f"<Notifications, {self._store.get().unread} unread>"

    @property
    def state(self) -> ReadOnly[NotificationsState]:
        """The notices, the latest last."""
        return self._store.read_only

    @property
    def store(self) -> Store[NotificationsState]:
        """The store itself; for the composition root, which keeps it in a file."""
        return self._store

    @property
    def unread(self) -> Selection[int]:
        """How many were not read yet."""
        return self._store.select(lambda state: state.unread)

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {"notification.new": self._arrived, "notification.read": self._was_read}

    def _arrived(self, envelope: Envelope[NotificationNew]) -> None:
        notification = envelope.payload.notification
        self._store.update(lambda state: arrived(state, notification, self._limit))

    def _was_read(self, envelope: Envelope[NotificationRead]) -> None:
        notification_id = envelope.payload.notification_id
        self._store.update(lambda state: read(state, notification_id))

    # --- actions --------------------------------------------------------------------------------------------------------

    def mark_read(self, notification_id: str) -> Delivery:
        """Notes that a notice was read, here at once and at the server. Any thread.

        Raises:
            ServiceClosed: it cannot be sent; it stays unread.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        delivery = self._send(NotificationRead(notification_id))
        self._store.update(lambda state: read(state, notification_id))
        return delivery
