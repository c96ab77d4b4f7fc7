"""Lifetime of derived values: no work without observers, never stale, freed and completed in time."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from operator import add
from typing import Any

import pytest
from reactivex.abc import DisposableBase

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.state.computed import Derived
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.snapshot import snapshot
from reactive_ws.state.store import Store


def test_nothing_is_computed_after_the_last_observer_left(domain: Domain) -> None:
    root = Store(1, domain=domain)
    calls: list[int] = []
    double = derived(root, lambda value: (calls.append(value), value * 2)[1])
    above = derived(double, lambda value: value + 1)
    subscription = above.select().subscribe()
    assert root.observer_count == 1
    subscription.dispose()
    assert root.observer_count == 0
    root.set(2)
    root.set(3)
    assert calls == [1]
    assert above.get() == 7
    assert calls == [1, 3]


def test_a_value_whose_last_observer_leaves_during_delivery_is_not_computed_nor_stale_later(
    domain: Domain,
) -> None:
    root, other = Store(1, domain=domain), Store(0, domain=domain)
    calls: list[int] = []
    first = derived(root, lambda value: value)
    second = derived(root, lambda value: (calls.append(value), value * 2)[1])
    mine: list[DisposableBase] = []
    first.select().subscribe(lambda value: mine[0].dispose() if value == 2 else None)
    mine.append(second.select().subscribe())
    root.set(2)
    assert calls == [1]
    root.set(3)
    log: list[int] = []
    second.select().subscribe(log.append)
    other.set(1)
    assert second.get() == 6
    root.set(4)
    assert log == [6, 8]


def test_a_value_joined_anew_during_delivery_is_not_set_back_to_that_commit(
    domain: Domain,
) -> None:
    root, other = Store(1, domain=domain), Store(0, domain=domain)
    first = derived(root, lambda value: value)
    second = derived(root, lambda value: value * 2)
    mine: list[DisposableBase] = []
    log: list[int] = []

    def leave_and_join(value: int) -> None:
        if value == 2:
            root.set(3)
            mine[0].dispose()
            second.select().subscribe(log.append)

    first.select().subscribe(leave_and_join)
    mine.append(second.select().subscribe())
    root.set(2)
    other.set(1)
    assert (second.get(), log) == (6, [6])
    root.set(4)
    assert (second.get(), log) == (8, [6, 8])


def test_a_comparer_that_disposes_the_last_observer_leaves_nothing_stale(domain: Domain) -> None:
    root, other = Store(1, domain=domain), Store(0, domain=domain)
    mine: list[DisposableBase] = []

    def equals(old: int, new: int) -> bool:
        for subscription in mine:
            subscription.dispose()
        return False

    double = derived(root, lambda value: value * 2, equals=equals)
    mine.append(double.select().subscribe())
    root.set(2)
    mine.clear()
    root.set(3)
    double.select().subscribe()
    other.set(1)
    assert double.get() == 6


def test_a_derived_value_dies_with_its_last_reference(domain: Domain) -> None:
    root = Store(1, domain=domain)
    gc.collect()
    gc.disable()
    try:
        double = derived(root, lambda value: value * 2)
        above = derived(double, lambda value: value + 1)
        part = above.select(str)
        dead = [weakref.ref(double), weakref.ref(above), weakref.ref(part)]
        subscription = part.subscribe()
        above.get()
        root.set(2)
        subscription.dispose()
        del double, above, part, subscription
        assert [reference() for reference in dead] == [None, None, None]
        assert root.observer_count == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("observed", ["none", "lower", "upper", "both"])
def test_a_derived_value_that_failed_dies_with_its_last_reference(
    observed: str, first: int
) -> None:
    domain = Domain(on_error=lambda report: None)
    root, other = Store(first, domain=domain), Store(1, domain=domain)
    failed: list[str] = []
    gc.collect()
    gc.disable()
    try:
        quotient = derived(root, lambda value: 1 / value)
        above = derived(quotient, other, add)
        dead = [weakref.ref(quotient), weakref.ref(above)]
        with ExitStack() as stack:
            if observed in ("lower", "both"):
                stack.enter_context(quotient.select().subscribe())
            if observed in ("upper", "both"):
                stack.enter_context(above.select().subscribe())
            for value in (1, 0, 2, 0):
                root.set(value)
                other.set(value)
                for read in (quotient.get, above.get, partial(snapshot, above, quotient)):
                    try:
                        read()
                    except ZeroDivisionError as error:
                        failed.append(str(error))
                with suppress(ZeroDivisionError), batch(domain):
                    root.set(0)
                    above.get()
        del quotient, above, read, stack
        assert [reference() for reference in dead] == [None, None]
        assert failed == ["division by zero"] * 6
    finally:
        gc.enable()


def test_a_selection_that_feeds_a_derived_value_dies_with_its_last_reference(
    domain: Domain,
) -> None:
    root = Store(1, domain=domain)
    gc.collect()
    gc.disable()
    try:
        part = root.select(lambda value: value * 2)
        above = derived(part, lambda value: value + 1)
        dead = [weakref.ref(part), weakref.ref(part._audience._as_source), weakref.ref(above)]
        with part.subscribe(), above.select().subscribe():
            root.set(2)
        del part, above
        assert [reference() for reference in dead] == [None, None, None]
    finally:
        gc.enable()


def test_it_ends_when_its_last_source_closed(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(2, domain=domain)
    total = derived(a, derived(b, lambda value: value * 10), add)
    log: list[object] = []
    total.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    total.select(str).subscribe(log.append, on_completed=lambda: log.append("end of part"))
    a.close()
    b.set(3)
    b.close()
    assert log == [21, "21", 31, "31", "end", "end of part"]


def test_it_ends_for_who_comes_after_one_or_all_of_its_sources_closed(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(2, domain=domain)
    below = derived(a, lambda value: value * 10)
    total = derived(below, b, add)
    a.close()
    log: list[object] = []
    total.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    b.close()
    assert log == [12, "end"]
    total.select().subscribe(log.append, on_completed=lambda: log.append("late end"))
    assert log == [12, "end", 12, "late end"]
    assert (a.observer_count, b.observer_count, total.observer_count) == (0, 0, 0)


def test_a_commit_that_meets_the_first_computation_finds_what_is_not_computed_yet(
    domain: Domain,
) -> None:
    a, b = Store(1, domain=domain), Store(0, domain=domain)
    keyed = KeyedStore({"k": 5}, domain=domain)
    is_first = [True]

    def below(value: int) -> int:
        if is_first:
            is_first.clear()
            other = threading.Thread(target=b.set, args=(1,))
            other.start()
            other.join(5)
        return value * 10

    top = derived(
        derived(a, below), b, keyed.select("k"), lambda left, right, key: (left, right, key)
    )
    log: list[tuple[int, int, int | None]] = []
    top.select().subscribe(log.append)
    b.set(2)
    a.set(2)
    keyed.upsert("k", 6)
    assert log == [(10, 0, 5), (10, 1, 5), (10, 2, 5), (20, 2, 5), (20, 2, 6)]
    assert top.get() == (20, 2, 6)


def test_what_a_delivery_found_and_computed_is_not_computed_again_for_a_read_in_it(
    domain: Domain,
) -> None:
    a, b = Store(2, domain=domain), Store(0, domain=domain)
    calls: list[int] = []
    reads: list[tuple[int, int]] = []

    def below(value: int) -> int:
        calls.append(value)
        if len(calls) == 1:
            other = threading.Thread(target=b.set, args=(1,))
            other.start()
            other.join(60)
        return value // 2 * 10

    def pair(left: int, right: int) -> tuple[int, int]:
        pairs.append((left, right))
        return left, right

    pairs: list[tuple[int, int]] = []
    tens = derived(a, below)
    top = derived(tens, b, pair)
    late = derived(derived(derived(b, lambda n: n), lambda n: n), lambda n: n)
    late.select().subscribe(lambda n: reads.append((tens.get(), len(calls))) if n else None)
    log: list[tuple[int, int]] = []
    top.select().subscribe(log.append)
    # Once for the new observer, and once for the commit that met it.
    assert reads == [(10, 2)]
    assert log == [(10, 0), (10, 1)]
    assert calls == [2, 2]
    # And what was found then is what the next value is compared with.
    a.set(3)
    assert calls == [2, 2, 3]
    assert pairs == [(10, 1), (10, 0)]


def test_a_read_inside_a_delivery_computes_nothing_that_the_delivery_computed(
    domain: Domain,
) -> None:
    a = Store(0, domain=domain)
    calls: list[int] = []
    double = derived(a, lambda value: (calls.append(value), value * 2)[1])
    reads: list[int] = []
    double.select().subscribe()
    derived(double, abs).select().subscribe(lambda _: reads.append(double.get()))
    a.set(1)
    a.set(2)
    assert reads == [0, 2, 4]
    assert calls == [0, 1, 2]


def test_a_value_whose_last_observer_leaves_while_it_is_computed_keeps_nothing(
    domain: Domain,
) -> None:
    class Result:
        """Something to look for."""

    made: list[weakref.ref[Result]] = []
    a = Store(0, domain=domain)

    def compute(value: int) -> Result:
        if value == 1:
            subscription.dispose()
        result = Result()
        made.append(weakref.ref(result))
        return result

    results = derived(a, compute)
    subscription = results.select().subscribe()
    a.set(1)
    assert [result() for result in made] == [None, None]


def test_to_observe_each_value_of_a_deep_chain_looks_only_one_step_down(domain: Domain) -> None:
    source = Store(0, domain=domain)
    chain = [derived(source, lambda n: n + 1)]
    for _ in range(999):
        chain.append(derived(chain[-1], lambda n: n + 1))
    steps: list[int] = []
    walk = Derived._below

    def count(self: Derived[Any], is_known: Callable[[Derived[Any]], bool]) -> Any:
        order, ground = walk(self, is_known)
        steps.append(len(order))
        return order, ground

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Derived, "_below", count)
        for value in chain:
            value.select().subscribe(lambda _: None)
    # Once to take the values, once to keep them, whatever lies below.
    assert set(steps) == {1}
    assert [value._plan for value in chain] == [None] * 1000
    source.set(1)
    assert chain[-1].get() == 1001


class Frame:
    """A large value."""


@pytest.mark.parametrize("is_observed", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda store, _: derived(store, lambda now: 1),
        lambda store, _: derived(store, lambda now: now),
        lambda store, _: derived(store.select(lambda now: now), lambda now: 1),
        lambda store, _: derived(derived(store, lambda now: now), lambda now: 1),
        lambda store, _: store.select(lambda now: 1),
        lambda store, _: store.select(lambda now: now),
        lambda _, keyed: derived(keyed.select("a"), lambda now: 1),
        lambda _, keyed: derived(keyed.select_all(), lambda now: list(now.values())),
        lambda _, keyed: keyed.select_part(lambda now: 1),
        lambda _, keyed: keyed.select("a"),
        lambda store, keyed: derived(
            derived(store, keyed.select("a"), lambda a, b: (a, b)), lambda now: now
        ),
    ],
)
def test_nothing_read_once_keeps_what_was_replaced(
    domain: Domain, make: Callable[[Any, Any], Any], is_observed: bool
) -> None:
    store: Store[Any] = Store(None, domain=domain)
    keyed: KeyedStore[str, Any] = KeyedStore({"a": None}, domain=domain)
    value = make(store, keyed)
    stream = value.select() if isinstance(value, Derived) else value
    subscription = stream.subscribe() if is_observed else None
    frame = Frame()
    kept = weakref.ref(frame)
    store.set(frame)
    keyed.upsert("a", frame)
    del frame
    value.get()
    assert kept() is not None
    store.set(None)
    keyed.upsert("a", None)
    assert kept() is None
    # Read while it is observed, and not observed later.
    if subscription is not None:
        subscription.dispose()
        frame = Frame()
        kept = weakref.ref(frame)
        store.set(frame)
        keyed.upsert("a", frame)
        del frame
        value.get()
        store.set(None)
        keyed.upsert("a", None)
        assert kept() is None
    assert (store.observer_count, keyed.observer_count) == (0, 0)


def test_a_value_read_ahead_of_delivery_is_dropped_when_delivery_got_there() -> None:
    posted: list[Callable[[], None]] = []

    class Home:
        def post(self, function: Callable[[], None], /) -> None:
            posted.append(function)

        def is_current(self) -> bool:
            return False

    store: Store[Any] = Store(None, domain=Domain("test", home=Home()))
    values = [derived(store, lambda now: now), derived(store, lambda now: now)]
    with values[0].select().subscribe():
        frame = Frame()
        kept = weakref.ref(frame)
        store.set(frame)
        assert [value.get() for value in values] == [frame, frame]
        del frame
        store.set(None)
        assert values[0].get() is None
        while posted:
            posted.pop()()
        assert kept() is None


def test_a_read_value_without_observers_is_not_computed_again_until_a_source_changes(
    domain: Domain,
) -> None:
    left, right = Store(1, domain=domain), Store(1, domain=domain)
    calls: list[str] = []
    low = derived(left, lambda a: calls.append("low") or a)
    high = derived(low, right, lambda a, b: calls.append("high") or (a, b))
    other = Store(0, domain=domain)
    for _ in range(3):
        assert high.get() == (1, 1)
        other.update(lambda now: now + 1)
    assert calls == ["low", "high"]
    right.set(2)
    assert (high.get(), calls) == ((1, 2), ["low", "high", "high"])
    left.set(2)
    assert (high.get(), calls) == ((2, 2), ["low", "high", "high", "low", "high"])
    with high.select().subscribe():
        pass
    right.set(3)
    assert high.get() == (2, 3)


def test_a_reader_does_not_start_a_store_and_leaves_with_its_value(domain: Domain) -> None:
    log: list[str] = []
    store = Store(0, domain=domain, on_start=lambda: log.append("start"))
    keyed = KeyedStore({"a": 1}, domain=domain, on_start=lambda: log.append("start"))
    for _ in range(100):
        derived(store, keyed.select("a"), lambda a, b: (a, b)).get()
    gc.collect()
    assert (log, store.observer_count, keyed.observer_count) == ([], 0, 0)
    assert (store._dependents, store._others, store._readers, store._reached) == ({}, 0, 0, 0)
    assert (keyed._others, keyed._readers, keyed._reached) == (0, 0, 0)
    assert keyed._keys.observed == set()


def test_reads_on_many_threads_keep_nothing(domain: Domain) -> None:
    store: Store[Any] = Store(0, domain=domain)
    value = derived(store, lambda now: (now, now))
    wrong: list[object] = []

    def read() -> None:
        for _ in range(300):
            left, right = value.get()
            if left is not right:
                wrong.append((left, right))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    frames: list[weakref.ref[Frame]] = []
    for _ in range(300):
        frame = Frame()
        frames.append(weakref.ref(frame))
        store.set(frame)
    del frame
    for thread in threads:
        thread.join()
    store.set(0)
    assert (wrong, [frame() for frame in frames if frame() is not None]) == ([], [])


def test_a_value_that_a_batch_dropped_is_not_kept_alive() -> None:
    class Value:
        pass

    store: Store[Value | None] = Store(None, domain=Domain(strict=True))
    selection = store.select(lambda value: value)
    seen: list[Value | None] = []
    derived(selection, lambda value: value).select().subscribe(seen.append)
    read = derived(selection, lambda value: value)
    value = Value()
    alive = weakref.ref(value)
    with suppress(LookupError), batch(store.domain):
        store.set(value)
        assert (selection.get(), read.get()) == (value, value)
        raise LookupError
    del value
    gc.collect()
    assert (alive(), seen) == (None, [None])


class _Large:
    """A part that a weak reference follows."""


def test_a_shared_selector_forgets_the_part_when_its_last_observer_left(domain: Domain) -> None:
    store, made = Store(0, domain=domain), list[weakref.ref[_Large]]()

    def part(_: int) -> _Large:
        large = _Large()
        made.append(weakref.ref(large))
        return large

    selection = store.select(part)
    value = derived(selection, lambda _: 1)
    seen = value.select().subscribe(), selection.subscribe()
    store.set(1)
    assert len(made) == 2
    for one in seen:
        one.dispose()
    store.set(2)  # The engine drops what it held with its next commit.
    gc.collect()
    assert [reference() for reference in made] == [None, None]
