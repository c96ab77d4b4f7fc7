"""The public stores: `Store`, `KeyedStore`, `derived`, `Selection`, `snapshot`, and streams of events.

What it does: it gives applications values to read, write and observe. What it does not do: it knows no messages, no
sockets and no toolkits. Applications, `service`, `middleware` and `gui` use it.

The modules, in reading order:

    iteration    `WhenFull`, `Policy`, and the buffer between a stream and an `async for`
    selection    `Selection`: the stream of a store or of a part of it
    store        `Store`: one immutable value; `ReadOnly`: a value without the methods that write
    computed     `Derived`: a value that a function computes from other values
    derived      `derived` and `derived_all`, which make a `Derived`
    family       `family`: one derived value for each key, shared and let go
    keyed        `KeyedStore`: entities by key; a change of one entity calls only the observers that need it
    incremental  `incremental`: a value of keyed stores that is computed from what each commit changed
    snapshot     `snapshot`: several values as they were at one commit
    events       `EventSource` and `EventStream`: events that no store keeps
"""

from .computed import Derived
from .derived import derived, derived_all
from .events import EventSource, EventStream
from .family import Family, family
from .incremental import Delta, incremental
from .iteration import Policy, WhenFull
from .keyed import (
    Active,
    Entities,
    KeyChanges,
    KeyedStore,
    Map,
    Rank,
    ReadOnlyKeyed,
    longest_rising,
)
from .selection import Selection
from .snapshot import snapshot
from .store import ReadOnly, Store, reset_all

__all__ = [
    "Active",
    "Delta",
    "Derived",
    "Entities",
    "EventSource",
    "EventStream",
    "Family",
    "KeyChanges",
    "KeyedStore",
    "Map",
    "Policy",
    "Rank",
    "ReadOnly",
    "ReadOnlyKeyed",
    "Selection",
    "Store",
    "WhenFull",
    "derived",
    "derived_all",
    "family",
    "incremental",
    "longest_rising",
    "reset_all",
    "snapshot",
]
