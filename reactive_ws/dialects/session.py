"""`Dialect` and `Session`: the language of a server as one object, without I/O and without a clock.

A dialect makes one session for each connection. The owner of the socket calls the session with what happens and with the
time; each call returns a `Step`: frames to write, and events to act on. Messages of the application are events, too: an
`Envelope` of a step is a message that arrived.

The rules of a session:

- Every method returns at once. A fault of the server is a `Fault` or a `Hangup`; a method raises for a programming error only.
- The frames of a step are written in order, with no other frame between them, before those of a later step.
- `Ready` comes at most once. The owner sends no message before it.
- `deadline` may change in any call. The owner calls `tick` at that time.
- The usual case needs no step: `received` may return one event alone, such as a message, and `send` the one frame itself.

`Step`, `Frame` and `Acknowledged` are structs, because one is made for each message: a struct is made in a fifth of the time.

The module is long because it defines and documents every record that a session returns.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias, runtime_checkable

import attrs
from msgspec import Struct

from ..connection import ErrorKind, Meaning, Phase
from ..errors import MessageRejected
from ..wire import Codec, Envelope, Position

__all__ = [
    "NO_CLOSES",
    "NO_MEMORY",
    "Acknowledged",
    "Alive",
    "Capabilities",
    "Control",
    "Dialect",
    "Ended",
    "Event",
    "Fault",
    "Following",
    "Frame",
    "Handshaking",
    "Hangup",
    "Leaving",
    "Limit",
    "Marked",
    "Notice",
    "Opening",
    "Probe",
    "Ready",
    "Refused",
    "Request",
    "RunReader",
    "Session",
    "State",
    "Step",
    "TokenWanted",
]


class Frame(Struct, frozen=True):
    """One frame to write.

    Attributes:
        data: Text for a text frame, bytes for a binary one.
        of: Id of the message whose last byte this frame has; None for a control frame.
        name: Type of a control message, for the log.
    """

    data: str | bytes
    of: str | None = None
    name: str = "control"

    def __repr__(self) -> str:
        # A frame may hold a token.
        return (
            f"<Frame of {len(self.data)} {'characters' if isinstance(self.data, str) else 'bytes'}>"
        )


NO_CLOSES: Mapping[int, Meaning] = {}
"""The table of a dialect without close codes of its own."""
NO_MEMORY: Mapping[str, str] = {}
"""The memory of a session that leaves nothing to the next one."""


# --- events -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Handshaking:
    """The handshake goes on, and the wait for the next answer of the server begins.

    Attributes:
        phase: The step, for the record of the connection.
        awaits: The missing answer, for the error text, such as "hello".
        size: Bytes of the question when it is large, so that a slow link gets more time.
    """

    phase: Phase
    awaits: str
    size: int = 0


@attrs.frozen
class Probe:
    """Send a WebSocket ping and call `ponged` when its answer comes."""


@attrs.frozen
class Ready:
    """The connection may carry messages now.

    Attributes:
        beat: Seconds between two calls of `prove` that the server asks for; None when it asks for none.
        silence: Seconds without a byte of the server that mean a lost connection; None when the dialect does not say.
        max_size: Bytes of the largest message that the server takes; None when unknown.
        window: Bytes that may be unconfirmed, as the server asks for; None when it asks for none.
        keeps_outcomes: Seconds for which the server keeps the outcome of a message; None when unknown.
        is_recovered: Whether every stream goes on where it stopped; None when there was none.
        is_subscribed: Whether the subscriptions of the opening were asked for in the handshake.
    """

    beat: float | None = None
    silence: float | None = None
    max_size: int | None = None
    window: int | None = None
    keeps_outcomes: float | None = None
    is_recovered: bool | None = None
    is_subscribed: bool = False


@attrs.frozen
class Limit:
    """The server takes messages of at most this size from now on.

    Attributes:
        max_size: Bytes of the largest message; None when unknown.
    """

    max_size: int | None


class Control(Struct, frozen=True):
    """A message about the connection itself. It goes to handlers only: no order, no duplicates.

    Attributes:
        message: The message.
    """

    message: Envelope[Any]


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
        state: The state as plain values.
        size: Bytes of its text; 0 when the dialect did not count them.
    """

    message: Envelope[Any]
    stream: str
    position: Position
    state: Any = None
    size: int = 0


