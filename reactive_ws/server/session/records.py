"""Records of a session: its settings, the questions that it asks, and the effects that it wants. No logic.

Those of a message are structs, as in `logs.records`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import msgspec
from msgspec import Struct

from ...wire import Envelope, Position
from ..logs import CommandKey

__all__ = [
    "Accepted",
    "Ask",
    "Authenticate",
    "Close",
    "EncodedEntry",
    "EncodedPage",
    "Failure",
    "FindOutcomes",
    "Hear",
    "MakeMark",
    "MakeState",
    "Question",
    "ReadHeads",
    "ReadPage",
    "Rights",
    "Run",
    "RunAnswer",
    "SessionEffect",
    "SessionSettings",
    "StateAt",
    "Unhear",
    "Write",
]


@attrs.frozen
class SessionSettings:
    """The words of a server's `hello`, and the limits of one connection.

    Attributes:
        heartbeat: Seconds between two pings of a client; None leaves it to the client.
        max_size: Bytes of the largest message that the server takes; None says nothing about it.
        window: Bytes that a client may leave unconfirmed; None leaves it to the client.
        dedup: Seconds for which outcomes are kept; those of the log when None.
        needs_auth: Whether a client has to send a token in an `auth` message, because its request had none.
        auth_timeout: Seconds that it has for that.
        channels: Channels that every client hears without a `subscribe`.
        features: Optional parts of the protocol that the `hello` names; without any, a client sends no `hello` of its own.
        first_word: Seconds that a client has to send its `resume` before these channels begin.
        stuck_after: Seconds in which a client has to take something of what the server writes, and to answer a ping of the socket. Then
            the server cuts it off. `Server.serve` pings at each heartbeat; an ASGI server has a setting of its own for it.
        max_channels: Subscriptions of one client.
        max_marked: Streams with entries that one client has not taken yet; beyond it the server cuts it off.
        max_waiting: Messages of one client that wait for their turn; beyond it the server reads no further.
    """

    heartbeat: float | None = 30.0
    max_size: int | None = 2**20
    window: int | None = None
    dedup: float | None = None
    needs_auth: bool = False
    auth_timeout: float = 10.0
    channels: tuple[str, ...] = ()
    features: tuple[str, ...] = ("cause", "more", "snapshot-parts")
    first_word: float = 0.5
    stuck_after: float = 60.0
    max_channels: int = 1_000
    max_marked: int = 10_000
    max_waiting: int = 1_000


# --- questions: the node answers each through `ServerSession.answered` or `ServerSession.failed` ------------------------------------


@attrs.frozen
class Authenticate:
    """Whose token is this? Answer: the identity as text; None refuses."""

    token: str = attrs.field(repr=False)


class Rights(Struct, frozen=True):
    """Which of these channels may the client not hear? Answer: a refusal code for each of those."""

    channels: Sequence[str]


class MakeMark(Struct, frozen=True):
    """Answer: a mark of the log; None when the server keeps no marks."""


class ReadHeads(Struct, frozen=True):
    """Answer: positions by stream, see `Log.heads`."""

    pattern: str
    born_after: str | None = None


class ReadPage(Struct, frozen=True):
    """The next entries of a stream. Answer: an `EncodedPage`. An `after` without an epoch reads from number 1."""

    stream: str
    after: Position
    limit_bytes: int


class FindOutcomes(Struct, frozen=True):
    """Answer: outcomes by key, see `Log.outcomes`."""

    keys: Sequence[CommandKey]


class MakeState(Struct, frozen=True):
    """Answer: a `StateAt`; None when the server has no state of this stream."""

    stream: str


class Run(Struct, frozen=True):
    """A message of the client to handle. Answer: a `RunAnswer`.

    Attributes:
        envelope: The message.
        key: The key of its command; None when it is not acknowledged.
        identity: The name of the user, as `authorize` gave it.
        behind: The messages of the same client that wait behind it, in their order. The shell may handle the first of them, too.
    """

    envelope: Envelope[Any]
    key: CommandKey | None
    identity: str
    behind: tuple[Run, ...] = ()


Question: TypeAlias = (
    Authenticate | Rights | MakeMark | ReadHeads | ReadPage | FindOutcomes | MakeState | Run
)
"""One question of a session, which the shell answers or runs."""


# --- answers ------------------------------------------------------------------------------------------------------------


class EncodedEntry(Struct, frozen=True):
    """An entry as it is written: one text for each message, with its position and without `cause`.

    Attributes:
        position: Where it is.
        frames: The frames of its messages, each with the position.
        messages: The messages without a position, for clients in plain mode.
        size: Bytes of the longest frame; 0 lets an entry of any size go to every client.
        cause: The command that led to it.
    """

    position: Position
    frames: tuple[str | bytes, ...]
    messages: Sequence[bytes]
    size: int
    cause: CommandKey | None = None


class EncodedPage(Struct, frozen=True, dict=True):
    """A page of a stream, see `Page`. What does not depend on the client is made once, when the first client needs it."""

    head: Position
    entries: Sequence[EncodedEntry] | None
    more: bool = False

    @cached_property
    def last(self) -> Position:
        """The position behind the page: that of its last entry, or the head when it has none."""
        return self.entries[-1].position if self.entries else self.head

    @cached_property
    def frames(self) -> tuple[str | bytes, ...]:
        """The frames of all entries."""
        return tuple(frame for entry in self.entries or () for frame in entry.frames)

    @cached_property
    def writes(self) -> tuple[Write, ...]:
        """The same frames as effects, for a client that they say nothing special to."""
        return tuple(map(Write, self.frames))

    @cached_property
    def size(self) -> int:
        """Bytes of the longest frame; 0 without entries."""
        return max((entry.size for entry in self.entries or ()), default=0)

    @cached_property
    def authors(self) -> frozenset[str]:
        """The clients whose commands led to entries of the page."""
        causes = (entry.cause for entry in self.entries or ())
        return frozenset(cause.client for cause in causes if cause is not None)


class StateAt(Struct, frozen=True):
    """The state of a stream at a position, as JSON text."""

    position: Position
    state: bytes


class Accepted(Struct, frozen=True):
    """A message took effect.

    Attributes:
        positions: Where its effects are.
        reply: The JSON text of the handler's reply.
        told: Messages without a position for the other clients of this node, each with its channel.
    """

    positions: Mapping[str, Position] = msgspec.field(default_factory=dict[str, Position])
    reply: bytes | None = None
    told: Sequence[tuple[str, object]] = ()


class Failure(Struct, frozen=True):
    """A message had no effect.

    Attributes:
        code: A word that programs understand.
        message: A sentence that people understand.
        is_retryable: Whether the same message may be accepted later.
        after: Seconds after which the client may send it again.
    """

    code: str
    message: str
    is_retryable: bool = False
    after: float | None = None


RunAnswer: TypeAlias = Accepted | Failure | list[Accepted | Failure] | None
"""The result of a message; None when nothing is to be said. A list also answers the first messages behind it, in their order."""


# --- effects: the shell performs them in their order --------------------------------------------------------------------


class Write(Struct, frozen=True, gc=False):
    """Write this frame: text for a text frame, bytes for a binary one."""

    frame: str | bytes


class Ask(Struct, frozen=True):
    """Answer this question, with its number."""

    number: int
    question: Question


class Hear(Struct, frozen=True):
    """From now on, report changes of the streams that this name or pattern means."""

    channel: str


class Unhear(Struct, frozen=True):
    """Report changes of this name or pattern no longer."""

    channel: str


class Close(Struct, frozen=True):
    """Close the connection; `is_abort` without waiting for the client."""

    code: int
    reason: str
    is_abort: bool = False


SessionEffect: TypeAlias = Write | Ask | Hear | Unhear | Close
"""One act of a session, which the shell performs."""
