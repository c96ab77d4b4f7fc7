"""The server half, for your own backend: logs that keep what was promised.

Modules in reading order:

    logs   what a server keeps: in memory, in a SQLite file, in PostgreSQL
"""

from .logs import (
    Batch,
    Checkpoint,
    CommandKey,
    Entry,
    Log,
    MemoryLog,
    Outcome,
    Page,
    PostgresLog,
    Retention,
    SqliteLog,
    Transaction,
    log_of,
)

__all__ = [
    "Batch",
    "Checkpoint",
    "CommandKey",
    "Entry",
    "Log",
    "MemoryLog",
    "Outcome",
    "Page",
    "PostgresLog",
    "Retention",
    "SqliteLog",
    "Transaction",
    "log_of",
]
