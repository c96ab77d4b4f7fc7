"""The connection in the three and in the five words that other clients use. Literal tables, nothing else."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from reactive_ws.connection import ConnectionState

__all__ = ["FiveState", "ThreeState", "five_state", "three_state"]


class ThreeState(enum.StrEnum):
    """Connected, not, or on the way. Equal to the plain strings."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"


class FiveState(enum.StrEnum):
    """The five states. Equal to the plain strings."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ERROR = "error"


_THREE: Final[Mapping[ConnectionState, ThreeState]] = {
    ConnectionState.CLOSED: ThreeState.DISCONNECTED,
    # Also the first dial: the original sets it before every `new WebSocket`.
    ConnectionState.CONNECTING: ThreeState.RECONNECTING,
    ConnectionState.CONNECTED: ThreeState.CONNECTED,
    ConnectionState.DISCONNECTED: ThreeState.DISCONNECTED,
    ConnectionState.RECONNECTING: ThreeState.RECONNECTING,
    ConnectionState.ERROR: ThreeState.DISCONNECTED,
}

_FIVE: Final[Mapping[ConnectionState, FiveState]] = {
    ConnectionState.CLOSED: FiveState.DISCONNECTED,
    ConnectionState.CONNECTING: FiveState.CONNECTING,
    ConnectionState.CONNECTED: FiveState.CONNECTED,
    ConnectionState.DISCONNECTED: FiveState.DISCONNECTED,
    ConnectionState.RECONNECTING: FiveState.RECONNECTING,
    ConnectionState.ERROR: FiveState.ERROR,
}


def three_state(state: ConnectionState) -> ThreeState:
    """Returns the state in three words."""
    return _THREE[state]


def five_state(state: ConnectionState) -> FiveState:
    """Returns the state in five words."""
    return _FIVE[state]
