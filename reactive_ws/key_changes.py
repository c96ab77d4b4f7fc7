"""What one commit of a keyed store did to its keys: the values of its `events` stream. It sees no store, only snapshots."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import attrs

from .entities import Entities

__all__ = ["KeyChanges"]

K = TypeVar("K")


@attrs.frozen
class KeyChanges(Generic[K]):
    """What one commit did to the keys of a keyed store.

    Attributes:
        added, updated, removed: Keys, each in the order of the writes.
    """

    added: tuple[K, ...] = ()
    updated: tuple[K, ...] = ()
    removed: tuple[K, ...] = ()

    @classmethod
    def between(cls, old: Entities[K, Any], new: Entities[K, Any]) -> KeyChanges[K]:
        """Returns what led from one snapshot to the next one."""
        added: list[K] = []
        updated: list[K] = []
        removed: list[K] = []
        for key in new._touched:
            if key in new:
                (updated if key in old else added).append(key)
            elif key in old:
                removed.append(key)
        return cls(tuple(added), tuple(updated), tuple(removed))
