"""The SQLite file of a log: how it is opened, created, checked, and what its errors mean. Blocking; no threads here."""

from __future__ import annotations

import os
import sqlite3
import uuid
from pathlib import Path

from ....errors import LogUnavailable, LogUnusable

__all__ = ["connect", "translate"]

APPLICATION = 0x5257534C
"""SQLite's application_id of our files ("RWSL"), so that the database of another program is not taken for one."""
VERSION = 1
_LOCK_TIMEOUT = 10.0
"""Seconds that a transaction waits for the one of another process."""

_CREATE = """
CREATE TABLE about (epoch TEXT NOT NULL, commits INTEGER NOT NULL);
CREATE TABLE heads (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL, first INTEGER NOT NULL, bytes INTEGER NOT NULL,
    born INTEGER NOT NULL, changed INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX heads_changed ON heads (changed);
CREATE TABLE entries (stream TEXT NOT NULL, seq INTEGER NOT NULL, size INTEGER NOT NULL, at REAL NOT NULL, cause BLOB,
    messages BLOB NOT NULL, PRIMARY KEY (stream, seq)) WITHOUT ROWID;
CREATE TABLE outcomes (key BLOB PRIMARY KEY, at REAL NOT NULL, outcome BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX outcomes_at ON outcomes (at);
CREATE TABLE checkpoints (stream TEXT PRIMARY KEY, seq INTEGER NOT NULL, version INTEGER NOT NULL, state BLOB NOT NULL);
"""
_TABLES = ("about", "heads", "entries", "outcomes", "checkpoints")
_RESTORE = "restore a backup, then run `reactive-ws log renew`"
_DAMAGED = f"it is damaged; {_RESTORE}"

_UNUSABLE = {
    "SQLITE_NOTADB": "it is not a SQLite file; choose another one",
    "SQLITE_CANTOPEN": "it cannot be opened; check that its directory exists and that you may write there",
    "SQLITE_READONLY": "it cannot be written; check its permissions, and whether its file system can be written",
    "SQLITE_PERM": "it cannot be written; check its permissions, and whether its file system can be written",
    "SQLITE_CORRUPT": _DAMAGED,
}
_UNAVAILABLE = {
    "SQLITE_BUSY": "another process writes and does not end; see which program holds the file",
    "SQLITE_FULL": "the disk is full; free some space, nothing that was acknowledged is lost",
    "SQLITE_IOERR": "the disk failed or has no room; free some space or see the system log, nothing that was acknowledged is lost",
}


def translate(name: str, error: sqlite3.Error) -> LogUnavailable | LogUnusable:
    """Returns our exception for an error of SQLite."""
    # Extended codes such as SQLITE_IOERR_WRITE begin with the name of their class.
    code = getattr(error, "sqlite_errorname", "") or ""
    for known, reason in _UNUSABLE.items():
        if code.startswith(known):
            return LogUnusable(name, reason)
    for known, reason in _UNAVAILABLE.items():
        if code.startswith(known):
            return LogUnavailable(name, reason)
    return LogUnavailable(name, str(error))


def connect(path: Path) -> sqlite3.Connection:
    """Opens the file, and creates it when it is not there. Only its owner can read it, from its first byte on.

    Raises:
        LogUnusable: it cannot be opened, belongs to another program, or has another format.
        LogUnavailable: another process holds it, or the disk is full.
    """
    try:
        # Only where there is no file: closing a descriptor of an open database would drop SQLite's locks of this process.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not path.is_file():
            # SQLite would write a journal beside a device.
            raise LogUnusable(
                str(path), "it is not a file; give the path of a file that you may write"
            ) from None
        # SQLite would open it to read, and only the first command would fail.
        if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise LogUnusable(str(path), _UNUSABLE["SQLITE_READONLY"]) from None
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise LogUnusable(
            str(path), f"it cannot be opened: {what}; give the path of a file that you may write"
        ) from error
    database = sqlite3.connect(
        os.fsencode(path), timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        # Before the first write: a file that is not ours stays as it is.
        is_new = _check(str(path), database)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        if is_new:
            _create(str(path), database)
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise translate(str(path), error) from error
        raise
    return database


def _check(name: str, database: sqlite3.Connection) -> bool:
    """Returns whether the file is empty.

    Raises:
        LogUnusable: it belongs to another program, or has another format.
    """
    run = database.execute
    (application,) = run("PRAGMA application_id").fetchone()
    (version,) = run("PRAGMA user_version").fetchone()
    tables = {name for (name,) in run("SELECT name FROM sqlite_schema")}
    if not tables and not application:
        return True
    if application != APPLICATION:
        raise LogUnusable(name, "it is the database of another program; choose another file")
    if version != VERSION:
        raise LogUnusable(
            name,
            f"it has format {version} and this version reads {VERSION}; use the version that wrote it",
        )
    for table in _TABLES:
        if table not in tables:
            raise LogUnusable(name, f"its table {table!r} is missing; {_RESTORE}")
    about = run("SELECT typeof(epoch), typeof(commits) FROM about").fetchall()
    if about != [("text", "integer")]:
        raise LogUnusable(name, _DAMAGED)
    return False


def _create(name: str, database: sqlite3.Connection) -> None:
    run = database.execute
    run("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        if _check(name, database):
            for statement in filter(str.strip, _CREATE.split(";")):
                run(statement)
            run("INSERT INTO about VALUES (?, 0)", (uuid.uuid4().hex,))
            run(f"PRAGMA application_id = {APPLICATION}")
            run(f"PRAGMA user_version = {VERSION}")
        run("COMMIT")
    except BaseException:
        if database.in_transaction:
            run("ROLLBACK")
        raise
