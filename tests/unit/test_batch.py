"""Batches and snapshots: one commit, a private overlay, nothing to roll back, correct across threads and tasks."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from engine_scenarios import a_task_started_in_a_batch, two_tasks_that_batch
from reactivex import operators as ops

from reactive_ws.engine import open_batches
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Commit, Domain
from reactive_ws.errors import DomainMismatch, StoreClosed, UsageError
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.snapshot import snapshot
from reactive_ws.state.store import Store


def elsewhere(function: Callable[[], object]) -> None:
    """Runs `function` to its end on another thread."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(5)


@pytest.fixture
def changes(domain: Domain) -> list[list[tuple[str, object, object]]]:
    """The changes of every commit, sorted by store."""
    log: list[list[tuple[str, object, object]]] = []

    def note(commit: Commit) -> None:
        log.append(sorted((store.name, old, new) for store, old, new in commit.changes))

    domain.on_commit(note)
    return log


@pytest.fixture
def a(domain: Domain) -> Store[int]:
    return Store(0, name="a", domain=domain)


@pytest.fixture
def b(domain: Domain) -> Store[int]:
    return Store(0, name="b", domain=domain)


Changes = list[list[tuple[str, object, object]]]


def test_all_writes_of_a_batch_are_one_commit(
    domain: Domain, a: Store[int], b: Store[int], changes: Changes
) -> None:
    both: list[tuple[int, int]] = []
    a.select().subscribe(lambda value: both.append((value, b.get())))
    b.select().subscribe(lambda value: both.append((a.get(), value)))
    both.clear()
    with batch(domain):
        a.set(1)
        b.set(2)
        a.update(lambda value: value + 10)
        assert both == []
    assert changes == [[("a", 0, 11), ("b", 0, 2)]]
    assert both == [(11, 2), (11, 2)]
    assert domain.number == 1


def test_only_its_owner_reads_the_overlay(domain: Domain, a: Store[int]) -> None:
    seen: list[int] = []
    part = a.select(lambda value: value * 10)
    with batch(domain):
        a.set(1)
        assert (a.get(), part.get(), a.read_only.get(), snapshot(a)) == (1, 10, 1, (1,))
        elsewhere(lambda: seen.extend((a.get(), part.get(), snapshot(a)[0])))
    assert seen == [0, 0, 0]
    assert (a.get(), part.get()) == (1, 10)


def test_an_exception_drops_everything_and_leaves_unchanged(
    domain: Domain, a: Store[int], changes: Changes
) -> None:
    log: list[int] = []
    a.select().subscribe(log.append)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), batch(domain):
            a.set(1)
            raise error
    a.set(2)
    assert (log, changes) == ([0, 2], [[("a", 0, 2)]])


def test_stores_that_end_equal_are_left_out(
    domain: Domain, a: Store[int], b: Store[int], changes: Changes
) -> None:
    with batch(domain):
        a.set(5)
        b.set(5)
        a.set(0)
    with batch(domain):
        a.set(1)
        a.reset()
    with batch(domain):
        pass
    assert changes == [[("b", 0, 5)]]
    assert domain.number == 1


def test_a_nested_batch_is_a_savepoint(
    domain: Domain, a: Store[int], b: Store[int], changes: Changes
) -> None:
    with batch(domain):
        a.set(1)
        with pytest.raises(ZeroDivisionError), batch(domain):
            a.set(2)
            b.set(2)
            assert (a.get(), b.get()) == (2, 2)
            raise ZeroDivisionError
        assert (a.get(), b.get()) == (1, 0)
        with batch(), batch(domain):
            a.update(lambda value: value + 10)
            b.update(lambda value: value + 5)
        assert (a.get(), b.get()) == (11, 5)
    assert changes == [[("a", 0, 11), ("b", 0, 5)]]


def test_a_store_written_by_somebody_else_gets_the_steps_once_more(
    domain: Domain, a: Store[int], b: Store[int], changes: Changes
) -> None:
    with batch(domain):
        a.update(lambda value: value + 1)
        with batch(domain):
            a.update(lambda value: value * 2)
        b.set(7)
        elsewhere(lambda: (a.set(100), b.set(100)))
        assert (a.get(), b.get()) == (2, 7)
    assert changes == [
        [("a", 0, 100)],
        [("b", 0, 100)],
        [("a", 100, 202), ("b", 100, 7)],
    ]


