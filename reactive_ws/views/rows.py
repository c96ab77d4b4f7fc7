"""Immutable rows in an order: the value of a view.

The rows are the leaves of a balanced tree (a B+ tree). A change copies the nodes on the way to it
and shares all others with the rows before it. So a change costs a search and the copy of some 150 pointers at 100 000 rows.
Old values stay as they were, and comparing nodes finds the difference between two values. Two levels of lists were as fast
at 100 000 rows, but their copies grow with the square root of the rows. `sortedcontainers` changes a list in place, so an
observer could not keep what it was given. Knows no store: `pipeline` makes the rows.
"""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast, overload

from ..engine import refuse_copy
from .list_changes import Change, Insert, Move, Remove, Update, list_changes
from .tree import (
    Leaf,
    Row,
    changed,
    changed_many,
    children_of,
    is_inner,
    leaves_of,
    part_of,
    row_at,
    size_of,
    tree_of,
)

__all__ = ["Rows"]

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

_A_FEW = 8
_PER_CHANGE = 256
"""More than a few changes, at least one in so many rows, cost less when the leaves are walked once."""

_key: Callable[[Row], Hashable] = itemgetter(2)


class Rows(Sequence[V_co], Generic[K, V_co]):
    """Entities of a keyed store in the order of a view: an immutable sequence.

    Reading a row by its index costs a search, a slice also its length. Made by a view.
    """

    __slots__ = ("__weakref__", "_is_reversed", "_root")

    __reduce_ex__ = refuse_copy

    # No __init__: a call of a class that has one costs as much as a copied leaf. See `_rows`.
    _root: Any
    """A tree: a node or a leaf."""
    _is_reversed: bool
    """Whether the rows are in falling order. They are kept in rising order and read from the end."""

    @classmethod
    def of(cls, rows: list[Row], *, is_reversed: bool) -> Rows[K, V_co]:
        """Returns rows with these, which are sorted already."""
        return _rows(tree_of(rows), is_reversed=is_reversed)

    def __repr__(self) -> str:
        return f"<Rows of {len(self)}>"

    def __len__(self) -> int:
        return size_of(self._root)

    @overload
    def __getitem__(self, index: int) -> V_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[V_co, ...]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            wanted = range(*index.indices(len(self)))
            if wanted.step != 1:
                return tuple(self._row(at)[3] for at in wanted)
            return tuple(row[3] for row in self._between(wanted.start, wanted.stop))
        length = len(self)
        at = index + length if index < 0 else index
        if not 0 <= at < length:
            raise IndexError(f"there are {length} rows; got index {index}")
        return self._row(at)[3]

    def __iter__(self) -> Iterator[V_co]:
        return (row[3] for row in self._rows())

    def keys(self) -> tuple[K, ...]:
        """Returns the keys in the order of the rows."""
        return tuple(row[2] for row in self._rows())

    def items(self) -> Iterator[tuple[K, V_co]]:
        """Yields key and entity of each row, in their order."""
        return ((row[2], row[3]) for row in self._rows())

    def key_at(self, index: int) -> K:
        """Returns the key of the row with this index.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} rows; got index {index}")
        return cast("K", self._row(index)[2])

    def changes_since(self, older: Rows[K, Any]) -> tuple[Change[V_co], ...]:
        """Returns the operations that turn older rows into these; see `list_changes`.

        Costs the rows in chunks that are not shared, not the number of all rows. Any two values of one view can be
        compared, also when others came between. The rows of another view share nothing, so all of them are compared.
        """
        if older._is_reversed == self._is_reversed:
            regions = _regions(older._root, self._root, is_reversed=self._is_reversed)
        else:
            # Shared nodes are in opposite orders.
            regions = [_Region(list(older._rows()), list(self._rows()), 0)]
        return tuple(_changes(regions))

    # --- for views ----------------------------------------------------------------------------------------------------

    def changed(self, gone: list[tuple[Any, Any]], come: list[Row]) -> Rows[K, V_co]:
        """Returns these rows without some, and with others.

        Args:
            gone: Sort key and place of rows to take out.
            come: New rows. One with the sort key and the place of one of `gone` replaces it.

        Raises:
            LookupError: one of `gone` is not there, or one of `come` is: a function of the view is not pure.
        """
        root = self._root
        count = len(gone) + len(come)
        if count > _A_FEW and count * _PER_CHANGE > len(self):
            return _rows(changed_many(root, gone, come), is_reversed=self._is_reversed)
        coming = {row[1]: row for row in come}
        for name in gone:
            row = coming.get(name[1])
            if row is not None and row[0] is name[0]:
                root = changed(root, *name, row, 0)
                del coming[name[1]]
            else:
                root = changed(root, *name, None, -1)
        for row in coming.values():
            root = changed(root, row[0], row[1], row, 1)
        return _rows(root, is_reversed=self._is_reversed)

    def _rows(self) -> Iterator[Row]:
        if self._is_reversed:
            for leaf in reversed(list(leaves_of(self._root))):
                yield from reversed(leaf)
        else:
            for leaf in leaves_of(self._root):
                yield from leaf

    def _row(self, index: int) -> Row:
        at = len(self) - 1 - index if self._is_reversed else index
        return row_at(self._root, at)

    def _between(self, start: int, stop: int) -> Iterator[Row]:
        """Yields the rows of a window."""
        if start >= stop:
            return
        if self._is_reversed:
            length = len(self)
            yield from reversed(list(part_of(self._root, length - stop, length - start)))
        else:
            yield from part_of(self._root, start, stop)


def _rows(root: Any, *, is_reversed: bool) -> Rows[Any, Any]:
    """Returns rows with a tree."""
    made: Rows[Any, Any] = Rows()
    made._root = root
    made._is_reversed = is_reversed
    return made


# --- differences --------------------------------------------------------------------------------------------------------


class _Region:
    """Rows between two chunks that both values share."""

    __slots__ = ("before", "new", "old")

    def __init__(self, old: list[Row], new: list[Row], before: int) -> None:
        self.old = old
        self.new = new
        # How many shared rows there are between the region before and this one.
        self.before = before


def _changes(regions: list[_Region]) -> Iterator[Change[Any]]:
    yield from _moves_between(regions)
    offset = 0
    for region in regions:
        offset += region.before
        was = {row[2]: row[3] for row in region.old}
        for change in list_changes(region.old, region.new, _key):
            match change:
                case Insert(index, row):
                    yield Insert(offset + index, row[3])
                case Remove(index):
                    yield Remove(offset + index)
                case Move(source, target):
                    yield Move(offset + source, offset + target)
                case Update(index, row):
                    if was[row[2]] is not row[3]:
                        yield Update(offset + index, row[3])
        offset += len(region.new)


def _regions(older: Any, newer: Any, *, is_reversed: bool) -> list[_Region]:
    """Returns the rows that differ, between shared nodes. Shared nodes have the same order in both."""
    old, new = _differing(older, newer)
    if is_reversed:
        old.reverse()
        new.reverse()

    def flat(leaves: list[Leaf]) -> list[Row]:
        # What is not shared is a leaf; see `_differing`.
        return [row for leaf in leaves for row in (reversed(leaf) if is_reversed else leaf)]

    place = {id(node): index for index, node in enumerate(old)}
    regions: list[_Region] = []
    old_start = new_start = before = 0
    for index, node in enumerate(new):
        at = place.get(id(node))
        if at is None:
            continue
        if at > old_start or index > new_start:
            regions.append(_Region(flat(old[old_start:at]), flat(new[new_start:index]), before))
            before = 0
        before += size_of(node)
        old_start, new_start = at + 1, index + 1
    regions.append(_Region(flat(old[old_start:]), flat(new[new_start:]), before))
    return regions


def _differing(older: Any, newer: Any) -> tuple[list[Any], list[Any]]:
    """Returns the nodes of two trees, each in order, so that a node which only one of them has is a leaf."""
    old, new = [older], [newer]
    height, other_height = _height(older), _height(newer)
    for level in range(max(height, other_height), 0, -1):
        shared = set(map(id, old)) & set(map(id, new))
        if level <= height:
            old = list(_opened(old, shared))
        if level <= other_height:
            new = list(_opened(new, shared))
    return old, new


def _height(root: Any) -> int:
    """Returns how many levels of nodes there are above the leaves."""
    height = 0
    while is_inner(root):
        root = children_of(root)[0]
        height += 1
    return height


def _opened(nodes: list[Any], shared: set[int]) -> Iterator[Any]:
    for node in nodes:
        if id(node) in shared:
            yield node
        else:
            yield from children_of(node)


def _moves_between(regions: list[_Region]) -> Iterator[Change[Any]]:
    """Yields the moves of rows from one region to another, and does them to `old` of the regions."""
    if len(regions) < 2:
        return
    home = {row[2]: number for number, region in enumerate(regions) for row in region.old}
    for number, region in enumerate(regions):
        for index, row in enumerate(region.new):
            origin = home.get(row[2], number)
            if origin == number:
                continue
            left = regions[origin].old
            place = next(at for at, other in enumerate(left) if other[2] == row[2])
            source = _offset(regions, origin) + place
            came = left.pop(place)
            target = _after_neighbour(region, index)
            region.old.insert(target, came)
            yield Move(source, _offset(regions, number) + target)


def _after_neighbour(region: _Region, index: int) -> int:
    """Returns the place in `old` behind the nearest row before this one in `new` that is there."""
    at = {row[2]: place for place, row in enumerate(region.old)}
    for row in reversed(region.new[:index]):
        if row[2] in at:
            return at[row[2]] + 1
    return 0


def _offset(regions: list[_Region], number: int) -> int:
    """Returns the index of the first row of a region in the list as it is now."""
    return sum(region.before for region in regions[: number + 1]) + sum(
        len(region.old) for region in regions[:number]
    )
