"""The entities and payloads of wire protocol v1, one class for each row of its tables.

Frozen `msgspec.Struct`s with `gc=False`: JSON trees have no cycles, so a million retained messages cost the garbage
collector nothing. Python names in code, camelCase on the wire. `messages` registers them under their type names and
re-exports them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "Auth",
    "AuthOk",
    "GoAway",
    "Hello",
    "Message",
    "MessageDelta",
    "MessageReceived",
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
    "Ping",
    "Pong",
    "Position",
    "Recovery",
    "Resume",
    "Resumed",
    "ServerError",
    "Session",
    "SessionClose",
    "SessionClosed",
    "SessionCreate",
    "SessionCreated",
    "Snapshot",
    "Subscribe",
    "Subscribed",
    "Sync",
    "Typing",
    "Unsubscribe",
]


class _Wire(Struct, frozen=True, gc=False, rename="camel"):
    """What all entities and payloads share."""


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
    """A panel beside the chat. `data` is free JSON for whoever draws panels of this `kind`."""

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


class Position(_Wire, frozen=True, gc=False):
    """The last message of a stream that took effect: number `seq` of `epoch`."""

    epoch: str
    seq: int


class Recovery(_Wire, frozen=True, gc=False):
    """What the server did for one stream of a resume: everything after the position follows, or it cannot."""

    recovered: bool
    epoch: str
    seq: int


# --- payloads: connection ---------------------------------------------------------------------------------------------


class Hello(_Wire, frozen=True, gc=False):
    """First frame of the server. `heartbeat` in seconds, `max_size` in bytes."""

    epoch: str
    heartbeat: float | None = None
    max_size: int | None = None
    resume: bool = False


class Auth(_Wire, frozen=True, gc=False):
    """First-message authentication, or a fresh token in place. The repr hides the token."""

    token: str

    def __repr__(self) -> str:
        return "Auth(token='***')"


class AuthOk(_Wire, frozen=True, gc=False):
    """The token was accepted."""


class Ping(_Wire, frozen=True, gc=False):
    """Are you there? The envelope's id comes back in the pong."""


class Pong(_Wire, frozen=True, gc=False):
    """Yes. Without an id it answers the oldest ping."""


class Resume(_Wire, frozen=True, gc=False):
    """Send what followed these positions."""

    streams: dict[str, Position]


class Resumed(_Wire, frozen=True, gc=False):
    """What was recovered, stream by stream."""

    streams: dict[str, Recovery]


class Sync(_Wire, frozen=True, gc=False):
    """Send a snapshot of each of these streams."""

    streams: tuple[str, ...]


class Snapshot(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The state behind a stream at a position: replaces sessions and panels, merges messages by id."""

    stream: str
    epoch: str
    seq: int
    sessions: tuple[Session, ...] | None = None
    panels: tuple[Panel, ...] | None = None
    messages: tuple[Message, ...] | None = None


class Subscribe(_Wire, frozen=True, gc=False):
    """Start to send what happens on this channel."""

    channel: str


class Unsubscribe(_Wire, frozen=True, gc=False):
    """Stop to send what happens on this channel."""

    channel: str


class Subscribed(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The subscription holds, from this position when the channel is an ordered stream."""

    channel: str
    stream: str | None = None
    epoch: str | None = None
    seq: int | None = None


class ServerError(_Wire, frozen=True, gc=False, omit_defaults=True):
    """An application error. `reply_to` is the id of the message that it answers."""

    code: str
    message: str
    reply_to: str | None = None
    retryable: bool | None = None


class GoAway(_Wire, frozen=True, gc=False):
    """The server will close soon; come back after this many seconds."""

    after: float = 0.0


# --- payloads: chat ---------------------------------------------------------------------------------------------------


class MessageSend(_Wire, frozen=True, gc=False):
    """The user said something. The envelope's id is the message's id."""

    session_id: str
    message: Message


class MessageReceived(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The acknowledgement of any message with an id: it took effect and will not be lost."""

    message_id: str
    sequence: int | None = None


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
    """Somebody is typing."""

    conversation_id: str
    user_id: str


class NotificationNew(_Wire, frozen=True, gc=False):
    """A notice arrived."""

    notification: Notification


class NotificationRead(_Wire, frozen=True, gc=False):
    """A notice was read, here or elsewhere."""

    notification_id: str
