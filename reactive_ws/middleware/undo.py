"""Undo and redo for one store or several.

A history is a list of steps and a place in it. Each commit that changes a store cuts the steps after the place and appends
one, or joins the step before it: inside a transaction, in a pause, or soon after it. Undo, redo and jump move the place and
write the values found there, in one commit with `can_undo` and `can_redo`. The commit hook records commits on the delivering
thread. Where delivery is behind (the domain has a home, or another thread delivers), `undo` first records what is still
queued, so that it always takes back the newest write.

The module is long because half of it is the documentation and the four typed forms of `undo`.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Self, TypeAlias, TypeVar, overload

import attrs

from ..engine import (
    Cell,
    Commit,
    Equals,
    active_batch,
    check_comparer,
    check_count,
    check_function,
    check_kind,
    check_seconds,
    refuse_copy,
    same,
    unchanged,
)
from ..errors import DomainMismatch, StoreClosed, UsageError
from ..state import Entities, KeyedStore, ReadOnly, Store

__all__ = ["UndoEntry", "UndoHistory", "undo"]

T = TypeVar("T")
P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")


@attrs.frozen
class UndoEntry:
    """A step of a history, for a list on a screen.

    Attributes:
        index: Its place: `jump(index)` goes there. The first entry is the state before all steps.
        name: The name of the transaction that made it, or None.
        made_at: When its last change was recorded, in seconds of the history's clock.
        is_current: Whether the stores have its values now.
    """

    index: int
    name: str | None
    made_at: float
    is_current: bool


@attrs.frozen
class _Member:
    """One store of a history: how its part is taken, put back and compared."""

    cell: Cell[Any]
    part: Callable[[Any], Any]
    restore: Callable[[Any, Any, dict[Any, None]], Any]
    """Makes the value to write of: the value now, the part to return to, the keys written in between."""
    equals: Equals[Any]

    def keys_of(self, value: Any) -> tuple[Any, ...]:
        """Returns the keys that the commit of this value wrote, if the store has keys."""
        return value.touched_keys() if isinstance(value, Entities) else ()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@attrs.frozen(eq=False)
class _Step:
    """The parts of all stores after a step, and the keys that were written since the step before, for each store."""

    parts: tuple[Any, ...]
    keys: tuple[dict[Any, None], ...]
    name: str | None
    made_at: float


@attrs.define(eq=False)
class _Line:
    """The steps, and where in them the stores are. Replaced as a whole, under the domain's lock."""

    steps: list[_Step]
    index: int = 0
    is_sealed: bool = True
    """Whether the next change makes a step of its own."""

    def copy(self) -> _Line:
        """Returns a line that can be changed without changing this one."""
        return _Line(list(self.steps), self.index, self.is_sealed)

    def alone(self) -> _Line:
        """Returns a line of the current step only."""
        return _Line(self.steps[self.index : self.index + 1])


_Plan: TypeAlias = tuple[_Line, tuple[dict[Any, None], ...]]
"""The line to have, and for each store the keys that may differ then."""


