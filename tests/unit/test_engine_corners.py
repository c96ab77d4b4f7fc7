"""Corners of the engine where several rules meet: validation, the end of a store, strict mode, forks."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from reactivex.testing import TestScheduler

from reactive_ws import Domain, KeyedStore, Store, batch
from reactive_ws.engine import Cell
from reactive_ws.engine.commit_queue import CommitQueue
from reactive_ws.errors import FeedbackLoop
from reactive_ws.middleware import undo


def ordered(value: tuple[int, int]) -> None:
    if value[0] > value[1]:
        raise ValueError("low is above high")


def positive(value: int) -> None:
    if value < 0:
        raise ValueError("below zero")


def test_a_batch_that_triggers_is_checked_too() -> None:
    domain = Domain()
    store = Store((0, 10), domain=domain, validate=ordered)
    keyed = KeyedStore({"a": 1}, domain=domain, validate=positive)
    with pytest.raises(ValueError, match="low is above high"), batch(domain):
        store.set((9, 1))
        store.trigger()
    with pytest.raises(ValueError, match="below zero"), batch(domain):
        keyed.upsert("a", -1)
        keyed.trigger("a")
    assert (store.get(), keyed.get("a")) == ((0, 10), 1)


def test_an_undo_whose_merge_makes_a_wrong_value_changes_nothing() -> None:
    store = Store((0, 10), domain=Domain(), validate=ordered)
    history = undo(
        store, partialize=lambda value: value[0], merge=lambda value, low: (low, value[1])
    )
    for value in ((8, 10), (2, 10), (2, 4)):
        store.set(value)
    with pytest.raises(ValueError, match="low is above high"):
        history.undo()
    assert store.get() == (2, 4)
    assert history.can_undo.get()


def test_a_chain_through_the_end_of_stores_is_a_loop() -> None:
    reports: list[Any] = []
    store = Store(0, domain=Domain(on_error=reports.append, max_depth=10))

    def observer(number: int) -> None:
        if 0 < number < 1_000:
            child = Store(0, domain=store.domain)
            child.select().subscribe(on_completed=lambda: store.set(number + 1))
            child.close()

    store.select().subscribe(observer)
    store.set(1)
    assert [type(report.error) for report in reports] == [FeedbackLoop]
    assert store.get() < 10


def test_settled_waits_for_the_end_that_an_observer_caused() -> None:
    domain = Domain()
    first, second = Store(0, domain=domain), Store(0, domain=domain)
    inside, go = threading.Event(), threading.Event()
    ended: list[int] = []

    def ending() -> None:
        inside.set()
        assert go.wait(30)
        ended.append(1)

    second.select().subscribe(on_completed=ending)
    first.select().subscribe(lambda value: second.close() if value else None)
    writer = threading.Thread(target=first.set, args=(1,))
    writer.start()
    assert inside.wait(30)
    assert not domain.settled(0)
    go.set()
    assert domain.settled(30)
    assert ended == [1]
    writer.join()


def test_a_close_that_an_exception_interrupts_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(0, domain=Domain())
    ended: list[str] = []
    store.select().subscribe(on_completed=lambda: ended.append("end"))
    with monkeypatch.context() as patch:

        def interrupted(*_: object) -> bool:
            raise KeyboardInterrupt

        patch.setattr(CommitQueue, "_enqueue", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.close()
    assert not store.is_closed
    store.close()
    store.close()
    assert (store.is_closed, ended) == (True, ["end"])


def test_a_comparer_that_raises_is_the_error_of_its_own_write() -> None:
    domain = Domain(strict=True, on_error=lambda _: None)
    slow, other = Store(0, domain=domain), Store(0, domain=domain)
    inside, go = threading.Event(), threading.Event()

    def busy(value: int) -> None:
        if value:
            inside.set()
            assert go.wait(30)

    slow.select().subscribe(busy)

    def fails(_: object, __: object) -> bool:
        raise IndexError

    checked = Store(0, domain=domain, equals=fails)
    thread = threading.Thread(target=slow.set, args=(1,))
    thread.start()
    assert inside.wait(30)
    threading.Timer(0.05, go.set).start()
    with pytest.raises(ExceptionGroup) as caught:
        checked.set(1)
    assert [type(error) for error in caught.value.exceptions] == [IndexError]
    thread.join()
    other.set(1)


def test_a_stop_that_raises_leaves_through_dispose_and_a_report_through_nothing() -> None:
    domain = Domain(strict=True, on_error=lambda _: None)
    store, other = Store(0, domain=domain, on_stop=lambda: 1 / 0), Store(0, domain=domain)
    link = store.select().subscribe()
    with pytest.raises(ExceptionGroup):
        link.dispose()
    domain.report("effect", ValueError("late"), "task", print)
    other.set(1)


def test_a_stop_after_linger_raises_from_no_write() -> None:
    reports: list[Any] = []
    domain = Domain(strict=True, on_error=reports.append)
    time = TestScheduler()
    store = Store(0, domain=domain, on_stop=lambda: 1 / 0, linger=5.0, scheduler=time)
    store.select().subscribe().dispose()
    assert reports == []
    time.advance_by(6.0)
    assert [report.kind for report in reports] == ["lifecycle"]
    Store(0, domain=domain).set(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("is_start", [True, False], ids=["on_start", "on_stop"])
def test_a_store_whose_callback_runs_in_the_parent_starts_in_the_child(is_start: bool) -> None:
    inside, go = threading.Event(), threading.Event()
    parent, started = os.getpid(), []

    def callback(*, is_ours: bool) -> None:
        if is_ours and os.getpid() == parent:
            inside.set()
            assert go.wait(30)

    def start() -> None:
        started.append(os.getpid())
        callback(is_ours=is_start)

    store: Cell[int] = Store(
        0, domain=Domain(), on_start=start, on_stop=lambda: callback(is_ours=not is_start)
    )

    def use() -> None:
        store.select().subscribe().dispose()

    thread = threading.Thread(target=use)
    thread.start()
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        with store.select().subscribe():
            pass
        os._exit(0 if os.getpid() in started else 1)
    go.set()
    thread.join(30)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
