"""Keeps the state of a desktop, terminal, notebook or bot program live over one WebSocket.

Messages come in, stores change, the UI redraws; the UI acts, commands go out. The packages, from the ground up; each
imports only from packages on lower floors, and from their faces:

    floor 1   errors        every exception, sorted by the side at fault
    floor 2   engine        one order of commits, observers, batches, the one write path
              wire          envelope, registry of types, codecs
    floor 3   state         `Store`, `KeyedStore`, `derived`, `Selection`, `snapshot`, event streams
              connection    decisions about one connection, without I/O: states, close codes, backoff, heartbeat
              outbox        messages that wait to be sent and their outcome, in memory and in a file
    floor 4   transport     one socket: address, credentials, dialing, reading, writing
              editing       changes that can be taken back: optimistic patches
              views         live views of keyed stores: sorted, filtered, grouped, joined
              resources     values that are fetched, and functions that follow a stream
              middleware    persist, undo, logger, inspector over public hooks
              dialects      languages of servers, without I/O
    floor 5   inbound       order, duplicates and gaps; routing; one burst is one commit
              gui           event loops of toolkits, frames, lists, widgets
              replicas      the state of a stream, with the program's commands shown at once
    floor 6   service       `WebSocketService`: the parts put together
              server        the server half, for your own backend: logs, sessions, commands
    floor 7   testing       virtual time, faults, a scripted server, machines, conformance
    floor 8   commands      the command line
    floor 9   devtools      the record of a running program, for a browser and a terminal
    on top    stores        the ready-made layer for an agent chat, and the model for your own

    in    socket -> transport -> dialects -> inbound -> state -> your observer
    out   your action -> service -> outbox -> dialects -> transport -> socket
    when  connection decides, without I/O; service performs

The package imports the modules of a connection at the first use of one of their names. A program that only uses stores
does not load the socket library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .engine import (
    Commit,
    Domain,
    Dump,
    ErrorReport,
    Home,
    as_default_domain,
    batch,
    default_domain,
    shallow,
)
from .errors import ReactiveWSError
from .state import (
    Active,
    Derived,
    Entities,
    EventStream,
    Family,
    KeyChanges,
    KeyedStore,
    Policy,
    ReadOnly,
    ReadOnlyKeyed,
    Selection,
    Store,
    WhenFull,
    derived,
    derived_all,
    family,
    reset_all,
    snapshot,
)

if TYPE_CHECKING:
    from .connection import (
        Backoff,
        ClosePolicy,
        Connection,
        ConnectionState,
        ErrorEvent,
        ErrorKind,
        Heartbeat,
        Jitter,
        Meaning,
        Metrics,
        Phase,
        Verdict,
    )
    from .outbox import (
        Delivery,
        DeliveryStatus,
        OutboxOptions,
        OutboxView,
        Overflow,
        Pending,
        Sending,
        Waiting,
    )
    from .service import ServiceOptions, WebSocketService
    from .transport import FirstMessage, Header, Query, Subprotocol
    from .wire import Codec, Envelope, Guarantee, JsonCodec, Position, Registry, protocol_v1

__all__ = [
    "Active",
    "Backoff",
    "ClosePolicy",
    "Codec",
    "Commit",
    "Connection",
    "ConnectionState",
    "Delivery",
    "DeliveryStatus",
    "Derived",
    "Domain",
    "Dump",
    "Entities",
    "Envelope",
    "ErrorEvent",
    "ErrorKind",
    "ErrorReport",
    "EventStream",
    "Family",
    "FirstMessage",
    "Guarantee",
    "Header",
    "Heartbeat",
    "Home",
    "Jitter",
    "JsonCodec",
    "KeyChanges",
    "KeyedStore",
    "Meaning",
    "Metrics",
    "OutboxOptions",
    "OutboxView",
    "Overflow",
    "Pending",
    "Phase",
    "Policy",
    "Position",
    "Query",
    "ReactiveWSError",
    "ReadOnly",
    "ReadOnlyKeyed",
    "Registry",
    "Selection",
    "Sending",
    "ServiceOptions",
    "Store",
    "Subprotocol",
    "Verdict",
    "Waiting",
    "WebSocketService",
    "WhenFull",
    "as_default_domain",
    "batch",
    "default_domain",
    "derived",
    "derived_all",
    "family",
    "protocol_v1",
    "reset_all",
    "shallow",
    "snapshot",
]

__version__: str
"""The installed version; `0+unknown` in a source tree that was never installed."""

# By package; the same as for the type checkers above.
_LATER = {
    "Backoff": "connection",
    "ClosePolicy": "connection",
    "Connection": "connection",
    "ConnectionState": "connection",
    "ErrorEvent": "connection",
    "ErrorKind": "connection",
    "Heartbeat": "connection",
    "Jitter": "connection",
    "Meaning": "connection",
    "Metrics": "connection",
    "Phase": "connection",
    "Verdict": "connection",
    "Delivery": "outbox",
    "DeliveryStatus": "outbox",
    "OutboxOptions": "outbox",
    "OutboxView": "outbox",
    "Overflow": "outbox",
    "Pending": "outbox",
    "Sending": "outbox",
    "Waiting": "outbox",
    "ServiceOptions": "service",
    "WebSocketService": "service",
    "FirstMessage": "transport",
    "Header": "transport",
    "Query": "transport",
    "Subprotocol": "transport",
    "Codec": "wire",
    "Envelope": "wire",
    "Guarantee": "wire",
    "JsonCodec": "wire",
    "Position": "wire",
    "Registry": "wire",
    "protocol_v1": "wire",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _installed_version()
    room = _LATER.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f".{room}", __name__), name)
    return found


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("reactive-ws")
    except PackageNotFoundError:
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
