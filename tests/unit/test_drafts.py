"""Drafts and writable parts: new values by changing old ones, sharing, errors."""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple

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
        lambda user: user.extra["a"][0] and None,
        lambda user: user.extra.update(c=[3]) or user.extra.__delitem__("c"),
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


def test_a_new_record_may_be_made_of_drafts() -> None:
    def recipe(user: Any) -> None:
        user.address.city = "Oslo"
        user.jobs.append(Job("chef", user.jobs[0].company))
        user.extra["people"] = [{"other": User("bob", user.address)}]
        user.extra["map"] = Map({"where": user.address})

    after: Any = produce(USER, recipe)
    assert after.jobs[1] == Job("chef", USER.jobs[0].company)
    assert after.extra["people"] == [{"other": User("bob", Address("Oslo"))}]
    assert after.extra["map"] == Map({"where": Address("Oslo")})
    kinds = {type(after.extra["people"][0]["other"].address), type(after.extra["map"]["where"])}
    assert kinds == {Address}


@pytest.fixture(params=["slots", "a dict"])
def cart_class(request: pytest.FixtureRequest) -> Any:
    @attrs.frozen(slots=request.param == "slots")
    class Cart:
        limit: ClassVar[int] = 9
        items: tuple[str, ...] = ()
        prices: dict[str, int] = attrs.field(factory=dict[str, int])
        place: Address = Address("Rome")

        @classmethod
        def full(cls) -> str:
            return f"{cls.limit} items"

        def with_item(self, item: str) -> Any:
            return attrs.evolve(self, items=self.items + (item,))  # noqa: RUF005 - as programs do

        @functools.cached_property
        def total(self) -> int:
            return sum(self.prices.values())

    return Cart


def test_methods_that_were_written_for_the_record_work_on_its_draft(cart_class: Any) -> None:
    Cart = cart_class  # noqa: N806 - a class
    totals: list[int] = []

    def recipe(draft: Any) -> None:
        cart = draft["cart"]
        totals.append(cart.total)
        cart.prices |= {"tea": 2}
        totals.append(cart.total)
        assert isinstance(cart, Cart)
        assert (cart.limit, cart.full()) == (9, "9 items")
        assert ("salt",) + cart.items == ("salt", "milk")  # noqa: RUF005
        assert cart.prices | {"x": 1} == {"milk": 1, "tea": 2, "x": 1}
        match cart:
            case Cart(place=Address(city=city)):
                assert city == "Rome"
        cart.place.city = "Oslo"
        draft["cart"] = cart.with_item("tea")
        assert type(copy.deepcopy(cart)) is Cart
        assert copy.copy(cart.prices) == cart.prices.copy() == {"milk": 1, "tea": 2}

    after = produce({"cart": Cart(("milk",), {"milk": 1})}, recipe)
    assert after == {"cart": Cart(("milk", "tea"), {"milk": 1, "tea": 2}, Address("Oslo"))}
    assert type(after["cart"].place) is Address
    assert totals == [1, 3]


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        (
            [3, 1, 2, 1],
            (
                "append(4) clear() copy() count(1) extend([5]) index(2) insert(1,9) pop() pop(1) remove(1) reverse() sort()"
                " sort(reverse=True) __add__([1]) __mul__(2) __rmul__(2) __imul__(2) __iadd__([1]) __lt__([4]) __le__([3])"
                " __gt__([1]) __ge__([9]) __contains__(2) __len__() __getitem__(-1) __delitem__(slice(1,3))"
            ),
        ),
        (
            {1: "a", 2: "b"},
            (
                "clear() copy() get(1) get(9,0) items() keys() values() pop(1) pop(9,0) popitem() setdefault(1,5)"
                " setdefault(3,5) update({3:4}) __or__({3:4}) __ror__({3:4}) __ior__({3:4}) __contains__(1) __len__()"
                " __reversed__()"
            ),
        ),
        (
            {1, 2, 3},
            (
                "add(4) clear() copy() difference([1]) difference_update([1]) discard(1) intersection([1])"
                " intersection_update([1]) isdisjoint([1]) issubset([1]) issuperset([1]) remove(2) symmetric_difference([1,7])"
                " symmetric_difference_update([1,7]) union([7],[8]) update([7],[8]) __or__({7}) __and__({1}) __sub__({1})"
                " __xor__({1}) __ior__({7}) __iand__({1}) __isub__({1}) __ixor__({1}) __le__({1}) __contains__(1) __len__()"
            ),
        ),
    ],
)
def test_a_draft_has_the_methods_of_its_value(value: Any, calls: str) -> None:
    for call in calls.split(" "):
        model, results = copy.copy(value), list[Any]()

        def recipe(draft: Any, call: str = call, results: list[Any] = results) -> None:
            found = eval(f"draft['value'].{call}", {"draft": draft, "slice": slice})
            results.append("itself" if found is draft["value"] else listed(found))

        after = produce({"value": value}, recipe)["value"]
        expected = eval(f"model.{call}", {"model": model, "slice": slice})
        assert (after, type(after)) == (model, type(value)), call
        assert results == ["itself" if expected is model else listed(expected)], call


