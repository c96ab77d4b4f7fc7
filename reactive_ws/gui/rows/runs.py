"""`runs`: groups of row operations that one call of a toolkit can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from ...views import Change, Insert, Remove, Update

__all__ = ["runs"]

T = TypeVar("T")


def runs(changes: Sequence[Change[T]]) -> Iterator[tuple[Change[T], ...]]:
    """Yields the operations in groups that one call of a toolkit can do.

    A group is a number of inserts at rising neighbouring indices, removals at falling ones, or updates at rising ones. A move is
    a group of its own.
    """
    group: list[Change[T]] = []
    for change in changes:
        if group and not _continues(group[-1], change):
            yield tuple(group)
            group = []
        group.append(change)
    if group:
        yield tuple(group)


def _continues(last: Change[T], change: Change[T]) -> bool:
    match last, change:
        case (Insert(index), Insert(following)) | (Update(index), Update(following)):
            return following == index + 1
        case Remove(index), Remove(following):
            return following == index - 1
        case _:
            return False
