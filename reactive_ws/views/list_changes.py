"""The operations that turn one list into another: few row operations, by key.

Pure. A list widget that gets these keeps its selection, its scroll position and the focus; a list that is filled again loses
them. `rows` and the lists of `gui` call this.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeAlias, TypeVar

import attrs

from ..state import longest_rising

__all__ = ["Change", "Insert", "Move", "Remove", "Update", "apply_changes", "list_changes"]

T = TypeVar("T")


@attrs.frozen
class Insert(Generic[T]):
    """A new row, which has this index afterwards."""

    index: int
    item: T


@attrs.frozen
class Remove:
    """The row at this index goes."""

    index: int


@attrs.frozen
class Move:
    """The row at `source` is taken out and has the index `target` afterwards."""

    source: int
    target: int


@attrs.frozen
class Update(Generic[T]):
    """The row at this index shows another item of the same key."""

    index: int
    item: T


Change: TypeAlias = "Insert[T] | Remove | Move | Update[T]"
"""One step that turns an old list of rows into a new one."""


def list_changes(
    old: Sequence[T], new: Sequence[T], key: Callable[[T], Hashable]
) -> tuple[Change[T], ...]:
    """Returns the operations that turn `old` into `new`, each in terms of the rows left by those before it.

    A row whose item is the same object, or equal, costs nothing; one that came, went, moved or changed costs one operation,
    and moving is for as few rows as possible. Linear in the rows when little has changed.

    Args:
        old, new: The rows.
        key: What a row is known by.

    Raises:
        ValueError: two rows of `new` have the same key.
    """
    start, old_end, new_end = 0, len(old), len(new)
    while start < min(old_end, new_end) and old[start] is new[start]:
        start += 1
    while old_end > start and new_end > start and old[old_end - 1] is new[new_end - 1]:
        old_end -= 1
        new_end -= 1
    before = {key(old[index]): index for index in range(start, old_end)}
    wanted = {key(new[index]): index for index in range(start, new_end)}
    if len(wanted) != new_end - start:
        raise ValueError("two rows have the same key; a key must name one row")
    changes: list[Change[T]] = [
        Remove(index)
        for index in range(old_end - 1, start - 1, -1)
        if key(old[index]) not in wanted
    ]
    rows = [name for name in before if name in wanted]
    staying = longest_rising([before[name] for name in wanted if name in before])
    cursor = 0
    for name, index in wanted.items():
        if name not in before:
            rows.insert(cursor, name)
            changes.append(Insert(start + cursor, new[index]))
        elif before[name] in staying:
            # What lies between is moved to its place later.
            while rows[cursor] != name:
                cursor += 1
        else:
            source = rows.index(name)
            rows.pop(source)
            if source < cursor:
                cursor -= 1
            rows.insert(cursor, name)
            changes.append(Move(start + source, start + cursor))
        cursor += 1
    for name, index in wanted.items():
        item = new[index]
        if name in before:
            was = old[before[name]]
            if was is not item and was != item:
                changes.append(Update(index, item))
    return tuple(changes)


def apply_changes(rows: list[T], changes: Sequence[Change[T]]) -> None:
    """Does the operations to a list, as list widgets do them to their rows."""
    for change in changes:
        match change:
            case Insert(index, item):
                rows.insert(index, item)
            case Remove(index):
                del rows[index]
            case Move(source, target):
                rows.insert(target, rows.pop(source))
            case Update(index, item):
                rows[index] = item
