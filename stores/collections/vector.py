"""`Vector`: an immutable sequence that is cheap to change anywhere, at any length.

It is a counted tree whose leaves are tuples of at most 256 items. Appending, inserting, replacing, cutting and reading a
window cost a few short tuple copies, at a thousand items and at a million. `history.timeline` uses it. It knows no messages
and does not sort: `find` expects the caller of `insert` to keep the order.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ["Vector"]

T = TypeVar("T")

_LEAF = 256
"""Items of a leaf: a copy of 256 pointers costs about a microsecond, and a million items are 4 000 leaves."""
_FAN = 64
"""Children of a branch: a million items are two branches deep."""
_SPARSE = 4
"""A leaf or branch below a fourth of its capacity is joined with a neighbour."""


class _Branch:
    """An inner node. All leaves below it are equally deep."""

    __slots__ = ("children", "counted", "size")

    def __init__(self, children: tuple[_Node, ...], size: int | None = None) -> None:
        self.children = children
        # Counting 64 children is most of the cost of a change; a method that changes one item knows the new size.
        self.size = sum(map(_size, children)) if size is None else size
        self.counted: array[int] | None = None

    @property
    def ends(self) -> array[int]:
        """How many items there are up to and with each child; counted on the first look."""
        ends = self.counted
        if ends is None:
            # Not a list, whose numbers would lie all over the memory.
            ends = self.counted = array("q", accumulate(map(_size, self.children)))
        return ends


_Node: TypeAlias = "tuple[Any, ...] | _Branch"


class Vector(Generic[T]):
    """An immutable sequence. Every change returns a new one that shares almost everything with the old one.

    Args:
        items: The first items.
    """

    __slots__ = ("_root",)

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._root: _Node = _grown(tuple(items))

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.window(0, 4)))
        return f"Vector([{shown}{', ...' if len(self) > 4 else ''}] of {len(self)})"

    def __len__(self) -> int:
        root = self._root
        return root.size if isinstance(root, _Branch) else len(root)

    def __iter__(self) -> Iterator[T]:
        return _walk(self._root)

    def __getitem__(self, index: int) -> T:
        """Returns the item at an index; negative ones count from the end.

        Raises:
            IndexError: there is none.
        """
        size = len(self)
        place = index + size if index < 0 else index
        if not 0 <= place < size:
            raise IndexError(f"index {index} of a vector of {size}")
        node = self._root
        while isinstance(node, _Branch):
            number, place = _step(node, place)
            node = node.children[number]
        item: T = node[place]
        return item

    @property
    def first(self) -> T | None:
        """The item at the beginning; None in an empty vector."""
        item: T | None = _first(self._root) if _size(self._root) else None
        return item

    @property
    def last(self) -> T | None:
        """The item at the end; None in an empty vector."""
        node = self._root
        while isinstance(node, _Branch):
            node = node.children[-1]
        item: T | None = node[-1] if node else None
        return item

    def window(self, start: int, count: int) -> tuple[T, ...]:
        """Returns at most `count` items from index `start` on; what lies outside is left out."""
        node, first, last = self._root, max(0, start), min(len(self), start + count)
        if first >= last:
            return ()
        while isinstance(node, _Branch):
            number, place = _step(node, first)
            child = node.children[number]
            if place + last - first > _size(child):
                found: list[T] = []
                _collect(node, first, last, found)
                return tuple(found)
            node, first, last = child, place, place + last - first
        return node[first:last]

    def find(self, key: Any, key_of: Callable[[T], Any]) -> int:
        """Returns the first index whose item's key is at least `key`, in a vector that is sorted by `key_of`."""
        node, before = self._root, 0
        while isinstance(node, _Branch):
            low, high = 0, len(node.children) - 1
            while low < high:
                middle = (low + high + 1) // 2
                if key_of(_first(node.children[middle])) < key:
                    low = middle
                else:
                    high = middle - 1
            before += node.ends[low - 1] if low else 0
            node = node.children[low]
        low, high = 0, len(node)
        while low < high:
            middle = (low + high) // 2
            if key_of(node[middle]) < key:
                low = middle + 1
            else:
                high = middle
        return before + low

    # --- changes --------------------------------------------------------------------------------------------------------

    def append(self, item: T) -> Vector[T]:
        """Returns a vector with `item` at the end."""
        return self.extended((item,))

    def extended(self, items: Iterable[T]) -> Vector[T]:
        """Returns a vector with these items at the end; cheaper than one after the other."""
        added = tuple(items)
        root = self._root
        for at in range(0, len(added), _LEAF):
            left, right = _append(root, added[at : at + _LEAF])
            root = left if right is None else _Branch((left, right))
        return self._of(root)

    def insert(self, index: int, item: T) -> Vector[T]:
        """Returns a vector with `item` before what is at `index`, or at the end when `index` is the length.

        Raises:
            IndexError: `index` is negative or beyond the length.
        """
        if not 0 <= index <= len(self):
            raise IndexError(f"insert at {index} into a vector of {len(self)}")
        left, right = _insert(self._root, index, item)
        return self._of(left if right is None else _Branch((left, right)))

    def replace(self, index: int, item: T) -> Vector[T]:
        """Returns a vector with `item` in place of what is at `index`.

        Raises:
            IndexError: there is nothing.
        """
        self._check(index)
        return self._of(_replace(self._root, index, item))

    def remove(self, index: int) -> Vector[T]:
        """Returns a vector without what is at `index`.

        Raises:
            IndexError: there is nothing.
        """
        self._check(index)
        return self._of(_remove(self._root, index))

    def cut(self, count: int) -> Vector[T]:
        """Returns a vector without the first `count` items."""
        if count <= 0:
            return self
        return self._of(_cut(self._root, count) if count < len(self) else ())

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of a vector of {len(self)}")

    @staticmethod
    def _of(root: _Node) -> Vector[Any]:
        while isinstance(root, _Branch) and len(root.children) == 1:
            root = root.children[0]
        # Without the constructor, which would build an empty tree first.
        made: Vector[Any] = Vector.__new__(Vector)  # pyright: ignore[reportUnknownVariableType]
        made._root = root
        return made


