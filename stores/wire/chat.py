"""Message types of the agent chat: entities, payloads, the state of a stream, and the registry with all of them.

They are frozen `msgspec.Struct`s with `gc=False`: JSON trees have no cycles, so a million retained messages cost the
garbage collector nothing. Fields have Python names in code and camelCase names on the wire.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from reactive_ws.wire import Guarantee, MessageType, Registry, Snapshot, protocol_v1

__all__ = [
    "ChatSnapshot",
    "Message",
    "MessageDelta",
    "MessageResponse",
    "MessageSend",
    "Notification",
    "NotificationNew",
    "NotificationRead",
    "Panel",
    "PanelChange",
    "PanelCreated",
    "PanelDeleted",
    "PanelUpdated",
    "Session",
    "SessionClose",
    "SessionClosed",
    "SessionCreate",
    "SessionCreated",
    "Typing",
    "agent_chat",
]


class _Wire(Struct, frozen=True, gc=False, rename="camel"):
    """Options that all entities and payloads share."""


# --- entities ---------------------------------------------------------------------------------------------------------


class Message(_Wire, frozen=True, gc=False):
    """A chat message. `sequence` is its place in the session, given by the server."""

    id: str
    session_id: str
    role: str
    content: str
    timestamp: datetime | float
    panel_id: str | None = None
    sequence: int | None = None


class Panel(_Wire, frozen=True, gc=False):
    """A panel beside the chat. `data` is free JSON for the code that draws panels of this `kind`."""

    id: str
    kind: str
    title: str
    data: dict[str, Any] = {}


class PanelChange(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The new values of some fields of a panel; fields that are UNSET keep theirs."""

    id: str
    kind: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET


class Session(_Wire, frozen=True, gc=False):
    """A chat session."""

    id: str
    title: str = ""
    created_at: datetime | float | None = None


class Notification(_Wire, frozen=True, gc=False):
    """A notice for the user."""

    id: str
    title: str = ""
    body: str = ""
    timestamp: datetime | float | None = None
    is_read: bool = False


# --- payloads ---------------------------------------------------------------------------------------------------------


class ChatSnapshot(Snapshot, frozen=True, gc=False, omit_defaults=True):
    """The state of a chat stream at a position: replaces sessions, panels and notices, merges messages by id."""

    sessions: tuple[Session, ...] | None = None
    panels: tuple[Panel, ...] | None = None
    notifications: tuple[Notification, ...] | None = None
    messages: tuple[Message, ...] | None = None


class MessageSend(_Wire, frozen=True, gc=False):
    """The user said something. The envelope's id is the message's id."""

    session_id: str
    message: Message


class MessageDelta(_Wire, frozen=True, gc=False):
    """A piece of a growing answer; `offset` is the number of characters before it."""

    session_id: str
    message_id: str
    offset: int
    text: str
    done: bool = False


class MessageResponse(_Wire, frozen=True, gc=False):
    """A whole message for a session."""

    session_id: str
    message: Message


class SessionCreate(_Wire, frozen=True, gc=False):
    """Open a session."""

    session_id: str
    title: str = ""


class SessionClose(_Wire, frozen=True, gc=False):
    """Close a session."""

    session_id: str


class SessionCreated(_Wire, frozen=True, gc=False):
    """A session exists."""

    session_id: str
    title: str = ""
    created_at: datetime | float | None = None


class SessionClosed(_Wire, frozen=True, gc=False):
    """A session ended."""

    session_id: str


class PanelCreated(_Wire, frozen=True, gc=False):
    """A new panel."""

    panel: Panel


class PanelUpdated(_Wire, frozen=True, gc=False):
    """Some fields of a panel changed."""

    panel: PanelChange


class PanelDeleted(_Wire, frozen=True, gc=False):
    """A panel is gone."""

    panel_id: str


class Typing(_Wire, frozen=True, gc=False):
    """A user is typing."""

    conversation_id: str
    user_id: str


class NotificationNew(_Wire, frozen=True, gc=False):
    """A notice arrived."""

    notification: Notification


class NotificationRead(_Wire, frozen=True, gc=False):
    """A notice was read, here or elsewhere."""

    notification_id: str


# --- the registry -----------------------------------------------------------------------------------------------------


def _message_id(payload: MessageSend) -> str:
    return payload.message.id


_SURE = Guarantee.AT_LEAST_ONCE
_VOLATILE = Guarantee.VOLATILE

_ROWS = (
    MessageType("message.send", MessageSend, _SURE, identity=_message_id),
    MessageType("message.delta", MessageDelta),
    MessageType("message.response", MessageResponse),
    MessageType("session.create", SessionCreate, _SURE),
    MessageType("session.close", SessionClose, _SURE),
    MessageType("session.created", SessionCreated),
    MessageType("session.closed", SessionClosed),
    MessageType("panel.created", PanelCreated),
    MessageType("panel.updated", PanelUpdated),
    MessageType("panel.deleted", PanelDeleted),
    MessageType("typing", Typing, _VOLATILE),
    MessageType("notification.new", NotificationNew),
    MessageType("notification.read", NotificationRead, _SURE),
)


def agent_chat(registry: Registry | None = None) -> Registry:
    """Returns a registry with the types of the agent chat added; names that it has already keep their class.

    Args:
        registry: The registry to extend, which stays as it is; `protocol_v1()` when None.
    """
    extended = protocol_v1() if registry is None else registry.copy()
    for row in _ROWS:
        if row.name not in extended:
            extended.add(row)
    snapshots = extended.get("snapshot")
    if snapshots is None or snapshots.payload is Snapshot:
        extended.snapshot(ChatSnapshot)
    return extended
