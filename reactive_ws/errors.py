"""Every exception of the framework, split by whose fault it is and whether trying again helps.

ReactiveWSError
├── UsageError                  the program: fix the call
│   ├── DomainMismatch          stores of two domains in one batch, derived value or snapshot
│   ├── StoreClosed             a write to a store after close()
│   ├── FeedbackLoop            observers that keep writing what they observe
│   ├── BadAddress              a URL that cannot be dialled
│   ├── ServiceClosed           send() after disconnect() or stop()
│   └── IllegalTransition       an event that the state table does not name
├── ConnectionFailed            the network or the server
│   ├── DialFailed              refused, timed out, no such host, not a WebSocket server: retried
│   ├── HandshakeRefused        an HTTP status instead of 101
│   ├── ConnectionLost          the connection ended after it was open
│   ├── HeartbeatTimeout        nothing arrived in time
│   ├── BadCertificate          TLS verification failed: not retried
│   ├── Unauthorized            the token was refused: not retried with the same token
│   └── GaveUp                  out of attempts
├── MessageError                one message; the connection lives on
│   ├── MessageRejected         a frame that is not a valid message of its type
│   ├── MessagesMissing         a gap in an ordered stream, or new numbers in it
│   ├── UnknownType             a payload class that no registry knows
│   ├── MessageTooBig           larger than the server accepts
│   ├── RequestFailed           the server answered a request with an error
│   └── RequestTimeout          no answer in time
├── DeliveryError               one promise
│   ├── OutboxFull              no room for another message that may not be dropped
│   └── DeliveryFailed          a message that will not be delivered, with the reason
├── JournalError                the durable outbox's file: locked, corrupt, or the disk is full
├── FileUnusable                the hub's data file or a recording: missing, locked, foreign, damaged, disk full
└── ListenFailed                a server of ours cannot listen: port in use, no such host

Not here: errors of a user's observer, selector or handler. They are reported as they are (see `domain.ErrorReport`).
"""

from __future__ import annotations

from typing import ClassVar

import attrs

__all__ = [
    "BadAddress",
    "BadCertificate",
    "ConnectionFailed",
    "ConnectionLost",
    "DeliveryError",
    "DeliveryFailed",
    "DialFailed",
    "DomainMismatch",
    "FeedbackLoop",
    "FileUnusable",
    "GaveUp",
    "HandshakeRefused",
    "HeartbeatTimeout",
    "IllegalTransition",
    "JournalError",
    "ListenFailed",
    "MessageError",
    "MessageRejected",
    "MessageTooBig",
    "MessagesMissing",
    "OutboxFull",
    "ReactiveWSError",
    "RequestFailed",
    "RequestTimeout",
    "ServiceClosed",
    "StoreClosed",
    "Unauthorized",
    "UnknownType",
    "UsageError",
]


class ReactiveWSError(Exception):
    """Root of every exception that this package raises on purpose."""

    text: ClassVar[str] = ""
    """What `str` gives, with the attributes filled in."""

    def __str__(self) -> str:
        return self.text.format_map(vars(self)) if self.text else super().__str__()


class UsageError(ReactiveWSError):
    """The program asked for something that cannot be; the text says what to write instead."""


@attrs.define(eq=False, slots=False)
class DomainMismatch(UsageError):
    """Stores of two domains met in one batch, derived value or snapshot."""

    expected: str
    got: str

    text = (
        "a store of domain {got!r} was used together with stores of domain {expected!r}; "
        "order and batches hold inside one domain only. Create the stores with the same "
        "domain= argument."
    )


@attrs.define(eq=False, slots=False)
class StoreClosed(UsageError):
    """A write to a closed store."""

    store: str

    text = "store {store!r} is closed; create a new one instead of writing to it"