def _grown(items: tuple[Any, ...]) -> _Node:
    """Builds the tree from the leaves up."""
    if len(items) <= _LEAF:
        return items
    level: list[_Node] = [items[at : at + _LEAF] for at in range(0, len(items), _LEAF)]
    while len(level) > 1:
        level = [_Branch(tuple(level[at : at + _FAN])) for at in range(0, len(level), _FAN)]
    return level[0]


def _size(node: _Node) -> int:
    return node.size if isinstance(node, _Branch) else len(node)


def _first(node: _Node) -> Any:
    while isinstance(node, _Branch):
        node = node.children[0]
    return node[0]


def _walk(node: _Node) -> Iterator[Any]:
    if isinstance(node, _Branch):
        for child in node.children:
            yield from _walk(child)
    else:
        yield from node


def _step(branch: _Branch, place: int) -> tuple[int, int]:
    """Returns the number of the child with this place, and the place in that child."""
    children, ends = branch.children, branch.counted
    if ends is None:
        # Chats are written at their ends, and there the branches are new, and their children are not counted yet.
        last_start = branch.size - _size(children[-1])
        if place >= last_start:
            return len(children) - 1, place - last_start
        if place < _size(children[0]):
            return 0, place
        ends = branch.ends
    number = min(bisect_right(ends, place), len(children) - 1)
    return number, place - ends[number - 1] if number else place


def _collect(node: _Node, first: int, last: int, found: list[Any]) -> None:
    if not isinstance(node, _Branch):
        found += node[first:last]
        return
    number, start = _step(node, first)
    wanted = last - first
    while wanted > 0:
        child = node.children[number]
        end = min(_size(child), start + wanted)
        _collect(child, start, end, found)
        wanted -= end - start
        number, start = number + 1, 0


