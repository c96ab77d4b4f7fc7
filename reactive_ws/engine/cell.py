"""A written value: compare, swap, hand the commit to the domain. `Store` and `KeyedStore` are cells.

The speed of the direct path in `_publish` counts. It is for a write that concerns only the own observers, while no thread
delivers: the commit never becomes an object and goes straight to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from threading import get_ident
from typing import Any, Generic, TypeVar, final

from reactivex.abc import DisposableBase, SchedulerBase
from reactivex.scheduler import TimeoutScheduler

from ..errors import StoreClosed, UsageError
from .audience import UNSET
from .batch import active_batch
from .checks import (
    check_comparer,
    check_function,
    check_kind,
    check_result,
    check_seconds,
    check_valid,
    refuse_copy,
)
from .commit_queue import fork_safe_lock, open_batches
from .domain import Domain, default_domain
from .equality import Equals, same, unchanged
from .graph import Dependent, propagate
from .source import Root, Source

__all__ = ["Cell", "Lifecycle", "lifecycle_of"]

T = TypeVar("T")

_names = count(1)


class Cell(Root, Generic[T]):
    """A written value: what `Store` and `KeyedStore` share.

    The methods that write are final: a batch, `reset` and `update` do not go through `set`, so a subclass that changes one of
    them would change some writes only.
    """

    __slots__ = (
        "_equals", "_initial", "_is_named", "_is_plain", "_is_shut", "_lifecycle", "_reached", "_validate", "_value",
    )  # fmt: skip

    def __init__(
        self,
        initial: T,
        *,
        name: str | None = None,
        domain: Domain | None = None,
        equals: Equals[T] | None = None,
        validate: Callable[[Any], object] | None = None,
        on_start: Callable[[], object] | None = None,
        on_stop: Callable[[], object] | None = None,
        linger: float = 0.0,
        scheduler: SchedulerBase | None = None,
        is_dumped: bool = True,
    ) -> None:
        check_kind(name, str, "name=", '"messages"')
        check_kind(is_dumped, bool, "is_dumped=", "False", is_required=True)
        check_kind(domain, Domain, "domain=", 'Domain("mine")')
        check_comparer(equals)
        if validate is not None:
            check_function(validate, "validate=", "check at once, and raise a ValueError")
        domain = default_domain() if domain is None else domain
        super().__init__(domain, f"store {next(_names)}" if name is None else name)
        self._value: T = initial
        self._delivered = initial
        self._initial = initial
        self._equals: Equals[T] = same if equals is None else equals
        self._validate = validate
        # Whether the default rule decides about writes, and no function checks them.
        self._is_plain = validate is None and self._equals is same
        self._check(initial)
        self._is_named = name is not None and is_dumped
        self._is_shut = False
        # How many derived values start from here, or from a key of it.
        self._reached = 0
        self._lifecycle = lifecycle_of(on_start, on_stop, linger, scheduler)
        self._is_light = self._lifecycle is None
        domain._add_store(self)
        if self._lifecycle is not None:
            domain._add_with_callbacks(self)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        bases: tuple[type[Any], ...] = cls.__mro__
        # A class beside the store's replaces its methods, too.
        others = [base for base in bases if base is cls or not _is_cell(base)]
        store = next(base for base in bases[1:] if _is_cell(base))
        for name in {name for base in others for name in vars(base)}:
            inherited = getattr(store, name, None)
            if getattr(inherited, "__final__", False) and getattr(cls, name) is not inherited:
                raise UsageError(
                    f"{cls.__name__}.{name}() cannot replace {store.__name__}.{name}(), because batches, update() and"
                    " reset() would not call it; check values with validate=, or see each commit with domain.on_commit()"
                )

    def reset(self) -> None:
        """Returns to the initial value.

        Raises:
            StoreClosed: after close().
        """
        raise NotImplementedError  # pragma: no cover - abstract

    @final
    def close(self) -> None:
        """Ends the store: its streams complete after the last value, once; later writes raise StoreClosed."""
        domain = self._domain
        if self._is_shut:
            return
        domain._has_ended = True
        # The commit marks the store as closed, so that a close which an exception interrupts can be repeated.
        domain.commit((), closing=(self,))

    @property
    def is_closed(self) -> bool:
        """Whether the store is closed. Any thread."""
        return self._is_shut

    @property
    def committed(self) -> T:
        """The newest committed value, whatever an open batch has. Any thread."""
        return self._value

    def _read(self) -> T:
        if open_batches:
            open_batch = active_batch()
            if open_batch is not None:
                # `read` of the batch, written out: a service reads a dozen stores for each message.
                write = open_batch._writes.get(self)
                return self._value if write is None else write.value
        return self._value

    def _update(self, function: Callable[[T], T], *, is_set: bool = False) -> None:
        """Replaces the value by `function` of it, in the open batch or at once."""
        if open_batches:
            open_batch = active_batch()
            if open_batch is not None:
                if self._is_shut:
                    raise StoreClosed(self.name)
                # Read once and before the function runs, or a write that came meanwhile would pass for what it saw.
                base = self._value
                write = open_batch._writes.get(self)
                value = function(base if write is None else write.value)
                check_result(value, function)
                step = (True, value) if is_set else (False, function)
                open_batch.write(self, value, step, base)
                return
        while True:
            old = self._value
            value = function(old)
            check_result(value, function)
            if self._is_equal(self._equals, old, value):
                self._check_open()
                return
            if self._validate is not None:
                self._check(value)
            if self._publish(old, value):
                return

    def _trigger(self, keys: tuple[Any, ...]) -> None:
        """Commits the value as it is, in the open batch or at once."""
        domain = self._domain
        domain._rewritten = object()
        if open_batches:
            open_batch = active_batch()
            if open_batch is not None:
                self._check_open()
                base = self._value
                open_batch.trigger(self, open_batch.read(self, base), keys, base)
                return
        while True:
            old = self._value
            if domain.commit(((self, old, self._triggered(old, old, keys)),)):
                return

    def _publish(self, old: Any, value: Any) -> bool:
        """Commits `value` if the value is still `old`, and delivers it or leaves that to the delivering thread; False when another write came between."""
        domain = self._domain
        if domain._home is not None and not domain._home.is_current():
            return domain.commit(((self, old, value),))
        me = get_ident()
        # From here to the number without a call, so that no other thread and no handler comes between; this takes the
        # place of the lock (see `commit_queue`).
        if domain._deliverer or domain._is_busy or self._is_shut or self._value is not old:
            return domain.commit(((self, old, value),))
        domain._deliverer = me
        self._value = self._delivered = value
        domain._number = number = domain._number + 1
        try:
            if self._others:
                domain._current = number
                self._notify(value)
                if self._reached:
                    propagate(number, self._bases(value))
                domain._current = 0
            elif self._size == 1:
                # One observer is the most common number, and `_tell` costs a tenth of the whole.
                call = self._slots[0]
                try:
                    call(value)
                except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
                    domain._failed("observer", error, self.name, call)
            else:
                self._tell(value)
            if domain._is_busy:
                domain._end_direct()  # type: ignore[unreachable]  # see `commit_queue`
                return True
            domain._deliverer = 0
            if domain._is_busy:
                domain._look_again()  # type: ignore[unreachable]
        except BaseException:
            # Also an interrupt (Ctrl-C) between any two lines above, after which the mark may not stay.
            domain._cut_off(((self, old, value),))
            raise
        return True

    def _check_open(self) -> None:
        if self._is_shut:
            raise StoreClosed(self.name)

    # --- what the engine asks -----------------------------------------------------------------------------------------

    def _is_equal(self, equals: Equals[Any], old: Any, new: Any) -> bool:
        """Whether `new` counts as no change of a written value, by this comparer."""
        is_equal = unchanged(equals, old, new, self)
        if old is new and not is_equal:
            # The object may have changed inside.
            self._domain._rewritten = object()
        return is_equal

    def _check(self, value: Any) -> None:
        """Raises what the program's `validate=` raises for a value about to be committed."""
        if self._validate is not None:
            check_valid(self._validate, value, self.name)

    def _loaded(self, old: Any, value: Any) -> Any:  # noqa: ARG002 - keyed stores need the old value
        """Returns the value to commit over `old` for a value of a dump."""
        self._check(value)
        return value

    def _unchanged(self, old: Any, new: Any) -> bool:
        if self._is_plain:
            return old is new or same(old, new)
        return self._is_equal(self._equals, old, new)

    def _merged(self, older: Any, newer: Any) -> Any:  # noqa: ARG002 - keyed stores need the older value
        """Returns `newer`, made from `older` in the same batch."""
        return newer

    def _settled(self, old: Any, new: Any) -> Any:
        """Returns `new`, about to be committed by a batch over `old`; UNSET when it counts as no change."""
        if self._is_plain:
            return UNSET if old is new or same(old, new) else new
        if self._is_equal(self._equals, old, new):
            return UNSET
        self._check(new)
        return new

    def _triggered(self, old: Any, new: Any, keys: tuple[Any, ...]) -> Any:  # noqa: ARG002 - keyed stores need all
        """Returns `new`, about to be committed over `old`, so that the observers of these keys are called, too."""
        return new

    def _capture(self) -> Any:
        return self._value

    @property
    def _cell(self) -> Cell[T]:
        return self

    def _add_dependent(self, dependent: Dependent) -> None:
        if not self._is_light:
            self._domain._interest.append(self)
        if dependent not in self._dependents:
            self._dependents[dependent] = None
            self._others += 1
            self._reached += 1

    def _remove_dependent(self, dependent: Dependent) -> None:
        if not self._is_light:
            self._domain._interest.append(self)
        if dependent in self._dependents:
            del self._dependents[dependent]
            self._others -= 1
            self._reached -= 1

    def _add_reader(self, reader: Dependent) -> None:
        if reader not in self._dependents:
            self._dependents[reader] = None
            self._others += 1
            self._readers += 1
            self._reached += 1

    def _remove_reader(self, reader: Dependent) -> None:
        if reader in self._dependents:
            del self._dependents[reader]
            self._others -= 1
            self._readers -= 1
            self._reached -= 1

    def _start_again(self) -> None:
        self._delivered = self._value
        self._forget_parts()

    def _has_ended(self) -> bool:
        return self._is_shut

    def _awake(self) -> None:
        if self._lifecycle is not None:
            self._domain._chores.append(self)
        self._is_awake = True

    def _asleep(self) -> None:
        if self._lifecycle is not None:
            self._domain._chores.append(self)
        self._is_awake = False

    def _run_chore(self) -> None:
        if self._lifecycle is not None:
            self._lifecycle.settle(self)


