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
│   ├── UnknownType             a payload class that no registry knows
│   ├── MessageTooBig           larger than the server accepts
│   ├── RequestFailed           the server answered a request with an error
│   └── RequestTimeout          no answer in time
├── DeliveryError               one promise
│   ├── OutboxFull              no room for another message that may not be dropped
│   └── DeliveryFailed          a message that will not be delivered, with the reason
└── JournalError                the durable outbox's file: locked, corrupt, or the disk is full

Not here: errors of a user's observer, selector or handler. They are reported as they are (see `domain.ErrorReport`).
"""

from __future__ import annotations

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
    "GaveUp",
    "HandshakeRefused",
    "HeartbeatTimeout",
    "IllegalTransition",
    "JournalError",
    "MessageError",
    "MessageRejected",
    "MessageTooBig",
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


class UsageError(ReactiveWSError):
    """The program asked for something that cannot be; the text says what to write instead."""


class DomainMismatch(UsageError):
    """Stores of two domains met in one batch, derived value or snapshot."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return (
            f"a store of domain {self.got!r} was used together with stores of domain "
            f"{self.expected!r}; order and batches hold inside one domain only. "
            "Create the stores with the same domain= argument."
        )


class StoreClosed(UsageError):
    """A write to a closed store."""

    def __init__(self, store: str) -> None:
        super().__init__(store)
        self.store = store

    def __str__(self) -> str:
        return f"store {self.store!r} is closed; create a new one instead of writing to it"


class FeedbackLoop(UsageError):
    """An observer wrote, which notified an observer, which wrote, and so on.

    Attributes:
        store: Name of the store that was written.
        depth: Number of commits in the chain of causes.
    """

    def __init__(self, store: str, depth: int) -> None:
        super().__init__(store, depth)
        self.store = store
        self.depth = depth

    def __str__(self) -> str:
        return (
            f"the write to store {self.store!r} is number {self.depth} in a chain of observers "
            "that write what they observe; make the observer stop when the value is as wanted"
        )


class BadAddress(UsageError):
    """A URL that cannot be dialled. The text never shows user, password or query.

    Attributes:
        url: The redacted URL.
        reason: What is wrong with it.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot dial {self.url!r}: {self.reason}"


class ServiceClosed(UsageError):
    """A message was sent after disconnect() or stop()."""

    def __str__(self) -> str:
        return "the service was disconnected; call connect() before sending"


class IllegalTransition(UsageError):
    """An event that the state table does not name; nothing changed.

    Attributes:
        state: Name of the state the connection is in.
        event: Name of the event.
    """

    def __init__(self, state: str, event: str) -> None:
        super().__init__(state, event)
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"event {self.event!r} cannot happen in state {self.state!r}"


class ConnectionFailed(ReactiveWSError):
    """The network or the server ended or prevented a connection."""


class DialFailed(ConnectionFailed):
    """No connection could be opened; trying again may help.

    Attributes:
        reason: What happened, without secrets.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class HandshakeRefused(ConnectionFailed):
    """The server answered the handshake with an HTTP status other than 101.

    Attributes:
        status: The HTTP status code.
        retry_after: Seconds that the server asked to wait, or None.
    """

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(status, retry_after)
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"the server answered the handshake with HTTP {self.status}; check URL and token"


class ConnectionLost(ConnectionFailed):
    """An open connection ended.

    Attributes:
        code: The close code that was received, 1006 when there was none.
        reason: The close reason, may be empty.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"connection closed with code {self.code}{reason}"


class HeartbeatTimeout(ConnectionFailed):
    """Nothing arrived from the server in time.

    Attributes:
        seconds: How long nothing arrived after the ping.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"nothing arrived from the server for {self.seconds:g} s after a ping"


class BadCertificate(ConnectionFailed):
    """TLS verification failed. Not retried: the certificate will not get better by itself.

    Attributes:
        reason: What the TLS library said.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the server's certificate was not accepted: {self.reason}; "
            "pass ssl= with the right certificate authority, or fix the server"
        )


class Unauthorized(ConnectionFailed):
    """The token was refused. A token provider raises this to stop retries.

    Attributes:
        reason: Who refused it and how, without the token.
    """

    def __init__(self, reason: str = "the token was refused") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}; sign in again and call connect()"


class GaveUp(ConnectionFailed):
    """All attempts failed. connect() starts over.

    Attributes:
        attempts: How many dials failed in a row.
        last: Text of the last failure.
    """

    def __init__(self, attempts: int, last: str) -> None:
        super().__init__(attempts, last)
        self.attempts = attempts
        self.last = last

    def __str__(self) -> str:
        return f"gave up after {self.attempts} attempts, the last one: {self.last}"


class MessageError(ReactiveWSError):
    """One message could not be read or sent; the connection lives on."""


class MessageRejected(MessageError):
    """A frame that is not a valid message.

    Attributes:
        reason: What is wrong, with the path of the field when there is one.
        type: The message type, None when the frame was not even an envelope.
        stream, epoch, seq: Its position, if it had one: a rejected message still advances its stream.
        id: The message id, if it had one.
    """

    def __init__(
        self,
        reason: str,
        *,
        type: str | None = None,  # noqa: A002 - the wire field's name
        stream: str | None = None,
        epoch: str | None = None,
        seq: int | None = None,
        id: str | None = None,  # noqa: A002 - the wire field's name
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.type = type
        self.stream = stream
        self.epoch = epoch
        self.seq = seq
        self.id = id

    def __str__(self) -> str:
        what = f"a {self.type!r} message" if self.type is not None else "a frame"
        return f"{what} was rejected: {self.reason}"


class UnknownType(MessageError):
    """A payload class that was never registered.

    Attributes:
        payload: Name of the class.
    """

    def __init__(self, payload: str) -> None:
        super().__init__(payload)
        self.payload = payload

    def __str__(self) -> str:
        return f"{self.payload} is no registered message type; use @registry.message('some.type')"


class MessageTooBig(MessageError):
    """A message larger than the peer accepts.

    Attributes:
        size: Bytes of the encoded message.
        limit: Bytes that the peer accepts.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"the message has {self.size} bytes and the limit is {self.limit}; send it in parts"


class RequestFailed(MessageError):
    """The server answered a request with an `error` message.

    Attributes:
        code: The server's error code.
        message: The server's text.
        retryable: What the server said about trying again, or None.
    """

    def __init__(self, code: str, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retryable = retryable

    def __str__(self) -> str:
        return f"the server answered with error {self.code!r}: {self.message}"


class RequestTimeout(MessageError, TimeoutError):
    """No reply to a request in time.

    Attributes:
        seconds: How long was waited.
        reply: Name of the reply type that was expected.
    """

    def __init__(self, seconds: float, reply: str) -> None:
        super().__init__(seconds, reply)
        self.seconds = seconds
        self.reply = reply

    def __str__(self) -> str:
        return f"no {self.reply!r} arrived within {self.seconds:g} s"


class DeliveryError(ReactiveWSError):
    """A message was not or will not be delivered."""


class OutboxFull(DeliveryError):
    """There is no room for another message that may not be dropped; nothing was queued.

    Attributes:
        limit: How many messages the outbox holds.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the outbox holds {self.limit} messages and is full; wait for acknowledgements or raise its limit"


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

    def __str__(self) -> str:
        return f"message {self.id} was not delivered: {self.reason}"


class JournalError(DeliveryError):
    """The durable outbox's file cannot be used; nothing that was stored is lost.

    Attributes:
        path: The file.
        reason: What is wrong and what to do.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"outbox file {self.path!r}: {self.reason}"
