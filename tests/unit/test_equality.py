"""Rules for what counts as no change: the default rule type by type, `shallow`, and comparers of the user."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import operator
import uuid
from collections import OrderedDict, UserDict, UserList, deque, namedtuple
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Self

import attrs
import msgspec
import pytest

from reactive_ws.engine import Dump
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.engine.equality import same, shallow, unchanged
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Loud:
    """A value whose `==` must not be asked."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = None  # type: ignore[assignment]


class Vague:
    """A value whose `==` answers with no bool, as arrays do."""

    def __eq__(self, other: object) -> Any:
        return [True]

    __hash__ = None  # type: ignore[assignment]


@attrs.frozen
class Point:
    x: object
    y: object


@dataclasses.dataclass
class Record:
    x: object
    y: object


class Row(msgspec.Struct):
    x: int


class Marked(tuple[str, ...]):
    """A tuple with an attribute, which its `==` does not compare."""

    def __new__(cls, items: str, *, mark: int = 0) -> Self:
        made = super().__new__(cls, items)
        made.mark = mark  # type: ignore[attr-defined]
        return made


INSTANT = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the untyped kind is the case
NAN = math.nan


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1, 1, True),
        (10**30, 10**30 + 0, True),
        (1, 2, False),
        (1, True, False),
        (0, False, False),
        (1, 1.0, False),
        (1.5, 3 / 2, True),
        (0.0, -0.0, False),
        (0.0, 0.0 * 1, True),
        (complex(0, 0.0), complex(0, -0.0), False),
        (NAN, NAN, True),
        (NAN, float("nan"), True),
        ((NAN,), (float("nan"),), True),
        ((0.0,), (-0.0,), False),
        (1j, complex(0, 1), True),
        ("ab", str(b"ab", "ascii"), True),
        (b"ab", bytes([97, 98]), True),
        ("a", b"a", False),
        (None, None, True),
        (None, 0, False),
        (Colour.RED, Colour(1), True),
        (Colour.RED, Colour.BLUE, False),
        (Level.LOW, 1, False),
        (dt.date(2026, 1, 2), dt.date(2026, 1, 2), True),
        (dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 2), True),
        (dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 2, tzinfo=dt.UTC), False),
        (dt.date(2026, 1, 2), dt.datetime(2026, 1, 2), False),
        (dt.time(1), dt.time(1), True),
        (dt.timedelta(1), dt.timedelta(hours=24), True),
        (uuid.UUID(int=1), uuid.UUID(int=1), True),
        (decimal.Decimal("1.0"), decimal.Decimal("1.00"), False),
        (decimal.Decimal("1.0"), decimal.Decimal("1.0"), True),
        (INSTANT, INSTANT.astimezone(dt.timezone(dt.timedelta(hours=1))), False),
        (INSTANT, INSTANT.replace(fold=1), False),
        ((INSTANT,), (INSTANT.replace(fold=1),), False),
        (Marked("ab"), Marked("ab"), False),
        (fractions.Fraction(1, 2), fractions.Fraction(2, 4), True),
        ((), (), True),
        ((1, "a"), (1, "".join("a")), True),
        ((1,), (True,), False),
        ((1, (2,)), (1, (2,)), True),
        ((1, (1,)), (1, (True,)), False),
        ((1,), (1, 2), False),
        (tuple(range(8)), (*range(7), 7), True),
        (tuple(range(9)), (*range(8), 8), False),
        (Pair(1, 2), Pair(1, 2), True),
        (Pair(1, 2), (1, 2), False),
        ((Vague(),), (Vague(),), False),
        ((Loud(),), (Loud(),), False),
        ([1], [1], False),
        ({}, {}, False),
        (frozenset(), {1} - {1}, False),
        (Loud(), Loud(), False),
        (Point(1, 2), Point(1, 2), False),
    ],
)
def test_the_default_rule(old: object, new: object, expected: bool) -> None:
    assert same(old, new) is expected
    assert unchanged(same, old, new) is expected