def listed(value: Any) -> Any:
    """Returns the items of a container, an iterator or a view of a dict; any other value as it is."""
    return list(value) if hasattr(value, "__iter__") else value


def test_containers_without_a_draft_are_copied_and_not_changed_in_place() -> None:
    class Names(list[str]):
        pass

    def original() -> dict[str, Any]:
        return {
            "count": defaultdict(int, a=1),
            "order": OrderedDict(x=[1]),
            "last": deque([1, 2], maxlen=2),
            "bytes": bytearray(b"ab"),
            "names": Names(["n"]),
            "untouched": Counter("aab"),
            "address": Address("Rome"),
        }

    before = original()

    def recipe(draft: Any) -> None:
        draft["count"]["b"] += 1
        draft["order"].move_to_end("x")
        draft["order"]["x"].append(2)
        draft["last"].append(3)
        draft["bytes"] += b"c"
        draft["names"].append("m")
        draft["names"].append(draft["address"])
        assert draft["untouched"]["a"] == 2

    after = produce(before, recipe)
    assert before == original()
    assert after == {
        "count": {"a": 1, "b": 1},
        "order": {"x": [1, 2]},
        "last": deque([2, 3]),
        "bytes": b"abc",
        "names": ["n", "m", Address("Rome")],
        "untouched": Counter("aab"),
        "address": Address("Rome"),
    }
    assert type(after["names"][2]) is Address
    assert (type(after["count"]), after["last"].maxlen) == (defaultdict, 2)
    assert after["untouched"] is before["untouched"]


@attrs.define
class Area:
    width: int
    parts: list[int] = attrs.field(factory=list[int], init=False)


@dataclasses.dataclass
class Other:
    parts: list[int] = dataclasses.field(default_factory=list[int], init=False)


def test_a_field_that_the_class_computes_is_not_changed() -> None:
    for value in (Area(1), Other()):
        for recipe in (
            lambda draft: draft.parts.append(1),
            lambda draft: setattr(draft, "parts", []),
        ):
            with pytest.raises(UsageError, match=r"computes its field 'parts' \(init=False\)"):
                produce(value, recipe)
    assert produce(Area(1), lambda draft: setattr(draft, "width", 2)) == Area(2)


def test_what_the_recipe_does_not_touch_is_not_looked_at() -> None:
    inner: list[Any] = []
    inner.append(inner)
    value = [inner, 1]
    after = produce(value, lambda draft: draft.append(2))
    assert (after[0] is inner, after[1:]) == (True, [1, 2])

    looked: list[str] = []

    class Watched(list[int]):
        def __iter__(self) -> Any:
            looked.append("iter")
            return super().__iter__()

    produce([[Watched([1])], 1], lambda draft: draft.append(2))
    assert looked == []


def test_values_in_themselves_and_drafts_of_drafts_are_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    cycle: dict[str, Any] = {}
    cycle["me"] = cycle
    for new in (ring, cycle, (ring,), {"deep": [ring]}):
        with pytest.raises(UsageError, match="cannot contain itself"):
            produce({}, lambda draft, new=new: draft.update(x=new))
    with pytest.raises(UsageError, match="not a draft"):
        produce({"a": {}}, lambda draft: produce(draft["a"], lambda inner: None))


def test_one_object_in_two_places_is_two_values() -> None:
    shared = [1]

    def recipe(draft: Any) -> None:
        draft["a"].append(2)
        draft["c"] = draft["a"]
        draft["a"].append(3)

    after = produce({"a": shared, "b": shared}, recipe)
    assert after == {"a": [1, 2, 3], "b": [1], "c": [1, 2, 3]}
    assert after["b"] is shared


