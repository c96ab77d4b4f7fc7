"""How the cost of one operation grows with what is there: its stated order, counted in operations and not in time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from itertools import count

import attrs
import pytest
from operations import instructions, operations

from reactive_ws import Domain, KeyedStore, Store, batch, derived, derived_all

Act = Callable[[], object]
Make = Callable[[int], Act]

_numbers = count(1_000_000)


def new() -> int:
    return next(_numbers)


@attrs.frozen
class Item:
    key: int
    value: int


def nothing(_: object) -> None:
    pass


def items(size: int) -> KeyedStore[int, Item]:
    return KeyedStore({key: Item(key, key) for key in range(size)}, domain=Domain())


# --- what grows -------------------------------------------------------------------------------------------------------


def write_beside_stores(size: int) -> Act:
    domain = Domain()
    kept = [Store(0, domain=domain) for _ in range(size)]
    for store in kept:
        store.select().subscribe(nothing)
    return lambda: kept[0].set(new())


def write_beside_derived(size: int) -> Act:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(size)]
    kept = [derived(store, lambda value: value + 1) for store in stores]
    for one in kept:
        one.select().subscribe(nothing)
    return lambda _kept=kept: stores[0].set(new())  # type: ignore[misc]


def write_to_observers(size: int) -> Act:
    store = Store(0, domain=Domain())
    for _ in range(size):
        store.select().subscribe(nothing)
    return lambda: store.set(new())


def write_past_selectors(size: int) -> Act:
    store = Store(Item(0, 0), domain=Domain())
    for _ in range(size):
        store.select(lambda item: item.value).subscribe(nothing)
    return lambda: store.set(Item(new(), 0))


def subscribe_and_dispose(size: int) -> Act:
    stream = Store(0, domain=Domain()).select()
    kept = [stream.subscribe(nothing) for _ in range(size)]
    return lambda _kept=kept: stream.subscribe(nothing).dispose()  # type: ignore[misc]


def upsert_old_key(size: int) -> Act:
    store = items(size)
    return lambda: store.upsert(size // 2, Item(0, new()))


def upsert_observed_key(size: int) -> Act:
    store = items(size)
    for key in range(size):
        store.select(key).subscribe(nothing)
    return lambda: store.upsert(size // 2, Item(0, new()))


def upsert_new_key(size: int) -> Act:
    store = items(size)
    return lambda: store.upsert(new(), Item(0, 0))


def remove_and_insert(size: int) -> Act:
    store = items(size)

    def act() -> None:
        store.remove(0)
        store.upsert(0, Item(0, new()))

    return act


def count_of_keys(size: int) -> Act:
    store = items(size)
    store.select_count().subscribe(nothing)
    return lambda: store.upsert(new(), Item(0, 0))


def many_of_the_keys(size: int) -> Act:
    store = items(size)
    store.select_many(range(5)).subscribe(nothing)
    return lambda: store.upsert(2, Item(2, new()))


def chain_of_derived(size: int) -> Act:
    store = Store(0, domain=Domain())
    last = derived(store, lambda value: value)
    for _ in range(size):
        last = derived(last, lambda value: value + 1)
    last.select().subscribe(nothing)
    return lambda _kept=last: store.set(new())  # type: ignore[misc]


def derived_of_many(size: int) -> Act:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(size)]
    total = derived_all(stores, sum)
    total.select().subscribe(nothing)
    return lambda _kept=total: stores[size // 2].set(new())  # type: ignore[misc]


def batch_of_many(size: int) -> Act:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(size)]

    def act() -> None:
        value = new()
        with batch(domain):
            for store in stores:
                store.set(value)

    return act


def fill_while_keys_are_observed(size: int) -> Act:
    def act() -> None:
        store: KeyedStore[int, Item] = KeyedStore(domain=Domain())
        store.select_keys().subscribe(nothing)
        for key in range(size):
            store.upsert(key, Item(key, 0))

    return act


CONSTANT: dict[str, Make] = {
    make.__name__: make
    for make in (
        write_beside_stores,
        write_beside_derived,
        subscribe_and_dispose,
        many_of_the_keys,
    )
}
LOGARITHMIC: dict[str, Make] = {
    make.__name__: make
    for make in (
        upsert_old_key,
        upsert_observed_key,
        upsert_new_key,
        remove_and_insert,
        # It adds a key.
        count_of_keys,
    )
}
LINEAR: dict[str, Make] = {
    make.__name__: make
    for make in (
        write_to_observers,
        write_past_selectors,
        chain_of_derived,
        derived_of_many,
        batch_of_many,
    )
}

SMALL = 100
LARGE = 30_000 if os.environ.get("REACTIVE_WS_PROFILE") == "deep" else 3_000


def cost(make: Make, size: int) -> int:
    act = make(size)
    # The first call may fill caches.
    act()
    act()
    return min(operations(act) for _ in range(3))


@pytest.mark.parametrize("name", CONSTANT)
def test_what_is_constant_costs_the_same_among_many(name: str) -> None:
    assert cost(CONSTANT[name], LARGE) <= 1.2 * cost(CONSTANT[name], SMALL) + 20


@pytest.mark.parametrize("name", LOGARITHMIC)
def test_what_is_logarithmic_grows_with_the_depth_of_a_tree(name: str) -> None:
    depths = math.log(LARGE) / math.log(SMALL)
    assert cost(LOGARITHMIC[name], LARGE) <= 1.2 * depths * cost(LOGARITHMIC[name], SMALL)


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_linear_grows_no_faster(name: str) -> None:
    assert cost(LINEAR[name], LARGE) <= 1.2 * LARGE / SMALL * cost(LINEAR[name], SMALL)


def test_filling_an_observed_list_of_keys_copies_the_keys_and_sorts_nothing() -> None:
    # The stream gives tuples, so each of N changes copies up to N words; instructions of Python are linear.
    small, large = (
        instructions(fill_while_keys_are_observed(size)) for size in (SMALL, 10 * SMALL)
    )
    assert large <= 1.2 * 10 * small


def test_the_count_sees_copies_in_c_and_work_in_python() -> None:
    def copies(size: int) -> Act:
        values = list(range(size))
        return lambda: list(values)

    def walks(size: int) -> Act:
        def act() -> None:
            for _ in range(size):
                pass

        return act

    for make in (copies, walks):
        assert cost(make, LARGE) > 10 * cost(make, SMALL)
