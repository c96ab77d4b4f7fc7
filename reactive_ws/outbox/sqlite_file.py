"""Opens a SQLite file for one owner: private from its first byte, locked, in WAL mode, with errors in plain words.

What a transaction wrote is on the disk when it ends: synchronous=FULL. The lock lasts from `open` to `close`; a second owner
is refused. Beside the file SQLite keeps `NAME-wal`, which belongs to it: a copy needs both.

It knows no tables. `Journal` and the demo hub's storage say which tables they want and which exception they raise.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
import stat
from collections.abc import Callable, Generator, Sequence
from weakref import WeakSet

from ..engine import refuse_copy

__all__ = ["SqliteFile"]

_OWNER_ONLY = 0o600
_LOCK_TIMEOUT = 0.5
"""Seconds; an owner that just ended may still be closing the file."""

_REASONS = {
    "SQLITE_BUSY": "is in use by another process; stop that one or choose another file",
    "SQLITE_CANTOPEN": "cannot be opened; check that its directory exists and that you may write there",
    "SQLITE_READONLY": "cannot be written; check its permissions",
    "SQLITE_PERM": "cannot be written; check its permissions",
    "SQLITE_FULL": "could not grow, the disk is full; free some space and start again, nothing that was stored is lost",
    "SQLITE_IOERR": "could not be written, the disk may be full; free some space and start again, nothing that was stored is lost",
    "SQLITE_CORRUPT": "is damaged; restore it from a copy or choose another one",
}

_open_here: WeakSet[SqliteFile] = WeakSet()
_left_to_parent: list[sqlite3.Connection] = []
"""Connections of the parent process. A child closes none: SQLite would delete the log into which the parent writes."""


def _leave_files_to_parent() -> None:
    """Leaves the files to the parent, in a forked child."""
    for one in list(_open_here):
        one.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_files_to_parent)


class SqliteFile:
    """A database file with one owner at a time. Made closed. Blocking; one call at a time.

    Args:
        path: The file; `open` makes it, in a directory that exists.
        what: What the file is, as in `an outbox`.
        application: SQLite's `application_id`, so that another program's database is not taken for ours.
        version: The format. Another one is refused.
        create: Statements that fill a new file.
        failure: Makes the exception from path and reason; the reason reads on after the path.

    Attributes:
        path: The absolute path.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        what: str,
        application: int,
        version: int,
        create: Sequence[str],
        failure: Callable[[str, str], Exception],
    ) -> None:
        given = os.fsdecode(path)
        if "\0" in given:
            raise failure(given, "has a null character; write the path of a file")
        if given in ("", ":memory:"):
            raise failure(given, "is a database in memory; name a file, or leave the path out")
        if given.startswith("file:"):
            raise failure(given, "is a URI; write the path of the file alone")
        self.path = os.path.abspath(given)
        self._what = what
        self._application = application
        self._version = version
        self._create = create
        self._failure = failure
        self._database: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"<SqliteFile {self.path!r}{'' if self.is_open else ' closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the file is open and locked."""
        return self._database is not None

    @property
    def database(self) -> sqlite3.Connection:
        """The open connection; it commits by itself outside `transaction`.

        Raises:
            Exception: the `failure` of the file, which is closed.
        """
        if self._database is None:
            raise self._failure(self.path, "is closed")
        return self._database

    def open(self) -> None:
        """Opens and locks the file, and makes it when it does not exist. Does nothing when it is open.

        Raises:
            Exception: the `failure` of the file: no directory, no permission, another owner, another format, damage.
        """
        if self._database is not None:
            return
        self._make_private()
        with self.translating():
            database = sqlite3.connect(
                os.fsencode(self.path),
                timeout=_LOCK_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self.translating():
                self._prepare(database)
        except TypeError as error:
            database.close()
            raise self._failure(self.path, _REASONS["SQLITE_CORRUPT"]) from error
        except BaseException:
            database.close()
            raise
        self._database = database
        _open_here.add(self)

    def leave_to_parent(self) -> None:
        """In a forked child: the file stays open in the parent, and this object is closed."""
        database, self._database = self._database, None
        _open_here.discard(self)
        if database is not None:
            # Not even the end of the interpreter may close it, so one reference to it is never given back.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(database))
            _left_to_parent.append(database)

    def close(self) -> None:
        """Closes and unlocks the file; never raises, because every transaction is on the disk already."""
        database, self._database = self._database, None
        _open_here.discard(self)
        if database is not None:
            # Without room for the last checkpoint, the write-ahead log beside the file still holds everything.
            with contextlib.suppress(sqlite3.Error):
                database.close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Writes all or nothing; on leaving, everything is on the disk.

        Raises:
            Exception: the `failure` of the file, or what the block raised; nothing was written.
        """
        database = self.database
        with self.translating():
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def translating(self) -> Generator[None]:
        """Turns errors of SQLite into the `failure` of the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(self.path, self._reason(error)) from error
        except UnicodeDecodeError as error:
            # SQLite hands bytes of a damaged page over as text.
            raise self._failure(self.path, _REASONS["SQLITE_CORRUPT"]) from error

    def _reason(self, error: sqlite3.Error) -> str:
        # Extended codes such as SQLITE_IOERR_WRITE begin with the name of their class.
        name = getattr(error, "sqlite_errorname", None) or ""
        if name.startswith("SQLITE_BUSY") and any(one.path == self.path for one in _open_here):
            return (
                "is in use by another part of this program; close that one or choose another file"
            )
        if name.startswith("SQLITE_NOTADB"):
            return f"is not {self._what}; choose another file"
        for known, reason in _REASONS.items():
            if name.startswith(known):
                return reason
        return f"cannot be used: {error}"

    def _make_private(self) -> None:
        """Makes the file with its final mode, which SQLite gives to `NAME-wal` too, or tightens the one that is there."""
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
            os.close(os.open(self.path, flags, _OWNER_ONLY))
        except FileExistsError:
            self._check_existing()
        except OSError as error:
            raise self._failure(self.path, _REASONS["SQLITE_CANTOPEN"]) from error

    def _check_existing(self) -> None:
        try:
            found = os.stat(self.path)
            if not stat.S_ISREG(found.st_mode):
                raise self._failure(self.path, "is not a file; choose another path")
            if not hasattr(os, "getuid"):
                # Windows keeps rights in lists, which a new file inherits from its folder.
                return
            if found.st_uid != os.getuid() and os.getuid() != 0:
                raise self._failure(self.path, "belongs to another user; choose another path")
            for name in (self.path, f"{self.path}-wal"):
                with contextlib.suppress(FileNotFoundError):
                    if os.stat(name).st_mode & 0o077:
                        os.chmod(name, _OWNER_ONLY)
        except OSError as error:
            raise self._failure(self.path, _REASONS["SQLITE_CANTOPEN"]) from error

    def _prepare(self, database: sqlite3.Connection) -> None:
        run = database.execute
        # Exclusive before WAL: then there is no shared memory file, and the first access takes a lock that stays.
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("BEGIN EXCLUSIVE")
        (application,) = run("PRAGMA application_id").fetchone()
        (version,) = run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables and not application:
            for statement in self._create:
                run(statement)
            run(f"PRAGMA application_id = {self._application}")
            run(f"PRAGMA user_version = {self._version}")
        elif application != self._application:
            reason = "is the database of another program; choose another file"
            raise self._failure(self.path, reason)
        elif version != self._version:
            reason = f"has format {version} and this release reads format {self._version}; use the release that wrote it"
            raise self._failure(self.path, reason)
        run("COMMIT")