class Acknowledged(Struct, frozen=True):
    """The server took a message.

    Attributes:
        id: Of the message.
        reply: The result that came with it, as plain values; None without one.
        positions: Where its effects are, by stream.
        message: The acknowledgement as a message, for handlers; None when it is not one.
    """

    id: str
    reply: Any = None
    positions: dict[str, Position] = {}
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
        token: What `prove` was called with, when the answer says it; None when it does not.
        is_answer: Whether it answers a `prove`; without a token, the oldest one.
    """

    token: str | None = None
    is_answer: bool = False


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
class Marked:
    """The server named each stream of the subscriptions that is older than this mark.

    Attributes:
        mark: The newest mark of the server.
    """

    mark: str


@attrs.frozen
class Fault:
    """One bad element of a frame; its neighbours are delivered.

    Attributes:
        error: The reason, with the position in a stream when the element had one.
    """

    error: MessageRejected


@attrs.frozen
class Notice:
    """Something to report.

    Attributes:
        kind: Whose fault it is.
        error: What happened, and what to do.
        is_retryable: Whether the connection goes on.
    """

    kind: ErrorKind
    error: Exception
    is_retryable: bool = True


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
    | Handshaking
    | Probe
    | Ready
    | Limit
    | Control
    | Request
    | State
    | Acknowledged
    | Refused
    | Following
    | Ended
    | Alive
    | TokenWanted
    | Leaving
    | Marked
    | Fault
    | Notice
    | Hangup
)
"""One fact that a session of a dialect reads from a frame."""


class Step(Struct, frozen=True):
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
        subscribes: Whether the messages of a channel come after `subscribe`.
        names_effects: Whether an acknowledgement says where the effects of a message are, and each entry its cause.
    """

    acknowledges: bool = False
    deduplicates: bool = False
    has_positions: bool = False
    has_snapshots: bool = False
    ids_are_unique: bool = False
    subscribes: bool = False
    names_effects: bool = False


def _new_id() -> str:
    return str(uuid.uuid4())


def _utc_now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen
class Opening:
    """Facts that a connection begins with.

    Attributes:
        token: The token to send; None when there is none, or when it went with the handshake of the socket.
        subprotocol: The subprotocol that the server selected.
        positions: The position of each stream.
        subscriptions: The channels that the program wants to hear.
        pending: Ids of transmitted messages whose outcome is unknown.
        client: The random name of this client, which stays the same while its messages wait; None when it has none.
        memory: The `memory` of the last session; empty for the first connection.
        max_size: Bytes of the largest frame that this side takes; None when unknown.
        timeout: Seconds that each answer of the handshake may take.
        new_id, clock: Make the ids and the times of control messages.
    """

    token: str | None = attrs.field(default=None, repr=False)
    subprotocol: str | None = None
    positions: Mapping[str, Position] = attrs.field(factory=dict[str, Position])
    subscriptions: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    client: str | None = None
    memory: Mapping[str, str] = attrs.field(factory=dict[str, str])
    max_size: int | None = None
    timeout: float = 10.0
    new_id: Callable[[], str] = _new_id
    clock: Callable[[], datetime] = _utc_now


class Session(Protocol):
    """One connection.

    Attributes:
        deadline: When `tick` must be called, in the seconds of `now`; None for never.
        memory: What the next session should know, as JSON values.
        capabilities: The abilities of this server.
        takes_tokens: Whether `authenticate` sends a token in place; without that, a new token needs a new connection.
    """

    @property
    def deadline(self) -> float | None: ...
    @property
    def memory(self) -> Mapping[str, str]: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def takes_tokens(self) -> bool: ...
    def opened(self, opening: Opening, now: float) -> Step:
        """The handshake of the socket is done."""
        ...

    def received(self, frame: str | bytes, now: float) -> Step | Event:
        """A frame arrived. An event stands for a step with this one event."""
        ...

    def ponged(self, now: float) -> Step:
        """The answer to a `Probe` arrived."""
        ...

    def send(
        self, message: Envelope[Any], now: float, kept: str | bytes | None = None
    ) -> Step | str | bytes:
        """Sends a message of the program; only after `Ready`. Its id is the same on every resend.

        Args:
            message: The message; `redelivered` says whether it is a resend.
            now: The time.
            kept: The message as the outbox keeps it, in the dialect's codec.

        Returns:
            One frame, or a step.

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

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Asks for the messages of a channel; only after `Ready`.

        Args:
            channel: Its name.
            now: The time.
            position: The last entry that this client has of the stream with this name; None when it has none.
        """
        ...

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Ends a subscription."""
        ...

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """Asks for the state of streams; without frames when the dialect has no such request.

        Args:
            streams: Their names.
            now: The time.
            pending: Ids of transmitted messages whose outcome is unknown; the server says it before the state.
        """
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


@runtime_checkable
class RunReader(Protocol):
    """A session that can read a run of frames in one call. Optional; it makes a flood cheaper."""

    def received_run(self, frames: Iterable[str | bytes]) -> Sequence[Envelope[Any]]:
        """Reads the first frames, if they are messages of the program and have the type of the newest message.

        Returns:
            A message for each of these frames, the one that `received` returns for it. `received` gets the frame after them.
        """
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
    def codec(self) -> Codec:
        """Writes messages for the outbox and its file, and reads them."""
        ...

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