def test_a_set_wins_over_the_updates_before_it(domain: Domain, a: Store[int]) -> None:
    ran: list[int] = []
    with batch(domain):
        a.update(lambda value: (ran.append(value), value + 1)[1])
        with batch(domain):
            a.set(5)
            a.update(lambda value: value + 1)
        elsewhere(lambda: a.set(100))
    assert a.get() == 6
    assert ran == [0]


def test_a_write_of_another_thread_inside_an_update_function_is_not_lost(
    domain: Domain, a: Store[int]
) -> None:
    is_first = [True]

    def add_one(value: int) -> int:
        if is_first:
            is_first.clear()
            elsewhere(lambda: a.set(100))
        return value + 1

    with batch(domain):
        a.update(add_one)
    assert a.get() == 101


def test_an_update_that_raises_at_the_end_drops_the_whole_batch(
    domain: Domain, a: Store[int], b: Store[int], changes: Changes
) -> None:
    with pytest.raises(ZeroDivisionError), batch(domain):
        b.set(1)
        a.update(lambda value: 10 // (value - 100))
        elsewhere(lambda: a.set(100))
    assert changes == [[("a", 0, 100)]]
    assert b.get() == 0


def test_a_store_closed_meanwhile_drops_the_whole_batch(
    domain: Domain, a: Store[int], b: Store[int]
) -> None:
    with pytest.raises(StoreClosed), batch(domain):
        b.set(1)
        a.set(1)
        elsewhere(a.close)
    assert (a.get(), b.get()) == (0, 0)
    with batch(domain), pytest.raises(StoreClosed):
        a.set(2)
    with batch(domain), pytest.raises(StoreClosed):
        a.update(lambda value: value)


def test_two_domains_do_not_mix(domain: Domain, a: Store[int]) -> None:
    foreign = Store(0, domain=Domain("other"))
    with pytest.raises(DomainMismatch) as raised, batch():
        a.set(1)
        foreign.set(1)
    assert (raised.value.expected, raised.value.got) == ("test", "other")
    with pytest.raises(DomainMismatch), batch(domain):
        foreign.set(1)
    with pytest.raises(DomainMismatch), batch(domain), batch(foreign.domain):
        pass
    with pytest.raises(DomainMismatch), batch(), batch(domain):
        foreign.set(1)
    with pytest.raises(DomainMismatch):
        snapshot(a, foreign)
    assert (a.get(), foreign.get()) == (0, 0)


def test_a_batch_inside_an_observer_is_delivered_after_the_commit_that_caused_it(
    domain: Domain, a: Store[int], b: Store[int], changes: Changes
) -> None:
    log: list[str] = []

    def react(value: int) -> None:
        if value == 1:
            with batch(domain):
                a.set(2)
                b.set(2)

    a.select().subscribe(react)
    a.select().subscribe(lambda value: log.append(f"a{value}"))
    b.select().subscribe(lambda value: log.append(f"b{value}"))
    log.clear()
    a.set(1)
    assert log == ["a1", "a2", "b2"]
    assert changes == [[("a", 0, 1)], [("a", 1, 2), ("b", 0, 2)]]


def test_a_derived_value_sees_a_batch_as_one_change(
    domain: Domain, a: Store[int], b: Store[int]
) -> None:
    log: list[int] = []
    derived(a, b, lambda left, right: left - right).select().subscribe(log.append)
    with batch(domain):
        a.set(5)
        b.set(5)
    with batch(domain):
        a.set(6)
        b.set(5)
    assert log == [0, 1]


def test_tasks_that_batch_across_await_do_not_mix(domain: Domain, changes: Changes) -> None:
    two_tasks_that_batch(domain)
    assert changes == [[("a", 0, 11)], [("b", 0, 21)]]


def test_a_task_started_in_a_batch_writes_for_itself(domain: Domain, changes: Changes) -> None:
    a_task_started_in_a_batch(domain)
    assert changes == [[("b", 0, 1)], [("b", 1, 2)], [("b", 2, 3)], [("b", 3, 4)], [("a", 0, 1)]]


def test_a_raising_task_leaves_no_batch_open(domain: Domain, a: Store[int]) -> None:
    async def fail() -> None:
        with batch(domain):
            a.set(1)
            await asyncio.sleep(0)
            raise ValueError("mine")

    async def main() -> None:
        with pytest.raises(ValueError, match="mine"):
            await fail()
        a.set(2)
        assert domain.number == 1

    asyncio.run(main())
    assert a.get() == 2


def test_subscribing_inside_a_batch_shows_what_is_committed(domain: Domain, a: Store[int]) -> None:
    log: list[int] = []
    with batch(domain):
        a.set(1)
        a.select().subscribe(log.append)
        assert log == [0]
    assert log == [0, 1]


def test_a_keyed_batch_is_one_commit_of_what_differs_at_the_end(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2, "c": 3}, domain=domain)
    log: list[object] = []
    for key in "abcd":
        keyed.select(key).pipe(ops.skip(1)).subscribe(
            lambda value, key=key: log.append((key, value))
        )
    keyed.events.subscribe(log.append)
    with batch(domain):
        keyed.upsert("a", 10)
        keyed.update("b", lambda value: value + 1)
        keyed.upsert("b", 2)
        keyed.remove("c")
        keyed.insert("d", 4)
        with pytest.raises(KeyError), batch(domain):
            keyed.remove("a")
            keyed.insert("d", 5)
        assert (keyed.get("a"), keyed.get("c"), keyed.get("d")) == (10, None, 4)
    assert sorted(map(repr, log)) == [
        "('a', 10)",
        "('c', None)",
        "('d', 4)",
        "KeyChanges(added=('d',), updated=('a',), removed=('c',), moved=())",
    ]


