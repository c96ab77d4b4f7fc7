"""An observer that leaves, joins or fails leaves no state behind that could change a later delivery."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from reactive_ws.engine.domain import Domain
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


class Gate:
    """A lock that calls a function before it is taken by the thread that made it, once."""

    def __init__(self, lock: Any, before: Callable[[], object]) -> None:
        self._lock = lock
        self._before = [before]
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        if self._before and threading.get_ident() == self._thread:
            self._before.pop()()
        self._lock.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.__exit__(kind, error, traceback)


def test_a_commit_on_its_way_into_a_replay_that_ends_just_then_is_not_lost(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []
    inside, go_on = threading.Event(), threading.Event()

    def observer(value: int) -> None:
        log.append(value)
        if value == 0:
            inside.set()
            go_on.wait(5)

    joining = threading.Thread(target=lambda: store.select().subscribe(observer))
    joining.start()
    assert inside.wait(5)

    def end_the_replay() -> None:
        go_on.set()
        joining.join(5)

    # The writer has met the observer's place and waits for the lock while the replay ends.
    domain._lock = Gate(domain._lock, end_the_replay)  # type: ignore[assignment]
    store.set(1)
    assert not joining.is_alive()
    store.set(2)
    assert log == [0, 1, 2]


def test_what_was_remembered_for_a_hungry_observer_goes_with_the_last_one(domain: Domain) -> None:
    store = Store(1, domain=domain)
    part = store.select(lambda value: 6 // value)
    early = part.subscribe()
    store.set(0)
    hungry = part.subscribe()
    early.dispose()
    hungry.dispose()
    store.set(2)
    log: list[int] = []
    part.subscribe(log.append)
    store.set(1)
    assert log == [3, 6]


def test_a_hungry_observer_of_a_part_that_was_fed_is_hungry_no_more(domain: Domain) -> None:
    store = Store(1, domain=domain)
    part = store.select(lambda value: 6 // value)
    early: list[int] = []
    late: list[int] = []
    part.subscribe(early.append)
    store.set(0)
    part.subscribe(late.append)
    for value in (1, 2, 1, 1, 3):
        store.set(value)
    assert (early, late) == ([6, 3, 6, 2], [6, 3, 6, 2])
    (node,) = [node for node in store._nodes if node is not None]
    assert node._waiting == ()


def test_who_was_hungry_for_a_derived_value_is_told_once_and_then_like_the_others(
    domain: Domain,
) -> None:
    store = Store(1, domain=domain)
    inverse = derived(store, lambda value: 6 // value)
    early: list[int] = []
    late: list[int] = []
    inverse.select().subscribe(early.append)
    store.set(0)
    inverse.select().subscribe(late.append)
    for value in (1, -6, -7, 2):
        store.set(value)
    assert early == [6, -1, 3]
    assert late == [6, -1, 3]
    assert inverse._waiting == ()


def test_a_part_of_a_derived_value_does_not_look_at_an_equal_one(domain: Domain) -> None:
    root = Store(1, domain=domain)
    parity = derived(root, lambda value: (value % 2,))
    seen: list[tuple[int]] = []
    part = parity.select(lambda whole: (seen.append(whole), whole[0])[1])
    log: list[int] = []
    part.subscribe(log.append)
    root.set(3)
    root.set(4)
    assert (seen, log) == ([(1,), (0,)], [1, 0])


def test_commits_do_not_look_for_derived_values_when_the_last_one_left(domain: Domain) -> None:
    keyed = KeyedStore({"k": 1}, domain=domain)
    store = Store(0, domain=domain)
    of_key = derived(keyed.select("k"), lambda value: value)
    of_all = derived(keyed.select_all(), len)
    of_store = derived(store, lambda value: value)
    subscriptions = [value.select().subscribe() for value in (of_key, of_all, of_store, of_store)]
    assert (keyed._reached, store._reached) == (2, 1)
    for subscription in subscriptions:
        subscription.dispose()
    assert (keyed._reached, store._reached) == (0, 0)


def test_who_leaves_during_the_first_computation_leaves_no_value_behind(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(0, domain=domain)

    def leave(value: int) -> int:
        if value == 1:
            link = total._links[0]
            assert link is not None
            link.dispose()
        return value * 10

    total = derived(derived(a, leave), b, lambda left, right: left + right)
    log: list[int] = []
    total.select().subscribe(log.append)
    assert log == []
    a.set(2)
    assert total.get() == 20
    total.select().subscribe(log.append)
    b.set(1)
    assert (log, total.get()) == ([20, 21], 21)


def test_who_joins_a_derived_value_with_an_open_source_is_not_told_the_end(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(2, domain=domain)
    total = derived(derived(a, lambda value: value * 10), b, lambda left, right: left + right)
    a.close()
    log: list[object] = []
    total.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    assert log == [12]
    b.set(3)
    assert log == [12, 13]
    b.close()
    assert log == [12, 13, "end"]


def test_a_ladder_of_diamonds_is_walked_once_a_value(domain: Domain) -> None:
    ladder = [derived(Store(1, domain=domain), lambda value: value)]
    for _ in range(11):
        ladder.append(derived(ladder[-1], ladder[-1], lambda left, right: (left + right) % 7))
    order, ground = ladder[-1]._below(lambda _: False)
    assert order == ladder
    assert len(ground) == 1


class Account:
    """Equal to every other one, which the default rule does not ask."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_a_write_asks_only_plain_values_whether_they_are_equal(domain: Domain) -> None:
    first, second = Account(), Account()
    pair, same_pair = (1, Account), (1, *[Account])
    store: Store[object] = Store(first, domain=domain)
    keyed: KeyedStore[str, object] = KeyedStore({"k": first}, domain=domain)
    log: list[object] = []
    store.select().subscribe(log.append)
    keyed.select("k").subscribe(log.append)
    for value in (second, pair, same_pair, 1, 1, True):
        store.set(value)
        keyed.upsert("k", value)
    expected = [first, first, second, second, pair, pair, 1, 1, True, True]
    assert [(type(value), id(value)) for value in log] == [
        (type(value), id(value)) for value in expected
    ]


