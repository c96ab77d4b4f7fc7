"""The rows of a view, made of whole snapshots or of the last rows and what changed.

A pipeline says where items come from (the entities of one store, or pairs of two), which of them are kept, and how they are
sorted. `build` and `step` are the two functions that `state.incremental` asks for. Pure; `view` puts pipelines together.
"""

# `replace` makes rows without a call.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final, TypeAlias, final

import attrs

from ..state import Delta, Entities, Map
from .rows import Rows
from .tree import Row, changed

__all__ = ["MISSING", "ItemChange", "Joined", "Pipeline", "with_key", "without"]

MISSING: Final[Any] = Delta.MISSING
"""Stands where there is no item."""

_Snapshot: TypeAlias = "Entities[Any, Any]"
_Delta: TypeAlias = "Delta[Any, Any]"
_Reverse: TypeAlias = "Map[Any, Map[Any, None]]"
ItemChange: TypeAlias = tuple[Any, Any, Any, Any, Any]
"""As `Delta.changes` gives it: key, old item, new item, old place, new place."""

_SOME = 8
"""A commit that touches more than one key in so many costs less when the rows are built again."""

_sort_key: Callable[[Row], Any] = itemgetter(0)
_Rows: Any = Rows
"""The bare class; a subscription at each call would cost more than the call."""


@final
class _Edge:
    """The sort key in place of one that is not equal to itself, such as a NaN: it has no place among the others.

    Args:
        is_largest: Whether it is larger than all others, or smaller.
    """

    __slots__ = ("_is_largest",)

    def __init__(self, *, is_largest: bool) -> None:
        self._is_largest = is_largest

    def __lt__(self, other: object) -> bool:
        return other is not self and not self._is_largest

    def __gt__(self, other: object) -> bool:
        return other is not self and self._is_largest


_LARGEST: Final = _Edge(is_largest=True)
_SMALLEST: Final = _Edge(is_largest=False)


@attrs.frozen
class Joined:
    """The rows of a join, and which keys of the left store look at a key of the right one."""

    rows: Rows[Any, Any]
    reverse: _Reverse


