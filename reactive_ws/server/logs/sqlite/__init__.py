"""`SqliteLog`: a log in a SQLite file, for the processes of one host.

It knows the records of `logs`, and nothing of clients.

    sqlite_log  `SqliteLog`: threads, group commit, signals
    tables      its reads and writes
    schema      its file
"""

from .sqlite_log import SqliteLog

__all__ = ["SqliteLog"]
