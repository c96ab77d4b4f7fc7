"""The effects that `decisions` returns and `service.shell` performs, in the same order."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from .close_policy import CloseCode
from .record import Connection, ErrorKind

__all__ = [
    "Abort",
    "Close",
    "ConnectionEffect",
    "ConnectionEnded",
    "ConnectionReady",
    "Dial",
    "Prove",
    "Publish",
    "RaiseError",
    "SettleOutbox",
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
class Prove:
    """Ask the server for life in the words of its dialect, or with a WebSocket ping."""

    generation: int
    token: str


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
    """The outbox may send now."""

    generation: int


@attrs.frozen
class ConnectionEnded:
    """The messages in flight go back to the head of the outbox.

    Attributes:
        refusals: How many refusals of a message in flight the end counts as; see `Meaning`.
    """

    refusals: float = 0.0


@attrs.frozen
class SettleOutbox:
    """Disconnected on purpose: give every waiting message its final status."""


@attrs.frozen
class RaiseError:
    """Tell the observers of errors."""

    kind: ErrorKind
    exception: Exception
    is_retryable: bool


ConnectionEffect: TypeAlias = (
    Publish
    | Dial
    | Prove
    | Abort
    | Close
    | ConnectionReady
    | ConnectionEnded
    | SettleOutbox
    | RaiseError
)
"""One act of the decisions, which the shell performs."""
