"""The reads and writes of a SQLite log, each inside a transaction that the caller began. Blocking; no threads here."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence

from ....errors import Conflict
from ....wire import Position
from ..names import matches, prefix_of
from ..packing import (
    check_batch,
    pack_key,
    pack_messages,
    pack_outcome,
    unpack_key,
    unpack_messages,
    unpack_outcome,
)
from ..records import Batch, Checkpoint, CommandKey, Entry, Outcome, Page, Retention

__all__ = ["Tables"]

_NOTHING = object()


class Tables:
    """Queries on one connection.

    Args:
        database: The connection; it commits by itself unless a transaction was begun.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._run = database.execute
        self._changed: dict[str, int] = {}

    def epoch(self) -> str:
        """Returns the epoch of all streams."""
        (epoch,) = self._run("SELECT epoch FROM about").fetchone()
        return str(epoch)

    def commits(self) -> int:
        """Returns how many commits changed a stream so far."""
        (commits,) = self._run("SELECT commits FROM about").fetchone()
        return int(commits)

    # --- writes ---------------------------------------------------------------------------------------------------------

    def append(self, key: CommandKey | None, batch: Batch, now: float) -> Outcome:
        """Appends a batch; returns the outcome of an earlier run when there was one.

        Raises:
            Conflict: a stream moved; nothing was written.
        """
        known = self.known(key)
        if known is not None:
            return known
        epoch, heads = self.epoch(), dict[str, int]()
        for name in check_batch(batch):
            row = self._run("SELECT seq FROM heads WHERE stream = ?", (name,)).fetchone()
            heads[name] = 0 if row is None else row[0]
            if batch.expected.get(name, _NOTHING) not in (_NOTHING, Position(epoch, heads[name])):
                raise Conflict(name)
        positions: dict[str, Position] = {}
        if batch.messages:
            self._run("UPDATE about SET commits = commits + 1")
        commits = self.commits()
        cause = None if key is None else pack_key(key)
        for name, messages in batch.messages.items():
            seq = heads[name] + 1
            positions[name] = Position(epoch, seq)
            size = sum(map(len, messages))
            self._run(
                "INSERT INTO heads VALUES (?1, 1, 1, ?3, ?2, ?2) "
                "ON CONFLICT (stream) DO UPDATE SET seq = seq + 1, bytes = bytes + ?3, changed = ?2",
                (name, commits, size),
            )
            row = (name, seq, size, now, cause, pack_messages(messages))
            self._run("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
            self._changed[name] = commits
            if name in batch.checkpoints:
                self._run(
                    "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?)",
                    (name, seq, *batch.checkpoints[name]),
                )
        return self.record(key, Outcome(True, batch.reply, positions), now)

    def take_changed(self) -> dict[str, int]:
        """Returns the streams that were appended to since the last call, each with the number of its commit."""
        changed, self._changed = self._changed, {}
        return changed

    def refuse(self, key: CommandKey | None, reply: bytes, now: float) -> Outcome:
        """Records a refusal; returns the outcome of an earlier run when there was one."""
        return self.known(key) or self.record(key, Outcome(False, reply), now)

    def record(self, key: CommandKey | None, outcome: Outcome, now: float) -> Outcome:
        """Writes what became of a command."""
        if key is not None:
            row = (pack_key(key), now, pack_outcome(outcome))
            self._run("INSERT INTO outcomes VALUES (?, ?, ?)", row)
        return outcome

    def renew(self) -> None:
        """Begins a new epoch."""
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
                "UPDATE heads SET first = ?2, bytes = (SELECT sum(size) FROM entries WHERE stream = ?1) "
                "WHERE stream = ?1",
                (name, new_first),
            )

    # --- reads ----------------------------------------------------------------------------------------------------------

    def known(self, key: CommandKey | None) -> Outcome | None:
        """Returns what became of a command, None when that is not known."""
        if key is None:
            return None
        row = self._run("SELECT outcome FROM outcomes WHERE key = ?", (pack_key(key),)).fetchone()
        return None if row is None else unpack_outcome(row[0])

    def count(self, stream: str, after: Position | None) -> int:
        """Returns how many numbers of a stream come after a position; the entries of some may be gone."""
        row = self._run("SELECT seq FROM heads WHERE stream = ?", (stream,)).fetchone()
        return (0 if row is None else int(row[0])) - (0 if after is None else after.seq)

    def page(self, stream: str, after: Position | None, limit_bytes: int) -> Page:
        """Returns entries after a position."""
        epoch = self.epoch()
        row = self._run("SELECT seq, first FROM heads WHERE stream = ?", (stream,)).fetchone()
        seq, first = (0, 1) if row is None else row
        head = Position(epoch, seq)
        at = 0 if after is None else after.seq
        if (after is not None and after.epoch != epoch) or not first - 1 <= at <= seq:
            return Page(head, None)
        rows = self._run(
            "SELECT seq, messages, cause FROM (SELECT *, sum(size) OVER (ORDER BY seq) - size AS before "
            "FROM entries WHERE stream = ? AND seq > ? ORDER BY seq LIMIT 1000) WHERE before < ?",
            (stream, at, limit_bytes),
        ).fetchall()
        entries = [
            Entry(
                stream,
                Position(epoch, number),
                unpack_messages(messages),
                None if cause is None else unpack_key(cause),
            )
            for number, messages, cause in rows
        ]
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
                "SELECT stream, seq FROM heads WHERE stream > ?1 AND substr(stream, 1, length(?1)) = ?1 AND born > ?2",
                (prefix, born_after),
            )
        epoch = self.epoch()
        return {name: Position(epoch, seq) for name, seq in rows.fetchall()}

    def changed(self, after: int) -> dict[str, int]:
        """Returns the streams that a later commit changed, each with the number of the last one."""
        rows = self._run("SELECT stream, changed FROM heads WHERE changed > ?", (after,))
        return dict(rows.fetchall())

    def overfull(self, retention: Retention, now: float) -> list[str]:
        """Returns the streams that have more than retention keeps."""
        rows = self._run(
            "SELECT stream FROM heads WHERE seq > first AND (seq - first >= ?1 OR bytes > ?2 OR (?3 IS NOT NULL "
            "AND (SELECT at FROM entries WHERE entries.stream = heads.stream AND entries.seq = first) < ?3))",
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
