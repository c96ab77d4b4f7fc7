"""Strict mode, which is for tests: what fails is raised where it was caused, and leaves nothing behind."""

from __future__ import annotations

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.state.store import Store


def bad(value: int) -> None:
    """Fails on every second value."""
    if value % 2:
        raise ValueError(value)


def test_strict_mode_raises_the_errors_of_a_delivery_from_the_write() -> None:
    domain = Domain("strict", strict=True, on_error=lambda report: None)
    store = Store(0, domain=domain)
    store.select().subscribe(bad)
    store.select(lambda value: 1 // (3 - value)).subscribe()
    log: list[int] = []
    store.select().subscribe(log.append)
    with pytest.raises(ExceptionGroup) as raised:
        store.set(3)
    assert [repr(error) for error in raised.value.exceptions] == [
        "ZeroDivisionError('integer division or modulo by zero')",
        "ValueError(3)",
    ]
    store.set(4)
    with pytest.raises(ExceptionGroup) as raised, batch(domain):
        store.set(5)
    assert [repr(error) for error in raised.value.exceptions] == ["ValueError(5)"]
    assert log == [0, 3, 4, 5]


def test_strict_mode_raises_after_nested_writes_were_delivered_too() -> None:
    domain = Domain("strict", strict=True, on_error=lambda report: None)
    store = Store(0, domain=domain)
    log: list[int] = []
    store.select().subscribe(lambda value: store.set(value + 2) if 0 < value < 5 else None)
    store.select().subscribe(bad)
    store.select().subscribe(log.append)
    with pytest.raises(ExceptionGroup) as raised:
        store.set(1)
    assert [str(error) for error in raised.value.exceptions] == ["1", "3", "5"]
    assert log == [0, 1, 3, 5]


def test_strict_mode_raises_the_error_of_a_replay_from_the_subscription() -> None:
    domain = Domain(strict=True)
    store, other = Store(0, domain=domain), Store(0, domain=domain)

    def fail(value: int) -> None:
        raise ValueError(value)

    with pytest.raises(ExceptionGroup):
        store.select().subscribe(fail)
    other.set(1)
    assert other.get() == 1
    assert store.observer_count == 0, "who gets no subscription cannot end it"


def test_strict_mode_leaves_no_observer_whose_subscription_raised() -> None:
    domain = Domain(strict=True, on_error=lambda report: None)
    store = Store(1, domain=domain)
    log: list[int] = []

    def observer(value: int) -> None:
        log.append(value)
        bad(value)

    with pytest.raises(ExceptionGroup):
        store.select(lambda value: value).subscribe(observer)
    store.set(2)
    assert log == [1]
    assert store.observer_count == 0
