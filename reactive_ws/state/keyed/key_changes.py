"""`KeyChanges`: the keys that one commit of a keyed store added, updated, removed and moved. It sees snapshots and no store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import attrs
from reactivex import Observable, abc

from ...engine import Registration, check_function, refuse_copy
from .entities import Entities

__all__ = ["KeyChanges", "changes_of", "longest_rising"]

K = TypeVar("K")


@attrs.frozen
class KeyChanges(Generic[K]):
    """The changes that one commit made to the keys of a keyed store.

    Attributes:
        added, updated, removed: Keys, each in the order of the writes.
        moved: Keys that were there before and have another place in the order. Those whose entity changed, too, are also in
            `updated`. After a write of the whole order, such as `replace_all`, these are as few keys as lead to it.
    """

    added: tuple[K, ...] = ()
    updated: tuple[K, ...] = ()
    removed: tuple[K, ...] = ()
    moved: tuple[K, ...] = ()

    @classmethod
    def between(cls, old: Entities[K, Any], new: Entities[K, Any]) -> KeyChanges[K]:
        """Returns what led from one snapshot to the next one."""
        added: list[K] = []
        updated: list[K] = []
        removed: list[K] = []
        as_before = set(new._as_before)
        for key in new._touched:
            if key not in new:
                if key in old:
                    removed.append(key)
            elif key not in old:
                added.append(key)
            elif key not in as_before:
                updated.append(key)
        return cls(tuple(added), tuple(updated), tuple(removed), _moved(old, new))


def _moved(old: Entities[K, Any], new: Entities[K, Any]) -> tuple[K, ...]:
    """Returns the keys of both snapshots that have another place in the second one."""
    if new._keys is old._keys:
        return ()
    places, places_before = new._keys.places, old._keys.places
    written: list[K] | None = None
    if new.keeps_places_of(old):
        both = [key for key in new._touched if key in places and key in places_before]
        written = [key for key in both if places[key] != places_before[key]]
        if not written:
            return ()
    kept = [key for key in old.in_order() if key in places]
    rank = {key: number for number, key in enumerate(kept)}
    now = [key for key in new.in_order() if key in rank]
    if now == kept:
        # A key took the place of one that went.
        return ()
    if written is not None:
        return tuple(written)
    staying = longest_rising([rank[key] for key in now])
    return tuple(key for key in now if rank[key] not in staying)


def longest_rising(numbers: Sequence[int]) -> set[int]:
    """Returns a longest rising subsequence of different numbers: the rows that need not move (patience sorting, n log n)."""
    tops: list[int] = []
    top_indices: list[int] = []
    previous: list[int] = []
    for index, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        previous.append(top_indices[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(number)
            top_indices.append(index)
        else:
            tops[pile] = number
            top_indices[pile] = index
    found: set[int] = set()
    index = top_indices[-1] if top_indices else -1
    while index >= 0:
        found.add(numbers[index])
        index = previous[index]
    return found


class _Changes(Observable[KeyChanges[K]]):
    """A stream of changes that refuses an `async def` as observer."""

    __reduce_ex__ = refuse_copy

    def subscribe(
        self,
        on_next: abc.ObserverBase[KeyChanges[K]] | abc.OnNext[KeyChanges[K]] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        given: Any = on_next
        if given is not None and not hasattr(given, "on_next"):
            check_function(given, "an observer", "start a task in it")
        joined = super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)
        return Registration(joined.dispose)


def changes_of(
    join: Callable[[Callable[[Entities[K, Any]], None], Callable[[], None]], abc.DisposableBase],
) -> Observable[KeyChanges[K]]:
    """Returns the stream of what led from each snapshot to the next one.

    Args:
        join: Subscribes a function of the snapshot, and one for the end.
    """

    def subscribe(
        observer: abc.ObserverBase[KeyChanges[K]], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        before: Entities[K, Any] | None = None

        def see(now: Entities[K, Any]) -> None:
            nonlocal before
            old, before = before, now
            if old is not None:
                observer.on_next(KeyChanges[K].between(old, now))

        return join(see, observer.on_completed)

    return _Changes[K](subscribe)
