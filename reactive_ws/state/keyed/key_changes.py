"""`KeyChanges`: the keys that one commit of a keyed store added, updated and removed. It sees snapshots and no store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
from reactivex import Observable, abc

from ...engine import Registration, check_function, refuse_copy
from .entities import Entities

__all__ = ["KeyChanges", "changes_of"]

K = TypeVar("K")


@attrs.frozen
class KeyChanges(Generic[K]):
    """The changes that one commit made to the keys of a keyed store.

    Attributes:
        added, updated, removed: Keys, each in the order of the writes.
    """

    added: tuple[K, ...] = ()
    updated: tuple[K, ...] = ()
    removed: tuple[K, ...] = ()

    @classmethod
    def between(cls, old: Entities[K, Any], new: Entities[K, Any]) -> KeyChanges[K]:
        """Returns what led from one snapshot to the next one."""
        added: list[K] = []
        updated: list[K] = []
        removed: list[K] = []
        for key in new._touched:
            if key in new:
                (updated if key in old else added).append(key)
            elif key in old:
                removed.append(key)
        return cls(tuple(added), tuple(updated), tuple(removed))


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
