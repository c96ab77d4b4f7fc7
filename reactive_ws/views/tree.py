"""Sorted rows as the leaves of a balanced tree (a B+ tree) that no change writes to.

Pure functions of nodes. A change copies the nodes on the way to it and shares all others with the tree before it. `rows` and
`pipeline` call them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from operator import itemgetter
from typing import Any, TypeAlias, TypeGuard, cast

__all__ = [
    "Leaf",
    "Row",
    "changed",
    "changed_many",
    "is_inner",
    "leaves_of",
    "part_of",
    "row_at",
    "size_of",
    "tree_of",
]

Row: TypeAlias = "tuple[Any, Any, Any, Any]"
"""(sort key, place, key, entity). Sort key and place alone decide the order; no two rows have the same place.

Without a function that makes sort keys the place is the sort key.
"""

Leaf: TypeAlias = "tuple[list[Any], list[Row]]"
"""The sort keys of some rows and the rows, in their order. Not changed once its rows are a value.

The sort keys lie beside the rows, because a search that looks at rows finds most of them outside of the processor's caches.
"""

_Inner: TypeAlias = "list[Any]"
"""A node above the leaves: its children, the last sort key of each, the last row of each, the number of rows, and see `ends_of`.

A list and not a class: a change makes a node for each level, and to make an object costs as much as to copy a leaf.
"""

_Path: TypeAlias = "list[tuple[_Inner, int]]"
"""The nodes from the root to a leaf, with the index of the child in each."""

_MOST_ROWS = 32
"""Rows of a leaf; one that has more is split. Larger leaves cost more to copy, smaller ones make the tree higher."""
_FEW_ROWS = 8
"""A leaf with fewer rows is joined with its neighbour, or removals would leave more and more small ones."""
_MOST_NODES = 64
_FEW_NODES = 16
"""As for rows. More, because the upper nodes stay in the processor's caches, so that to copy them costs less."""
_sort_key: Callable[[Row], Any] = itemgetter(0)
_name: Callable[[Row], tuple[Any, Any]] = itemgetter(0, 1)


def is_inner(node: Any) -> TypeGuard[_Inner]:
    """Returns whether a node has other nodes below it, so that it is not a leaf."""
    return node.__class__ is list


def size_of(node: Any) -> int:
    """Returns how many rows there are below a node."""
    count: int = node[3] if is_inner(node) else len(node[1])
    return count


def _leaf(rows: list[Row]) -> Leaf:
    return list(map(_sort_key, rows)), rows


def _inner(children: list[Any], lasts: list[Row]) -> _Inner:
    return [children, list(map(_sort_key, lasts)), lasts, sum(map(size_of, children)), None]


def _last_of(node: Any) -> Row:
    """Returns the last row of a node."""
    rows: list[Row] = node[2] if is_inner(node) else node[1]
    return rows[-1]


def tree_of(rows: list[Row]) -> Any:
    """Returns the tree of sorted rows; None without rows."""
    return _grown(_in_leaves(rows))


