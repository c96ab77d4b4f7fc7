"""Derived values: consistent, once per commit, cached, deep."""

from __future__ import annotations

import random
import threading
from operator import add
from typing import Any

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Commit, Domain
from reactive_ws.errors import DomainMismatch, UsageError
from reactive_ws.state import computed
from reactive_ws.state.derived import Derived, derived, derived_all
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.snapshot import snapshot
from reactive_ws.state.store import Store


def test_a_derived_value_is_computed_when_read_and_kept_until_a_source_changes(
    domain: Domain,
) -> None:
    a, other = Store(2, domain=domain), Store(0, domain=domain)
    calls: list[int] = []
    square = derived(a, lambda value: (calls.append(value), value * value)[1])
    assert calls == []
    assert [square.get(), square.get()] == [4, 4]
    other.set(1)
    assert square.get() == 4
    a.set(3)
    a.set(4)
    assert square.get() == 16
    assert calls == [2, 4]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_one_to_six_sources_are_given_in_their_order(domain: Domain, count: int) -> None:
    stores = [Store(number, domain=domain) for number in range(count)]
    value = derived(*stores, lambda *values: values)  # type: ignore[call-overload]
    log: list[tuple[int, ...]] = []
    value.select().subscribe(log.append)
    stores[-1].set(10)
    assert log == [tuple(range(count)), (*range(count - 1), 10)]


def test_derived_all_takes_any_number_of_sources_as_one_tuple(domain: Domain) -> None:
    stores = [Store(number, domain=domain) for number in range(100)]
    total = derived_all(stores, sum)
    log: list[int] = []
    total.select().subscribe(log.append)
    stores[0].set(50)
    assert log == [4950, 5000]
    assert total.name == "sum"


def test_a_diamond_is_computed_once_per_commit_and_never_mixed(domain: Domain) -> None:
    root = Store(1, domain=domain)
    tens = derived(root, lambda value: value * 10)
    hundreds = derived(root, lambda value: value * 100)
    both = derived(tens, hundreds, lambda left, right: (left, right))
    log: list[tuple[int, int]] = []
    both.select().subscribe(log.append)
    root.set(2)
    root.set(3)
    assert log == [(10, 100), (20, 200), (30, 300)]


def test_a_lopsided_graph_is_brought_up_to_date_from_below(domain: Domain) -> None:
    root = Store(1, domain=domain)
    chain: list[Derived[int]] = []
    for _ in range(5):
        below = chain[-1] if chain else root
        chain.append(derived(below, lambda value: value + 1))
    calls: list[tuple[int, int]] = []
    top = derived(root, chain[-1], lambda near, far: (calls.append((near, far)), far - near)[1])
    log: list[int] = []
    top.select().subscribe(log.append)
    root.set(2)
    assert calls == [(1, 6), (2, 7)]
    assert log == [5]