def test_identity_decides_before_anything_is_asked(domain: Domain) -> None:
    loud = Loud()
    assert same(loud, loud)
    assert same((loud, loud), (loud, loud))
    store = Store(loud, domain=domain)
    store.set(loud)
    assert domain.number == 0
    store.set(Loud())
    assert domain.number == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([1, "a"], [1, "a"], True),
        ([1], [True], False),
        ([1], [1, 2], False),
        ([1], (1,), False),
        (tuple(range(20)), tuple(range(20)), True),
        ([[1]], [[1]], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": None}, {"b": None}, False),
        (Point(1, "a"), Point(1, "a"), True),
        (Point(1, "a"), Point(1, "b"), False),
        (Point([], 1), Point([], 1), False),
        ({1}, {1}, True),
        ({1}, {2}, False),
        (frozenset({1}), frozenset({1}), True),
        (deque([1, 2]), deque([1, 2]), True),
        (deque([1, 2]), deque([1, 3]), False),
        (bytearray(b"a"), bytearray(b"a"), True),
        (range(3), range(3), True),
        (Record(1, "a"), Record(1, "a"), True),
        (Record(1, "a"), Record(1, "b"), False),
        (Row(1), Row(1), True),
        (Row(1), Row(2), False),
        (Marked("ab"), Marked("ab"), True),
        (Marked("ab", mark=1), Marked("ab", mark=2), False),
        (UserList([1]), UserList([1]), True),
        (5, 5, True),
        (5, "5", False),
        (Loud(), Loud(), False),
    ],
)
def test_shallow_compares_item_by_item(old: object, new: object, expected: bool) -> None:
    assert shallow(old, new) is expected


