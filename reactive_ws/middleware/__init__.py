"""What listens to the commits of a domain: persistence, undo, logging, inspection.

Each room is a function over `Domain.on_commit` and can be left out; a domain without middleware delivers on its shortest
path, one with any of it makes a `Commit` object for each write. Nothing here changes what a store does, and no room knows
another one. Called by application roots.

- `persist`: a store's value in a file, saved after changes and loaded at the start
- `undo`: steps back and forth through the values of a store
- `logger`: one log line for each change
- `inspector`: the last commits, for development tools
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
