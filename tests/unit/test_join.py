"""Joining and leaving: the current value first, then every later one, once, and nothing after dispose."""

from __future__ import annotations

import threading
from random import Random

import pytest
from queue_home import QueueHome
from reactivex.abc import DisposableBase

from reactive_ws.engine.audience import ignore
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.errors import FeedbackLoop
from reactive_ws.state.store import Store


def test_an_observer_that_subscribes_inside_a_callback_sees_the_newest_value_at_once(
    domain: Domain,
) -> None:
    store = Store(0, domain=domain)
    log: list[str] = []

    def join(value: int) -> None:
        log.append(f"A{value}")
        if value == 1:
            store.set(2)
            store.select().subscribe(lambda newer: log.append(f"N{newer}"))
            store.set(3)

    store.select().subscribe(join)
    store.select().subscribe(lambda value: log.append(f"B{value}"))
    store.set(1)
    assert log == ["A0", "B0", "A1", "N2", "B1", "A2", "B2", "A3", "B3", "N3"]


def test_a_part_that_is_subscribed_inside_a_callback_follows_from_there(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []

    def join(value: int) -> None:
        if value == 1:
            store.set(2)
            store.select(lambda whole: whole // 2).subscribe(log.append)

    store.select().subscribe(join)
    for value in (1, 3, 4, 5, 6):
        store.set(value)
    assert log == [1, 2, 3]


def test_writes_during_the_replay_wait_for_its_end(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[object] = []

    def observer(value: int) -> None:
        log.append(f"in {value}")
        if value < 3:
            store.set(value + 1)
        log.append(f"out {value}")

    store.select().subscribe(observer)
    assert log == ["in 0", "out 0", "in 1", "out 1", "in 2", "out 2", "in 3", "out 3"]


def test_commits_of_another_thread_during_the_replay_come_after_it_in_order(
    domain: Domain,
) -> None:
    store = Store(0, domain=domain)
    log: list[tuple[int, int]] = []

    def observer(value: int) -> None:
        if value == 0:
            writer = threading.Thread(target=lambda: [store.set(n) for n in range(1, 6)])
            writer.start()
            writer.join(5)
        log.append((value, threading.get_ident()))

    store.select().subscribe(observer)
    assert log == [(value, threading.get_ident()) for value in range(6)]


def test_older_commits_that_wait_for_the_home_are_never_given_to_a_new_observer() -> None:
    home = QueueHome()
    store = Store(0, domain=Domain(home=home))
    early: list[int] = []
    late: list[int] = []
    part: list[int] = []
    store.select().subscribe(early.append)
    for value in (1, 2, 3):
        store.set(value)
    store.select().subscribe(late.append)
    store.select(lambda whole: whole * 10).subscribe(part.append)
    store.set(4)
    home.run()
    assert early == [0, 1, 2, 3, 4]
    assert late == [3, 4]
    assert part == [30, 40]


def test_no_value_comes_after_dispose(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []
    subscription = store.select().subscribe(log.append)
    part = store.select(lambda value: -value).subscribe(log.append)
    subscription.dispose()
    subscription.dispose()
    store.set(1)
    part.dispose()
    part.dispose()
    store.set(2)
    assert log == [0, 0, -1]
    assert store.observer_count == 0


def test_an_observer_disposed_by_an_earlier_one_misses_the_commit_under_delivery(
    domain: Domain,
) -> None:
    store = Store(0, domain=domain)
    log: list[str] = []
    later: list[DisposableBase] = []

    def first(value: int) -> None:
        log.append(f"A{value}")
        if value == 1:
            for subscription in later:
                subscription.dispose()

    store.select().subscribe(first)
    later.append(store.select().subscribe(lambda value: log.append(f"B{value}")))
    later.append(store.select(str).subscribe(lambda value: log.append(f"P{value}")))
    store.select().subscribe(lambda value: log.append(f"C{value}"))
    log.clear()
    store.set(1)
    store.set(2)
    assert log == ["A1", "C1", "A2", "C2"]


def test_an_observer_may_dispose_itself_and_subscribe_anew_in_its_callback(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[str] = []
    mine: list[DisposableBase] = []

    def observer(value: int) -> None:
        log.append(f"A{value}")
        if value == 1:
            mine[0].dispose()
            store.select().subscribe(lambda newer: log.append(f"N{newer}"))

    mine.append(store.select().subscribe(observer))
    store.set(1)
    store.set(2)
    assert log == ["A0", "A1", "N1", "N2"]


def test_an_observer_disposed_during_its_own_replay_gets_nothing_more(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []

    def observer(value: int) -> None:
        log.append(value)
        store.set(value + 1)
        if value == 1:
            # This is the only observer, so the audience holds exactly this subscription.
            store._links[0].dispose()  # type: ignore[union-attr]

    store.select().subscribe(observer)
    store.set(100)
    assert log == [0, 1]


def test_a_selection_may_be_left_and_joined_again_often(domain: Domain) -> None:
    store = Store(0, domain=domain)
    part = store.select(lambda value: value // 10)
    log: list[int] = []
    for value in range(0, 40, 5):
        store.set(value)
        with part.subscribe(log.append):
            store.set(value + 1)
            store.set(value + 10)
        assert store.observer_count == 0
    assert log == [0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 2, 3, 3, 4, 3, 4]


def test_places_are_packed_while_a_delivery_goes_on(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []
    crowd = [store.select().subscribe() for _ in range(100)]
    parts = [store.select(lambda value, n=n: value * n).subscribe() for n in range(100)]

    def leave(value: int) -> None:
        log.append(value)
        if value == 1:
            for subscription in crowd + parts:
                subscription.dispose()

    store.select().subscribe(leave)
    store.set(1)
    assert len(store._slots) < 3
    assert len(store._nodes) == 0
    store.set(2)
    assert log == [0, 1, 2]


def test_a_replay_that_leaves_with_a_base_exception_leaves_no_observer(domain: Domain) -> None:
    store = Store(0, domain=domain)

    def interrupt(value: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.select().subscribe(interrupt)
    assert store.observer_count == 0
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    assert log == [0, 1]


def test_an_observer_that_raises_at_its_replay_is_reported_and_stays(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []

    def observer(value: int) -> None:
        log.append(value)
        if value == 0:
            raise ValueError(value)

    store.select().subscribe(observer)
    store.set(1)
    assert log == [0, 1]
    assert [(report.kind, repr(report.error)) for report in reports] == [
        ("observer", "ValueError(0)")
    ]


def test_two_subscriptions_of_one_function_are_two(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []
    first = store.select().subscribe(log.append)
    store.select().subscribe(log.append)
    first.dispose()
    store.set(1)
    assert log == [0, 0, 1]


def test_commits_are_held_while_a_batch_of_observers_joins_under_a_stalled_delivery(
    domain: Domain,
) -> None:
    store = Store(0, domain=domain)
    inside, go_on = threading.Event(), threading.Event()

    def stall(value: int) -> None:
        if value == 1:
            inside.set()
            go_on.wait(5)

    store.select().subscribe(stall)
    writer = threading.Thread(target=store.set, args=(1,))
    writer.start()
    inside.wait(5)
    logs: list[list[int]] = []
    for value in range(2, 6):
        log: list[int] = []
        logs.append(log)
        store.select().subscribe(log.append)
        store.set(value)
    go_on.set()
    writer.join(5)
    assert domain.settled(5)
    assert logs == [[1, 2, 3, 4, 5], [2, 3, 4, 5], [3, 4, 5], [4, 5]]


@pytest.mark.parametrize("is_queued", [False, True])
def test_an_observer_that_answers_each_value_ends_as_a_feedback_loop_during_the_replay_too(
    domain: Domain, reports: list[ErrorReport], is_queued: bool
) -> None:
    if is_queued:
        domain.on_commit(lambda commit: None)
    store = Store(0, domain=domain)

    def answer(value: int) -> None:
        if value == 1_000:
            raise AssertionError("nothing ends the loop")
        store.set(value + 1)

    store.select().subscribe(answer)
    assert [type(report.error) for report in reports] == [FeedbackLoop]


@pytest.mark.parametrize("writes_first", [False, True])
def test_an_observer_that_closes_its_store_at_its_replay_is_completed(
    domain: Domain, writes_first: bool
) -> None:
    store = Store(0, domain=domain)
    log: list[object] = []

    def close(value: int) -> None:
        log.append(value)
        if value == 0:
            if writes_first:
                store.set(1)
            store.close()

    store.select().subscribe(close, on_completed=lambda: log.append("end"))
    assert log == ([0, 1, "end"] if writes_first else [0, "end"])


def test_the_empty_places_of_the_lists_are_counted_exactly(domain: Domain) -> None:
    """A count that is off packs too often, which costs time, or too late, which keeps places of observers that left."""
    store = Store(0, domain=domain)
    whole, random = store.select(), Random(3)
    # They hold the selections and the whole value: a source is light while something observes it.
    left = [whole.subscribe(ignore), store.select(lambda value: value + 1).subscribe(ignore)]
    empty_of_observers = empty_of_selections = 0
    for step in range(300):
        if random.random() < 0.52 or len(left) < 3:
            part = store.select(lambda value, step=step: value * step)
            left.append((whole if step % 2 else part).subscribe(ignore))
        else:
            left.pop(random.randrange(len(left))).dispose()
        if step % 40 == 39:
            # A delivery under way has places packed by its end.
            store.set(step)
        audience = left[0]._audience  # type: ignore[attr-defined]
        links, nodes = audience._links, store._nodes
        assert audience._dead == links.count(None)
        assert store._dead_nodes == nodes.count(None)
        assert audience._live == len(links) - audience._dead
        empty_of_observers = max(empty_of_observers, audience._dead)
        empty_of_selections = max(empty_of_selections, store._dead_nodes)
    assert min(empty_of_observers, empty_of_selections) > 3
