"""Payloads of the control messages of protocol v1: what the two ends of a connection say about the connection.

They are frozen `msgspec.Struct`s with `gc=False`: JSON trees have no cycles, so the garbage collector need not look at
them. Fields have Python names in code and camelCase names on the wire. `registry.protocol_v1` gives each class its type.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Struct

__all__ = [
    "MAX_EPOCH_LENGTH",
    "MAX_ID_LENGTH",
    "MAX_STREAM_SIZE",
    "Auth",
    "AuthOk",
    "GoAway",
    "Hello",
    "MessageReceived",
    "Ping",
    "Pong",
    "Position",
    "Recovery",
    "Refusal",
    "Resume",
    "Resumed",
    "ServerError",
    "Snapshot",
    "SnapshotPart",
    "Subscribe",
    "Subscribed",
    "Sync",
    "Unsubscribe",
    "Unsubscribed",
]


MAX_ID_LENGTH: Final = 200
"""Characters of a message's id, and of a client's name. Protocol v1, "Limits"."""
MAX_EPOCH_LENGTH: Final = 200
"""Characters of an epoch, and of a mark. A resume repeats both, and must fit into a frame. Protocol v1, "Limits"."""
MAX_STREAM_SIZE: Final = 200
"""Bytes of a stream's name in UTF-8. Protocol v1, "Limits"."""


class _Wire(Struct, frozen=True, gc=False, rename="camel"):
    """Options that all payloads share."""


_ABOVE_0 = Meta(gt=0)


class Hello(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The first frame of each side.

    Attributes:
        epoch: Unused by servers whose streams have epochs of their own.
        heartbeat: Seconds between two pings, asked for by the server.
        max_size: Bytes of the largest frame that the sender takes.
        resume: Whether the server can resume.
        features: Names of optional parts that the sender knows.
        window: Bytes that a client may leave unconfirmed.
        dedup: Seconds for which the server keeps the outcome of a command.
        client: A client's own random name, stored with its outbox.
    """

    epoch: str = ""
    heartbeat: Annotated[float, _ABOVE_0] | None = None
    max_size: Annotated[int, _ABOVE_0] | None = None
    resume: bool = False
    features: tuple[str, ...] = ()
    window: Annotated[int, _ABOVE_0] | None = None
    dedup: Annotated[float, _ABOVE_0] | None = None
    client: str | None = None


class Auth(_Wire, frozen=True, gc=False):
    """First-message authentication, or a fresh token in place. The repr hides the token."""

    token: str

    def __repr__(self) -> str:
        return "Auth(token='***')"


class AuthOk(_Wire, frozen=True, gc=False):
    """The token was accepted."""


class Ping(_Wire, frozen=True, gc=False):
    """Are you there? The envelope's id comes back in the pong."""


class Pong(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The answer to a ping. Without an id it answers the oldest ping.

    Attributes:
        mark: The server named every stream that began before it to the client.
    """

    mark: str | None = None


class Position(_Wire, frozen=True, gc=False):
    """The last message of a stream that took effect: number `seq` of `epoch`."""

    epoch: str
    seq: int


class Recovery(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The answer for one stream of a resume.

    Attributes:
        recovered: Everything after the client's position follows. False: the stream goes on after `seq`.
        epoch, seq: The newest entry of the stream.
        new: The client did not name the stream; when recovered, it follows from its first entry.
    """

    recovered: bool
    epoch: str
    seq: int
    new: bool | None = None


class Refusal(_Wire, frozen=True, gc=False):
    """The answer for a channel that the client may not hear."""

    code: str


class Resume(_Wire, frozen=True, gc=False, omit_defaults=True):
    """Send what followed these positions. A resume may have several frames, all but the last with `more`.

    Attributes:
        streams: Positions, from a client that sends no `hello`.
        subscriptions: Names and patterns that the client wants to hear.
        mark: The newest mark that the client got.
        positions: The last entry of each stream that took effect.
        pending: Ids of commands whose outcome the client does not know.
        state: Names and patterns of streams; a snapshot follows for each that cannot be recovered. `V1` asks with `Sync` instead.
        more: Another frame of this resume follows.
    """

    streams: dict[str, Position] = {}
    subscriptions: tuple[str, ...] = ()
    mark: str | None = None
    positions: dict[str, Position] = {}
    pending: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    more: bool = False


class Resumed(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The answer to a resume, stream by stream, in one or more frames.

    Attributes:
        streams: The answer for each stream.
        refused: Channels that the client may not hear.
        mark: See `Pong`; it comes with the last frame.
        more: Another frame of this answer follows.
    """

    streams: dict[str, Recovery]
    refused: dict[str, Refusal] = {}
    mark: str | None = None
    more: bool = False


class Sync(_Wire, frozen=True, gc=False, omit_defaults=True):
    """Send a snapshot of each of these streams, and first the outcome of each pending command that is known."""

    streams: tuple[str, ...]
    pending: tuple[str, ...] = ()


class Snapshot(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The state of a stream at a position. An application adds the state in a subclass; see `Registry.snapshot`."""

    stream: str
    epoch: str
    seq: int


class SnapshotPart(_Wire, frozen=True, gc=False):
    """A `snapshot` of a server that names features: the whole state, or a piece of its JSON text.

    Attributes:
        stream, epoch, seq: As in `Snapshot`.
        part: Number of this part, from 1.
        parts: How many parts the state has.
        state: The state; with more than one part, a piece of its JSON text.
    """

    stream: str
    epoch: str
    seq: int
    part: int = 1
    parts: int = 1
    state: Any = None


class Subscribe(_Wire, frozen=True, gc=False, omit_defaults=True):
    """Start to send what happens on this channel, after a position when the channel is one stream."""

    channel: str
    position: Position | None = None


class Unsubscribe(_Wire, frozen=True, gc=False):
    """Stop to send what happens on this channel."""

    channel: str


class Subscribed(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The subscription holds.

    Attributes:
        channel: The name or pattern.
        stream, epoch, seq: The newest entry, when the channel is one stream.
        streams: The answer for each stream that the client now follows.
    """

    channel: str
    stream: str | None = None
    epoch: str | None = None
    seq: int | None = None
    streams: dict[str, Recovery] = {}


class Unsubscribed(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The subscription ended: the client asked for it, or lost the right, as the code says."""

    channel: str
    code: str | None = None


class MessageReceived(_Wire, frozen=True, gc=False, omit_defaults=True):
    """The acknowledgement of any message with an id: it took effect and will not be lost.

    Attributes:
        message_id: The id.
        positions: Where its effects are, by stream.
        reply: What the handler returned.
    """

    message_id: str
    positions: dict[str, Position] = {}
    reply: Any = None


class ServerError(_Wire, frozen=True, gc=False, omit_defaults=True):
    """An application error. `reply_to` is the id of the message that it answers.

    With `retryable` the client sends that message again after `after` seconds; without, the message failed.
    """

    code: str
    message: str
    reply_to: str | None = None
    retryable: bool | None = None
    after: float | None = None


class GoAway(_Wire, frozen=True, gc=False):
    """The server will close soon; come back after this many seconds."""

    after: float = 0.0
