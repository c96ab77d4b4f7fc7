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
from operator import itemgetter
from typing import Any, Generic, TypeAlias, TypeGuard, TypeVar, cast, overload

from ..engine import refuse_copy
from .list_changes import Change, Insert, Move, Remove, Update, list_changes

__all__ = ["Row", "Rows"]

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)

Row: TypeAlias = "tuple[Any, Any, Any, Any]"
"""(sort key, place, key, entity). Sort key and place alone decide the order; no two rows have the same place."""

_Leaf: TypeAlias = "list[Row]"
"""The rows of a leaf, in their order. Not changed once its rows are a value."""

_Inner: TypeAlias = "tuple[list[Any], list[Row], int, list[int]]"
"""A node above the leaves: its children, the last row of each, the number of rows, and see `_ends_of`.

A tuple and not a class: a change makes a node for each level, and to make an object costs as much as to copy a leaf.
"""

_MOST = 64
"""Items of a node; one that has more is split. Larger nodes cost more to copy, smaller ones make the tree higher."""
_FEW = 16
"""A node with fewer items is joined with its neighbour, or removals would leave more and more small ones."""

_key: Callable[[Row], Hashable] = itemgetter(2)
_size_of_inner: Callable[[_Inner], int] = itemgetter(2)


def _is_inner(node: Any) -> TypeGuard[_Inner]:
    return node.__class__ is tuple


def _sizes(children: list[Any]) -> Iterable[int]:
    """Returns how many rows each of the children of one node has."""
    return map(_size_of_inner if _is_inner(children[0]) else len, children)


def _inner(children: list[Any], lasts: list[Row]) -> _Inner:
    return children, lasts, sum(_sizes(children)), []


def _last_of(node: Any) -> Row:
    """Returns the last row of a node."""
    rows: list[Row] = node[1] if _is_inner(node) else node
    return rows[-1]