def test_every_use_of_a_draft_that_ended_is_refused() -> None:
    kept: list[Any] = []
    value = {"d": {"a": 1}, "l": [1], "s": {1}}
    produce(value, lambda draft: kept.extend(draft.values()))
    mapping, items, members = kept
    for use in (
        lambda: "a" in mapping,
        lambda: list(mapping),
        lambda: len(items),
        lambda: 1 in members,
        lambda: list(members),
        lambda: len(members),
    ):
        with pytest.raises(UsageError, match="ended with its recipe"):
            use()


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


class Plain:
    size = 1


class Pair(NamedTuple):
    left: Any
    right: Any


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        (("user", "address", "cty"), AttributeError, r"t\['user'\]\['address'\] \(Address\) has no field 'cty'"),
        (("user", "jobs", 9), IndexError, r"t\['user'\]\['jobs'\] \(tuple\) has no such index"),
        (("user", "extra", "c", "d"), KeyError, r"t\['user'\]\['extra'\] \(dict\) has no such key"),
        (("user", "jobs", "x"), TypeError, r"t\['user'\]\['jobs'\] \(tuple\) has no such index"),
        (("none", "x"), AttributeError, r"t\['none'\] is None"),
        (("gone",), KeyError, r"t \(dict\) has no such key"),
        (("user", 5), TypeError, r"t\['user'\] \(User\) has no field 5"),
    ],
)  # fmt: skip
def test_the_error_of_a_part_that_is_not_there_names_its_path(
    path: tuple[Any, ...], kind: type[Exception], reason: str
) -> None:
    store = Store({"user": USER, "none": None}, domain=Domain(strict=True), name="t")
    it = at(store, *path)
    whole = re.escape("t" + "".join(f"[{step!r}]" for step in path))
    for use in (it.get, lambda: it.set(1), lambda: it.update(str)):
        with pytest.raises(kind, match=f"the part {whole} is not there: {reason}"):
            use()
    assert store.domain.number == 0


def test_the_error_of_a_part_of_an_entity_names_its_path() -> None:
    users: KeyedStore[int, User] = KeyedStore({1: USER}, domain=Domain(strict=True), name="users")
    with pytest.raises(AttributeError, match=r"part users\[3\]\['name'\] is .*users\[3\] is None"):
        at(users, 3, "name").get()
    with pytest.raises(KeyError, match=r"part users\[3\]\['name'\] is .*users\[3\] has no entity"):
        at(users, 3, "name").set("x")
    with pytest.raises(KeyError, match=r"part users\[3\] is .*users\[3\] has no entity"):
        at(users, 3).set(USER)
    assert at(users, 3).get() is None


