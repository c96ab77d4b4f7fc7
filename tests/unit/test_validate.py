"""Rules for `validate=`: a wrong value never becomes the value, however it is written."""

from __future__ import annotations

from typing import Any

import pytest

from reactive_ws.engine import Dump
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.errors import UsageError
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


class Wrong(ValueError):
    pass


def positive(value: int) -> None:
    if value <= 0:
        raise Wrong(f"{value} is not positive")


@pytest.mark.parametrize("equals", [None, lambda old, new: False])
def test_each_way_to_write_a_store_is_checked(domain: Domain, equals: Any) -> None:
    store = Store(1, name="s", domain=domain, validate=positive, equals=equals)
    log: list[int] = []
    store.select().subscribe(log.append)
    for write in (
        lambda: store.set(0),
        lambda: store.update(lambda now: now - 5),
        lambda: domain.load(Dump(0, {"s": -1})),
    ):
        with pytest.raises(Wrong):
            write()
    assert (store.get(), log, domain.number) == (1, [1], 0)
    store.set(2)
    store.reset()
    assert log == [1, 2, 1]
    with pytest.raises(Wrong):
        Store(0, domain=domain, validate=positive)


def test_a_batch_fails_whole_and_may_pass_through_wrong_values(domain: Domain) -> None:
    store = Store(1, domain=domain, validate=positive)
    other = Store(0, domain=domain)
    keyed = KeyedStore({"a": 1}, domain=domain, validate=positive)
    for write in (lambda: store.set(-1), lambda: keyed.upsert("b", 0)):
        with pytest.raises(Wrong), batch(domain):
            other.set(7)
            write()
    assert (store.get(), other.get(), dict(keyed.get_all()), domain.number) == (1, 0, {"a": 1}, 0)
    with batch(domain):
        store.set(-1)
        keyed.upsert("a", -1)
        other.set(3)
        store.set(4)
        keyed.upsert("a", 5)
    assert (store.get(), other.get(), keyed.get("a"), domain.number) == (4, 3, 5, 1)


def test_each_way_to_write_an_entity_is_checked(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2}, name="k", domain=domain, validate=positive)
    for write in (
        lambda: keyed.insert("c", 0),
        lambda: keyed.upsert("a", 0),
        lambda: keyed.upsert("c", 0),
        lambda: keyed.update("a", lambda now: 0),
        lambda: keyed.update("c", lambda now: 0, default=1),
        lambda: keyed.set_many({"a": 5, "c": 0}),
        lambda: keyed.replace_all({"a": 5, "c": 0}),
        lambda: domain.load(Dump(0, {"k": {"a": 0}})),
    ):
        with pytest.raises(Wrong):
            write()
    assert (dict(keyed.get_all()), domain.number) == ({"a": 1, "b": 2}, 0)
    keyed.upsert("a", 3)
    keyed.rename("a", "c")
    keyed.remove("b")
    keyed.reset()
    assert dict(keyed.get_all()) == {"a": 1, "b": 2}
    with pytest.raises(Wrong):
        KeyedStore({"a": 1, "b": 0}, domain=domain, validate=positive)


def test_an_observer_that_writes_a_wrong_value_gets_the_error(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(5, domain=domain, validate=positive)
    other = Store(0, domain=domain)
    other.select().subscribe(lambda now: store.set(-now) if now else None)
    other.set(1)
    assert ([type(it.error) for it in reports], store.get()) == ([Wrong], 5)


def test_a_check_that_returns_false_is_a_mistake(domain: Domain) -> None:
    store = Store(5, name="age", domain=domain, validate=lambda value: value > 0)
    store.set(6)
    with pytest.raises(UsageError, match=r"validate= of store 'age' returned False; raise"):
        store.set(0)
    assert store.get() == 6

    async def later(_: int) -> None:
        raise AssertionError

    for wrong in (5, later):
        with pytest.raises(UsageError, match="validate= is a"):
            Store(0, domain=domain, validate=wrong)  # type: ignore[arg-type]