def _tree(rows: list[Row]) -> Any:
    """Returns the tree of sorted rows; None without rows."""
    step = max(_MOST * 3 // 4, 2)
    nodes: list[Any] = [rows[start : start + step] for start in range(0, len(rows), step)]
    while len(nodes) > 1:
        groups = [nodes[start : start + step] for start in range(0, len(nodes), step)]
        nodes = [_inner(group, list(map(_last_of, group))) for group in groups]
    return nodes[0] if nodes else None


def _changed(root: Any, name: tuple[Any, Any], row: Row | None) -> Any:
    """Returns a tree with a row more, with another row instead of one, or with a row less.

    One loop down and one up, and no calls between: most of what a view costs is here.

    Args:
        root: The tree; not None.
        name: Sort key and place of the row.
        row: The new row; it replaces the one with its name. None: the row goes.

    Raises:
        LookupError: the row that goes is not there.
    """
    path: list[tuple[_Inner, int]] = []
    node = root
    while node.__class__ is tuple:
        lasts = node[1]
        at = bisect_left(lasts, name)
        if at == len(lasts):
            at -= 1
        path.append((node, at))
        node = node[0][at]
    at = bisect_left(node, name)
    is_there = at < len(node) and node[at][1] == name[1]
    leaf: list[Row] = node.copy()
    more = 0
    if row is None:
        if not is_there:
            raise LookupError("a row is not where its sort key says")
        del leaf[at]
        more = -1
    elif is_there:
        leaf[at] = row
    else:
        leaf.insert(at, row)
        more = 1
    if not _FEW <= len(leaf) <= _MOST:
        return _fitted(path, leaf)
    last = leaf[-1]
    child: Any = leaf
    while path:
        (children, lasts, size, _), at = path.pop()
        children = children.copy()
        children[at] = child
        if lasts[at] is not last:
            lasts = lasts.copy()
            lasts[at] = last
        last = lasts[-1]
        child = (children, lasts, size + more, [])
    return child


def _fitted(path: list[tuple[_Inner, int]], leaf: list[Row]) -> Any:
    """Returns the tree with a leaf at the end of a path, after it was split, joined or left out by its length."""
    parts: list[Any] = _split(leaf)
    while path:
        (children, lasts, _, _), at = path.pop()
        end = at + 1
        if len(parts) == 1 and len(children) > 1 and _width(parts[0]) < _FEW:
            begin = min(at, len(children) - 2)
            pair = [parts[0] if at == place else children[place] for place in (begin, begin + 1)]
            if _width(pair[0]) + _width(pair[1]) <= _MOST * 3 // 4:
                at, end, parts = begin, begin + 2, [_joined(*pair)]
        children = [*children[:at], *parts, *children[end:]]
        lasts = [*lasts[:at], *map(_last_of, parts), *lasts[end:]]
        halves = zip(_split(children), _split(lasts), strict=True)
        parts = [_inner(below, ends) for below, ends in halves]
    if not parts:
        return None
    root = parts[0] if len(parts) == 1 else _inner(parts, list(map(_last_of, parts)))
    while _is_inner(root) and len(root[0]) == 1:
        root = root[0][0]
    return root


def _split(items: list[Any]) -> list[list[Any]]:
    """Returns the items in no list, in one list, or in two when there are too many for one."""
    if len(items) <= _MOST:
        return [items] if items else []
    half = len(items) // 2
    return [items[:half], items[half:]]


def _width(node: Any) -> int:
    return len(node[0]) if _is_inner(node) else len(node)


def _joined(left: Any, right: Any) -> Any:
    if _is_inner(left):
        return _inner(left[0] + right[0], left[1] + right[1])
    return left + right


def _leaves(node: Any) -> Iterator[list[Row]]:
    """Yields the leaves of a tree in their order."""
    if node is None:
        return
    if not _is_inner(node):
        yield node
        return
    for child in node[0]:
        yield from _leaves(child)


def _size(node: Any) -> int:
    """Returns how many rows there are below a node."""
    return node[2] if _is_inner(node) else len(node)


class Rows(Sequence[V_co], Generic[K, V_co]):
    """Entities of a keyed store in the order of a view: an immutable sequence.

    Reading a row by its index costs a search, a slice also its length. Made by a view.
    """

    __slots__ = ("__weakref__", "_is_reversed", "_root")

    __reduce_ex__ = refuse_copy

    def __init__(self, root: Any, is_reversed: bool) -> None:  # noqa: FBT001 - a keyword costs time in each change
        # A tree: a node, a leaf, or None without rows.
        self._root = root
        # Rows in falling order are kept in rising order and read from the end.
        self._is_reversed = is_reversed

    @classmethod
    def of(cls, rows: list[Row], *, is_reversed: bool) -> Rows[K, V_co]:
        """Returns rows with these, which are sorted already."""
        return cls(_tree(rows), is_reversed)

    def __repr__(self) -> str:
        return f"<Rows of {len(self)}>"

    def __len__(self) -> int:
        return 0 if self._root is None else _size(self._root)

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
        rows = self
        for name in gone:
            rows = rows.changed_once(name, None)
        for row in come:
            rows = rows.changed_once(None, row)
        return rows

    def changed_once(self, gone: tuple[Any, Any] | None, come: Row | None) -> Rows[K, V_co]:
        """Returns these rows after one change; as `changed` with at most one row in each list."""
        root = self._root
        if gone is not None:
            if root is None:
                raise LookupError("a row is not where its sort key says")
            root = _changed(root, gone, None)
        if come is not None:
            root = [come] if root is None else _changed(root, come[:2], come)
        return Rows(root, self._is_reversed)

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
        while _is_inner(node):
            ends = _ends_of(node)
            child = bisect_right(ends, at)
            if child:
                at -= ends[child - 1]
            node = node[0][child]
        return cast("Row", node[at])

    def _between(self, start: int, stop: int) -> Iterator[Row]:
        """Yields the rows of a window."""
        if start >= stop or self._root is None:
            return
        if self._is_reversed:
            length = len(self)
            yield from reversed(list(_part(self._root, length - stop, length - start)))
        else:
            yield from _part(self._root, start, stop)


def _ends_of(node: _Inner) -> list[int]:
    """Returns for each child how many rows there are to its end; made when it is first asked for."""
    children, _, _, ends = node
    if not ends:
        # Two threads may both do this; each puts the same numbers.
        ends[:] = accumulate(_sizes(children))
    return ends


def _part(node: Any, start: int, stop: int) -> Iterator[Row]:
    """Yields the rows with these indexes."""
    if not _is_inner(node):
        yield from node[start:stop]
        return
    children, ends = node[0], _ends_of(node)
    at = bisect_right(ends, start)
    begin = ends[at - 1] if at else 0
    while at < len(ends) and begin < stop:
        end = ends[at]
        yield from _part(children[at], max(0, start - begin), min(end, stop) - begin)
        begin = end
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


def _regions(older: Any, newer: Any, *, is_reversed: bool) -> list[_Region]:
    """Returns the rows that differ, between shared nodes. Shared nodes have the same order in both."""
    old, new = _differing(older, newer)
    if is_reversed:
        old.reverse()
        new.reverse()

    def flat(leaves: list[_Leaf]) -> list[Row]:
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
        before += _size(node)
        old_start, new_start = at + 1, index + 1
    regions.append(_Region(flat(old[old_start:]), flat(new[new_start:]), before))
    return regions


def _differing(older: Any, newer: Any) -> tuple[list[Any], list[Any]]:
    """Returns the nodes of two trees, each in order, so that a node which only one of them has is a leaf."""
    old, new = ([] if root is None else [root] for root in (older, newer))
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
    while _is_inner(root):
        root = root[0][0]
        height += 1
    return height


def _opened(nodes: list[Any], shared: set[int]) -> Iterator[Any]:
    for node in nodes:
        if id(node) in shared:
            yield node
        else:
            yield from node[0]


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
