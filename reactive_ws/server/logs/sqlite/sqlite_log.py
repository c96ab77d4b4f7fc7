"""A log in one SQLite file, for any number of processes of one host. What was committed survives the machine.

All commands that wait become one transaction. Its statements are short, so the thread of the loop runs them, and a second thread
runs COMMIT, which waits for the disk. While another process writes, or when the transaction is a large one, the second thread runs
all of it. A third thread reads. Reads of a few rows happen on the thread of the loop, because a hop to another thread and back
costs several times as much. Every 20 ms the loop looks whether another process committed: SQLite's `data_version` answers that, and
the connection that writes does not count its own commits.

The module is long because its two threads and the loop share the connections and the jobs.
"""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

from ....engine import refuse_copy
from ....errors import Conflict, LogUnavailable, UsageError
from ....wire import Position
from ..forks import CLOSED, LEFT, closed, keep, leave
from ..log import PAGE_BYTES
from ..packing import check_batch, split_mark
from ..records import (
    Appended,
    Batch,
    Checkpoint,
    CommandKey,
    Outcome,
    Page,
    Proposal,
    Retention,
)
from .schema import connect, translate
from .tables import KnownMeanwhile, Tables

__all__ = ["SqliteLog"]

T = TypeVar("T")

_MAX_GROUP: Final = 256
"""Chains in one transaction; more would make the first of them wait for the last."""
_PRUNE_PAUSE: Final = 0.001
"""Seconds between the transactions of a `prune`, one for each stream, so that commands get their turn."""
_MAX_HERE: Final = 256
"""Commands of a transaction whose statements run on the thread of the loop: about 3 ms."""
_MAX_BYTES_HERE: Final = 262_144
"""Bytes of the messages of such a transaction: SQLite keeps that in memory until the commit."""
_LOCK_TIMEOUT: Final = 10.0
"""Seconds that a transaction waits for the one of another process."""
_LONGEST_PAUSE: Final = 0.05
_FEW: Final = 16
"""Entries that are read on the thread of the loop: more of them would let other clients wait."""


class _Job(Struct, frozen=True):
    """One write; its result goes to the future. A chain is so many commands with so many bytes of messages; None for other work."""

    work: Callable[[Tables], Any]
    future: asyncio.Future[Any]
    commands: int | None = None
    size: int = 0


class _Group(Struct, frozen=True):
    """The results of the jobs of one transaction, and its effect."""

    results: Sequence[tuple[_Job, Any]] = ()
    changed: Mapping[str, Position] = {}
    failure: BaseException | None = None


