"""The snapshot behind a `KeyedStore`: an immutable mapping that is cheap to change at any size.

The values are in a persistent `Map`: in C it takes 0.3 to 0.6 us a write from 1 000 to 100 000 keys (`rpds` takes three times
that, and the time of a copied dict grows with its size). Insertion order is kept in a second map
from key to place, which updates of existing keys leave alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from typing import Any, Final, Generic, TypeAlias, TypeVar

from .persistent_map import Map

__all__ = ["Entities", "Rank"]

_MISSING: Final = object()

_MANY: Final = 64
"""So many more changes of keys than keys are remembered for the next look at their order."""

_LONGEST_FRACTION: Final = 64
"""Bits of a denominator; one more halving numbers all places again, so that places stay small."""

Rank: TypeAlias = int | Fraction
"""Keys that came later have larger places; a key that was moved by hand may have a fraction."""

K = TypeVar("K")
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class _Keys(Generic[K]):
    """The keys of a snapshot and the order in which they came; shared by all snapshots with the same keys.

    To sort all keys after each one that comes or goes costs the square of their number while a list shows them. Keys
    that were made from keys whose order is known remember it, and what came since.
    """

    __slots__ = (
        "_base",
        "_base_end",
        "_fresh",
        "_fresh_count",
        "_in_order",
        "lineage",
        "lost_places",
        "next_place",
        "places",
    )

    def __init__(
        self,
        places: Map[K, Rank],
        next_place: int,
        lineage: object = None,
        lost_places: int = 0,
    ) -> None:
        self.places = places
        self.next_place = next_place
        # Keys that were made from each other have one lineage, and count the places that keys lost since its begin.
        self.lineage = object() if lineage is None else lineage
        self.lost_places = lost_places
        self._in_order: tuple[K, ...] | None = None
        # An older order, the first place that is not in it, and a chain of the keys that came since, newest first.
        self._base: tuple[K, ...] | None = None
        self._base_end = 0
        self._fresh: tuple[Any, tuple[K, ...]] | None = None
        self._fresh_count = 0

    def in_order(self) -> tuple[K, ...]:
        """Returns the keys, first come first."""
        if self._in_order is None:
            self._in_order = self._ordered()
            self._base, self._fresh = None, None
        return self._in_order

    def _ordered(self) -> tuple[K, ...]:
        places = self.places
        if self._base is None:
            return tuple(sorted(places, key=places.__getitem__))
        steps: list[tuple[K, ...]] = []
        fresh = self._fresh
        while fresh is not None:
            fresh, step = fresh
            steps.append(step)
        came = [key for step in reversed(steps) for key in step]
        base = self._base
        if len(base) + len(came) == len(places):
            # Nothing was removed, so no key came twice.
            return (*base, *came)
        end = self._base_end
        kept = [key for key in base if places.get(key, end) < end]
        # A key that was removed and came again is where it came last.
        last = {key: place for place, key in enumerate(came) if key in places}
        return (*kept, *sorted(last, key=last.__getitem__))

    def with_last(self, places: Map[K, Rank], keys: tuple[K, ...]) -> _Keys[K]:
        """Returns these keys with `keys` after them.

        Args:
            places: The new places, in which those of `keys` are the last.
            keys: Those that come, in their order.
        """
        made = _Keys(places, self.next_place + len(keys), self.lineage, self.lost_places)
        self._pass_on(made, keys)
        return made

    def without(self, places: Map[K, Rank]) -> _Keys[K]:
        """Returns what is left of these keys.

        Args:
            places: The places that are left.
        """
        lost = self.lost_places + len(self.places) - len(places)
        made = _Keys(places, self.next_place, self.lineage, lost)
        self._pass_on(made, ())
        return made

    def _pass_on(self, made: _Keys[K], keys: tuple[K, ...]) -> None:
        if self._in_order is not None:
            made._base, made._base_end = self._in_order, self.next_place
        elif self._base is not None and self._fresh_count <= len(self._base) + _MANY:
            made._base, made._base_end = self._base, self._base_end
            made._fresh, made._fresh_count = self._fresh, self._fresh_count
        else:
            # The order was not read for long. The next read sorts, and nothing is kept until then.
            return
        # Removals count too: what is gone from the base must not be kept alive.
        made._fresh_count += max(1, len(keys))
        if keys:
            made._fresh = (made._fresh, keys)


class Entities(Mapping[K, V_co], Generic[K, V_co]):
    """An immutable mapping in insertion order. It is not a dict: `dict(entities)` is one, and so is `entities | other`.

    Lookups cost what a dict's cost; iteration sorts once by insertion and remembers the order for as long as no key comes
    or goes. Made by `KeyedStore`.
    """

    __slots__ = ("_earlier", "_keys", "_touched", "_values")

    _keeps_order = True
    """For `shallow`: a change of the order is a change."""
    _as_before: tuple[K, ...] = ()
    """The touched keys that read as before: an entity that is None came or went, or a key has another place."""
    _is_triggered = False
    """Whether the touched keys are those that a program named, because their entities changed inside."""

    # No __init__: a call of a class that has one costs as much as a third of a keyed store's write. See `_made`.
    _values: Map[K, V_co]
    _keys: _Keys[K]
    _touched: tuple[K, ...]
    # What was touched before in the same batch: a chain of pairs, because to join tuples at each write would cost
    # the square of their number.
    _earlier: tuple[Any, tuple[K, ...]] | None

    @classmethod
    def of(cls, values: dict[K, V_co]) -> Entities[K, V_co]:
        """Returns a mapping of these pairs, in their order."""
        places: Map[K, Rank] = Map({key: place for place, key in enumerate(values)})
        return _made(Map(values), _Keys(places, len(values)), ())

    def __repr__(self) -> str:
        return f"Entities({dict(self.items())!r})"

    def __getitem__(self, key: K) -> V_co:
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys.in_order())

    def __or__(self, other: Mapping[Any, Any]) -> dict[Any, Any]:
        return {**self, **other}

    def __ror__(self, other: Mapping[Any, Any]) -> dict[Any, Any]:
        return {**other, **self}

    def in_order(self) -> tuple[K, ...]:
        """Returns the keys in the order in which they came; the same tuple while no key comes or goes."""
        return self._keys.in_order()

    def get(self, key: Any, default: Any = None) -> Any:
        """Returns the value under a key, or `default`."""
        return self._values.get(key, default)

    def place_of(self, key: K) -> Rank:
        """Returns a number that is larger for keys that came later.

        Raises:
            KeyError: no such key.
        """
        return self._keys.places[key]

    def keeps_places_of(self, older: Entities[K, V_co]) -> bool:
        """Whether all keys but the touched ones have the places that they had in the snapshot before this one."""
        keys, before = self._keys, older._keys
        if keys is before:
            return True
        if keys.lineage is not before.lineage:
            return False
        places, places_before = keys.places, before.places
        lost = 0
        for key in self._touched:
            place = places_before.get(key)
            if place is not None and places.get(key) != place:
                lost += 1
        return keys.lost_places == before.lost_places + lost

    def is_ordered_like(self, other: Entities[K, Any]) -> bool:
        """Whether the same keys came in the same order."""
        return self._keys is other._keys or self.in_order() == other.in_order()

    def touched_keys(self) -> tuple[K, ...]:
        """Returns the keys that the change which made this mapping touched."""
        return self._touched

    def changed_keys(self) -> tuple[K, ...]:
        """Returns the touched keys that read differently than before."""
        if not self._as_before:
            return self._touched
        as_before = set(self._as_before)
        return tuple(key for key in self._touched if key not in as_before)

    # --- changes: each returns a new mapping whose `_touched` names the changed keys --------------------------------

    def with_one(self, key: K, value: V_co) -> Entities[K, V_co]:  # type: ignore[misc]
        """Returns a mapping with `value` under `key`; a new key comes last."""
        values = self._values.set(key, value)
        keys = self._keys
        if len(values) != len(self._values):
            keys = keys.with_last(keys.places.set(key, keys.next_place), (key,))
            if value is None:
                return _noting(_made(values, keys, (key,)), (key,))
        return _made(values, keys, (key,))

    def with_many(self, items: Mapping[K, V_co]) -> Entities[K, V_co]:
        """Returns a mapping with all of these pairs; new keys come last, in their order."""
        values = self._values.update(items)
        keys = self._keys
        if len(values) != len(self._values):
            fresh = [key for key in items if key not in keys.places]
            places = {key: keys.next_place + place for place, key in enumerate(fresh)}
            keys = keys.with_last(keys.places.update(places), tuple(fresh))
        return _made(values, keys, tuple(items))._compared_with(self)

    def without(self, keys: Iterable[K]) -> Entities[K, V_co]:
        """Returns a mapping without these keys; those that are not there are no error."""
        gone = tuple(key for key in dict.fromkeys(keys) if key in self._values)
        if not gone:
            return self
        values, places = self._values.mutate(), self._keys.places.mutate()
        for key in gone:
            del values[key]
            del places[key]
        keys_left = self._keys.without(places.finish())
        return _made(values.finish(), keys_left, gone)._compared_with(self)

    def renamed(self, old: K, new: K) -> Entities[K, V_co]:
        """Returns a mapping with the value of `old` under `new`, in the same place; what was under `new` is gone.

        Raises:
            KeyError: no `old`.
        """
        value, place = self._values[old], self._keys.places[old]
        values = self._values.delete(old).set(new, value)
        places = self._keys.places.delete(old).set(new, place)
        keys = self._keys
        lost = keys.lost_places + (2 if new in keys.places else 1)
        moved = _Keys(places, keys.next_place, keys.lineage, lost)
        return _made(values, moved, (old, new))._compared_with(self)

    def moved(self, key: K, neighbour: K, *, is_before: bool) -> Entities[K, V_co]:
        """Returns a mapping with `key` just before or after a neighbour in the order.

        Costs the number of keys. A place between two others is a fraction, so all other keys keep theirs.

        Raises:
            KeyError: one of them is not there.
        """
        places = self._keys.places
        mine, edge = places[key], places[neighbour]
        if key == neighbour:
            return self
        others = (place for other, place in places.items() if other != key)
        if is_before:
            beyond = max((place for place in others if place < edge), default=None)
            place = edge - 1 if beyond is None else _between(beyond, edge)
            if beyond is not None and beyond < mine < edge:
                return self
        else:
            beyond = min((place for place in others if place > edge), default=None)
            place = edge + 1 if beyond is None else _between(edge, beyond)
            if beyond is not None and edge < mine < beyond:
                return self
        if beyond is None and ((mine < edge) if is_before else (mine > edge)):
            return self
        keys = self._keys
        if place.denominator.bit_length() > _LONGEST_FRACTION:
            return self._numbered_again(key, place)
        end = max(keys.next_place, math.floor(place) + 1)
        moved = _Keys(places.set(key, place), end, keys.lineage, keys.lost_places + 1)
        return _moving(self._values, moved, key)

    def _numbered_again(self, key: K, place: Rank) -> Entities[K, V_co]:
        """Returns a mapping with whole numbers as places, in the order that `place` gives to `key`."""
        places: dict[K, Rank] = {**self._keys.places, key: place}
        ordered = sorted(places, key=places.__getitem__)
        numbers: Map[K, Rank] = Map({it: number for number, it in enumerate(ordered)})
        return _moving(self._values, _Keys(numbers, len(ordered)), key)

    def instead_of(self, older: Entities[K, V_co], changed: Iterable[K]) -> Entities[K, V_co]:
        """Returns this mapping with the changed keys noted, and those that only `older` has."""
        touched = [*changed, *(key for key in older if key not in self._values)]
        return _made(self._values, self._keys, tuple(touched))._compared_with(older)

    def after(self, older: Entities[K, V_co]) -> Entities[K, V_co]:
        """Returns this mapping with the touched keys of `older`, from which it was made, noted for `since`."""
        return _made(self._values, self._keys, self._touched, (older._earlier, older._touched))

    def touching(self, keys: Iterable[K]) -> Entities[K, V_co]:
        """Returns this mapping with these keys noted as the changed ones."""
        return _made(self._values, self._keys, tuple(keys))

    def triggering(self, keys: Iterable[K]) -> Entities[K, V_co]:
        """Returns this mapping with these keys noted, too, although their entities are the objects that they were."""
        named = dict.fromkeys(keys)
        made: _Triggered[K, V_co] = _Triggered.__new__(_Triggered)  # pyright: ignore[reportUnknownVariableType]
        made._values = self._values
        made._keys = self._keys
        made._touched = tuple(dict.fromkeys((*self._touched, *named)))
        made._earlier = None
        made._as_before = tuple(key for key in self._as_before if key not in named)
        return made

    def since(
        self,
        older: Entities[K, V_co],
        is_same: Callable[[V_co, V_co], bool],
    ) -> Entities[K, V_co]:
        """Returns this mapping with only those touched keys noted whose value or place differs from that in `older`.

        An entity that counts as the same is replaced by the older one, as in a write outside of a batch.
        """
        keys: Iterable[K] = self._touched
        earlier = self._earlier
        if earlier is not None:
            steps = [self._touched]
            while earlier is not None:
                earlier, step = earlier
                steps.append(step)
            keys = chain.from_iterable(reversed(steps))
        values = self._values
        places, places_before = self._keys.places, older._keys.places
        touched: list[K] = []
        moved: list[K] = []
        kept: dict[K, V_co] = {}
        for key in dict.fromkeys(keys):
            before: Any = older._values.get(key, _MISSING)
            after: Any = values.get(key, _MISSING)
            if before is _MISSING or after is _MISSING:
                if before is not after:
                    touched.append(key)
            elif not is_same(before, after):
                touched.append(key)
            else:
                if before is not after:
                    kept[key] = before
                if places is not places_before and places[key] != places_before[key]:
                    moved.append(key)
        if moved and not (touched or self._keys.in_order() != older.in_order()):
            # What was taken out came back to where it was.
            moved = []
        if kept:
            values = values.update(kept)
        made = _made(values, self._keys, (*touched, *moved))
        return made._compared_with(older, moved)

    def _compared_with(
        self, older: Entities[K, V_co], moved: Iterable[K] = ()
    ) -> Entities[K, V_co]:
        """Returns this mapping with the keys noted that read as before: those of an entity that is None, and those in `moved`."""
        values, before = self._values, older._values
        as_before: list[K] = [*moved]
        # A loop and not a generator, which costs a call for each item.
        for key in self._touched:
            if values.get(key) is None and before.get(key) is None:
                as_before.append(key)  # noqa: PERF401 - a comprehension is a call, too
        return _noting(self, tuple(as_before)) if as_before else self


def _between(low: Rank, high: Rank) -> Rank:
    return Fraction(low + high) / 2


class _AsBefore(Entities[K, V_co]):
    """A mapping with touched keys that read as before. A class of its own, so that the others pay nothing for it."""

    __slots__ = ("_as_before",)

    _as_before: tuple[K, ...]


class _Triggered(_AsBefore[K, V_co]):
    """A mapping whose observers are called although the entities are the objects that they were."""

    __slots__ = ()

    _is_triggered = True


def _made(
    values: Map[K, V],
    keys: _Keys[K],
    touched: tuple[K, ...],
    earlier: tuple[Any, tuple[K, ...]] | None = None,
) -> Entities[K, V]:
    made: Entities[K, V] = Entities.__new__(Entities)  # pyright: ignore[reportUnknownVariableType]
    made._values = values
    made._keys = keys
    made._touched = touched
    made._earlier = earlier
    return made


def _moving(values: Map[K, V], keys: _Keys[K], key: K) -> Entities[K, V]:
    """Returns a mapping after one key got another place. Its entity is the same, so the observers of the key are not called."""
    return _noting(_made(values, keys, (key,)), (key,))


def _noting(entities: Entities[K, V], as_before: tuple[K, ...]) -> Entities[K, V]:
    made: _AsBefore[K, V] = _AsBefore.__new__(_AsBefore)  # pyright: ignore[reportUnknownVariableType]
    made._values = entities._values
    made._keys = entities._keys
    made._touched = entities._touched
    made._earlier = entities._earlier
    made._as_before = as_before
    return made