def test_a_keyed_batch_runs_again_over_the_keys_that_others_wrote(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2}, domain=domain)
    log: list[object] = []
    keyed.events.subscribe(log.append)
    with batch(domain):
        keyed.update("a", lambda value: value + 1)
        elsewhere(lambda: keyed.upsert("a", 10))
        elsewhere(lambda: keyed.upsert("b", 20))
    assert dict(keyed.get_all()) == {"a": 11, "b": 20}
    assert list(map(repr, log)) == [
        "KeyChanges(added=(), updated=('a',), removed=(), moved=())",
        "KeyChanges(added=(), updated=('b',), removed=(), moved=())",
        "KeyChanges(added=(), updated=('a',), removed=(), moved=())",
    ]


def test_an_entity_that_ends_equal_in_a_batch_is_left_out(domain: Domain) -> None:
    keyed = KeyedStore({"a": (1, "x")}, domain=domain)
    log: list[object] = []
    keyed.select("a").subscribe(log.append)
    before = keyed.get_all()
    with batch(domain):
        keyed.upsert("a", (2, "x"))
        keyed.upsert("a", (int("1"), "x"))
    assert log == [(1, "x")]
    assert keyed.get_all() is before
    assert domain.number == 0


def test_snapshot_reads_everything_under_one_number(
    domain: Domain, a: Store[int], b: Store[int]
) -> None:
    total = derived(a, b, lambda left, right: left + right)
    assert snapshot() == ()
    assert snapshot(a, b, total) == (0, 0, 0)
    with batch(domain):
        a.set(1)
        b.set(2)
    assert snapshot(a, b.read_only, total) == (1, 2, 3)


def test_reads_of_a_batch_are_not_torn_by_other_threads(
    domain: Domain, a: Store[int], b: Store[int]
) -> None:
    c = Store(0, domain=domain)
    difference = derived(a, b, c, lambda left, right, own: (left - right, own))
    stop = threading.Event()

    def move() -> None:
        while not stop.is_set():
            with batch(domain):
                a.update(lambda value: value + 1)
                b.update(lambda value: value + 1)

    mover = threading.Thread(target=move)
    mover.start()
    torn: list[object] = []
    try:
        with batch(domain):
            c.set(1)
            for _ in range(3_000):
                left, right = snapshot(a, b)
                if left != right or difference.get() != (0, 1):
                    torn.append((left, right, difference.get()))
    finally:
        stop.set()
        mover.join(5)
    assert torn == []


def test_a_batch_that_is_closed_in_another_context_is_closed(a: Store[int]) -> None:
    async def steps() -> AsyncIterator[int]:
        with batch():
            a.set(1)
            yield 1

    async def run() -> None:
        generator = steps()
        await anext(generator)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]

    before = len(open_batches)
    asyncio.run(run())
    assert (len(open_batches), a.get()) == (before, 0)


def test_a_dropped_savepoint_does_not_bind_the_batch_to_its_domain(a: Store[int]) -> None:
    other = Store(0, domain=Domain("other"))
    with batch():
        with suppress(KeyError), batch():
            a.set(1)
            raise KeyError
        other.set(2)
    assert (a.get(), other.get()) == (0, 2)


