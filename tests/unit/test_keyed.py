"""Keyed stores: writes, reads, and every kind of selection of entities."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import cast

import attrs
import msgspec
import pytest
from reactivex import operators as ops

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Commit, Domain, ErrorReport
from reactive_ws.errors import StoreClosed
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.entities import Entities
from reactive_ws.state.keyed.key_changes import KeyChanges
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store, reset_all


@attrs.frozen
class Task:
    name: str
    rank: int = 0


@pytest.fixture
def keyed(domain: Domain) -> KeyedStore[str, int]:
    return KeyedStore({"a": 1, "b": 2, "c": 3}, name="tasks", domain=domain)


def test_it_holds_a_mapping_pairs_or_nothing_in_their_order(domain: Domain) -> None:
    for store, content in (
        (KeyedStore({"b": 1, "a": 2}, domain=domain), [("b", 1), ("a", 2)]),
        (KeyedStore([("b", 1), ("a", 2), ("b", 3)], domain=domain), [("b", 3), ("a", 2)]),
        (KeyedStore[str, int](domain=domain), []),
    ):
        assert list(store.get_all().items()) == content
        assert len(store) == len(content)


def test_a_missing_key_reads_as_none(keyed: KeyedStore[str, int]) -> None:
    assert (keyed.get("a"), keyed.get("x"), "a" in keyed, "x" in keyed) == (1, None, True, False)


def test_insert_adds_and_refuses_a_key_that_is_there(keyed: KeyedStore[str, int]) -> None:
    keyed.insert("d", 4)
    with pytest.raises(KeyError, match="a"):
        keyed.insert("a", 9)
    assert dict(keyed.get_all()) == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_upsert_adds_or_replaces_in_place(keyed: KeyedStore[str, int]) -> None:
    keyed.upsert("a", 10)
    keyed.upsert("d", 4)
    assert list(keyed.get_all().items()) == [("a", 10), ("b", 2), ("c", 3), ("d", 4)]


def test_update_runs_a_function_of_the_entity(keyed: KeyedStore[str, int]) -> None:
    keyed.update("a", lambda value: value + 10)
    with pytest.raises(KeyError, match="x"):
        keyed.update("x", lambda value: value)
    keyed.update("d", lambda value: value + 5, default=0)
    keyed.update("e", lambda value: value, default=0)
    assert dict(keyed.get_all()) == {"a": 11, "b": 2, "c": 3, "d": 5}


def test_set_many_and_replace_all_are_one_commit_each(
    domain: Domain, keyed: KeyedStore[str, int]
) -> None:
    events: list[KeyChanges[str]] = []
    keyed.events.subscribe(events.append)
    keyed.set_many([("a", 1), ("b", 20), ("d", 4)])
    keyed.replace_all({"d": 4, "c": 30, "e": 5})
    keyed.replace_all({"e": 5, "c": 30, "d": 4})
    keyed.set_many({})
    assert list(keyed.get_all().items()) == [("e", 5), ("c", 30), ("d", 4)]
    assert events == [
        KeyChanges(added=("d",), updated=("b",)),
        KeyChanges(added=("e",), updated=("c",), removed=("a", "b"), moved=("d",)),
        # Nothing but the order.
        KeyChanges(moved=("e", "c")),
    ]
    assert domain.number == 3


def test_remove_takes_many_keys_in_one_commit(domain: Domain, keyed: KeyedStore[str, int]) -> None:
    events: list[KeyChanges[str]] = []
    keyed.events.subscribe(events.append)
    keyed.remove("c", "x", "a", "c")
    keyed.remove("x")
    keyed.remove()
    assert events == [KeyChanges(removed=("c", "a"))]
    assert (dict(keyed.get_all()), domain.number) == ({"b": 2}, 1)


def test_rename_keeps_the_place_and_tells_both_keys(keyed: KeyedStore[str, int]) -> None:
    log: list[object] = []
    for key in "abcd":
        keyed.select(key).pipe(ops.skip(1)).subscribe(
            lambda value, key=key: log.append((key, value))
        )
    keyed.events.subscribe(log.append)
    keyed.rename("a", "d")
    assert list(keyed.get_all().items()) == [("d", 1), ("b", 2), ("c", 3)]
    assert log == [("a", None), ("d", 1), KeyChanges(added=("d",), removed=("a",))]
    log.clear()
    keyed.rename("c", "b")
    assert list(keyed.get_all().items()) == [("d", 1), ("b", 3)]
    assert log == [("b", 3), ("c", None), KeyChanges(updated=("b",), removed=("c",))]
    log.clear()
    keyed.rename("d", "d")
    for missing in ("x", "y"):
        with pytest.raises(KeyError, match="x"):
            keyed.rename("x", missing)
    with pytest.raises(KeyError, match="x"):
        keyed.rename("x", "x")
    assert log == []


def test_renaming_over_an_equal_entity_tells_only_the_old_key(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 1}, domain=domain)
    log: list[object] = []
    for key in "ab":
        keyed.select(key).pipe(ops.skip(1)).subscribe(
            lambda value, key=key: log.append((key, value))
        )
    keyed.events.subscribe(log.append)
    keyed.rename("a", "b")
    assert log == [("a", None), KeyChanges(removed=("a",))]


def test_a_no_op_keeps_the_snapshot_and_tells_nobody(
    domain: Domain, keyed: KeyedStore[str, int]
) -> None:
    log: list[object] = []
    for stream in (keyed.select_all(), keyed.select("a"), keyed.select_keys(), keyed.events):
        stream.subscribe(log.append)
    log.clear()
    before = keyed.get_all()
    keyed.upsert("a", 1)
    keyed.update("a", lambda value: value)
    keyed.set_many({"a": 1, "b": 2})
    keyed.replace_all({"a": 1, "b": 2, "c": 3})
    keyed.remove("x")
    keyed.rename("a", "a")
    keyed.reset()
    with batch(domain):
        keyed.upsert("a", 5)
        keyed.upsert("a", 1)
    assert keyed.get_all() is before
    assert (log, domain.number) == ([], 0)


def test_reset_returns_to_the_initial_entities_and_tells_every_key(
    domain: Domain, keyed: KeyedStore[str, int]
) -> None:
    for reset in (keyed.reset, lambda: reset_all(domain)):
        keyed.upsert("a", 10)
        keyed.remove("b")
        keyed.upsert("d", 4)
        log: list[object] = []
        subscriptions = [
            keyed.select(key)
            .pipe(ops.skip(1))
            .subscribe(lambda value, key=key, log=log: log.append((key, value)))
            for key in "abcd"
        ]
        subscriptions.append(keyed.events.subscribe(log.append))
        reset()
        assert list(keyed.get_all().items()) == [("a", 1), ("b", 2), ("c", 3)]
        assert log == [
            ("a", 1),
            ("b", 2),
            ("d", None),
            KeyChanges(added=("b",), updated=("a",), removed=("d",)),
        ]
        for subscription in subscriptions:
            subscription.dispose()


def test_reset_restores_the_order_and_is_silent_where_nothing_differs(
    domain: Domain, keyed: KeyedStore[str, int]
) -> None:
    orders: list[tuple[str, ...]] = []
    keyed.select_keys().subscribe(orders.append)
    keyed.upsert("a", 5)
    keyed.upsert("a", 1)
    keyed.reset()
    assert domain.number == 2
    keyed.remove("a")
    keyed.insert("a", 1)
    keyed.reset()
    assert orders == [("a", "b", "c"), ("b", "c"), ("b", "c", "a"), ("a", "b", "c")]


def test_a_change_wakes_only_its_key_and_the_whole(keyed: KeyedStore[str, int]) -> None:
    log: list[object] = []
    keyed.select("a").subscribe(lambda value: log.append(("a", value)))
    keyed.select("b").subscribe(lambda value: log.append(("b", value)))
    keyed.select("x").subscribe(lambda value: log.append(("x", value)))
    keyed.select_all().subscribe(lambda now: log.append(("all", dict(now))))
    log.clear()
    keyed.upsert("b", 20)
    keyed.upsert("x", 9)
    keyed.remove("x")
    assert log == [
        ("b", 20),
        ("all", {"a": 1, "b": 20, "c": 3}),
        ("x", 9),
        ("all", {"a": 1, "b": 20, "c": 3, "x": 9}),
        ("x", None),
        ("all", {"a": 1, "b": 20, "c": 3}),
    ]


def test_one_commit_wakes_every_key_that_it_changes(keyed: KeyedStore[str, int]) -> None:
    log: list[object] = []
    for key in "ab":
        keyed.select(key).subscribe(lambda value, key=key: log.append((key, value)))
    log.clear()
    keyed.set_many({"b": 20, "c": 30, "a": 10})
    assert log == [("a", 10), ("b", 20)]


def test_only_the_selectors_of_the_whole_run_when_a_key_changes(domain: Domain) -> None:
    keyed = KeyedStore({number: number for number in range(1_000)}, domain=domain)
    woken: list[int] = []
    for number in range(1_000):
        keyed.select(number).pipe(ops.skip(1)).subscribe(
            lambda _, number=number: woken.append(number)
        )
    keyed.upsert(500, 0)
    assert woken == [500]


def test_the_selections_of_collections_follow_and_stay_silent_without_a_change(
    domain: Domain,
) -> None:
    keyed = KeyedStore({"a": Task("z", 2), "b": Task("y", 1)}, domain=domain)
    logs: dict[str, list[object]] = {}
    for name, stream in {
        "many": keyed.select_many(["b", "x"]),
        "where": keyed.select_where(lambda task: task.rank > 1),
        "sorted": keyed.select_sorted(lambda task: task.rank),
        "reverse": keyed.select_sorted(lambda task: task.rank, reverse=True),
        "keys": keyed.select_keys(),
        "count": keyed.select_count(),
        "part": keyed.select_part(lambda now: sum(task.rank for task in now.values())),
    }.items():
        logs[name] = []
        stream.subscribe(logs[name].append)
    z, y, x = Task("z", 2), Task("y", 1), Task("x", 1)
    keyed.upsert("x", x)
    keyed.upsert("a", Task("w", 2))
    keyed.upsert("b", Task("y", 5))
    keyed.remove("a")
    w, y5 = Task("w", 2), Task("y", 5)
    assert logs == {
        "many": [(y, None), (y, x), (y5, x)],
        "where": [(z,), (w,), (w, y5), (y5,)],
        "sorted": [(y, z), (y, x, z), (y, x, w), (x, w, y5), (x, y5)],
        "reverse": [(z, y), (z, y, x), (w, y, x), (y5, w, x), (y5, x)],
        "keys": [("a", "b"), ("a", "b", "x"), ("b", "x")],
        "count": [2, 3, 2],
        "part": [3, 4, 8, 6],
    }


def test_selections_can_be_read_without_subscribing(keyed: KeyedStore[str, int]) -> None:
    assert keyed.select("a").get() == 1
    assert keyed.select_keys().get() == ("a", "b", "c")
    assert keyed.select_sorted(lambda value: -value).get() == (3, 2, 1)
    assert dict(keyed.select_all().get()) == {"a": 1, "b": 2, "c": 3}
    with batch(keyed.domain):
        keyed.upsert("a", 5)
        assert (keyed.select("a").get(), keyed.select_count().get()) == (5, 3)


def test_observers_of_a_key_are_counted_for_each_of_its_selections(
    keyed: KeyedStore[str, int],
) -> None:
    one, two = keyed.select("a"), keyed.select("a")
    first = one.subscribe()
    second = two.subscribe()
    assert (one.observer_count, two.observer_count, keyed.observer_count) == (2, 2, 2)
    first.dispose()
    assert (one.observer_count, two.observer_count, keyed.observer_count) == (1, 1, 1)
    second.dispose()
    assert (one.observer_count, keyed.observer_count) == (0, 0)


def test_nothing_is_kept_of_a_key_that_nobody_looks_at(keyed: KeyedStore[str, int]) -> None:
    for key in range(100):
        with keyed.select(str(key)).subscribe():
            pass
    assert (keyed.observer_count, len(keyed._keys._references)) == (0, 0)


def test_an_entity_comparer_decides_what_a_change_is(domain: Domain) -> None:
    keyed = KeyedStore(
        {"a": Task("x", 1)}, domain=domain, equals=lambda old, new: old.rank == new.rank
    )
    before = keyed.get_all()
    keyed.upsert("a", Task("y", 1))
    keyed.set_many({"a": Task("y", 1)})
    assert keyed.get_all() is before
    keyed.upsert("a", Task("y", 2))
    assert keyed.get("a") == Task("y", 2)


@pytest.fixture
def ranked(domain: Domain) -> KeyedStore[str, Task]:
    """Tasks of which those of one rank count as the same."""
    return KeyedStore(
        {"a": Task("old", 1), "b": Task("b", 2)},
        domain=domain,
        equals=lambda old, new: old.rank == new.rank,
    )


def test_a_batch_keeps_an_entity_that_ends_equal_and_announces_only_the_others(
    ranked: KeyedStore[str, Task], domain: Domain
) -> None:
    first = ranked.get("a")
    log: list[Task | None] = []
    events: list[KeyChanges[str]] = []
    ranked.select("a").subscribe(log.append)
    ranked.events.subscribe(events.append)
    with batch(domain):
        ranked.upsert("a", Task("x", 7))
        ranked.upsert("a", Task("new", 1))
        ranked.upsert("b", Task("b", 8))
    assert ranked.get("a") is first
    assert ranked.get_all()["a"] is first
    assert log == [first]
    assert events == [KeyChanges(updated=("b",))]
    assert ranked.get("b") == Task("b", 8)


def test_an_equal_entity_that_comes_again_in_a_batch_is_the_old_one_in_the_new_place(
    ranked: KeyedStore[str, Task], domain: Domain
) -> None:
    first = ranked.get("a")
    log: list[Task | None] = []
    ranked.select("a").subscribe(log.append)
    with batch(domain):
        ranked.remove("a")
        ranked.upsert("a", Task("new", 1))
    assert list(ranked.get_all()) == ["b", "a"]
    assert ranked.get("a") is first
    assert log == [first]


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_rename_onto_an_equal_entity_keeps_the_old_one(
    ranked: KeyedStore[str, Task], domain: Domain, is_batch: bool
) -> None:
    first = ranked.get("a")
    ranked.upsert("b", Task("other", 1))
    log: list[Task | None] = []
    ranked.select("a").subscribe(log.append)
    if is_batch:
        with batch(domain):
            ranked.rename("b", "a")
    else:
        ranked.rename("b", "a")
    assert dict(ranked.get_all()) == {"a": first}
    assert ranked.get("a") is first
    assert log == [first]


def test_a_trigger_in_a_batch_shows_the_entity_that_was_kept(
    ranked: KeyedStore[str, Task], domain: Domain
) -> None:
    first = ranked.get("a")
    log: list[Task | None] = []
    ranked.select("a").subscribe(log.append)
    with batch(domain):
        ranked.upsert("a", Task("x", 7))
        ranked.upsert("a", Task("new", 1))
        ranked.trigger("a")
    assert ranked.get("a") is first
    assert log == [first, first]
    assert log[1] is first


def test_events_begin_with_the_next_commit_and_end_with_the_store(
    keyed: KeyedStore[str, int],
) -> None:
    keyed.upsert("a", 5)
    log: list[object] = []
    keyed.events.subscribe(log.append, on_completed=lambda: log.append("end"))
    keyed.events.pipe(ops.take(1)).subscribe(log.append)
    assert log == []
    keyed.upsert("a", 6)
    keyed.upsert("a", 7)
    keyed.close()
    assert log == [KeyChanges(updated=("a",))] * 3 + ["end"]
    assert keyed.observer_count == 0


def test_close_ends_every_stream_and_refuses_writes(keyed: KeyedStore[str, int]) -> None:
    log: list[object] = []
    for stream in (keyed.select("a"), keyed.select_all(), keyed.select_count()):
        stream.subscribe(None, on_completed=lambda: log.append("end"))
    keyed.close()
    assert log == ["end"] * 3
    for write in (
        lambda: keyed.upsert("a", 1),
        lambda: keyed.upsert("a", 2),
        lambda: keyed.insert("z", 2),
        lambda: keyed.remove("x"),
        lambda: keyed.rename("a", "z"),
        lambda: keyed.replace_all({}),
        keyed.reset,
    ):
        with pytest.raises(StoreClosed):
            write()
    keyed.select("a").subscribe(log.append, on_completed=lambda: log.append("late end"))
    assert log[3:] == [1, "late end"]


def test_a_nested_write_is_seen_in_order_by_every_key(keyed: KeyedStore[str, int]) -> None:
    log: list[object] = []
    keyed.select("a").subscribe(lambda value: keyed.upsert("b", value or 0))
    keyed.select("a").subscribe(lambda value: log.append(("a", value)))
    keyed.select("b").subscribe(lambda value: log.append(("b", value)))
    keyed.upsert("a", 7)
    assert log == [("a", 1), ("b", 1), ("a", 7), ("b", 7)]


def test_observers_of_keys_parts_and_the_whole_keep_their_order(
    domain: Domain, keyed: KeyedStore[str, int]
) -> None:
    log: list[str] = []
    keyed.select_all().subscribe(lambda _: log.append("1 all"))
    keyed.select("b").subscribe(lambda _: log.append("2 b"))
    keyed.select_count().subscribe(lambda _: log.append("3 count"))
    keyed.select("a").subscribe(lambda _: log.append("4 a"))
    keyed.select("a").pipe(ops.map(str)).subscribe(lambda _: log.append("5 a"))
    log.clear()
    with batch(domain):
        keyed.upsert("a", 5)
        keyed.remove("b")
    assert log == ["1 all", "2 b", "3 count", "4 a", "5 a"]


def test_errors_name_the_store_and_the_key(
    keyed: KeyedStore[str, int], reports: list[ErrorReport]
) -> None:
    def fail(value: int | None) -> None:
        if value == 5:
            raise ValueError

    keyed.select("a").subscribe(fail)
    keyed.upsert("a", 5)
    assert [(report.kind, report.store) for report in reports] == [("observer", "tasks['a']")]


def test_keys_whose_hash_or_eq_run_user_code_do_so_without_the_lock(domain: Domain) -> None:
    held: list[bool] = []

    class Key:
        def __init__(self, name: str) -> None:
            self.name = name

        def note(self) -> None:
            # Held by this thread, if it can be released; otherwise RuntimeError.
            held.append(domain._lock._is_owned())  # type: ignore[attr-defined]

        def __hash__(self) -> int:
            self.note()
            return hash(self.name)

        def __eq__(self, other: object) -> bool:
            self.note()
            return isinstance(other, Key) and other.name == self.name

    keyed: KeyedStore[Key, int] = KeyedStore({Key("a"): 1}, domain=domain)
    log: list[object] = []
    with keyed.select(Key("a")).subscribe(log.append), keyed.select_all().subscribe():
        keyed.upsert(Key("a"), 2)
        with batch(domain):
            keyed.update(Key("a"), lambda value: value + 1)
            keyed.rename(Key("a"), Key("b"))
        keyed.remove(Key("b"))
    assert log == [1, 2, None]
    assert set(held) == {False}


def test_hooks_see_the_snapshots_before_and_after(
    domain: Domain, keyed: KeyedStore[str, int]
) -> None:
    commits: list[Commit] = []
    domain.on_commit(commits.append)
    keyed.upsert("a", 5)
    ((_, old, new),) = commits[0].changes
    assert (old["a"], new["a"], new is keyed.get_all()) == (1, 5, True)
    assert repr(keyed) == "<KeyedStore 'tasks' of 3 entities>"
    assert repr(new) == "Entities({'a': 5, 'b': 2, 'c': 3})"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Decimal("1.50"), Decimal("1.50")),
        ((1, "a"), (1, "a")),
        ("x" * 99, "x" * 98 + "x"),
        (10**30, 10**30 + 0),
    ],
    ids=["decimal", "tuple", "text", "number"],
)
def test_an_equal_plain_entity_is_no_change_though_it_is_another_object(
    old: object, new: object
) -> None:
    store = KeyedStore({"k": old}, domain=Domain(strict=True))
    log: list[object] = []
    store.select("k").subscribe(log.append)
    store.upsert("k", new)
    assert log == [old]
    assert store.get("k") is old


def test_the_order_of_the_keys_is_what_was_asked_for(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2}, domain=domain)
    orders: list[tuple[str, ...]] = []
    keyed.select_keys().subscribe(orders.append)
    with batch(domain):
        keyed.remove("a")
        keyed.insert("a", 1)
    with batch(domain):
        keyed.reset()
    keyed.replace_all([("b", 2), ("a", 1)])
    reset_all(domain)
    keyed.replace_all([("c", 3), ("b", 2), ("a", 1)])
    keyed.replace_all({"c": 3, "b": 2, "a": 1})
    assert orders == [
        ("a", "b"), ("b", "a"), ("a", "b"), ("b", "a"), ("a", "b"), ("c", "b", "a"),
    ]  # fmt: skip


def test_a_batch_notes_a_touched_key_once_however_many_writes_follow(domain: Domain) -> None:
    keyed = KeyedStore[int, int](domain=domain)
    with batch(domain):
        for number in range(100):
            keyed.upsert(number, number)
        snapshot = keyed.get_all()
    assert isinstance(snapshot, Entities)
    assert snapshot._touched == (99,)
    assert cast("Entities[int, int]", keyed.get_all())._touched == tuple(range(100))


def test_a_key_that_was_written_while_nobody_looked_is_read_anew(domain: Domain) -> None:
    keyed = KeyedStore({"a": 0, "b": 0}, domain=domain)
    other = Store(0, domain=domain)
    pair = derived(keyed.select("a"), other, lambda one, two: (one, two))
    keyed.upsert("a", 1)
    with batch(domain):
        keyed.upsert("a", 2)
        keyed.upsert("b", 2)
    log: list[object] = []
    pair.select().subscribe(log.append)
    other.set(5)
    assert log == [(2, 0), (2, 5)]


@pytest.mark.parametrize("seed", range(30))
def test_the_order_of_keys_is_that_in_which_they_came_whenever_it_is_read(seed: int) -> None:
    random = Random(seed)
    entities: Entities[int, int] = Entities.of({})
    order: list[int] = []
    for _ in range(400):
        key = random.randrange(12)
        match random.randrange(6):
            case 0 | 1:
                entities = entities.with_one(key, 1)
                order += [] if key in order else [key]
            case 2:
                entities = entities.without([key])
                order = [it for it in order if it != key]
            case 3:
                several = random.sample(range(12), 3)
                entities = entities.with_many(dict.fromkeys(several, 2))
                order += [it for it in several if it not in order]
            case 4:
                other = random.randrange(12)
                if key in order and other != key:
                    entities = entities.renamed(key, other)
                    order = [other if it == key else it for it in order if it != other]
            case _:
                assert list(entities) == order
    assert list(entities) == order


def test_a_snapshot_is_a_mapping_and_makes_a_dict(domain: Domain) -> None:
    keyed = KeyedStore({"b": 1, "a": 2}, domain=domain)
    snapshot = keyed.get_all()
    assert isinstance(snapshot, Entities)
    assert list((snapshot | {"c": 3}).items()) == [("b", 1), ("a", 2), ("c", 3)]
    assert list(({"a": 0, "c": 3} | snapshot).items()) == [("a", 2), ("c", 3), ("b", 1)]
    assert type(snapshot | snapshot) is dict
    assert json.dumps(snapshot, default=dict) == '{"b": 1, "a": 2}'
    assert msgspec.json.encode(snapshot, enc_hook=dict) == b'{"b":1,"a":2}'


def test_the_events_name_what_moved_in_a_batch_and_outside(domain: Domain) -> None:
    keyed = KeyedStore({"a": 1, "b": 2, "c": 3}, domain=domain)
    events: list[KeyChanges[str]] = []
    calls: list[int | None] = []
    keyed.events.subscribe(events.append)
    keyed.select("c").subscribe(calls.append)
    keyed.move("c", before="a")
    with batch(domain):
        keyed.move("c", after="b")
    with batch(domain):
        keyed.move("c", before="b")
        keyed.upsert("a", 9)
    with batch(domain):
        keyed.remove("a")
        keyed.upsert("a", 9)
    with batch(domain):
        # It is where it was.
        keyed.remove("a")
        keyed.upsert("a", 9)
    with batch(domain):
        keyed.move("c", after="a")
        keyed.upsert("c", 4)
    keyed.reset()
    assert events == [
        KeyChanges(moved=("c",)),
        KeyChanges(moved=("c",)),
        KeyChanges(updated=("a",), moved=("c",)),
        KeyChanges(moved=("a",)),
        KeyChanges(updated=("c",), moved=("c",)),
        KeyChanges(updated=("a", "c"), moved=("a",)),
    ]
    assert calls == [3, 4, 3]


def test_a_trigger_calls_nobody_for_what_the_commit_before_wrote(domain: Domain) -> None:
    keyed = KeyedStore({"a": [1], "b": [2]}, domain=domain)
    log: list[object] = []
    keyed.select("b").subscribe(log.append)
    keyed.upsert("b", [3])
    keyed.events.subscribe(log.append)
    keyed.trigger("a")
    assert log == [[2], [3], KeyChanges(updated=("a",))]
