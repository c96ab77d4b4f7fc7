"""The notifications store: notices for the user, and how many are unread.

The notices are a replica: those of the server, with the read marks on top that are on their way. Read marks from other devices
come with its entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec
from msgspec import UNSET, UnsetType

from reactive_ws.engine import refuse_copy
from reactive_ws.outbox import Delivery
from reactive_ws.state import ReadOnly, Selection, derived

from .outside import Follow
from .wire import Notification, NotificationNew, NotificationRead

__all__ = ["Notifications", "NotificationsState"]

_APP = "app"
"""The stream of everything that belongs to no session."""


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


def read(state: NotificationsState, mark: NotificationRead) -> NotificationsState:
    """A notice was read, here or elsewhere."""
    return NotificationsState(
        tuple(
            msgspec.structs.replace(one, is_read=True)
            if one.id == mark.notification_id and not one.is_read
            else one
            for one in state.notifications
        )
    )


def loaded(state: Mapping[str, Any], limit: int) -> NotificationsState | UnsetType:
    """Returns the notices of the server's state; UNSET when it says nothing about notices."""
    found = state.get("notifications")
    if found is None:
        return UNSET
    return NotificationsState(msgspec.convert(found, tuple[Notification, ...])[-limit:])


# --- store ------------------------------------------------------------------------------------------------------------


class Notifications:
    """Notices for the user. Made by `Application`.

    Args:
        follow: See `ports`.
        limit: Notices that are kept.

    Attributes:
        replica: The notices; for the composition root, which keeps them in a file.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, *, follow: Follow, limit: int = 200) -> None:
        def new(state: NotificationsState, entry: NotificationNew) -> NotificationsState:
            return arrived(state, entry.notification, limit)

        self.replica = follow(
            _APP,
            NotificationsState(),
            {"notification.new": new, "notification.read": read},
            snapshot=lambda state: loaded(state, limit),
            optimistic={"notification.read": read},
            part="notifications",
            takes_unnumbered=True,
        )
        self._state = derived(self.replica, _itself, name="stores.notifications")

    def __repr__(self) -> str:
        return f"<Notifications, {self._state.get().unread} unread>"

    @property
    def state(self) -> ReadOnly[NotificationsState]:
        """The notices, the latest last."""
        return self._state

    @property
    def unread(self) -> Selection[int]:
        """How many were not read yet."""
        return self._state.select(lambda state: state.unread)

    # --- actions --------------------------------------------------------------------------------------------------------

    def mark_read(self, notification_id: str) -> Delivery:
        """Notes that a notice was read, here at once and at the server. Any thread.

        Raises:
            ServiceClosed: it cannot be sent; it stays unread.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it, and the notice is
                unread again.
        """
        return self.replica.send(NotificationRead(notification_id))


def _itself(state: NotificationsState) -> NotificationsState:
    return state
