"""`PostgresLog`: a log in PostgreSQL, for the nodes of many hosts.

It knows the records of `logs`, and nothing of clients. It imports asyncpg when a log is opened.

    postgres_log  `PostgresLog`: transactions, listening
    chains        the chains of commands that one statement appends
    schema        its tables and functions
    kept          a connection for statements of one kind
    outage        the log lines of a database that is away
    driver        the part of asyncpg that it uses, with types and errors
"""

from .postgres_log import PostgresLog

__all__ = ["PostgresLog"]
