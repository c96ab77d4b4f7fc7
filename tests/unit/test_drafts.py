"""Drafts and writable parts: new values by changing old ones, sharing, errors."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import msgspec
import pytest

from reactive_ws import Domain, KeyedStore, Store, batch
from reactive_ws.editing import at, part, produce
from reactive_ws.errors import UsageError
from reactive_ws.state import Map


@attrs.frozen
class Address:
    city: str
    zip_code: str = ""


@dataclasses.dataclass(frozen=True)
class Company:
    name: str
    tags: frozenset[str] = frozenset()


class Job(msgspec.Struct, frozen=True):
    title: str
    company: Company


@attrs.frozen
class User:
    name: str
    address: Address
    jobs: tuple[Job, ...] = ()
    extra: dict[str, list[int]] = attrs.field(factory=dict[str, list[int]])
    _secret: int = 0

    @property
    def label(self) -> str:
        return f"{self.name} of {self.address.city}"

    def shout(self) -> str:
        return self.name.upper()


USER = User(
    "ada", Address("Rome"), (Job("dev", Company("acme", frozenset("x"))),), {"a": [1], "b": [2]}
)


def test_records_of_every_kind_change_deep_inside_and_the_rest_is_shared() -> None:
    def recipe(user: Any) -> None:
        user.jobs[0].company.tags.add("y")
        user.extra["a"].append(9)
        user._secret = 5

    after = produce(USER, recipe)
    assert after == User(
        "ada",
        Address("Rome"),
        (Job("dev", Company("acme", frozenset("xy"))),),
        {"a": [1, 9], "b": [2]},
        5,
    )
    assert after.address is USER.address
    assert after.extra["b"] is USER.extra["b"]
    assert USER.extra == {"a": [1], "b": [2]}
    assert type(after.jobs[0].company.tags) is frozenset


@pytest.mark.parametrize(
    "recipe",
    [
        lambda user: None,
        lambda user: setattr(user, "name", user.name),
        lambda user: user.extra["a"][0],
        lambda user: (user.extra.update(c=[3]), user.extra.pop("c")),
        lambda user: setattr(user, "address", user.address),
        lambda user: user.jobs[0].company.tags.add("x"),
    ],
)
def test_a_recipe_that_changes_nothing_gives_the_same_object(recipe: Any) -> None:
    assert produce(USER, recipe) is USER


def test_methods_and_properties_of_a_draft_see_what_was_assigned() -> None:
    seen: list[str] = []

    def recipe(user: Any) -> None:
        user.name = "bob"
        user.address.city = "Oslo"
        seen.extend([user.label, user.shout()])

    produce(USER, recipe)
    assert seen == ["bob of Oslo", "BOB"]


def test_lists_mappings_and_sets_have_their_methods() -> None:
    value = {
        "n": [3, 1, 2],
        "t": (1, 2),
        "s": {1},
        "m": Map({"k": [0]}),
        "r": [Address("a"), Address("b")],
    }

    def recipe(draft: Any) -> None:
        draft["n"].sort()
        draft["n"] += [7]
        del draft["n"][0]
        draft["t"].append(3)
        draft["s"] |= {2}
        draft["m"]["k"].insert(0, 5)
        draft["r"].remove(Address("a"))
        draft["r"][0].city = "c"
        draft["new"] = {"x": draft["r"][0]}
        assert (draft["n"], draft["t"][1:], list(draft)) == ([2, 3, 7], [2, 3], [*value, "new"])

    after = produce(value, recipe)
    assert after == {
        "n": [2, 3, 7],
        "t": (1, 2, 3),
        "s": {1, 2},
        "m": Map({"k": [5, 0]}),
        "r": [Address("c")],
        "new": {"x": Address("c")},
    }
    assert type(after["new"]["x"]) is Address


def test_what_a_draft_refuses() -> None:
    kept: list[Any] = []
    with pytest.raises(UsageError, match="a int has no parts"):
        produce(5, kept.append)
    with pytest.raises(AttributeError, match="no field 'nam'; its fields are name, address"):
        produce(USER, lambda user: setattr(user, "nam", 1))
    with pytest.raises(KeyError):
        produce({"a": 1}, lambda draft: draft.__delitem__("b"))
    produce(USER, lambda user: kept.extend([user, user.extra, user.jobs]))
    for use in (lambda: kept[0].name, lambda: kept[1]["a"], lambda: kept[2].append(1)):
        with pytest.raises(UsageError, match="ended with its recipe"):
            use()
    with pytest.raises(UsageError, match="cannot contain itself"):
        produce({"a": [1]}, lambda draft: draft["a"].append(draft))


# --- parts ----------------------------------------------------------------------------------------------------------------


def test_a_part_reads_as_a_stream_and_writes_through() -> None:
    store = Store(USER, domain=Domain(strict=True), name="user")
    city, first = at(store, "address", "city"), at(store, "extra", "a", 0)
    seen: list[str] = []
    city.select().subscribe(seen.append)
    city.set("Oslo")
    first.update(lambda number: number + 1)
    store.update(lambda user: attrs.evolve(user, address=Address("Bern")))
    assert (seen, store.get().extra, first.get(), city.name) == (
        ["Rome", "Oslo", "Bern"], {"a": [2], "b": [2]}, 2, "user['address']['city']",
    )  # fmt: skip
    with batch(store.domain):
        city.set("x")
        assert city.get() == "x"
    assert repr(city) == "<Part \"user['address']['city']\" = 'x'>"


def test_a_part_by_functions_and_a_part_of_a_part() -> None:
    store = Store((20.0, "C"), domain=Domain(strict=True))
    celsius = part(store, lambda now: now[0], lambda now, new: (new, now[1]))
    fahrenheit = part(celsius, lambda c: c * 9 / 5 + 32, lambda _, f: (f - 32) * 5 / 9)
    assert fahrenheit.get() == 68
    fahrenheit.set(212)
    assert (store.get(), celsius.get()) == ((100.0, "C"), 100)
    name = at(at(Store({"u": USER}, domain=Domain()), "u"), "name")
    name.set("bob")
    assert name.get() == "bob"


def test_a_part_of_an_entity_wakes_only_its_own_observers() -> None:
    users: KeyedStore[int, User] = KeyedStore({1: USER, 2: USER}, domain=Domain(strict=True))
    seen: list[str] = []
    at(users, 1, "name").select().subscribe(seen.append)
    at(users, 2, "name").set("bob")
    at(users, 1, "name").set("eve")
    at(users, 2).set(attrs.evolve(USER, name="joe"))
    assert (seen, users.get(2)) == (["ada", "eve"], attrs.evolve(USER, name="joe"))
    with pytest.raises(KeyError):
        at(users, 3, "name").set("x")


def test_threads_that_write_different_parts_lose_nothing() -> None:
    store = Store({"a": 0, "b": 0}, domain=Domain(strict=True))

    def count(key: str) -> None:
        for _ in range(300):
            at(store, key).update(lambda number: number + 1)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, "ab"))
    assert store.get() == {"a": 300, "b": 300}


def test_a_part_that_is_not_there_changes_nothing_and_the_doors_refuse() -> None:
    store = Store({"a": [1]}, domain=Domain(strict=True))
    with pytest.raises(IndexError):
        at(store, "a", 5).set(1)
    with pytest.raises(UsageError, match="takes a path"):
        at(store)
    with pytest.raises(UsageError, match="of part\\(\\) is a"):
        part(store, "a", "b")  # type: ignore[arg-type]
    assert store.domain.number == 0
