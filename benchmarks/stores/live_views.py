"""`view_N`: one of N entities changes while a sorted and filtered view of them is observed.

An entity gets a random size, so it comes, goes or moves to another place. In `view_in_place_N` it is shown before and after,
and its size stays.

Beside it: the same write while the written keys are observed, which is the measure; a `SortedKeyList` kept by hand, which
observers cannot keep; a frame of pandas and `KeyedStore.select_part`, which both filter and sort all entities.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from sortedcontainers import SortedKeyList

from benchmarks.timing import Case, Metric, Run, metric
from reactive_ws import Domain, KeyedStore
from reactive_ws.views import view

__all__ = ["view_rows"]

WRITES = 1_000


@attrs.frozen
class Entity:
    """An entity under a key."""

    key: int
    size: int
    version: int = 0


Write = Callable[[Entity], object]
Read = Callable[[], Iterable[int]]
"""Returns the sizes in the order of the view."""
Build = Callable[[int, list[int]], tuple[Write, Read]]
"""Makes entities of so many keys; the second argument has the keys that are written."""


def _is_shown(entity: Entity) -> bool:
    return entity.size % 2 == 0


def _size_of(entity: Entity) -> int:
    return entity.size


def _ignore(_: object) -> None:
    pass


def _store(count: int) -> KeyedStore[int, Entity]:
    return KeyedStore({key: Entity(key, key) for key in range(count)}, domain=Domain())


def _ours(count: int, _: list[int]) -> tuple[Write, Read]:
    store = _store(count)
    it = view(store).where(_is_shown).sorted_by(_size_of)
    it.select().subscribe(_ignore)
    return _writing(store), lambda: map(_size_of, it.get())


def _keys_observed(count: int, keys: list[int]) -> tuple[Write, Read]:
    store = _store(count)
    for key in keys:
        store.select(key).subscribe(_ignore)
    return _writing(store), lambda: map(_size_of, _sorted(store.get_all()))


def _recomputed(count: int, _: list[int]) -> tuple[Write, Read]:
    store = _store(count)
    it = store.select_part(_sorted)
    it.subscribe(_ignore)
    return _writing(store), lambda: map(_size_of, it.get())


def _writing(store: KeyedStore[int, Entity]) -> Write:
    return lambda entity: store.upsert(entity.key, entity)


def _sorted(now: Mapping[int, Entity]) -> list[Entity]:
    return sorted(filter(_is_shown, now.values()), key=_size_of)


def _by_hand(count: int, _: list[int]) -> tuple[Write, Read]:
    entities = {key: Entity(key, key) for key in range(count)}
    shown: Any = SortedKeyList(filter(_is_shown, entities.values()), key=_size_of)

    def write(entity: Entity) -> None:
        before = entities[entity.key]
        entities[entity.key] = entity
        if _is_shown(before):
            shown.remove(before)
        if _is_shown(entity):
            shown.add(entity)
        _ignore(shown)

    return write, lambda: map(_size_of, shown)


def _pandas(count: int, _: list[int]) -> tuple[Write, Read]:
    import pandas  # noqa: ICN001 - optional

    library: Any = pandas
    frame = library.DataFrame({"size": range(count), "version": 0})
    shown: list[Any] = [None]

    def write(entity: Entity) -> None:
        frame.loc[entity.key] = (entity.size, entity.version)
        sizes = frame["size"]
        shown[0] = frame[sizes % 2 == 0].sort_values("size", kind="stable")
        _ignore(shown[0])

    return write, lambda: shown[0]["size"].tolist()


def _case(who: str, count: int, writes: int, build: Build, *, is_in_place: bool = False) -> Case:
    chance = random.Random(1)
    places = range(0, count, 2) if is_in_place else range(count)
    keys = chance.sample(places, min(writes, len(places)))
    entities: list[Entity] = []
    expected = {key: Entity(key, key) for key in range(count)}
    reads: list[Read] = []
    version = 0

    def refresh() -> None:
        nonlocal version
        version += 1
        chance.shuffle(keys)
        entities[:] = [
            Entity(key, key if is_in_place else chance.randrange(count), version) for key in keys
        ]
        expected.update({entity.key: entity for entity in entities})

    def prepare() -> Run:
        write, read = build(count, list(keys))
        reads.append(read)

        def run() -> None:
            for entity in entities:
                write(entity)

        return run

    def check() -> None:
        if list(reads[0]()) != [entity.size for entity in _sorted(expected)]:
            raise AssertionError(f"{who}: the view is not what its entities make it")

    return Case(who, prepare, len(keys), check, refresh)


def view_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows for 1 000, 10 000 and 100 000 entities."""
    for count in (1_000,) if is_quick else (1_000, 10_000, 100_000):
        cases = [
            _case("ours", count, WRITES, _ours),
            _case("select(key)", count, WRITES, _keys_observed),
            _case("SortedKeyList by hand", count, WRITES, _by_hand),
        ]
        targets = {"select(key)": 1 / 3} if count == 100_000 else {}
        row = metric(f"view_{count}", cases, rounds=rounds, targets=targets)
        # Hundreds of times slower, so they are timed for themselves, on a few writes.
        slow = [_case("pandas", count, 4, _pandas), _case("sorted again", count, 4, _recomputed)]
        row.samples |= metric("slow", slow, rounds=max(1, rounds // 3)).samples
        yield row
    yield metric(
        f"view_in_place_{count}",
        [
            _case(who, count, WRITES // 2, build, is_in_place=True)
            for who, build in (("ours", _ours), ("select(key)", _keys_observed))
        ],
        rounds=rounds,
        targets={"select(key)": 1 / 3} if count == 100_000 else {},
    )
