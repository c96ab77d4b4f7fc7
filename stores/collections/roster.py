"""`Roster` and `IdSet`: values by id in the order in which they came, and a set of ids, both as immutable values.

Adding, replacing, removing and finding one cost the same at ten and at a hundred thousand. The tuple and the frozenset that UI code
reads are made when a reader asks for them, once for each value of the collection. They know no sessions and do not sort.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from reactive_ws.state import Entities, Map

__all__ = ["IdSet", "Roster"]

T = TypeVar("T")


class Roster(Generic[T]):
    """An immutable collection of values by id. Every change returns a new one.

    Args:
        values: The first values by id, in order.
    """

    __slots__ = ("_by_id", "_in_order")

    def __init__(self, values: Mapping[str, T] | None = None) -> None:
        self._by_id: Entities[str, T]
        if isinstance(values, Entities):
            self._by_id = values
        else:
            self._by_id = Entities[str, T].of(dict(values or {}))
        self._in_order: tuple[T, ...] | None = None

    def __repr__(self) -> str:
        return f"Roster({dict(self._by_id)!r})"

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, identity: object) -> bool:
        return identity in self._by_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Roster):
            return NotImplemented
        return self is other or self.in_order() == other.in_order()

    __hash__ = None  # type: ignore[assignment]  # the values may have none

    def get(self, identity: str) -> T | None:
        """Returns the value with this id, or None."""
        found: T | None = self._by_id.get(identity)
        return found

    def in_order(self) -> tuple[T, ...]:
        """Returns the values in the order in which their ids came; the same tuple at each call."""
        found = self._in_order
        if found is None:
            found = self._in_order = tuple(self._by_id.values())
        return found

    def with_one(self, identity: str, value: T) -> Roster[T]:
        """Returns a collection with this value: in the place of the one with its id, or at the end."""
        return Roster(self._by_id.with_one(identity, value))

    def without(self, identity: str) -> Roster[T]:
        """Returns a collection without the value with this id; this one when there is none."""
        return Roster(self._by_id.without((identity,))) if identity in self._by_id else self


class IdSet:
    """An immutable set of ids. Every change returns a new one.

    Args:
        ids: The first ids.
    """

    __slots__ = ("_frozen", "_ids")

    def __init__(self, ids: Iterable[str] | Map[str, None] = ()) -> None:
        self._ids: Map[str, None] = ids if isinstance(ids, Map) else Map(dict.fromkeys(ids))
        self._frozen: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"IdSet({sorted(self._ids)!r})"

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, identity: object) -> bool:
        return identity in self._ids

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdSet):
            return NotImplemented
        return self is other or self.frozen() == other.frozen()

    def __hash__(self) -> int:
        return hash(self.frozen())

    def frozen(self) -> frozenset[str]:
        """Returns the ids; the same set at each call."""
        found = self._frozen
        if found is None:
            found = self._frozen = frozenset(self._ids)
        return found

    def with_one(self, identity: str) -> IdSet:
        """Returns a set with this id; this one when it is here."""
        return self if identity in self._ids else IdSet(self._ids.set(identity, None))

    def without(self, identity: str) -> IdSet:
        """Returns a set without this id; this one when it is not here."""
        return IdSet(self._ids.delete(identity)) if identity in self._ids else self
