"""Undo and redo for one store.

A history is a list of values and a place in it. Each commit that changes the store cuts what is after the place and
appends; undo and redo move the place and write the value found there, in one commit with `can_undo` and `can_redo`.
Commits are usually recorded by the commit hook, on the delivering thread. Where delivery is behind (the domain has a
home, or another thread delivers), `undo` first records what is still queued, so that it always undoes the newest write.

Does not group writes by time: put what belongs together into one `batch`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

from ..engine import Cell, Commit, Equals, active_batch, same, unchanged
from ..errors import StoreClosed, UsageError
from ..state import Entities, KeyedStore, ReadOnly, Store

__all__ = ["UndoHistory", "undo"]

T = TypeVar("T")
P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")

_Restore = Callable[[Any, Any, list[Any]], Any]
"""Makes the value to write of: the value now, the part to return to, the parts of the steps in between."""


class UndoHistory:
    """The values that a store had, and the place among them where it is. Made by `undo`.

    All methods may be called from any thread, also by observers.
    """

    def __init__(
        self,
        cell: Cell[Any],
        limit: int,
        part: Callable[[Any], Any],
        restore: _Restore,
        equals: Equals[Any],
    ) -> None:
        domain = cell.domain
        self._cell = cell
        self._domain = domain
        self._limit = limit
        self._part = part
        self._restore = restore
        self._equals = equals
        self._can_undo = Store(initial=False, name=f"{cell.name} can undo", domain=domain)
        self._can_redo = Store(initial=False, name=f"{cell.name} can redo", domain=domain)
        # All below is read and written under the domain's lock.
        self._index = 0
        self._revision: int = 0
        self._is_disposed = False
        while True:
            value = cell.committed
            parts = [part(value)]
            with domain.exclusive():
                if cell.committed is value:
                    self._parts: list[Any] = parts
                    self._last = value
                    self._seen = domain.number
                    self._hook = domain.on_commit(self._on_commit)
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def __repr__(self) -> str:
        ahead = len(self._parts) - 1 - self._index
        return f"<UndoHistory of {self._cell.name!r}: {self._index} back, {ahead} forth>"

    @property
    def can_undo(self) -> ReadOnly[bool]:
        """Whether there is a step back. Follows the store with delivery; undo() itself never lags."""
        return self._can_undo.read_only

    @property
    def can_redo(self) -> ReadOnly[bool]:
        """Whether there is a step forth. Follows the store with delivery."""
        return self._can_redo.read_only

    def undo(self, steps: int = 1) -> int:
        """Goes back, in one commit.

        Args:
            steps: How many writes to take back.

        Returns:
            How many were there to take back: 0 to `steps`.

        Raises:
            StoreClosed, FeedbackLoop: as a write to the store.
            UsageError: inside a batch, or less than one step.
        """
        return self._move(steps, -1)

    def redo(self, steps: int = 1) -> int:
        """Goes forth again, in one commit; arguments, result and errors as `undo`."""
        return self._move(steps, +1)

    def clear(self) -> None:
        """Forgets all steps, back and forth; the store keeps its value."""
        self._catch_up()
        with self._domain.exclusive():
            self._parts = [self._parts[self._index]]
            self._index = 0
            self._revision += 1
        self._publish_flags()

    def dispose(self) -> None:
        """Stops recording and forgets everything; `can_undo` and `can_redo` become False and end."""
        with self._domain.exclusive():
            if self._is_disposed:
                return
            self._is_disposed = True
            self._revision += 1
            self._parts = self._parts[:1]
            self._index = 0
            self._last = None
        self._hook.dispose()
        self._publish_flags()
        self._can_undo.close()
        self._can_redo.close()

    # --- recording ----------------------------------------------------------------------------------------------------

    def _on_commit(self, commit: Commit) -> None:
        if commit.number > self._seen:
            self._catch_up()
        # Also when an undo that found nothing to do was ahead of this commit and recorded it.
        self._publish_flags()

    def _missing(self) -> list[Any]:
        """Returns the values of the store since the last one recorded, oldest first. Under the lock.

        A commit whose delivery has just begun is in no queue; the value it made shows as the old one of the next.
        """
        last = self._last
        values: list[Any] = []
        for commit in self._domain.pending():
            if commit.number > self._seen:
                for source, old, new in commit.changes:
                    if source is self._cell:
                        values += [new] if old is last else [old, new]
                        last = new
        now = self._cell.committed
        return values if now is last else [*values, now]

    def _catch_up(self) -> None:
        """Records everything that was committed. Runs user functions; called without the lock."""
        while True:
            with self._domain.exclusive():
                if self._is_disposed:
                    return
                values = self._missing()
                revision, number = self._revision, self._domain.number
                if not values:
                    self._seen = number
                    return
                parts, index = list(self._parts), self._index
            for value in values:
                index = self._add(parts, index, value)
            with self._domain.exclusive():
                if self._revision == revision:
                    self._parts, self._index, self._seen = parts, index, number
                    self._last = values[-1]
                    self._revision += 1
                    return

    def _add(self, parts: list[Any], index: int, value: Any) -> int:
        """Appends the part of one value to a history; returns the new place."""
        try:
            part = self._part(value)
        except Exception as error:  # noqa: BLE001 - the user's partialize; the store is not concerned
            self._domain.report("hook", error, self._cell.name, self._part)
            return index
        if unchanged(self._equals, parts[index], part):
            # No step, but a redo to this place shall find the latest.
            parts[index] = part
            return index
        del parts[index + 1 :]
        parts.append(part)
        if len(parts) > self._limit + 1:
            del parts[0]
        return len(parts) - 1

    # --- moving -------------------------------------------------------------------------------------------------------

    def _move(self, steps: int, direction: int) -> int:
        if steps < 1:
            raise UsageError(f"undo and redo take one or more steps; got {steps}")
        if active_batch() is not None:
            raise UsageError("undo and redo are commits of their own; call them outside of batch()")
        domain, cell = self._domain, self._cell
        while True:
            self._catch_up()
            with domain.exclusive():
                if self._is_disposed:
                    return 0
                revision, now, here = self._revision, self._last, self._index
                there = max(0, min(here + direction * steps, len(self._parts) - 1))
                if there == here:
                    return 0
                target = self._parts[there]
                between = self._parts[min(here, there) + 1 : max(here, there) + 1]
            value = self._restore(now, target, between)
            with domain.exclusive():
                if self._revision != revision or self._missing():
                    continue
                before = self._index
                self._index = there
                changes = [] if value is now else [(cell, now, value)]
                is_done = False
                try:
                    is_done = self._commit([*changes, *self._flag_changes()], cell)
                finally:
                    if not is_done:
                        self._index = before
                if is_done:
                    self._last = value
                    self._revision += 1
                    self._seen = domain.number
                    return abs(there - here)

    def _flag_changes(self) -> list[tuple[Cell[Any], Any, Any]]:
        """Returns the changes of `can_undo` and `can_redo` that the place asks for. Under the lock."""
        flags = (
            (self._can_undo, self._index > 0),
            (self._can_redo, self._index < len(self._parts) - 1),
        )
        return [(flag, flag.committed, now) for flag, now in flags if flag.committed is not now]

    def _publish_flags(self) -> None:
        with self._domain.exclusive():
            while changes := self._flag_changes():
                if self._can_undo.is_closed or self._domain.commit(changes):
                    return

    def _commit(self, changes: list[tuple[Cell[Any], Any, Any]], cell: Cell[Any]) -> bool:
        """Makes one commit of the store and the flags; False when the store changed meanwhile."""
        if cell.is_closed:
            raise StoreClosed(cell.name)
        return not changes or self._domain.commit(changes)


@overload
def undo(store: Store[T], *, limit: int = 100, equals: Equals[T] | None = None) -> UndoHistory: ...
@overload
def undo(
    store: Store[T],
    *,
    limit: int = 100,
    partialize: Callable[[T], P],
    merge: Callable[[T, P], T],
    equals: Equals[P] | None = None,
) -> UndoHistory: ...
@overload
def undo(store: KeyedStore[K, V], *, limit: int = 100) -> UndoHistory: ...


def undo(
    store: Store[Any] | KeyedStore[Any, Any],
    *,
    limit: int = 100,
    partialize: Callable[[Any], Any] | None = None,
    merge: Callable[[Any, Any], Any] | None = None,
    equals: Equals[Any] | None = None,
) -> UndoHistory:
    """Starts to record the values of a store, from the current one on.

    One step is one commit: a write, or all writes of a batch. A new write forgets the steps that were undone.

    Args:
        store: A store or a keyed store.
        limit: How many steps are kept; the oldest go first.
        partialize: The part of a value that undo is about; a pure function. None: all of it.
        merge: Puts a part back into the value as it is now; a pure function. Goes with `partialize`.
        equals: When two parts in a row make no step; see `equality.same` for the default.

    Raises:
        UsageError: a limit below 1, one of `partialize` and `merge` without the other, or any of
            these but `limit` with a keyed store.
    """
    if limit < 1:
        raise UsageError(f"undo keeps at least one step; got limit={limit}")
    if (partialize is None) != (merge is None):
        raise UsageError(
            "partialize= and merge= go together: how to take a part, how to put it back"
        )
    compare = same if equals is None else equals
    if isinstance(store, KeyedStore):
        if partialize is not None or equals is not None:
            raise UsageError(
                "undo of a keyed store takes nothing but limit=; every commit is a step"
            )
        return UndoHistory(store, limit, _whole, _put_entities, compare)
    if partialize is None or merge is None:
        return UndoHistory(store, limit, _whole, _put_whole, compare)
    put = merge
    return UndoHistory(
        store, limit, partialize, lambda now, part, _between: put(now, part), compare
    )


def _whole(value: Any) -> Any:
    return value


def _put_whole(_now: Any, part: Any, _between: list[Any]) -> Any:
    return part


def _put_entities(
    now: Entities[Any, Any], part: Entities[Any, Any], between: list[Entities[Any, Any]]
) -> Entities[Any, Any]:
    """Returns the snapshot `part` with the keys noted that differ from now, so that only their observers are told."""
    touched = dict.fromkeys(key for step in between for key in step.touched_keys())
    return part.touching(touched).since(now, operator.is_)