class _Settle:
    """Settles one store or derived value once more, because a derived value above it has stopped.

    Args:
        source: The store or derived value.
        has_caller: As for `CommitQueue._report`.
    """

    def __init__(self, source: Any, *, has_caller: bool) -> None:
        self._source = source
        self._height = source._height
        self._has_caller = has_caller

    def _run_chore(self) -> None:
        self._source._lifecycle.settle(self._source, has_caller=self._has_caller)


class Lifecycle:
    """Start and stop callbacks of one store or derived value.

    What stands below a derived value stops after it. So a derived value that is started holds the callbacks below it, also
    while it lingers without an observer.

    Args:
        on_start: Called when the first observer came.
        on_stop: Called when the last observer went, `linger` seconds later.
        linger: Seconds.
        scheduler: Keeps the time of `linger`.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        on_start: Callable[[], object] | None,
        on_stop: Callable[[], object] | None,
        linger: float,
        scheduler: SchedulerBase,
    ) -> None:
        self._on_start = on_start
        self._on_stop = on_stop
        self._linger = linger
        self._scheduler = scheduler
        self._lock = fork_safe_lock()
        self._is_started = False
        # Those of derived values above that have not stopped. Single steps of the interpreter change it.
        self._holders: dict[Lifecycle, None] = {}
        # Process and thread of the callback that runs now; a thread of the parent does not exist in a forked child.
        self._running: tuple[int, int] | None = None
        self._timer: DisposableBase | None = None

    def settle(self, source: Source, *, has_caller: bool = True) -> None:
        """Starts or stops, as the number of listeners now asks for. Runs user code; called without locks."""
        if self._linger > 0 and self._is_started and not self._is_wanted(source):
            with self._lock:
                if self._timer is not None:
                    self._timer.dispose()
                self._timer = self._scheduler.schedule_relative(
                    self._linger, lambda _scheduler, _state: self._end_linger(source)
                )
            return
        self._act(source, has_caller=has_caller)

    def _is_wanted(self, source: Source) -> bool:
        return source._is_observed() or bool(self._holders)

    def _end_linger(self, source: Source) -> None:
        try:
            self._act(source, has_caller=False)
        finally:
            # What was held below may stop now.
            source._domain._after_section()

    def _act(self, source: Source, *, has_caller: bool) -> None:
        while self._turn(source, has_caller=has_caller):
            pass

    def _turn(self, source: Source, *, has_caller: bool) -> bool:
        """Starts or stops; False when there is nothing to do, or another call does it."""
        is_mine = False
        me = (os.getpid(), get_ident())
        callback: Callable[[], object] | None = None
        try:
            with self._lock:
                if self._is_running():
                    return False
                if self._running is not None:
                    # A start that only the parent ends did not happen here.
                    self._running, self._is_started = None, False
                # Nothing comes from a closed store, so its start would be in vain.
                is_in_vain = not self._is_started and source._has_ended()
                is_observed = source._is_observed()
                # From here to the marks without a call, so that no handler comes between.
                is_wanted = False
                if (is_observed or self._holders) and not is_in_vain:
                    is_wanted = True
                if is_wanted is self._is_started:
                    return False
                is_mine = True
                self._running = me
                self._is_started = is_wanted
                if is_wanted:
                    for below in source._below_with_callbacks():
                        below._lifecycle._holders[self] = None
                    if self._timer is not None:
                        self._timer.dispose()
                        self._timer = None
            callback = self._on_start if is_wanted else self._on_stop
            if callback is not None:
                callback()
        except Exception as error:  # noqa: BLE001 - user code; the observer that came is served all the same
            source._domain._report("lifecycle", error, source.name, callback, has_caller=has_caller)
        finally:
            if is_mine:
                self._running = None
            with self._lock:
                if not self._is_started and self._running is None:
                    self._let_go(source, has_caller=has_caller)
        return True

    def _let_go(self, source: Source, *, has_caller: bool) -> None:
        """Lets what stands below this one stop. Under the lock."""
        chores = source._domain._chores
        for below in source._below_with_callbacks():
            settle = _Settle(below, has_caller=has_caller)
            holders = below._lifecycle._holders
            # To the end of the round without a call in between. A handler may have started this one again.
            if self in holders and not self._is_started:
                del holders[self]
                chores.append(settle)

    def _is_running(self) -> bool:
        """Whether a callback runs in this process. Under the lock."""
        running = self._running
        return running is not None and (running[0] == os.getpid() or running[1] == get_ident())


def lifecycle_of(
    on_start: Callable[[], object] | None,
    on_stop: Callable[[], object] | None,
    linger: float,
    scheduler: SchedulerBase | None,
    *,
    holds_sources: bool = False,
) -> Lifecycle | None:
    """Returns the callbacks of a store or a derived value, or None when there is nothing to call.

    Args:
        on_start, on_stop, linger, scheduler: As for `Lifecycle`.
        holds_sources: Whether it stands above others, so that `linger` counts without callbacks, too.

    Raises:
        UsageError: one of them is not a plain function, or `linger` is not a number of seconds.
    """
    check_seconds(linger, "linger=")
    check_kind(scheduler, SchedulerBase, "scheduler=", "TimeoutScheduler()")
    if on_start is None and on_stop is None and not (holds_sources and linger > 0):
        return None
    for callback, option in ((on_start, "on_start="), (on_stop, "on_stop=")):
        if callback is not None:
            check_function(callback, option, "start a task in it: `lambda: loop.create_task(f())`")
    timer = TimeoutScheduler.singleton() if scheduler is None else scheduler
    return Lifecycle(on_start, on_stop, linger, timer)


def _is_cell(kind: type[Any]) -> bool:
    return issubclass(kind, Cell)