def test_a_store_and_a_selection_take_a_comparer_of_their_own(domain: Domain) -> None:
    whole: Store[list[int]] = Store([1], domain=domain, equals=operator.eq)
    log: list[object] = []
    whole.select().subscribe(log.append)
    whole.select(lambda items: [item // 2 for item in items], equals=operator.eq).subscribe(
        lambda half: log.append(("half", half))
    )
    whole.select(equals=lambda old, new: len(old) == len(new)).subscribe(
        lambda items: log.append(("longer", items))
    )
    log.clear()
    whole.set([1])
    whole.set([2])
    whole.set([3])
    whole.set([3, 3])
    assert log == [
        [2],
        ("half", [1]),
        [3],
        [3, 3],
        ("half", [1, 1]),
        ("longer", [3, 3]),
    ]


def test_a_part_is_compared_with_the_one_that_was_notified(domain: Domain) -> None:
    store = Store(0.0, domain=domain)
    log: list[float] = []
    store.select(equals=lambda old, new: abs(old - new) < 1).subscribe(log.append)
    for value in (0.6, 1.2, 1.8, 2.4):
        store.set(value)
    assert log == [0.0, 1.2, 2.4]


def test_a_comparer_is_never_shown_a_value_that_is_none_of_ours(domain: Domain) -> None:
    store = Store(0, domain=domain)
    compared: list[tuple[object, object]] = []

    def equals(old: int, new: int) -> bool:
        compared.append((old, new))
        return old == new

    log: list[int] = []

    def first(value: int) -> None:
        log.append(value)
        if value == 0:
            store.set(1)

    store.select(lambda value: value, equals=equals).subscribe(first)
    fail = store.select(lambda value: 6 // (value - 2), equals=equals)
    store.set(2)
    fail.subscribe(log.append)
    store.set(3)
    assert log == [0, 1, 2, 3, 6]
    assert all(isinstance(value, int) for pair in compared for value in pair)


def test_a_signalling_nan_is_a_change_and_no_error(domain: Domain) -> None:
    store = Store(decimal.Decimal("sNaN"), domain=domain)
    log: list[decimal.Decimal] = []
    store.select().subscribe(log.append)
    store.set(decimal.Decimal(1))
    assert log[1:] == [decimal.Decimal(1)]


WRITES: dict[str, Callable[[Any, Any], object]] = {
    "set": lambda store, value: store.set(value),
    "update": lambda store, value: store.update(lambda _: value),
    "load": lambda store, value: store.domain.load(Dump(0, {"s": value})),
}
KEYED_WRITES: dict[str, Callable[[Any, Any], object]] = {
    "upsert": lambda store, entity: store.upsert("x", entity),
    "update": lambda store, entity: store.update("x", lambda _: entity),
    "set_many": lambda store, entity: store.set_many({"x": entity}),
    "replace_all": lambda store, entity: store.replace_all({"x": entity, "y": store.get("y")}),
    "rename": lambda store, entity: (store.upsert("z", entity), store.rename("z", "x")),
    "load": lambda store, entity: store.domain.load(Dump(0, {"s": {"x": entity, "y": store.get("y")}})),
}  # fmt: skip


@pytest.mark.parametrize("is_batched", [False, True])
@pytest.mark.parametrize("kind", [*WRITES, *(f"keyed {name}" for name in KEYED_WRITES)])
def test_a_comparer_means_the_same_for_every_way_to_write(kind: str, *, is_batched: bool) -> None:
    def calls(equals: Any, value: Any) -> int:
        """Returns how often an observer is called when `value` is written over the first one."""
        domain = Domain("equals")
        seen: list[object] = []
        name = kind.removeprefix("keyed ")
        store: Any
        if kind in WRITES:
            store, write = Store(FIRST, name="s", domain=domain, equals=equals), WRITES[name]
            store.select().subscribe(seen.append)
        else:
            first = {"x": FIRST, "y": "other"}
            store, write = KeyedStore(first, name="s", domain=domain, equals=equals), KEYED_WRITES[name]  # fmt: skip
            store.select("x").subscribe(seen.append)
        seen.clear()
        with batch(domain) if is_batched else nullcontext():
            write(store, value)
        return len(seen)

    same_object, equal, other = FIRST, [1], [2]
    assert (calls(None, equal), calls(None, same_object)) == (1, 0)
    assert (calls(operator.eq, equal), calls(operator.eq, same_object)) == (0, 0)
    assert calls(operator.eq, other) == 1
    assert [calls(lambda _old, _new: False, it) for it in (same_object, equal)] == [1, 1]


@pytest.mark.parametrize("is_batched", [False, True])
@pytest.mark.parametrize("is_keyed", [False, True])
def test_a_reset_asks_the_comparer(*, is_keyed: bool, is_batched: bool) -> None:
    def calls(equals: Any, value: Any) -> int:
        """Returns how often an observer is called when a reset replaces `value` by an equal object, or by itself."""
        domain = Domain("equals")
        seen: list[object] = []
        store: Any
        if is_keyed:
            store = KeyedStore({"x": FIRST}, domain=domain, equals=equals)
            store.remove("x")
            store.upsert("x", value)
            store.select("x").subscribe(seen.append)
        else:
            store = Store(FIRST, domain=domain, equals=equals)
            store.set([])
            store.set(value)
            store.select().subscribe(seen.append)
        seen.clear()
        with batch(domain) if is_batched else nullcontext():
            store.reset()
        return len(seen)

    assert (calls(None, [1]), calls(None, FIRST)) == (1, 0)
    assert (calls(operator.eq, [1]), calls(operator.eq, FIRST)) == (0, 0)
    assert [calls(lambda _old, _new: False, it) for it in (FIRST, [1])] == [1, 1]


FIRST = [1]


class Named(list[int]):
    __slots__ = ("name",)

    def __init__(self, name: str, *items: int) -> None:
        super().__init__(items)
        self.name = name


@dataclasses.dataclass
class Titled(dict[str, int]):
    title: str


def titled(**items: int) -> Titled:
    made = Titled("t")
    made.update(items)
    return made


@attrs.define(slots=False)
class Spot:
    x: int


class Placed(Spot):
    """A plain subclass of an attrs class, with an attribute beside its fields."""

    def __init__(self, x: int, y: int) -> None:
        super().__init__(x)
        self.y = y


class Slotted(Point):
    """The same with a slot; frozen, so that it sets what it has as attrs does."""

    __slots__ = ("z",)

    def __init__(self, x: int, z: int) -> None:
        super().__init__(x, 0)
        object.__setattr__(self, "z", z)


class Noted(Record):
    """A plain subclass of a dataclass."""

    def __init__(self, x: int, note: int) -> None:
        super().__init__(x, 0)
        self.note = note


class Private(list[int]):
    """A container with a private slot, which has another name in the class."""

    __slots__ = ("__mark",)

    def __init__(self, mark: int) -> None:
        super().__init__()
        self.__mark = mark


class Tagged(msgspec.Struct, dict=True):
    """A struct that takes attributes beside its fields."""

    x: int


def tagged(tag: int) -> Tagged:
    made = Tagged(1)
    made.tag = tag  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda it: Placed(1, it),
        lambda it: Placed(it, 1),
        lambda it: Slotted(1, it),
        lambda it: Noted(1, it),
        Private,
        tagged,
    ],
    ids=["attribute", "field", "slot", "dataclass", "private slot", "struct"],
)
def test_shallow_compares_what_a_subclass_has_beside_fields_and_items(
    make: Callable[[int], object],
) -> None:
    assert shallow(make(1), make(1))
    assert not shallow(make(1), make(2))