def test_what_observers_write_when_a_store_ends_inside_a_batch_is_not_dropped_with_it(
    domain: Domain, a: Store[int], b: Store[int]
) -> None:
    a.select().subscribe(None, on_completed=lambda: b.set(7))
    with suppress(KeyError), batch(domain):
        a.close()
        raise KeyError
    assert b.get() == 7


def test_a_snapshot_of_what_is_no_store_says_so(domain: Domain, a: Store[int]) -> None:
    keyed = KeyedStore({"a": 1}, domain=domain)
    wrong: list[Any] = [keyed, a.select(), 5]
    for one in wrong:
        with pytest.raises(UsageError, match=type(one).__name__):
            snapshot(one)


def test_every_key_of_a_batch_that_runs_again_is_told(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2, "c": 3}, domain=domain)
    logs: dict[str, list[int | None]] = {key: [] for key in "abc"}
    for key, log in logs.items():
        keyed.select(key).subscribe(log.append)
    with batch(domain):
        keyed.upsert("a", 10)
        keyed.upsert("b", 20)
        elsewhere(lambda: keyed.upsert("c", 30))
    assert logs == {"a": [1, 10], "b": [2, 20], "c": [3, 30]}


def test_a_keyed_batch_goes_on_after_a_write_that_changes_nothing(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2}, domain=domain)
    log: list[int | None] = []
    keyed.select("b").subscribe(log.append)
    keyed.upsert("a", 5)
    with batch(domain):
        keyed.upsert("a", 5)
        keyed.upsert("b", 6)
    assert (dict(keyed.get_all()), log) == ({"a": 5, "b": 6}, [2, 6])


def test_a_closed_batch_keeps_nothing_alive() -> None:
    domain = Domain("short-lived")
    store = Store(0, domain=domain)
    with batch(domain):
        store.set(1)
    gone = weakref.ref(domain)
    del domain, store
    gc.collect()
    assert gone() is None
    assert len(open_batches) == 0, "reads and writes still ask whose batch is open"


def test_a_block_of_its_own_for_each_batch(domain: Domain) -> None:
    store = Store(0, domain=domain)
    scope = batch()
    with scope:
        with pytest.raises(UsageError, match="open already"), scope:
            raise AssertionError("the block ran")
        store.set(1)
    assert store.get() == 1
    with scope:
        store.set(2)
    with batch(), pytest.raises(UsageError, match="open already"), scope, scope:
        raise AssertionError("the block ran")
    assert (store.get(), len(open_batches)) == (2, 0)


def test_a_savepoint_of_a_generator_that_outlives_its_batch_is_nothing(domain: Domain) -> None:
    store = Store(0, domain=domain)

    def steps() -> Iterator[None]:
        with batch():
            store.set(1)
            yield

    for is_closed in (True, False):
        store.set(0)
        generator = steps()
        with batch():
            next(generator)
        assert store.get() == 1
        if is_closed:
            generator.close()
        else:
            assert list(generator) == []
        assert (store.get(), len(open_batches)) == (1, 0)


def test_a_signal_handler_writes_into_the_batch_that_it_interrupts(domain: Domain) -> None:
    store, size, own = (Store(0, domain=domain) for _ in range(3))

    def handler(_number: int, _frame: object) -> None:
        size.set(80)
        contextvars.Context().run(own.set, 80)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with suppress(RuntimeError), batch(domain):
            store.set(1)
            signal.raise_signal(signal.SIGUSR1)
            assert (size.get(), size.committed, own.committed) == (80, 0, 80)
            raise RuntimeError
        assert (store.get(), size.get(), own.get()) == (0, 0, 80)
        with batch(domain):
            store.set(1)
            signal.raise_signal(signal.SIGUSR1)
        assert (store.get(), size.get(), domain.number) == (1, 80, 2)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_handler_of_the_loop_is_outside_of_batches(domain: Domain) -> None:
    store, size = (Store(0, domain=domain) for _ in range(2))

    async def main() -> None:
        came = asyncio.Event()

        def handler() -> None:
            size.set(80)
            came.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, handler)
        with suppress(RuntimeError), batch(domain):
            store.set(1)
            signal.raise_signal(signal.SIGUSR1)
            await came.wait()
            raise RuntimeError

    asyncio.run(main())
    assert (store.get(), size.get()) == (0, 80)
