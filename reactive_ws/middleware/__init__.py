"""Functions over the commits of a domain: persistence, undo, logging, inspection.

Each of them uses the public commit hook and can be left out. A domain without middleware delivers on its shortest path;
with any of it, a domain makes a `Commit` object for each write. Middleware does not change what a store does, and no part
of it uses another part. Application roots call it.

- `persist`, `PersistFile`: the value of stores in a file, saved after changes and loaded at the start
- `undo`: steps back and forth through the values of a store
- `logger`: one log line for each change
- `inspect`: the last commits, for development tools

Modules in reading order:

    file_lock       one process uses a state file at a time
    storage         where persisted content is kept: the protocol, and files that are whole or not there
    codec           how a persisted value becomes JSON text: the protocol, and msgspec's codec
    state_format    the content of a file of persisted stores: rows with versions and checksums
    persist_report  reports about bad content, failed writes, values that JSON cannot hold
    state_file      one file: read once, replaced whole, set aside when it cannot be used
    endings         saves before SIGTERM or SIGHUP ends the process
    persist_file    `PersistFile`: when stores are loaded and saved
    persist         `persist`: the short way for one store
    undo            undo and redo for one store or several
    logger          one log line for each change of a store or of a whole domain
    inspector       the last commits of a domain: which stores, which thread, when; never the values
"""

from .codec import MsgspecCodec, StateCodec
from .inspector import CommitRecord, Inspector, inspect
from .logger import logger
from .persist import persist
from .persist_file import PersistFile
from .persist_report import PersistReport
from .storage import FileStorage, StateStorage
from .undo import UndoEntry, UndoHistory, undo

__all__ = [
    "CommitRecord",
    "FileStorage",
    "Inspector",
    "MsgspecCodec",
    "PersistFile",
    "PersistReport",
    "StateCodec",
    "StateStorage",
    "UndoEntry",
    "UndoHistory",
    "inspect",
    "logger",
    "persist",
    "undo",
]