@attrs.define(eq=False, slots=False)
class FeedbackLoop(UsageError):
    """An observer wrote, which notified an observer, which wrote, and so on.

    Attributes:
        store: Name of the store that was written.
        depth: Number of commits in the chain of causes.
    """

    store: str
    depth: int

    text = (
        "the write to store {store!r} is number {depth} in a chain of observers that write "
        "what they observe; make the observer stop when the value is as wanted"
    )


@attrs.define(eq=False, slots=False)
class BadAddress(UsageError):
    """A URL that cannot be dialled. The text never shows user, password or query.

    Attributes:
        url: The redacted URL.
        reason: What is wrong with it.
    """

    url: str
    reason: str

    text = "cannot dial {url!r}: {reason}"


class ServiceClosed(UsageError):
    """A message was sent after disconnect() or stop()."""

    text = "the service was disconnected; call connect() before sending"


@attrs.define(eq=False, slots=False)
class IllegalTransition(UsageError):
    """An event that the state table does not name; nothing changed.

    Attributes:
        state: Name of the state the connection is in.
        event: Name of the event.
    """

    state: str
    event: str

    text = "event {event!r} cannot happen in state {state!r}"


class ConnectionFailed(ReactiveWSError):
    """The network or the server ended or prevented a connection."""


@attrs.define(eq=False, slots=False)
class DialFailed(ConnectionFailed):
    """No connection could be opened; trying again may help.

    Attributes:
        reason: What happened, without secrets.
    """

    reason: str

    text = "{reason}"


@attrs.define(eq=False, slots=False)
class HandshakeRefused(ConnectionFailed):
    """The server answered the handshake with an HTTP status other than 101.

    Attributes:
        status: The HTTP status code.
        retry_after: Seconds that the server asked to wait, or None.
    """

    status: int
    retry_after: float | None = None

    text = "the server answered the handshake with HTTP {status}; check URL and token"


@attrs.define(eq=False, slots=False)
class ConnectionLost(ConnectionFailed):
    """An open connection ended.

    Attributes:
        code: The close code: 1005 when the close frame had none, 1006 when there was no close frame.
        reason: The close reason, may be empty.
        was_received: False when our side closed first, because of what the server sent.
    """

    code: int
    reason: str = ""
    was_received: bool = attrs.field(default=True, kw_only=True)

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"connection closed with code {self.code}{reason}"


@attrs.define(eq=False, slots=False)
class HeartbeatTimeout(ConnectionFailed):
    """Nothing arrived from the server in time.

    Attributes:
        seconds: How long nothing arrived after the ping.
    """

    seconds: float

    text = "nothing arrived from the server for {seconds:g} s after a ping"


@attrs.define(eq=False, slots=False)
class BadCertificate(ConnectionFailed):
    """TLS verification failed. Not retried: the certificate will not get better by itself.

    Attributes:
        reason: What the TLS library said.
    """

    reason: str

    text = (
        "the server's certificate was not accepted: {reason}; pass ssl= with the right "
        "certificate authority, or fix the server"
    )


@attrs.define(eq=False, slots=False)
class Unauthorized(ConnectionFailed):
    """The token was refused. A token provider raises this to stop retries.

    Attributes:
        reason: Who refused it and how, without the token.
    """

    reason: str = "the token was refused"

    text = "{reason}; sign in again and call connect()"


@attrs.define(eq=False, slots=False)
class GaveUp(ConnectionFailed):
    """All attempts failed. connect() starts over.

    Attributes:
        attempts: How many dials failed in a row.
        last: Text of the last failure.
    """

    attempts: int
    last: str

    text = "gave up after {attempts} attempts, the last one: {last}"


class MessageError(ReactiveWSError):
    """One message could not be read or sent; the connection lives on."""


