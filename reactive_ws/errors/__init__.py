"""Every exception of the framework, sorted by whose fault it is and whether a retry helps.

Each exception carries its data as attributes and builds its text in `__str__`, on one line. `one_line` does that for texts
of others in logs. The package imports nothing. All other packages raise these exceptions; user code imports them to catch them. A program of stores alone
needs `root` and `usage`; the face imports each other module at the first use of one of its names.

ReactiveWSError
├── UsageError                  a mistake in the program: fix the call
│   ├── DomainMismatch          stores of two domains in one batch, derived value or snapshot
│   ├── StoreClosed             a write to a store after close()
│   ├── FeedbackLoop            observers that write again and again to what they observe
│   ├── FellBehind              an `async for` that is slower than its stream
│   ├── BadAddress              a URL that cannot be dialled
│   ├── DuplicateId             a message with the id of another one that still waits
│   ├── ServiceClosed           send() after disconnect() or stop()
│   └── IllegalTransition       an event that the state table does not name
├── ConnectionFailed            the network or the server
│   ├── DialFailed              refused, timed out, no such host, not a WebSocket server: retried
│   ├── HandshakeRefused        an HTTP status instead of 101
│   ├── ProxyRefused            the proxy opened no tunnel
│   ├── RedirectRefused         a redirect to another origin, to an insecure address, or in a loop
│   ├── ConnectionLost          the connection ended after it was open
│   ├── HeartbeatTimeout        nothing arrived in time
│   ├── BadCertificate          TLS verification failed: not retried
│   ├── TokenRefused            the server refused the token in a message: one more try with a fresh one
│   ├── Unauthorized            the token was refused: not retried with the same token
│   └── GaveUp                  out of attempts
├── MessageError                one message; the connection stays open
│   ├── MessageRejected         a frame that is not a valid message of its type
│   ├── MessagesMissing         a gap in an ordered stream, or new numbers in it
│   ├── PositionsDropped        more new streams than the service keeps positions of
│   ├── UnknownType             a payload class that no registry knows
│   ├── MessageTooBig           larger than the server accepts
│   ├── StateTooBig             the state of a stream is larger than its replica takes
│   ├── RequestFailed           the server answered a request with an error
│   └── RequestTimeout          no answer in time
├── DeliveryError               one message that was promised
│   ├── OutboxFull              no room for another message that must not be dropped
│   ├── AcknowledgementLate     a message that the server has read and does not acknowledge
│   └── DeliveryFailed          a message that will not be delivered, with the reason
│       └── DeliveryUncertain   a message that was sent, and whose outcome will not be known
├── JournalError                the durable outbox's file: locked, corrupt, or the disk is full
├── LogError                    a log of the server half
│   ├── Conflict                another command changed what this one read: run it again
│   ├── LogUnavailable          the database or the disk failed: retried
│   └── LogUnusable             no schema, another format, a foreign database: not retried
├── Refused                     a handler of a server refuses its command
├── StateUnusable               the state of a stream cannot be made from its log
├── FileUnusable                the hub's data file or a recording: missing, locked, foreign, damaged, disk full
└── ListenFailed                a server of this package cannot listen: port in use, no such host

Exceptions of a user's observer, selector or handler are not in this tree. `engine.ErrorReport` reports them unchanged.

Modules in reading order:

    root        `ReactiveWSError`, the base class of all exceptions of this package
    usage       mistakes in the program
    connection  failures of the network or the server
    message     failures of one message while the connection stays open
    delivery    messages that were not delivered, and files and ports that cannot be used
    handler     exceptions that handlers of a server raise on purpose
    log         failures of a log of the server half
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .root import ReactiveWSError, one_line
from .usage import (
    BadAddress,
    DomainMismatch,
    DuplicateId,
    FeedbackLoop,
    FellBehind,
    IllegalTransition,
    ServiceClosed,
    StoreClosed,
    UsageError,
)

if TYPE_CHECKING:
    from .connection import (
        BadCertificate,
        ConnectionFailed,
        ConnectionLost,
        DialFailed,
        GaveUp,
        HandshakeRefused,
        HeartbeatTimeout,
        ProxyRefused,
        RedirectRefused,
        TokenRefused,
        Unauthorized,
    )
    from .delivery import (
        AcknowledgementLate,
        DeliveryError,
        DeliveryFailed,
        DeliveryUncertain,
        FileUnusable,
        JournalError,
        ListenFailed,
        OutboxFull,
    )
    from .handler import Refused, StateUnusable
    from .log import Conflict, LogError, LogUnavailable, LogUnusable
    from .message import (
        MessageError,
        MessageRejected,
        MessagesMissing,
        MessageTooBig,
        PositionsDropped,
        RequestFailed,
        RequestTimeout,
        StateTooBig,
        UnknownType,
    )

__all__ = [
    "AcknowledgementLate",
    "BadAddress",
    "BadCertificate",
    "Conflict",
    "ConnectionFailed",
    "ConnectionLost",
    "DeliveryError",
    "DeliveryFailed",
    "DeliveryUncertain",
    "DialFailed",
    "DomainMismatch",
    "DuplicateId",
    "FeedbackLoop",
    "FellBehind",
    "FileUnusable",
    "GaveUp",
    "HandshakeRefused",
    "HeartbeatTimeout",
    "IllegalTransition",
    "JournalError",
    "ListenFailed",
    "LogError",
    "LogUnavailable",
    "LogUnusable",
    "MessageError",
    "MessageRejected",
    "MessageTooBig",
    "MessagesMissing",
    "OutboxFull",
    "PositionsDropped",
    "ProxyRefused",
    "ReactiveWSError",
    "RedirectRefused",
    "Refused",
    "RequestFailed",
    "RequestTimeout",
    "ServiceClosed",
    "StateTooBig",
    "StateUnusable",
    "StoreClosed",
    "TokenRefused",
    "Unauthorized",
    "UnknownType",
    "UsageError",
    "one_line",
]

_LATER = {
    "AcknowledgementLate": "delivery",
    "BadCertificate": "connection",
    "Conflict": "log",
    "ConnectionFailed": "connection",
    "ConnectionLost": "connection",
    "DeliveryError": "delivery",
    "DeliveryFailed": "delivery",
    "DeliveryUncertain": "delivery",
    "DialFailed": "connection",
    "FileUnusable": "delivery",
    "GaveUp": "connection",
    "HandshakeRefused": "connection",
    "HeartbeatTimeout": "connection",
    "JournalError": "delivery",
    "ListenFailed": "delivery",
    "LogError": "log",
    "LogUnavailable": "log",
    "LogUnusable": "log",
    "MessageError": "message",
    "MessageRejected": "message",
    "MessageTooBig": "message",
    "MessagesMissing": "message",
    "OutboxFull": "delivery",
    "PositionsDropped": "message",
    "ProxyRefused": "connection",
    "RedirectRefused": "connection",
    "Refused": "handler",
    "RequestFailed": "message",
    "RequestTimeout": "message",
    "StateTooBig": "message",
    "StateUnusable": "handler",
    "TokenRefused": "connection",
    "Unauthorized": "connection",
    "UnknownType": "message",
}
"""The modules of the names that a program of stores alone needs not, and that are imported at their first use."""


if not TYPE_CHECKING:
    # A type checker sees the imports above, and finds a wrong name.

    def __getattr__(name: str) -> Any:
        module = _LATER.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f".{module}", __name__), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
