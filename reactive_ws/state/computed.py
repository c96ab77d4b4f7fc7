"""Values computed from other values: consistent, cached, and free of charge without an observer.

A derived value has two memories. `_delivered` belongs to delivery: the value for the commit that is being delivered,
computed at most once per commit, after all of its sources (see `graph`). `_ahead` belongs to readers on any thread. It is the
value for the newest commit, computed for a read that comes before delivery. Delivery takes it over when it was computed from the
same source values. Both keep the arguments, so a function runs only when an argument changed.

A value without observers keeps what it read until a source changes. A `_Reader` among the dependents of its sources then
drops it, so no replaced value stays alive because it was read once.

The graph is fixed when a derived value is made, so it has no cycles, and every walk over it uses an explicit stack.

The module is long because both memories follow the same sources, and each rule names both.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from itertools import repeat
from operator import attrgetter, is_
from typing import Any, Generic, TypeGuard, TypeVar, cast

import attrs

from ..engine import (
    COMPARED,
    UNSET,
    Dependent,
    Equals,
    Lifecycle,
    Root,
    SharedSelector,
    SomeObservers,
    Source,
    Subscription,
    active_batch,
    plain_function,
    same,
    unchanged,
)
from .store import ReadOnly

__all__ = ["STEPS_BY_IDENTITY", "Derived", "Failure"]

R_co = TypeVar("R_co", covariant=True)


class Failure:
    """Stands where the value would be when the function raised."""

    __slots__ = ("error", "traceback")

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.traceback = error.__traceback__

    def began_here(self, arguments: tuple[Any, ...]) -> bool:
        """Whether it began at the value with these arguments and not below it, where it was reported."""
        return all(argument is not self for argument in arguments)


def _calculate(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Returns the value, or the failure of the function or of the first argument that is one."""
    for argument in arguments:
        if argument.__class__ is Failure:
            return argument
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - kept as the value, raised by get(), reported by the caller
        return Failure(error)


def _value_or_error(result: Any) -> Any:
    """Returns what was calculated.

    Raises:
        Exception: what the function raised.
    """
    if result.__class__ is not Failure:
        return result
    try:
        # With the traceback that it had, or each read would make it longer.
        raise result.error.with_traceback(result.traceback)
    finally:
        del result


