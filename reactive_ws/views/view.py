"""Live views of a keyed store: filtered, sorted, grouped, counted, joined.

`view(store)` is a read-only value like every other: `get`, `select` and `derived` work on it. Each method returns a new view
or a derived value, and costs nothing until something observes it. All observers of one view share its rows. The functions
given to a view are pure: the same entity must give the same answer each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import is_
from typing import Any, Generic, TypeVar, cast, overload

import attrs

from ..engine import Domain, Source, check_count, check_function, check_kind, shallow
from ..errors import UsageError
from ..state import Derived, KeyedStore, ReadOnly, ReadOnlyKeyed, Store, derived, incremental
from .pipeline import Pipeline
from .rows import Rows
from .totals import Count, Index, Sum

__all__ = ["View", "view"]

K = TypeVar("K")
V = TypeVar("V")
J = TypeVar("J")
W = TypeVar("W")
G = TypeVar("G")
N = TypeVar("N")


class View(ReadOnly[Rows[K, V]], Generic[K, V]):
    """Entities of a keyed store, some or all of them, in an order. Made by `view` and by the methods of a view.

    A change of one entity costs a search and a copy of a few hundred pointers, at any number of entities. The first read and
    reads inside a batch that wrote to the store cost as much as sorting all entities.
    """

    __slots__ = ("__weakref__", "_other", "_pipeline", "_store", "_value")

    def __init__(
        self,
        store: KeyedStore[Any, Any] | ReadOnlyKeyed[Any, Any],
        pipeline: Pipeline,
        other: KeyedStore[Any, Any] | ReadOnlyKeyed[Any, Any] | None = None,
    ) -> None:
        self._store = store
        self._other = other
        self._pipeline = pipeline
        self._value: Derived[Rows[K, V]] = self._made()

    def _made(self) -> Derived[Rows[K, V]]:
        pipeline, label = self._pipeline, f"view of {self._store.name}"
        if self._other is None:
            # Rows are other rows when they are another object.
            return incremental(
                self._store,
                build=pipeline.build,
                step=pipeline.step,
                replace=pipeline.replace,
                equals=is_,
                name=label,
            )
        joined = incremental(
            self._store,
            self._other,
            build=pipeline.build_joined,
            step=pipeline.step_joined,
            name=f"join of {self._store.name} and {self._other.name}",
        )
        return derived(joined, lambda now: cast("Rows[K, V]", now.rows), name=label)

    def __repr__(self) -> str:
        return f"<View of {self._store.name!r}>"

    @property
    def _origin(self) -> Source:
        return self._value

    @property
    def name(self) -> str:
        """The name of the view, for reports."""
        return self._value.name

    @property
    def domain(self) -> Domain:
        """The domain of the store."""
        return self._store.domain

    def get(self) -> Rows[K, V]:
        """Returns the rows for the newest commit; inside a batch for the batch. Any thread, never blocks.

        Raises:
            Exception: what a function of the view raises for the entities as they are.
        """
        return self._value.get()

    # --- views of views -----------------------------------------------------------------------------------------------

    def where(self, predicate: Callable[[V], object]) -> View[K, V]:
        """Returns a view of the entities for which `predicate` holds.

        Args:
            predicate: A pure function of the entity.
        """
        _check_function("where", predicate)
        first = self._pipeline.keeps
        if first is None:
            return self._with(keeps=predicate)

        def both(item: Any) -> object:
            return first(item) and predicate(item)

        return self._with(keeps=both)

    def sorted_by(self, key: Callable[[V], Any], *, reverse: bool = False) -> View[K, V]:
        """Returns a view in the order of a sort key; equal ones are in the order in which their keys came.

        Args:
            key: A pure function that returns a value which can be compared by `<` with the others.
            reverse: Whether the largest comes first.
        """
        _check_function("sorted_by", key)
        check_kind(reverse, bool, "reverse=", "True", is_required=True)
        return self._with(sort_key=key, is_reversed=reverse)

    def join(
        self, other: KeyedStore[J, W] | ReadOnlyKeyed[J, W], on: Callable[[V], J | None]
    ) -> View[K, tuple[V, W | None]]:
        """Returns a view of pairs: each entity of the store, and the entity of another store that it looks at.

        A change of the other store costs a search for each entity that looks at the changed key. Filter and sort the pairs
        after the join: `view(orders).join(users, lambda order: order.user).where(...)`.

        Args:
            other: A keyed store of the same domain.
            on: A pure function that returns the key in the other store. The second of a pair is None when nothing is there.

        Raises:
            UsageError: this view is filtered, sorted or joined already.
            DomainMismatch: the other store is of another domain.
        """
        _check_function("join", on)
        if self._pipeline != Pipeline():
            raise UsageError(
                "join() comes first: view(store).join(other, on).where(...).sorted_by(...)"
            )
        if not isinstance(other, (KeyedStore, ReadOnlyKeyed)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"join() takes a KeyedStore; got {type(other).__name__}")
        return View(self._store, Pipeline(on=on), other)

    def _with(self, **changes: Any) -> View[K, V]:
        return View(self._store, attrs.evolve(self._pipeline, **changes), self._other)

    # --- values -------------------------------------------------------------------------------------------------------

    def window(
        self, offset: int | ReadOnly[int], size: int | ReadOnly[int]
    ) -> Derived[tuple[V, ...]]:
        """Returns the entities of some rows. Changes of other rows that move none of these call no observer.

        Args:
            offset: How many rows come before, 0 or more; a store for a window that moves.
            size: How many rows there are at most, 0 or more; a store for a window that grows.

        Raises:
            UsageError: a negative number.
        """

        def part(rows: Rows[K, V], start: int, count: int) -> tuple[V, ...]:
            if start < 0 or count < 0:
                raise UsageError(f"a window has no negative offset or size; got {start}, {count}")
            return rows[start : start + count]

        for number, option in ((offset, "offset"), (size, "size")):
            if not isinstance(number, ReadOnly):
                check_count(number, f"{option} of window()")
        label = f"window of {self.name}"
        if isinstance(offset, int) and isinstance(size, int):
            start, count = offset, size
            part(Rows[K, V].of([], is_reversed=False), start, count)
            return derived(self, lambda rows: part(rows, start, count), equals=shallow, name=label)
        where = _value_of(offset, self.domain)
        how_many = _value_of(size, self.domain)
        return derived(self, where, how_many, part, equals=shallow, name=label)

    def top(
        self, count: int, by: Callable[[V], Any], *, smallest: bool = False
    ) -> Derived[tuple[V, ...]]:
        """Returns the entities with the largest sort keys, the largest first.

        Args:
            count: How many, 0 or more.
            by: As `key` of `sorted_by`.
            smallest: Whether those with the smallest sort keys are meant, the smallest first.

        Raises:
            UsageError: a negative count.
        """
        check_count(count, "count of top()")
        check_kind(smallest, bool, "smallest=", "True", is_required=True)
        return self.sorted_by(by, reverse=not smallest).window(0, count)

    def count(self) -> Derived[int]:
        """Returns the number of rows."""
        label = f"count of {self.name}"
        if self._other is not None:
            return derived(self, len, name=label)
        counting = Count(self._pipeline.keeps)
        return incremental(self._store, build=counting.build, step=counting.step, name=label)

    @overload
    def sum_by(self, number: Callable[[V], int]) -> Derived[int]: ...
    @overload
    def sum_by(self, number: Callable[[V], float]) -> Derived[float]: ...
    @overload
    def sum_by(self, number: Callable[[V], N], *, start: N) -> Derived[N]: ...

    def sum_by(self, number: Callable[[V], Any], *, start: Any = 0) -> Derived[Any]:
        """Returns the sum of a number of each row.

        The sum is exact, also of floats and after any number of changes: it is the float nearest to the true sum. The sum of
        a join is computed of all rows at each change.

        Args:
            number: A pure function that returns an int or a float. With a `start`, any kind of number that adds exactly,
                such as fractions and time spans. Decimals round, so they are refused: return an int of cents, say.
            start: The sum of no rows.
        """
        _check_function("sum_by", number)
        summing = Sum(self._pipeline.keeps, number, start)
        label = f"sum of {self.name}"
        if self._other is not None:
            return derived(self, lambda rows: summing.of(rows).value(), name=label)
        total = incremental(self._store, build=summing.build, step=summing.step, name=label)
        return derived(total, lambda now: now.value(), name=label)

    def group_by(self, group: Callable[[V], G]) -> Derived[Mapping[G, Rows[K, V]]]:
        """Returns the rows of each group, in the order of this view; a group without rows is not there.

        `select(lambda groups: groups.get(name))` is the stream of one group. The mapping has no order.

        Args:
            group: A pure function of an entity, or of a pair of a join, that returns a hashable value.
        """
        _check_function("group_by", group)
        index = self._index(group)
        return self._mapped(
            f"groups of {self.name}",
            (index.build_groups, index.step_groups),
            (index.build_joined_groups, index.step_joined_groups),
        )

    def index(self, by: Callable[[V], G]) -> Derived[Mapping[G, Mapping[K, V]]]:
        """Returns the entities by another value than their key: of each value a mapping of key to entity.

        Cheaper than `group_by`, because it keeps no order.

        Args:
            by: A pure function of an entity, or of a pair of a join, that returns a hashable value.
        """
        _check_function("index", by)
        index = self._index(by)
        return self._mapped(
            f"index of {self.name}",
            (index.build_index, index.step_index),
            (index.build_joined_index, index.step_joined_index),
        )

    def _index(self, by: Callable[[V], object]) -> Index:
        return Index(self._pipeline.keeps, by, attrs.evolve(self._pipeline, keeps=None))

    def _mapped(
        self, name: str, of_store: tuple[Any, Any], of_join: tuple[Any, Any]
    ) -> Derived[Mapping[Any, Any]]:
        """Returns a mapping that follows the store, or the join. Each pair: the first mapping, and a step."""
        if self._other is None:
            build, step = of_store
            return incremental(self._store, build=build, step=step, name=name)
        build, step = of_join
        joined = incremental(self._store, self._other, build=build, step=step, name=name)
        return derived(joined, lambda now: now.groups, name=name)


def view(store: KeyedStore[K, V] | ReadOnlyKeyed[K, V]) -> View[K, V]:
    """Returns the view of all entities of a keyed store, in the order in which their keys came.

    Raises:
        UsageError: it is not a keyed store.
    """
    if not isinstance(store, (KeyedStore, ReadOnlyKeyed)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"view() takes a KeyedStore; got {type(store).__name__}")
    return View(store, Pipeline())


def _check_function(name: str, function: object) -> None:
    check_function(function, f"the argument of {name}()", "compute at once, and await elsewhere")


def _value_of(value: int | ReadOnly[int], domain: Domain) -> ReadOnly[int]:
    if isinstance(value, ReadOnly):
        return value
    # A constant is a store without a writer.
    return Store(value, domain=domain)
