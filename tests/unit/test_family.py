"""Rules for parts of one entity, read-only keyed stores, and families of values by key."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import attrs
import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.errors import UsageError
from reactive_ws.state.computed import Derived
from reactive_ws.state.derived import derived
from reactive_ws.state.family import family
from reactive_ws.state.incremental import incremental
from reactive_ws.state.keyed.keyed_store import KeyedStore, ReadOnlyKeyed
from reactive_ws.views import view


@attrs.frozen
class User:
    name: str
    age: int = 0


@pytest.fixture
def users(domain: Domain) -> KeyedStore[str, User]:
    return KeyedStore({"a": User("Ada"), "b": User("Bob")}, name="users", domain=domain)


@pytest.mark.parametrize("others", ["none", "key", "whole", "hook"])
def test_a_part_of_one_entity_is_a_stream(users: KeyedStore[str, User], others: str) -> None:
    calls: list[str] = []

    def name_of(user: User) -> str:
        calls.append(user.name)
        return user.name

    names = users.select("a", name_of)
    log: list[Any] = []
    more: list[Any] = []
    names.subscribe(log.append)
    if others == "key":
        users.select("a").subscribe(more.append)
    elif others == "whole":
        users.select_all().subscribe(more.append)
    elif others == "hook":
        users.domain.on_commit(lambda commit: None)
    users.upsert("a", User("Ada", 1))
    users.upsert("b", User("Bill"))
    users.upsert("a", User("Eve"))
    with batch():
        users.upsert("a", User("Eva"))
        assert names.get() == "Eva"
        users.upsert("b", User("Ben"))
    users.remove("a")
    users.upsert("a", User("Zoe"))
    assert log == ["Ada", "Eve", "Eva", None, "Zoe"]
    # Once a commit of its key, not for other keys, and never with None.
    assert [call for call in calls if call != "Eva"] == ["Ada", "Ada", "Eve", "Zoe"]
    assert names.get() == "Zoe"
    users.close()


def test_a_part_of_one_entity_is_a_source_and_ends_with_the_store(
    users: KeyedStore[str, User], reports: list[ErrorReport]
) -> None:
    ages = users.select("a", lambda user: user.age, equals=lambda old, new: old == new)
    double = derived(ages, lambda age: (age or 0) * 2)
    log: list[Any] = []
    double.select().subscribe(log.append)
    ages.subscribe(log.append, on_completed=lambda: log.append("end"))
    users.upsert("a", User("Ada", 4))
    users.upsert("a", User("Bea", 4))
    assert log == [0, 0, 4, 8]
    inverse = users.select("a", lambda user: 1 // user.age)
    with inverse.subscribe(log.append):
        users.upsert("a", User("Ada", 0))
    assert [it.kind for it in reports] == ["selector"]
    users.close()
    assert log[-1] == "end"
    assert users.observer_count == 0
    with pytest.raises(UsageError, match="a selector is a function"):
        users.select("a", "name")  # type: ignore[call-overload]


def test_a_read_only_keyed_store_reads_and_does_not_write(users: KeyedStore[str, User]) -> None:
    face = users.read_only
    assert isinstance(face, ReadOnlyKeyed)
    assert (len(face), "a" in face, face.get("a"), face.name) == (2, True, User("Ada"), "users")
    assert face.domain is users.domain
    log: list[Any] = []
    streams = [
        face.select("a"),
        face.select("a", lambda user: user.name),
        face.select_all(),
        face.select_part(len),
        face.select_many(["a", "x"]),
        face.select_where(lambda user: user.age > 0),
        face.select_sorted(lambda user: user.name, reverse=True),
        face.select_keys(),
        face.select_count(),
    ]
    for stream in streams:
        stream.subscribe(log.append)
    face.events.subscribe(log.append)
    assert len(log) == len(streams)
    users.upsert("a", User("Ada", 1))
    assert len(log) == len(streams) + 6
    assert not {name for name in dir(face) if name in {"upsert", "update", "remove", "close"}}
    assert view(face).count().get() == 2
    assert view(users).join(face, lambda user: "b").get()[0][1] == User("Bob")
    total = incremental(face, build=len, step=lambda last, delta: len(delta.new))
    assert total.get() == 2


def test_a_family_shares_one_value_for_each_key_and_lets_it_go(
    users: KeyedStore[str, User],
) -> None:
    runs: list[str] = []

    def greeting(key: str) -> Derived[str]:
        def text(user: User | None) -> str:
            runs.append(key)
            return f"hello {user.name if user else 'nobody'}"

        return derived(users.select(key), text)

    greetings = family(greeting)
    first = greetings("a")
    assert first is greetings("a")
    assert (first.get(), greetings("a").get(), greetings("b").get(), runs) == (
        "hello Ada",
        "hello Ada",
        "hello Bob",
        ["a", "b"],
    )
    gc.collect()
    assert len(greetings) == 1
    log: list[str] = []
    subscription = greetings("b").select().subscribe(log.append)
    gc.collect()
    # Observed, so it lives without a reference of the program's.
    users.upsert("b", User("Bill"))
    assert (log, len(greetings)) == (["hello Bob", "hello Bill"], 2)
    subscription.dispose()
    del first
    gc.collect()
    assert (len(greetings), users.observer_count) == (0, 0)
    kept = weakref.ref(greetings)
    del greetings
    assert kept() is None


def test_a_family_says_what_its_function_must_be(users: KeyedStore[str, User]) -> None:
    with pytest.raises(UsageError, match=r"returns derived\(\.\.\.\)"):
        family(lambda key: 5)("a")  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="the function of family"):
        family("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        family(lambda key: derived(users.select_count(), str))([])  # type: ignore[arg-type]


def test_threads_that_ask_for_one_key_at_once_share_one_value(
    users: KeyedStore[str, User],
) -> None:
    barrier = threading.Barrier(4)

    def make(key: str) -> Derived[int]:
        if barrier.n_waiting or not barrier.broken:
            barrier.wait(10)
        return derived(users.select_count(), lambda count: count)

    values = family(make)
    found: list[Derived[int]] = []
    threads = [threading.Thread(target=lambda: found.append(values("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(map(id, found))) == 1
