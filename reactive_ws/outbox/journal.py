"""Keeps promised messages in a file: SQLite, written by one thread in group commits.

A message that `append` reported as stored survives the process and the machine. One process at a time has the file. Each
row has a checksum; a damaged one is kept aside and reported. A removal is lazy while the file is open: after a crash an
acknowledged message may be sent once more, with its id, and the server knows it. A removal while the file is closed opens it.

It orders nothing and sends nothing; `Storage` decides what is in it. Callbacks come on the journal's thread, in order.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import attrs

from ..errors import JournalError
from .sqlite_file import SqliteFile

__all__ = ["Journal", "Stored"]

_logger = logging.getLogger("reactive_ws.outbox")

_VERSION = 4
_APPLICATION = 0x52575301
_CREATE = (
    (
        "CREATE TABLE entries (number INTEGER PRIMARY KEY AUTOINCREMENT, "
        "id TEXT NOT NULL UNIQUE, frame NOT NULL, sent REAL, expires REAL, checksum BLOB NOT NULL)"
    ),
    "CREATE TABLE damaged (number INTEGER, id, frame, sent, expires, checksum)",
    "CREATE TABLE client (name TEXT NOT NULL, checksum TEXT NOT NULL)",
)
_DAMAGED = "is damaged; restore it from a copy or choose another one"
_IDLE = 1.0
"""Seconds after which the thread ends until there is work again. A journal that is dropped can then be collected."""


@attrs.frozen
class Stored:
    """A message in the file, in the order of sending.

    Attributes:
        id: Of the message.
        frame: The message as the codec wrote it.
        sent: When it may have been transmitted first, in seconds since 1970; None: it was never transmitted.
        expires: When its time to live is over, in seconds since 1970; None: never, also once it may have been transmitted.
    """

    id: str
    frame: str | bytes = attrs.field(repr=False)
    sent: float | None = None
    expires: float | None = None


@attrs.frozen
class _Append:
    one: Stored
    done: Callable[[JournalError | None], None]


@attrs.frozen
class _Mark:
    messages: tuple[Stored, ...]
    done: Callable[[JournalError | None], None]


@attrs.frozen
class _Remove:
    id: str


_Work: TypeAlias = _Append | _Mark | _Remove


class Journal:
    """The file and its thread. Made open. Any thread.

    Args:
        path: The file; made when it does not exist, in a directory that does.
        failed: Called with what goes wrong besides a single append, on the journal's thread or in `open`.

    Attributes:
        path: The absolute path.

    Raises:
        JournalError: another owner has it open, it is damaged or no outbox, or it cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        failed: Callable[[Exception], None] = lambda error: _logger.error("%s", error),
    ) -> None:
        self._file = SqliteFile(
            path,
            what="an outbox",
            application=_APPLICATION,
            version=_VERSION,
            create=(*_CREATE, _name_client()),
            failure=JournalError,
        )
        self.path = self._file.path
        self._failed = failed
        self._opening = threading.RLock()
        self._lock = threading.Condition()
        self._waiting: list[_Work] = []
        self._is_wanted = False
        self._thread: threading.Thread | None = None
        self._death: JournalError | None = None
        # Without the last reference to a journal, its file is free for the next one.
        weakref.finalize(self, self._file.close).atexit = False
        self.open()

    def __repr__(self) -> str:
        return f"<Journal {self.path!r}{'' if self.is_open else ' closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the journal has the file; False after `close`, also while it removes something from it."""
        return self._is_wanted

    def open(self) -> None:
        """Opens and locks the file again after `close`; does nothing when it is open.

        Raises:
            JournalError: see above.
        """
        with self._opening:
            if self._is_wanted:
                return
            self._join()
            self._file.open()
            with self._lock:
                late, self._waiting = self._waiting, []
            try:
                self._commit(late)
            except Exception:
                with self._lock:
                    self._waiting = [*late, *self._waiting]
                self._file.close()
                raise
            self._death = None
            self._is_wanted = True

    def client(self) -> str:
        """Returns the name that the file got when it was made; a server tells the ids of clients apart by it.

        Raises:
            JournalError: the file cannot be read.
        """
        with self._file.translating():
            row = self._file.database.execute("SELECT name, checksum FROM client").fetchone()
        # With another name, the server would take copies for new messages.
        if row is None or not isinstance(row[0], str) or row[1] != _digest(row[0].encode()).hex():
            raise JournalError(self.path, _DAMAGED)
        return row[0]

    def entries(self) -> list[Stored]:
        """Returns what is stored, oldest first. Damaged rows are moved into a table of their own and reported.

        Call it before the first `append`.

        Raises:
            JournalError: the file cannot be read.
        """
        try:
            with self._file.translating():
                rows: list[Any] = self._file.database.execute(
                    "SELECT number, id, frame, sent, expires, checksum FROM entries ORDER BY number"
                ).fetchall()
        except (TypeError, ValueError) as error:
            raise JournalError(self.path, _DAMAGED) from error
        good = [row for row in rows if _is_whole(row)]
        if len(good) < len(rows):
            self._set_aside([row for row in rows if not _is_whole(row)])
        return [Stored(*row[1:5]) for row in good]

    def append(self, one: Stored, done: Callable[[JournalError | None], None]) -> None:
        """Stores a message; calls `done` with None once it is on disk, or with what prevented that."""
        self._write_later(_Append(one, done))

    def mark(self, messages: Iterable[Stored], done: Callable[[JournalError | None], None]) -> None:
        """Notes that stored messages may have been transmitted since `sent`; calls `done` as `append` does.

        It comes before the first transmission: after a crash the file knows each message that may have left.
        """
        self._write_later(_Mark(tuple(messages), done))

    def _write_later(self, work: _Append | _Mark) -> None:
        with self._lock:
            problem = self._death
            if problem is None and not self._is_wanted:
                problem = JournalError(self.path, "is closed")
            if problem is None:
                self._enqueue(work)
                return
        self._tell(work, problem)

    def remove(self, identity: str) -> None:
        """Forgets a message, also in a file that is closed."""
        with self._lock:
            self._enqueue(_Remove(identity))

    def close(self) -> None:
        """Writes what waits, ends the thread and unlocks the file."""
        with self._opening:
            with self._lock:
                self._is_wanted = False
                self._lock.notify()
            self._join()
            if threading.current_thread() is not self._thread:
                self._file.close()

    # --- the thread -----------------------------------------------------------------------------------------------------

    def _enqueue(self, work: _Work) -> None:
        self._waiting.append(work)
        if self._thread is None:
            # The program must not end before what it deleted is deleted. What it appended was not reported as stored.
            self._thread = threading.Thread(
                target=self._run, name="reactive_ws-journal", daemon=self._is_wanted
            )
            self._thread.start()
        self._lock.notify()

    def _join(self) -> None:
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        work: list[_Work] = []
        try:
            while True:
                with self._lock:
                    if not self._waiting and self._is_wanted:
                        self._lock.wait(_IDLE)
                    if not self._waiting:
                        self._leave()
                        return
                    work, self._waiting = self._waiting, []
                if not self._has_file():
                    self._keep(work)
                    return
                for one, error in self._write(work):
                    self._tell(one, error)
                work = []
        except BaseException as error:  # noqa: BLE001 - the thread is over, and what waits for it must fail
            self._die(error, work)

    def _leave(self) -> None:
        """Ends the thread, under the lock: `open` and the next thread begin where this one is done with the file."""
        if not self._is_wanted:
            self._file.close()
        self._thread = None

    def _has_file(self) -> bool:
        try:
            self._file.open()
        except JournalError as error:
            self._report(error)
            return False
        return True

    def _keep(self, work: list[_Work]) -> None:
        """Keeps removals for the next `open`, because another owner has the file."""
        with self._lock:
            self._waiting = [*work, *self._waiting]
            self._thread = None

    def _die(self, error: BaseException, work: list[_Work]) -> None:
        death = JournalError(self.path, f"has no writer: its thread ended with {error!r}")
        with self._lock:
            self._death = death
            work = [*work, *self._waiting]
            self._waiting = []
            self._leave()
        for one in work:
            if not isinstance(one, _Remove):
                self._tell(one, death)
        self._report(death)

    def _tell(self, work: _Append | _Mark, error: JournalError | None) -> None:
        try:
            work.done(error)
        except (
            BaseException
        ):  # an observer of the program, which must not end the thread of all messages
            _logger.exception("an observer raised after %s was written", self.path)

    def _report(self, error: JournalError) -> None:
        try:
            self._failed(error)
        except BaseException:  # as in `_tell`
            _logger.exception("an observer raised on hearing that %s", error)

    def _write(self, work: list[_Work]) -> list[tuple[_Append | _Mark, JournalError | None]]:
        """Writes everything in one transaction; if that fails, each by itself, so that one cannot spoil the others."""
        try:
            self._commit(work)
        except Exception:  # noqa: BLE001 - a frame that SQLite cannot take raises what it likes
            return [result for one in work for result in self._write_alone(one)]
        return [(one, None) for one in work if not isinstance(one, _Remove)]

    def _write_alone(self, one: _Work) -> Iterable[tuple[_Append | _Mark, JournalError | None]]:
        error: JournalError | None = None
        try:
            self._commit([one])
        except JournalError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - see `_write`
            kind = type(failure).__name__
            what = f"message {one.one.id}: its frame is" if isinstance(one, _Append) else "it:"
            error = JournalError(self.path, f"cannot take {what} a {kind}")
        if not isinstance(one, _Remove):
            return [(one, error)]
        if error is not None:
            self._report(error)
        return []

    def _commit(self, work: Iterable[_Work]) -> None:
        with self._file.transaction() as database:
            for step in work:
                if isinstance(step, _Append):
                    one = step.one
                    database.execute(
                        "INSERT OR IGNORE INTO entries (id, frame, sent, expires, checksum) VALUES (?, ?, ?, ?, ?)",
                        (one.id, one.frame, one.sent, one.expires, _checksum(one)),
                    )
                elif isinstance(step, _Mark):
                    database.executemany(
                        "UPDATE entries SET sent = ?, expires = ?, checksum = ? WHERE id = ?",
                        [(one.sent, one.expires, _checksum(one), one.id) for one in step.messages],
                    )
                else:
                    database.execute("DELETE FROM entries WHERE id = ?", (step.id,))

    def _set_aside(self, rows: list[Any]) -> None:
        with self._file.transaction() as database:
            for number, *row in rows:
                database.execute("INSERT INTO damaged VALUES (?, ?, ?, ?, ?, ?)", (number, *row))
                database.execute("DELETE FROM entries WHERE number = ?", (number,))
        reason = (
            f"has {len(rows)} damaged messages; they are not sent and kept in its table `damaged`"
        )
        self._report(JournalError(self.path, reason))


def _checksum(one: Stored) -> bytes:
    frame = one.frame
    kind, data = ("t", frame.encode()) if isinstance(frame, str) else ("b", bytes(frame))
    head = f"{kind}{len(one.id)}:{one.id}{one.sent}/{one.expires}".encode()
    return _digest(head + data)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _name_client() -> str:
    """Returns the statement that gives a new file its random name, in hexadecimal."""
    name = secrets.token_hex(16)
    return f"INSERT INTO client VALUES ('{name}', '{_digest(name.encode()).hex()}')"


def _is_whole(row: Any) -> bool:
    _, identity, frame, sent, expires, checksum = row
    if not isinstance(identity, str) or not isinstance(frame, str | bytes):
        return False
    if not isinstance(sent, float | None) or not isinstance(expires, float | None):
        return False
    return bool(checksum == _checksum(Stored(identity, frame, sent, expires)))
