"""The wire's vocabulary: envelope, the typed messages of protocol v1, and the registry of types.

A message is an `Envelope` around a payload. Each payload class is registered under its `type` together with how far
delivery is promised. This room knows no bytes (see `codec`) and no connection. Users add their own types with
`Registry.message`, on a copy of `protocol_v1()` or on an empty `Registry`.

Everything is a frozen `msgspec.Struct` with `gc=False`: JSON trees have no cycles, so a million retained messages
cost the garbage collector nothing. Python names in code, camelCase on the wire.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import attrs
import msgspec
from msgspec import Struct

from ..errors import UnknownType
from .control import (
    Auth,
    AuthOk,
    GoAway,
    Hello,
    Message,
    MessageDelta,
    MessageReceived,
    MessageResponse,
    MessageSend,
    Notification,
    NotificationNew,
    NotificationRead,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    Ping,
    Pong,
    Position,
    Recovery,
    Resume,
    Resumed,
    ServerError,
    Session,
    SessionClose,
    SessionClosed,
    SessionCreate,
    SessionCreated,
    Snapshot,
    Subscribe,
    Subscribed,
    Sync,
    Typing,
    Unsubscribe,
)

__all__ = [
    "Auth",
    "AuthOk",
    "Envelope",
    "GoAway",
    "Guarantee",
    "Hello",
    "Message",
    "MessageDelta",
    "MessageReceived",
    "MessageResponse",
    "MessageSend",
    "MessageType",
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
    "Registry",
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
    "moment",
    "protocol_v1",
]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)
C = TypeVar("C", bound=type)


def moment(timestamp: datetime | float) -> datetime:
    """Returns the UTC time of a wire timestamp: ISO 8601 text, or epoch milliseconds when it is a number.

    Raises:
        ValueError, OverflowError, OSError: a number that is no time of years 1 to 9999.
    """
    if isinstance(timestamp, datetime):
        return timestamp.astimezone(UTC) if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return datetime.fromtimestamp(timestamp / 1000.0, tz=UTC)


class Envelope(Struct, Generic[P_co], frozen=True, gc=False, omit_defaults=True):
    """One message with its address and position.

    Attributes:
        type: What it is, such as "message.response"; decides the class of `payload`.
        payload: The typed payload; plain JSON values when the type is unknown; None when absent.
        channel: Routing name; equals `type` when the wire had none.
        id: Set by the client on every message and kept on every resend.
        stream, epoch, seq: Position in an ordered stream, set by servers; `seq` counts from 1 in each epoch.
        timestamp: When it was sent, see `moment`.
        redelivered: True when the client sent it before.
        problems: What had to be repaired while decoding, one line each; never on the wire.
    """

    type: str
    payload: P_co
    channel: str = ""
    id: str | None = None
    stream: str | None = None
    epoch: str | None = None
    seq: int | None = None
    timestamp: datetime | float | None = None
    redelivered: bool = False
    problems: tuple[str, ...] = ()


# --- the registry -----------------------------------------------------------------------------------------------------


class Guarantee(enum.Enum):
    """How far delivery of a client's message is promised."""

    VOLATILE = "volatile"
    """Sent now or never: not queued while offline."""
    AT_MOST_ONCE = "at most once"
    """Queued while offline; lost if the connection dies after it was written."""
    AT_LEAST_ONCE = "at least once"
    """Kept and resent with the same id until the server acknowledges it."""
    CONTROL = "control"
    """Of the connection itself: never queued, passes everything that waits."""


@attrs.frozen
class MessageType:
    """One row of the registry.

    Attributes:
        name: The wire's `type`.
        payload: The class of the payload.
        guarantee: How far delivery is promised when a client sends it.
        required: False when the wire may leave the payload out.
    """

    name: str
    payload: type[Any]
    guarantee: Guarantee = Guarantee.AT_MOST_ONCE
    required: bool = True


class Registry:
    """Message types by name and by payload class. Filled at start, then only read, from any thread."""

    def __init__(self, types: tuple[MessageType, ...] = ()) -> None:
        self._by_name: dict[str, MessageType] = {}
        self._by_class: dict[type[Any], MessageType] = {}
        self._is_shared = False
        for row in types:
            self.add(row)

    def __repr__(self) -> str:
        return f"<Registry of {len(self._by_name)} message types>"

    def __iter__(self) -> Iterator[MessageType]:
        return iter(self._by_name.values())

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def add(self, row: MessageType) -> None:
        """Adds a row.

        Raises:
            ValueError: the name or the class has one already.
        """
        if row.name in self._by_name:
            raise ValueError(f"message type {row.name!r} is registered already")
        if row.payload in self._by_class:
            raise ValueError(
                f"{row.payload.__name__} is registered already as {self._by_class[row.payload].name!r}"
            )
        if self._is_shared:
            self._by_name, self._by_class = dict(self._by_name), dict(self._by_class)
            self._is_shared = False
        self._by_name[row.name] = row
        self._by_class[row.payload] = row

    def message(
        self, name: str, *, guarantee: Guarantee = Guarantee.AT_MOST_ONCE
    ) -> Callable[[C], C]:
        """Class decorator: registers a payload class (an `attrs` class, a `msgspec.Struct` or a dataclass).

        A type whose fields all have defaults may come without a payload.
        """

        def register(payload: C) -> C:
            fields = msgspec.inspect.type_info(payload)
            required = any(field.required for field in getattr(fields, "fields", ()))
            self.add(MessageType(name, payload, guarantee, required))
            return payload

        return register

    def get(self, name: str) -> MessageType | None:
        """Returns the row of this type name, or None."""
        return self._by_name.get(name)

    def of(self, payload: type[Any]) -> MessageType:
        """Returns the row of this payload class.

        Raises:
            UnknownType: it was never registered.
        """
        row = self._by_class.get(payload)
        if row is None:
            raise UnknownType(payload.__name__)
        return row

    def copy(self) -> Registry:
        """Returns a registry with the same rows, to add own types to."""
        # Most services only read: the tables are copied by the first of both that adds a row.
        copied = Registry()
        copied._by_name, copied._by_class = self._by_name, self._by_class
        copied._is_shared = self._is_shared = True
        return copied


_CONTROL = Guarantee.CONTROL
_SURE = Guarantee.AT_LEAST_ONCE
_VOLATILE = Guarantee.VOLATILE

_PROTOCOL_V1 = (
    MessageType("hello", Hello, _CONTROL),
    MessageType("auth", Auth, _CONTROL),
    MessageType("auth.ok", AuthOk, _CONTROL, required=False),
    MessageType("ping", Ping, _VOLATILE, required=False),
    MessageType("pong", Pong, _CONTROL, required=False),
    MessageType("resume", Resume, _CONTROL),
    MessageType("resumed", Resumed, _CONTROL),
    MessageType("sync", Sync, _CONTROL),
    MessageType("snapshot", Snapshot, _CONTROL),
    MessageType("subscribe", Subscribe, _CONTROL),
    MessageType("unsubscribe", Unsubscribe, _CONTROL),
    MessageType("subscribed", Subscribed, _CONTROL),
    MessageType("message.send", MessageSend, _SURE),
    MessageType("message.received", MessageReceived, _CONTROL),
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
    MessageType("error", ServerError, _CONTROL),
    MessageType("goaway", GoAway, _CONTROL, required=False),
)


_ALL_OF_V1 = Registry(_PROTOCOL_V1)


def protocol_v1() -> Registry:
    """Returns a new registry with the types of protocol v1."""
    return _ALL_OF_V1.copy()