def test_who_leaves_while_a_commit_is_computed_leaves_no_value_behind(domain: Domain) -> None:
    a, b = Store(1, domain=domain), Store(0, domain=domain)
    calls: list[int] = []

    def leave(value: int) -> int:
        calls.append(value)
        if len(calls) == 1:
            # A commit of another thread finds nothing computed yet, so delivery computes what is below.
            other = threading.Thread(target=b.set, args=(1,))
            other.start()
            other.join(5)
        elif len(calls) == 2:
            link = total._links[0]
            assert link is not None
            link.dispose()
        return value * 10

    total = derived(derived(a, leave), b, lambda left, right: left + right)
    log: list[int] = []
    total.select().subscribe(log.append)
    assert (calls, log) == ([1, 1], [])
    a.set(2)
    assert total.get() == 21
    total.select().subscribe(log.append)
    b.set(2)
    assert (log, total.get()) == ([21, 22], 22)


def test_a_read_of_another_thread_during_the_first_computation_computes_for_itself(
    domain: Domain,
) -> None:
    calls: list[int] = []
    read: list[int] = []

    def twice(value: int) -> int:
        calls.append(value)
        if len(calls) == 1:
            other = threading.Thread(target=lambda: read.append(double.get()))
            other.start()
            other.join(5)
        return value * 2

    double = derived(Store(1, domain=domain), twice)
    log: list[int] = []
    double.select().subscribe(log.append)
    assert (read, log) == ([2], [2])


def test_a_set_that_meets_a_write_of_another_thread_wins_over_it(domain: Domain) -> None:
    others = [5]

    def equals(old: int, new: int) -> bool:
        if others:
            other = threading.Thread(target=store.set, args=(others.pop(),))
            other.start()
            other.join(5)
        return old == new

    store = Store(0, domain=domain, equals=equals)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(7)
    assert (log, store.get()) == ([0, 5, 7], 7)


def test_many_new_keys_come_last_in_their_order(domain: Domain) -> None:
    keyed = KeyedStore({"x": 1, "y": 2}, domain=domain)
    keyed.set_many({"d": 1, "x": 3, "b": 2, "c": 3})
    assert list(keyed.get_all()) == ["x", "y", "d", "b", "c"]
    keyed.upsert("a", 1)
    assert list(keyed.get_all()) == ["x", "y", "d", "b", "c", "a"]
