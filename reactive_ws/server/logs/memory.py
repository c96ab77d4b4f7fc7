"""A log in the memory of one process, for tests, demos and programs that may forget. Several nodes can share it."""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from itertools import accumulate, takewhile
from typing import Final

import attrs
from msgspec.structs import replace

from ...engine import refuse_copy
from ...errors import Conflict
from ...wire import Position
from .forks import CLOSED, LEFT, closed, keep
from .log import PAGE_BYTES
from .names import matches
from .packing import check_batch, split_mark
from .records import (
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

__all__ = ["MemoryLog"]

_NAME: Final = "memory"


@attrs.define
class _Stream:
    born: int
    seq: int = 0
    first: int = 1
    entries: dict[int, tuple[Entry, float, int]] = attrs.Factory(
        dict[int, tuple[Entry, float, int]]
    )
    checkpoint: tuple[int, int, bytes] | None = None


@attrs.define
class _Memory:
    """The memory that all nodes of one log share."""

    epoch: str
    commits: int = 0
    streams: dict[str, _Stream] = attrs.Factory(dict[str, _Stream])
    outcomes: dict[CommandKey, tuple[Outcome, float]] = attrs.Factory(
        dict[CommandKey, tuple[Outcome, float]]
    )
    nodes: list[MemoryLog] = attrs.Factory(list["MemoryLog"])


class MemoryLog:
    """A log in memory; `node()` gives another node of the same log.

    Args:
        dedup_seconds: How long outcomes are kept.
        retention: What is kept of each stream.
        epoch: The epoch of all streams; random when None.
        clock: Seconds, for ages and outcomes.
    """

    __reduce_ex__ = refuse_copy

    is_transactional = False

    def __init__(
        self,
        *,
        dedup_seconds: float = 7 * 86_400.0,
        retention: Retention | None = None,
        epoch: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dedup_seconds = dedup_seconds
        self._retention = retention or Retention()
        self._clock = clock
        self._memory = _Memory(epoch or uuid.uuid4().hex)
        self._followers: list[asyncio.Queue[Mapping[str, Position] | None]] = []
        self._is_open = False
        self._closed = CLOSED

    def __repr__(self) -> str:
        return f"<MemoryLog of {len(self._memory.streams)} streams>"

    def node(
        self, *, dedup_seconds: float | None = None, retention: Retention | None = None
    ) -> MemoryLog:
        """Returns another node of this log: what one commits, the other reads and follows.

        Args:
            dedup_seconds, retention: Those of this node when None.
        """
        other = MemoryLog(
            dedup_seconds=self.dedup_seconds if dedup_seconds is None else dedup_seconds,
            retention=retention or self._retention,
            clock=self._clock,
        )
        other._memory = self._memory
        return other

    async def open(self) -> None:
        """Joins the nodes of this log."""
        if not self._is_open:
            self._is_open = True
            self._closed = CLOSED
            self._memory.nodes.append(self)
            keep(self)

    def leave_to_parent(self) -> None:
        """Closes the log in a forked child: what a child appends, its parent never gets."""
        if self._is_open:
            self._is_open = False
            self._closed = LEFT
            self._memory.nodes.remove(self)

    async def close(self) -> None:
        """Leaves the nodes of this log; the memory stays as long as any object of it."""
        if self._is_open:
            self._is_open = False
            self._memory.nodes.remove(self)
        for queue in self._followers:
            queue.put_nowait(_END)

    @contextlib.asynccontextmanager
    async def begin(self, key: CommandKey | None) -> AsyncGenerator[_MemoryTransaction]:
        """Looks the key up. Two runs of one command may go on beside each other; the first `commit` counts."""
        self._check_open()
        yield _MemoryTransaction(self, key, None if key is None else self._known(key))

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        """Appends a chain; see `Log.append`."""
        for proposal in chain:
            check_batch(proposal.batch)
        # One look at other tasks, as every other log has it: rules must hold when commands overlap.
        await asyncio.sleep(0)
        self._check_open()
        outcomes: list[Outcome] = []
        for proposal in chain:
            known = None if proposal.key is None else self._known(proposal.key)
            if known is not None:
                return Appended((*outcomes, known), is_known=True)
            try:
                outcomes.append(self._append(proposal.key, proposal.batch))
            except Conflict as conflict:
                return Appended(outcomes, moved=conflict.stream)
        return Appended(outcomes)

    async def read(
        self, stream: str, after: Position | None, limit_bytes: int = PAGE_BYTES
    ) -> Page:
        """Returns a page; see `Log.read`."""
        self._check_open()
        found = self._memory.streams.get(stream)
        epoch = self._memory.epoch
        if found is None:
            is_at_start = after is None or after == Position(epoch, 0)
            return Page(Position(epoch, 0), () if is_at_start else None)
        head = Position(epoch, found.seq)
        at = 0 if after is None else after.seq
        if (after is not None and after.epoch != epoch) or not found.first - 1 <= at <= found.seq:
            return Page(head, None)
        sizes = (found.entries[seq][2] for seq in range(at + 1, found.seq + 1))
        count = len(
            list(takewhile(lambda before: before < limit_bytes, accumulate(sizes, initial=0)))
        )
        last = min(found.seq, at + count)
        rows = [found.entries[seq][0] for seq in range(at + 1, last + 1)]
        # The epoch of an entry is that of the log when it is read, as `renew` wants it.
        entries = [replace(row, position=Position(epoch, row.position.seq)) for row in rows]
        return Page(head, entries, last < found.seq)

    async def heads(self, pattern: str, born_after: str | None = None) -> Mapping[str, Position]:
        """Returns positions by stream; see `Log.heads`."""
        self._check_open()
        epoch, number = split_mark(born_after)
        after = number if epoch == self._memory.epoch else -1
        return {
            name: Position(self._memory.epoch, stream.seq)
            for name, stream in self._memory.streams.items()
            if stream.born > after and matches(pattern, name)
        }

    async def mark(self) -> str:
        """Returns a mark: the epoch and the number of commits so far."""
        self._check_open()
        return f"{self._memory.epoch}:{self._memory.commits}"

    async def checkpoint(self, stream: str) -> Checkpoint | None:
        """Returns the newest checkpoint of a stream."""
        self._check_open()
        found = self._memory.streams.get(stream)
        if found is None or found.checkpoint is None:
            return None
        seq, version, state = found.checkpoint
        return Checkpoint(Position(self._memory.epoch, seq), version, state)

    async def outcomes(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        """Returns what is known of these commands."""
        self._check_open()
        found = {key: self._known(key) for key in keys}
        return {key: outcome for key, outcome in found.items() if outcome is not None}

    async def follow(self) -> AsyncIterator[Mapping[str, Position] | None]:
        """Iterates over changed streams; see `Log.follow`."""
        queue: asyncio.Queue[Mapping[str, Position] | None] = asyncio.Queue()
        self._followers.append(queue)
        try:
            while self._is_open:
                changed = await queue.get()
                if changed is _END:
                    return
                yield changed
        finally:
            self._followers.remove(queue)

    async def prune(self, folded: Sequence[str] = ()) -> None:
        """Removes old entries and outcomes; see `Log.prune`."""
        self._check_open()
        now = self._clock()
        for key, (_, at) in list(self._memory.outcomes.items()):
            if at + self.dedup_seconds < now:
                del self._memory.outcomes[key]
        for name, stream in self._memory.streams.items():
            if stream.checkpoint is None and any(matches(pattern, name) for pattern in folded):
                continue
            limit = stream.seq if stream.checkpoint is None else stream.checkpoint[0]
            size = sum(row[2] for row in stream.entries.values())
            while stream.first < stream.seq and stream.first <= limit:
                _, at, mine = stream.entries[stream.first]
                keep = self._retention
                is_old = keep.max_age is not None and at + keep.max_age < now
                if not (is_old or len(stream.entries) > keep.max_entries or size > keep.max_bytes):
                    break
                del stream.entries[stream.first]
                stream.first += 1
                size -= mine

    async def renew(self) -> None:
        """Begins a new epoch."""
        self._memory.epoch = uuid.uuid4().hex

    def _check_open(self) -> None:
        if not self._is_open:
            raise closed(_NAME, self._closed)

    def _known(self, key: CommandKey) -> Outcome | None:
        found = self._memory.outcomes.get(key)
        return found[0] if found is not None else None

    def _append(self, key: CommandKey | None, batch: Batch) -> Outcome:
        self._check_open()
        memory = self._memory
        known = None if key is None else self._known(key)
        if known is not None:
            return known
        for name in check_batch(batch):
            stream = memory.streams.get(name)
            now_at = Position(memory.epoch, 0 if stream is None else stream.seq)
            if name in batch.expected and batch.expected[name] != now_at:
                raise Conflict(name)
        now = self._clock()
        positions: dict[str, Position] = {}
        memory.commits += bool(batch.messages)
        for name, messages in batch.messages.items():
            stream = memory.streams.setdefault(name, _Stream(memory.commits))
            stream.seq += 1
            positions[name] = Position(memory.epoch, stream.seq)
            entry = Entry(name, positions[name], tuple(messages), key)
            stream.entries[stream.seq] = (entry, now, sum(map(len, messages)))
        for name, (version, state) in batch.checkpoints.items():
            memory.streams[name].checkpoint = (positions[name].seq, version, state)
        outcome = Outcome(not batch.is_refusal, batch.reply, positions)
        self._record(key, outcome, now)
        if positions:
            self._signal(positions)
        return outcome

    def _signal(self, changed: Mapping[str, Position]) -> None:
        for node in self._memory.nodes:
            for queue in node._followers:
                queue.put_nowait(changed)

    def _refuse(self, key: CommandKey | None, reply: bytes) -> Outcome:
        self._check_open()
        known = None if key is None else self._known(key)
        if known is not None:
            return known
        outcome = Outcome(False, reply)
        self._record(key, outcome, self._clock())
        return outcome

    def _record(self, key: CommandKey | None, outcome: Outcome, now: float) -> None:
        if key is not None:
            self._memory.outcomes[key] = (outcome, now)


_END: Final[Mapping[str, Position]] = {"": Position("", 0)}
"""Ends a `follow`; no stream has an empty name."""


class _MemoryTransaction:
    connection = None

    def __init__(self, log: MemoryLog, key: CommandKey | None, known: Outcome | None) -> None:
        self.known = known
        self._log = log
        self._key = key

    async def commit(self, batch: Batch) -> Outcome:
        # One look at other tasks, as every other log has it: rules must hold when commands overlap.
        await asyncio.sleep(0)
        return self._log._append(self._key, batch)

    async def refuse(self, reply: bytes) -> Outcome:
        await asyncio.sleep(0)
        return self._log._refuse(self._key, reply)
