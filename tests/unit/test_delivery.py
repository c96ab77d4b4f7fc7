"""Order of delivery: commits by number, one at a time, observers in registration order, also for nested writes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from reactivex import operators as ops

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Commit, Domain, ErrorReport
from reactive_ws.errors import FeedbackLoop, UsageError
from reactive_ws.state.derived import derived
from reactive_ws.state.store import Store


def test_every_observer_sees_a_nested_write_after_the_one_that_caused_it(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[str] = []

    def writer(value: int) -> None:
        log.append(f"A{value}")
        if value == 1:
            store.set(2)
            log.append(f"A read {store.get()}")

    store.select().subscribe(writer)
    store.select().subscribe(lambda value: log.append(f"B{value}"))
    store.set(1)
    assert log == ["A0", "B0", "A1", "A read 2", "B1", "A2", "B2"]


def test_nested_writes_are_delivered_breadth_first(domain: Domain) -> None:
    a, b, c = (Store(0, name=name, domain=domain) for name in "abc")
    log: list[str] = []
    a.select().pipe(ops.skip(1)).subscribe(lambda value: (b.set(value), c.set(value)))
    b.select().pipe(ops.skip(1)).subscribe(lambda value: a.set(9) if value == 1 else None)
    for store in (a, b, c):
        store.select().subscribe(lambda value, name=store.name: log.append(f"{name}{value}"))
    log.clear()
    a.set(1)
    assert log == ["a1", "b1", "c1", "a9", "b9", "c9"]


def test_pairwise_under_a_nested_write_gives_everyone_the_contiguous_pairs(domain: Domain) -> None:
    store = Store(0, domain=domain)
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []
    pairs = store.select().pipe(ops.pairwise())
    pairs.subscribe(first.append)
    store.select().subscribe(lambda value: store.set(value + 1) if 0 < value < 4 else None)
    store.select(lambda value: value).pipe(ops.pairwise()).subscribe(second.append)
    store.set(1)
    assert first == second == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_observers_are_served_in_registration_order_whatever_they_watch(domain: Domain) -> None:
    a, b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)
    total = derived(a, b, lambda left, right: left + right)
    log: list[str] = []
    total.select().subscribe(lambda value: log.append(f"1 total {value}"))
    a.select(lambda value: -value).subscribe(lambda value: log.append(f"2 part of a {value}"))
    b.select().subscribe(lambda value: log.append(f"3 b {value}"))
    a.select().subscribe(lambda value: log.append(f"4 a {value}"))
    b.select(lambda value: -value).subscribe(lambda value: log.append(f"5 part of b {value}"))
    log.clear()
    a.set(1)
    assert log == ["2 part of a -1", "4 a 1", "1 total 1"]
    log.clear()
    with batch(domain):
        b.set(2)
        a.set(2)
    assert log == ["2 part of a -2", "3 b 2", "4 a 2", "5 part of b -2", "1 total 4"]


def test_hooks_see_every_commit_before_the_observers(domain: Domain) -> None:
    store = Store(0, name="s", domain=domain)
    log: list[object] = []
    hook = domain.on_commit(
        lambda commit: log.append((commit.number, commit.depth, commit.changes[0][1:]))
    )
    store.select().subscribe(lambda value: store.set(2) if value == 1 else None)
    store.select().subscribe(log.append)
    store.set(1)
    assert log == [0, (1, 0, (0, 1)), 1, (2, 1, (1, 2)), 2]
    hook.dispose()
    store.set(3)
    assert log[5:] == [3]


def test_a_commit_tells_who_wrote_what(domain: Domain) -> None:
    store = Store(0, name="s", domain=domain)
    commits: list[Commit] = []
    domain.on_commit(commits.append)
    store.set(1)
    store.close()
    one, end = commits
    assert (one.changes, one.thread, one.closed) == (((store, 0, 1),), threading.get_ident(), ())
    assert (end.changes, end.thread, end.closed) == ((), threading.get_ident(), (store,))
    assert repr(one) == "<Commit 1 of s>"
    assert repr(end) == "<Commit 2 of nothing>"


def test_a_feedback_loop_raises_inside_the_observer_at_depth_100(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, name="loop", domain=domain)
    raised: list[FeedbackLoop] = []

    def feed(value: int) -> None:
        try:
            store.set(value + 1)
        except FeedbackLoop as error:
            raised.append(error)
            raise

    store.select().pipe(ops.skip(1)).subscribe(feed)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    assert domain.settled(5)
    assert log == list(range(101))
    assert [(error.store, error.depth) for error in raised] == [("loop", 100)]
    assert [report.kind for report in reports] == ["observer"]
    store.set(1_000)
    assert domain.settled(5)
    assert log[101:] == list(range(1_000, 1_100))


def test_a_feedback_loop_through_a_batch_is_found_too(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, domain=domain)

    def feed(value: int) -> None:
        with batch(domain):
            store.set(value + 1)

    store.select().pipe(ops.skip(1)).subscribe(feed)
    store.set(1)
    assert domain.settled(5)
    assert store.get() == 100
    assert [type(report.error) for report in reports] == [FeedbackLoop]


@pytest.mark.parametrize("is_queued", [False, True])
def test_a_chain_of_own_writes_stays_on_the_thread_that_began_it(
    domain: Domain, is_queued: bool
) -> None:
    trigger, fan = Store(0, domain=domain), Store(0, domain=domain)
    here = threading.get_ident()
    log: list[tuple[int, bool]] = []
    if is_queued:
        domain.on_commit(lambda commit: None)
    trigger.select().pipe(ops.skip(1)).subscribe(
        lambda _: [fan.set(value) for value in range(1, 1001)]
    )
    fan.select().pipe(ops.skip(1)).subscribe(
        lambda value: log.append((value, threading.get_ident() == here))
    )
    trigger.set(1)
    assert log == [(value, True) for value in range(1, 1001)]


@pytest.mark.parametrize("is_queued", [False, True])
def test_the_writer_delivers_64_commits_of_others_and_a_daemon_thread_the_rest(
    domain: Domain, is_queued: bool
) -> None:
    trigger, flood = Store(0, domain=domain), Store(0, domain=domain)
    here = threading.get_ident()
    log: list[tuple[int, bool, bool]] = []
    if is_queued:
        domain.on_commit(lambda commit: None)

    def flood_from_elsewhere(_: int) -> None:
        other = threading.Thread(target=lambda: [flood.set(value) for value in range(1, 201)])
        other.start()
        other.join(5)

    trigger.select().pipe(ops.skip(1)).subscribe(flood_from_elsewhere)
    flood.select().pipe(ops.skip(1)).subscribe(
        lambda value: log.append(
            (value, threading.get_ident() == here, threading.current_thread().daemon)
        )
    )
    trigger.set(1)
    assert domain.settled(5)
    assert log == [(value, value <= 64, value > 64) for value in range(1, 201)]


def test_a_backlog_of_10_000_is_reported_once_and_nothing_is_dropped(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    trigger, flood = Store(0, domain=domain), Store(0, domain=domain)
    log: list[int] = []
    flood.select().subscribe(log.append)
    trigger.select().pipe(ops.skip(1)).subscribe(
        lambda _: [flood.set(value) for value in range(1, 12_001)]
    )
    trigger.set(1)
    assert domain.settled(20)
    assert [(report.kind, report.store) for report in reports] == [("backlog", "test")]
    assert log == list(range(12_001))


def test_settled_is_true_at_rest_and_refuses_to_wait_for_itself(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, domain=domain)
    assert domain.settled(0)
    store.select().pipe(ops.skip(1)).subscribe(lambda _: domain.settled(0))
    store.set(1)
    assert [type(report.error) for report in reports] == [UsageError]


def test_settled_waits_for_a_direct_delivery_on_another_thread(domain: Domain) -> None:
    store = Store(0, domain=domain)
    inside, go_on = threading.Event(), threading.Event()

    def stall(value: int) -> None:
        if value:
            inside.set()
            go_on.wait(5)

    store.select().subscribe(stall)
    writer = threading.Thread(target=store.set, args=(1,))
    writer.start()
    inside.wait(5)
    assert not domain.settled(0.01)
    go_on.set()
    assert domain.settled(5)
    writer.join()


def test_settled_waits_for_what_observers_of_the_awaited_commit_write(domain: Domain) -> None:
    store = Store(0, domain=domain)
    waits: list[bool] = []
    waiter = threading.Thread(target=domain.settled, args=(30,))

    def answer(value: int) -> None:
        if value == 1:
            waiter.start()
            while not domain._settling:
                time.sleep(0)
        if 0 < value < 4:
            store.set(value + 1)
        if value:
            waits.append(bool(domain._settling) and not domain._settling[0][1].is_set())

    store.select().subscribe(answer)
    store.set(1)
    waiter.join(30)
    assert waits == [True] * 4
    assert not domain._settling


def test_a_write_while_another_thread_delivers_returns_at_once_and_is_delivered_there(
    domain: Domain,
) -> None:
    store = Store(0, domain=domain)
    inside, go_on = threading.Event(), threading.Event()
    log: list[tuple[int, str]] = []

    def stall(value: int) -> None:
        log.append((value, threading.current_thread().name))
        if value == 1:
            inside.set()
            go_on.wait(5)

    store.select().subscribe(stall)
    log.clear()
    writer = threading.Thread(target=store.set, args=(1,), name="A")
    writer.start()
    inside.wait(5)
    store.set(2)
    assert (store.get(), log) == (2, [(1, "A")])
    go_on.set()
    writer.join(5)
    assert log == [(1, "A"), (2, "A")]


def test_the_domain_lists_its_living_stores(domain: Domain) -> None:
    store = Store(0, domain=domain)
    gone = Store(0, domain=domain)
    assert set(domain.stores()) == {store, gone}
    del gone
    assert domain.stores() == [store]


@pytest.mark.parametrize("is_observed", [True, False])
def test_numbers_grow_by_one_with_each_commit_and_by_none_without(
    domain: Domain, is_observed: bool
) -> None:
    a, b = Store(0, domain=domain), Store(0, domain=domain)
    if is_observed:
        a.select().subscribe()
    numbers = [domain.number]
    for write in (
        lambda: a.set(1),
        lambda: a.set(1),
        lambda: b.update(lambda value: value + 1),
        a.reset,
        a.close,
    ):
        write()
        numbers.append(domain.number)
    assert numbers == [0, 1, 1, 2, 3, 4]


class Mailbox:
    """A home that keeps what was posted until the test runs it."""

    def __init__(self) -> None:
        self.posted: list[Callable[[], None]] = []

    def post(self, function: Callable[[], None], /) -> None:
        self.posted.append(function)

    def is_current(self) -> bool:
        return False


def test_settled_waits_for_what_the_observers_of_those_commits_write() -> None:
    with ThreadPoolExecutor(1) as executor:
        domain = Domain("test", home=executor)
        chain = Store(0, domain=domain)
        done: list[int] = []
        gate = threading.Event()

        def go_on(value: int) -> None:
            if 0 < value < 50:
                chain.set(value + 1)
            done.append(value)

        chain.select().subscribe(go_on)
        executor.submit(gate.wait, 5)
        chain.set(1)
        waiting = threading.Thread(target=lambda: done.append(-int(domain.settled(5))))
        waiting.start()
        while not domain._settling:
            pass
        gate.set()
        waiting.join(5)
    assert done == [*range(51), -1]


def test_settled_does_not_wait_for_what_others_write_later() -> None:
    home = Mailbox()
    domain = Domain("test", home=home)
    store = Store(0, domain=domain)
    seen: list[object] = []

    def see(value: int) -> None:
        seen.append(value)
        if value == 1:
            # Written during the delivery, and by another thread.
            other = threading.Thread(target=store.set, args=(2,))
            other.start()
            other.join(5)
        if value == 2:
            seen.append(domain._settling)

    store.select().subscribe(see)
    store.set(1)
    waiting = threading.Thread(target=domain.settled)
    waiting.start()
    while not domain._settling:
        pass
    home.posted.pop()()
    waiting.join(5)
    assert seen == [0, 1, 2, []]


def test_a_chain_between_two_domains_with_homes_ends(reports: list[ErrorReport]) -> None:
    homes = [Mailbox(), Mailbox()]
    left, right = (
        Store(0, name=name, domain=Domain(name, home=home, on_error=reports.append))
        for name, home in zip(("left", "right"), homes, strict=True)
    )
    left.select().pipe(ops.skip(1)).subscribe(lambda value: right.set(value + 1))
    right.select().pipe(ops.skip(1)).subscribe(lambda value: left.set(value + 1))
    left.set(1)
    for _ in range(1_000):
        for home in homes:
            while home.posted:
                home.posted.pop(0)()
    assert [type(report.error) for report in reports] == [FeedbackLoop]
    assert (left.get(), right.get()) == (99, 100)
    # The end of one chain is not the end of writing.
    left.set(1_000)
    homes[0].posted.pop()()
    assert right.get() == 1_001


def test_an_observer_that_closes_its_store_in_the_first_call_is_completed(domain: Domain) -> None:
    store = Store(0, domain=domain)
    seen: list[object] = []

    def see(value: int) -> None:
        seen.append(value)
        store.close()

    store.select().subscribe(see, on_completed=lambda: seen.append("end"))
    assert seen == [0, "end"]


@pytest.mark.parametrize("seed", range(5))
def test_the_empty_places_of_selections_that_left_are_counted(domain: Domain, seed: int) -> None:
    store, chance = Store(0, domain=domain), random.Random(seed)
    there = [store.select(lambda now, n=n: now + n).subscribe() for n in range(20)]
    for number in range(200):
        if there and chance.random() < 0.6:
            there.pop(chance.randrange(len(there))).dispose()
        else:
            there.append(store.select(lambda now, n=number: now + n).subscribe())
        places = store._nodes[: store._node_count]
        assert (places.count(None), len(places)) == (store._dead_nodes, len(store._nodes))
        assert len(places) <= 2 * len(there) + 1
