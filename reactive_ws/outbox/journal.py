"""The durable outbox's file: SQLite in WAL mode with synchronous=FULL, written by one thread in group commits.

What `append` reported as stored survives the process and the machine. One process at a time: an exclusive lock is held as
long as the journal is open, and a second one is refused at once. Forgetting is lazy: after a crash an acknowledged message
may be sent once more, with its id, and the server knows it.

It orders nothing and sends nothing; `outbox` decides what is in it. Callbacks come on the journal's thread, in order.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable

import attrs

from ..errors import JournalError

__all__ = ["Journal", "Stored"]

_VERSION = 1
_MAGIC = 0x52575301
"""`application_id` of the file, so that somebody else's database is not taken for an outbox."""


@attrs.frozen
class Stored:
    """A message in the file, in the order of sending."""

    id: str
    frame: str | bytes = attrs.field(repr=False)


@attrs.frozen
class _Append:
    id: str
    frame: str | bytes
    done: Callable[[JournalError | None], None]


@attrs.frozen
class _Remove:
    id: str


class Journal:
    """The file and its thread. Made open. Any thread.

    Args:
        path: The file; made when it does not exist, in a directory that does.

    Raises:
        JournalError: another process has it open, it is corrupt or no outbox, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._lock = threading.Condition()
        self._waiting: list[_Append | _Remove] = []
        self._is_closing = False
        self._database: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self.open()

    def __repr__(self) -> str:
        return f"<Journal {self.path!r}{'' if self.is_open else ' closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the file is open and locked."""
        return self._database is not None

    def open(self) -> None:
        """Opens and locks the file again after `close`; does nothing when it is open.

        Raises:
            JournalError: see above.
        """
        if self._database is not None:
            return
        try:
            database = sqlite3.connect(
                self.path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            self._prepare(database)
        except sqlite3.Error as error:
            database.close()
            raise self._failure(error) from error
        except JournalError:
            database.close()
            raise
        self._database = database
        self._is_closing = False

    def entries(self) -> list[Stored]:
        """Returns what is stored, oldest first. To be called before the first `append`.

        Raises:
            JournalError: the file cannot be read.
        """
        database = self._database
        if database is None:
            raise JournalError(self.path, "it is closed")
        try:
            rows = database.execute("SELECT id, frame FROM entries ORDER BY number").fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return [Stored(identity, frame) for identity, frame in rows]

    def append(
        self, identity: str, frame: str | bytes, done: Callable[[JournalError | None], None]
    ) -> None:
        """Stores a message; `done` is called with None once it is on disk, or with what prevented that."""
        self._enqueue(_Append(identity, frame, done))

    def remove(self, identity: str) -> None:
        """Forgets a message."""
        self._enqueue(_Remove(identity))

    def close(self) -> None:
        """Writes what waits, ends the thread and unlocks the file."""
        with self._lock:
            self._is_closing = True
            self._lock.notify()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _enqueue(self, work: _Append | _Remove) -> None:
        with self._lock:
            self._waiting.append(work)
            if self._thread is None and not self._is_closing:
                self._thread = threading.Thread(
                    target=self._run, name="reactive_ws-journal", daemon=True
                )
                self._thread.start()
            self._lock.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._waiting and not self._is_closing:
                    self._lock.wait()
                if not self._waiting:
                    return
                work, self._waiting = self._waiting, []
            for append, error in self._write(work):
                append.done(error)

    def _write(self, work: list[_Append | _Remove]) -> list[tuple[_Append, JournalError | None]]:
        """Writes everything in one transaction; if that fails, each by itself, so that one cannot spoil the others."""
        try:
            self._commit(work)
        except sqlite3.Error:
            return [result for one in work for result in self._write_alone(one)]
        return [(one, None) for one in work if isinstance(one, _Append)]

    def _write_alone(self, one: _Append | _Remove) -> Iterable[tuple[_Append, JournalError | None]]:
        try:
            self._commit([one])
        except sqlite3.Error as error:
            if isinstance(one, _Append):
                return [(one, self._failure(error))]
            # An entry that could not be removed is sent once more by the next process; the server knows its id.
            return []
        return [(one, None)] if isinstance(one, _Append) else []

    def _commit(self, work: list[_Append | _Remove]) -> None:
        database = self._database
        if database is None:
            raise sqlite3.OperationalError("the journal is closed")
        database.execute("BEGIN IMMEDIATE")
        try:
            for one in work:
                if isinstance(one, _Append):
                    database.execute(
                        "INSERT OR IGNORE INTO entries (id, frame) VALUES (?, ?)",
                        (one.id, one.frame),
                    )
                else:
                    database.execute("DELETE FROM entries WHERE id = ?", (one.id,))
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _prepare(self, database: sqlite3.Connection) -> None:
        # Exclusive before WAL: then there is no shared memory file, and the lock lasts as long as the connection.
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("BEGIN EXCLUSIVE")
        try:
            (magic,) = database.execute("PRAGMA application_id").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and magic != _MAGIC:
                raise JournalError(
                    self.path, "it is a database of something else; choose another path"
                )
            if version > _VERSION:
                raise JournalError(
                    self.path,
                    f"it has version {version}, made by a newer release; update reactive-ws",
                )
            database.execute(
                "CREATE TABLE IF NOT EXISTS entries ("
                "number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, frame NOT NULL)"
            )
            database.execute(f"PRAGMA application_id={_MAGIC}")
            database.execute(f"PRAGMA user_version={_VERSION}")
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _failure(self, error: sqlite3.Error) -> JournalError:
        text = str(error)
        if "locked" in text or "busy" in text:
            reason = "another process has it open; give each process its own path"
        elif "full" in text:
            reason = "the disk is full; make room, then send again"
        elif "malformed" in text or "not a database" in text or "corrupt" in text:
            reason = "it is corrupt; move it away, what it held may be lost"
        elif "unable to open" in text:
            reason = "it cannot be opened; does the directory exist, and may it be written?"
        else:
            reason = text
        return JournalError(self.path, reason)
