"""`Domain.commit`, the one way to write, and what middleware builds with it."""

from __future__ import annotations

import random
import threading
from functools import partial
from typing import Any

import pytest

from reactive_ws.engine import Commit, Domain, ErrorReport, batch
from reactive_ws.errors import DomainMismatch, FeedbackLoop, StoreClosed
from reactive_ws.state import KeyedStore, Store, derived
from reactive_ws.views import view


@pytest.fixture
def domain() -> Domain:
    return Domain("test")


def test_several_stores_change_in_one_commit(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(2, domain=domain)
    commits: list[Commit] = []
    seen: list[tuple[int, int]] = []
    domain.on_commit(commits.append)
    a.select().subscribe(lambda value: seen.append((value, b.get())))
    assert domain.commit([(a, 1, 10), (b, 2, 20)])
    assert seen == [(1, 2), (10, 20)]
    assert [commit.changes for commit in commits] == [((a, 1, 10), (b, 2, 20))]


def test_nothing_is_written_when_a_store_has_another_value(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(2, domain=domain)
    assert not domain.commit([(a, 1, 10), (b, 3, 20)])
    assert not domain.commit([(a, 1, 10)], expected=[(b, 3)])
    assert (a.get(), b.get(), domain.number) == (1, 2, 0)
    assert domain.commit([(a, 1, 10)], expected=[(b, 2)])
    assert (a.get(), domain.number) == (10, 1)


def test_a_commit_refuses_closed_stores_and_other_domains(domain: Domain) -> None:
    a, other = Store(1, domain=domain), Store(2, domain=Domain("other"))
    with pytest.raises(DomainMismatch):
        domain.commit([(a, 1, 10), (other, 2, 20)])
    assert not a.is_closed
    a.close()
    assert a.is_closed
    with pytest.raises(StoreClosed):
        domain.commit([(a, 1, 10)])
    assert (a.get(), other.get()) == (1, 2)


def test_a_commit_in_a_chain_of_observers_has_the_depth_of_the_chain(domain: Domain) -> None:
    store = Store(0, domain=domain)
    errors: list[BaseException] = []

    def again(value: int) -> None:
        try:
            domain.commit([(store, value, value + 1)])
        except FeedbackLoop as error:
            errors.append(error)

    store.select().subscribe(again)
    assert len(errors) == 1


def test_a_commit_in_an_exclusive_block_is_delivered_when_the_block_ends(domain: Domain) -> None:
    store = Store(0, domain=domain)
    seen: list[int] = []
    store.select().subscribe(seen.append)
    with domain.exclusive():
        with domain.exclusive():
            assert domain.commit([(store, 0, 1)])
        assert [commit.number for commit in domain.pending()] == [1]
        assert (store.committed, seen) == (1, [0])
    assert (seen, domain.pending()) == ([0, 1], ())


def test_no_other_thread_commits_during_an_exclusive_block(domain: Domain) -> None:
    store = Store(0, domain=domain)
    thread = threading.Thread(target=store.set, args=(1,))
    with domain.exclusive():
        thread.start()
        thread.join(0.05)
        assert store.get() == 0
    thread.join(10)
    assert store.get() == 1


def test_middleware_reports_an_error_of_a_users_function() -> None:
    reports: list[ErrorReport] = []
    domain = Domain("test", on_error=reports.append)
    error = ValueError("no")
    domain.report("hook", error, "some store", len)
    assert [(it.kind, it.error, it.store, it.function) for it in reports] == [
        ("hook", error, "some store", "builtins.len")
    ]


class General(KeyedStore[int, Any]):
    """A keyed store without its own way to write one entity."""

    __slots__ = ()

    def _publish_one(self, old: Any, value: Any, key: int, entity: Any) -> bool:
        return self._publish(old, value)


def what_observers_saw(make: type[KeyedStore[int, Any]], seed: int) -> list[Any]:
    """Returns the log of random writes, subscriptions, failures and writes by observers."""
    rng = random.Random(seed)
    log: list[Any] = []
    domain = Domain("test", on_error=lambda report: log.append((report.kind, report.store)))
    store = make({1: "a", 2: "b"}, name="store", domain=domain)
    links: list[Any] = []
    values: dict[str, Any] = {
        "view": view(store).where(bool),
        "doubled": derived(store.select(1), lambda value: (value, value)),
        "both": derived(store.select(0), store.select_all(), lambda value, now: (value, len(now))),
    }

    def see(name: str, value: object) -> None:
        log.append((name, value))
        if rng.random() < 0.1:
            store.upsert(rng.randrange(4), rng.randrange(3))
        if rng.random() < 0.05:
            raise ValueError(name)

    for step in range(60):
        choice, key = rng.random(), rng.randrange(4)
        if choice < 0.6:
            store.upsert(key, rng.randrange(3))
        elif choice < 0.8:
            links.append(store.select(key).subscribe(partial(see, f"{key} since {step}")))
        elif choice < 0.83:
            name = rng.choice(list(values))
            shown = partial(see, f"{name} since {step}")
            links.append(
                values[name]
                .select()
                .subscribe(
                    lambda value, name=name, shown=shown: shown(
                        list(value.items()) if name == "view" else value
                    )
                )
            )
        elif choice < 0.85:
            links.append(store.select_count().subscribe(partial(see, f"count since {step}")))
        elif links:
            links.pop(rng.randrange(len(links))).dispose()
        log.append((domain.number, dict(store.get_all())))
    return log


def test_the_short_way_to_write_one_entity_shows_what_the_general_way_shows() -> None:
    for seed in range(200):
        assert what_observers_saw(KeyedStore, seed) == what_observers_saw(General, seed), seed


def what_one_store_showed(*, sets: bool, seed: int) -> list[Any]:
    """Returns the log of random writes of one store, by `set` or by `update`, with observers that write, subscribe, leave and raise."""
    rng = random.Random(seed)
    log: list[Any] = []
    domain = Domain("test", on_error=lambda report: log.append((report.kind, report.store)))
    store = Store(0, name="store", domain=domain)
    other = Store(0, domain=domain)
    links: list[Any] = []

    def write(value: Any) -> None:
        if sets:
            store.set(value)
        else:
            store.update(lambda _: value)

    def see(name: str, value: object) -> None:
        log.append((name, value, store.get(), domain.number))
        match rng.randrange(12):
            case 0:
                write(rng.randrange(5))
            case 1:
                other.set(rng.randrange(5))
            case 2:
                links.append(store.select().subscribe(partial(see, f"late {len(links)}")))
            case 3 if links:
                links.pop(rng.randrange(len(links))).dispose()
            case 4:
                raise ValueError(name)

    other.select().subscribe(lambda value: log.append(("other", value)))
    for step in range(60):
        match rng.randrange(10):
            case 0 | 1 if len(links) < 2:
                links.append(store.select().subscribe(partial(see, f"whole since {step}")))
            case 2:
                links.append(store.select(bool).subscribe(partial(see, f"part since {step}")))
            case 3 | 4 if links:
                links.pop(rng.randrange(len(links))).dispose()
            case 5:
                with batch(domain):
                    write(rng.randrange(5))
                    other.set(rng.randrange(5))
            case _:
                write(rng.choice([0, 1, 2, True, 2.0, None]))
        log.append((store.get(), domain.number, store.observer_count))
    if rng.random() < 0.5:
        store.close()
    try:
        write(99)
    except StoreClosed:
        log.append("closed")
    log.append(store.get())
    return log


def test_a_store_that_is_set_shows_what_one_that_is_updated_shows() -> None:
    for seed in range(200):
        shown = [what_one_store_showed(sets=sets, seed=seed) for sets in (True, False)]
        assert shown[0] == shown[1], seed