def _insert(node: _Node, place: int, item: Any) -> tuple[_Node, _Node | None]:
    """Returns the node with the item, in two when it would be too long."""
    if not isinstance(node, _Branch):
        if len(node) < _LEAF:
            return (*node[:place], item, *node[place:]), None
        # At an end nothing moves, so that what only grows at its ends has full leaves.
        if place == len(node):
            return node, (item,)
        if place == 0:
            return (item,), node
        middle = len(node) // 2
        if place <= middle:
            return (*node[:place], item, *node[place:middle]), node[middle:]
        return node[:middle], (*node[middle:place], item, *node[place:])
    children = node.children
    number, within = _step(node, place)
    left, right = _insert(children[number], within, item)
    if right is None:
        return _Branch((*children[:number], left, *children[number + 1 :]), node.size + 1), None
    children = (*children[:number], left, right, *children[number + 1 :])
    if len(children) <= _FAN:
        return _Branch(children, node.size + 1), None
    half = _FAN if number == _FAN - 1 else 1 if number == 0 else len(children) // 2
    before = (
        _Branch(children[:half], node.size + 1 - _size(children[-1]))
        if half == _FAN
        else _Branch(children[:half])
    )
    return before, _Branch(children[half:], node.size + 1 - before.size)


def _append(node: _Node, items: tuple[Any, ...]) -> tuple[_Node, _Node | None]:
    """Returns the node with at most a leaf of items at its end, in two when it would be too long."""
    if not isinstance(node, _Branch):
        room = _LEAF - len(node)
        if len(items) <= room:
            return node + items, None
        return (node + items[:room], items[room:]) if room else (node, items)
    children, size = node.children, node.size + len(items)
    left, right = _append(children[-1], items)
    if right is None:
        return _Branch(children[:-1] + (left,), size), None  # noqa: RUF005 - one copy less
    if len(children) < _FAN:
        return _Branch((*children[:-1], left, right), size), None
    return _Branch((*children[:-1], left), size - _size(right)), _Branch((right,))


def _replace(node: _Node, place: int, item: Any) -> _Node:
    if not isinstance(node, _Branch):
        return (*node[:place], item, *node[place + 1 :])
    number, within = _step(node, place)
    child = _replace(node.children[number], within, item)
    return _Branch((*node.children[:number], child, *node.children[number + 1 :]), node.size)


def _remove(node: _Node, place: int) -> _Node:
    if not isinstance(node, _Branch):
        return node[:place] + node[place + 1 :]
    number, within = _step(node, place)
    child = _remove(node.children[number], within)
    before, after = node.children[:number], node.children[number + 1 :]
    if not _size(child):
        return _Branch(before + after)
    if before and _is_sparse(child) and (joined := _joined(before[-1], child)) is not None:
        return _Branch((*before[:-1], joined, *after))
    if after and _is_sparse(child) and (joined := _joined(child, after[0])) is not None:
        return _Branch((*before, joined, *after[1:]))
    return _Branch((*before, child, *after))


def _is_sparse(node: _Node) -> bool:
    if isinstance(node, _Branch):
        return len(node.children) < _FAN // _SPARSE
    return len(node) < _LEAF // _SPARSE


def _joined(left: _Node, right: _Node) -> _Node | None:
    if isinstance(left, _Branch) and isinstance(right, _Branch):
        children = left.children + right.children
        return _Branch(children) if len(children) <= _FAN else None
    if isinstance(left, tuple) and isinstance(right, tuple) and len(left) + len(right) <= _LEAF:
        return left + right
    return None


def _cut(node: _Node, count: int) -> _Node:
    if not isinstance(node, _Branch):
        return node[count:]
    number, within = _step(node, count)
    children = node.children[number:]
    return _Branch((_cut(children[0], within), *children[1:])) if within else _Branch(children)
