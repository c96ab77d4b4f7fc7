"""Rules for the values of a whole domain: dump and load at one commit, and a fresh default domain for tests."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from reactive_ws import WebSocketService
from reactive_ws.editing import OptimisticStore
from reactive_ws.engine import Dump, as_default_domain, default_domain
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import StoreClosed, UsageError
from reactive_ws.middleware import undo
from reactive_ws.resources import resource
from reactive_ws.state import Active
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


def test_a_dump_has_the_named_stores_at_one_commit(domain: Domain) -> None:
    count = Store(1, name="count", domain=domain)
    users = KeyedStore({"a": "Ada"}, name="users", domain=domain)
    hidden = Store(5, domain=domain)
    count.set(2)
    dump = domain.dump()
    assert (dump.number, dict(dump.values)) == (1, {"count": 2, "users": {"a": "Ada"}})
    users.upsert("b", "Bob")
    assert dump.values["users"] == {"a": "Ada"}
    del count
    gc.collect()
    assert list(domain.dump().values) == ["users"]
    del hidden


def test_load_is_one_commit_that_observers_see_whole(domain: Domain) -> None:
    left, right = (Store(0, name=name, domain=domain) for name in ("left", "right"))
    users = KeyedStore({"a": 1, "b": 2}, name="users", domain=domain)
    same = Store("x", name="same", domain=domain)
    log: list[Any] = []
    derived(left, right, lambda a, b: (a, b)).select().subscribe(log.append)
    users.select("a").subscribe(log.append)
    users.select("b").subscribe(log.append)
    same.select().subscribe(log.append)
    before = domain.dump()
    left.set(1)
    right.set(2)
    users.remove("a")
    users.upsert("c", 3)
    log.clear()
    number = domain.number
    domain.load(before)
    assert (log, domain.number) == ([1, (0, 0)], number + 1)
    assert dict(users.get_all()) == {"a": 1, "b": 2}
    assert list(users.get_all()) == ["a", "b"]
    domain.load(before)
    assert domain.number == number + 1
    domain.load(Dump(0, {"users": {"z": 9}, "left": 4}))
    assert (dict(users.get_all()), left.get(), right.get()) == ({"z": 9}, 4, 0)


def test_time_travel_visits_each_step(domain: Domain) -> None:
    text = Store("", name="text", domain=domain)
    steps = [domain.dump()]
    for letter in "abc":
        text.update(lambda now, letter=letter: now + letter)  # type: ignore[misc]
        steps.append(domain.dump())
    seen: list[str] = []
    text.select().subscribe(seen.append)
    for step in (1, 3, 0):
        domain.load(steps[step])
    assert seen == ["abc", "a", "abc", ""]


def test_a_dump_refuses_two_stores_of_one_name_and_load_a_missing_one(domain: Domain) -> None:
    first = Store(0, name="twin", domain=domain)
    dump = Dump(0, {"twin": 1, "gone": 2})
    with pytest.raises(UsageError, match="no living store is named 'gone'"):
        domain.load(dump)
    assert first.get() == 0
    domain.load(dump, ignore_missing=True)
    assert first.get() == 1
    with pytest.raises(UsageError, match=r"load\(\) takes a Dump"):
        domain.load({"twin": 1})  # type: ignore[arg-type]
    second = Store(0, name="twin", domain=domain)
    with pytest.raises(UsageError, match="two stores are named 'twin'"):
        domain.dump()
    with pytest.raises(UsageError, match="two stores are named 'twin'"):
        domain.load(Dump(0, {"twin": 5}))
    assert (first.get(), second.get()) == (1, 0)
    del second
    gc.collect()
    first.close()
    with pytest.raises(StoreClosed):
        domain.load(Dump(0, {"twin": 7}))


def test_a_closed_store_gives_way_to_an_open_one_of_its_name(domain: Domain) -> None:
    """A screen that closes its stores may be made again, while the old ones are still referred to."""
    stores = [Store(number, name="form", domain=domain) for number in range(1)]
    for number in range(1, 4):
        stores[-1].close()
        stores.append(Store(number, name="form", domain=domain))
    dump = domain.dump()
    stores[-1].set(9)
    assert dump.values == {"form": 3}
    domain.load(dump)
    assert [store.get() for store in stores] == [0, 1, 2, 3]
    stores[-1].close()
    assert domain.dump().values == {"form": 3}


def test_a_dump_is_never_between_two_commits(domain: Domain) -> None:
    stores = [Store(0, name=f"{place}", domain=domain) for place in range(5)]
    is_over = threading.Event()

    def write() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            with batch(domain):
                for store in stores:
                    store.set(number)

    writer = threading.Thread(target=write)
    writer.start()
    dumps = [domain.dump() for _ in range(300)]
    is_over.set()
    writer.join()
    assert [len(set(dump.values.values())) for dump in dumps] == [1] * 300
    numbers = [dump.number for dump in dumps]
    assert numbers == sorted(numbers)


def test_a_default_domain_may_be_another_one_for_a_while() -> None:
    before = default_domain()
    with as_default_domain(Domain("mine")) as mine:
        assert (Store(0).domain, default_domain()) == (mine, mine)
    assert default_domain() is before
    with pytest.raises(UsageError, match="Domain"), as_default_domain("x"):  # type: ignore[arg-type]
        pass


def test_the_fixture_gives_a_fresh_strict_default_domain(rws_domain: Domain) -> None:
    assert default_domain() is rws_domain
    assert (rws_domain.number, rws_domain.stores()) == (0, [])
    store = Store(1)
    store.select().subscribe(lambda now: 1 // now)
    with pytest.raises(ExceptionGroup):
        store.set(0)


def test_the_fixture_is_another_one_in_each_test(rws_domain: Domain) -> None:
    assert rws_domain.name == "test_the_fixture_is_another_one_in_each_test"
    assert rws_domain.number == 0


def test_stores_inside_of_other_parts_are_not_in_a_dump(domain: Domain) -> None:
    users: KeyedStore[str, int] = KeyedStore({"a": 1}, name="users", domain=domain)
    text = Store("", name="text", domain=domain)
    Store(0, name="mine", domain=domain, is_dumped=False)
    hidden: KeyedStore[str, int] = KeyedStore(name="mine too", domain=domain, is_dumped=False)

    async def fetch(_: str) -> int:
        return 1

    parts = [
        undo(text, users),
        Active(users, "a"),
        OptimisticStore(0, name="likes", domain=domain),
        resource(text, fetch, name="fetched"),
        WebSocketService("ws://127.0.0.1:1", domain=domain),
        hidden,
    ]
    chosen = Active(users, "a", name="chosen")
    assert dict(domain.dump().values) == {"users": {"a": 1}, "text": "", "chosen": "a"}
    domain.load(Dump(0, {"chosen": None}))
    assert chosen.get() is None
    del parts
