"""Sorted rows as the leaves of a balanced tree (a B+ tree) that no change writes to.

Pure functions of nodes. A change copies the nodes on the way to it and shares all others with the tree before it. `rows` and
`pipeline` call them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from operator import itemgetter
from typing import Any, Final, TypeAlias, TypeGuard, cast

__all__ = [
    "EMPTY",
    "Leaf",
    "Row",
    "changed",
    "changed_many",
    "children_of",
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

Leaf: TypeAlias = "list[Row]"
"""Some rows in their order. Not changed once they are a value.

No list of their sort keys lies beside them. A change that copied it would touch each sort key, and most are outside of the
processor's caches. A search touches rows that the change copies anyway.
"""

_Inner: TypeAlias = "list[Any]"
"""A node above the leaves: four facts about its children, and then the children.

The facts: the sort key of the last row of each child but the last child; the places of these rows; the number of rows below; and see
`ends_of`. One list and not a class or lists in a list: a change copies a node for each level, and each object that it makes costs as
much as a third of a copied leaf.
"""

_Path: TypeAlias = "tuple[Any, _Inner, int] | None"
"""The path to the node above, that node, and the index of the child in it. None: there is no node above."""

EMPTY: Final[Leaf] = []
"""The tree without rows."""

_FIRST: Final = 4
"""The index of the first child in a node."""
_MOST_ROWS = 24
"""Rows of a leaf; one that has more is split. Larger leaves cost more to copy, smaller ones make the tree higher."""
_FEW_ROWS = 6
"""A leaf with fewer rows is joined with its neighbour, or removals would leave more and more small ones."""
_MOST_NODES = 96
_FEW_NODES = 24
"""As for rows. More, because the upper nodes stay in the processor's caches, so that to copy them costs less."""
_sort_key: Callable[[Row], Any] = itemgetter(0)
_place: Callable[[Row], Any] = itemgetter(1)


def is_inner(node: Any) -> TypeGuard[_Inner]:
    """Returns whether a node has other nodes below it, so that it is not a leaf."""
    # A row is a tuple.
    return bool(node) and node[0].__class__ is list


def children_of(node: _Inner) -> list[Any]:
    """Returns the nodes just below a node."""
    return node[_FIRST:]


def size_of(node: Any) -> int:
    """Returns how many rows there are below a node."""
    count: int = node[2] if is_inner(node) else len(node)
    return count


def _inner(keys: list[Any], places: list[Any], children: list[Any]) -> _Inner:
    return [keys, places, sum(map(size_of, children)), None, *children]


def _above(children: list[Any]) -> _Inner:
    """Returns the node above some nodes."""
    lasts = list(map(_last_of, children[:-1]))
    return _inner(list(map(_sort_key, lasts)), list(map(_place, lasts)), children)


def _last_of(node: Any) -> Row:
    """Returns the last row below a node."""
    while is_inner(node):
        node = node[-1]
    row: Row = node[-1]
    return row


def tree_of(rows: list[Row]) -> Any:
    """Returns the tree of sorted rows."""
    return _grown(_in_leaves(rows))