def _is_same_input(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    """Whether these are the same objects, so that there is nothing to _calculate."""
    return all(map(is_, left, right))


def _has_gap(arguments: tuple[Any, ...]) -> bool:
    """Whether one of these is not known yet. `in` would ask user values whether they are equal."""
    return any(map(is_, arguments, repeat(UNSET)))


_delivered_of = attrgetter("_delivered")
_UNUSUAL = frozenset({Failure, type(UNSET)})
"""Classes of arguments that need more than a call of the function."""

_AFTER_INTERRUPT = -1
"""Stands for the commit that a derived value has seen when it joined, when it may have missed a later one."""

_SLOW, _RUNS, _STEPS, STEPS_BY_IDENTITY = 0, 1, 2, 3
"""The ways of an update: the program's comparer decides; the default rule, and the update only runs the function; the default
rule, and a subclass computes; a subclass computes, and another object is another value."""


class _Reader:
    """Stands for a derived value that was read and has no observer: the next commit of a source drops what it keeps.

    The sources hold it, and it holds the value weakly. So a value that was read dies with its last reference.

    Args:
        value: The derived value.
    """

    __slots__ = (
        "__weakref__", "_domain", "_height", "_is_awake", "_joined", "_queued", "_sources", "_value",
    )  # fmt: skip

    _is_reader = True

    def __init__(self, value: Derived[Any]) -> None:
        self._domain = value._domain
        self._sources = value._sources
        self._height = value._height
        self._joined = 0
        self._queued = 0
        self._is_awake = False
        self._value: weakref.ref[Derived[Any]] = weakref.ref(value, self._lost)

    @property
    def _dependents(self) -> dict[Dependent, None]:
        """The readers above."""
        value = self._value()
        above = () if value is None else tuple(value._dependents)
        return {reader: None for reader in above if reader._is_reader}

    def _note(self, number: int) -> None:
        """Lets the sources know that the value was read as of commit `number`. Under the lock."""
        self._joined = number
        for source in self._sources:
            source._add_reader(self)
        self._is_awake = True

    def _update(self) -> bool:
        value = self._value()
        domain = self._domain
        with domain._lock:
            self._asleep()
            if value is not None and not value._is_observed():
                domain._trash.append(value._ahead)
                value._ahead = None
        if domain._leftover or domain._trash:
            domain._after_section()
        return value is not None

    def _lost(self, _: object) -> None:
        """Leaves the sources, because the value died. Anywhere, also inside the lock."""
        domain = self._domain
        is_inside = domain._is_inside()
        with domain._lock:
            domain._is_busy = True
            domain._interest.append(self)
            domain._leave_section(is_inside=is_inside)
        if not is_inside:
            domain._after_section()

    def _is_observed(self) -> bool:
        return self._is_awake and self._value() is not None

    def _awake(self) -> None:
        """Nothing: `_note` does it."""

    def _asleep(self) -> None:
        for source in self._sources:
            source._remove_reader(self)
        self._is_awake = False

    def _interrupted(self, error: BaseException) -> None:
        raise error

    def _start_again(self) -> None:
        """Drops what the value read."""
        value = self._value()
        if value is not None and not value._is_observed():
            value._ahead = None

    def _begin_as_child(self) -> None:
        """Nothing: a reader has no observers."""

    def _is_left_alone(self) -> bool:
        return False

    def _end_streams(self) -> None:
        """Nothing: a reader has no streams."""


@attrs.frozen
class _Captured:
    """The input of a derived value at one commit: the values of `ground`, and the way up from there."""

    number: int
    order: list[Derived[Any]]
    ground: list[Source]
    values: list[Any]


class Derived(Source, ReadOnly[R_co], Generic[R_co]):
    """A read-only store computed from stores, selections and derived values. Made by `derived`.

    Observers see it after those of its sources, once per commit, only when it changed, and never a mix of versions.
    While it has an observer, each commit of a source computes it once; without one it is computed when read. An
    exception in the function is reported, `get` raises it while it lasts, and the next good value arrives.
    """

    __slots__ = (
        "_ahead", "_equals", "_function", "_joined", "_kept", "_life", "_lifecycle", "_notified", "_plan", "_queued",
        "_reader", "_sources", "_way",
    )  # fmt: skip

    _kind = "derive"
    _has_memory = True
    _is_reader = False
    _runs_function = True
    """Whether `_evaluate_guarded` does nothing but to run the function."""

    def __init__(
        self,
        sources: tuple[Source, ...],
        function: Callable[..., R_co],
        equals: Equals[Any] | None,
        name: str | None,
        lifecycle: Lifecycle | None = None,
    ) -> None:
        domain = sources[0]._domain
        for source in sources:
            domain._check(source)
        label = getattr(function, "__qualname__", type(function).__name__) if name is None else name
        super().__init__(domain, label)
        self._sources = sources
        self._function = function
        self._equals: Equals[Any] = same if equals is None else equals
        if self._runs_function:
            self._way = _RUNS if self._equals is same else _SLOW
        elif self._equals is is_:
            self._way = STEPS_BY_IDENTITY
        else:
            self._way = _STEPS if self._equals is same else _SLOW
        self._height = 1 + max(source._height for source in sources)
        self._joined = 0
        self._queued = 0
        # The arguments and the result of the newest delivery, and the domain's `_rewritten`: one object, because readers on
        # other threads take all.
        self._kept: tuple[tuple[Any, ...], Any, object] | None = None
        # How often the last observer went.
        self._life = 0
        self._notified: Any = UNSET
        # The number, the arguments and the result of the newest read, and `_rewritten` as above.
        self._ahead: tuple[int, tuple[Any, ...], Any, object] | None = None
        self._reader: _Reader | None = None
        self._lifecycle = lifecycle
        if lifecycle is not None:
            domain._add_with_callbacks(self)
        self._plan: tuple[tuple[Derived[Any], ...], tuple[Root, ...]] | None = None

    def __repr__(self) -> str:
        return f"<Derived {self.name!r} of {len(self._sources)} sources>"

    @property
    def _origin(self) -> Source:
        return self

    def get(self) -> R_co:
        """Returns the value for the newest commit; inside a batch for the batch. Any thread.

        Raises:
            Exception: what the function raises for the values as they are.
        """
        return cast("R_co", _value_or_error(self._newest()))

    def _newest(self) -> Any:
        """Returns the value, or the failure, for the newest commit or for the open batch."""
        open_batch = active_batch()
        if open_batch is not None and open_batch.touches(
            tuple(root._cell for root in self._roots())
        ):
            return self._result_from(open_batch.read_all(self._domain, self._roots()))
        domain = self._domain
        ahead = self._ahead
        if ahead is not None and ahead[0] == domain._number:
            return ahead[2]
        if self._is_observed() and not domain._deliverer and not domain._queue:
            delivered = self._delivered
            if delivered is not UNSET:
                return delivered
        return self._compute_ahead(domain._read_at_once(self._capture))

    # --- reading ahead of delivery ------------------------------------------------------------------------------------

    def _below(
        self, is_known: Callable[[Derived[Any]], bool]
    ) -> tuple[list[Derived[Any]], list[Source]]:
        """Walks down to what is known already.

        Returns:
            The derived values down to there, sources first and this one last; and what they stand on: stores, and derived
            values for which `is_known` holds.
        """
        order: list[Derived[Any]] = []
        ground: dict[Source, None] = {}
        seen: set[Source] = {self}
        stack: list[tuple[Derived[Any], Iterator[Source]]] = [(self, iter(self._sources))]
        while stack:
            node, rest = stack[-1]
            for source in rest:
                if source in seen:
                    continue
                seen.add(source)
                if _is_derived(source) and not is_known(source):
                    stack.append((source, iter(source._sources)))
                    break
                ground[source] = None
            else:
                order.append(node)
                stack.pop()
        return order, list(ground)

    def _whole_plan(self) -> tuple[tuple[Derived[Any], ...], tuple[Root, ...]]:
        """Returns the derived values below this one, sources first, and the stores under them."""
        if self._plan is None:
            order, roots = self._below(_is_never)
            # Without this one itself: a value that refers to itself would not die with its last reference.
            order.pop()
            self._plan = tuple(order), tuple(cast("list[Root]", roots))
        return self._plan

    def _capture(self) -> _Captured:
        domain = self._domain
        number = domain._number
        if not (domain._deliverer or domain._queue):
            # At rest what was delivered is what is. Without this, to observe each value of a deep graph would cost the
            # square of its size.
            order, ground = self._below(_is_delivered)
            values = [
                source._delivered if _is_derived(source) else source._capture() for source in ground
            ]
            # One of them may have lost its last observer since it was looked at.
            if not any(map(is_, values, repeat(UNSET))):
                return _Captured(number, order, ground, values)
        below, roots = self._whole_plan()
        values = [root._capture() for root in roots]
        return _Captured(number, [*below, self], list[Source](roots), values)

    def _project(self, captured: _Captured) -> R_co:
        return cast("R_co", _value_or_error(self._compute_ahead(captured)))

    def _compute_ahead(self, captured: _Captured) -> Any:
        """Returns the value, or the failure, for values below that belong to one commit. Any thread."""
        known: dict[Source, Any] = {
            source: value if _is_derived(source) else source._project(value)
            for source, value in zip(captured.ground, captured.values, strict=True)
        }
        try:
            for node in captured.order:
                arguments = [known[below] for below in node._sources]
                known[node] = node._result_ahead(captured.number, tuple(arguments))
            self._note_reads(captured)
            return known[self]
        finally:
            arguments = []
            known.clear()
            captured.values.clear()

    def _note_reads(self, captured: _Captured) -> None:
        """Registers the values without observers, so that they drop what they read when a source changes."""
        if all(node._is_observed() for node in captured.order):
            return
        domain = self._domain
        is_inside = domain._is_inside()
        with domain._lock:
            domain._is_busy = True
            is_newest = domain._number == captured.number
            for node in captured.order:
                if node._ahead is None or node._is_observed():
                    continue
                if not is_newest:
                    domain._trash.append(node._ahead)
                    node._ahead = None
                    continue
                if node._reader is None:
                    node._reader = _Reader(node)
                node._reader._note(captured.number)
            domain._leave_section(is_inside=is_inside)
        if domain._leftover or domain._trash:
            domain._after_section()

    def _result_ahead(self, number: int, arguments: tuple[Any, ...]) -> Any:
        ahead, kept, rewritten = self._ahead, self._kept, self._domain._rewritten
        if ahead is not None and ahead[3] is rewritten and _is_same_input(ahead[1], arguments):
            result = ahead[2]
        elif kept is not None and kept[2] is rewritten and _is_same_input(kept[0], arguments):
            result = kept[1]
        else:
            result = self._evaluate_ahead(arguments)
            if (
                ahead is not None
                and result.__class__ is not Failure
                and ahead[2].__class__ is not Failure
                and unchanged(self._equals, ahead[2], result, self)
            ):
                result = ahead[2]
        # The failure of a value without observers would keep the value alive, through its traceback.
        if result.__class__ is not Failure or self._is_observed():
            self._ahead = (number, arguments, result, rewritten)
        try:
            return result
        finally:
            del result, arguments

    def _evaluate_ahead(self, arguments: tuple[Any, ...]) -> Any:
        """Runs the function for a reader."""
        return _calculate(self._function, arguments)

    def _roots(self) -> tuple[Root, ...]:
        return self._whole_plan()[1]

    def _value_from(self, known: dict[Source, Any]) -> R_co:
        return cast("R_co", _value_or_error(self._result_from(known)))

    def _result_from(self, known: dict[Source, Any]) -> Any:
        values = dict(known)
        try:
            for node in (*self._whole_plan()[0], self):
                arguments = [values[below] for below in node._sources]
                values[node] = _calculate(plain_function(node._function), tuple(arguments))
            return values[self]
        finally:
            arguments = []
            values.clear()

    # --- delivery -----------------------------------------------------------------------------------------------------

    def _update(self) -> bool:
        """Computes the value for the commit under delivery and tells the observers; True when it changed."""
        domain, life = self._domain, self._life
        is_observed = self._live or self._others > self._readers
        if not is_observed or self._joined >= domain._current:
            # The last observer left, or came back and saw a newer commit, after this update was planned.
            return False
        sources, notified, way = self._sources, self._notified, self._way
        argument: Any = sources[0]._delivered
        is_alone = len(sources) == 1
        arguments: tuple[Any, ...] = (argument,) if is_alone else tuple(map(_delivered_of, sources))
        # The usual case is written out: every argument is known, there was no failure, and nothing read ahead. The rows
        # `derived_kairo_*` take 0.48 to 0.63 of the long way. `tests/unit/test_derived.py` runs both ways.
        if (
            way
            and notified is not UNSET
            and self._delivered is notified
            and self._ahead is None
            and not (self._waiting or self._nodes)
            and argument.__class__ not in _UNUSUAL
            and (is_alone or _UNUSUAL.isdisjoint(map(type, arguments)))
        ):
            rewritten = domain._rewritten
            if way != _RUNS:
                result = self._evaluate_guarded(arguments)
                if result.__class__ is Failure:
                    return self._settle(arguments, result, None, rewritten, life)
            else:
                try:
                    # The interpreter calls a function faster when it sees the arguments.
                    result = self._function(argument) if is_alone else self._function(*arguments)
                except BaseException as error:  # noqa: BLE001 - kept, and raised after all observers were served
                    # Without this frame, which holds this value: the failure would keep it alive.
                    traceback = error.__traceback__
                    error.__traceback__ = None if traceback is None else traceback.tb_next
                    del traceback
                    return self._settle(arguments, self._failure_of(error), None, rewritten, life)
            if self._life != life:
                return False
            kind = result.__class__
            if result is notified or (
                way != STEPS_BY_IDENTITY
                and kind is notified.__class__
                and (result == notified if kind in COMPARED else same(notified, result))
            ):
                self._kept = arguments, notified, rewritten
                return False
            self._kept = arguments, result, rewritten
            self._delivered = self._notified = result
            if self._size == 1:
                call = self._slots[0]
                try:
                    call(result)
                except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
                    domain._failed("observer", error, self.name, call)
            elif self._size:
                self._tell(result)
            return True
        if _has_gap(arguments):
            arguments = self._fill()
        ahead, rewritten = self._ahead, domain._rewritten
        if ahead is not None and ahead[3] is rewritten and _is_same_input(ahead[1], arguments):
            result = ahead[2]
        else:
            result = self._evaluate_guarded(arguments)
        if ahead is not None and ahead[0] <= self._domain._current and self._ahead is ahead:
            # Nothing read once keeps what was replaced.
            self._ahead = None
        try:
            return self._settle(arguments, result, ahead, rewritten, life)
        finally:
            del arguments, ahead, result

    def _settle(
        self, arguments: tuple[Any, ...], result: Any, ahead: Any, rewritten: object, life: int
    ) -> bool:
        """Keeps what an update computed and tells the observers; True when it changed."""
        before, notified = self._delivered, self._notified
        is_failure = result.__class__ is Failure
        is_same = (
            not is_failure
            and notified is not UNSET
            and unchanged(self._equals, notified, result, self)
        )
        if self._life != life:
            del arguments, ahead, result, before
            return False
        if is_same:
            result = notified
        self._kept = arguments, result, rewritten
        self._delivered = result
        if is_failure:
            self._doubt_parts()
            is_new = result is not before
            if is_new and result.began_here(arguments):
                self._domain._failed("derive", result.error, self.name, self._function)
            del arguments, ahead, result, before
            return is_new
        if is_same:
            if self._waiting:
                SomeObservers(self, self._take_waiting())._tell(result)
            if before.__class__ is not Failure:
                return False
            self._tell_waiting_parts(result)
            return True
        if self._waiting:
            self._take_waiting()
        self._notified = result
        self._notify(result)
        return True

    def _interrupted(self, error: BaseException) -> None:
        """Takes an exception of the comparer. The next read computes again."""
        self._domain._failed("comparer", error, self.name, self._equals)
        self._start_again()

    def _start_again(self) -> None:
        self._ahead = None
        # What an observer that joins was shown may be older, so `_seed` does not take it.
        self._joined = _AFTER_INTERRUPT
        self._forget()
        self._forget_parts()

    def _evaluate_guarded(self, arguments: tuple[Any, ...]) -> Any:
        """Runs the function in a delivery, which goes on after any exception."""
        try:
            return _calculate(self._function, arguments)
        except BaseException as error:  # noqa: BLE001 - kept, and raised after all observers were served
            return self._failure_of(error)

    def _failure_of(self, error: BaseException) -> Failure:
        """Returns what stands for the value when the function raised."""
        if isinstance(error, Exception):
            return Failure(error)
        self._domain._failed("derive", error, self.name, self._function)
        interrupted = RuntimeError(f"the function of {self!r} was interrupted")
        interrupted.__cause__ = error
        return Failure(interrupted)

    def _fill(self) -> tuple[Any, ...]:
        """Computes the values below this one that have none yet. On the delivering thread."""
        order, ground = self._below(_is_delivered)
        rewritten = self._domain._rewritten
        for root in ground:
            if root._delivered is UNSET:
                key = cast("Root", root)
                key._delivered = key._project(key._cell._delivered)
        for node in order[:-1]:
            arguments = tuple([source._delivered for source in node._sources])
            if node._joined == _AFTER_INTERRUPT:
                # Observers may lack this value, so they get it now.
                result = node._evaluate_guarded(arguments)
                node._settle(arguments, result, None, rewritten, node._life)
                del arguments, result
                continue
            node._delivered = node._evaluate_guarded(arguments)
            node._kept = arguments, node._delivered, rewritten
            if node._delivered.__class__ is not Failure:
                node._notified = node._delivered
            del arguments
        return tuple([source._delivered for source in self._sources])

    # --- coming to life with the first observer, going with the last -------------------------------------------------

    def _awake(self) -> None:
        # Each source notes that it is to wake, too; so the walk down is a queue and not a recursion.
        self._joined = self._domain._number
        self._forget()
        for source in self._sources:
            source._add_dependent(self)
        # Deliveries gave it no end while it slept.
        self._is_closed = self._domain._has_ended and all(
            cast("Source", root._cell)._is_closed for root in self._roots()
        )
        if isinstance(self._function, SharedSelector):
            self._function.is_value_awake = True
        if self._lifecycle is not None:
            self._domain._chores.append(self)
        self._is_awake = True

    def _asleep(self) -> None:
        self._life += 1
        self._domain._trash.append(self._ahead)
        self._ahead = None
        self._forget()
        for source in self._sources:
            source._remove_dependent(self)
        if isinstance(self._function, SharedSelector):
            self._function.is_value_awake = False
            self._function.forget()
        if self._lifecycle is not None:
            self._domain._chores.append(self)
        self._is_awake = False

    def _run_chore(self) -> None:
        if self._lifecycle is not None:
            self._lifecycle.settle(self)

    def _below_with_callbacks(self) -> list[Any]:
        _, ground = self._below(_has_callbacks)
        # One keyed store may be there with several keys.
        found: dict[Any, None] = {
            it if _is_derived(it) else cast("Root", it)._cell: None for it in ground
        }
        return [it for it in found if it._lifecycle is not None]

    def _forget(self) -> None:
        """Drops what delivery remembers. Under the lock."""
        self._domain._trash.append((self._delivered, self._notified, self._kept))
        self._delivered = self._notified = UNSET
        self._kept = None

    def _seed(self, link: Subscription, value: Any) -> None:  # noqa: ARG002 - the values are in the plan
        if self._delivered is not UNSET:
            return
        for node in self._below(_is_delivered)[0]:
            ahead = node._ahead
            # From here to the end of the round without a call, because another thread may deliver.
            if ahead is not None and ahead[0] == node._joined and node._delivered is UNSET:
                node._kept = ahead[1], ahead[2], ahead[3]
                node._delivered = ahead[2]
                if ahead[2].__class__ is not Failure:
                    node._notified = ahead[2]

    def _is_same(self, old: Any, new: Any) -> bool:
        return unchanged(self._equals, old, new, self)

    def _culprit(self) -> object:
        return self._function

    def _is_left_alone(self) -> bool:
        # A closed one that is observed still has an end to give, because an interrupt came.
        is_open = not self._is_closed or self._is_observed()
        return is_open and all(source._is_closed for source in self._sources)

    def _has_ended(self) -> bool:
        return self._domain._has_ended and all(root._has_ended() for root in self._roots())


def _is_derived(source: Source) -> TypeGuard[Derived[Any]]:
    return isinstance(source, Derived)


def _has_callbacks(node: Derived[Any]) -> bool:
    return node._lifecycle is not None


def _is_never(_: Derived[Any]) -> bool:
    return False


def _is_delivered(node: Derived[Any]) -> bool:
    # A value whose last observer left during its computation has a result that no delivery keeps up to date.
    return node._delivered is not UNSET and node._is_observed()
