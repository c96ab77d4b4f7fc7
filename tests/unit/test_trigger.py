"""Rules for values that change in place: `equals=` means one thing everywhere, and `trigger` calls the observers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import StoreClosed
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


def never(_old: object, _new: object) -> bool:
    return False


def test_a_comparer_is_asked_about_the_identical_object_everywhere(domain: Domain) -> None:
    frame = bytearray(4)
    store = Store(frame, domain=domain, equals=never)
    keyed = KeyedStore({"a": frame}, domain=domain, equals=never)
    seen: dict[str, int] = {}

    def count(name: str) -> Callable[[object], None]:
        return lambda _: seen.__setitem__(name, seen.get(name, 0) + 1)

    store.select().subscribe(count("whole"))
    store.select(equals=never).subscribe(count("whole by its own rule"))
    store.select(lambda now: now, equals=never).subscribe(count("part"))
    store.select(lambda now: now).subscribe(count("part by the default rule"))
    derived(store, lambda now: now, equals=never).select().subscribe(count("derived"))
    derived(store.select(lambda now: now, equals=never), len, equals=never).select().subscribe(
        count("derived of a part")
    )
    keyed.select("a").subscribe(count("key"))
    keyed.select_all().subscribe(count("entities"))
    keyed.select_part(lambda now: now["a"], equals=never).subscribe(count("part of entities"))
    for number in range(3):
        frame[0] = number + 1
        store.set(frame)
        keyed.upsert("a", frame)
    assert seen.pop("part by the default rule") == 1
    assert seen == dict.fromkeys(seen, 4)
    with batch(domain):
        store.set(frame)
        keyed.upsert("a", frame)
    store.update(lambda now: now)
    keyed.update("a", lambda now: now)
    keyed.set_many({"a": frame})
    assert (seen["part"], seen["derived"], seen["key"]) == (6, 6, 7)


def test_a_loose_comparer_of_a_part_is_asked_against_the_value_last_notified(
    domain: Domain,
) -> None:
    store = Store(0.0, domain=domain)
    seen: list[float] = []
    part = store.select(lambda now: now, equals=lambda old, new: abs(old - new) < 1)
    part.subscribe(seen.append)
    for value in (0.6, 1.2, 1.3):
        store.set(value)
    assert seen == [0.0, 1.2]
    # A read is exact; an observer that comes gets what the others have.
    assert part.get() == 1.3
    part.subscribe(seen.append)
    assert seen == [0.0, 1.2, 1.2]


def test_trigger_calls_observers_and_computes_again(domain: Domain) -> None:
    items = [1]
    store = Store(items, name="items", domain=domain)
    total, part = derived(store, sum), store.select(len)
    unobserved = derived(store, sum)
    by_part = derived(store.select(sum), lambda now: now * 10)
    log: list[object] = []
    store.select().subscribe(lambda now: log.append(list(now)))
    total.select().subscribe(log.append)
    part.subscribe(log.append)
    assert (unobserved.get(), by_part.get(), log) == (1, 10, [[1], 1, 1])
    log.clear()
    items.append(2)
    assert domain.number == 0
    store.trigger()
    assert (log, domain.number) == ([[1, 2], 2, 3], 1)
    assert (unobserved.get(), by_part.get(), store.select(sum).get()) == (3, 30, 3)
    log.clear()
    store.trigger()
    # Nothing changed inside, so parts and derived values count as the same.
    assert log == [[1, 2]]


def test_trigger_of_a_keyed_store_calls_the_observers_of_its_keys(domain: Domain) -> None:
    keyed = KeyedStore({"a": [1], "b": [2]}, domain=domain)
    log: list[object] = []
    keyed.select("a").subscribe(lambda now: log.append(("a", list(now or ()))))
    keyed.select("b").subscribe(lambda now: log.append(("b", list(now or ()))))
    keyed.select_all().subscribe(lambda now: log.append(len(now)))
    length = derived(keyed.select("a"), lambda now: len(now or ()))
    assert length.get() == 1
    keyed.events.subscribe(log.append)
    log.clear()
    entity = keyed.get("a")
    assert entity is not None
    entity.append(5)
    keyed.trigger("a", "nobody")
    assert ("a", [1, 5]) in log
    assert [it for it in log if it == ("b", [2])] == []
    assert length.get() == 2
    log.clear()
    keyed.trigger()
    assert {it[0] for it in log if isinstance(it, tuple)} == {"a", "b"}


@pytest.mark.parametrize("is_changed", [False, True])
def test_trigger_in_a_batch_is_in_its_commit(domain: Domain, is_changed: bool) -> None:
    items: list[int] = []
    store = Store(items, domain=domain)
    keyed = KeyedStore({"a": items, "b": items}, domain=domain)
    other = Store(0, domain=domain)
    log: list[Any] = []
    store.select().subscribe(lambda _: log.append("store"))
    keyed.select("a").subscribe(lambda _: log.append("a"))
    keyed.select("b").subscribe(lambda _: log.append("b"))
    log.clear()
    with batch(domain):
        other.set(1)
        store.trigger()
        keyed.trigger("a")
        if is_changed:
            keyed.upsert("b", [1])
        assert log == []
    assert (log, domain.number) == (["store", "a", "b"] if is_changed else ["store", "a"], 1)


def test_trigger_in_a_dropped_savepoint_is_dropped_too(domain: Domain) -> None:
    store = Store([0], domain=domain)
    log: list[object] = []
    store.select().subscribe(log.append)
    with batch(domain):
        store.update(lambda now: now)
        try:
            with batch(domain):
                store.trigger()
                raise KeyError
        except KeyError:
            pass
    assert (log, domain.number) == ([[0]], 0)


def test_trigger_of_a_closed_store_is_refused(domain: Domain) -> None:
    store, keyed = Store(0, domain=domain), KeyedStore({"a": 1}, domain=domain)
    store.close()
    keyed.close()
    for trigger in (store.trigger, keyed.trigger):
        with pytest.raises(StoreClosed):
            trigger()
        with pytest.raises(StoreClosed), batch(domain):
            trigger()


def test_a_batch_refuses_to_trigger_a_store_that_is_closed(domain: Domain) -> None:
    store, keyed = Store(1, domain=domain), KeyedStore({"a": 1}, domain=domain)
    for closed in (store, keyed):
        closed.close()
    with batch():
        with pytest.raises(StoreClosed):
            store.trigger()
        with pytest.raises(StoreClosed):
            keyed.trigger("a")


def test_a_batch_that_writes_an_equal_value_changes_nothing(domain: Domain) -> None:
    store = Store[tuple[int, int]]((1, 2), domain=domain)
    seen: list[object] = []
    store.select().subscribe(seen.append)
    with batch():
        store.set((3, 4))
        store.set((1, int("2")))
    assert (seen, domain.number) == ([(1, 2)], 0)
