"""The hub's data file: SQLite in WAL mode, one transaction for the steps that happened while the last one was written.

What `commit` returned from survives the death of the process and of the machine. One hub a file: the lock is held from
`open` to `close`. Blocking; `server` runs it on a thread of its own and never two calls at a time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from reactive_ws.errors import FileUnusable, MessageRejected
from reactive_ws.outbox import SqliteFile
from reactive_ws.state import Map
from reactive_ws.wire import Codec, Envelope

from ..wire import Message, Panel, Session
from .state import Change, Conversation, Owed, Put, State, Stream

__all__ = ["Storage"]

_APPLICATION = 0x52575348
"""SQLite's application_id of our files ("RWSH"), so that another program's database is not taken for one."""
_VERSION = 1

_CREATE = (
    "CREATE TABLE about (epoch TEXT NOT NULL)",
    *(
        f"CREATE TABLE {table} (key TEXT NOT NULL, number INTEGER NOT NULL, value {type_}, "
        "PRIMARY KEY (key, number)) WITHOUT ROWID"
        for table, type_ in {
            "sessions": "TEXT",
            "closed": "TEXT",
            "panels": "TEXT",
            "messages": "TEXT",
            "owed": "TEXT",
            "log": "TEXT",
            "seen": "INTEGER",
        }.items()
    ),
)


class Storage:
    """An open data file.

    Args:
        path: The file; created when it does not exist, its directory is not.
        codec: Writes and reads the frames of the logs.

    Raises:
        FileUnusable: missing directory, no permission, no database of ours, in use, or the disk is full.
    """

    def __init__(self, path: str | Path, codec: Codec) -> None:
        self._file = SqliteFile(
            path,
            what="a data file of a hub",
            application=_APPLICATION,
            version=_VERSION,
            create=(*_CREATE, f"INSERT INTO about VALUES ('{uuid.uuid4().hex}')"),
            failure=FileUnusable,
        )
        self._codec = codec
        self._encode = msgspec.json.Encoder().encode
        self._file.open()
        self._database = self._file.database

    def __repr__(self) -> str:
        return f"Storage({self._file.path!r})"

    def load(self) -> State:
        """Returns everything that was committed.

        Raises:
            FileUnusable: the file is damaged.
        """
        try:
            with self._file.translating():
                return self._load()
        except (msgspec.MsgspecError, MessageRejected, TypeError, ValueError) as error:
            raise FileUnusable(
                self._file.path, "is damaged; restore it from a copy or choose another one"
            ) from error

    def commit(self, changes: Iterable[Change]) -> None:
        """Writes all changes, or none, and returns when they are on the disk.

        Raises:
            FileUnusable: the disk is full or failed; nothing was written.
        """
        with self._file.transaction():
            for change in changes:
                self._write(change)

    def close(self) -> None:
        """Closes the file; never raises, what was committed is safe already."""
        self._file.close()

    def _write(self, change: Change) -> None:
        if not isinstance(change, Put):
            self._database.execute(
                f"DELETE FROM {change.table} WHERE key = ? AND number = ?",
                (change.key, change.number),
            )
            return
        self._database.execute(
            f"INSERT OR REPLACE INTO {change.table} VALUES (?, ?, ?)",
            (change.key, change.number, self._column(change.value)),
        )

    def _column(self, value: Any) -> str | int | None:
        if value is None or isinstance(value, int):
            return value
        if value.__class__ is Envelope:
            frame = self._codec.encode(value)
            return frame if isinstance(frame, str) else frame.decode()
        return self._encode(value).decode()

    def _load(self) -> State:
        rows = self._database.execute
        (epoch,) = rows("SELECT epoch FROM about").fetchone()
        with closing(rows("SELECT key, value FROM seen")) as seen:
            return State(
                epoch=epoch,
                sessions=Map(
                    (key, msgspec.json.decode(value, type=Session))
                    for key, value in rows("SELECT key, value FROM sessions")
                ),
                closed=Map((key, True) for (key,) in rows("SELECT key FROM closed")),
                panels=Map(
                    (number, msgspec.json.decode(value, type=Panel))
                    for number, value in rows("SELECT number, value FROM panels")
                ),
                conversations=self._conversations(),
                streams=self._streams(),
                seen=Map(seen),
            )

    def _conversations(self) -> Map[str, Conversation]:
        said: dict[str, dict[int, Message]] = {}
        owed: dict[str, dict[int, Owed]] = {}
        for key, number, value in self._database.execute("SELECT key, number, value FROM messages"):
            said.setdefault(key, {})[number] = msgspec.json.decode(value, type=Message)
        for key, number, value in self._database.execute("SELECT key, number, value FROM owed"):
            owed.setdefault(key, {})[number] = msgspec.json.decode(value, type=Owed)
        return Map(
            (
                key,
                Conversation(
                    messages=Map(messages),
                    length=max(messages, default=0),
                    owed=Map(owed.get(key, {})),
                    asked=max(owed.get(key, {}), default=0),
                    answered=min(owed.get(key, {}), default=1) - 1,
                ),
            )
            for key, messages in said.items()
        )

    def _streams(self) -> Map[str, Stream]:
        logs: dict[str, dict[int, Envelope[Any]]] = {}
        for key, number, value in self._database.execute("SELECT key, number, value FROM log"):
            logs.setdefault(key, {})[number] = self._codec.decode(value)
        # The log never drops its newest entry, so its ends are those of the stream.
        return Map(
            (key, Stream(max(entries), min(entries), Map(entries))) for key, entries in logs.items()
        )