class UndoHistory:
    """The values that stores had, and the place among them where they are. Made by `undo`.

    All methods may be called from any thread, also by observers.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        members: tuple[_Member, ...],
        limit: int,
        group_within: float | None,
        clock: Callable[[], float],
    ) -> None:
        domain = members[0].cell.domain
        self._members = members
        self._domain = domain
        self._limit = limit
        self._group_within = group_within
        self._clock = clock
        self._name = ", ".join(member.cell.name for member in members)
        self._can_undo, self._can_redo = (
            Store(False, name=f"{self._name} can {what}", domain=domain, is_dumped=False)
            for what in ("undo", "redo")
        )
        # All below is read and written under the domain's lock.
        self._revision: int = 0
        self._is_disposed = False
        self._pauses = 0
        self._transactions: list[str | None] = []
        self._begun: _Line | None = None
        """The line as it was when the outer transaction began."""
        self._line = _Line([])
        while True:
            values = self._values()
            parts = tuple(it.part(value) for it, value in zip(members, values, strict=True))
            with domain.exclusive():
                if all(map(operator.is_, self._values(), values)):
                    nothing = tuple(dict[Any, None]() for _ in members)
                    self._line = _Line([_Step(parts, nothing, None, clock())])
                    self._last = values
                    self._seen = domain.number
                    self._hook = domain.on_commit(self._on_commit)
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def __repr__(self) -> str:
        line = self._line
        ahead = max(0, len(line.steps) - 1 - line.index)
        return f"<UndoHistory of {self._name!r}: {line.index} back, {ahead} forth>"

    @property
    def can_undo(self) -> ReadOnly[bool]:
        """Whether there is a step back. Follows the stores with delivery; undo() itself never lags."""
        return self._can_undo.read_only

    @property
    def can_redo(self) -> ReadOnly[bool]:
        """Whether there is a step forth. Follows the stores with delivery."""
        return self._can_redo.read_only

    def entries(self) -> tuple[UndoEntry, ...]:
        """Returns the steps, oldest first, and before them the state that they began from. None after `dispose`."""
        self._catch_up()
        line = self._line
        return tuple(
            UndoEntry(index, step.name, step.made_at, index == line.index)
            for index, step in enumerate(line.steps)
        )

    def undo(self, steps: int = 1) -> int:
        """Goes back, in one commit.

        Args:
            steps: How many steps to take back.

        Returns:
            How many were there to take back: 0 to `steps`.

        Raises:
            StoreClosed, FeedbackLoop: as a write to the store.
            UsageError: inside a batch, or less than one step.
        """
        _check_steps(steps)
        return self._go(lambda line: max(0, line.index - steps))

    def redo(self, steps: int = 1) -> int:
        """Goes forth again, in one commit; arguments, result and errors as `undo`."""
        _check_steps(steps)
        return self._go(lambda line: min(line.index + steps, len(line.steps) - 1))

    def jump(self, index: int) -> int:
        """Goes to an entry, in one commit.

        Args:
            index: The `index` of an `UndoEntry`.

        Returns:
            Over how many steps it went.

        Raises:
            StoreClosed, FeedbackLoop: as a write to the store.
            UsageError: inside a batch, or there is no such entry.
        """

        def there(line: _Line) -> int:
            if index >= len(line.steps):
                raise UsageError(f"there are {len(line.steps)} entries; got index {index}")
            return index

        check_count(index, "index=")
        return self._go(there)

    @contextmanager
    def transaction(self, name: str | None = None) -> Generator[None, None, None]:
        """Makes all commits during a `with` block one step. Observers see each commit while the block runs.

        If the block raises, the stores and the history become what they were before it, in one commit. That takes back all
        that changed during the block: also an undo, and what made no step. A `clear()` alone stays. A transaction inside
        another belongs to it. Writes of other threads during the block belong to its step too. An undo during the block
        ends the step; later changes make a new one.

        Args:
            name: For `UndoEntry.name`.

        Raises:
            UsageError: inside a batch, which is one step already; or `name` is not a text.
        """
        check_kind(name, str, "name=", '"move"')
        _check_outside_batch("a transaction has several commits; a batch is one")
        self._catch_up()
        with self._domain.exclusive():
            is_outer = not self._transactions
            self._transactions.append(name)
            if is_outer:
                self._line.is_sealed = True
                self._revision += 1
                self._begun = self._line
        try:
            yield
        except BaseException:
            begun = self._end_transaction(is_outer=is_outer)
            if begun is not None:
                self._take_back(begun)
            raise
        self._end_transaction(is_outer=is_outer)
        self._publish_flags()

    @contextmanager
    def paused(self) -> Generator[None, None, None]:
        """Makes no steps during a `with` block. What changes in it belongs to the step before."""
        self._catch_up()
        with self._domain.exclusive():
            self._pauses += 1
        try:
            yield
        finally:
            self._catch_up()
            with self._domain.exclusive():
                self._pauses -= 1

    def clear(self) -> None:
        """Forgets all steps, back and forth; the stores keep their values."""
        self._catch_up()
        with self._domain.exclusive():
            line = self._line
            self._line = line.alone()
            if self._begun is not None:
                self._begun = self._begun.alone()
            self._revision += 1
        self._publish_flags()

    def dispose(self) -> None:
        """Stops recording and forgets everything; `can_undo` and `can_redo` become False and end. Keeps no value."""
        with self._domain.exclusive():
            if self._is_disposed:
                return
            self._is_disposed = True
            self._revision += 1
            # Dropped below, after the lock: the last reference to a value may run a finalizer of the program.
            dropped = (self._line, self._last, self._begun, self._members)
            self._members = ()
            self._line = _Line([])
            self._begun = None
            self._last = ()
        del dropped
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

    def _values(self) -> tuple[Any, ...]:
        return tuple(member.cell.committed for member in self._members)

    def _missing(self) -> list[tuple[Any, ...]]:
        """Returns the values of the stores since those recorded last, oldest first. Under the lock.

        A commit whose delivery has just begun is in no queue. The value that it made is the old one of the next commit of
        its store, or else the newest value.
        """
        last = self._last
        values: list[tuple[Any, ...]] = []

        def note(place: int, value: Any) -> tuple[Any, ...]:
            return (*last[:place], value, *last[place + 1 :])

        for commit in self._domain.pending():
            if commit.number <= self._seen:
                continue
            mine = [
                (place, old, new)
                for source, old, new in commit.changes
                for place, member in enumerate(self._members)
                if source is member.cell
            ]
            before = last
            for place, old, _ in mine:
                last = note(place, old)
            if any(map(operator.is_not, before, last)):
                values.append(last)
            for place, _, new in mine:
                last = note(place, new)
            if mine:
                values.append(last)
        now = self._values()
        return values if all(map(operator.is_, now, last)) else [*values, now]

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
                line, members = self._line.copy(), self._members
                before = self._last
                is_paused, name = self._pauses > 0, self._transactions[-1:]
            for value in values:
                self._add(members, line, before, value, name=name, is_paused=is_paused)
                before = value
            with self._domain.exclusive():
                if self._revision == revision:
                    # Until this returns: the last reference to a value may run a finalizer, not under the lock.
                    dropped = (self._line, self._last)
                    self._line, self._seen = line, number
                    self._last = values[-1]
                    self._revision += 1
                    break
        del dropped

    def _add(
        self,
        members: tuple[_Member, ...],
        line: _Line,
        before: tuple[Any, ...],
        values: tuple[Any, ...],
        *,
        name: list[str | None],
        is_paused: bool,
    ) -> None:
        """Adds the values that one commit made to a line: to the step where it is, or as a step."""
        here = line.steps[line.index]
        parts = list(here.parts)
        is_new = False
        for place, (member, was, value) in enumerate(zip(members, before, values, strict=True)):
            if value is was:
                continue
            try:
                part = member.part(value)
            except Exception as error:  # noqa: BLE001 - the user's partialize; the store is not concerned
                self._domain.report("hook", error, member.cell.name, member.part)
                continue
            is_new = is_new or not unchanged(member.equals, parts[place], part)
            parts[place] = part
        written = tuple(
            dict.fromkeys(() if value is was else member.keys_of(value))
            for member, was, value in zip(members, before, values, strict=True)
        )
        now = self._clock()
        if not is_new or is_paused:
            # No step, but a redo to this place shall find the latest.
            line.steps[line.index] = attrs.evolve(
                here, parts=tuple(parts), keys=_joined(here.keys, written)
            )
            if line.index + 1 < len(line.steps):
                after = line.steps[line.index + 1]
                line.steps[line.index + 1] = attrs.evolve(after, keys=_joined(after.keys, written))
            return
        is_soon = self._group_within is not None and now - here.made_at <= self._group_within
        is_last = 0 < line.index == len(line.steps) - 1
        if is_last and not line.is_sealed and (name or is_soon):
            line.steps[line.index] = _Step(
                tuple(parts), _joined(here.keys, written), here.name, now
            )
            return
        del line.steps[line.index + 1 :]
        line.steps.append(_Step(tuple(parts), written, name[0] if name else None, now))
        if len(line.steps) > self._limit + 1:
            del line.steps[0]
        line.index = len(line.steps) - 1
        line.is_sealed = False

    def _end_transaction(self, *, is_outer: bool) -> _Line | None:
        """Ends a transaction; returns the line that an outer one began with."""
        self._catch_up()
        with self._domain.exclusive():
            self._transactions.pop()
            if not is_outer:
                return None
            self._line.is_sealed = True
            self._revision += 1
            begun, self._begun = self._begun, None
            return begun

    def _take_back(self, begun: _Line) -> None:
        """Returns the stores and the history to a line that they had."""

        def plan(line: _Line) -> _Plan:
            # A change that made no step has replaced the current one, so that only the old line has its parts. What was
            # written since is not known where steps were cut: all keys are compared.
            here, back = line.steps[line.index].parts, begun.steps[begun.index].parts
            keys = tuple(map(_all_keys, here, back))
            return _Line(begun.steps, begun.index), keys

        self._move(plan)
        self._publish_flags()

    # --- moving -------------------------------------------------------------------------------------------------------

    def _go(self, there_of: Callable[[_Line], int]) -> int:
        """Goes to a step; returns over how many steps."""
        went = 0

        def plan(line: _Line) -> _Plan | None:
            nonlocal went
            here, there = line.index, there_of(line)
            went = abs(there - here)
            between = line.steps[min(here, there) + 1 : max(here, there) + 1]
            keys = tuple(
                {key: None for step in between for key in step.keys[place]}
                for place in range(len(line.steps[here].keys))
            )
            return (_Line(line.steps, there), keys) if went else None

        return went if self._move(plan) else 0

    def _move(self, plan_of: Callable[[_Line], _Plan | None]) -> bool:
        """Replaces the line and writes the values of its current step; False when there is nothing to do."""
        _check_outside_batch("undo and redo are commits of their own")
        domain, members = self._domain, self._members
        while True:
            self._catch_up()
            with domain.exclusive():
                if self._is_disposed:
                    return False
                line, revision, now = self._line, self._revision, self._last
            plan = plan_of(line)
            if plan is None:
                return False
            after, keys = plan
            here, there = line.steps[line.index].parts, after.steps[after.index].parts
            values = tuple(
                now[place]
                if there[place] is here[place]
                else member.restore(now[place], there[place], keys[place])
                for place, member in enumerate(members)
            )
            changes = [
                (member.cell, old, new)
                for member, old, new in zip(members, now, values, strict=True)
                if new is not old
            ]
            # `merge=` may make a value that the store never had.
            domain.check(changes)
            with domain.exclusive():
                if self._revision != revision or self._missing():
                    continue
                self._line = after
                is_done = False
                try:
                    is_done = self._commit([*changes, *self._flag_changes()])
                finally:
                    if not is_done:
                        self._line = line
                if is_done:
                    self._last = values
                    self._revision += 1
                    self._seen = domain.number
                    return True

    def _flag_changes(self) -> list[tuple[Cell[Any], Any, Any]]:
        """Returns the changes of `can_undo` and `can_redo` that the place asks for. Under the lock."""
        line = self._line
        flags = (
            (self._can_undo, line.index > 0),
            (self._can_redo, line.index < len(line.steps) - 1),
        )
        return [(flag, flag.committed, now) for flag, now in flags if flag.committed is not now]

    def _publish_flags(self) -> None:
        with self._domain.exclusive():
            while changes := self._flag_changes():
                if self._can_undo.is_closed or self._domain.commit(changes, is_link=False):
                    return

    def _commit(self, changes: list[tuple[Cell[Any], Any, Any]]) -> bool:
        """Makes one commit of the stores and the flags; False when a store changed meanwhile."""
        for member in self._members:
            if member.cell.is_closed:
                raise StoreClosed(member.cell.name)
        return not changes or self._domain.commit(changes)


def _joined(
    left: tuple[dict[Any, None], ...], right: tuple[dict[Any, None], ...]
) -> tuple[dict[Any, None], ...]:
    return tuple({**a, **b} if b else a for a, b in zip(left, right, strict=True))


def _all_keys(left: Any, right: Any) -> dict[Any, None]:
    """Returns the keys of two parts; none for parts of a plain store."""
    if not isinstance(left, Entities):
        return {}
    return dict.fromkeys((*left, *right))  # pyright: ignore[reportUnknownArgumentType]


def _check_steps(steps: int) -> None:
    check_count(steps, "steps=", least=1)


def _check_outside_batch(why: str) -> None:
    if active_batch() is not None:
        raise UsageError(f"{why}; call this outside of batch()")


@overload
def undo(
    store: Store[T],
    /,
    *,
    limit: int = 100,
    group_within: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    equals: Equals[T] | None = None,
) -> UndoHistory: ...
@overload
def undo(
    store: Store[T],
    /,
    *,
    limit: int = 100,
    group_within: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    partialize: Callable[[T], P],
    merge: Callable[[T, P], T],
    equals: Equals[P] | None = None,
) -> UndoHistory: ...
@overload
def undo(
    *stores: Store[Any] | KeyedStore[Any, Any],
    limit: int = 100,
    group_within: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> UndoHistory: ...


def undo(
    *stores: Store[Any] | KeyedStore[Any, Any],
    limit: int = 100,
    group_within: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    partialize: Callable[[Any], Any] | None = None,
    merge: Callable[[Any, Any], Any] | None = None,
    equals: Equals[Any] | None = None,
) -> UndoHistory:
    """Starts to record the values of stores, from the current ones on.

    One step is one commit: a write, or all writes of a batch; see `group_within`, `UndoHistory.transaction` and
    `UndoHistory.paused` for larger steps. A new write forgets the steps that were undone.

    Args:
        stores: One or more stores and keyed stores of one domain. A step is about all of them.
        limit: How many steps are kept; the oldest go first.
        group_within: A change that comes at most so many seconds after the last change of a step belongs to that step.
            None: never. An undo ends a step.
        clock: Seconds, for `group_within` and `UndoEntry.made_at`.
        partialize: The part of a value that undo is about; a pure function. None: all of it. For one store.
        merge: Puts a part back into the value as it is now; a pure function. Goes with `partialize`.
        equals: When two parts in a row make no step; see `equality.same` for the default. For one store.

    Raises:
        DomainMismatch: the stores are of different domains.
        UsageError: no store, an option of a wrong kind, one of `partialize` and `merge` without the other, or any of them or
            `equals` with a keyed store or several stores.
    """
    check_count(limit, "limit=", least=1)
    if group_within is not None:
        check_seconds(group_within, "group_within=")
    check_function(clock, "clock=", "return seconds at once, such as time.monotonic")
    check_comparer(equals)
    for function, option in ((partialize, "partialize="), (merge, "merge=")):
        if function is not None:
            check_function(function, option, "compute at once")
    for given in stores:
        check_kind(given, (Store, KeyedStore), "undo()", "undo(settings)", is_required=True)
    if len(stores) < 1 or len(set(map(id, stores))) != len(stores):
        raise UsageError("undo() takes one or more stores, each once")
    if (partialize is None) != (merge is None):
        raise UsageError(
            "partialize= and merge= go together: how to take a part, how to put it back"
        )
    is_special = partialize is not None or equals is not None
    for store in stores:
        if store.domain is not stores[0].domain:
            raise DomainMismatch(stores[0].domain.name, store.domain.name)
        if is_special and (len(stores) > 1 or isinstance(store, KeyedStore)):
            raise UsageError(
                "partialize=, merge= and equals= are for undo of one plain store; of several stores or a keyed one"
                " every commit is a step"
            )
    compare = same if equals is None else equals
    if partialize is not None and merge is not None:
        put = merge
        members: tuple[_Member, ...] = (
            _Member(stores[0], partialize, lambda now, part, _: put(now, part), compare),
        )
    else:
        members = tuple(
            _Member(
                store,
                _whole,
                *(
                    (_put_entities, _same_entities)
                    if isinstance(store, KeyedStore)
                    else (_put_whole, compare)
                ),
            )
            for store in stores
        )
    return UndoHistory(members, limit, group_within, clock)


def _whole(value: Any) -> Any:
    return value


def _put_whole(_now: Any, part: Any, _keys: dict[Any, None]) -> Any:
    return part


def _put_entities(
    now: Entities[Any, Any], part: Entities[Any, Any], keys: dict[Any, None]
) -> Entities[Any, Any]:
    """Returns the snapshot `part` with the keys noted that differ from now, so that only their observers run."""
    return part.touching(keys).since(now, operator.is_)


def _same_entities(old: Entities[Any, Any], new: Entities[Any, Any]) -> bool:
    """Whether a commit left all entities as they were: a `trigger` makes a new snapshot of the same ones."""
    return not new.since(old, operator.is_).touched_keys() and new.is_ordered_like(old)
