"""A log in one SQLite file, for any number of processes of one host. What was committed survives the machine.

Three threads: one writes (all commands that wait become one transaction), one reads, one looks every 20 ms whether another
process committed. SQLite's `data_version` answers that without a read of the file. Reads of a few rows happen on the thread of
the loop, because a hop to another thread and back costs several times as much.
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
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from ....engine import refuse_copy
from ....errors import Conflict, LogUnavailable, UsageError
from ....wire import Position
from ..log import PAGE_BYTES
from ..packing import check_batch
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
from .recent import Recent
from .schema import connect, translate
from .tables import Tables

__all__ = ["SqliteLog"]

T = TypeVar("T")

_MAX_GROUP: Final = 256
"""Chains in one transaction; more would make the first of them wait for the last."""
_PRUNE_PAUSE: Final = 0.001
"""Seconds between the transactions of a `prune`, one for each stream, so that commands get their turn."""
_FEW: Final = 16
"""Entries that are read on the thread of the loop: more of them would let other clients wait."""


@attrs.frozen
class _Job:
    """One write; its result goes to the future. `chain` is what it appends, when it appends something."""

    work: Callable[[Tables], Any]
    future: asyncio.Future[Any]
    chain: Sequence[Proposal] | None = None


@attrs.frozen
class _Group:
    """The results of the jobs of one transaction, and the number of commits before and after it."""

    results: list[tuple[_Job, Any, BaseException | None]]
    changed: Mapping[str, int] = {}
    before: int = -1
    after: int = -1


class SqliteLog:
    """A log in a file.

    Args:
        path: The file; created when it does not exist, its directory is not.
        dedup_seconds: How long outcomes are kept.
        retention: What is kept of each stream.
        poll_interval: Seconds between two looks for commits of other processes.
        clock: Seconds since 1970, for ages and outcomes.

    Raises:
        UsageError: an empty path or `:memory:`; use `MemoryLog` for a log without a file.
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
        if str(path) in ("", ".", ":memory:"):
            raise UsageError(
                f"{str(path)!r} is not a file for a log; give a path, or use MemoryLog()"
            )
        self.dedup_seconds = dedup_seconds
        self._path = Path(path).absolute()
        self._retention = retention or Retention()
        self._poll_interval = poll_interval
        self._clock = clock
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._own_commits: set[int] = set()
        self._followers: list[asyncio.Queue[frozenset[str] | None]] = []
        self._recent = Recent()
        self._is_open = False
        self._threads: list[threading.Thread] = []
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
        self._loop = asyncio.get_running_loop()
        readers = ThreadPoolExecutor(1, thread_name_prefix="reactive-ws-log-read")
        try:
            databases = await self._loop.run_in_executor(readers, self._connect)
        except BaseException:
            readers.shutdown()
            raise
        (writing, self._reading, self._looking, following), seen = databases
        # On the thread of the loop nothing waits for a lock.
        self._looking.execute("PRAGMA busy_timeout = 0")
        self._readers = readers
        self._reads, self._looks = Tables(self._reading), Tables(self._looking)
        self._is_over.clear()
        self._recent.clear()
        self._is_open = True
        self._jobs = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=target, args=arguments, name=name, daemon=True)
            for target, arguments, name in (
                (self._write, (writing,), "reactive-ws-log-write"),
                (self._watch, (following, seen), "reactive-ws-log-watch"),
            )
        ]
        for thread in self._threads:
            thread.start()

    async def close(self) -> None:
        """Writes what waits, and closes the file. May be called twice."""
        if not self._is_open or self._loop is None or self._readers is None:
            return
        self._is_open = False
        self._jobs.put(None)
        self._is_over.set()
        self._looking.close()
        for thread in self._threads:
            await self._loop.run_in_executor(self._readers, thread.join)
        await self._loop.run_in_executor(self._readers, self._reading.close)
        self._readers.shutdown()
        for follower in self._followers:
            follower.put_nowait(_END)

    @contextlib.asynccontextmanager
    async def begin(self, key: CommandKey | None) -> AsyncGenerator[_SqliteTransaction]:
        """Looks the key up. Two runs of one command may go on beside each other; the first `commit` counts."""
        known = None if key is None else await self._look(lambda tables: tables.known(key))
        yield _SqliteTransaction(self, key, known)

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        """Appends a chain; see `Log.append`. The chains of all clients that wait are one transaction."""
        for proposal in chain:
            check_batch(proposal.batch)
        now = self._clock()
        return await self._submit(lambda tables: tables.append(chain, now), chain)

    async def read(
        self, stream: str, after: Position | None, limit_bytes: int = PAGE_BYTES
    ) -> Page:
        """Returns a page; see `Log.read`."""
        if self._is_open and self._recent.holds(stream):
            with contextlib.suppress(sqlite3.Error):
                page = self._recent.page(stream, after, limit_bytes, self._looks.moment())
                if page is not None:
                    return page
        page = await self._look(lambda tables: tables.page(stream, after, limit_bytes, _FEW))
        if page is None:
            page = await self._read(lambda tables: tables.page(stream, after, limit_bytes))
        assert page is not None
        return page

    async def heads(self, pattern: str, born_after: str | None = None) -> Mapping[str, Position]:
        """Returns positions by stream; see `Log.heads`."""
        epoch, _, number = (born_after or "").rpartition(":")

        def look(tables: Tables) -> dict[str, Position]:
            after = int(number) if number.isdecimal() and epoch == tables.epoch() else -1
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

    async def follow(self) -> AsyncIterator[frozenset[str] | None]:
        """Iterates over changed streams; see `Log.follow`."""
        follower: asyncio.Queue[frozenset[str] | None] = asyncio.Queue()
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

    def _connect(self) -> tuple[list[sqlite3.Connection], int]:
        """Opens connections to write, to read, to look, and to follow; counts the commits so far."""
        made: list[sqlite3.Connection] = []
        try:
            # One after the other, so that those that were opened are closed when one fails.
            made.extend(connect(self._path) for _ in range(4))
            for database in made[1:]:
                database.execute("PRAGMA query_only = ON")
            return made, Tables(made[-1]).commits()
        except BaseException as error:
            for database in made:
                database.close()
            if isinstance(error, sqlite3.Error):
                raise translate(str(self._path), error) from error
            raise

    async def _read(self, look: Callable[[Tables], T]) -> T:
        """Runs a read on the reading thread, all its queries at one moment."""
        if not self._is_open or self._loop is None:
            raise LogUnavailable(str(self._path), "it is closed; call open() first")
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
        self, work: Callable[[Tables], T], chain: Sequence[Proposal] | None = None
    ) -> T:
        """Runs a write on the writing thread, together with whatever else waits there."""
        if not self._is_open or self._loop is None:
            raise LogUnavailable(str(self._path), "it is closed; call open() first")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, future, chain))
        return await future

    def _write(self, database: sqlite3.Connection) -> None:
        tables = Tables(database)
        with contextlib.closing(database):
            behind: list[_Job | None] = []
            while (job := behind.pop() if behind else self._jobs.get()) is not None:
                group = self._gather(job, behind)
                done = self._write_group(tables, group)
                # Behind the commit: a number that was rolled back may become that of another process.
                self._own_commits.update(done.changed.values())
                self._post(partial(self._settle, done))

    def _gather(self, first: _Job, behind: list[_Job | None]) -> list[_Job]:
        """Returns the jobs of one transaction: chains go together, any other write goes alone. A job too many goes to `behind`."""
        group = [first]
        while first.chain is not None and len(group) < _MAX_GROUP:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None or job.chain is None:
                behind.append(job)
                break
            group.append(job)
        return group

    def _write_group(self, tables: Tables, group: list[_Job]) -> _Group:
        """Runs all jobs in one transaction. A chain that meets a conflict ends there; a failure of the file fails all jobs."""
        try:
            before = tables.begin()
            results: list[tuple[_Job, Any, BaseException | None]] = [
                (job, job.work(tables), None) for job in group
            ]
            changed = tables.commit()
        except BaseException as error:  # noqa: BLE001 - the thread must live; every future gets the error
            failure = (
                translate(str(self._path), error) if isinstance(error, sqlite3.Error) else error
            )
            with contextlib.suppress(sqlite3.Error):
                tables.roll_back()
            return _Group([(job, None, failure) for job in group])
        return _Group(results, changed, before, before + bool(changed))

    def _watch(self, database: sqlite3.Connection, seen: int) -> None:
        """Finds the commits of other processes; the writing thread tells of its own."""
        tables, version = Tables(database), -1
        with contextlib.closing(database):
            while not self._is_over.wait(self._poll_interval):
                try:
                    (now,) = database.execute("PRAGMA data_version").fetchone()
                    if now == version:
                        continue
                    database.execute("BEGIN")
                    commits = tables.commits()
                    changed = tables.changed(seen)
                    database.execute("COMMIT")
                except sqlite3.Error:
                    with contextlib.suppress(sqlite3.Error):
                        database.execute("ROLLBACK")
                    self._post(partial(self._tell, None))
                    continue
                version, seen = now, commits
                own = self._own_commits.copy()
                self._own_commits.difference_update([one for one in own if one <= commits])
                # The last change of a stream decides: a reader of it reads the earlier ones of others, too.
                foreign = frozenset(name for name, commit in changed.items() if commit not in own)
                if foreign:
                    self._post(partial(self._tell, foreign))

    def _post(self, function: Callable[[], None]) -> None:
        # The loop is closed when the program ends without close(); there is nothing left to inform.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(function)

    def _tell(self, changed: frozenset[str] | None) -> None:
        for follower in self._followers:
            follower.put_nowait(changed)

    def _settle(self, done: _Group) -> None:
        self._recent.began(done.before)
        for job, value, error in done.results:
            if error is None and job.chain is None:
                # A change of another kind: entries may be gone, or have another epoch.
                self._recent.clear()
            elif error is None:
                self._recent.add(job.chain or (), _new(value))
            if job.future.done():
                continue
            if error is None:
                job.future.set_result(value)
            else:
                job.future.set_exception(error)
        self._recent.ended(done.after)
        if done.changed:
            self._tell(frozenset(done.changed))


def _new(appended: Appended) -> Sequence[Outcome]:
    """Returns the outcomes of the commands that were appended now."""
    return appended.outcomes[:-1] if appended.is_known else appended.outcomes


_END: Final[frozenset[str]] = frozenset({""})
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
