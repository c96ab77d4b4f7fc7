"""`Store`: one immutable value with an order of changes; `ReadOnly`: a value without the methods that write.

Reading, writing, observing. `audience` and `source` keep the observers, `domain` decides when it calls them, `batch` makes
several writes one commit. Nothing here knows a message, a socket or a toolkit.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, Generic, TypeVar, final, overload

from reactivex.abc import SchedulerBase

from ..engine import (
    COMPARED,
    Cell,
    Domain,
    Equals,
    SelectionNode,
    Source,
    active_batch,
    advise_names,
    batch,
    check_comparer,
    check_function,
    check_kind,
    default_domain,
    open_batches,
    refuse_copy,
    same,
)
from ..errors import StoreClosed
from .selection import Selection, reading

__all__ = ["ReadOnly", "Store", "reset_all"]

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


_AT_ONCE = "compute the part at once, and await elsewhere"


@advise_names
class ReadOnly(Generic[T_co]):
    """A value to read and observe. What UI code gets: nothing here writes."""

    __slots__ = ()

    __reduce_ex__ = refuse_copy

    @property
    def _origin(self) -> Source:
        raise NotImplementedError  # pragma: no cover - abstract

    @property
    def domain(self) -> Domain:
        """The domain whose order its commits have."""
        return self._origin.domain

    def get(self) -> T_co:
        """Returns the newest committed value; inside a batch the batch's. Any thread, never blocks."""
        raise NotImplementedError  # pragma: no cover - abstract

    @overload
    def select(
        self, selector: None = None, *, equals: Equals[T_co] | None = None
    ) -> Selection[T_co]: ...
    @overload
    def select(
        self, selector: Callable[[T_co], R], *, equals: Equals[R] | None = None
    ) -> Selection[R]: ...

    def select(
        self, selector: Callable[[Any], Any] | None = None, *, equals: Equals[Any] | None = None
    ) -> Selection[Any]:
        """Returns the stream of the value, or of a part of it.

        Keep the returned object and subscribe to it often: its selector runs once per commit, however many observers
        it has. An exception in `selector` or `equals` is reported and the stream lives on.

        Args:
            selector: A pure function of the value; None for the value itself.
            equals: When two parts in a row count as no change; see `equality.same` for the default.
        """
        source = self._origin
        check_comparer(equals)
        if selector is not None:
            check_function(selector, "a selector", _AT_ONCE)
        if selector is None and equals is None:
            return Selection(source, self.get)
        node = SelectionNode(source, _whole if selector is None else selector, equals)
        return Selection(node, reading(node, lambda: node._part_of(self.get())))


def _whole(value: Any) -> Any:
    return value


class View(ReadOnly[T_co]):
    """The read-only face of a store or derived value."""

    __slots__ = ("_store",)

    def __init__(self, store: ReadOnly[T_co]) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<ReadOnly {self._origin.name!r} = {self.get()!r}>"

    @property
    def _origin(self) -> Source:
        return self._store._origin

    @property
    def name(self) -> str:
        """The store's name."""
        return self._origin.name

    def get(self) -> T_co:
        """Returns the newest committed value; inside a batch the batch's. Any thread, never blocks."""
        return self._store.get()


