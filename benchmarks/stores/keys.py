"""`keyed_N`: N keys, each with an observer; one of them changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from benchmarks.stores import signal_libraries
from benchmarks.timing import Case, Metric, Run, metric
from reactive_ws import Domain, KeyedStore

__all__ = ["fill_rows", "keyed_rows"]


@attrs.frozen
class Entity:
    """The value that each key holds."""

    key: str
    version: int


Observer = Callable[[str], Callable[[Any], None]]
Write = Callable[[str, Entity], object]


def _case(who: str, count: int, writes: int, build: Callable[[list[str], Observer], Write]) -> Case:
    keys = [f"key-{number}" for number in range(count)]
    chosen = random.Random(7).sample(keys, min(writes, count))
    entities: list[Entity] = []
    seen: dict[str, Any] = {}
    version = 0

    def observer(key: str) -> Callable[[Any], None]:
        def see(value: Any) -> None:
            seen[key] = value

        return see

    def refresh() -> None:
        nonlocal version
        version += 1
        entities[:] = [Entity(key, version) for key in chosen]

    def prepare() -> Run:
        write = build(keys, observer)

        def run() -> None:
            for entity in entities:
                write(entity.key, entity)

        return run

    def check() -> None:
        changed = {entity.key: entity for entity in entities}
        if seen != {key: changed.get(key, Entity(key, 0)) for key in keys}:
            raise AssertionError(f"{who}: not every observer saw the last entity of its key")

    return Case(who, prepare, len(chosen), check, refresh)


def _ours(keys: list[str], observer: Observer) -> Write:
    store: KeyedStore[str, Any] = KeyedStore({key: Entity(key, 0) for key in keys}, domain=Domain())
    for key in keys:
        store.select(key).subscribe(observer(key))
    return store.upsert


def _dict_of_subjects(keys: list[str], observer: Observer) -> Write:
    from reactivex.subject import BehaviorSubject

    subjects: dict[str, BehaviorSubject[Any]] = {
        key: BehaviorSubject(Entity(key, 0)) for key in keys
    }
    for key in keys:
        subjects[key].subscribe(observer(key))

    def write(key: str, entity: Entity) -> None:
        subjects[key].on_next(entity)

    return write


def _stack(keys: list[str], observer: Observer) -> Write:
    from reactivex import operators as ops
    from reactivex.subject import BehaviorSubject

    subject: BehaviorSubject[dict[str, Any]] = BehaviorSubject(
        {key: Entity(key, 0) for key in keys}
    )

    def selector(key: str) -> Callable[[dict[str, Any]], Any]:
        return lambda state: state[key]

    for key in keys:
        subject.pipe(ops.map(selector(key)), ops.distinct_until_changed()).subscribe(observer(key))

    def write(key: str, entity: Entity) -> None:
        subject.on_next({**subject.value, key: entity})

    return write


def _of_entities(
    build: Callable[[dict[str, Any], Observer], Write],
) -> Callable[[list[str], Observer], Write]:
    return lambda keys, observer: build({key: Entity(key, 0) for key in keys}, observer)


def keyed_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows for 1 000, 10 000 and 100 000 keys, and how the last compares with the first."""
    own: dict[int, list[float]] = {}
    for count in (1_000,) if is_quick else (1_000, 10_000, 100_000):
        cases = [
            _case("ours", count, 1_000, _ours),
            _case("dict of BehaviorSubject", count, 1_000, _dict_of_subjects),
            *(
                _case(who, count, 1_000, _of_entities(build))
                for who, build in signal_libraries.KEYED.items()
            ),
        ]
        row = metric(
            f"keyed_{count}",
            cases,
            rounds=rounds,
            targets={
                "dict of BehaviorSubject": 1 / 1.5,
                # Those that keep no order under threads; see docs/performance.md.
                **dict.fromkeys(signal_libraries.KEYED, 0.9),
            },
        )
        own[count] = row.samples["ours"]
        # Thousands of times slower, so it is timed for itself, on a few writes.
        stack = metric("stack", [_case("stack", count, 4, _stack)], rounds=rounds // 3)
        row.samples["BehaviorSubject stack"] = stack.samples["stack"]
        if count == 10_000:
            row.targets["BehaviorSubject stack"] = 2_000.0
        yield row
    if not is_quick:
        samples = {"ours": own[100_000], "itself at 1 000": own[1_000]}
        yield Metric("keyed_scaling", "us", samples, {"itself at 1 000": 1 / 2.2})


def fill_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields what a new key costs while the keys of the store are observed, beside a store with a tenth of the keys."""
    size = 500 if is_quick else 10_000

    def case(who: str, count: int) -> Case:
        seen: list[int] = []

        def run() -> None:
            store: KeyedStore[int, int] = KeyedStore(domain=Domain())
            store.select_keys().subscribe(lambda keys: seen.append(len(keys)))
            for key in range(count):
                store.upsert(key, key)

        def check() -> None:
            if seen[-1] != count:
                raise AssertionError(f"{who}: the observer saw {seen[-1]} of {count} keys")

        return Case(who, lambda: run, count, check)

    cases = [case("ours", size), case("itself at a tenth", size // 10)]
    yield metric("fill_keys", cases, rounds=rounds, note=f"{size:,} keys, one by one")
