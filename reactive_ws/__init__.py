"""Reactive stores that keep a desktop, terminal or bot program's state live over one WebSocket.

The map, from the ground up; a room imports from its own floor and below:

    errors, payloads, messages                      what can go wrong; what is said on the wire
    equality, home, commit, deliverer, domain       when a value changed; one order of commits; who delivers them
    audience, registration_order, source, graph,    observers; parts and derived values of a value;
    lifecycle                                       start and stop
    batch, cell, selection, store                   writes, streams, `Store` and its read-only face
    calculation, computed, derived, entities,       values of values; many entities
    key_changes, key_source, keyed
    middleware                                      persist, undo, logger, inspector: functions on the commit hook
    codec, events                                   bytes <-> messages; streams of things that happen
    transitions, connection, connection_record,     the decisions about one connection, without I/O:
    close_policy, judgement, backoff, heartbeat,    the state table, what a close means, when to dial again,
    protocol_options, protocol, effects, address,   what must not be shown
    redaction
    outbox_entry, outbox_books, outbox, journal,    what waits to be sent, in memory and in a file,
    storage, delivery, pending                      and what became of it
    inbound, dispatcher, subscriptions, metrics     order, duplicates and gaps; who hears of a message; channels; counts
    authentication, token_expiry, failures,         the service's hands: tokens, foreign exceptions,
    suspension, alarm, logbook, settings,           sleep, one timer for all deadlines, the log,
    line, dialing, receiver, control,               one socket, how it is opened, what it brings, what is said on it,
    connection_loop,                                performing the effects,
    requests, async_handlers, background_thread,    questions, slow handlers, the own thread,
    publishing, routing, sending, following,        what is shown, and its surface
    running, service
    fast                                            picows as the socket library, for `connect=`
    gui                                             one contract for all toolkits' event loops; frames, widgets
    testing, hub, recording                         virtual time and faults; a small server; recorded traffic
    commands                                        the command line

What has to do with a connection is imported when it is first asked for: a program that only uses stores does not wait for
the socket library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .batch import batch, snapshot
from .commit import Commit, ErrorReport
from .computed import Derived
from .derived import derived, derived_all
from .domain import Domain, default_domain
from .entities import Entities
from .equality import shallow
from .errors import ReactiveWSError
from .key_changes import KeyChanges
from .keyed import KeyedStore
from .selection import Selection
from .store import ReadOnly, Store, reset_all

if TYPE_CHECKING:
    from .authentication import FirstMessage, Header, Query, Subprotocol
    from .backoff import Backoff, Delays, Jitter
    from .close_policy import ClosePolicy, Verdict
    from .codec import Codec, JsonCodec
    from .connection import Connection, ConnectionState, ErrorEvent, ErrorKind, Metrics, Phase
    from .delivery import Delivery, DeliveryStatus
    from .heartbeat import Heartbeat
    from .messages import Envelope, Guarantee, Registry, protocol_v1
    from .outbox_entry import OutboxOptions, Overflow
    from .service import WebSocketService

__all__ = [
    "Backoff",
    "ClosePolicy",
    "Codec",
    "Commit",
    "Connection",
    "ConnectionState",
    "Delays",
    "Delivery",
    "DeliveryStatus",
    "Derived",
    "Domain",
    "Entities",
    "Envelope",
    "ErrorEvent",
    "ErrorKind",
    "ErrorReport",
    "FirstMessage",
    "Guarantee",
    "Header",
    "Heartbeat",
    "Jitter",
    "JsonCodec",
    "KeyChanges",
    "KeyedStore",
    "Metrics",
    "OutboxOptions",
    "Overflow",
    "Phase",
    "Query",
    "ReactiveWSError",
    "ReadOnly",
    "Registry",
    "Selection",
    "Store",
    "Subprotocol",
    "Verdict",
    "WebSocketService",
    "batch",
    "default_domain",
    "derived",
    "derived_all",
    "protocol_v1",
    "reset_all",
    "shallow",
    "snapshot",
]

# By room; the same as for the type checkers above.
_LATER = {
    "FirstMessage": "authentication",
    "Header": "authentication",
    "Query": "authentication",
    "Subprotocol": "authentication",
    "Backoff": "backoff",
    "Delays": "backoff",
    "Jitter": "backoff",
    "ClosePolicy": "close_policy",
    "Verdict": "close_policy",
    "Codec": "codec",
    "JsonCodec": "codec",
    "Connection": "connection",
    "ConnectionState": "connection",
    "ErrorEvent": "connection",
    "ErrorKind": "connection",
    "Metrics": "connection",
    "Phase": "connection",
    "Delivery": "delivery",
    "DeliveryStatus": "delivery",
    "Heartbeat": "heartbeat",
    "Envelope": "messages",
    "Guarantee": "messages",
    "Registry": "messages",
    "protocol_v1": "messages",
    "OutboxOptions": "outbox_entry",
    "Overflow": "outbox_entry",
    "WebSocketService": "service",
}


def __getattr__(name: str) -> Any:
    room = _LATER.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{room}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
