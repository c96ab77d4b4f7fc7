"""The effects that `decisions` returns and `service.shell` performs, in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from ..wire import Recovery
from .close_policy import CloseCode
from .record import Connection, ErrorKind

__all__ = [
    "Abort",
    "Close",
    "ConnectionEnded",
    "ConnectionReady",
    "Dial",
    "Effect",
    "Publish",
    "RaiseError",
    "SendAuth",
    "SendControl",
    "SendProtocolPing",
    "SettleOutbox",
    "StreamsMissing",
    "StreamsRecovered",
]


@attrs.frozen
class Publish:
    """The connection looks like this now."""

    connection: Connection


@attrs.frozen
class Dial:
    """Open a socket of this generation; with `force_token`, ask the token provider for a new token first."""

    generation: int
    force_token: bool = False


@attrs.frozen
class SendControl:
    """Send a message of the connection itself, past everything that waits."""

    payload: Any
    id: str | None = None


@attrs.frozen
class SendAuth:
    """Send the token of this dial as a first message."""


@attrs.frozen
class SendProtocolPing:
    """Send a WebSocket ping frame and call `Decisions.pong` when its answer comes."""

    generation: int


@attrs.frozen
class Abort:
    """Drop the socket or the dial of this generation at once, without a closing handshake."""

    generation: int


@attrs.frozen
class Close:
    """Close the socket of this generation politely."""

    generation: int
    code: int = CloseCode.NORMAL


@attrs.frozen
class ConnectionReady:
    """The outbox may send now. `has_acknowledgements` is False in plain mode."""

    generation: int
    has_acknowledgements: bool


@attrs.frozen
class ConnectionEnded:
    """The messages in flight go back to the head of the outbox.

    Attributes:
        refusals: How many refusals of a message in flight the end counts as; see `Meaning`.
    """

    refusals: float = 0.0


@attrs.frozen
class StreamsRecovered:
    """The server answered the resume."""

    streams: Mapping[str, Recovery]


@attrs.frozen
class StreamsMissing:
    """The server answered the resume and left these streams out: only a snapshot says what they are."""

    streams: tuple[str, ...]


@attrs.frozen
class SettleOutbox:
    """Disconnected on purpose: give every waiting message its final status."""


@attrs.frozen
class RaiseError:
    """Tell the observers of errors."""

    kind: ErrorKind
    exception: Exception
    is_retryable: bool


Effect: TypeAlias = (
    Publish
    | Dial
    | SendControl
    | SendAuth
    | SendProtocolPing
    | Abort
    | Close
    | ConnectionReady
    | ConnectionEnded
    | StreamsRecovered
    | StreamsMissing
    | SettleOutbox
    | RaiseError
)
