"""The part of asyncpg that the PostgreSQL log uses, with types, and what its exceptions mean.

asyncpg ships no types. It needs half of the CPU time of psycopg 3 for a command, with and without psycopg's pipeline mode.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from ....errors import Conflict, LogError, LogUnavailable, LogUnusable

__all__ = [
    "Connection",
    "Driver",
    "Pool",
    "Record",
    "driver",
    "is_about_data",
    "safe_name",
    "translate",
]


class Record(Protocol):
    """One row."""

    def __getitem__(self, key: str | int) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


class _DatabaseTransaction(Protocol):
    async def start(self) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...


class Connection(Protocol):
    """One connection to the database."""

    async def execute(self, query: str, *arguments: object) -> str: ...
    async def fetch(self, query: str, *arguments: object) -> list[Record]: ...
    async def fetchrow(self, query: str, *arguments: object) -> Record | None: ...
    async def fetchval(self, query: str, *arguments: object) -> Any: ...
    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False
    ) -> _DatabaseTransaction: ...
    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...
    def is_closed(self) -> bool: ...
    def get_server_pid(self) -> int: ...
    def get_reset_query(self) -> str: ...
    def terminate(self) -> None: ...
    async def close(self) -> None: ...


class Pool(Protocol):
    """Connections that are kept open."""

    def acquire(
        self, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[Connection]: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


class Driver(Protocol):
    """The module `asyncpg`."""

    async def create_pool(
        self,
        dsn: str,
        *,
        min_size: int,
        max_size: int,
        timeout: float,
        command_timeout: float | None,
        reset: Callable[[Connection], Awaitable[None]],
    ) -> Pool: ...
    async def connect(
        self, dsn: str, *, timeout: float, command_timeout: float | None = None
    ) -> Connection: ...


def driver(log: str) -> Driver:
    """Returns the driver.

    Raises:
        LogUnusable: it is not installed.
    """
    try:
        return cast("Driver", importlib.import_module("asyncpg"))
    except ImportError as error:
        raise LogUnusable(
            log, "asyncpg is not installed; run `pip install reactive-ws[postgres]`"
        ) from error


def safe_name(dsn: str) -> str:
    """Returns the address of a database without user and password."""
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "postgresql"
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        # A password that is not percent-encoded ends the host: what looks like one is a part of the password.
        return "postgresql"
    return f"postgresql://{host}{f':{port}' if port else ''}{parts.path}"


_RERUN = ("SerializationError", "DeadlockDetectedError")
_UNUSABLE: Mapping[str, str] = {
    "UndefinedTableError": "it has no tables; run `reactive-ws log migrate URL` once",
    "UndefinedFunctionError": "it has no tables; run `reactive-ws log migrate URL` once",
    "InvalidPasswordError": "the password is wrong; check the URL",
    "InvalidAuthorizationSpecificationError": "the user may not connect; check the URL and pg_hba.conf",
    "InvalidCatalogNameError": "the database does not exist; create it",
    "InsufficientPrivilegeError": "the user lacks a right: {}; grant it on the tables and functions rws_*, and CREATE on the schema "
    "for `reactive-ws log migrate`",
}


def translate(log: str, error: BaseException, streams: Sequence[str] = ()) -> LogError | None:
    """Returns our exception for one of the driver or of the network; None for one that is neither.

    Args:
        log: The name of the log in the error.
        error: What was raised.
        streams: What was being appended to.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    if any(name in _RERUN for name in names):
        return Conflict(streams[0] if streams else "")
    for name in names:
        if name in _UNUSABLE:
            return LogUnusable(log, _UNUSABLE[name].format(_first_line(error)))
    is_foreign = any(
        name in ("PostgresError", "InterfaceError", "InternalClientError") for name in names
    )
    if is_foreign or isinstance(error, (OSError, asyncio.TimeoutError)):
        return LogUnavailable(log, _first_line(error))
    return None


def _first_line(error: BaseException) -> str:
    """Returns the first line of a message: further ones may quote a row."""
    return (str(error) or type(error).__name__).splitlines()[0]


def is_about_data(error: BaseException | None) -> bool:
    """Tells whether a statement was refused because of its arguments, so that nothing of it was written."""
    return any(kind.__name__ == "DataError" for kind in type(error).__mro__)
