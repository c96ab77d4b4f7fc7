"""`Dialect` and `Session`: the language of a server as one object, without I/O and without a clock.

A dialect makes one session for each connection. The owner of the socket calls the session with what happens and with the
time; each call returns a `Step`: frames to write, and events to act on. Messages of the application are events, too: an
`Envelope` of a step is a message that arrived.

The rules of a session:

- Every method returns at once. A fault of the server is a `Fault` or a `Hangup`; a method raises for a programming error only.
- The frames of a step are written in order, with no other frame between them, before those of a later step.
- `Ready` comes at most once. The owner sends no message before it.
- `deadline` may change in any call. The owner calls `tick` at that time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import attrs

from ..connection import Meaning
from ..errors import MessageRejected
from ..wire import Envelope, Position

__all__ = [
    "Acknowledged",
    "Alive",
    "Capabilities",
    "Dialect",
    "Ended",
    "Event",
    "Fault",
    "Following",
    "Frame",
    "Hangup",
    "Leaving",
    "Past",
    "Ready",
    "Refused",
    "Request",
    "Session",
    "State",
    "Step",
    "TokenWanted",
]


@attrs.frozen
class Frame:
    """One frame to write.

    Attributes:
        data: Text for a text frame, bytes for a binary one.
        of: Id of the message whose last byte this frame has; None for a control frame.
    """

    data: str | bytes = attrs.field(repr=lambda data: f"<{len(data)} of {type(data).__name__}>")
    of: str | None = None


# --- events -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Ready:
    """The connection may carry messages now.

    Attributes:
        beat: Seconds between two calls of `prove` that the server asks for; None when it asks for none.
        silence: Seconds without a byte of the server that mean a lost connection; None when the dialect does not say.
        max_size: Bytes of the largest message that the server takes; None when unknown.
    """

    beat: float | None = None
    silence: float | None = None
    max_size: int | None = None


@attrs.frozen
class Request:
    """A message of the server that wants an answer.

    Attributes:
        message: The message.
        reference: Give it back in `Session.answer`.
    """

    message: Envelope[Any]
    reference: str | int


@attrs.frozen
class State:
    """The state of a stream at a position; it replaces the older state.

    Attributes:
        message: The message with the state; its payload is the application's.
        stream: Name of the stream.
        position: The last entry that the state contains.
    """

    message: Envelope[Any]
    stream: str
    position: Position


@attrs.frozen
class Acknowledged:
    """The server took a message.

    Attributes:
        id: Of the message.
        reply: The result that came with it, as plain values; None without one.
        positions: Where its effects are, by stream.
        message: The acknowledgement as a message, for handlers; None when it is not one.
    """

    id: str
    reply: Any = None
    positions: Mapping[str, Position] = attrs.field(factory=dict[str, Position])
    message: Envelope[Any] | None = None


@attrs.frozen
class Refused:
    """The server refused a message that it had not acknowledged.

    Attributes:
        id: Of the message.
        code: For programs.
        text: For people.
        is_retryable: Whether sending it again later may help.
        after: Seconds after which to send it again; None when the server does not say.
        message: The refusal as a message, for handlers; None when it is not one.
    """

    id: str
    code: str
    text: str
    is_retryable: bool = False
    after: float | None = None
    message: Envelope[Any] | None = None


@attrs.frozen
class Following:
    """A subscription or a stream that was resumed.

    Attributes:
        channel: The channel that was subscribed, or the stream.
        stream: The ordered stream behind it; None without one.
        position: Where the stream begins; None when unknown until its first message.
        is_recovered: True when everything after the known position follows; False when messages are missing; None when
            nothing was to be recovered.
    """

    channel: str
    stream: str | None = None
    position: Position | None = None
    is_recovered: bool | None = None


@attrs.frozen
class Ended:
    """A subscription is over.

    Attributes:
        channel: The channel.
        code: Why the server refused or ended it; None when it is complete.
        text: The reason for people.
        again_after: Seconds after which to subscribe again; None: not before the token changes.
    """

    channel: str
    code: str | None = None
    text: str = ""
    again_after: float | None = None


@attrs.frozen
class Alive:
    """The server showed life.

    Attributes:
        token: What `prove` was called with, when this answers it; None when the server showed life by itself.
    """

    token: str | None = None


@attrs.frozen
class TokenWanted:
    """The server refused the token, or wants another one.

    Attributes:
        text: Its reason, for people.
    """

    text: str = ""


@attrs.frozen
class Leaving:
    """The server will close soon.

    Attributes:
        after: Seconds after which to connect again.
    """

    after: float = 0.0


@attrs.frozen
class Fault:
    """One bad element of a frame; its neighbours are delivered.

    Attributes:
        error: The reason, with the position in a stream when the element had one.
    """

    error: MessageRejected


@attrs.frozen
class Hangup:
    """The session wants this connection closed.

    Attributes:
        code: The close code to send.
        text: Why, for people.
    """

    code: int
    text: str


Event: TypeAlias = (
    Envelope[Any]
    | Ready
    | Request
    | State
    | Acknowledged
    | Refused
    | Following
    | Ended
    | Alive
    | TokenWanted
    | Leaving
    | Fault
    | Hangup
)


@attrs.frozen
class Step:
    """Frames to write and events to act on, each in order."""

    frames: Sequence[Frame] = ()
    events: Sequence[Event] = ()


# --- session and dialect ----------------------------------------------------------------------------------------------


@attrs.frozen
class Capabilities:
    """The abilities of the servers of a dialect.

    Attributes:
        acknowledges: Whether the server confirms each message. False: a message is delivered when it is written.
        deduplicates: Whether the server runs a message once that it gets twice with the same id.
        has_positions: Whether streams have positions from which they can be resumed.
        has_snapshots: Whether the server sends the state of a stream on request.
        ids_are_unique: Whether two messages of the server with the same id are the same message.
    """

    acknowledges: bool
    deduplicates: bool
    has_positions: bool
    has_snapshots: bool
    ids_are_unique: bool


@attrs.frozen
class Past:
    """Facts of the earlier connections.

    Attributes:
        positions: The position of each stream.
        memory: The `memory` of the last session; empty for the first connection.
    """

    positions: Mapping[str, Position] = attrs.field(factory=dict[str, Position])
    memory: Mapping[str, str] = attrs.field(factory=dict[str, str])


class Session(Protocol):
    """One connection.

    Attributes:
        deadline: When `tick` must be called, in the seconds of `now`; None for never.
        memory: What the next session should know, as JSON values.
    """

    @property
    def deadline(self) -> float | None: ...
    @property
    def memory(self) -> Mapping[str, str]: ...
    def opened(self, token: str | None, past: Past, now: float) -> Step:
        """The handshake is done."""
        ...

    def received(self, frame: str | bytes, now: float) -> Step:
        """A frame arrived."""
        ...

    def send(self, message: Envelope[Any], now: float) -> Step:
        """Sends a message of the program; only after `Ready`. Its id is the same on every resend.

        Raises:
            MessageRejected: the message cannot be written in this dialect.
        """
        ...

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Answers a `Request`.

        Raises:
            MessageRejected: the payload cannot be written in this dialect.
        """
        ...

    def subscribe(self, channel: str, now: float) -> Step:
        """Asks for the messages of a channel; only after `Ready`."""
        ...

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Ends a subscription."""
        ...

    def sync(self, streams: Sequence[str], now: float) -> Step:
        """Asks for the state of streams; without frames when the dialect has no such request."""
        ...

    def authenticate(self, token: str, now: float) -> Step:
        """Sends a new token in place; without frames when the dialect cannot."""
        ...

    def prove(self, token: str, now: float) -> Step | None:
        """Asks the server for life. None: the dialect has no such question; send a WebSocket ping."""
        ...

    def tick(self, now: float) -> Step:
        """The deadline is reached."""
        ...


class Dialect(Protocol):
    """The language of a server. Immutable; makes one session for each connection."""

    @property
    def name(self) -> str: ...
    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols to offer in the handshake."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def closes(self) -> Mapping[int, Meaning]:
        """Meanings of the close codes of this dialect; they go before the table of the service."""
        ...

    def address(self, url: str) -> str:
        """Returns the URL to dial, such as one with the version of the protocol in its query."""
        ...

    def session(self) -> Session:
        """Returns a session for a new connection."""
        ...
