"""Payloads of the control messages of protocol v1: what the two ends of a connection say about the connection.

They are frozen `msgspec.Struct`s with `gc=False`: JSON trees have no cycles, so the garbage collector need not look at
them. Fields have Python names in code and camelCase names on the wire. `registry.protocol_v1` gives each class its type.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "Auth",
    "AuthOk",
    "GoAway",
    "Hello",
    "MessageReceived",
    "Ping",
    "Pong",
    "Position",
    "Recovery",
    "Resume",
    "Resumed",
    "ServerError",
    "Snapshot",
    "Subscribe",
    "Subscribed",
    "Sync",
    "Unsubscribe",
]


class _Wire(Struct, frozen=True, gc=False, rename="camel"):
    """Options that all payloads share."""


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


class Position(_Wire, frozen=True, gc=False):
    """The last message of a stream that took effect: number `seq` of `epoch`."""

    epoch: str
    seq: int


class Recovery(_Wire, frozen=True, gc=False):
    """The answer for one stream of a resume. `recovered`: everything after the position follows."""

    recovered: bool
    epoch: str
    seq: int


class Resume(_Wire, frozen=True, gc=False):
    """Send what followed these positions."""

    streams: dict[str, Position]


class Resumed(_Wire, frozen=True, gc=False):
    """The answer to a resume, stream by stream."""

    streams: dict[str, Recovery]


class Sync(_Wire, frozen=True, gc=False):
    """Send a snapshot of each of these streams."""

    streams: tuple[str, ...]


class Snapshot(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The state of a stream at a position. An application adds the state in a subclass; see `Registry.snapshot`."""

    stream: str
    epoch: str
    seq: int


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


class MessageReceived(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The acknowledgement of any message with an id: it took effect and will not be lost."""

    message_id: str
    sequence: int | None = None


class ServerError(_Wire, frozen=True, gc=False, omit_defaults=True):
    """An application error. `reply_to` is the id of the message that it answers."""

    code: str
    message: str
    reply_to: str | None = None
    retryable: bool | None = None


class GoAway(_Wire, frozen=True, gc=False):
    """The server will close soon; come back after this many seconds."""

    after: float = 0.0
