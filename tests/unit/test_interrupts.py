"""An interrupt (Ctrl-C) that arrives at any place of a write leaves a domain that works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from instructions import is_reached
from queue_home import QueueHome

from reactive_ws.engine.batch import batch
from reactive_ws.engine.cell import Cell
from reactive_ws.engine.domain import Domain
from reactive_ws.state.derived import derived, derived_all
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.selection import Selection
from reactive_ws.state.store import Store
from reactive_ws.views import view

_WRITING = {
    "set",
    "upsert",
    "_publish",
    "_publish_one",
    "_publish_queued",
    "_see_to_delivery",
    "_take",
    "_drain",
    "_look_again",
    "propagate",
    "_update",
    "_follow",
    "_go_on",
    "replace",
    "changed",
    "step",
    "_notify",
    "_changed_parts",
    "_deliver",
    "_serve",
    "_serve_many",
    "_settle",
}


def is_interrupted(act: Callable[[], object], place: int) -> bool:
    """Raises KeyboardInterrupt at the place of this number in the writing functions; False beyond the last."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        is_there = is_reached(act, place, interrupt, within=_WRITING.__contains__)
    except KeyboardInterrupt:
        return True
    assert not is_there, "the interrupt was swallowed"
    return False


def a_store(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    store = Store(0, domain=domain)
    store.select().subscribe()
    return store, store.set


def a_part(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    store = Store(0, domain=domain)
    store.select(lambda value: value + 1).subscribe()
    return store, store.set


def a_key(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    keyed = KeyedStore({"a": 0}, domain=domain)
    keyed.select("a").subscribe()
    return keyed, lambda value: keyed.upsert("a", value)


def a_derived_value(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    store = Store(0, domain=domain)
    double = derived(store, lambda value: value * 2)
    log: list[int] = []
    double.select().subscribe(log.append)

    def write(value: int) -> None:
        store.set(value)
        assert (double.get(), log[-1]) == (value * 2, value * 2)

    return store, write


def a_view(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    keyed = KeyedStore({key: key for key in range(40)}, domain=domain)
    rows = view(keyed).sorted_by(lambda number: number)
    rows.select().subscribe()
    keyed.upsert(0, -1)

    def write(value: int) -> None:
        # Another key each time, so that a commit that is left out is missed.
        keyed.upsert(value, 100 - value)
        in_order = sorted(keyed.get_all().items(), key=lambda pair: pair[1])
        assert list(rows.get().items()) == in_order

    return keyed, write


def a_sum(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    keyed = KeyedStore({key: key for key in range(40)}, domain=domain)
    total = view(keyed).sum_by(lambda number: number)
    total.select().subscribe()
    keyed.upsert(0, -1)

    def write(value: int) -> None:
        keyed.upsert(value, 100)
        assert total.get() == sum(keyed.get_all().values())

    return keyed, write


def a_batch(domain: Domain) -> tuple[Cell[Any], Callable[[int], object]]:
    store = Store(0, domain=domain)
    store.select().subscribe()

    def write(value: int) -> None:
        with batch(domain):
            store.set(value)

    return store, write


@pytest.mark.parametrize("make", [a_store, a_part, a_key, a_derived_value, a_view, a_sum, a_batch])
def test_after_an_interrupt_anywhere_another_thread_writes_and_is_delivered(
    make: Callable[[Domain], tuple[Cell[Any], Callable[[int], object]]],
) -> None:
    for place in count(1):
        domain = Domain(f"interrupted at {place}")
        store, write = make(domain)
        was_interrupted = is_interrupted(lambda write=write: write(1), place)
        done: list[None] = []
        thread = threading.Thread(target=lambda: done.append(write(2)), daemon=True)  # noqa: B023
        thread.start()
        thread.join(60)
        assert not thread.is_alive(), f"the lock is held after an interrupt at {place}"
        assert done == [None], f"the next write failed after an interrupt at {place}"
        assert domain.settled(60), f"nobody delivers after an interrupt at {place}"
        assert store._delivered is store._value
        if not was_interrupted:
            break


class Values:
    """Stores, and observed values computed from them."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.keyed = KeyedStore({key: key for key in range(20)}, domain=domain)
        self.store, self.other = Store(0, domain=domain), Store(0, domain=domain)
        self.rows = view(self.keyed).sorted_by(lambda number: number)
        total = view(self.keyed).sum_by(lambda number: number)
        double = derived(self.store, lambda now: now * 2)
        entity = derived(self.keyed.select(3), lambda now: now)
        parts: list[Any] = [double, self.other, entity, self.rows, total]
        self.all = derived_all(parts, lambda now: [*now[:3], [*now[3]], now[4]])
        self.log: list[list[Any]] = []
        self.shown: list[list[Any]] = [[], [], [], []]
        for value, log in zip((double, entity, self.rows, total), self.shown, strict=True):
            value.select().subscribe(log.append)
        self.parts: list[Selection[Any]] = [
            self.store.select(lambda now: -now),
            double.select(lambda now: -now),
            self.keyed.select(3, lambda now: -now),
        ]
        for part in self.parts:
            part.subscribe()
        self.all.select().subscribe(self.log.append)
        # Once in the usual way, so that the next change may go the short one.
        self.keyed.upsert(0, -1)

    def write(self) -> None:
        self.store.set(1)
        self.keyed.upsert(3, 100)

    def write_at_once(self) -> None:
        with batch(self.domain):
            self.write()

    def expected(self) -> list[Any]:
        numbers = self.keyed.get_all()
        rows = sorted(numbers.values())
        return [self.store.get() * 2, self.other.get(), numbers[3], rows, sum(rows)]

    def check_parts(self) -> None:
        number = self.store.get()
        expected = [-number, -number * 2, -self.keyed.get_all()[3]]
        assert [part.get() for part in self.parts] == expected
        shown: list[int] = []
        for part in self.parts:
            part.subscribe(shown.append).dispose()
        assert shown == expected


@pytest.mark.parametrize("write", [Values.write, Values.write_at_once])
def test_after_an_interrupt_anywhere_every_value_is_of_the_newest_commit(
    write: Callable[[Values], None],
) -> None:
    for place in count(1):
        values = Values(Domain(f"interrupted at {place}"))
        was_interrupted = is_interrupted(lambda: write(values), place)  # noqa: B023
        assert values.domain.settled(60)
        try:
            now = values.all.get()
        except RuntimeError as error:
            # A function of the program was interrupted, and its value says so until one of its sources changes.
            assert was_interrupted
            assert "was interrupted" in str(error)  # noqa: PT017
            continue
        assert now == values.expected(), place
        assert list(values.rows.get()) == now[3], place
        values.check_parts()
        # Of another store, so that nothing of the commit that was cut off is delivered again.
        values.other.set(1)
        assert values.domain.settled(60)
        assert values.log[-1] == values.all.get() == values.expected(), place
        # Observers of what this one is computed from, which may have missed the commit, have its value too.
        double, entity, rows, total = [log[-1] for log in values.shown]
        assert [double, 1, entity, [*rows], total] == values.expected(), place
        if not was_interrupted:
            break


def test_after_an_interrupt_anywhere_a_reader_that_was_slow_does_not_count_as_newest() -> None:
    for place in count(1):
        domain = Domain(f"interrupted at {place}")
        store = Store(0, domain=domain)
        log: list[int] = []
        main = threading.get_ident()
        is_there, go_on = threading.Event(), threading.Event()

        def slow(
            value: int,
            is_there: threading.Event = is_there,
            go_on: threading.Event = go_on,
            main: int = main,
        ) -> int:
            if threading.get_ident() != main:
                is_there.set()
                assert go_on.wait(60)
            return value

        same_value = derived(store, slow)
        thread = threading.Thread(target=same_value.select().subscribe, args=(log.append,))
        thread.start()
        assert is_there.wait(60)
        was_interrupted = is_interrupted(partial(store.set, 1), place)
        go_on.set()
        thread.join(60)
        assert domain.settled(60)
        try:
            assert same_value.get() == store.get(), place
        except RuntimeError as error:
            assert was_interrupted
            assert "was interrupted" in str(error)  # noqa: PT017
        if not was_interrupted:
            break


@pytest.mark.parametrize("where", ["write", "home"])
def test_after_an_interrupt_anywhere_the_next_write_wakes_the_home(where: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    for place in count(1):
        home = QueueHome()
        domain = Domain(f"interrupted at {place}", home=home)
        store, other = Store(0, domain=domain), Store(0, domain=domain)
        log: list[Any] = []
        derived(store, other, lambda one, two: [one, two]).select().subscribe(log.append)
        if where == "home":
            store.set(1)
        act = home.run if where == "home" else partial(store.set, 1)
        try:
            was_interrupted = is_reached(act, place, interrupt)
        except KeyboardInterrupt:
            was_interrupted = True
        other.set(1)
        home.run()
        assert log[-1] == [store.get(), 1], place
        if not was_interrupted:
            break
