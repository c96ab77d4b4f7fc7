"""Logs: what a server keeps, in memory, in a SQLite file, or in PostgreSQL. One interface, checked by `testing.check_log`.

A log knows streams, entries, commands and checkpoints. It does not know what a message means, and no client.
`reactive_ws.server` uses it; `reactive-ws log` prepares it.

Modules in reading order:

    records   keys, entries, outcomes, checkpoints, batches, chains, pages
    log       `Log` and `Transaction`: what the server needs of a log
    names     stream names and patterns
    forks     logs that are open when the process forks
    packing   how records are written in a database
    memory    `MemoryLog`
    sqlite    `SqliteLog`: a log in a SQLite file
    postgres  `PostgresLog`: a log in PostgreSQL
    opening   `log_of`: a log from one word
"""

from .log import PAGE_BYTES, Log, Transaction
from .memory import MemoryLog
from .names import check_stream, is_pattern, is_private, matches, name_problem
from .opening import log_of
from .postgres import PostgresLog
from .records import (
    Appended,
    Batch,
    Checkpoint,
    CommandKey,
    Entry,
    Outcome,
    Page,
    Proposal,
    Retention,
)
from .sqlite import SqliteLog

__all__ = [
    "PAGE_BYTES",
    "Appended",
    "Batch",
    "Checkpoint",
    "CommandKey",
    "Entry",
    "Log",
    "MemoryLog",
    "Outcome",
    "Page",
    "PostgresLog",
    "Proposal",
    "Retention",
    "SqliteLog",
    "Transaction",
    "check_stream",
    "is_pattern",
    "is_private",
    "log_of",
    "matches",
    "name_problem",
]
