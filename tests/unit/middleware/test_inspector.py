"""The ring and the stream of commit records, and what it costs not to have them."""

from __future__ import annotations

from itertools import count
from threading import get_ident

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.commit import Commit
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.middleware import CommitRecord, inspect
from reactive_ws.state.store import Store


def ticks() -> count[int]:
    return count(100)


def test_records_tell_who_changed_why_and_when() -> None:
    domain = Domain(strict=True)
    a, b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)
    clock = ticks()
    inspector = inspect(domain, clock=lambda: next(clock))
    echo = a.select().subscribe(b.set)
    a.set(1)
    echo.dispose()
    with batch(domain):
        b.set(5)
        a.set(5)
    a.close()
    me = get_ident()
    assert inspector.records() == (
        CommitRecord(1, ("a",), (), 0, me, 100),
        CommitRecord(2, ("b",), (), 1, me, 101),
        CommitRecord(3, ("b", "a"), (), 0, me, 102),
        CommitRecord(4, (), ("a",), 0, me, 103),
    )


def test_the_ring_keeps_the_newest_and_counts_all() -> None:
    store = Store(0, domain=Domain(strict=True))
    inspector = inspect(store.domain, size=2)
    for value in range(1, 6):
        store.set(value)
    assert ([record.number for record in inspector.records()], inspector.count) == ([4, 5], 5)
    inspector.clear()
    assert (inspector.records(), inspector.count) == ((), 5)


def test_the_stream_has_each_record_once_and_nothing_from_before() -> None:
    store = Store(0, domain=Domain(strict=True))
    inspector = inspect(store.domain)
    store.set(1)
    log: list[int] = []
    inspector.stream.subscribe(lambda record: log.append(record.number))
    store.set(2)
    store.set(3)
    inspector.dispose()
    store.set(4)
    assert (log, inspector.count) == ([2, 3], 3)


def test_a_record_comes_before_the_observers_are_told() -> None:
    store = Store(0, domain=Domain(strict=True))
    log: list[str] = []
    store.select().subscribe(lambda value: log.append(f"value {value}"))
    with inspect(store.domain) as inspector:
        inspector.stream.subscribe(lambda record: log.append(f"record {record.number}"))
        store.set(1)
    assert log == ["value 0", "record 1", "value 1"]


def test_an_observer_of_the_stream_that_raises_is_logged_and_starves_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store(0, domain=Domain(strict=True))
    inspector = inspect(store.domain)
    numbers: list[int] = []

    def fail(record: CommitRecord) -> None:
        raise RuntimeError(record.number)

    inspector.stream.subscribe(fail)
    inspector.stream.subscribe(lambda record: numbers.append(record.number))
    store.set(1)
    store.set(2)
    assert (numbers, len(caplog.records)) == ([1, 2], 2)


def test_a_ring_without_room_is_refused() -> None:
    with pytest.raises(UsageError, match="size= takes a whole number, 1 or more"):
        inspect(Domain(), size=0)


def test_without_a_hook_a_write_makes_no_commit_object(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Commit] = []
    plain = Commit.__init__

    def counted(self: Commit, *arguments: object, **options: object) -> None:
        made.append(self)
        plain(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Commit, "__init__", counted)
    store = Store(0, domain=Domain())
    store.select().subscribe(lambda value: None)
    store.set(1)
    assert made == []
    inspector = inspect(store.domain)
    store.set(2)
    assert len(made) == 1
    inspector.dispose()
    # The first write after the dispose notices that the domain has no hooks left.
    store.set(3)
    made.clear()
    store.set(4)
    assert made == []
