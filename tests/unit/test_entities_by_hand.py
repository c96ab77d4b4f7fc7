"""Rules for entities that a program orders by hand, and for the active one."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.state import Active, Entities, KeyedStore, Store
from reactive_ws.views import view


@pytest.fixture
def keyed(domain: Domain) -> KeyedStore[str, int]:
    return KeyedStore({"a": 1, "b": 2, "c": 3, "d": 4}, domain=domain)


def order(keyed: KeyedStore[str, int]) -> str:
    return "".join(keyed.get_all())


def test_an_entity_moves_before_or_after_another_one(keyed: KeyedStore[str, int]) -> None:
    orders: list[tuple[str, ...]] = []
    calls: list[object] = []
    keyed.select_keys().subscribe(orders.append)
    keyed.select("d").subscribe(calls.append)
    keyed.move("d", before="a")
    keyed.move("d", after="b")
    keyed.move("a", after="c")
    keyed.upsert("e", 5)
    keyed.move("b", after="e")
    assert ["".join(it) for it in orders] == ["abcd", "dabc", "abdc", "bdca", "bdcae", "dcaeb"]
    keyed.upsert("f", 6)
    assert order(keyed) == "dcaebf"
    assert calls == [4]
    assert keyed.get("d") == 4


def test_a_move_to_where_it_is_is_no_commit(keyed: KeyedStore[str, int]) -> None:
    for options in ({"before": "c"}, {"after": "a"}, {"before": "b"}):
        keyed.move("b", **options)
    keyed.move("a", before="b")
    keyed.move("d", after="c")
    assert (order(keyed), keyed.domain.number) == ("abcd", 0)


def test_wrong_moves_are_refused(keyed: KeyedStore[str, int]) -> None:
    for options in ({}, {"before": "a", "after": "b"}):
        with pytest.raises(UsageError, match="either before= or after="):
            keyed.move("c", **options)
    with pytest.raises(KeyError):
        keyed.move("x", before="a")
    with pytest.raises(KeyError):
        keyed.move("a", after="x")


def test_random_moves_keep_the_order_of_a_list_and_views_follow() -> None:
    rng = random.Random(3)
    keyed: KeyedStore[int, int] = KeyedStore(
        {n: n % 3 for n in range(20)}, domain=Domain(strict=True)
    )
    rows, by_rest = view(keyed), view(keyed).sorted_by(lambda rest: rest, reverse=True)
    subscriptions = [rows.select().subscribe(), by_rest.select().subscribe()]
    model = list(range(20))
    for step in range(400):
        match rng.randrange(6):
            case 0 | 1 | 2 if len(model) > 1:
                key, other = rng.sample(model, 2)
                is_before = rng.random() < 0.5
                model.remove(key)
                model.insert(model.index(other) + (0 if is_before else 1), key)
                keyed.move(key, **{"before" if is_before else "after": other})
            case 3:
                key = rng.randrange(100)
                keyed.upsert(key, key % 3)
                if key not in model:
                    model.append(key)
            case 4 if model:
                key = rng.choice(model)
                model.remove(key)
                keyed.remove(key)
            case _ if len(model) > 1:
                with batch(keyed.domain):
                    key, other = rng.sample(model, 2)
                    keyed.move(key, before=other)
                    model.remove(key)
                    model.insert(model.index(other), key)
        assert list(keyed.get_all()) == model, step
        assert rows.get().keys() == tuple(model)
        assert by_rest.get().keys() == tuple(sorted(model, key=lambda key: -(key % 3)))
    for subscription in subscriptions:
        subscription.dispose()


def test_moves_between_two_neighbours_have_no_end(keyed: KeyedStore[str, int]) -> None:
    for _ in range(300):
        keyed.move("c", after="a")
        keyed.move("d", after="a")
    assert order(keyed) == "adcb"
    entities = keyed.get_all()
    assert isinstance(entities, Entities)
    assert all(entities.place_of(key).denominator < 2**65 for key in entities)


def test_the_active_entity_follows_its_entity(keyed: KeyedStore[str, int]) -> None:
    active = Active(keyed)
    log: list[Any] = []
    active.select().subscribe(log.append)
    keys: list[Any] = []
    active.key.select().subscribe(keys.append)
    active.set("b")
    keyed.upsert("b", 5)
    keyed.upsert("a", 9)
    with batch(keyed.domain):
        keyed.remove("b")
        assert (active.get(), active.key.get()) == (None, None)
    active.set("x")
    keyed.upsert("x", 7)
    active.set(None)
    assert log == [None, 2, 5, None, 7, None]
    assert keys == [None, "b", None, "x", None]
    assert Active(keyed, "a").get() == 9
    with pytest.raises(UsageError, match=r"Active\(\) takes a KeyedStore"):
        Active(Store(1))  # type: ignore[arg-type]


def test_a_snapshot_knows_whether_other_keys_kept_their_places(
    keyed: KeyedStore[str, int],
) -> None:
    snapshots = [keyed.get_all()]
    for change in (
        lambda: keyed.rename("a", "x"),
        lambda: keyed.rename("x", "b"),  # `b` was there: two places are gone.
        lambda: keyed.remove("c"),
        lambda: keyed.move("d", before="b"),
        lambda: keyed.upsert("e", 5),
        lambda: keyed.upsert("e", 6),
    ):
        change()
        snapshots.append(keyed.get_all())
    for older, newer in itertools.pairwise(snapshots):
        assert newer.keeps_places_of(older)
    # The last change touched one key, and more than that happened since the older ones, except for what only replaced a value.
    found = [snapshots[-1].keeps_places_of(older) for older in snapshots]
    assert found == [False, False, False, False, True, True, True]