@attrs.define
class Priced:
    net: int

    @functools.cached_property
    def gross(self) -> int:
        return self.net * 2


@dataclasses.dataclass
class Costing:
    net: int

    @functools.cached_property
    def gross(self) -> int:
        return self.net * 2


@pytest.mark.parametrize("kind", [Priced, Costing])
def test_shallow_does_not_see_what_a_cached_property_keeps(kind: Any) -> None:
    old, new = kind(1), kind(1)
    assert old.gross == 2
    assert shallow(old, new)
    assert not shallow(old, kind(2))


@pytest.mark.parametrize("kind", [dict, OrderedDict, UserDict])
def test_shallow_compares_the_views_of_a_mapping(kind: Any) -> None:
    one, equal, other = kind(a=[1], b=2), kind(a=[1], b=2), kind(a=[1], b=3)
    equal["a"] = other["a"] = one["a"]
    longer, apart = kind(one, c=3), kind(one, a=[1])
    for view in (kind.items, kind.values):
        assert shallow(view(one), view(equal))
        for differing in (other, longer, apart):
            assert not shallow(view(one), view(differing))
    assert shallow(one.keys(), other.keys())
    assert not shallow(one.keys(), longer.keys())
    turned = kind(b=2, a=one["a"])
    for view in (kind.items, kind.keys):
        assert shallow(view(one), view(turned)) is (kind is not OrderedDict)


def test_shallow_sees_the_order_of_views_of_entities() -> None:
    store = KeyedStore({"a": 1, "b": 2}, domain=Domain())
    before = store.get_all()
    assert shallow(before.items(), KeyedStore({"a": 1, "b": 2}).get_all().items())
    store.move("b", before="a")
    now = store.get_all()
    assert not shallow(before.items(), now.items())
    assert not shallow(before.keys(), now.keys())
    assert not shallow(before.values(), now.values())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({1}, {True}),
        ({1: "x"}, {True: "x"}),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        (Named("a", 1), Named("b", 1)),
        (Named("a", 1), Named("a", 2)),
        (titled(a=1), titled(a=2)),
    ],
    ids=repr,
)
def test_shallow_sees_each_part_that_a_screen_may_show(old: object, new: object) -> None:
    assert not shallow(old, new)
    assert shallow(copy.deepcopy(old), old)


def test_shallow_sees_that_entities_moved() -> None:
    store = KeyedStore({"a": 1, "b": 2}, domain=Domain())
    seen: list[list[str]] = []
    store.select_part(lambda now: now, equals=shallow).subscribe(lambda now: seen.append(list(now)))
    store.move("b", before="a")
    assert seen == [["a", "b"], ["b", "a"]]
