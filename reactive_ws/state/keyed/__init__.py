"""`KeyedStore`: entities by key. A change of one entity calls only the observers that need it.

It knows no messages and no toolkits. Applications, `views` and `stores` use it.

    persistent_map  `Map`: the persistent map behind keyed stores, in C or in Python
    entities        the snapshot of a `KeyedStore`: an immutable mapping that is cheap to change at any size
    key_changes     `KeyChanges`: the keys that one commit of a keyed store added, updated, removed and moved
    key_source      the observed keys of a keyed store
    active          `Active`: which entity of a keyed store is the active one
    keyed_store     `KeyedStore`, and `ReadOnlyKeyed` without the methods that write
"""

from .active import Active
from .entities import Entities, Rank
from .key_changes import KeyChanges, longest_rising
from .keyed_store import KeyedStore, ReadOnlyKeyed
from .persistent_map import Map

__all__ = [
    "Active",
    "Entities",
    "KeyChanges",
    "KeyedStore",
    "Map",
    "Rank",
    "ReadOnlyKeyed",
    "longest_rising",
]
