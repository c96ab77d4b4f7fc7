"""Reading and writing one value: get, set, update, reset, close, views."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from reactive_ws.engine.domain import Commit, Domain, ErrorReport, default_domain
from reactive_ws.errors import StoreClosed, UsageError
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import ReadOnly, Store, reset_all


def test_a_store_holds_its_initial_value(domain: Domain) -> None:
    assert Store(7, domain=domain).get() == 7


def test_an_observer_sees_the_current_value_and_every_later_one(domain: Domain) -> None:
    store = Store(0, domain=domain)
    store.set(1)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(2)
    store.update(lambda value: value * 10)
    assert log == [1, 2, 20]
    assert store.get() == 20


def test_a_write_of_an_equal_value_is_no_commit_and_keeps_the_old_object(domain: Domain) -> None:
    old = "x" * 1_000
    store = Store(old, domain=domain)
    log: list[str] = []
    store.select().subscribe(log.append)
    store.set("".join(["x"] * 1_000))
    store.update(lambda value: value[:500] + value[500:])
    assert log == [old]
    assert store.get() is old
    assert domain.number == 0


def test_an_update_that_raises_changes_nothing_and_reaches_its_caller(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(1, domain=domain)
    log: list[float] = []
    store.select().subscribe(log.append)
    with pytest.raises(ZeroDivisionError):
        store.update(lambda value: value // 0)
    store.set(2)
    assert log == [1, 2]
    assert reports == []


def test_update_runs_again_when_another_thread_wrote_meanwhile(domain: Domain) -> None:
    store = Store(1, domain=domain)
    seen: list[int] = []

    def add_one(value: int) -> int:
        seen.append(value)
        if len(seen) == 1:
            other = threading.Thread(target=store.set, args=(10,))
            other.start()
            other.join()
        return value + 1

    store.update(add_one)
    assert seen == [1, 10]
    assert store.get() == 11


def test_a_set_that_meets_an_equal_write_of_another_thread_is_no_change(domain: Domain) -> None:
    is_first = [True]

    def equals(old: int, new: int) -> bool:
        if is_first:
            is_first.clear()
            other = threading.Thread(target=store.set, args=(5,))
            other.start()
            other.join()
        return old == new

    store = Store(0, domain=domain, equals=equals)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(5)
    assert log == [0, 5]


def test_reset_returns_to_the_initial_value(domain: Domain) -> None:
    store = Store(1, domain=domain)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(2)
    store.reset()
    store.reset()
    assert log == [1, 2, 1]


def test_reset_all_resets_every_living_open_store_in_one_commit(domain: Domain) -> None:
    a, b, closed, untouched = (Store(0, name=name, domain=domain) for name in "abcd")
    foreign = Store(0, domain=Domain("other"))
    for store in (a, b, closed, foreign):
        store.set(5)
    closed.close()
    commits: list[Commit] = []
    domain.on_commit(commits.append)
    reset_all(domain)
    assert [sorted((s.name, old, new) for s, old, new in c.changes) for c in commits] == [
        [("a", 5, 0), ("b", 5, 0)]
    ]
    assert (closed.get(), untouched.get(), foreign.get()) == (5, 0, 5)


def test_stores_without_a_domain_share_the_default_one() -> None:
    store = Store(1)
    assert store.domain is default_domain()
    store.set(2)
    reset_all()
    assert store.get() == 1


def test_close_completes_every_stream_once_after_its_last_value(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[object] = []
    store.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    store.select(lambda value: value * 10).subscribe(
        log.append, on_completed=lambda: log.append("end of part")
    )
    store.set(1)
    store.close()
    store.close()
    assert log == [0, 0, 1, 10, "end", "end of part"]
    assert store.observer_count == 0


def test_writes_after_close_raise_and_reads_still_work(domain: Domain) -> None:
    store = Store(3, name="prices", domain=domain)
    store.close()
    for write in (
        lambda: store.set(4),
        lambda: store.set(3),
        lambda: store.update(lambda value: value + 1),
        lambda: store.update(lambda value: value),
        store.reset,
    ):
        with pytest.raises(StoreClosed) as raised:
            write()
        assert raised.value.store == "prices"
    assert store.get() == 3


def test_who_subscribes_to_a_closed_store_gets_its_value_and_the_end(domain: Domain) -> None:
    store = Store(3, domain=domain)
    store.close()
    log: list[object] = []
    store.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    store.select(str).subscribe(log.append, on_completed=lambda: log.append("end"))
    assert log == [3, "end", "3", "end"]
    assert store.observer_count == 0


def test_who_subscribes_while_a_close_is_delivered_gets_the_end_once(domain: Domain) -> None:
    store = Store(3, domain=domain)
    log: list[object] = []

    def join(commit: Commit) -> None:
        store.select().subscribe(log.append, on_completed=lambda: log.append("end"))
        store.select(str).subscribe(log.append, on_completed=lambda: log.append("end of part"))

    domain.on_commit(join)
    store.close()
    assert log == [3, "end", "3", "end of part"]
    assert store.observer_count == 0


def test_a_close_inside_an_observer_comes_after_the_values_before_it(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[object] = []

    def close_at_one(value: int) -> None:
        if value == 1:
            store.set(2)
            store.close()

    store.select().subscribe(close_at_one)
    store.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    store.set(1)
    assert log == [0, 1, 2, "end"]


def test_a_read_only_view_reads_and_observes_but_cannot_write(domain: Domain) -> None:
    store = Store(1, name="count", domain=domain)
    view: ReadOnly[int] = store.read_only
    log: list[int] = []
    view.select(lambda value: value + 1).subscribe(log.append)
    store.set(2)
    assert view.get() == 2
    assert log == [2, 3]
    assert [name for name in ("set", "update", "reset", "close") if hasattr(view, name)] == []
    assert repr(view) == "<ReadOnly 'count' = 2>"


def test_no_stream_can_be_written(domain: Domain) -> None:
    store = Store(1, domain=domain)
    for stream in (store.select(), store.select(str)):
        for name in ("on_next", "on_error", "on_completed"):
            assert not hasattr(stream, name)


def test_reprs_name_the_store_and_its_value(domain: Domain) -> None:
    store = Store(1, name="count", domain=domain)
    assert repr(store) == "<Store 'count' = 1>"
    assert repr(store.select(str)) == "<Selection of store 'count'>"
    store.set(2)
    assert repr(domain) == "<Domain 'test' at commit 1>"
    assert store.name == "count"


def test_stores_without_a_name_get_distinct_ones(domain: Domain) -> None:
    assert Store(0, domain=domain).name != Store(0, domain=domain).name


def test_observer_count_counts_observers_of_the_whole_and_of_parts(domain: Domain) -> None:
    store = Store(1, domain=domain)
    part = store.select(str)
    subscriptions = [store.select().subscribe(), part.subscribe(), part.subscribe()]
    assert (store.observer_count, part.observer_count, store.select().observer_count) == (3, 2, 1)
    for subscription in subscriptions:
        subscription.dispose()
    assert (store.observer_count, part.observer_count) == (0, 0)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        (Store, "set"),
        (Store, "update"),
        (Store, "reset"),
        (Store, "trigger"),
        (Store, "close"),
        *((KeyedStore, name) for name in ("insert", "upsert", "update", "set_many", "remove")),
        *((KeyedStore, name) for name in ("replace_all", "rename", "reset", "trigger", "close")),
    ],
)
def test_a_subclass_cannot_replace_a_method_that_writes(base: type[Any], name: str) -> None:
    with pytest.raises(UsageError, match=rf"Mine\.{name}\(\) cannot replace .*validate="):
        type("Mine", (base,), {name: lambda self: None})
    with pytest.raises(UsageError, match=rf"Mine\.{name}\(\) cannot replace .*validate="):
        type("Mine", (type("Mixin", (), {name: lambda self: None}), base), {})
    with pytest.raises(UsageError, match="cannot replace"):
        type("Mine", (type("Between", (base,), {}),), {name: lambda self: None})


def test_a_subclass_may_add_methods(domain: Domain) -> None:
    class Counter(Store[int]):
        def increase(self) -> None:
            self.update(lambda now: now + 1)

    counter = Counter(0, domain=domain)
    counter.increase()
    assert counter.get() == 1