def _in_leaves(rows: list[Row]) -> list[Leaf]:
    """Returns leaves of some rows, with room for a few more in each."""
    step = max(_MOST_ROWS * 3 // 4, 2)
    return [_leaf(rows[start : start + step]) for start in range(0, len(rows), step)]


def _grown(leaves: list[Leaf]) -> Any:
    """Returns the tree of leaves; None without leaves."""
    step = max(_MOST_NODES * 3 // 4, 2)
    nodes: list[Any] = leaves
    while len(nodes) > 1:
        groups = [nodes[start : start + step] for start in range(0, len(nodes), step)]
        nodes = [_inner(group, list(map(_last_of, group))) for group in groups]
    return nodes[0] if nodes else None


def changed(root: Any, name: tuple[Any, Any], row: Any, more: int) -> Any:
    """Returns a tree with a row more, with another row instead of one, or with a row less.

    One loop down and one up, and no calls between: most of what a view costs is here.

    Args:
        root: The tree.
        name: Sort key and place of the row.
        row: The row that comes. None, or what is not looked at, when none does.
        more: How many rows more there are then: 1, 0 when the row replaces the one with its name, or -1 when that one goes.

    Raises:
        LookupError: the row is there and should not, or the other way round: a function of the view is not pure.
    """
    path: _Path = []
    node, (key, place) = root, name
    while node.__class__ is list:
        keys = node[1]
        at = bisect_left(keys, key)
        if at == len(keys):
            at -= 1
        elif not key < keys[at]:
            # Rows with this sort key may be in more than one child.
            at = bisect_left(node[2], name, at, bisect_right(keys, key, at))
            if at == len(keys):
                at -= 1
        path.append((node, at))
        node = node[0][at]
    leaf: Leaf = node or ([], [])
    keys, rows = leaf
    at = bisect_left(keys, key)
    is_there = False
    if at < len(keys) and not key < keys[at]:
        if rows[at][1] == place:
            is_there = True
        else:
            at = bisect_left(rows, name, at, bisect_right(keys, key, at))
            is_there = at < len(rows) and rows[at][1] == place
    if is_there is (more > 0):
        raise LookupError("a row is not where its sort key says")
    rows = rows.copy()
    is_last = False
    if not more:
        rows[at] = row
    else:
        keys = keys.copy()
        if more > 0:
            keys.insert(at, key)
            rows.insert(at, row)
            if len(rows) > _MOST_ROWS:
                return _fitted(path, rows)
            is_last = rows[-1] is row
        else:
            del keys[at], rows[at]
            if len(rows) < _FEW_ROWS:
                return _fitted(path, rows)
            is_last = at == len(rows)
    child: Any = (keys, rows)
    if not is_last:
        # The nodes above keep their sort keys and last rows.
        if not more:
            # They keep the numbers of rows, too, so a copy of each with another child will do.
            while path:
                node, at = path.pop()
                node = node.copy()
                children = node[0] = node[0].copy()
                children[at] = child
                child = node
            return child
        while path:
            node, at = path.pop()
            children, keys, lasts, size, _ = node
            children = children.copy()
            children[at] = child
            child = [children, keys, lasts, size + more, None]
        return child
    last = rows[-1]
    while path:
        node, at = path.pop()
        children, keys, lasts, size, _ = node
        children = children.copy()
        children[at] = child
        if lasts[at] is not last:
            keys, lasts = keys.copy(), lasts.copy()
            keys[at], lasts[at] = last[0], last
        last = lasts[-1]
        child = [children, keys, lasts, size + more, None]
    return child


def changed_many(root: Any, gone: list[tuple[Any, Any]], come: list[Row]) -> Any:
    """Returns a tree after many changes: each leaf is made once, and all nodes above the leaves.

    Raises:
        LookupError: as for `changed`.
    """
    leaves = list(leaves_of(root)) or [_leaf([])]
    lasts = list(map(_last_of, leaves[:-1]))
    places: dict[int, set[Any]] = {}
    for name in gone:
        places.setdefault(bisect_left(lasts, name), set()).add(name[1])
    coming: dict[int, list[Row]] = {}
    for row in come:
        coming.setdefault(bisect_left(lasts, row[:2]), []).append(row)
    for at in places.keys() | coming.keys():
        before, going = leaves[at][1], places.get(at, ())
        rows = [row for row in before if row[1] not in going]
        if len(rows) + len(going) != len(before):
            raise LookupError("a row is not where its sort key says")
        rows += coming.get(at, ())
        rows.sort(key=_name)
        leaves[at] = _leaf(rows)
    fitted: list[Leaf] = []
    for leaf in leaves:
        rows, before = leaf[1], fitted[-1][1] if fitted else []
        is_small = bool(before) and min(len(rows), len(before)) < _FEW_ROWS
        if is_small and len(rows) + len(before) <= _MOST_ROWS * 3 // 4:
            fitted[-1] = _leaf(before + rows)
        elif len(rows) > _MOST_ROWS:
            fitted += _in_leaves(rows)
        elif rows:
            fitted.append(leaf)
    return _grown(fitted)


def _fitted(path: _Path, rows: list[Row]) -> Any:
    """Returns the tree with other rows in the leaf at the end of a path. Leaves that are too long are split, and short ones joined."""
    parts: list[Any] = [_leaf(part) for part in _split(rows, _MOST_ROWS)]
    few, most = _FEW_ROWS, _MOST_ROWS
    while path:
        (children, _, lasts, _, _), at = path.pop()
        end = at + 1
        if len(parts) == 1 and len(children) > 1 and _width(parts[0]) < few:
            begin = min(at, len(children) - 2)
            pair = [parts[0] if at == place else children[place] for place in (begin, begin + 1)]
            if _width(pair[0]) + _width(pair[1]) <= most * 3 // 4:
                at, end, parts = begin, begin + 2, [_joined(*pair)]
        children = [*children[:at], *parts, *children[end:]]
        lasts = [*lasts[:at], *map(_last_of, parts), *lasts[end:]]
        few, most = _FEW_NODES, _MOST_NODES
        halves = zip(_split(children, most), _split(lasts, most), strict=True)
        parts = [_inner(below, ends) for below, ends in halves]
    if not parts:
        return None
    root = parts[0] if len(parts) == 1 else _inner(parts, list(map(_last_of, parts)))
    while is_inner(root) and len(root[0]) == 1:
        root = root[0][0]
    return root


def _split(items: list[Any], most: int) -> list[list[Any]]:
    """Returns the items in no list, in one list, or in two when there are too many for one."""
    if len(items) <= most:
        return [items] if items else []
    half = len(items) // 2
    return [items[:half], items[half:]]


def _width(node: Any) -> int:
    """Returns how many children or rows a node has."""
    return len(node[0])


def _joined(left: Any, right: Any) -> Any:
    if is_inner(left):
        return _inner(left[0] + right[0], left[2] + right[2])
    return _leaf(left[1] + right[1])


def leaves_of(node: Any) -> Iterator[Leaf]:
    """Yields the leaves of a tree in their order."""
    if node is None:
        return
    if not is_inner(node):
        yield node
        return
    for child in node[0]:
        yield from leaves_of(child)


def ends_of(node: _Inner) -> list[int]:
    """Returns for each child how many rows there are to its end; made when it is first asked for."""
    ends: list[int] | None = node[4]
    if ends is None:
        # Two threads may both do this; each puts the same numbers.
        ends = node[4] = list(accumulate(map(size_of, node[0])))
    return ends


def part_of(node: Any, start: int, stop: int) -> Iterator[Row]:
    """Yields the rows with these indexes."""
    if not is_inner(node):
        yield from node[1][start:stop]
        return
    children, ends = node[0], ends_of(node)
    at = bisect_right(ends, start)
    begin = ends[at - 1] if at else 0
    while at < len(ends) and begin < stop:
        end = ends[at]
        yield from part_of(children[at], max(0, start - begin), min(end, stop) - begin)
        begin = end
        at += 1


def row_at(node: Any, at: int) -> Row:
    """Returns the row with this index."""
    while is_inner(node):
        ends = ends_of(node)
        child = bisect_right(ends, at)
        if child:
            at -= ends[child - 1]
        node = node[0][child]
    return cast("Row", node[1][at])