@attrs.frozen
class Pipeline:
    """A description of what a view shows.

    Attributes:
        keeps: Whether an item is shown; None: all are.
        sort_key: What items are sorted by; None: the order in which their keys came.
        is_reversed: Whether they are in falling order. Equal ones are in the order of their keys in both cases.
        on: The key of the right store that an entity of the left one looks at; None: there is one store only.
    """

    keeps: Callable[[Any], object] | None = None
    sort_key: Callable[[Any], Any] | None = None
    is_reversed: bool = False
    on: Callable[[Any], Any] | None = None

    @property
    def sign(self) -> int:
        """The factor of places, so that equal rows read in rising order from the end, too."""
        return -1 if self.is_reversed else 1

    @property
    def edge(self) -> object:
        """The sort key in place of one that is not equal to itself. Such rows come last, also in falling order."""
        return _SMALLEST if self.is_reversed else _LARGEST

    # --- one store ----------------------------------------------------------------------------------------------------

    def build(self, now: _Snapshot) -> Rows[Any, Any]:
        """Returns the rows of a whole snapshot."""
        return self.rows_of(now, [(key, now.get(key)) for key in now.in_order()])

    def step(self, rows: Rows[Any, Any], delta: _Delta) -> Rows[Any, Any]:
        """Returns the rows after a change."""
        changes = delta.changes()
        if len(changes) * _SOME > len(delta.new) + _SOME:
            return self.build(delta.new)
        return self.rows_changed(rows, changes)

    def replace(self, rows: Rows[Any, Any], key: Any, was: Any, now: Any, place: Any) -> Any:
        """Returns the rows after one entity was replaced. What `step` does, without calls between.

        Raises:
            LookupError: `step` has to look: a function of the view is not pure, or a sort key is not equal to itself.
        """
        keeps, sort_key = self.keeps, self.sort_key
        if self.is_reversed:
            place = -place
        root = rows._root
        before: Any = place
        after: Any = place
        if keeps is None or keeps(was):
            if sort_key is not None:
                before = sort_key(was)
            if keeps is not None and not keeps(now):
                root = changed(root, before, place, None, -1)
            else:
                if sort_key is not None:
                    after = sort_key(now)
                if after is not before and (before < after or after < before):
                    root = changed(root, before, place, None, -1)
                    root = changed(root, after, place, (after, place, key, now), 1)
                elif before != before or after != after:
                    raise LookupError("a sort key is not equal to itself")
                else:
                    # It stays where it is, under the sort key that it has.
                    root = changed(root, before, place, (before, place, key, now), 0)
        elif keeps(now):
            if sort_key is not None:
                after = sort_key(now)
                if after != after:
                    after = self.edge
            root = changed(root, after, place, (after, place, key, now), 1)
        else:
            return rows
        made = _Rows()
        made._root = root
        made._is_reversed = rows._is_reversed
        return made

    # --- two stores ---------------------------------------------------------------------------------------------------

    def build_joined(self, left: _Snapshot, right: _Snapshot) -> Joined:
        """Returns the rows of two whole snapshots: pairs of an entity and the one it looks at, or None."""
        pairs, reverse = self.pairs_of(left, right)
        return Joined(self.rows_of(left, pairs), reverse)

    def step_joined(self, joined: Joined, left: _Delta, right: _Delta) -> Joined:
        """Returns the rows of a join after a change of one store or of both."""
        found = self.pairs_changed(joined.reverse, left, right)
        if found is None:
            return self.build_joined(left.new, right.new)
        changes, reverse = found
        return Joined(self.rows_changed(joined.rows, changes), reverse)

    def pairs_of(self, left: _Snapshot, right: _Snapshot) -> tuple[list[tuple[Any, Any]], _Reverse]:
        """Returns key and pair of each entity of the left store, and which keys look at a key of the right one."""
        on = self.on
        assert on is not None
        pairs: list[tuple[Any, Any]] = []
        looking: dict[Any, dict[Any, None]] = {}
        for key in left.in_order():
            entity = left.get(key)
            other = on(entity)
            pairs.append((key, (entity, right.get(other))))
            looking.setdefault(other, {})[key] = None
        return pairs, Map({other: Map(keys) for other, keys in looking.items()})

    def pairs_changed(
        self, reverse: _Reverse, left: _Delta, right: _Delta
    ) -> tuple[list[ItemChange], _Reverse] | None:
        """Returns the changes of pairs, and which keys look at a key of the right store after them.

        None when so much changed that building again costs less.
        """
        on = self.on
        assert on is not None
        keys = dict.fromkeys(left.keys)
        for other in right.keys:
            for key in reverse.get(other, ()):
                keys[key] = None
        if len(keys) * _SOME > len(left.new) + _SOME:
            return None

        def pair(entity: Any, snapshot: _Snapshot) -> Any:
            return MISSING if entity is MISSING else (entity, snapshot.get(on(entity)))

        everything = Delta(left.old, left.new, tuple(keys)).changes()
        changes = [
            (key, pair(was, right.old), pair(now, right.new), place_before, place)
            for key, was, now, place_before, place in everything
        ]
        for key, was, now, _, _ in left.changes():
            before = MISSING if was is MISSING else on(was)
            after = MISSING if now is MISSING else on(now)
            if before is not MISSING:
                reverse = without(reverse, before, key)
            if after is not MISSING:
                reverse = with_key(reverse, after, key, None)
        return changes, reverse

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows_of(self, now: _Snapshot, items: list[tuple[Any, Any]]) -> Rows[Any, Any]:
        """Returns the rows of items that are in the order of their keys."""
        keeps, sort_key = self.keeps, self.sort_key
        sign = self.sign
        kept = items if keeps is None else [pair for pair in items if keeps(pair[1])]
        if sort_key is None:
            places = [sign * now.place_of(key) for key, _ in kept]
            rows = [(place, place, *pair) for place, pair in zip(places, kept, strict=True)]
        else:
            rows = [
                (self.sortable(item), sign * now.place_of(key), key, item) for key, item in kept
            ]
        if self.is_reversed:
            rows.reverse()
        if sort_key is not None:
            # Sorting is stable, so that the places decide without being compared.
            rows.sort(key=_sort_key)
        return Rows[Any, Any].of(rows, is_reversed=self.is_reversed)

    def rows_changed(self, rows: Rows[Any, Any], changes: Iterable[ItemChange]) -> Rows[Any, Any]:
        """Returns rows after some items changed; each as `Delta.changes` gives it."""
        gone: list[tuple[Any, Any]] = []
        come: list[Row] = []
        for change in changes:
            name, row = self.difference(change)
            if name is not None:
                gone.append(name)
            if row is not None:
                come.append(row)
        return rows.changed(gone, come) if gone or come else rows

    def sortable(self, item: Any) -> Any:
        """Returns the sort key of an item of a sorted view."""
        sort_key = self.sort_key
        assert sort_key is not None
        value = sort_key(item)
        return self.edge if value != value else value

    def difference(self, change: ItemChange) -> tuple[tuple[Any, Any] | None, Row | None]:
        """Returns sort key and place of the row that goes, and the row that comes; each may be None.

        A row that keeps its place is both.
        """
        key, was, now, place_before, place = change
        keeps, sign = self.keeps, self.sign
        is_sorted = self.sort_key is not None
        gone: tuple[Any, Any] | None = None
        if was is not MISSING and (keeps is None or keeps(was)):
            at = sign * place_before
            gone = (self.sortable(was) if is_sorted else at, at)
        if now is MISSING or not (keeps is None or keeps(now)):
            return gone, None
        value = self.sortable(now) if is_sorted else sign * place
        if gone is not None and place == place_before:
            before = gone[0]
            if before is value or not (before < value or value < before):
                # It stays where it is, under the sort key that it has.
                value = before
        return gone, (value, sign * place, key, now)


def with_key(groups: Any, group: Any, key: Any, item: Any) -> Any:
    """Returns groups with an item in one of them; a group that is not there is made."""
    empty: Map[Any, Any] = Map()
    return groups.set(group, groups.get(group, empty).set(key, item))


def without(reverse: Any, group: Any, key: Any) -> Any:
    """Returns groups without a key in one of them; a group without keys goes."""
    keys = reverse[group].delete(key)
    return reverse.set(group, keys) if keys else reverse.delete(group)
