"""The six connection states and the literal table of what leads from one to the other.

    * Every state has a row, and a row names every event that can happen in its state.
    * `follow` is the only reader of the table; an event that a row does not name raises and changes nothing.
    * An event that names its own state is allowed there and does not begin the state again.
    * The diagram in the documentation is printed from the table by `diagram`.

It decides nothing else: attempts, timers, close codes and effects are `protocol`'s.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from ..errors import IllegalTransition

__all__ = ["TRANSITIONS", "ConnectionState", "Event", "diagram", "follow"]


class ConnectionState(enum.Enum):
    """Where a connection is in its life."""

    CLOSED = "closed"
    """Initial, and after disconnect()."""
    CONNECTING = "connecting"
    """The first dial."""
    CONNECTED = "connected"
    """Ready: messages go out."""
    DISCONNECTED = "disconnected"
    """Lost, and nothing scheduled yet; lasts until the same event is decided."""
    RECONNECTING = "reconnecting"
    """Waiting for the next dial or dialing again; announced once per outage."""
    ERROR = "error"
    """Gave up; connect() starts over."""


class Event(enum.Enum):
    """The events of a connection."""

    CONNECT = "connect()"
    READY = "ready"
    DIAL_FAILED = "dial failed"
    LOST = "lost"
    RETRY = "retry scheduled"
    FATAL = "fatal, or out of attempts"
    RECONNECT = "reconnect()"
    DISCONNECT = "disconnect()"


_CLOSED = ConnectionState.CLOSED
_CONNECTING = ConnectionState.CONNECTING
_CONNECTED = ConnectionState.CONNECTED
_DISCONNECTED = ConnectionState.DISCONNECTED
_RECONNECTING = ConnectionState.RECONNECTING
_ERROR = ConnectionState.ERROR

TRANSITIONS: Mapping[ConnectionState, Mapping[Event, ConnectionState]] = {
    _CLOSED: {
        Event.CONNECT: _CONNECTING,
        Event.RECONNECT: _CONNECTING,
        Event.DISCONNECT: _CLOSED,
    },
    _CONNECTING: {
        Event.CONNECT: _CONNECTING,
        Event.READY: _CONNECTED,
        Event.DIAL_FAILED: _DISCONNECTED,
        Event.LOST: _DISCONNECTED,
        Event.FATAL: _ERROR,
        Event.RECONNECT: _CONNECTING,
        Event.DISCONNECT: _CLOSED,
    },
    _CONNECTED: {
        Event.CONNECT: _CONNECTED,
        Event.LOST: _DISCONNECTED,
        Event.FATAL: _ERROR,
        Event.RECONNECT: _RECONNECTING,
        Event.DISCONNECT: _CLOSED,
    },
    _DISCONNECTED: {
        Event.CONNECT: _RECONNECTING,
        Event.RETRY: _RECONNECTING,
        Event.FATAL: _ERROR,
        Event.RECONNECT: _RECONNECTING,
        Event.DISCONNECT: _CLOSED,
    },
    _RECONNECTING: {
        Event.CONNECT: _RECONNECTING,
        Event.READY: _CONNECTED,
        Event.DIAL_FAILED: _RECONNECTING,
        Event.LOST: _RECONNECTING,
        Event.RETRY: _RECONNECTING,
        Event.FATAL: _ERROR,
        Event.RECONNECT: _RECONNECTING,
        Event.DISCONNECT: _CLOSED,
    },
    _ERROR: {
        Event.CONNECT: _CONNECTING,
        Event.RECONNECT: _CONNECTING,
        Event.DISCONNECT: _CLOSED,
    },
}
"""For each state, the events that it takes and the state that follows."""


def follow(state: ConnectionState, event: Event) -> ConnectionState:
    """Returns the state that an event leads to.

    Raises:
        IllegalTransition: the event cannot happen in this state.
    """
    target = TRANSITIONS[state].get(event)
    if target is None:
        raise IllegalTransition(state.name, event.value)
    return target


def diagram() -> str:
    """Returns the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> CLOSED"]
    for state, row in TRANSITIONS.items():
        lines += [
            f"    {state.name} --> {target.name}: {event.value}" for event, target in row.items()
        ]
    return "\n".join(lines)
