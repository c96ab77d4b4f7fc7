"""One message with its address and position, as typed Python values.

A codec makes frames of envelopes and envelopes of frames; this module knows no bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

__all__ = ["Envelope", "id_text", "moment"]

P_co = TypeVar("P_co", covariant=True)


def moment(timestamp: datetime | float) -> datetime:
    """Returns the UTC time of a wire timestamp: ISO 8601 text, or epoch milliseconds when it is a number.

    Raises:
        ValueError, OverflowError, OSError: a number outside the years 1 to 9999.
    """
    if isinstance(timestamp, datetime):
        return timestamp.astimezone(UTC) if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return datetime.fromtimestamp(timestamp / 1000.0, tz=UTC)


def id_text(value: object) -> str | None:
    """Returns an id of the wire as text: a number or a boolean as JSON writes it; None for anything else."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, int | float) else None


class Envelope(Struct, Generic[P_co], frozen=True, gc=False, omit_defaults=True):
    """One message with its address and position.

    Attributes:
        type: What it is, such as "order.add"; decides the class of `payload`.
        payload: The typed payload; plain JSON values when the type is unknown; None when absent.
        channel: Routing name; equals `type` when the wire had none.
        id: Set by the client on every message and kept on every resend. A number or a boolean of a foreign server is
            kept as its JSON text: "18" for 18.
        stream, epoch, seq: Position in an ordered stream, set by servers; `seq` counts from 1 in each epoch.
        timestamp: When it was sent, see `moment`.
        redelivered: True when the client sent it before.
        cause: Id of the command of this client that led to the message; set by servers.
        more: Whether the entry of the stream goes on in the next message, with the same position; set by servers.
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
    cause: str | None = None
    more: bool = False
