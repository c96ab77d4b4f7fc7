"""State files: the values of stores, kept in a file from one run of the program to the next.

It knows `Domain` by its public commit hook and no other middleware. Programs call `persist` or make a `PersistFile`.

    file_lock       one process uses a state file at a time
    storage         where persisted content is kept: the protocol, and files that are whole or not there
    codec           how a persisted value becomes JSON text: the protocol, and msgspec's codec
    state_format    the content of a file of persisted stores: rows with versions and checksums
    persist_report  reports about bad content, failed writes, values that JSON cannot hold
    state_file      one file: read once, replaced whole, set aside when it cannot be used
    endings         saves before SIGTERM or SIGHUP ends the process
    persist_file    `PersistFile`: when stores are loaded and saved
    persist         `persist`: the short way for one store
"""

from .codec import MsgspecCodec, StateCodec
from .persist import persist
from .persist_file import PersistFile
from .persist_report import PersistReport
from .storage import FileStorage, StateStorage

__all__ = [
    "FileStorage",
    "MsgspecCodec",
    "PersistFile",
    "PersistReport",
    "StateCodec",
    "StateStorage",
    "persist",
]
