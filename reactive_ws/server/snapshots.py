"""Snapshots: what a client gets as the state of a stream, from a declared state or from a function of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

import attrs
import msgspec

from ..errors import UsageError
from ..wire import Position
from .calling import called
from .logs import Log, is_pattern, matches, name_problem
from .session import StateAt
from .states import States

__all__ = ["SnapshotContext", "Snapshots"]


@attrs.frozen
class SnapshotContext:
    """The stream and the connection of one call of a snapshot function.

    Attributes:
        stream: Whose state.
        connection: A connection of the log's database that sees one moment and writes nothing.
    """

    stream: str
    connection: Any = attrs.field(repr=False)


@runtime_checkable
class _Reading(Protocol):
    """A log whose database can be read at the moment of a position."""

    def reading(self, stream: str) -> AbstractAsyncContextManager[tuple[object, Position]]:
        """Gives a connection and the head of the stream at the moment that the connection sees."""
        ...


class Snapshots:
    """The states that clients get.

    Args:
        log: The log.
        states: The declared states.
        timeout: Seconds for one call of a function.
    """

    def __init__(self, log: Log, states: States, *, timeout: float) -> None:
        self._log = log
        self._states = states
        self._timeout = timeout
        self._functions: dict[str, Callable[[SnapshotContext], Awaitable[object]]] = {}

    def add(self, pattern: str, function: Callable[[SnapshotContext], Awaitable[object]]) -> None:
        """Adds a function for the streams of a pattern.

        Raises:
            UsageError: a bad pattern, a second function, a declared state, or a log without transactions.
        """
        if not is_pattern(pattern) and name_problem(pattern) is not None:
            raise UsageError(f"bad stream {pattern[:60]!r}: {name_problem(pattern)}")
        if pattern in self._functions or pattern in self._states.patterns:
            raise UsageError(f"{pattern!r} has a snapshot or a state already; declare one of them")
        if not isinstance(self._log, _Reading):
            raise UsageError(
                f"{self._log!r} has no transactions that a snapshot could read in; "
                "use PostgresLog, or server.state()"
            )
        self._functions[pattern] = function

    async def make(self, stream: str) -> StateAt | None:
        """Returns the state of a stream as clients get it; None when none is declared.

        Raises:
            StateUnusable: see `States.load`.
            LogUnavailable: the log failed.
        """
        found = [pattern for pattern in self._functions if matches(pattern, stream)]
        if found:
            return await self._call(self._functions[min(found, key=is_pattern)], stream)
        stated = self._states.of(stream)
        if stated is None:
            return None
        state, position = await self._states.load(stream)
        return StateAt(position, stated.encode_view(state))

    async def _call(
        self, function: Callable[[SnapshotContext], Awaitable[object]], stream: str
    ) -> StateAt:
        assert isinstance(self._log, _Reading)
        async with self._log.reading(stream) as (connection, position):
            with called():
                async with asyncio.timeout(self._timeout):
                    state = await function(SnapshotContext(stream, connection))
        return StateAt(position, msgspec.json.encode(state))
