"""`Kept`: a connection that a log keeps for statements of one kind, one after the other.

A pool makes two tasks and a timer for each statement. It stays for what needs a connection of its own: handlers, and reads that
come together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ....errors import LogUnavailable
from .driver import Connection, Record, is_about_data

__all__ = ["Kept"]


class Kept:
    """A connection that is opened when it is needed, and again after it broke.

    Args:
        name: The name of the log, for errors.
        connect: Opens a connection.

    Attributes:
        is_busy: Whether a statement runs; then there must be no other one.
    """

    def __init__(self, name: str, connect: Callable[[], Awaitable[Connection]]) -> None:
        self.is_busy = False
        self._name = name
        self._connect = connect
        self._connection: Connection | None = None
        self._is_over = False

    async def fetch(self, query: str, *arguments: object) -> list[Record]:
        """Runs a statement, and returns its rows.

        Raises:
            LogUnavailable: `close` was called.
            Exception: what the driver raised. The connection ends with it, unless only the arguments were wrong.
        """
        self.is_busy = True
        try:
            connection = self._connection
            if connection is None or connection.is_closed():
                connection = self._connection = await self._connect()
            if self._is_over:
                raise LogUnavailable(self._name, "it was closed meanwhile")
            return await connection.fetch(query, *arguments)
        except BaseException as error:
            # Cancelled or failed in the middle: only the end of the connection is a sure end of the statement.
            if not is_about_data(error):
                self._drop()
            raise
        finally:
            self.is_busy = False

    def close(self) -> None:
        """Ends the connection, for good."""
        self._is_over = True
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
