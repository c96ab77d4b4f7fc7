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

Modules in reading order:

    connection  the network or the server ended or prevented a connection. The whole tree is drawn in `errors`
    delivery    A promise that was not kept, and files and ports that cannot be used
    message     one message could not be read or sent; the connection lives on. The whole tree is drawn in `errors`
    root        the root of every exception that this package raises on purpose
    usage       the program asked for something that cannot be. The whole tree is drawn in `errors`
"""

from __future__ import annotations

from .connection import (
    BadCertificate,
    ConnectionFailed,
    ConnectionLost,
    DialFailed,
    GaveUp,
    HandshakeRefused,
    HeartbeatTimeout,
    Unauthorized,
)
from .delivery import (
    DeliveryError,
    DeliveryFailed,
    FileUnusable,
    JournalError,
    ListenFailed,
    OutboxFull,
)
from .message import (
    MessageError,
    MessageRejected,
    MessagesMissing,
    MessageTooBig,
    RequestFailed,
    RequestTimeout,
    UnknownType,
)
from .root import ReactiveWSError
from .usage import (
    BadAddress,
    DomainMismatch,
    FeedbackLoop,
    IllegalTransition,
    ServiceClosed,
    StoreClosed,
    UsageError,
)

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
