"""A log in PostgreSQL, for nodes on several hosts. The entry, the outcome and the handler's own rows are one transaction.

A command is one READ COMMITTED transaction: the claim of its key first, the handler, the append last, so that a stream is
locked for one append and one flush only. A refusal rolls back, claims again and records itself. `NOTIFY` carries a stream and
the number of its newest entry, and no message: any role of the database can listen. A node that lost its listening connection,
and each node every few seconds, compares all heads.

The connection that listens appends, too. So the database wakes no second process of a node for what the node itself appended. While
an append waits, no signal can come; within a second the log says that anything may have changed, and says so again twice a second.

The module is long because the log and its transaction share the statements and the connection.
"""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from ....engine import refuse_copy
from ....errors import Conflict, LogError, LogUnavailable, LogUnusable, UsageError
from ....wire import Position
from ..forks import CLOSED, LEFT, closed, keep, leave
from ..log import PAGE_BYTES
from ..names import matches, name_problem, prefix_of
from ..packing import check_batch, pack_key, pack_messages, split_mark, unpack_key, unpack_messages
from ..records import (
    Appended,
    Batch,
    Checkpoint,
    CommandKey,
    Entry,
    Outcome,
    Page,
    Proposal,
    Retention,
)
from .chains import (
    CHAINS,
    PLAIN,
    Chain,
    arguments_of,
    chain_of,
    plain_arguments_of,
    plain_results_of,
    results_of,
)
from .driver import (
    Connection,
    Pool,
    Record,
    driver,
    is_about_data,
    safe_name,
    translate,
)
from .kept import Kept
from .outage import Outage
from .schema import FORMAT, FUNCTIONS, STEPS, TABLES

__all__ = ["PostgresLog"]

_BAD_URL: Final = "a PostgreSQL log needs a URL such as postgresql://user@host/database"
_LOCK: Final = 0x727773
"""Key of the advisory lock under which one process at a time creates the tables."""
_FOREIGN: Final = (Exception,)
_LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts to listen again."""

_CLOSE_TIMEOUT: Final = 5.0
"""Seconds that a log waits for what is being written, and then for its connections."""
_MAX_CHAINS: Final = 64
"""Chains in one statement."""
_BLOCKED: Final = 0.5
"""Seconds of an append after which the log looks for what others appended: meanwhile no signal can come on its connection."""
_MAX_STATEMENT: Final = 2**22
"""Bytes of messages after which a statement takes no further chain."""

_APPEND = "SELECT * FROM rws_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_PAGE = """
SELECT (SELECT rws_epoch($4)) AS epoch, h.seq AS head, h.first, e.seq, e.messages, e.cause
FROM (SELECT 1) AS one LEFT JOIN rws_heads h ON h.stream = $1 LEFT JOIN LATERAL (
    SELECT seq, messages, cause FROM (
        SELECT *, sum(size) OVER (ORDER BY seq) - size AS before FROM rws_entries
        WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT 1000) AS sized WHERE before < $3) AS e ON true
ORDER BY e.seq
"""

_DAMAGED: Final = "it lacks {}; restore a backup of all its tables and functions rws_*"
_LACKS: Final = """
SELECT string_agg(name, ', ') FROM (
    SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL
    UNION ALL SELECT name FROM unnest($2::text[]) AS name
    WHERE NOT EXISTS (SELECT 1 FROM pg_proc WHERE proname = name AND pg_function_is_visible(oid))) AS missing
