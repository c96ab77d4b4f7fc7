"""The public stores: `Store`, `KeyedStore`, `derived`, `Selection`, `snapshot`, and streams of events.

It knows no messages, sockets or toolkits. Application code, `service`, `middleware` and `gui` use it.

    calculation  one run of a derived value's function
    computed     values computed from other values: consistent, cached, and free of charge while nobody looks
    derived      `derived`
    entities     the snapshot behind a `KeyedStore`: an immutable mapping that is cheap to change at any size
    events       streams of events
    key_changes  what one commit of a keyed store did to its keys
    key_source   the keys of a keyed store that somebody looks at
    keyed        `KeyedStore`: many entities under keys, where changing one wakes only those who look at it
    selection    the stream of a store or of a part of it: what UI code subscribes to
    snapshot     several reads under one commit number
    store        `Store`: one immutable value with an order of changes; `ReadOnly`: what everybody but its owner gets
"""

from .computed import Derived
from .derived import derived, derived_all
from .entities import Entities
from .events import EventSource, EventStream
from .key_changes import KeyChanges
from .keyed import KeyedStore
from .selection import Selection
from .snapshot import snapshot
from .store import ReadOnly, Store, reset_all

__all__ = [
    "Derived",
    "Entities",
    "EventSource",
    "EventStream",
    "KeyChanges",
    "KeyedStore",
    "ReadOnly",
    "Selection",
    "Store",
    "derived",
    "derived_all",
    "reset_all",
    "snapshot",
]
