"""The server half, for your own backend: a library, and no server product.

`Server` is an ASGI application, and can serve alone on a port. Handlers read states and publish messages; each command is one
atomic step of a log. Clients resume on any node of the same log. The package knows no application and no client; your program
and `reactive-ws log` use it.

Modules in reading order:

    logs      the logs: in memory, in a SQLite file, in PostgreSQL
    session   the server's side of protocol v1 for one client, without I/O
    access    tokens and origins
    calling   calls functions of the application
    states    states that are folded from entries, and their checkpoints
    context   `Context`: reads and writes of a handler
    chains    runs handlers as chains of the log
    commands  handlers by payload class
    consumers functions that follow a stream from a stored position.
    snapshots the states that clients get
    node      drives the sessions of one process and their sockets, and follows the log
    listening opens a listening socket, and ends it
    direct    a connection of `websockets` that gives messages in the call of the transport
    shells    ASGI and `websockets`
    server    `Server`
    publisher `Publisher`: publishes from a process without clients
"""

from ..errors import Refused
from .access import Request
from .context import Context
from .listening import listen, stop_listening, url_of
from .logs import (
    Appended,
    Batch,
    Checkpoint,
    CommandKey,
    Entry,
    Log,
    MemoryLog,
    Outcome,
    Page,
    PostgresLog,
    Proposal,
    Retention,
    SqliteLog,
    Transaction,
    log_of,
)
from .publisher import Publisher
from .server import Authorize, MayHear, MaySend, Server
from .session import SessionSettings
from .snapshots import SnapshotContext
from .states import Stated

__all__ = [
    "Appended",
    "Authorize",
    "Batch",
    "Checkpoint",
    "CommandKey",
    "Context",
    "Entry",
    "Log",
    "MayHear",
    "MaySend",
    "MemoryLog",
    "Outcome",
    "Page",
    "PostgresLog",
    "Proposal",
    "Publisher",
    "Refused",
    "Request",
    "Retention",
    "Server",
    "SessionSettings",
    "SnapshotContext",
    "SqliteLog",
    "Stated",
    "Transaction",
    "listen",
    "log_of",
    "stop_listening",
    "url_of",
]
