"""Immutable rows in an order: the value of a view.

The rows are the leaves of a balanced tree (a B+ tree), in nodes of at most 64. A change copies the nodes on the way to it
and shares all others with the rows before it. So a change costs a search and the copy of some 150 pointers at 100 000 rows.
Old values stay as they were, and comparing nodes finds the difference between two values. Two levels of lists were as fast
at 100 000 rows, but their copies grow with the square root of the rows. `sortedcontainers` changes a list in place, so an
observer could not keep what it was given. Knows no store: `pipeline` makes the rows.
"""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import accumulate
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from ..engine import refuse_copy
from .list_changes import Change, Insert, Move, Remove, Update, list_changes

__all__ = ["Row", "Rows"]

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

Row: TypeAlias = "tuple[Any, Any, Any, Any]"
"""(sort key, place, key, entity). Sort key and place alone decide the order; no two rows have the same place."""

_MOST = 64
"""Items of a node; one that has more is split. Larger nodes cost more to copy, smaller ones make the tree higher."""
_FEW = 16
"""A node with fewer items is joined with its neighbour, or removals would leave more and more small ones."""


class _Node:
    """A node of the tree: rows at level 0, nodes of the level below above it. Not changed once its rows are a value."""

    __slots__ = ("edit", "ends", "items", "last", "level", "size")

    def __init__(self, items: list[Any], last: Row, size: int, level: int, edit: object) -> None:
        self.items = items
        # The last row below this node.
        self.last = last
        # How many rows there are below it.
        self.size = size
        self.level = level
        # Which change made the node; only that one may still write to it.
        self.edit = edit
        self.ends: list[int] | None = None


_last: Callable[[_Node], Any] = attrgetter("last")
_size: Callable[[_Node], int] = attrgetter("size")
_key: Callable[[Row], Hashable] = itemgetter(2)


def _node(items: list[Any], level: int, edit: object) -> _Node:
    if level:
        return _Node(items, items[-1].last, sum(map(_size, items)), level, edit)
    return _Node(items, items[-1], len(items), 0, edit)