class Store(Cell[T], ReadOnly[T]):
    """One immutable value.

    Writes from any thread, also from observers: each is a commit with its place in the order of the domain, and every
    observer sees every commit, once, in that order.

    Args:
        initial: The first value, and what `reset` returns to.
        name: For reports and logs; "store 1" and so on when None.
        domain: Whose order its commits have; the process's default domain when None.
        equals: When a write counts as no change; see `equality.same` for the default.
        validate: Called with each value about to be written, also by `reset`, `Domain.load` and at the end of a batch. What it
            raises leaves the write, and nothing is written; a batch fails whole. Pure.
        on_start: Called with the first observer, on the subscribing thread, before it sees a value, so what the function
            writes is the first value seen. When `on_stop`
            is still running on another thread, that thread calls it next, perhaps after the observer saw the value.
        on_stop: Called after the last observer left.
        linger: Seconds to wait for a new observer before `on_stop`.
        scheduler: Keeps the time of `linger`; a timer thread when None.
        is_dumped: Whether `Domain.dump` has the store when it has a `name`. False for a store that a part of the program keeps up
            to date by itself, so that loading a dump does not contradict that part.
    """

    __slots__ = ()

    # Written out, so that the TypeError for a wrong call names `Store`.
    def __init__(
        self,
        initial: T,
        *,
        name: str | None = None,
        domain: Domain | None = None,
        equals: Equals[T] | None = None,
        validate: Callable[[T], object] | None = None,
        on_start: Callable[[], object] | None = None,
        on_stop: Callable[[], object] | None = None,
        linger: float = 0.0,
        scheduler: SchedulerBase | None = None,
        is_dumped: bool = True,
    ) -> None:
        super().__init__(
            initial,
            name=name,
            domain=domain,
            equals=equals,
            validate=validate,
            on_start=on_start,
            on_stop=on_stop,
            linger=linger,
            scheduler=scheduler,
            is_dumped=is_dumped,
        )

    def __repr__(self) -> str:
        return f"<Store {self.name!r} = {self._value!r}>"

    @property
    def _origin(self) -> Source:
        return self

    @property
    def read_only(self) -> ReadOnly[T]:
        """This store without the methods that write."""
        return View(self)

    def get(self) -> T:
        """Returns the newest committed value; inside a batch the batch's. Any thread, never blocks."""
        return self._read()

    @final
    def set(self, value: T) -> None:
        """Makes `value` the value. A value that counts as equal to the old one changes nothing.

        Raises:
            Exception: what `validate=` raises.
            StoreClosed: after close().
            FeedbackLoop: this write is the last one of a chain of observers that write, and the chain is too long.
        """
        if open_batches:
            open_batch = active_batch()
            if open_batch is not None:
                if self._is_shut:
                    raise StoreClosed(self.name)
                open_batch.write(self, value, (True, value), self._value)
                return
        old = self._value
        if self._is_plain:
            kind = type(value)
            # `same`, without its call where that is most of the work.
            if old is value or (
                type(old) is kind and (old == value if kind in COMPARED else same(old, value))
            ):
                self._check_open()
                return
        elif self._is_equal(self._equals, old, value):
            self._check_open()
            return
        else:
            self._check(value)
        domain = self._domain
        me = get_ident()
        # `_publish` for a store that one observer sees, written out: the call and what others need are a tenth of the write.
        # From here, or from `is_current`, to the number without a call, as in `_publish`.
        if (
            self._size == 1
            and not self._others
            and (
                domain._home is None
                or (domain._home.is_current() and self._size == 1 and not self._others)
            )
            and not (domain._deliverer or domain._is_busy or self._is_shut)
            and self._value is old
        ):
            domain._deliverer = me
            self._value = self._delivered = value
            domain._number += 1
            try:
                call = self._slots[0]
                try:
                    call(value)
                except BaseException as error:  # noqa: BLE001 - kept or reported
                    domain._failed("observer", error, self.name, call)
                if domain._is_busy:
                    domain._end_direct()  # type: ignore[unreachable]  # see `commit_queue`
                    return
                domain._deliverer = 0
                if domain._is_busy:
                    domain._look_again()  # type: ignore[unreachable]
            except BaseException:
                # Also an interrupt (Ctrl-C) between any two lines above, after which the mark may not stay.
                domain._cut_off(((self, old, value),))
                raise
        elif not self._publish(old, value):
            # Another write came between, perhaps with an equal value.
            self._update(lambda _: value)

    @final
    def update(self, function: Callable[[T], T]) -> None:
        """Replaces the value by `function` of it; runs `function` again when another thread wrote meanwhile.

        Args:
            function: Pure.

        Raises:
            StoreClosed, FeedbackLoop: as `set`.
            Exception: what `function` raises; nothing is changed then.
            UsageError: `function` is not a function, or it is an `async def` or has a `yield`.
        """
        given: Any = function
        if not callable(given):
            check_function(
                given, "the function of update()", "await first, and then write the result"
            )
        self._update(function)

    @final
    def reset(self) -> None:
        """Returns to the initial value.

        Raises:
            StoreClosed: after close().
        """
        initial = self._initial
        self._update(lambda _: initial, is_set=True)

    @final
    def trigger(self) -> None:
        """Calls the observers with the value as it is. For a value that was changed in place, such as an array.

        Observers of the whole value are called. Selected parts and derived values are computed again. Their
        observers are called when the result changed by the rule of its own `equals=`.

        Raises:
            StoreClosed, FeedbackLoop: as `set`.
        """
        self._trigger(())


def reset_all(domain: Domain | None = None) -> None:
    """Sets every living store of a domain (the default one when None) to its initial value, in one commit. For tests."""
    check_kind(domain, Domain, "reset_all()", "store.domain")
    where = default_domain() if domain is None else domain
    with batch(where):
        for store in where.stores():
            if isinstance(store, Cell) and not store._is_shut:
                store.reset()
