"""`Differ`: the row operations from what a list shows to what it is to show, quick for the rows of a view."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

from ...views import Change, Insert, Rows, list_changes
from .end import count_new_at_end

__all__ = ["Differ"]

T = TypeVar("T")


class Differ(Generic[T]):
    """Compares each rows with the ones before. The rows of a `views.view` share parts, and only the others are compared.

    Args:
        key: Returns the key of a row.
    """

    def __init__(self, key: Callable[[T], Hashable]) -> None:
        self._key = key
        self._last: Rows[Hashable, T] | None = None

    def changed_places(self, old: Sequence[T], rows: Sequence[T]) -> list[range] | None:
        """Returns where rows changed in place, if nothing else did; None if a row came, went or moved.

        Many rows of a table of prices change in one frame. This costs a part of what `changes` costs.

        Args:
            old: The rows that the list shows: those of the call before.
            rows: What it is to show.
        """
        if len(old) != len(rows) or isinstance(rows, Rows):
            return None
        key = self._key
        places: list[range] = []
        start = stop = 0
        for place, (was, now) in enumerate(zip(old, rows, strict=True)):
            if was is now:
                continue
            if key(was) != key(now):
                return None
            if was == now:
                continue
            if place != stop:
                if stop > start:
                    places.append(range(start, stop))
                start = place
            stop = place + 1
        if stop > start:
            places.append(range(start, stop))
        self._last = None
        return places

    def changes(self, old: Sequence[T], rows: Sequence[T]) -> tuple[Sequence[Change[T]], int]:
        """Returns the operations that turn `old` into `rows`, and how many rows came at the end.

        Args:
            old: The rows that the list shows: those of the call before.
            rows: What it is to show.
        """
        now = _of_view(rows)
        last, self._last = self._last, now
        key = self._key
        if last is None or now is None or len(last) != len(old):
            return list_changes(old, rows, key), count_new_at_end(old, rows, key)
        changes = now.changes_since(last)
        came = {key(change.item) for change in changes if isinstance(change, Insert)}
        new = 0
        while new < len(now) and key(now[-1 - new]) in came:
            new += 1
        return changes, new


def _of_view(rows: Sequence[T]) -> Rows[Hashable, T] | None:
    return cast("Rows[Hashable, T]", rows) if isinstance(rows, Rows) else None
