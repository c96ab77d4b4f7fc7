"""Functions over the commits of a domain: persistence, undo, logging, inspection.

Each of them uses the public commit hook and can be left out. A domain without middleware delivers on its shortest path;
with any of it, a domain makes a `Commit` object for each write. Middleware does not change what a store does, and no part
of it uses another part. Application roots call it.

- `persist`, `PersistFile`: the value of stores in a file, saved after changes and loaded at the start
- `undo`: steps back and forth through the values of a store
- `logger`: one log line for each change
- `inspect`: the last commits, for development tools

Modules in reading order:

    persistence  the values of stores in a file, from one run of the program to the next
    undo         undo and redo for one store or several
    logger       one log line for each change of a store or of a whole domain
    inspector    the last commits of a domain: which stores, which thread, when; never the values
"""

from .inspector import CommitRecord, Inspector, inspect
from .logger import logger
from .persistence import (
    FileStorage,
    MsgspecCodec,
    PersistFile,
    PersistReport,
    StateCodec,
    StateStorage,
    persist,
)
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
