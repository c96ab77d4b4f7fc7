"""`KeyedStore`: many entities under keys. A change of one entity calls only the observers that need it.

Each observed key is a source of its own, found by a dict lookup. A stream of a collection (all, where, keys, count, sorted) is
a selection of the whole snapshot. The snapshot is a persistent mapping (`entities`), so a write costs
the same at a thousand and at a hundred thousand keys. A write of an equal entity changes nothing.

The module is long because `KeyedStore` has many short public methods, and a direct write for speed.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from operator import is_
from threading import get_ident
from typing import Any, Final, Generic, Protocol, TypeVar, cast, final, overload

from reactivex import Observable
from reactivex.abc import SchedulerBase

from ...engine import (
    UNSET,
    Audience,
    Cell,
    Dependent,
    Domain,
    Equals,
    HasDependents,
    SelectionNode,
    Source,
    advise_names,
    check_comparer,
    check_function,
    check_iterable,
    check_kind,
    check_result,
    check_valid,
    is_compared_by_identity,
    open_batches,
    propagate,
    refuse_copy,
    same,
    shallow,
)
from ...errors import UsageError
from ..selection import Selection
from .entities import Entities
from .key_changes import KeyChanges, changes_of
from .key_source import KeySource, KeySources

__all__ = ["KeyedStore", "ReadOnlyKeyed", "Unset"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_MISSING: Final = object()
_AWAIT_FIRST = "await first, and then write the result"
_Entities: Any = Entities
"""The bare class; a subscription at each call would cost more than the call."""


class Follower(Dependent, Protocol):
    """A dependent of a keyed store that can take the change of one entity without a walk over the graph."""

    def _follow(self, old: Entities[Any, Any], new: Entities[Any, Any], key: Any, now: Any) -> bool:
        """Does what `_update` does after one entity was replaced.

        Args:
            old, new: The snapshots before and after the commit. No key came, went, or got another place.
            key: The key of the entity.
            now: The new entity.
        """
        ...


class Unset(enum.Enum):
    """The type of an argument that was left out, where None is a value like any other."""

    UNSET = enum.auto()


class ReadOnlyKeyed(Generic[K, V]):
    """The reading half of a keyed store. Made by `KeyedStore.read_only`, for code that must not write.

    `view`, `incremental` and every stream work as on the store itself.

    Args:
        store: The keyed store.
    """

    __slots__ = ("__weakref__", "_store")

    def __init__(self, store: KeyedStore[K, V]) -> None:
        self._store = store

    __reduce_ex__ = refuse_copy

    def __repr__(self) -> str:
        return f"<ReadOnlyKeyed {self.name!r} of {len(self)} entities>"

    def __len__(self) -> int:
        return len(self._store)

    def __contains__(self, key: object) -> bool:
        return key in self._store

    @property
    def name(self) -> str:
        """The store's name."""
        return self._store.name

    @property
    def domain(self) -> Domain:
        """The domain whose order its commits have."""
        return self._store.domain

    def get(self, key: K) -> V | None:
        """Returns the entity under a key, or None. Any thread, never blocks."""
        return self._store.get(key)

    def get_all(self) -> Mapping[K, V]:
        """Returns the snapshot: an immutable mapping in insertion order. Any thread, never blocks."""
        return self._store.get_all()

    @overload
    def select(self, key: K) -> Selection[V | None]: ...
    @overload
    def select(
        self, key: K, selector: Callable[[V], T], *, equals: Equals[T] | None = None
    ) -> Selection[T | None]: ...

    def select(self, key: K, selector: Any = None, *, equals: Any = None) -> Selection[Any]:
        """Returns the stream of one entity, or of a part of it; see `KeyedStore.select`."""
        return self._store.select(key, selector, equals=equals)

    def select_all(self) -> Selection[Mapping[K, V]]:
        """Returns the stream of snapshots."""
        return self._store.select_all()

    def select_part(
        self, selector: Callable[[Mapping[K, V]], T], *, equals: Equals[T] | None = None
    ) -> Selection[T]:
        """Returns the stream of a part of the snapshot; see `ReadOnly.select`."""
        return self._store.select_part(selector, equals=equals)

    def select_many(self, keys: Iterable[K]) -> Selection[tuple[V | None, ...]]:
        """Returns the stream of the entities under these keys, None for each that is not there."""
        return self._store.select_many(keys)

    def select_where(self, predicate: Callable[[V], object]) -> Selection[tuple[V, ...]]:
        """Returns the stream of the entities for which `predicate` holds, in insertion order."""
        return self._store.select_where(predicate)

    def select_sorted(
        self, key: Callable[[V], Any], *, reverse: bool = False
    ) -> Selection[tuple[V, ...]]:
        """Returns the stream of all entities sorted by a key function; equal ones stay in insertion order."""
        return self._store.select_sorted(key, reverse=reverse)

    def select_keys(self) -> Selection[tuple[K, ...]]:
        """Returns the stream of the keys in insertion order."""
        return self._store.select_keys()

    def select_count(self) -> Selection[int]:
        """Returns the stream of the number of entities."""
        return self._store.select_count()

    @property
    def events(self) -> Observable[KeyChanges[K]]:
        """The changes that each commit made to the keys; see `KeyedStore.events`."""
        return self._store.events


