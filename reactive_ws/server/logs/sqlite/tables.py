"""The reads and writes of a SQLite log, each inside a transaction that the caller began. Blocking; no threads here."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from typing import Final

from ....wire import Position
from ..names import matches, prefix_of
from ..packing import (
    pack_key,
    pack_messages,
    pack_outcome,
    unpack_key,
    unpack_messages,
    unpack_outcome,
)
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

__all__ = ["KnownMeanwhile", "Tables"]

_RECORD: Final = "INSERT INTO outcomes VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_ENTRY: Final = "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)"
_CHECKPOINT: Final = "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)"
# Python 3.12.0 to 3.12.3 warn about numbers such as ?1, so no statement has them.
_HEAD: Final = (
    "INSERT INTO heads VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT (stream) "
    "DO UPDATE SET seq = excluded.seq, bytes = bytes + excluded.bytes, changed = excluded.changed"
)
_MAX_PAGE: Final = 1_000
"""Entries of one page."""
_MAX_HEADS: Final = 1_000
"""Heads that are kept from one transaction to the next."""


class KnownMeanwhile(Exception):
    """A command was done before. The transaction has to run again, and to look for each command first."""


class _Head:
    """The newest number of a stream inside a transaction, and the bytes that the transaction adds."""

    __slots__ = ("added", "seq")

    def __init__(self, seq: int) -> None:
        self.seq = seq
        self.added = 0


class Tables:
    """Queries on one connection.

    A writer calls `begin`, then `append` and others, then `flush`, then `commit` or `roll_back`. What chains append is gathered and
    written by `flush`, with one call for all rows of a table. Heads are kept as long as no other connection commits: the number of
    commits tells.

    Args:
        database: The connection; it commits by itself unless a transaction was begun.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._run = database.execute
        self._heads: dict[str, _Head] = {}
        self._moment: tuple[str, int] = "", -1
        self._changed: dict[str, _Head] = {}
        self._entries: list[tuple[str, int, int, float, bytes | None, bytes]] = []
        self._checkpoints: list[tuple[str, int, int, bytes]] = []
        self._outcomes: dict[bytes, tuple[Outcome, float]] = {}
        self._looks_first = False
        self._version, self._seen = -1, 0

    def epoch(self) -> str:
        """Returns the epoch of all streams."""
        return self.moment()[0]

    def commits(self) -> int:
        """Returns how many transactions changed a stream so far."""
        return self.moment()[1]

    def moment(self) -> tuple[str, int]:
        """Returns the epoch and the number of commits: while both stay the same, no stream changes."""
        epoch, commits = self._run("SELECT epoch, commits FROM about").fetchone()
        return epoch, commits

    # --- writes ---------------------------------------------------------------------------------------------------------

    def begin(self, *, looks_first: bool = False) -> None:
        """Begins a transaction that writes.

        Args:
            looks_first: Look for the outcome of each command before it is appended.
        """
        self._run("BEGIN IMMEDIATE")
        self._looks_first = looks_first
        before, self._moment = self._moment, self.moment()
        if self._moment != before or len(self._heads) > _MAX_HEADS:
            self._heads.clear()

    def flush(self) -> None:
        """Writes what was appended.

        Raises:
            KnownMeanwhile: a command was done before.
        """
        many = self._database.executemany
        if self._outcomes:
            rows = [(key, at, pack_outcome(one)) for key, (one, at) in self._outcomes.items()]
            if many(_RECORD, rows).rowcount < len(rows):
                raise KnownMeanwhile
        if self._entries:
            many(_ENTRY, self._entries)
            self._run("UPDATE about SET commits = commits + 1")
            epoch, commits = self._moment
            commit = commits + 1
            self._moment = epoch, commit
            heads = self._changed.items()
            many(_HEAD, [(name, head.seq, head.added, commit, commit) for name, head in heads])
        if self._checkpoints:
            many(_CHECKPOINT, self._checkpoints)

    def commit(self) -> dict[str, Position]:
        """Commits; returns the streams that were appended to, each with its newest entry."""
        self._run("COMMIT")
        epoch = self._moment[0]
        changed = {name: Position(epoch, head.seq) for name, head in self._changed.items()}
        for head in self._changed.values():
            head.added = 0
        self._forget()
        return changed

    def roll_back(self) -> None:
        """Takes back what the transaction wrote."""
        self._heads.clear()
        self._moment = "", -1
        self._forget()
        if self._database.in_transaction:
            self._run("ROLLBACK")

    def _forget(self) -> None:
        self._changed = {}
        self._entries, self._checkpoints, self._outcomes = [], [], {}

    def append(self, chain: Sequence[Proposal], now: float) -> Appended:
        """Appends a chain; see `Log.append`. `flush` writes it."""
        epoch, outcomes = self._moment[0], list[Outcome]()
        for proposal in chain:
            key, batch = proposal.key, proposal.batch
            cause = None if key is None else pack_key(key)
            moved = self._moved(batch)
            known = None if cause is None else self._known_now(cause, is_sure=moved is not None)
            if known is not None:
                return Appended((*outcomes, known), is_known=True)
            if moved is not None:
                return Appended(outcomes, moved=moved)
            positions: dict[str, Position] = {}
            for name, messages in batch.messages.items():
                positions[name] = Position(epoch, self._append_entry(name, messages, cause, now))
            for name, (version, state) in batch.checkpoints.items():
                self._checkpoints.append((name, self._heads[name].seq, version, state))
            outcome = Outcome(not batch.is_refusal, batch.reply, positions)
            if cause is not None:
                self._outcomes[cause] = outcome, now
            outcomes.append(outcome)
        return Appended(outcomes)

    def _known_now(self, cause: bytes, *, is_sure: bool) -> Outcome | None:
        """Returns the outcome of a command that this transaction has; with `is_sure`, or after a first try, also that of the file."""
        own = self._outcomes.get(cause)
        if own is not None:
            return own[0]
        return self._stored(cause) if is_sure or self._looks_first else None

    def _moved(self, batch: Batch) -> str | None:
        """Returns the first stream that is not where the batch expects it."""
        if batch.expected:
            epoch = self._moment[0]
            for name in sorted(batch.expected, key=str.encode):
                if batch.expected[name] != Position(epoch, self._head(name).seq):
                    return name
        return None

    def _head(self, name: str) -> _Head:
        head = self._heads.get(name)
        if head is None:
            row = self._run("SELECT seq FROM heads WHERE stream = ?", (name,)).fetchone()
            head = self._heads[name] = _Head(0 if row is None else row[0])
        return head

    def _append_entry(
        self, name: str, messages: Sequence[bytes], cause: bytes | None, now: float
    ) -> int:
        head, size = self._head(name), sum(map(len, messages))
        head.seq += 1
        head.added += size
        self._changed[name] = head
        self._entries.append((name, head.seq, size, now, cause, pack_messages(messages)))
        return head.seq

    def renew(self) -> None:
        """Begins a new epoch, in a transaction of its own."""
        self._run("UPDATE about SET epoch = ?, commits = commits + 1", (uuid.uuid4().hex,))
        self._run("UPDATE heads SET changed = (SELECT commits FROM about)")

    def prune_outcomes(self, before: float) -> None:
        """Removes outcomes that are older."""
        self._run("DELETE FROM outcomes WHERE at < ?", (before,))

    def prune_stream(
        self, name: str, retention: Retention, now: float, folded: Sequence[str]
    ) -> None:
        """Removes old entries of one stream."""
        row = self._run(
            "SELECT first, heads.seq, checkpoints.seq FROM heads LEFT JOIN checkpoints USING (stream) "
            "WHERE stream = ?",
            (name,),
        ).fetchone()
        if row is None or (row[2] is None and any(matches(one, name) for one in folded)):
            return
        first, seq, covered = row
        limit = min(seq - 1, seq if covered is None else covered)
        oldest_kept = max(first, seq - retention.max_entries + 1)
        if retention.max_age is not None:
            (young,) = self._run(
                "SELECT min(seq) FROM entries WHERE stream = ? AND at >= ?",
                (name, now - retention.max_age),
            ).fetchone()
            oldest_kept = max(oldest_kept, seq if young is None else young)
        (fitting,) = self._run(
            "SELECT min(seq) FROM (SELECT seq, sum(size) OVER (ORDER BY seq DESC) AS total FROM entries "
            "WHERE stream = ?) WHERE total <= ?",
            (name, retention.max_bytes),
        ).fetchone()
        oldest_kept = max(oldest_kept, seq if fitting is None else fitting)
        new_first = min(oldest_kept, limit + 1)
        if new_first > first:
            self._run("DELETE FROM entries WHERE stream = ? AND seq < ?", (name, new_first))
            self._run(
                "UPDATE heads SET first = ?, bytes = (SELECT sum(size) FROM entries WHERE stream = ?) "
                "WHERE stream = ?",
                (new_first, name, name),
            )

    # --- reads ----------------------------------------------------------------------------------------------------------

    def known(self, key: CommandKey | None) -> Outcome | None:
        """Returns what became of a command, None when that is not known."""
        return None if key is None else self._stored(pack_key(key))

    def _stored(self, key: bytes) -> Outcome | None:
        row = self._run("SELECT outcome FROM outcomes WHERE key = ?", (key,)).fetchone()
        return None if row is None else unpack_outcome(row[0])

    def page(
        self, stream: str, after: Position | None, limit_bytes: int, at_most: int | None = None
    ) -> Page | None:
        """Returns entries after a position; None when they are more than `at_most`."""
        epoch, seq, first = self._run(
            "SELECT epoch, seq, first FROM about LEFT JOIN heads ON stream = ?", (stream,)
        ).fetchone()
        if seq is None:
            seq, first = 0, 1
        head = Position(epoch, seq)
        at = 0 if after is None else after.seq
        if (after is not None and after.epoch != epoch) or not first - 1 <= at <= seq:
            return Page(head, None)
        if at_most is not None and seq - at > at_most:
            return None
        entries: list[Entry] = []
        if at < seq:
            size = 0
            rows = self._run(
                "SELECT seq, size, messages, cause FROM entries WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
                (stream, at, _MAX_PAGE),
            )
            for number, length, messages, cause in rows:
                if size >= limit_bytes:
                    break
                size += length
                entries.append(
                    Entry(
                        stream,
                        Position(epoch, number),
                        unpack_messages(messages),
                        None if cause is None else unpack_key(cause),
                    )
                )
            # A cursor in the middle of its rows would keep the transaction.
            rows.close()
        return Page(head, entries, at + len(entries) < seq)

    def heads(self, pattern: str, born_after: int) -> dict[str, Position]:
        """Returns positions of streams that began after a commit."""
        prefix = prefix_of(pattern)
        if prefix is None:
            rows = self._run(
                "SELECT stream, seq FROM heads WHERE stream = ? AND born > ?", (pattern, born_after)
            )
        else:
            rows = self._run(
                "SELECT stream, seq FROM heads WHERE stream > ? AND substr(stream, 1, length(?)) = ? AND born > ?",
                (prefix, prefix, prefix, born_after),
            )
        epoch = self.epoch()
        return {name: Position(epoch, seq) for name, seq in rows.fetchall()}

    def foreign(self) -> dict[str, Position]:
        """Returns streams with their newest entries, among them all that other connections changed since the last call."""
        (version,) = self._run("PRAGMA data_version").fetchone()
        if version == self._version:
            return {}
        self._run("BEGIN")
        epoch, commits = self.moment()
        if self._version == -1:
            self._seen = commits
        rows = self._run(
            "SELECT stream, seq FROM heads WHERE changed > ?", (self._seen,)
        ).fetchall()
        self._run("COMMIT")
        self._version, self._seen = version, commits
        return {name: Position(epoch, seq) for name, seq in rows}

    def overfull(self, retention: Retention, now: float) -> list[str]:
        """Returns the streams that have more than retention keeps."""
        rows = self._run(
            # A comparison with NULL is not true: without an age, no entry is too old.
            "SELECT stream FROM heads WHERE seq > first AND (seq - first >= ? OR bytes > ? OR "
            "(SELECT at FROM entries WHERE entries.stream = heads.stream AND entries.seq = first) < ?)",
            (
                retention.max_entries,
                retention.max_bytes,
                None if retention.max_age is None else now - retention.max_age,
            ),
        )
        return [name for (name,) in rows.fetchall()]

    def checkpoint(self, stream: str) -> Checkpoint | None:
        """Returns the newest checkpoint of a stream."""
        row = self._run(
            "SELECT seq, version, state FROM checkpoints WHERE stream = ?", (stream,)
        ).fetchone()
        if row is None:
            return None
        return Checkpoint(Position(self.epoch(), row[0]), row[1], row[2])
