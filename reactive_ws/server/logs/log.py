"""The interface of a log: `Log` and `Transaction`. `reactive_ws.testing.check_log` checks any log against it.

A log keeps streams of entries. One `commit` appends to several streams in one atomic step, together with the outcome of the
command and with checkpoints of states. Several nodes may use one log at the same time; each opens an object of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ...wire import Position
from .records import Appended, Batch, Checkpoint, CommandKey, Outcome, Page, Proposal

__all__ = ["PAGE_BYTES", "Log", "Transaction"]

PAGE_BYTES = 262_144
"""Bytes of messages after which a page ends, when the caller names no limit."""


class Transaction(Protocol):
    """One command under way. Leaving its context without `commit` or `refuse` leaves no trace; the command may run again."""

    @property
    def known(self) -> Outcome | None:
        """The outcome, when the command was done before; then the handler must not run."""
        ...

    @property
    def connection(self) -> object | None:
        """The database connection whose transaction the entry is written in; None for logs without one.

        What a handler writes there is committed together with the entry, or not at all.
        """
        ...

    async def commit(self, batch: Batch) -> Outcome:
        """Appends, and returns the outcome; that of the first run when another run of the same command was faster.

        Raises:
            Conflict: a stream in `batch.expected` moved; nothing was written.
            LogUnavailable: the log failed; whether it was written is unknown.
        """
        ...

    async def refuse(self, reply: bytes) -> Outcome:
        """Takes back what the handler wrote on `connection`, and records the refusal under the key of the command.

        Raises:
            LogUnavailable: the log failed; whether it was written is unknown.
        """
        ...


class Log(Protocol):
    """A log, seen from one node. Its methods run on one event loop."""

    @property
    def is_transactional(self) -> bool:
        """Whether `Transaction.connection` is there: the handler's own rows are committed with the entry."""
        ...

    @property
    def dedup_seconds(self) -> float:
        """How many seconds an outcome is kept at least."""
        ...

    async def open(self) -> None:
        """Connects.

        Raises:
            LogUnusable: no schema, another format, a foreign database.
            LogUnavailable: nothing answers.
        """
        ...

    async def close(self) -> None:
        """Disconnects. Never raises, may be called twice, ends every `follow`."""
        ...

    def begin(self, key: CommandKey | None) -> AbstractAsyncContextManager[Transaction]:
        """Claims a key; None for a publication without a command.

        While a key is under way on any node, a second `begin` of it waits for the end of the first. Or it runs beside the
        first, and `commit` returns the outcome of the first.
        """
        ...

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        """Appends what several commands decided, in their order, each as one atomic step with its outcome.

        A later command was decided on the effects of the earlier ones. So the chain ends before the first command that cannot be
        appended as it was decided: a stream in its `expected` moved, or it was done before. Nothing behind that command is
        written; the caller runs it again. A log may end a chain earlier, but never before its first command.

        Raises:
            Conflict: the database gave up all of the chain because of another transaction; nothing was written.
            LogUnavailable: the log failed; which of the first commands were written is unknown.
            UsageError: a batch that no log takes; nothing was written.
        """
        ...

    async def read(
        self, stream: str, after: Position | None, limit_bytes: int = PAGE_BYTES
    ) -> Page:
        """Returns the entries after a position, whole and in order, and the head, of one moment.

        Args:
            stream: The stream.
            after: The last known position; None reads from number 1.
            limit_bytes: Bytes of messages after which the page ends; at least one entry is given.
        """
        ...

    async def heads(self, pattern: str, born_after: str | None = None) -> Mapping[str, Position]:
        """Returns the streams of a pattern that exist, with their newest position.

        Args:
            pattern: A name, `*`, or a pattern that ends in `.*` or `/*`.
            born_after: A mark; gives only streams that may have begun after it. More than these are allowed.
        """
        ...

    async def mark(self) -> str:
        """Returns a mark. Every stream whose first entry is committed later counts as born after it."""
        ...

    async def checkpoint(self, stream: str) -> Checkpoint | None:
        """Returns the newest checkpoint of a stream."""
        ...

    async def outcomes(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """Returns what is known of these commands now.

        Asked after a read, it names every command whose entry was in that read.
        """
        ...

    def follow(self) -> AsyncIterator[Mapping[str, Position] | None]:
        """Iterates over streams that changed, with a new entry of each that can be read now.

        Every new entry of any node is named within about a second, or a later one of its stream is. None says that anything may
        have changed: compare all heads. Carries no messages. Ends with `close`.
        """
        ...

    async def prune(self, folded: Sequence[str] = ()) -> None:
        """Removes what retention and `dedup_seconds` allow.

        Args:
            folded: Patterns of streams whose state is folded from their entries: without a checkpoint these keep every entry.
        """
        ...

    async def renew(self) -> None:
        """Begins a new epoch of every stream: after a backup was restored, positions of clients mean something else.

        Run it while no node is running.
        """
        ...
