"""What listens to the commits of a domain: persistence, undo, logging, inspection.

Each room is a function over `Domain.on_commit` and can be left out; a domain without middleware delivers on its shortest
path, one with any of it makes a `Commit` object for each write. Nothing here changes what a store does, and no room knows
another one. Called by application roots.

- `persist`: a store's value in a file, saved after changes and loaded at the start
- `undo`: steps back and forth through the values of a store
- `logger`: one log line for each change
- `inspector`: the last commits, for development tools

Modules in reading order:

    atomic_file     files that are whole or not there
    inspector       the last commits of a domain, for development tools: who changed, why and when, never the values
    logger          one log line for each change of a store or of a whole domain
    persist         keeps one store in a file: loaded at the start, written after changes, whole or not at all
    persist_file    A file that keeps stores: loaded at the start, written after changes, whole or not at all
    persist_report  what the user of a persisted store should know: bad files, failed writes, values that are no JSON
    state_file      the file behind persisted stores: read once, replaced whole, set aside when it cannot be used
    state_format    the content of a file of persisted stores
    undo            undo and redo for one store
"""

from .inspector import CommitRecord, Inspector, inspect
from .logger import logger
from .persist import persist
from .persist_file import PersistFile
from .persist_report import PersistReport
from .undo import UndoHistory, undo

__all__ = [
    "CommitRecord",
    "Inspector",
    "PersistFile",
    "PersistReport",
    "UndoHistory",
    "inspect",
    "logger",
    "persist",
    "undo",
]
