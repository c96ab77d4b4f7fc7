"""Values of keyed stores that are computed from what changed, not from all entities.

An `incremental` value is a derived value with a second function: `build` makes it of whole snapshots, `step` makes the next
one of the one before and the keys that a commit touched. A step runs when it is certain which commits lie between. In all
other cases (the first read, a batch, keys that got another place) `build` runs. So both functions must give the same value.
`views` builds its lists and sums on this; programs may too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from operator import is_
from threading import get_ident
from typing import Any, ClassVar, Final, Generic, TypeVar, cast

from ..engine import Equals, check_comparer, check_function, check_kind, same
from ..errors import UsageError
from .computed import STEPS_BY_IDENTITY, Derived, Failure
from .keyed import Entities, KeyedStore, Rank, ReadOnlyKeyed

__all__ = ["Delta", "incremental"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_MISSING: Final = object()


class Delta(Generic[K, V]):
    """The difference that one commit made to one keyed store.

    Attributes:
        old: The snapshot before.
        new: The snapshot after it.
        keys: The keys that were written, removed or added in between, each once.
    """

    __slots__ = ("keys", "new", "old")

    MISSING: ClassVar[Any] = _MISSING

    def __init__(self, old: Entities[K, V], new: Entities[K, V], keys: tuple[K, ...]) -> None:
        self.old = old
        self.new = new
        self.keys = keys

    def changes(self) -> list[tuple[K, Any, Any, Rank, Rank]]:
        """Returns (key, old entity, new entity, old place, new place) of each key.

        An entity that is not there is `Delta.MISSING`, its place -1.
        Keys that came later have larger places.
        """
        old, new = self.old, self.new
        before, now = old._values, new._values
        places, places_before = new._keys.places, old._keys.places
        if places is places_before:
            # No key came or went, so each has one place.
            if len(self.keys) == 1:
                # The usual change, without a frame for the list.
                (key,) = self.keys
                place = places.get(key, -1)
                return [(key, before.get(key, _MISSING), now.get(key, _MISSING), place, place)]
            return [
                (key, before.get(key, _MISSING), now.get(key, _MISSING), place, place)
                for key in self.keys
                for place in (places.get(key, -1),)
            ]
        return [
            (
                key,
                before.get(key, _MISSING),
                now.get(key, _MISSING),
                places_before.get(key, -1),
                places.get(key, -1),
            )
            for key in self.keys
        ]

    def __repr__(self) -> str:
        return f"<Delta of {len(self.keys)} keys>"


class _Incremental(Derived[T]):
    """A derived value that goes on from its last value where it can."""

    __slots__ = ("_replace", "_settled", "_step")

    _runs_function = False

    def __init__(
        self,
        stores: tuple[KeyedStore[Any, Any], ...],
        build: Callable[..., T],
        step: Callable[..., T],
        replace: Callable[..., T] | None,
        equals: Equals[T] | None,
        name: str | None,
    ) -> None:
        super().__init__(stores, build, equals, name)
        self._step = step
        # Without a comparer of the program, which needs more care than the short way has.
        is_by_default = self._equals is same or self._equals is is_
        self._replace: Any = replace if is_by_default else None
        # What was kept after the last update, if it is what the observers saw, so that the short way may go on from it.
        self._settled: Any = None

    def _follow(self, old: Entities[Any, Any], new: Entities[Any, Any], key: Any, now: Any) -> bool:
        # The most common change, written out: one entity was replaced, and nothing read ahead of delivery. A change of the row
        # `view_in_place_100000` takes half of the instructions. `tests/unit/test_views.py` runs both ways.
        kept, domain = self._kept, self._domain
        if kept is None or kept is not self._settled:
            return self._go_on()
        before, was = kept[1], old._values[key]
        # What was kept is dropped when the last observer leaves, so there is one, and it saw an earlier commit.
        if was is now or self._ahead is not None or self._waiting or self._nodes:
            return self._go_on()
        try:
            result = self._replace(before, key, was, now, new._keys.places[key])
        except Exception:  # noqa: BLE001 - `step`, or the whole, says whether the user's function fails
            return self._go_on()
        is_same = result is before or (self._way != STEPS_BY_IDENTITY and same(before, result))
        # From here to the new values without a call, because the last observer may leave on another thread.
        if self._kept is not kept:
            return False
        if is_same:
            self._settled = self._kept = (new,), before, domain._rewritten
            return False
        self._settled = self._kept = (new,), result, domain._rewritten
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

    def _update(self) -> bool:
        kept = self._kept
        if kept is not None and kept is self._settled:
            old, new = kept[0][0], self._sources[0]._delivered
            touched = new._touched
            if new._keys is old._keys and len(touched) == 1 and not new._is_triggered:
                (key,) = touched
                return self._follow(old, new, key, new._values[key])
        return self._go_on()

    def _go_on(self) -> bool:
        """Updates in the usual way, and notes whether the next change may go the short one."""
        is_changed = super()._update()
        kept, notified = self._kept, self._notified
        is_settled = kept is not None and kept[1] is notified and self._delivered is notified
        self._settled = kept if is_settled and self._replace is not None else None
        return is_changed

    def _forget(self) -> None:
        super()._forget()
        self._domain._trash.append(self._settled)
        self._settled = None

    def _evaluate_guarded(self, arguments: tuple[Any, ...]) -> Any:
        # While this value is observed, each commit of its stores comes here, one after the other.
        kept = self._kept
        if kept is None or kept[1].__class__ is Failure:
            return super()._evaluate_guarded(arguments)
        deltas: list[Delta[Any, Any]] = []
        for old, new in zip(kept[0], arguments, strict=True):
            if old is new:
                deltas.append(Delta(old, new, ()))
            elif _can_step(old, new):
                deltas.append(Delta(old, new, new._touched))
            else:
                return super()._evaluate_guarded(arguments)
        try:
            return self._step(kept[1], *deltas)
        except Exception:  # noqa: BLE001 - the whole says whether the user's function fails, and with which error
            return super()._evaluate_guarded(arguments)

    def _evaluate_ahead(self, arguments: tuple[Any, ...]) -> Any:
        chains = self._chains(arguments)
        if chains is None:
            return super()._evaluate_ahead(arguments)
        value, snapshots = chains
        try:
            return self._step(value, *map(_delta, snapshots))
        except Exception:  # noqa: BLE001 - as above
            return super()._evaluate_ahead(arguments)

    def _chains(
        self, arguments: tuple[Any, ...]
    ) -> tuple[T, list[list[Entities[Any, Any]]]] | None:
        """Returns the value delivered last and, of each store, its snapshots from that one to the argument.

        None when a snapshot in between is not known, or when a key got another place.
        """
        domain = self._domain
        is_inside, is_delivering = domain._is_inside(), domain._deliverer == get_ident()
        with domain._lock:
            if is_delivering:
                chains = self._find_chains(arguments)
            else:
                # Keeps direct writes of other threads out; a delivery keeps them out by itself.
                domain._is_busy = True
                chains = self._find_chains(arguments)
                domain._leave_section(is_inside=is_inside)
        if domain._leftover:
            domain._after_section()
        if chains is None:
            return None
        for chain in chains[1]:
            for old, new in pairwise(chain):
                if not _can_step(old, new):
                    return None
        return chains

    def _find_chains(
        self, arguments: tuple[Any, ...]
    ) -> tuple[T, list[list[Entities[Any, Any]]]] | None:
        """Returns what `_chains` does, before it looks at the places of the keys. Under the lock."""
        kept = self._kept
        if kept is None or kept[1].__class__ is Failure:
            return None
        found: list[list[Entities[Any, Any]]] = []
        for source, base, now in zip(self._sources, kept[0], arguments, strict=True):
            later = [
                (old, new)
                for commit in self._domain._queue
                for changed, old, new in commit.changes
                if cast("object", changed) is source
            ]
            # The commit whose delivery has begun is in no queue; its snapshot is what the next one replaced.
            chain = [later[0][0] if later else source._capture(), *(new for _, new in later)]
            if not any(snapshot is now for snapshot in chain):
                chain = [now] if base is now else []
            while any(snapshot is base for snapshot in chain[1:]):
                del chain[0]
            if not chain or not any(snapshot is now for snapshot in chain):
                return None
            if chain[0] is not base:
                chain.insert(0, base)
            while chain[-1] is not now:
                chain.pop()
            found.append(chain)
        return kept[1], found


def _can_step(old: Entities[Any, Any], new: Entities[Any, Any]) -> bool:
    """Returns whether the touched keys say all that one commit changed."""
    if new._is_triggered or not new.keeps_places_of(old):
        return False
    # An entity that was written although it is the object that was there has changed inside, so the old one is not known.
    before, now, as_before = old._values, new._values, new._as_before
    for key in new._touched:
        entity = now.get(key)
        if entity is not None and before.get(key) is entity and key not in as_before:
            return False
    return True


def _delta(chain: list[Entities[Any, Any]]) -> Delta[Any, Any]:
    keys = dict.fromkeys(key for snapshot in chain[1:] for key in snapshot._touched)
    return Delta(chain[0], chain[-1], tuple(keys))


def incremental(
    *stores: KeyedStore[Any, Any] | ReadOnlyKeyed[Any, Any],
    build: Callable[..., T],
    step: Callable[..., T],
    replace: Callable[..., T] | None = None,
    equals: Equals[T] | None = None,
    name: str | None = None,
) -> Derived[T]:
    """Returns a derived value of keyed stores that is kept up to date by what each commit changed.

    Like every derived value it is consistent with the commit it belongs to and costs nothing without an observer.

    Args:
        stores: Keyed stores of one domain.
        build: Makes the value of one snapshot for each store; a pure function.
        step: Makes the next value of the last one and one `Delta` for each store; a pure function, which changes no value
            in place. When it raises, `build` runs.
        replace: As `step`, for the most common change of one store: one entity was replaced by another one. It gets the
            last value, the key, the old and the new entity, and the place of the key. When it raises, `step` runs. None: `step`
            runs for these changes, too.
        equals, name: As for `derived`.

    Raises:
        DomainMismatch: the stores are of different domains.
        UsageError: no store, or one that is not a keyed store.
    """
    found = tuple(it._store if isinstance(it, ReadOnlyKeyed) else it for it in stores)
    if not found or not all(isinstance(store, KeyedStore) for store in found):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError("incremental() takes keyed stores; of other values take derived(...)")
    if replace is not None:
        check_function(replace, "replace=", "compute at once")
        if len(found) > 1:
            raise UsageError("replace= is for one store; of several stores step= gets the changes")
    for function, role in ((build, "build="), (step, "step=")):
        check_function(function, role, "compute at once")
    check_comparer(equals)
    check_kind(name, str, "name=", '"total"')
    return _Incremental(found, build, step, replace, equals, name or build.__qualname__)