def test_an_unchanged_value_stops_the_wave(domain: Domain) -> None:
    root = Store(1, domain=domain)
    calls: list[int] = []
    tens = derived(root, lambda value: value // 10)
    text = derived(tens, lambda value: (calls.append(value), str(value))[1])
    log: list[str] = []
    text.select().subscribe(log.append)
    for value in (3, 5, 16, 18, 29, 20):
        root.set(value)
    assert log == ["0", "1", "2"]
    assert calls == [0, 1, 2]


def test_an_equal_result_keeps_the_object_that_was_notified(domain: Domain) -> None:
    root = Store(1, domain=domain)
    value = derived(root, lambda number: (number // 10, "x" * 3))
    seen: list[tuple[int, str]] = []
    value.select().subscribe(seen.append)
    root.set(2)
    assert len(seen) == 1
    assert value.get() is seen[0]


def test_each_commit_is_evaluated_once_with_that_commits_sources(domain: Domain) -> None:
    root = Store(0, domain=domain)
    calls: list[int] = []
    double = derived(root, lambda value: (calls.append(value), value * 2)[1])
    log: list[tuple[int, int]] = []
    root.select().subscribe(lambda value: root.set(value + 1) if 0 < value < 4 else None)
    double.select().subscribe(lambda value: log.append((value, double.get())))
    root.set(1)
    assert log == [(0, 0), (2, 4), (4, 6), (6, 8), (8, 8)]
    assert calls == [0, 1, 2, 3, 4]


def test_a_read_ahead_of_delivery_is_fresh_and_delivery_uses_it_again(domain: Domain) -> None:
    root = Store(0, domain=domain)
    calls: list[int] = []
    double = derived(root, lambda value: (calls.append(value), value * 2)[1])
    reads: list[int] = []
    log: list[int] = []
    root.select().subscribe(lambda value: reads.append(double.get()))
    double.select().subscribe(log.append)
    root.set(1)
    root.set(2)
    assert reads == [0, 2, 4]
    assert log == [0, 2, 4]
    assert calls == [0, 1, 2]


def test_a_read_at_rest_after_a_read_ahead_is_of_the_newest_commit(domain: Domain) -> None:
    root, other = Store(0, domain=domain), Store(0, domain=domain)
    double = derived(root, lambda value: value * 2)
    log: list[int] = []
    double.select().subscribe(log.append)
    root.select().subscribe(
        lambda value: (root.set(2), root.set(3), double.get()) if value == 1 else None
    )
    root.set(1)
    other.set(1)
    assert (double.get(), log) == (6, [0, 2, 4, 6])


def test_a_comparer_that_reads_the_derived_value_sees_the_fresh_one(domain: Domain) -> None:
    root = Store(0, domain=domain)
    reads: list[int] = []

    def equals(old: int, new: int) -> bool:
        reads.append(double.get())
        return old == new

    double = derived(root, lambda value: value * 2, equals=equals)
    double.select().subscribe()
    root.set(1)
    root.set(2)
    assert reads[-1] == 4
    assert double.get() == 4
    assert set(reads) == {2, 4}


def test_10_000_values_deep_do_not_touch_the_recursion_limit(domain: Domain) -> None:
    root = Store(0, domain=domain)
    top: Store[int] | Derived[int] = root
    for _ in range(10_000):
        top = derived(top, lambda value: value + 1)
    assert top.get() == 10_000
    log: list[object] = []
    subscription = top.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    root.set(1)
    with batch(domain):
        root.set(5)
        assert top.get() == 10_005
    assert snapshot(root, top) == (5, 10_005)
    root.close()
    subscription.dispose()
    assert log == [10_000, 10_001, 10_005, "end"]
    assert root.observer_count == 0
    del top


def test_the_cost_of_a_wave_is_linear_in_the_touched_graph(domain: Domain) -> None:
    calls = 0

    def step(left: int, right: int) -> int:
        nonlocal calls
        calls += 1
        return (left + right) % 1_000_003

    a, b = Store(1, domain=domain), Store(2, domain=domain)
    left: Store[int] | Derived[int] = a
    right: Store[int] | Derived[int] = b
    for _ in range(300):
        left, right = derived(left, right, step), derived(right, left, step)
    both = derived(left, right, add)
    log: list[int] = []
    both.select().subscribe(log.append)
    assert calls == 600
    with batch(domain):
        a.set(3)
        b.set(4)
    assert calls == 1_200
    assert len(log) == 2


def test_sources_may_be_selections_and_views(domain: Domain) -> None:
    root = Store((1, 10), domain=domain)
    left = root.select(lambda pair: pair[0])
    total = derived(left, root.select(), root.read_only, lambda a, b, c: (a, sum(b), sum(c)))
    assert derived(left, lambda a: a).get() == 1
    log: list[tuple[int, int, int]] = []
    total.select().subscribe(log.append)
    root.set((1, 20))
    assert log == [(1, 11, 11), (1, 21, 21)]


def test_a_keyed_store_and_its_parts_and_keys_are_sources(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2}, domain=domain)
    total = derived(keyed.select_all(), lambda now: sum(now.values()))
    count = derived(keyed.select_count(), total, lambda count, total: total / count)
    log: list[float] = []
    count.select().subscribe(log.append)
    keyed.upsert("b", 5)
    assert log == [1.5, 3.0]
    key = keyed.select("a")
    text = derived(key, str)
    keyed.upsert("a", 2)
    texts: list[str] = []
    with keyed.select("b").subscribe():
        keyed.upsert("a", 3)
    keyed.upsert("a", 4)
    text.select().subscribe(texts.append)
    keyed.upsert("b", 6)
    keyed.upsert("a", 5)
    keyed.remove("a")
    keyed.close()
    assert texts == ["4", "5", "None"]
    assert (text.get(), keyed.observer_count) == ("None", 0)


def test_sources_of_two_domains_are_refused(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(1, domain=Domain("other"))
    with pytest.raises(DomainMismatch) as raised:
        derived(a, b, add)
    assert (raised.value.expected, raised.value.got) == ("test", "other")


def test_a_derived_value_needs_sources_and_a_function(domain: Domain) -> None:
    with pytest.raises(UsageError):
        derived(lambda: 1)  # type: ignore[call-overload]
    with pytest.raises(UsageError):
        derived(Store(1, domain=domain), 5)  # type: ignore[call-overload]
    with pytest.raises(UsageError):
        derived_all([], sum)


def test_an_observer_may_subscribe_to_a_derived_value_of_its_own_source(domain: Domain) -> None:
    root = Store(0, domain=domain)
    double = derived(root, lambda value: value * 2)
    log: list[int] = []
    root.select().subscribe(
        lambda value: double.select().subscribe(log.append) if value == 1 else None
    )
    root.set(1)
    root.set(2)
    assert log == [2, 4]


def test_in_a_batch_its_value_is_that_of_the_batch_and_nobody_elses(domain: Domain) -> None:
    root, other = Store(1, domain=domain), Store(0, domain=domain)
    double = derived(root, lambda value: value * 2)
    text = double.select(str)
    elsewhere: list[object] = []

    def look() -> None:
        elsewhere.extend((double.get(), text.get()))

    with batch(domain):
        other.set(1)
        assert double.get() == 2
        root.set(5)
        assert (double.get(), text.get()) == (10, "10")
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert elsewhere == [2, "2"]
    assert (double.get(), text.get()) == (10, "10")


def test_commits_seen_by_hooks_name_stores_only(domain: Domain) -> None:
    root = Store(1, name="root", domain=domain)
    derived(root, lambda value: value * 2).select().subscribe()
    commits: list[Commit] = []
    domain.on_commit(commits.append)
    root.set(2)
    assert [[store.name for store, _, _ in commit.changes] for commit in commits] == [["root"]]


def test_its_repr_names_it(domain: Domain) -> None:
    assert repr(derived(Store(1, domain=domain), str, name="text")) == (
        "<Derived 'text' of 1 sources>"
    )


def test_all_ways_of_an_update_do_the_same() -> None:
    def run(way: int) -> tuple[list[Any], list[Any]]:
        rng = random.Random(4)
        reports: list[Any] = []
        domain = Domain(on_error=reports.append)
        stores = [Store(0, domain=domain) for _ in range(3)]
        values: list[Any] = [*stores]
        log: list[Any] = []

        def compute(*arguments: int) -> int:
            if sum(arguments) % 7 == 5:
                raise ValueError(arguments)
            return sum(arguments) // 2

        for number in range(12):
            below = rng.sample(values, rng.choice([1, 2, 3]))
            made = derived_all(below, lambda it: compute(*it), name=str(number))
            made._way = way
            values.append(made)
            if rng.random() < 0.7:
                made.select().subscribe(lambda value, number=number: log.append((number, value)))
        links: list[Any] = []
        for _ in range(400):
            what = rng.random()
            if what < 0.6:
                rng.choice(stores).set(rng.randrange(9))
            elif what < 0.7:
                with batch(domain):
                    for store in stores:
                        store.set(rng.randrange(9))
            elif what < 0.85:
                links.append(rng.choice(values).select().subscribe(log.append))
            elif links:
                links.pop(rng.randrange(len(links))).dispose()
        return log, [(it.kind, it.store, repr(it.error), it.commit) for it in reports]

    slow, runs, steps = map(run, (computed._SLOW, computed._RUNS, computed._STEPS))
    assert slow == runs == steps
    assert min(map(len, slow)) > 20