@attrs.define(eq=False, slots=False)
class MessageRejected(MessageError):
    """A frame that is not a valid message.

    Attributes:
        reason: What is wrong, with the path of the field when there is one.
        type: The message type, None when the frame was not even an envelope.
        stream, epoch, seq: Its position, if it had one: a rejected message still advances its stream.
        id: The message id, if it had one.
    """

    reason: str
    type: str | None = attrs.field(default=None, kw_only=True)
    stream: str | None = attrs.field(default=None, kw_only=True)
    epoch: str | None = attrs.field(default=None, kw_only=True)
    seq: int | None = attrs.field(default=None, kw_only=True)
    id: str | None = attrs.field(default=None, kw_only=True)

    def __str__(self) -> str:
        what = f"a {self.type!r} message" if self.type is not None else "a frame"
        return f"{what} was rejected: {self.reason}"


@attrs.define(eq=False, slots=False)
class MessagesMissing(MessageError):
    """Messages of an ordered stream did not come; a snapshot was asked for.

    Attributes:
        stream: Name of the stream.
        expected: The `seq` that should have come.
        got: The `seq` that came.
    """

    stream: str
    expected: int
    got: int

    text = "stream {stream!r} went on at {got} where {expected} was expected"


@attrs.define(eq=False, slots=False)
class UnknownType(MessageError):
    """A payload class that was never registered.

    Attributes:
        payload: Name of the class.
    """

    payload: str

    text = "{payload} is no registered message type; use @registry.message('some.type')"


@attrs.define(eq=False, slots=False)
class MessageTooBig(MessageError):
    """A message larger than the peer accepts.

    Attributes:
        size: Bytes of the encoded message.
        limit: Bytes that the peer accepts.
    """

    size: int
    limit: int

    text = "the message has {size} bytes and the limit is {limit}; send it in parts"


@attrs.define(eq=False, slots=False)
class RequestFailed(MessageError):
    """The server answered a request with an `error` message.

    Attributes:
        code: The server's error code.
        message: The server's text.
        retryable: What the server said about trying again, or None.
    """

    code: str
    message: str
    retryable: bool | None = attrs.field(default=None, kw_only=True)

    text = "the server answered with error {code!r}: {message}"


@attrs.define(eq=False, slots=False)
class RequestTimeout(MessageError, TimeoutError):
    """No reply to a request in time.

    Attributes:
        seconds: How long was waited.
        reply: Name of the reply type that was expected.
    """

    seconds: float
    reply: str

    text = "no {reply!r} arrived within {seconds:g} s"


class DeliveryError(ReactiveWSError):
    """A message was not or will not be delivered."""


@attrs.define(eq=False, slots=False)
class OutboxFull(DeliveryError):
    """There is no room for another message that may not be dropped; nothing was queued.

    Attributes:
        limit: How many messages the outbox holds.
    """

    limit: int

    text = (
        "the outbox holds {limit} messages and is full; wait for acknowledgements or raise "
        "its limit"
    )


class DeliveryFailed(DeliveryError):
    """Raised by awaiting a Delivery that failed or whose outcome is unknown.

    Attributes:
        id: The message id.
        reason: Why it failed.
    """

    def __init__(self, id: str, reason: str) -> None:  # noqa: A002 - the wire field's name
        super().__init__(id, reason)
        self.id = id
        self.reason = reason

    text = "message {id} was not delivered: {reason}"


@attrs.define(eq=False, slots=False)
class JournalError(ReactiveWSError):
    """The durable outbox's file cannot be used; nothing that was stored is lost.

    Attributes:
        path: The file.
        reason: What is wrong and what to do.
    """

    path: str
    reason: str

    text = "outbox file {path!r}: {reason}"


@attrs.define(eq=False, slots=False)
class FileUnusable(ReactiveWSError):
    """A file that was named by the user cannot be read or written.

    Attributes:
        path: The file.
        reason: What is wrong and what to do.
    """

    path: str
    reason: str

    text = "{path!r} {reason}"


@attrs.define(eq=False, slots=False)
class ListenFailed(ReactiveWSError):
    """A server cannot listen where it was told to.

    Attributes:
        host: The host name or address.
        port: The TCP port.
        reason: What is wrong and what to do.
    """

    host: str
    port: int
    reason: str

    text = "cannot listen on {host!r} port {port}: {reason}"
