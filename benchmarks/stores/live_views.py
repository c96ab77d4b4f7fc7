"""`view_N`: one of N entities changes while a sorted and filtered view of them is observed.

Beside it: the same by `KeyedStore.select_part`, which sorts all entities; a `SortedKeyList` kept by hand, which observers
cannot keep; and, as the measure, the same write while one key is observed.
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


Write = Callable[[Entity], object]
Read = Callable[[], Iterable[Entity]]


def _is_shown(entity: Entity) -> bool:
    return entity.size % 2 == 0


def _size_of(entity: Entity) -> int:
    return entity.size


def _ignore(_: object) -> None:
    pass


def _store(count: int) -> KeyedStore[int, Entity]:
    return KeyedStore({key: Entity(key, key) for key in range(count)}, domain=Domain())


def _ours(count: int) -> tuple[Write, Read]:
    store = _store(count)
    it = view(store).where(_is_shown).sorted_by(_size_of)
    it.select().subscribe(_ignore)
    return _writing(store), it.get


def _one_key(count: int) -> tuple[Write, Read]:
    store = _store(count)
    store.select(5).subscribe(_ignore)
    return _writing(store), lambda: _sorted(store.get_all())


def _recomputed(count: int) -> tuple[Write, Read]:
    store = _store(count)
    it = store.select_part(_sorted)
    it.subscribe(_ignore)
    return _writing(store), it.get


def _writing(store: KeyedStore[int, Entity]) -> Write:
    return lambda entity: store.upsert(entity.key, entity)


def _sorted(now: Mapping[int, Entity]) -> list[Entity]:
    return sorted(filter(_is_shown, now.values()), key=_size_of)


def _by_hand(count: int) -> tuple[Write, Read]:
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

    return write, lambda: shown


def _case(who: str, count: int, writes: int, build: Callable[[int], tuple[Write, Read]]) -> Case:
    chance = random.Random(1)
    entities: list[Entity] = []
    expected = {key: Entity(key, key) for key in range(count)}
    reads: list[Read] = []

    def refresh() -> None:
        entities[:] = [
            Entity(chance.randrange(count), chance.randrange(count)) for _ in range(writes)
        ]
        expected.update({entity.key: entity for entity in entities})

    def prepare() -> Run:
        write, read = build(count)
        reads.append(read)

        def run() -> None:
            for entity in entities:
                write(entity)

        return run

    def check() -> None:
        shown = sorted(filter(_is_shown, expected.values()), key=_size_of)
        if [entity.size for entity in reads[0]()] != [entity.size for entity in shown]:
            raise AssertionError(f"{who}: the view is not what its entities make it")

    return Case(who, prepare, writes, check, refresh)


def view_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows for 1 000, 10 000 and 100 000 entities."""
    for count in (1_000,) if is_quick else (1_000, 10_000, 100_000):
        cases = [
            _case("ours", count, WRITES, _ours),
            _case("select(key)", count, WRITES, _one_key),
            _case("SortedKeyList by hand", count, WRITES, _by_hand),
        ]
        row = metric(f"view_{count}", cases, rounds=rounds)
        # Hundreds of times slower, so it is timed for itself, on a few writes.
        again = metric("again", [_case("again", count, 4, _recomputed)], rounds=max(1, rounds // 3))
        row.samples["sorted again"] = again.samples["again"]
        yield row