def test_what_the_functions_of_a_part_raise_names_the_part() -> None:
    def fails(now: int, new: Any) -> int:
        raise ValueError("no")

    store = Store(0, domain=Domain(strict=True))
    reading = part(store, lambda now: 1 // now, lambda now, _: now, name="share")
    writing = part(store, lambda now: now, fails, name="size")
    for use, kind, note in (
        (reading.get, ZeroDivisionError, "in share"),
        (lambda: reading.set(1), ZeroDivisionError, "in share"),
        (lambda: writing.set(1), ValueError, "in size"),
    ):
        with pytest.raises(kind) as caught:
            use()
        assert caught.value.__notes__ == [note]


def test_a_part_of_an_object_without_a_draft_is_not_written_in_place() -> None:
    plain = Plain()
    store = Store({"plain": plain}, domain=Domain(strict=True), name="t")
    it = at(store, "plain", "size")
    assert it.get() == 1
    with pytest.raises(UsageError, match=r"part t\['plain'\]\['size'\] cannot be written"):
        it.set(5)
    assert (it.get(), vars(plain), store.domain.number) == (1, {}, 0)


def test_a_named_tuple_has_a_draft_and_parts_by_field_and_by_index() -> None:
    pair = Pair(1, [2])
    store = Store({"pair": pair}, domain=Domain(strict=True))

    def recipe(draft: Any) -> None:
        left, right = draft["pair"]
        right.append(left)
        draft["pair"][1].append(4)
        draft["pair"].left = len(draft["pair"]) + 5
        draft["other"] = Pair(draft["pair"].right, 0)

    after = produce({"pair": pair}, recipe)
    assert after == {"pair": Pair(7, [2, 1, 4]), "other": Pair([2, 1, 4], 0)}
    assert (pair, type(after["pair"])) == (Pair(1, [2]), Pair)
    at(store, "pair", "left").set(5)
    at(store, "pair", 1, 0).set(6)
    assert store.get() == {"pair": Pair(5, [6])}


@attrs.define(order=True)
class Money:
    cents: int
    notes: list[str] = attrs.field(factory=list, order=False)

    def __bool__(self) -> bool:
        return self.cents != 0

    def __len__(self) -> int:
        return len(self.notes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.notes)

    def __contains__(self, note: object) -> bool:
        return note in self.notes

    def __getitem__(self, index: int) -> str:
        return self.notes[index]

    def __setitem__(self, index: int, note: str) -> None:
        self.notes[index] = note

    def __delitem__(self, index: int) -> None:
        del self.notes[index]

    def __call__(self, note: str) -> None:
        self.notes.append(note)

    def __add__(self, other: Any) -> Money:
        return Money(self.cents + (other if isinstance(other, int) else other.cents))

    __radd__ = __add__

    def __neg__(self) -> Money:
        return Money(-self.cents)

    def __str__(self) -> str:
        return f"{self.cents} ct"

    @property
    def euros(self) -> int:
        return self.cents // 100

    @euros.setter
    def euros(self, euros: int) -> None:
        self.cents = euros * 100


def test_operators_and_special_methods_of_a_record_work_on_its_draft() -> None:
    value = {"a": Money(100, ["x", "y"]), "b": Money(50), "zero": Money(0)}

    def recipe(draft: Any) -> None:
        a, b = draft["a"], draft["b"]
        a("z")
        a[0] = "new"
        del a[1]
        assert (len(a), list(a), a[0], "z" in a, "y" in a) == (2, ["new", "z"], "new", True, False)
        assert (bool(a), bool(draft["zero"]), str(a), repr(a)) == (
            True, False, "100 ct", "<draft of Money>",
        )  # fmt: skip
        assert b < a
        assert a > b
        assert b <= b
        assert a >= b
        assert -b == Money(-50)
        a.euros = 3
        draft["sum"] = a + b
        draft["c"] = 1 + b
        draft["b"] += 1

    after = produce(value, recipe)
    assert after == {
        "a": Money(300, ["new", "z"]), "b": Money(51), "zero": Money(0), "sum": Money(350), "c": Money(51),
    }  # fmt: skip
    assert value == {"a": Money(100, ["x", "y"]), "b": Money(50), "zero": Money(0)}


def test_a_record_without_special_methods_refuses_them_on_its_draft() -> None:
    def recipe(draft: Any) -> None:
        for use in (
            lambda: list(draft),
            lambda: len(draft),
            lambda: draft[0],
            lambda: draft(),
            lambda: draft + 1,
            lambda: 1 in draft,
        ):
            with pytest.raises(TypeError):
                use()
        assert (bool(draft), str(draft)) == (True, "<draft of Address>")

    assert produce(USER.address, recipe) is USER.address


def test_a_loop_over_a_draft_may_change_it() -> None:
    def recipe(draft: Any) -> None:
        for key in draft:
            draft[key + key] = draft.pop(key)

    assert produce({"a": 1, "b": 2}, recipe) == {"aa": 1, "bb": 2}


@pytest.mark.parametrize(
    ("recipe", "what"),
    [
        (lambda draft: [*draft, 2], "class list"),
        (lambda draft: draft, "its draft"),
        (lambda draft: draft.pop(), "class int"),
        (lambda draft: (item for item in draft), "a generator"),
    ],
)
def test_a_recipe_that_returns_a_value_is_refused(recipe: Any, what: str) -> None:
    value = [1]
    with pytest.raises(UsageError, match=f"returned .*{what}"):
        produce(value, recipe)
    assert value == [1]


async def _awaits(draft: Any) -> None:
    draft.append(2)


def test_a_recipe_that_returns_a_coroutine_is_refused_and_the_coroutine_is_closed() -> None:
    with pytest.raises(UsageError, match="await first"):
        produce([1], lambda draft: _awaits(draft))


def test_a_field_of_a_record_cannot_be_deleted_and_the_error_names_the_record() -> None:
    def recipe(draft: Any) -> None:
        del draft.city

    with pytest.raises(AttributeError, match="a field of City cannot be deleted; assign 'city'"):
        produce(City("Oslo"), recipe)


@attrs.frozen
class City:
    city: str