class SqliteLog:
    """A log in a file.

    Args:
        path: The file; created when it does not exist, its directory is not.
        dedup_seconds: How long outcomes are kept.
        retention: What is kept of each stream.
        poll_interval: Seconds between two looks for commits of other processes.
        clock: Seconds since 1970, for ages and outcomes.

    Raises:
        UsageError: an empty path, a URI, or `:memory:`; use `MemoryLog` for a log without a file.
    """

    __reduce_ex__ = refuse_copy

    is_transactional = False

    def __init__(
        self,
        path: str | Path,
        *,
        dedup_seconds: float = 7 * 86_400.0,
        retention: Retention | None = None,
        poll_interval: float = 0.02,
        clock: Callable[[], float] = time.time,
    ) -> None:
        given = str(path)
        if given in ("", ".", ":memory:"):
            raise UsageError(f"{given!r} is not a file for a log; give a path, or use MemoryLog()")
        if given.startswith("file:") or "\0" in given:
            raise UsageError(f"{given!r} is not the path of a file; give the path alone")
        self.dedup_seconds = dedup_seconds
        self._path = Path(path).absolute()
        self._retention = retention or Retention()
        self._poll_interval = poll_interval
        self._clock = clock
        self._jobs: deque[_Job] = deque()
        self._is_writing = False
        self._writes: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._is_look_due = False
        self._followers: list[asyncio.Queue[Mapping[str, Position] | None]] = []
        self._is_open = False
        self._closed = CLOSED
        self._closing: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"SqliteLog({str(self._path)!r})"

    async def open(self) -> None:
        """Opens or creates the file.

        Raises:
            LogUnusable: no permission, the database of another program, another format.
            LogUnavailable: another process holds the file, or the disk is full.
        """
        if self._is_open:
            return
        await self.close()
        self._loop = asyncio.get_running_loop()
        readers = ThreadPoolExecutor(1, thread_name_prefix="reactive-ws-log-read")
        try:
            databases, written = await self._loop.run_in_executor(readers, self._connect)
        except BaseException:
            readers.shutdown()
            raise
        self._writing, self._reading, self._looking = databases
        # On the thread of the loop nothing waits for a lock.
        for database in (self._writing, self._looking):
            database.execute("PRAGMA busy_timeout = 0")
        self._readers = readers
        self._reads, self._looks = Tables(self._reading), Tables(self._looking)
        self._written = written
        # The loop of an earlier `open` may have ended in the middle of a write.
        self._jobs.clear()
        self._is_writing = False
        self._is_open = True
        self._closed = CLOSED
        keep(self)
        self._writes, self._is_idle = queue.SimpleQueue(), asyncio.Event()
        self._thread = threading.Thread(
            target=self._write, args=(self._writes,), name="reactive-ws-log-write", daemon=True
        )
        self._thread.start()
        self._watch()

    def leave_to_parent(self) -> None:
        """Closes the log in a forked child. The connections of the parent stay open."""
        self._closing = None
        if self._is_open:
            self._is_open = self._is_writing = False
            self._closed = LEFT
            self._jobs.clear()
            leave(self._writing, self._reading, self._looking, self._readers)

    async def close(self) -> None:
        """Writes what waits, and closes the file. May be called twice. After a call that is cancelled it goes on by itself."""
        if self._is_open:
            self._is_open = False
            self._closing = asyncio.create_task(self._end(), name="reactive-ws log: close")
        closing = self._closing
        # A loop that is over ends no task.
        if closing is not None and closing.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([closing])

    async def _end(self) -> None:
        """Ends the threads, and closes the connections."""
        assert self._readers is not None
        try:
            if self._is_writing:
                self._is_idle.clear()
                await self._is_idle.wait()
        finally:
            # Also when the loop ends before all is written.
            self._writes.put(None)
            self._looking.close()
            ending = self._readers.submit(self._disconnect)
            self._readers.shutdown(wait=False)
            for follower in self._followers:
                follower.put_nowait(_END)
        await asyncio.shield(asyncio.wrap_future(ending))

    def _disconnect(self) -> None:
        """Closes the connections of the threads; the thread that reads calls it, behind its last read."""
        if self._thread is not None:
            self._thread.join()
        self._reading.close()
        self._writing.close()

    @contextlib.asynccontextmanager
    async def begin(self, key: CommandKey | None) -> AsyncGenerator[_SqliteTransaction]:
        """Looks the key up. Two runs of one command may go on beside each other; the first `commit` counts."""
        known = None if key is None else await self._look(lambda tables: tables.known(key))
        yield _SqliteTransaction(self, key, known)

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        """Appends a chain; see `Log.append`. The chains of all clients that wait are one transaction."""
        size = 0
        for proposal in chain:
            check_batch(proposal.batch)
            for messages in proposal.batch.messages.values():
                size += sum(map(len, messages))
        now = self._clock()
        return await self._submit(lambda tables: tables.append(chain, now), len(chain), size)

    async def read(
        self, stream: str, after: Position | None, limit_bytes: int = PAGE_BYTES
    ) -> Page:
        """Returns a page; see `Log.read`."""
        page = await self._look(lambda tables: tables.page(stream, after, limit_bytes, _FEW))
        if page is None:
            page = await self._read(lambda tables: tables.page(stream, after, limit_bytes))
        assert page is not None
        return page

    async def heads(self, pattern: str, born_after: str | None = None) -> Mapping[str, Position]:
        """Returns positions by stream; see `Log.heads`."""
        epoch, number = split_mark(born_after)

        def look(tables: Tables) -> dict[str, Position]:
            after = number if epoch == tables.epoch() else -1
            return tables.heads(pattern, after)

        return await self._read(look)

    async def mark(self) -> str:
        """Returns a mark: the epoch and the number of commits so far."""
        return await self._read(lambda tables: f"{tables.epoch()}:{tables.commits()}")

    async def checkpoint(self, stream: str) -> Checkpoint | None:
        """Returns the newest checkpoint of a stream."""
        return await self._read(lambda tables: tables.checkpoint(stream))

    async def outcomes(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """Returns what is known of these commands."""

        def look(tables: Tables) -> dict[CommandKey, Outcome]:
            found = {key: tables.known(key) for key in keys}
            return {key: outcome for key, outcome in found.items() if outcome is not None}

        return await self._read(look)

    async def follow(self) -> AsyncIterator[Mapping[str, Position] | None]:
        """Iterates over changed streams; see `Log.follow`."""
        follower: asyncio.Queue[Mapping[str, Position] | None] = asyncio.Queue()
        self._followers.append(follower)
        try:
            while self._is_open:
                changed = await follower.get()
                if changed is _END:
                    return
                yield changed
        finally:
            self._followers.remove(follower)

    async def prune(self, folded: Sequence[str] = ()) -> None:
        """Removes old entries and outcomes, one short transaction for each stream; see `Log.prune`."""
        now, retention = self._clock(), self._retention
        await self._submit(lambda tables: tables.prune_outcomes(now - self.dedup_seconds))
        for name in await self._read(lambda tables: tables.overfull(retention, now)):
            await self._submit(
                partial(Tables.prune_stream, name=name, retention=retention, now=now, folded=folded)
            )
            await asyncio.sleep(_PRUNE_PAUSE)

    async def renew(self) -> None:
        """Begins a new epoch of every stream."""
        await self._submit(lambda tables: tables.renew())

    # --- threads --------------------------------------------------------------------------------------------------------

    def _connect(self) -> tuple[list[sqlite3.Connection], Tables]:
        """Opens connections to write, to read, and to look. Returns also the tables of the first, which know what is there now."""
        made: list[sqlite3.Connection] = []
        try:
            # One after the other, so that those that were opened are closed when one fails.
            made.extend(connect(self._path) for _ in range(3))
            for database in made[1:]:
                database.execute("PRAGMA query_only = ON")
            written = Tables(made[0])
            written.foreign()
        except BaseException as error:
            for database in made:
                database.close()
            if isinstance(error, sqlite3.Error):
                raise translate(str(self._path), error) from error
            raise
        return made, written

    async def _read(self, look: Callable[[Tables], T]) -> T:
        """Runs a read on the reading thread, all its queries at one moment."""
        if not self._is_open or self._loop is None:
            raise closed(str(self._path), self._closed)
        return await self._loop.run_in_executor(
            self._readers, self._read_now, self._reading, self._reads, look
        )

    async def _look(self, look: Callable[[Tables], T]) -> T:
        """Runs a read of a few rows at once; on the reading thread when the file is locked, as after a crash."""
        if self._is_open:
            with contextlib.suppress(LogUnavailable):
                return self._read_now(self._looking, self._looks, look)
        return await self._read(look)

    def _read_now(
        self, database: sqlite3.Connection, tables: Tables, look: Callable[[Tables], T]
    ) -> T:
        try:
            database.execute("BEGIN")
            try:
                return look(tables)
            finally:
                database.execute("COMMIT")
        except sqlite3.Error as error:
            raise translate(str(self._path), error) from error

    async def _submit(
        self, work: Callable[[Tables], T], commands: int | None = None, size: int = 0
    ) -> T:
        """Runs a write on the writing thread, together with whatever else waits there."""
        if not self._is_open or self._loop is None:
            raise closed(str(self._path), self._closed)
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.append(_Job(work, future, commands, size))
        if not self._is_writing:
            self._is_writing = True
            # At the end of this turn: what other connections ask for meanwhile shares the transaction.
            self._loop.call_soon(self._write_next)
        return await future

    def _write_next(self) -> None:
        """Begins the next transaction; the thread of the loop calls it."""
        if not self._jobs:
            self._rest()
            return
        group = self._gather()
        if (
            group[0].commands is None
            or sum(job.commands or 0 for job in group) > _MAX_HERE
            or sum(job.size for job in group) > _MAX_BYTES_HERE
        ):
            self._writes.put(partial(self._write_group, group))
            return
        try:
            results = self._run_group(group)
        except BaseException as error:  # noqa: BLE001 - every future gets the error
            if isinstance(error, KnownMeanwhile) or _is_busy(error):
                # The thread looks for what is known first, and waits for another process that writes, which can take a while.
                self._written.roll_back()
                self._writes.put(partial(self._write_group, group))
            else:
                self._settle(self._failed(group, error))
        else:
            self._writes.put(partial(self._commit_group, group, results))

    def _rest(self) -> None:
        self._is_writing = False
        self._is_idle.set()

    def _gather(self) -> list[_Job]:
        """Returns the jobs of one transaction: chains go together, any other write goes alone."""
        group = [self._jobs.popleft()]
        while (
            group[0].commands is not None
            and self._jobs
            and self._jobs[0].commands is not None
            and len(group) < _MAX_GROUP
        ):
            group.append(self._jobs.popleft())
        return group

    def _run_group(
        self, group: Sequence[_Job], *, looks_first: bool = False
    ) -> list[tuple[_Job, Any]]:
        """Runs the jobs of a transaction up to its commit. A chain that meets a conflict ends there."""
        tables = self._written
        tables.begin(looks_first=looks_first)
        results = [(job, job.work(tables)) for job in group]
        tables.flush()
        return results

    def _write(self, writes: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        """Does what the thread that writes is there for."""
        while (write := writes.get()) is not None:
            write()

    def _write_group(self, group: Sequence[_Job]) -> None:
        """Runs a whole transaction, and waits for that of another process; the thread that writes calls it."""
        until = time.monotonic() + _LOCK_TIMEOUT
        pause, looks_first = 0.001, False
        while True:
            try:
                results = self._run_group(group, looks_first=looks_first)
            except KnownMeanwhile:
                self._written.roll_back()
                looks_first = True
            except BaseException as error:  # noqa: BLE001 - the thread must live; every future gets the error
                if not _is_busy(error) or time.monotonic() > until:
                    self._post(partial(self._settle, self._failed(group, error)))
                    return
                self._written.roll_back()
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._commit_group(group, results)
                return

    def _commit_group(self, group: Sequence[_Job], results: Sequence[tuple[_Job, Any]]) -> None:
        """Commits a transaction; the thread that writes calls it."""
        try:
            changed = self._written.commit()
        except BaseException as error:  # noqa: BLE001 - the thread must live; every future gets the error
            done = self._failed(group, error)
        else:
            done = _Group(results, changed)
        self._post(partial(self._settle, done))

    def _failed(self, group: Sequence[_Job], error: BaseException) -> _Group:
        failure = translate(str(self._path), error) if isinstance(error, sqlite3.Error) else error
        with contextlib.suppress(sqlite3.Error):
            self._written.roll_back()
        return _Group([(job, None) for job in group], failure=failure)

    def _watch(self) -> None:
        """Looks for commits of other processes, now and every few milliseconds; the thread of the loop calls it."""
        if not self._is_open or self._loop is None:
            return
        self._loop.call_later(self._poll_interval, self._watch)
        # While a transaction is under way, its connection may wait for the disk.
        if self._is_writing:
            self._is_look_due = True
        else:
            self._look_for_others()

    def _look_for_others(self) -> None:
        self._is_look_due = False
        try:
            changed = self._written.foreign()
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self._written.roll_back()
            changed = None
        if changed is None or changed:
            self._tell(changed)

    def _post(self, function: Callable[[], None]) -> None:
        # The loop is closed when the program ends without close(); there is nothing left to inform.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    def _tell(self, changed: Mapping[str, Position] | None) -> None:
        for follower in self._followers:
            follower.put_nowait(changed)

    def _settle(self, done: _Group) -> None:
        """Gives the results of a transaction to those that wait, and begins the next one; the thread of the loop calls it."""
        for job, value in done.results:
            if job.future.done():
                continue
            if done.failure is None:
                job.future.set_result(value)
            else:
                job.future.set_exception(done.failure)
        if done.changed:
            self._tell(done.changed)
        if self._is_look_due:
            self._look_for_others()
        if self._jobs:
            # Behind the commands that go on now: what they lead to shares the next transaction.
            assert self._loop is not None
            self._loop.call_soon(self._write_next)
        else:
            self._rest()


def _is_busy(error: BaseException) -> bool:
    """Tells whether another process has the lock."""
    return getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")


_END: Final[Mapping[str, Position]] = {"": Position("", 0)}
"""Ends a `follow`; no stream has an empty name."""


class _SqliteTransaction:
    connection = None

    def __init__(self, log: SqliteLog, key: CommandKey | None, known: Outcome | None) -> None:
        self.known = known
        self._log = log
        self._key = key

    async def commit(self, batch: Batch) -> Outcome:
        appended = await self._log.append([Proposal(self._key, batch)])
        if not appended.outcomes:
            raise Conflict(appended.moved or "")
        return appended.outcomes[0]

    async def refuse(self, reply: bytes) -> Outcome:
        return await self.commit(Batch(reply=reply, is_refusal=True))
