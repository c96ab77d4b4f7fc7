"""`log_of`: a log from one word of a configuration or of a command line."""

from __future__ import annotations

from ...errors import UsageError
from .memory import MemoryLog
from .postgres import PostgresLog
from .records import Retention
from .sqlite import SqliteLog

__all__ = ["log_of"]


def log_of(
    where: str, *, dedup_seconds: float = 7 * 86_400.0, retention: Retention | None = None
) -> MemoryLog | SqliteLog | PostgresLog:
    """Returns a log that is not open yet.

    Args:
        where: `memory`, a file name for SQLite, or a URL that begins with `postgresql://`.
        dedup_seconds: How long outcomes are kept.
        retention: What is kept of each stream.

    Raises:
        UsageError: a URL of another kind.
    """
    if where == "memory":
        return MemoryLog(dedup_seconds=dedup_seconds, retention=retention)
    if where.startswith(("postgresql://", "postgres://")):
        return PostgresLog(where, dedup_seconds=dedup_seconds, retention=retention)
    if "://" in where:
        kind = where.partition("://")[0]
        raise UsageError(f"no log speaks {kind!r}; give memory, a file name, or postgresql://...")
    return SqliteLog(where, dedup_seconds=dedup_seconds, retention=retention)
