"""`Order`: ids in the order in which they came, as an immutable value.

Adding, removing, and finding the neighbours of an id cost the same at ten and at a hundred thousand: each id knows the one
before it and the one after it. The tuple that UI code reads is made when a reader asks for it, once for each value. It holds no values; `roster` does.
"""

from __future__ import annotations

from collections.abc import Iterable

from reactive_ws.state import Map

__all__ = ["Order"]


class Order:
    """An immutable order of ids. Every change returns a new one.

    Args:
        ids: The first ids, in order; of several equal ones the first counts.
    """

    __slots__ = ("_after", "_before", "_first", "_ids", "_last")

    def __init__(self, ids: Iterable[str] = ()) -> None:
        found = tuple(dict.fromkeys(ids))
        self._before: Map[str, str | None] = Map(zip(found, (None, *found), strict=False))
        self._after: Map[str, str | None] = Map(zip(found, (*found[1:], None), strict=False))
        self._first = found[0] if found else None
        self._last = found[-1] if found else None
        self._ids: tuple[str, ...] | None = found

    def __repr__(self) -> str:
        return f"Order({self.ids()!r})"

    def __len__(self) -> int:
        return len(self._after)

    def __contains__(self, identity: object) -> bool:
        return identity in self._after

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Order):
            return NotImplemented
        return self is other or self.ids() == other.ids()

    def __hash__(self) -> int:
        return hash(self.ids())

    @property
    def first(self) -> str | None:
        """The first id; None when there is none."""
        return self._first

    def before(self, identity: str) -> str | None:
        """Returns the id before this one; None for the first one and for one that is not here."""
        found: str | None = self._before.get(identity)
        return found

    def after(self, identity: str) -> str | None:
        """Returns the id after this one; None for the last one and for one that is not here."""
        found: str | None = self._after.get(identity)
        return found

    def ids(self) -> tuple[str, ...]:
        """Returns all ids; the same tuple at each call."""
        found = self._ids
        if found is None:
            chain: list[str] = []
            after, at = self._after, self._first
            while at is not None:
                chain.append(at)
                at = after[at]
            found = self._ids = tuple(chain)
        return found

    def with_last(self, identity: str) -> Order:
        """Returns an order with this id at the end; this one when the id is here already."""
        if identity in self._after:
            return self
        last = self._last
        after = self._after.set(identity, None)
        if last is not None:
            after = after.set(last, identity)
        first = identity if self._first is None else self._first
        return self._made(self._before.set(identity, last), after, first, identity)

    def without(self, identity: str) -> Order:
        """Returns an order without this id; this one when the id is not here."""
        if identity not in self._after:
            return self
        before, after = self._before[identity], self._after[identity]
        befores, afters = self._before.delete(identity), self._after.delete(identity)
        first, last = self._first, self._last
        if before is None:
            first = after
        else:
            afters = afters.set(before, after)
        if after is None:
            last = before
        else:
            befores = befores.set(after, before)
        return self._made(befores, afters, first, last)

    @classmethod
    def _made(
        cls,
        before: Map[str, str | None],
        after: Map[str, str | None],
        first: str | None,
        last: str | None,
    ) -> Order:
        made = cls.__new__(cls)
        made._before, made._after = before, after
        made._first, made._last = first, last
        made._ids = None
        return made