def _in_leaves(rows: list[Row]) -> list[Leaf]:
    """Returns leaves of some rows, with room for a few more in each."""
    step = max(_MOST_ROWS * 3 // 4, 2)
    return [rows[start : start + step] for start in range(0, len(rows), step)]


def _grown(leaves: list[Leaf]) -> Any:
    """Returns the tree of leaves."""
    step = max(_MOST_NODES * 3 // 4, 2)
    nodes: list[Any] = leaves
    while len(nodes) > _MOST_NODES:
        nodes = [_above(nodes[start : start + step]) for start in range(0, len(nodes), step)]
    if len(nodes) > 1:
        # No room is left in the uppermost node: one more level would cost each change more than a later split.
        return _above(nodes)
    return nodes[0] if nodes else EMPTY


def changed(root: Any, key: Any, place: Any, row: Any, more: int) -> Any:
    """Returns a tree with a row more, with another row instead of one, or with a row less.

    One loop down and one up, and no calls between: most of what a view costs is here.

    Args:
        root: The tree.
        key, place: The sort key and the place of the row.
        row: The row that comes. None when none does.
        more: How many rows more there are then: 1, 0 when the row replaces the one with its place, or -1 when that one goes.

    Raises:
        LookupError: the row is there and should not, or the other way round: a function of the view is not pure.
    """
    if not root:
        if more > 0:
            return [row]
        raise LookupError("a row is not where its sort key says")
    path: _Path = None
    node = root
    keys = node[0]
    while keys.__class__ is list:
        at = bisect_left(keys, key) + _FIRST
        path = path, node, at
        node = node[at]
        keys = node[0]
    # Rows are compared as tuples. Where that does not do, `_found` compares sort keys and places one by one.
    at = bisect_left(node, (key, place))
    is_last = False
    if more > 0:
        if at == len(node):
            if not node[-1][0] < key:
                path, node, at = _found(root, key, place, is_there=False)
        elif not key < node[at][0] and (node[at][1] <= place or node[at][0] < key):
            path, node, at = _found(root, key, place, is_there=False)
        if len(node) >= _MOST_ROWS:
            return _fitted(path, [*node[:at], row, *node[at:]])
        node = node.copy()
        node.insert(at, row)
    else:
        try:
            found = node[at][1]
        except IndexError:
            found = None
        if found != place:
            path, node, at = _found(root, key, place, is_there=True)
        if not more:
            node = node.copy()
            node[at] = row
            # The nodes above keep their facts.
            while path is not None:
                path, above, at = path
                above = above.copy()
                above[at] = node
                node = above
            return node
        if len(node) <= _FEW_ROWS:
            return _fitted(path, node[:at] + node[at + 1 :])
        node = node.copy()
        del node[at]
        is_last = at == len(node)
        row = node[-1]
    while path is not None:
        path, above, at = path
        above = above.copy()
        above[at] = node
        above[2] += more
        above[3] = None
        if is_last and at + 1 < len(above):
            key, place, _, _ = row
            above[0] = [*above[0][: at - _FIRST], key, *above[0][at - _FIRST + 1 :]]
            above[1] = [*above[1][: at - _FIRST], place, *above[1][at - _FIRST + 1 :]]
            is_last = False
        node = above
    return node


def _found(root: Any, key: Any, place: Any, *, is_there: bool) -> tuple[_Path, Leaf, int]:
    """Returns where a row is or comes: path to the leaf, the leaf, and the index in it.

    It compares sort keys by `<` alone. Tuples compare them by `==`, too, which says nothing of sort keys that only have an order.

    Args:
        root: The tree.
        key, place: The sort key and the place of the row.
        is_there: Whether the row is in the tree.

    Raises:
        LookupError: as for `changed`.
    """
    path: _Path = None
    node = root
    while is_inner(node):
        at = _index(node[0], node[1], key, place) + _FIRST
        path = path, node, at
        node = node[at]
    leaf = cast("Leaf", node)
    at = _index(list(map(_sort_key, leaf)), list(map(_place, leaf)), key, place)
    if (at < len(leaf) and leaf[at][1] == place) is not is_there:
        raise LookupError("a row is not where its sort key says")
    return path, leaf, at


def _index(keys: list[Any], places: list[Any], key: Any, place: Any) -> int:
    """Returns the index of the first of some rows that is not before a row.

    Args:
        keys, places: Of the rows.
        key, place: Of the row.
    """
    begin = bisect_left(keys, key)
    return bisect_left(places, place, begin, bisect_right(keys, key, begin))


def changed_many(root: Any, gone: list[tuple[Any, Any]], come: list[Row]) -> Any:
    """Returns a tree after many changes: each leaf is made once, and all nodes above the leaves.

    Raises:
        LookupError: as for `changed`.
    """
    leaves = list(leaves_of(root))
    lasts = [leaf[-1] for leaf in leaves[:-1]]
    keys, places = list(map(_sort_key, lasts)), list(map(_place, lasts))
    leaving: dict[int, set[Any]] = {}
    for key, place in gone:
        leaving.setdefault(_index(keys, places, key, place), set()).add(place)
    coming: dict[int, list[Row]] = {}
    for row in come:
        coming.setdefault(_index(keys, places, row[0], row[1]), []).append(row)
    for at in leaving.keys() | coming.keys():
        before, going = leaves[at], leaving.get(at, ())
        rows = [row for row in before if row[1] not in going]
        if len(rows) + len(going) != len(before):
            raise LookupError("a row is not where its sort key says")
        rows += coming.get(at, ())
        rows.sort(key=_place)
        rows.sort(key=_sort_key)
        leaves[at] = rows
    fitted: list[Leaf] = []
    for rows in leaves:
        before = fitted[-1] if fitted else []
        is_small = bool(before) and min(len(rows), len(before)) < _FEW_ROWS
        if is_small and len(rows) + len(before) <= _MOST_ROWS * 3 // 4:
            fitted[-1] = before + rows
        elif len(rows) > _MOST_ROWS:
            fitted += _in_leaves(rows)
        elif rows:
            fitted.append(rows)
    return _grown(fitted)


def _fitted(path: _Path, rows: list[Row]) -> Any:
    """Returns the tree with other rows in the leaf at the end of a path. Leaves that are too long are split, and short ones joined."""
    parts: list[Any] = _split(rows, _MOST_ROWS)
    few, most = _FEW_ROWS, _MOST_ROWS
    while path is not None:
        path, above, at = path
        children, at = children_of(above), at - _FIRST
        end = at + 1
        if len(parts) == 1 and len(children) > 1 and _width(parts[0]) < few:
            begin = min(at, len(children) - 2)
            pair = [parts[0] if at == place else children[place] for place in (begin, begin + 1)]
            if _width(pair[0]) + _width(pair[1]) <= most * 3 // 4:
                at, end, parts = begin, begin + 2, [_joined(*pair)]
        lasts = list(map(_last_of, parts))
        keys = [*above[0][:at], *map(_sort_key, lasts), *above[0][end:]]
        places = [*above[1][:at], *map(_place, lasts), *above[1][end:]]
        children[at:end] = parts
        few, most = _FEW_NODES, _MOST_NODES
        parts, start = [], 0
        for group in _split(children, most):
            # Of the last child of a node nothing is noted.
            stop = start + len(group) - 1
            parts.append(_inner(keys[start:stop], places[start:stop], group))
            start = stop + 1
    if not parts:
        return EMPTY
    root = parts[0] if len(parts) == 1 else _above(parts)
    while is_inner(root) and _width(root) == 1:
        root = root[_FIRST]
    return root


def _split(items: list[Any], most: int) -> list[list[Any]]:
    """Returns the items in no list, in one list, or in two when there are too many for one."""
    if len(items) <= most:
        return [items] if items else []
    half = len(items) // 2
    return [items[:half], items[half:]]


def _width(node: Any) -> int:
    """Returns how many children or rows a node has."""
    return len(node) - _FIRST if is_inner(node) else len(node)


def _joined(left: Any, right: Any) -> Any:
    if not is_inner(left):
        return left + right
    key, place, _, _ = _last_of(left)
    children = children_of(left) + children_of(right)
    return _inner([*left[0], key, *right[0]], [*left[1], place, *right[1]], children)


def leaves_of(node: Any) -> Iterator[Leaf]:
    """Yields the leaves of a tree in their order."""
    if not is_inner(node):
        yield node
        return
    for child in islice(node, _FIRST, None):
        yield from leaves_of(child)


def ends_of(node: _Inner) -> list[int]:
    """Returns for each child how many rows there are to its end; made when it is first asked for."""
    ends: list[int] | None = node[3]
    if ends is None:
        # Two threads may both do this; each puts the same numbers.
        ends = node[3] = list(accumulate(map(size_of, children_of(node))))
    return ends


def part_of(node: Any, start: int, stop: int) -> Iterator[Row]:
    """Yields the rows with these indexes."""
    if not is_inner(node):
        yield from node[start:stop]
        return
    ends = ends_of(node)
    at = bisect_right(ends, start)
    begin = ends[at - 1] if at else 0
    while at < len(ends) and begin < stop:
        end = ends[at]
        yield from part_of(node[_FIRST + at], max(0, start - begin), min(end, stop) - begin)
        begin = end
        at += 1


def row_at(node: Any, at: int) -> Row:
    """Returns the row with this index."""
    while is_inner(node):
        ends = ends_of(node)
        child = bisect_right(ends, at)
        if child:
            at -= ends[child - 1]
        node = node[_FIRST + child]
    return cast("Row", node[at])
