"""The registry of message types: the class of each payload, and how far its delivery is promised.

An application starts with `protocol_v1()`, which holds the control messages, and adds its own types with
`Registry.message`. It registers the state of its streams with `Registry.snapshot`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import attrs
import msgspec

from ..errors import UnknownType, UsageError
from .control import (
    Auth,
    AuthOk,
    GoAway,
    Hello,
    MessageReceived,
    Ping,
    Pong,
    Resume,
    Resumed,
    ServerError,
    Snapshot,
    Subscribe,
    Subscribed,
    Sync,
    Unsubscribe,
    Unsubscribed,
)

__all__ = ["Guarantee", "MessageType", "Registry", "protocol_v1"]

C = TypeVar("C", bound=type)
S = TypeVar("S", bound=type[Snapshot])


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


def _is_a_guarantee(row: MessageType, _: object, value: object) -> None:
    if not isinstance(value, Guarantee):
        names = ", ".join(f"Guarantee.{each.name}" for each in Guarantee)
        raise UsageError(
            f"the guarantee of message type {row.name!r} is {value!r}; write one of {names}"
        )


@attrs.frozen
class MessageType:
    """One row of the registry.

    Attributes:
        name: The wire's `type`.
        payload: The class of the payload.
        guarantee: How far delivery is promised when a client sends it.
        required: False when the wire may leave the payload out.
        identity: Returns the id that a payload has already, such as `attrgetter("message.id")`; the service sends it as
            the envelope's id, so that acknowledgements name it. None: the service makes a new id for each message.

    Raises:
        UsageError: `guarantee` is not a `Guarantee`.
    """

    name: str
    payload: type[Any]
    guarantee: Guarantee = attrs.field(default=Guarantee.AT_MOST_ONCE, validator=_is_a_guarantee)
    required: bool = True
    identity: Callable[[Any], str] | None = None


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
        self._own_tables()
        self._by_name[row.name] = row
        self._by_class[row.payload] = row

    def _own_tables(self) -> None:
        """Copies the tables when another registry shares them."""
        if self._is_shared:
            self._by_name, self._by_class = dict(self._by_name), dict(self._by_class)
            self._is_shared = False

    def message(
        self,
        name: str,
        *,
        guarantee: Guarantee = Guarantee.AT_MOST_ONCE,
        identity: Callable[[Any], str] | None = None,
    ) -> Callable[[C], C]:
        """Class decorator: registers a payload class (an `attrs` class, a `msgspec.Struct` or a dataclass).

        A type whose fields all have defaults may come without a payload.

        Args:
            name: The wire's `type`.
            guarantee: How far delivery is promised when a client sends it.
            identity: Returns the id that a payload has already; see `MessageType`.

        Raises:
            ValueError: the registry has this name or this class already.
        """

        def register(payload: C) -> C:
            fields = msgspec.inspect.type_info(payload)
            required = any(field.required for field in getattr(fields, "fields", ()))
            self.add(MessageType(name, payload, guarantee, required, identity))
            return payload

        return register

    def snapshot(self, payload: S) -> S:
        """Class decorator: registers the state of the application's streams, a subclass of `Snapshot`.

            @registry.snapshot
            class Todos(Snapshot, frozen=True):
                items: tuple[Todo, ...] = ()

        Payloads of the type `snapshot` are then of this class. It replaces a class that was registered before.

        Raises:
            UsageError: it is not a subclass of `Snapshot`.
            ValueError: the class is registered under another name.
        """
        if not issubclass(payload, Snapshot):
            raise UsageError(
                f"{payload.__name__} must be a subclass of reactive_ws.wire.Snapshot to be a snapshot's class"
            )
        before = self._by_name.get("snapshot")
        if before is not None:
            self._own_tables()
            del self._by_name["snapshot"], self._by_class[before.payload]
        self.add(MessageType("snapshot", payload, Guarantee.CONTROL))
        return payload

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
        # Most services only read, so both share the tables until one of them adds a row.
        copied = Registry()
        copied._by_name, copied._by_class = self._by_name, self._by_class
        copied._is_shared = self._is_shared = True
        return copied


_CONTROL = Guarantee.CONTROL

_PROTOCOL_V1 = Registry(
    (
        MessageType("hello", Hello, _CONTROL),
        MessageType("auth", Auth, _CONTROL),
        MessageType("auth.ok", AuthOk, _CONTROL, required=False),
        MessageType("ping", Ping, Guarantee.VOLATILE, required=False),
        MessageType("pong", Pong, _CONTROL, required=False),
        MessageType("resume", Resume, _CONTROL),
        MessageType("resumed", Resumed, _CONTROL),
        MessageType("sync", Sync, _CONTROL),
        MessageType("snapshot", Snapshot, _CONTROL),
        MessageType("subscribe", Subscribe, _CONTROL),
        MessageType("unsubscribe", Unsubscribe, _CONTROL),
        MessageType("subscribed", Subscribed, _CONTROL),
        MessageType("unsubscribed", Unsubscribed, _CONTROL),
        MessageType("message.received", MessageReceived, _CONTROL),
        MessageType("error", ServerError, _CONTROL),
        MessageType("goaway", GoAway, _CONTROL, required=False),
    )
)


def protocol_v1() -> Registry:
    """Returns a new registry that holds the control messages of protocol v1 and no other type."""
    return _PROTOCOL_V1.copy()