@advise_names
class KeyedStore(Cell[Entities[K, V]], Generic[K, V]):
    """A store of many entities by key; a change of one concerns only its own observers.

    Keys must be hashable and keep their hash. All writes may be made from any thread and inside a batch; each is one
    commit. A key that is not there reads as None.

    Args:
        initial: Pairs of key and entity, or a mapping.
        name, domain, on_start, on_stop, linger, scheduler, is_dumped: As for `Store`.
        equals: When a write of an entity counts as no change; see `equality.same` for the default.
        validate: Called with each entity about to be written; as for `Store`.
    """

    __slots__ = ("_by_identity", "_entity_equals", "_follower", "_is_by_default", "_keys")

    def __init__(
        self,
        initial: Mapping[K, V] | Iterable[tuple[K, V]] = (),
        *,
        name: str | None = None,
        domain: Domain | None = None,
        equals: Equals[V] | None = None,
        validate: Callable[[V], object] | None = None,
        on_start: Callable[[], object] | None = None,
        on_stop: Callable[[], object] | None = None,
        linger: float = 0.0,
        scheduler: SchedulerBase | None = None,
        is_dumped: bool = True,
    ) -> None:
        super().__init__(
            Entities[K, V].of(_pairs(initial)),
            name=name,
            domain=domain,
            validate=validate,
            on_start=on_start,
            on_stop=on_stop,
            linger=linger,
            scheduler=scheduler,
            is_dumped=is_dumped,
        )
        check_comparer(equals)
        self._entity_equals: Equals[V] = same if equals is None else equals
        # Whether the default rule decides about writes, and no function checks them.
        self._is_by_default = equals is None and validate is None
        # The class of the entities written last, if `same` compares them by identity.
        self._by_identity: type[Any] | None = None
        self._keys: KeySources[K] = KeySources(self)
        # The only dependent, when it is one that follows changes of single entities.
        self._follower: Follower | None = None

    def __repr__(self) -> str:
        return f"<KeyedStore {self.name!r} of {len(self._value)} entities>"

    def __len__(self) -> int:
        return len(self._read())

    def __contains__(self, key: object) -> bool:
        return key in self._read()

    @property
    def observer_count(self) -> int:
        """How many observers there are now: of keys, of collections, and derived values. Any thread."""
        return super().observer_count + sum(key.observer_count for key in list(self._keys.observed))

    @property
    def read_only(self) -> ReadOnlyKeyed[K, V]:
        """This store without the methods that write."""
        return ReadOnlyKeyed(self)

    # --- writing ------------------------------------------------------------------------------------------------------

    @final
    def insert(self, key: K, entity: V) -> None:
        """Adds an entity.

        Raises:
            KeyError: the key is there already; `upsert` replaces.
        """

        def change(now: Entities[K, V]) -> Entities[K, V]:
            if key in now:
                raise KeyError(key)
            return now.with_one(key, entity)

        self._update(change)

    @final
    def upsert(self, key: K, entity: V) -> None:
        """Adds an entity or replaces the one under this key; an equal one is kept as it is."""
        if open_batches:
            # No closure: a batch keeps it to its end, and for the garbage collector it is six objects instead of three.
            self._update(partial(self._with_one, key, entity))
            return
        # The same without a function to build and call: a store of live entities is mostly written from here.
        kind: type[Any] = type(entity)
        by_identity = kind is self._by_identity
        if not by_identity and self._is_by_default and is_compared_by_identity(kind):
            by_identity, self._by_identity = True, kind
        while True:
            now = self._value
            before = now._values
            if by_identity:
                # A map that gets the object it has is the same map.
                values = before.set(key, entity)
            else:
                old: Any = before.get(key, _MISSING)
                if old is not _MISSING and self._is_equal(self._entity_equals, old, entity):
                    self._check_open()
                    return
                if self._validate is not None:
                    check_valid(self._validate, entity, self.name)
                values = before.set(key, entity)
            if by_identity and values is before:
                self._check_open()
                return
            if len(values) != len(before):
                is_done = self._publish(now, now.with_one(key, entity))
            else:
                # `with_one`, written out.
                value = _Entities()
                value._values = values
                value._keys = now._keys
                value._touched = (key,)
                value._earlier = None
                is_done = self._publish_one(now, value, key, entity)
            if is_done:
                return

    def _publish_one(self, old: Entities[K, V], value: Entities[K, V], key: K, entity: V) -> bool:
        """Does what `_publish` does, in a shorter way, while no observer looks at the collection without a view.

        A second copy of the write path, as in `Store.set`. Through `_publish` the row `keyed_1000` costs 18 % more and misses its
        target. `tests/unit/test_commit.py` runs both ways on the same random operations.
        """
        domain = self._domain
        if domain._home is not None and not domain._home.is_current():
            return domain.commit(((self, old, value),))
        me = get_ident()
        # From here to the number without a call, as in `_publish`.
        if (
            domain._deliverer
            or domain._is_busy
            or self._is_shut
            or self._value is not old
            or self._size
            or self._node_count
        ):
            return self._publish(old, value)
        domain._deliverer = me
        self._value = self._delivered = value
        domain._number = number = domain._number + 1
        try:
            reference = self._keys._references.get(key)
            source = None if reference is None else reference()
            if source is not None:
                source._delivered = entity
                if source._node_count:
                    source._notify(entity)
                elif source._size == 1:
                    call = source._slots[0]
                    try:
                        call(entity)
                    except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
                        domain._failed("observer", error, source._label(), call)
                else:
                    source._tell(entity)
            if self._reached:
                domain._current = number
                follower = self._follower
                # The usual case first: views of the collection, and no derived value of this key.
                if source is not None and source._dependents:
                    propagate(number, self._bases(value))
                elif follower is None:
                    propagate(number, (self,))
                else:
                    try:
                        is_changed = follower._follow(old, value, key, entity)
                    except BaseException as error:  # noqa: BLE001 - as in `propagate`
                        follower._interrupted(error)
                        is_changed = True
                    if is_changed and follower._dependents:
                        propagate(number, (follower,))
                domain._current = 0
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

    @final
    def update(
        self, key: K, function: Callable[[V], V], *, default: V | Unset = Unset.UNSET
    ) -> None:
        """Replaces the entity under a key by `function` of it.

        Args:
            key: A key that is there, or any when there is a `default`.
            function: Pure; runs again when another thread wrote meanwhile.
            default: What `function` gets when nothing is under the key; a result that is the default adds nothing.

        Raises:
            KeyError: no such key, and no default.
            UsageError: `function` is not a function, or it is an `async def` or has a `yield`.
        """
        given: Any = function
        if not callable(given):
            check_function(given, "the function of update()", _AWAIT_FIRST)

        def change(now: Entities[K, V]) -> Entities[K, V]:
            old: Any = now._values.get(key, _MISSING)
            if old is not _MISSING:
                entity = function(old)
                check_result(entity, function)
                return self._with_one(key, entity, now)
            if default is Unset.UNSET:
                raise KeyError(key)
            entity = function(default)
            check_result(entity, function)
            return now if entity is default else self._with_one(key, entity, now)

        self._update(change)

    @final
    def set_many(self, entities: Mapping[K, V] | Iterable[tuple[K, V]]) -> None:
        """Adds or replaces many entities in one commit."""
        pairs = _pairs(entities)
        self._update(lambda now: self._with_many(now, pairs))

    @final
    def replace_all(self, entities: Mapping[K, V] | Iterable[tuple[K, V]]) -> None:
        """Makes these the only entities, in their order, in one commit; equal ones are kept as they are."""
        pairs = _pairs(entities)
        self._update(lambda now: self._replaced(now, pairs))

    @final
    def remove(self, *keys: K) -> None:
        """Removes entities, all in one commit; keys that are not there are no error."""
        self._update(lambda now: now.without(keys))

    @final
    def rename(self, old: K, new: K) -> None:
        """Moves the entity under `old` to `new`, in its old place; an entity under `new` is replaced.

        Raises:
            KeyError: no `old`.
        """

        def change(now: Entities[K, V]) -> Entities[K, V]:
            if old == new and old in now:
                return now
            return now.renamed(old, new).since(now, self._is_same_entity)

        self._update(change)

    @final
    def move(
        self, key: K, *, before: K | Unset = Unset.UNSET, after: K | Unset = Unset.UNSET
    ) -> None:
        """Puts an entity just before or after another one in the order of the store: ordering by hand, in one commit.

        The streams of the collection and views follow; the observers of the key are not called. Costs the number of keys.

        Args:
            key: The key of the entity that moves.
            before: The key that comes next; either this one or `after`.
            after: The key that comes first.

        Raises:
            KeyError: one of the keys is not there.
            UsageError: none or both of `before` and `after`.
        """
        if (before is Unset.UNSET) == (after is Unset.UNSET):
            raise UsageError(
                "move() takes either before= or after=, such as move(key, before=other)"
            )
        is_before = before is not Unset.UNSET
        neighbour = cast("K", before if is_before else after)
        self._update(lambda now: now.moved(key, neighbour, is_before=is_before))

    @final
    def reset(self) -> None:
        """Returns to the initial entities, in their order; equal ones are kept as they are.

        Raises:
            StoreClosed: after close().
        """
        self._update(lambda now: self._replaced(now, self._initial))

    @final
    def trigger(self, *keys: K) -> None:
        """Calls the observers of some entities, and of the collection, with what is there. For what changed in place.

        Selected parts and derived values are computed again; see `Store.trigger`.

        Args:
            keys: The keys; without any: all keys of the store. Keys that are not there are no error.

        Raises:
            StoreClosed, FeedbackLoop: as for a write.
        """
        self._trigger(keys or tuple(self._read()))

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, key: K) -> V | None:
        """Returns the entity under a key, or None. Any thread, never blocks."""
        return self._read()._values.get(key)

    def get_all(self) -> Mapping[K, V]:
        """Returns the snapshot: an immutable mapping in insertion order. Any thread, never blocks."""
        return self._read()

    @overload
    def select(self, key: K) -> Selection[V | None]: ...
    @overload
    def select(
        self, key: K, selector: Callable[[V], T], *, equals: Equals[T] | None = None
    ) -> Selection[T | None]: ...

    def select(
        self,
        key: K,
        selector: Callable[[V], Any] | None = None,
        *,
        equals: Equals[Any] | None = None,
    ) -> Selection[Any]:
        """Returns the stream of one entity, or of a part of it; None while the key is not there.

        Args:
            key: The key.
            selector: A pure function of the entity; never called with None for a missing key.
            equals: When two parts in a row count as no change; see `equality.same` for the default.
        """
        source = self._keys.source(key)
        check_comparer(equals)
        if selector is None and equals is None:
            return Selection(source, lambda: self.get(key))
        if selector is not None:
            check_function(selector, "a selector", "compute the part at once, and await elsewhere")
        node = SelectionNode(source, _of_entity(selector), equals)
        return Selection(node, lambda: node._part_of(self.get(key)))

    def select_all(self) -> Selection[Mapping[K, V]]:
        """Returns the stream of snapshots."""
        return Selection(self, self._read)

    def select_part(
        self, selector: Callable[[Mapping[K, V]], T], *, equals: Equals[T] | None = None
    ) -> Selection[T]:
        """Returns the stream of a part of the snapshot; see `ReadOnly.select`."""
        check_function(selector, "a selector", "compute the part at once, and await elsewhere")
        check_comparer(equals)
        node = SelectionNode(self, selector, equals)
        return Selection(node, lambda: node._part_of(self._read()))

    def select_many(self, keys: Iterable[K]) -> Selection[tuple[V | None, ...]]:
        """Returns the stream of the entities under these keys, None for each that is not there."""
        check_iterable(keys, "select_many()", "[1, 2]")
        wanted = tuple(keys)
        return self.select_part(lambda now: tuple(map(now.get, wanted)), equals=shallow)

    def select_where(self, predicate: Callable[[V], object]) -> Selection[tuple[V, ...]]:
        """Returns the stream of the entities for which `predicate` holds, in insertion order."""
        check_function(predicate, "a predicate", "decide at once, and await elsewhere")
        return self.select_part(lambda now: tuple(filter(predicate, now.values())), equals=shallow)

    def select_sorted(
        self, key: Callable[[V], Any], *, reverse: bool = False
    ) -> Selection[tuple[V, ...]]:
        """Returns the stream of all entities sorted by a key function; equal ones stay in insertion order."""
        check_function(key, "a sort key", "compute it at once, and await elsewhere")
        check_kind(reverse, bool, "reverse=", "True", is_required=True)
        return self.select_part(
            lambda now: tuple(sorted(now.values(), key=key, reverse=reverse)), equals=shallow
        )

    def select_keys(self) -> Selection[tuple[K, ...]]:
        """Returns the stream of the keys in insertion order."""
        return self.select_part(_keys_of, equals=is_)

    def select_count(self) -> Selection[int]:
        """Returns the stream of the number of entities."""
        return self.select_part(len)

    @property
    def events(self) -> Observable[KeyChanges[K]]:
        """The changes that each commit made to the keys.

        Emits: one KeyChanges per commit that changed this store.
        Replays: nothing.
        Thread: the delivering thread of the domain.
        Ends: when the store is closed.
        """
        return changes_of(self._join)

    # --- what the engine asks -----------------------------------------------------------------------------------------

    def _with_one(self, key: K, entity: V, now: Entities[K, V]) -> Entities[K, V]:
        old: Any = now._values.get(key, _MISSING)
        if old is not _MISSING:
            equals = self._entity_equals
            if same(old, entity) if equals is same else self._is_equal(equals, old, entity):
                return now
        return now.with_one(key, entity)

    def _with_many(self, now: Entities[K, V], pairs: dict[K, V]) -> Entities[K, V]:
        fresh = {
            key: entity
            for key, entity in pairs.items()
            if key not in now or not self._is_equal(self._entity_equals, now[key], entity)
        }
        return now.with_many(fresh) if fresh else now

    def _replaced(self, now: Entities[K, V], by: Entities[K, V] | dict[K, V]) -> Entities[K, V]:
        """Returns `by` with the changed keys noted, and with equal entities kept as they are; `now` when nothing changed."""
        if by is now and self._is_by_default:
            return now
        changed: list[K] = []
        kept: dict[K, V] = {}
        # `same` needs no report, so it is called without the way there.
        is_same: Callable[[Any, Any], bool] = (
            same if self._entity_equals is same else self._is_same_entity
        )
        before: Any = now._values
        for key, entity in by.items():
            old = before.get(key, _MISSING)
            if old is _MISSING or not is_same(old, entity):
                changed.append(key)
            elif old is not entity:
                kept[key] = old
        if not changed and len(by) == len(now) and tuple(by) == now.in_order():
            return now
        newer = (
            by
            if isinstance(by, Entities) and not kept
            else Entities[K, V].of({**by, **kept} if kept else cast("dict[K, V]", by))
        )
        return newer.instead_of(now, changed)

    def _merged(self, older: Entities[K, V], newer: Entities[K, V]) -> Entities[K, V]:
        return newer if newer is older else newer.after(older)

    def _settled(self, old: Entities[K, V], new: Entities[K, V]) -> Any:
        if new is old:
            return UNSET
        settled = new.since(old, same if self._entity_equals is same else self._is_same_entity)
        if not settled._touched and settled.is_ordered_like(old):
            return UNSET
        if self._validate is not None:
            self._check(settled)
        return settled

    def _check(self, value: Entities[K, V]) -> None:
        validate = self._validate
        if validate is not None:
            # All entities of the first value; later only those that a write touched.
            for key in value._touched or (() if hasattr(self, "_keys") else value):
                if key in value:
                    check_valid(validate, value[key], self.name)

    def _loaded(self, old: Entities[K, V], value: Any) -> Entities[K, V]:
        is_snapshot = isinstance(value, Entities)
        entities = cast("Entities[K, V]", value) if is_snapshot else _pairs(value)
        loaded = self._replaced(old, entities)
        self._check(loaded)
        return loaded

    def _triggered(
        self, old: Entities[K, V], new: Entities[K, V], keys: tuple[Any, ...]
    ) -> Entities[K, V]:
        # The keys that the newest commit noted are not those of this one.
        changed = new.touching(()) if new is old else new.since(old, self._is_same_entity)
        there = [key for key in keys if key in new]
        return changed.triggering(there)

    def _unchanged(self, old: Entities[K, V], new: Entities[K, V]) -> bool:
        if new is old:
            return True
        return not new.since(old, self._is_same_entity)._touched and new.is_ordered_like(old)

    def _is_same_entity(self, old: V, new: V) -> bool:
        return self._is_equal(self._entity_equals, old, new)

    def _add_dependent(self, dependent: Dependent) -> None:
        # First None, so that after an interrupt all dependents are looked at.
        self._follower = None
        super()._add_dependent(dependent)
        self._look_for_follower()

    def _remove_dependent(self, dependent: Dependent) -> None:
        self._follower = None
        super()._remove_dependent(dependent)
        self._look_for_follower()

    def _add_reader(self, reader: Dependent) -> None:
        self._follower = None
        super()._add_reader(reader)

    def _remove_reader(self, reader: Dependent) -> None:
        self._follower = None
        super()._remove_reader(reader)
        self._look_for_follower()

    def _look_for_follower(self) -> None:
        """Notes the only dependent, if it follows changes of single entities. Under the lock."""
        if len(self._dependents) == 1:
            (only,) = self._dependents
            if hasattr(only, "_follow"):
                self._follower = cast("Follower", only)

    def _touched_sources(self, value: Entities[K, V]) -> list[tuple[KeySource, Any]]:
        """Returns the observed keys that a commit changed, with their new entities."""
        if not self._keys.observed:
            return []
        found = [(self._keys.find(key), value._values.get(key)) for key in value.changed_keys()]
        return [(source, entity) for source, entity in found if source is not None]

    def _notify(self, value: Entities[K, V]) -> None:
        touched = value._touched
        if len(touched) == 1 and not (self._nodes or self._slots or value._as_before):
            key = touched[0]
            source = self._keys.find(key) if self._keys.observed else None
            if source is not None:
                source._delivered = entity = value._values.get(key)
                source._notify(entity)
        else:
            super()._notify(value)

    def _changed_parts(self, value: Entities[K, V]) -> list[tuple[Audience, Any]]:
        found: list[tuple[Audience, Any]] = []
        for source, entity in self._touched_sources(value):
            source._delivered = entity
            found.append((source, entity))
            found += source._changed_parts(entity)
        return found + super()._changed_parts(value)

    def _bases(self, value: Entities[K, V]) -> list[Source]:
        bases: list[Source] = [self] if self._dependents else []
        if self._keys.observed:
            bases += [source for source, _ in self._touched_sources(value) if source._dependents]
        return bases

    def _ending(self) -> list[HasDependents]:
        return [self, *self._keys.observed]


def _pairs(entities: Mapping[K, V] | Iterable[tuple[K, V]]) -> dict[K, V]:
    try:
        pairs: dict[K, V] = dict(cast("Any", entities))
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"entities are a mapping, or pairs of key and entity, such as {{1: entity}}; got {entities!r:.80} ({error})"
        ) from error
    return pairs


def _of_entity(selector: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Returns the selector of an entity as one that accepts None for a missing key."""
    if selector is None:
        return _whole
    chosen = selector

    @wraps(chosen)
    def part_of(entity: Any) -> Any:
        return None if entity is None else chosen(entity)

    return part_of


def _whole(entity: Any) -> Any:
    return entity


def _keys_of(now: Mapping[K, Any]) -> tuple[K, ...]:
    return now.in_order() if isinstance(now, Entities) else tuple(now)