"""

_Waiting: TypeAlias = tuple[Chain, "asyncio.Future[tuple[Appended, CommandKey | None]]"]
"""A chain, and where its result goes."""


class PostgresLog:
    """A log in a database whose tables `reactive-ws log migrate URL` made. Needs the extra `postgres`.

    Args:
        dsn: `postgresql://user@host/database`; a direct connection, because LISTEN does not pass a pooler of transactions.
        dedup_seconds: How long outcomes are kept.
        retention: What is kept of each stream.
        max_connections: Connections of this node, besides two: one that appends and listens, and one that reads pages.
        command_timeout: Seconds for one statement; None waits as long as the database does.
        look_interval: Seconds between two comparisons of all heads, for a signal that was lost without an error.
    """

    __reduce_ex__ = refuse_copy

    is_transactional = True

    def __init__(
        self,
        dsn: str,
        *,
        dedup_seconds: float = 7 * 86_400.0,
        retention: Retention | None = None,
        max_connections: int = 8,
        command_timeout: float | None = 30.0,
        look_interval: float = 5.0,
    ) -> None:
        if not dsn.startswith(("postgresql://", "postgres://")):
            raise UsageError(_BAD_URL)
        try:
            urlsplit(dsn)
        except ValueError:
            # Its text may quote the URL, and so a password.
            raise UsageError(_BAD_URL) from None
        self.dedup_seconds = dedup_seconds
        self.name = safe_name(dsn)
        self._dsn = dsn
        self._retention = retention or Retention()
        self._max_connections = max_connections
        self._command_timeout = command_timeout
        self._look_interval = look_interval
        self._system = ""
        self._lent: set[int] = set()
        self._pool: Pool | None = None
        self._listener: Connection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._appending: Connection | None = None
        self._own_pid = 0
        self._append_began: float | None = None
        self._told_at = 0.0
        self._looking: asyncio.TimerHandle | None = None
        self._paging = Kept(self.name, self._connect)
        self._followers: list[asyncio.Queue[Mapping[str, Position] | None]] = []
        self._closed = CLOSED

    def __repr__(self) -> str:
        return f"PostgresLog({self.name!r})"

    # --- life -----------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connects, checks the tables, and begins to listen.

        Raises:
            LogUnusable: no tables, tables of another format, a wrong password, asyncpg is not installed.
            LogUnavailable: nothing answers, or it is a replica that only reads.
        """
        if self._pool is not None:
            return
        asyncpg = driver(self.name)
        with _connecting(self):
            pool = await asyncpg.create_pool(
                self._dsn,
                # No floor: a task of the pool would log a traceback while the database restarts.
                min_size=0,
                max_size=self._max_connections,
                timeout=10.0,
                command_timeout=self._command_timeout,
                reset=self._reset,
            )
        self._pool = pool
        try:
            async with self._connection() as connection:
                await self._check(connection)
            ended = await self._listen()
        except BaseException:
            self._pool = None
            self._stop_listening()
            pool.terminate()
            raise
        self._paging = Kept(self.name, self._connect)
        self._listening = asyncio.create_task(self._keep_listening(ended))
        self._told_at = asyncio.get_running_loop().time()
        self._look()
        self._closed = CLOSED
        keep(self)

    def leave_to_parent(self) -> None:
        """Closes the log in a forked child. What a child wrote to a connection of the parent would be the end of it."""
        if self._pool is not None:
            leave(self._pool, self._listener, self._listening, self._writing, self._paging)
            self._pool = self._listener = self._listening = self._writing = None
            self._appending = self._looking = None
            self._closed = LEFT
            self._waiting.clear()

    async def close(self) -> None:
        """Disconnects. May be called twice."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        for follower in self._followers:
            follower.put_nowait(_END)
        try:
            if self._listening is not None:
                self._listening.cancel()
                await asyncio.wait([self._listening])
            if self._writing is not None:
                # What is being written is known in time, or its clients ask again.
                await asyncio.wait([self._writing], timeout=_CLOSE_TIMEOUT)
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await pool.close()
        except _FOREIGN:
            pool.terminate()
        except BaseException:
            pool.terminate()
            raise
        finally:
            if self._writing is not None:
                self._writing.cancel()
            if self._looking is not None:
                self._looking.cancel()
            self._stop_listening()
            self._paging.close()

    async def migrate(self) -> bool:
        """Creates the tables, or brings those of an older version to the format of this one. `open` need not be called before.

        Returns:
            Whether something was to do.

        Raises:
            LogUnusable: a newer version made the tables.
            LogUnavailable: nothing answers.
        """
        with _connecting(self):
            connection = await driver(self.name).connect(self._dsn, timeout=10.0)
        try:
            with _translated(self):
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                is_new = await connection.fetchval("SELECT to_regclass('rws_about') IS NULL")
                found = 0 if is_new else await connection.fetchval("SELECT format FROM rws_about")
                if found is None:
                    raise LogUnusable(self.name, _DAMAGED.format("the row of rws_about"))
                steps = STEPS[found:]
                for step in steps:
                    await connection.execute(step)
                await transaction.commit()
            await self._check(connection)
            return bool(steps)
        finally:
            await connection.close()

    async def _check(self, connection: Connection) -> None:
        with _translated(self):
            found = await connection.fetchval("SELECT format FROM rws_about")
            self._system = str(
                await connection.fetchval("SELECT system_identifier FROM pg_control_system()")
            )
            await connection.fetchval("SELECT rws_epoch($1)", self._system)
            lacks = await connection.fetchval(_LACKS, list(TABLES), list(FUNCTIONS))
        if found is None:
            raise LogUnusable(self.name, _DAMAGED.format("the row of rws_about"))
        if found != FORMAT:
            cure = "run `reactive-ws log migrate URL` once"
            if found is not None and found > FORMAT:
                cure = "install the newer version of reactive-ws that made them"
            raise LogUnusable(
                self.name,
                f"its tables have format {found} and this version reads format {FORMAT}; {cure}",
            )
        if lacks is not None:
            raise LogUnusable(self.name, _DAMAGED.format(lacks))

    # --- commands -------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def begin(self, key: CommandKey | None) -> AsyncGenerator[_PostgresTransaction]:
        """Claims the key; waits while another transaction, of any node, runs the same command."""
        async with self._connection() as connection:
            command = _PostgresTransaction(self, connection, key)
            try:
                await command.start()
                yield command
            except BaseException as error:
                is_broken = not command.is_connected
                await command.abandon()
                translated = translate(self.name, error)
                if isinstance(error, LogError) or translated is None:
                    raise
                if isinstance(translated, Conflict) or is_broken:
                    raise translated from error
                raise
            await command.abandon()

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        """Appends a chain; see `Log.append`. It is one round trip, and chains that come meanwhile share the next one."""
        if self._pool is None:
            raise closed(self.name, self._closed)
        if not chain:
            return Appended(())
        future: asyncio.Future[tuple[Appended, CommandKey | None]] = (
            asyncio.get_running_loop().create_future()
        )
        self._waiting.append((chain_of(chain), future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        appended, known = await future
        if known is None:
            return appended
        # A retention of seconds may have removed it meanwhile; then the caller runs the command again.
        found = (await self.outcomes([known])).get(known)
        outcomes = [*appended.outcomes, *([] if found is None else [found])]
        return Appended(outcomes, found is not None)

    async def _write(self) -> None:
        """Writes what waits, one statement after the other."""
        group: list[_Waiting] = []
        try:
            while self._waiting:
                group, size = [], 0
                while self._waiting and len(group) < _MAX_CHAINS and size < _MAX_STATEMENT:
                    group.append(self._waiting.popleft())
                    size += group[-1][0].size
                try:
                    await self._write_group(group)
                except LogError as error:
                    if len(group) == 1 or not is_about_data(error.__cause__):
                        _fail(group, error)
                        continue
                    # The database wrote nothing, because of the data of one of them.
                    for one in group:
                        try:
                            await self._write_group([one])
                        except LogError as alone:
                            _fail([one], alone)
        except BaseException as error:
            _fail([*group, *self._waiting], LogUnavailable(self.name, "it was closed meanwhile"))
            self._waiting.clear()
            if isinstance(error, Exception):
                raise
        finally:
            self._writing = None

    async def _write_group(self, group: Sequence[_Waiting]) -> None:
        chains = [chain for chain, _ in group]
        self._append_began = asyncio.get_running_loop().time()
        try:
            is_plain = all(chain.is_plain for chain in chains)
            arguments = plain_arguments_of(chains) if is_plain else arguments_of(chains)
            row = await self._append_row(PLAIN if is_plain else CHAINS, self._system, *arguments)
        except BaseException:
            # It may have been written all the same.
            self._tell(None)
            raise
        finally:
            self._append_began = None
        epoch, seqs, fates = row["epoch"], row["seqs"] or (), row["fates"]
        if fates is None:
            results = plain_results_of(chains, epoch, arguments[0], seqs)
        else:
            results = results_of(chains, epoch, seqs, fates)
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
        changed = {
            stream: at
            for appended, _ in results
            for outcome in appended.outcomes
            for stream, at in outcome.positions.items()
        }
        if changed:
            self._tell(changed)

    async def _append_row(self, query: str, *arguments: object) -> Record:
        connection = self._appending
        if connection is None or connection.is_closed():
            async with self._connection() as other:
                with _translated(self):
                    row = await other.fetchrow(query, *arguments)
        else:
            with _translated(self):
                row = await connection.fetchrow(query, *arguments)
        assert row is not None
        return row

    # --- reads ----------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def reading(self, stream: str) -> AsyncGenerator[tuple[Connection, Position]]:
        """Gives a connection that sees one moment of the database and writes nothing, with the head of a stream at this moment.

        Raises:
            LogUnavailable: the database does not answer.
        """
        async with self._connection() as connection:
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            with _translated(self):
                await transaction.start()
                row = await connection.fetchrow(
                    "SELECT rws_epoch($2) AS epoch, (SELECT seq FROM rws_heads WHERE stream = $1) AS seq",
                    stream,
                    self._system,
                )
            assert row is not None
            self.lend(connection)
            try:
                yield connection, Position(row["epoch"], row["seq"] or 0)
            finally:
                with contextlib.suppress(*_FOREIGN):
                    await transaction.rollback()

    async def read(
        self, stream: str, after: Position | None, limit_bytes: int = PAGE_BYTES
    ) -> Page:
        """Returns a page; see `Log.read`."""
        at = 0 if after is None else after.seq
        rows = await self._fetch_page(stream, at, limit_bytes, self._system)
        epoch, seq, first = rows[0]["epoch"], rows[0]["head"] or 0, rows[0]["first"] or 1
        head = Position(epoch, seq)
        if (after is not None and after.epoch != epoch) or not first - 1 <= at <= seq:
            return Page(head, None)
        entries = [
            Entry(
                stream,
                Position(epoch, row["seq"]),
                unpack_messages(row["messages"]),
                None if row["cause"] is None else unpack_key(row["cause"]),
            )
            for row in rows
            if row["seq"] is not None
        ]
        return Page(head, entries, at + len(entries) < seq)

    async def heads(self, pattern: str, born_after: str | None = None) -> Mapping[str, Position]:
        """Returns positions by stream; see `Log.heads`."""
        epoch, snapshot = split_mark(born_after)
        prefix = prefix_of(pattern)
        where = "stream = $1" if prefix is None else "stream >= $1 AND starts_with(stream, $1)"
        rows = await self._fetch(
            f"SELECT stream, seq, rws_epoch($2) AS epoch FROM rws_heads WHERE {where} "
            "AND (rws_epoch($2) <> $3 OR born >= $4::text::xid8)",
            pattern if prefix is None else prefix,
            self._system,
            epoch,
            str(max(snapshot, 0)),
        )
        return {
            row["stream"]: Position(row["epoch"], row["seq"])
            for row in rows
            if matches(pattern, row["stream"])
        }

    async def mark(self) -> str:
        """Returns a mark: the epoch, and the oldest transaction that was under way."""
        rows = await self._fetch(
            "SELECT rws_epoch($1) || ':' || pg_snapshot_xmin(pg_current_snapshot())::text",
            self._system,
        )
        return str(rows[0][0])

    async def checkpoint(self, stream: str) -> Checkpoint | None:
        """Returns the newest checkpoint of a stream."""
        rows = await self._fetch(
            "SELECT rws_epoch($2), seq, version, state FROM rws_checkpoints WHERE stream = $1",
            stream,
            self._system,
        )
        return Checkpoint(Position(*list(rows[0])[:2]), *list(rows[0])[2:]) if rows else None

    async def outcomes(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """Returns what is known of these commands."""
        rows = await self._fetch(
            "SELECT * FROM rws_outcomes WHERE key = ANY($1::bytea[]) AND accepted IS NOT NULL",
            [pack_key(key) for key in keys],
        )
        return {unpack_key(row["key"]): _outcome(row) for row in rows}

    async def prune(self, folded: Sequence[str] = ()) -> None:
        """Removes old entries and outcomes; see `Log.prune`."""
        keep = self._retention
        await self._fetch(
            "DELETE FROM rws_outcomes WHERE at < clock_timestamp() - $1 * interval '1 second'",
            self.dedup_seconds,
        )
        rows = await self._fetch(
            "SELECT stream FROM rws_heads WHERE seq > first AND (seq - first >= $1 OR bytes > $2 OR (SELECT at FROM "
            "rws_entries e WHERE e.stream = rws_heads.stream AND e.seq = first) "
            "< clock_timestamp() - $3::float8 * interval '1 second')",
            keep.max_entries,
            keep.max_bytes,
            keep.max_age,
        )
        for (name,) in rows:
            await self._fetch(
                "SELECT rws_prune($1, $2, $3, $4, $5)",
                name,
                keep.max_entries,
                keep.max_bytes,
                keep.max_age,
                any(matches(pattern, name) for pattern in folded),
            )

    async def renew(self) -> None:
        """Begins a new epoch of every stream."""
        await self._fetch("UPDATE rws_about SET renewal = renewal + 1")

    async def _fetch_page(self, *arguments: object) -> list[Record]:
        if self._pool is None or self._paging.is_busy:
            return await self._fetch(_PAGE, *arguments)
        with _translated(self):
            return await self._paging.fetch(_PAGE, *arguments)

    async def _fetch(self, query: str, *arguments: object) -> list[Record]:
        async with self._connection() as connection:
            with _translated(self):
                return await connection.fetch(query, *arguments)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Connection]:
        if self._pool is None:
            raise closed(self.name, self._closed)
        acquiring = self._pool.acquire(timeout=10.0)
        with _connecting(self):
            connection = await acquiring.__aenter__()
        try:
            yield connection
        finally:
            # A connection that broke cannot be reset; the pool drops it.
            with contextlib.suppress(*_FOREIGN):
                await acquiring.__aexit__(None, None, None)

    def lend(self, connection: Connection) -> None:
        """The application gets this connection, and may change its session."""
        self._lent.add(connection.get_server_pid())

    async def _reset(self, connection: Connection) -> None:
        """Resets a connection that comes back to the pool. What the log itself does leaves nothing behind, and needs no round trip."""
        pid = connection.get_server_pid()
        if pid in self._lent:
            self._lent.discard(pid)
            await connection.execute(connection.get_reset_query())

    # --- signals --------------------------------------------------------------------------------------------------------

    async def follow(self) -> AsyncIterator[Mapping[str, Position] | None]:
        """Iterates over changed streams; see `Log.follow`."""
        follower: asyncio.Queue[Mapping[str, Position] | None] = asyncio.Queue()
        self._followers.append(follower)
        try:
            while self._pool is not None:
                changed = await follower.get()
                if changed is _END:
                    return
                yield changed
        finally:
            self._followers.remove(follower)

    async def _connect(self) -> Connection:
        return await driver(self.name).connect(
            self._dsn, timeout=10.0, command_timeout=self._command_timeout
        )

    async def _listen(self) -> asyncio.Event:
        """Opens the connection that listens, in place of an old one; returns an event for its end."""
        self._stop_listening()
        with _connecting(self):
            connection = self._listener = await self._connect()
        ended = asyncio.Event()
        connection.add_termination_listener(lambda *_: ended.set())
        with _translated(self):
            await connection.add_listener("rws", self._hear)
        self._appending, self._own_pid = connection, connection.get_server_pid()
        return ended

    def _stop_listening(self) -> None:
        """Ends the connection that listens. The log keeps it, so that no task has to begin or to end for that."""
        listener, self._listener, self._appending = self._listener, None, None
        if listener is not None:
            listener.terminate()

    def _hear(self, _connection: Connection, pid: int, _channel: str, payload: str) -> None:
        # What this connection itself committed, its answers tell.
        if pid != self._own_pid:
            self._tell(_named(payload))

    def _look(self) -> None:
        """Says that anything may have changed, when no signal came for long or none can come."""
        loop = asyncio.get_running_loop()
        now, began = loop.time(), self._append_began
        is_blocked = began is not None and now - began >= _BLOCKED
        if is_blocked or now - self._told_at >= self._look_interval:
            self._tell(None)
        self._looking = loop.call_later(min(_BLOCKED, self._look_interval), self._look)

    def _tell(self, changed: Mapping[str, Position] | None) -> None:
        self._told_at = asyncio.get_running_loop().time()
        for follower in self._followers:
            follower.put_nowait(changed)

    async def _keep_listening(self, ended: asyncio.Event) -> None:
        while True:
            await ended.wait()
            self._tell(None)
            outage = Outage(self.name, asyncio.get_running_loop().time)
            for attempt in itertools.count():
                try:
                    ended = await self._listen()
                    async with self._connection() as other:
                        await self._check(other)
                    break
                except LogError as error:
                    outage.failed(error)
                    await asyncio.sleep(min(0.05 * 2 ** min(attempt, 10), _LONGEST_PAUSE))
            outage.ended()
            self._tell(None)


_END: Final[Mapping[str, Position]] = {"": Position("", 0)}
"""Ends a `follow`; no stream has an empty name."""


def _named(payload: str) -> Mapping[str, Position] | None:
    """Returns the entry that a signal names. Any role of the database can send one: a strange one says that anything may have changed."""
    epoch, _, rest = payload.partition(" ")
    number, _, stream = rest.partition(" ")
    if not (number.isascii() and number.isdecimal() and len(number) < 20) or name_problem(stream):
        return None
    return {stream: Position(epoch, int(number))}


@contextlib.contextmanager
def _connecting(log: PostgresLog) -> Generator[None]:
    """Translates the errors of a connection that is made: the driver has no exception of its own for each mistake in a URL."""
    try:
        with _translated(log):
            yield
    except (ValueError, OverflowError):
        # What they say may be a part of a password.
        raise LogUnusable(log.name, f"its URL cannot be read; {_BAD_URL}") from None


@contextlib.contextmanager
def _translated(log: PostgresLog, streams: Sequence[str] = ()) -> Generator[None]:
    try:
        yield
    except _FOREIGN as error:
        translated = translate(log.name, error, streams)
        if translated is None:
            raise
        raise translated from error


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)


def _outcome(row: Record) -> Outcome:
    names: Sequence[str] = row["streams"] or ()
    seqs: Sequence[int | None] = row["seqs"] or ()
    positions = {
        name: Position(row["epoch"], seq)
        for name, seq in zip(names, seqs, strict=True)
        if seq is not None
    }
    return Outcome(row["accepted"], row["reply"], positions)


class _PostgresTransaction:
    """One transaction of the database."""

    def __init__(self, log: PostgresLog, connection: Connection, key: CommandKey | None) -> None:
        self.known: Outcome | None = None
        self._connection = connection
        self._log = log
        self._key = key
        self._transaction = connection.transaction()
        self._is_under_way = False

    @property
    def connection(self) -> Connection:
        """The connection, for a handler that writes rows of its own."""
        self._log.lend(self._connection)
        return self._connection

    async def start(self) -> None:
        """Begins the transaction and claims the key."""
        with _translated(self._log):
            self._is_under_way = True
            await self._transaction.start()
            if self._key is not None:
                row = await self._connection.fetchrow(
                    "SELECT * FROM rws_claim($1)", pack_key(self._key)
                )
                if row is not None:
                    self.known = _outcome(row)

    async def commit(self, batch: Batch) -> Outcome:
        """Appends and commits."""
        if self.known is not None:
            return self.known
        names = check_batch(batch)
        bodies = [batch.messages.get(name) for name in names]
        wanted = [batch.expected.get(name) for name in names]
        states = [batch.checkpoints.get(name) for name in names]
        with _translated(self._log, names):
            row = await self._connection.fetchrow(
                _APPEND,
                self._log._system,
                None if self._key is None else pack_key(self._key),
                names,
                [None if body is None else pack_messages(body) for body in bodies],
                [None if body is None else sum(map(len, body)) for body in bodies],
                [None if at is None else at.epoch for at in wanted],
                [None if at is None else at.seq for at in wanted],
                [None if state is None else state[0] for state in states],
                [None if state is None else state[1] for state in states],
                batch.reply,
            )
            assert row is not None
            if row["moved"] is not None:
                raise Conflict(row["moved"])
            await self._end(commit=True)
        numbers = dict(zip(names, row["seqs"] or (), strict=True))
        positions = {
            name: Position(row["epoch"], seq) for name, seq in numbers.items() if seq is not None
        }
        if positions:
            # The signal of this connection may come when it appends something else, and is passed over then.
            self._log._tell(positions)
        return Outcome(True, batch.reply, positions)

    async def refuse(self, reply: bytes) -> Outcome:
        """Rolls back what the handler wrote, claims the key again and records the refusal."""
        if self.known is not None:
            return self.known
        with _translated(self._log):
            await self._end(commit=False)
            self._transaction = self._connection.transaction()
            await self.start()
            if self.known is None and self._key is not None:
                await self._connection.execute(
                    "UPDATE rws_outcomes SET accepted = false, reply = $2 WHERE key = $1",
                    pack_key(self._key),
                    reply,
                )
            await self._end(commit=True)
        return self.known or Outcome(False, reply)

    @property
    def is_connected(self) -> bool:
        """Whether the database can still be asked."""
        try:
            return not self._connection.is_closed()
        except _FOREIGN:  # the pool took a broken connection back
            return False

    async def abandon(self) -> None:
        """Rolls back what is still under way."""
        if self._is_under_way:
            try:
                await self._end(commit=False)
            except _FOREIGN:
                # Cut or cancelled in the middle of BEGIN or COMMIT: only the end of the connection is a sure end.
                with contextlib.suppress(*_FOREIGN):
                    self._connection.terminate()

    async def _end(self, *, commit: bool) -> None:
        await (self._transaction.commit() if commit else self._transaction.rollback())
        self._is_under_way = False