def _tree(rows: list[Row]) -> _Node | None:
    """Returns the tree of sorted rows."""
    nodes: list[Any] = rows
    level, step, edit = 0, max(_MOST * 3 // 4, 1), object()
    while nodes and (level == 0 or len(nodes) > 1):
        nodes = [
            _node(nodes[start : start + step], level, edit) for start in range(0, len(nodes), step)
        ]
        level += 1
    return nodes[0] if nodes else None


def _own(node: _Node, edit: object) -> _Node:
    """Returns a node that this change may write to: the node itself or a copy."""
    if node.edit is edit:
        node.ends = None
        return node
    return _Node(node.items.copy(), node.last, node.size, node.level, edit)


def _inserted(node: _Node, row: Row, name: tuple[Any, Any], edit: object) -> _Node:
    """Returns a node with a row more, or with the row instead of one with the same sort key and place."""
    node = _own(node, edit)
    items = node.items
    if not node.level:
        at = bisect_left(items, name)
        if at < len(items) and items[at][1] == name[1]:
            items[at] = row
        else:
            items.insert(at, row)
            node.size += 1
        node.last = items[-1]
        return node
    at = bisect_left(items, name, key=_last)
    if at == len(items):
        at -= 1
    before = items[at].size
    child = _inserted(items[at], row, name, edit)
    node.size += child.size - before
    items[at] = child
    if len(child.items) > _MOST:
        half = len(child.items) // 2
        rest = child.items[half:]
        del child.items[half:]
        items[at : at + 1] = [
            _node(child.items, child.level, edit),
            _node(rest, child.level, edit),
        ]
    node.last = items[-1].last
    return node


def _removed(node: _Node, name: tuple[Any, Any], edit: object) -> _Node | None:
    """Returns a node without a row; None when nothing is left.

    Raises:
        LookupError: the row is not there.
    """
    items = node.items
    if not node.level:
        at = bisect_left(items, name)
        if at == len(items) or items[at][1] != name[1]:
            raise LookupError("a row is not where its sort key says")
        node = _own(node, edit)
        items = node.items
        del items[at]
        node.size -= 1
    else:
        at = bisect_left(items, name, key=_last)
        if at == len(items):
            raise LookupError("a row is not where its sort key says")
        child = _removed(items[at], name, edit)
        node = _own(node, edit)
        items = node.items
        node.size -= 1
        if child is None:
            del items[at]
        else:
            items[at] = child
            if len(child.items) < _FEW and len(items) > 1:
                left = min(at, len(items) - 2)
                if len(items[left].items) + len(items[left + 1].items) <= _MOST * 3 // 4:
                    joined = items[left].items + items[left + 1].items
                    items[left : left + 2] = [_node(joined, child.level, edit)]
    if not items:
        return None
    node.last = items[-1].last if node.level else items[-1]
    return node


def _leaves(node: _Node | None) -> Iterator[list[Row]]:
    """Yields the rows of each leaf, in their order."""
    if node is None:
        return
    if not node.level:
        yield node.items
        return
    for child in node.items:
        yield from _leaves(child)


class Rows(Sequence[V_co], Generic[K, V_co]):
    """Entities of a keyed store in the order of a view: an immutable sequence.

    Reading a row by its index costs a search, a slice also its length. Made by a view.
    """

    __slots__ = ("__weakref__", "_is_reversed", "_root")

    __reduce_ex__ = refuse_copy

    def __init__(self, root: _Node | None, *, is_reversed: bool) -> None:
        self._root = root
        # Rows in falling order are kept in rising order and read from the end.
        self._is_reversed = is_reversed

    @classmethod
    def of(cls, rows: list[Row], *, is_reversed: bool) -> Rows[K, V_co]:
        """Returns rows with these, which are sorted already."""
        return cls(_tree(rows), is_reversed=is_reversed)

    def __repr__(self) -> str:
        return f"<Rows of {len(self)}>"

    def __len__(self) -> int:
        return 0 if self._root is None else self._root.size

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

    def changed(self, gone: Iterable[tuple[Any, Any]], come: Iterable[Row]) -> Rows[K, V_co]:
        """Returns these rows without some, and with others.

        Args:
            gone: Sort key and place of rows to take out.
            come: New rows. One with the sort key and the place of a row that is there replaces it.

        Raises:
            LookupError: one of `gone` is not there: the function that makes sort keys is not pure.
        """
        root, edit = self._root, object()
        for name in gone:
            if root is None:
                raise LookupError("a row is not where its sort key says")
            root = _removed(root, name, edit)
        for row in come:
            if root is None:
                root = _node([row], 0, edit)
                continue
            root = _inserted(root, row, row[:2], edit)
            if len(root.items) > _MOST:
                half = len(root.items) // 2
                level = root.level
                parts = [
                    _node(root.items[:half], level, edit),
                    _node(root.items[half:], level, edit),
                ]
                root = _node(parts, level + 1, edit)
        while root is not None and root.level and len(root.items) == 1:
            root = root.items[0]
        return Rows(root, is_reversed=self._is_reversed)

    def _rows(self) -> Iterator[Row]:
        if self._is_reversed:
            for leaf in reversed(list(_leaves(self._root))):
                yield from reversed(leaf)
        else:
            for leaf in _leaves(self._root):
                yield from leaf

    def _row(self, index: int) -> Row:
        at = len(self) - 1 - index if self._is_reversed else index
        node = self._root
        assert node is not None
        while node.level:
            ends = _ends_of(node)
            child = bisect_right(ends, at)
            node = cast("_Node", node.items[child])
            at -= ends[child] - node.size
        return cast("Row", node.items[at])

    def _between(self, start: int, stop: int) -> Iterator[Row]:
        """Yields the rows of a window."""
        if start >= stop or self._root is None:
            return
        if self._is_reversed:
            length = len(self)
            yield from reversed(list(_part(self._root, length - stop, length - start)))
        else:
            yield from _part(self._root, start, stop)


def _ends_of(node: _Node) -> list[int]:
    """Returns for each child how many rows there are to its end; made when it is first asked for."""
    if node.ends is None:
        node.ends = list(accumulate(map(_size, node.items)))
    return node.ends


def _part(node: _Node, start: int, stop: int) -> Iterator[Row]:
    """Yields the rows with these indexes."""
    if not node.level:
        yield from node.items[start:stop]
        return
    ends = _ends_of(node)
    at = bisect_right(ends, start)
    while at < len(ends) and (begin := ends[at] - node.items[at].size) < stop:
        child = node.items[at]
        yield from _part(child, max(0, start - begin), min(child.size, stop - begin))
        at += 1


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


def _regions(older: _Node | None, newer: _Node | None, *, is_reversed: bool) -> list[_Region]:
    """Returns the rows that differ, between shared nodes. Shared nodes have the same order in both."""
    old, new = _differing(older, newer)
    if is_reversed:
        old.reverse()
        new.reverse()

    def flat(nodes: list[_Node]) -> list[Row]:
        # What is not shared is a leaf; see `_differing`.
        return [
            row for node in nodes for row in (reversed(node.items) if is_reversed else node.items)
        ]

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
        before += node.size
        old_start, new_start = at + 1, index + 1
    regions.append(_Region(flat(old[old_start:]), flat(new[new_start:]), before))
    return regions


def _differing(older: _Node | None, newer: _Node | None) -> tuple[list[_Node], list[_Node]]:
    """Returns the nodes of two trees, each in order, so that a node which only one of them has is a leaf."""
    old: list[_Node] = [] if older is None else [older]
    new: list[_Node] = [] if newer is None else [newer]
    level = max((node.level for node in (*old, *new)), default=0)
    while level:
        shared = set(map(id, old)) & set(map(id, new))
        old = list(_opened(old, level, shared))
        new = list(_opened(new, level, shared))
        level -= 1
    return old, new


def _opened(nodes: list[_Node], level: int, shared: set[int]) -> Iterator[_Node]:
    for node in nodes:
        if node.level == level and id(node) not in shared:
            yield from node.items
        else:
            yield node


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
