"""Derived values: what a failing function does to them, and what it does not."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.errors import UsageError
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


def test_an_error_is_reported_cached_raised_by_get_and_recovered_from(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    root = Store(1, domain=domain)
    calls: list[int] = []
    inverse = derived(root, lambda value: (calls.append(value), 6 // value)[1], name="inverse")
    log: list[int] = []
    inverse.select().subscribe(log.append)
    root.set(0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            inverse.get()
    root.set(2)
    assert log == [6, 3]
    assert inverse.get() == 3
    assert calls == [1, 0, 2]
    assert [(report.kind, report.store, report.commit) for report in reports] == [
        ("derive", "inverse", 1)
    ]


def test_an_error_that_passes_by_lets_an_equal_value_come_back_silently(domain: Domain) -> None:
    root = Store(1, domain=domain)
    inverse = derived(root, lambda value: 6 // value)
    above = derived(inverse, lambda value: value + 1)
    log: list[int] = []
    logged_above: list[int] = []
    inverse.select().subscribe(log.append)
    above.select().subscribe(logged_above.append)
    root.set(0)
    root.set(1)
    root.set(2)
    assert (log, logged_above) == ([6, 3], [7, 4])
    assert (inverse.get(), above.get()) == (3, 4)


def test_an_error_below_is_raised_above_and_reported_once(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    root = Store(1, domain=domain)
    inverse = derived(root, lambda value: 6 // value, name="inverse")
    calls: list[object] = []
    above = derived(inverse, lambda value: (calls.append(value), "fine")[1], name="above")
    root.set(0)
    with pytest.raises(ZeroDivisionError):
        above.get()
    root.set(1)
    above.select().subscribe()
    root.set(0)
    with pytest.raises(ZeroDivisionError):
        above.get()
    with batch(domain), pytest.raises(ZeroDivisionError):
        root.set(2)
        root.set(0)
        above.get()
    assert calls == [6]
    assert [(report.kind, report.store) for report in reports] == [("derive", "inverse")]


def test_a_cached_error_does_not_grow_with_each_read(domain: Domain) -> None:
    root = Store(0, domain=domain)
    inverse = derived(root, lambda value: 1 // value)
    depths: set[int] = set()
    for _ in range(50):
        with pytest.raises(ZeroDivisionError) as raised:
            inverse.get()
        depths.add(len(traceback.extract_tb(raised.value.__traceback__)))
    assert len(depths) == 1


def test_who_subscribes_while_it_fails_gets_the_next_good_value(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    root = Store(0, domain=domain)
    inverse = derived(root, lambda value: 6 // value, name="inverse")
    log: list[int] = []
    inverse.select().subscribe(log.append)
    assert [report.kind for report in reports] == ["derive"]
    root.set(3)
    assert log == [2]


def test_a_base_exception_in_the_function_leaves_after_the_others_were_served(
    domain: Domain,
) -> None:
    root = Store(0, domain=domain)
    is_armed = [True]

    def interrupt(value: int) -> int:
        if value and is_armed.pop():
            raise KeyboardInterrupt
        return value

    broken = derived(root, interrupt)
    above = derived(broken, lambda value: value + 1)
    fine = derived(root, lambda value: value * 2)
    logs: list[list[int]] = [[], [], []]
    for value, log in zip((broken, above, fine), logs, strict=True):
        value.select().subscribe(log.append)
    with pytest.raises(KeyboardInterrupt):
        root.set(1)
    assert logs == [[0], [1], [0, 2]]
    is_armed.append(False)
    root.set(2)
    assert logs == [[0, 2], [1, 3], [0, 2, 4]]
    assert (broken.get(), above.get(), fine.get()) == (2, 3, 4)


def test_who_joins_others_while_it_fails_gets_the_next_good_value_even_if_they_need_not(
    domain: Domain,
) -> None:
    root = Store(1, domain=domain)
    inverse = derived(root, lambda value: 6 // value)
    early: list[int] = []
    late: list[int] = []
    inverse.select().subscribe(early.append)
    root.set(0)
    inverse.select().subscribe(late.append)
    root.set(1)
    root.set(2)
    assert (early, late) == ([6, 3], [6, 3])


def test_a_part_of_a_value_that_fails_is_not_the_last_good_one(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    root = Store(1, domain=domain)
    part = derived(root, lambda value: 6 // value).select(lambda value: [value])
    early: list[list[int]] = []
    late: list[list[int]] = []
    part.subscribe(early.append)
    root.set(0)
    with pytest.raises(ZeroDivisionError):
        part.get()
    part.subscribe(late.append)
    assert (early, late) == ([[6]], [])
    root.set(1)
    # The value is that of before, so only the observer that waits gets its part.
    assert (early, late) == ([[6]], [[6]])
    root.set(2)
    assert (early, late) == ([[6], [3]], [[6], [3]])
    assert part.get() == [3]
    assert [(report.kind, report.commit) for report in reports] == [("derive", 1), ("selector", 1)]


def test_a_wrong_source_says_so(domain: Domain) -> None:
    wrong: list[tuple[Any, str]] = [
        (KeyedStore({"a": 1}, domain=domain), r"write store.select_all\(\)"),
        (5, "a source is a store, a selection or a derived value; got int 5"),
    ]
    for one, text in wrong:
        with pytest.raises(UsageError, match=text):
            derived(one, len)


def test_an_interrupted_value_says_by_what_until_it_is_computed_anew(domain: Domain) -> None:
    root = Store(0, domain=domain)
    stop = KeyboardInterrupt()

    def interrupt(value: int) -> int:
        if value == 1:
            raise stop
        return value

    broken = derived(root, interrupt)
    broken.select().subscribe()
    with pytest.raises(KeyboardInterrupt):
        root.set(1)
    with pytest.raises(RuntimeError, match="was interrupted") as caught:
        broken.get()
    assert caught.value.__cause__ is stop
    root.set(2)
    assert broken.get() == 2


def test_what_an_interrupted_comparer_did_not_compare_is_told(domain: Domain) -> None:
    root = Store(0, domain=domain)
    is_armed = [True]

    def interrupt(old: int, new: int) -> bool:
        if is_armed and is_armed.pop():
            raise KeyboardInterrupt
        return old == new

    double = derived(root, lambda value: value * 2, equals=interrupt)
    log: list[int] = []
    double.select().subscribe(log.append)
    with pytest.raises(KeyboardInterrupt):
        root.set(1)
    assert double.get() == 2
    root.set(2)
    assert (double.get(), log) == (4, [0, 2, 4])
