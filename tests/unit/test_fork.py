"""A child that was forked at any moment delivers, with locks and marks of its own."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from forked import in_child
from instructions import is_reached
from reactivex.scheduler import VirtualTimeScheduler

from reactive_ws.engine import Domain
from reactive_ws.state import KeyedStore, Store, derived

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@contextmanager
def busy(work: Callable[[Callable[[], object]], object]) -> Iterator[None]:
    """Lets another thread run `work`, which calls its argument where the block is to run."""
    is_there, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        is_there.set()
        assert go_on.wait(30)

    thread = threading.Thread(target=work, args=(pause,))
    thread.start()
    assert is_there.wait(30)
    try:
        yield
    finally:
        go_on.set()
        thread.join(30)


def test_a_child_delivers_while_another_thread_delivered_in_the_parent() -> None:
    domain = Domain()
    store, other = Store(0, domain=domain), Store(0, domain=domain)
    keyed = KeyedStore({"x": 0}, domain=domain)
    both = derived(store, keyed.select("x"), lambda value, x: [value, x])
    pauses: list[Callable[[], object]] = []
    seen: list[Any] = []
    store.select().subscribe(lambda value: pauses[0]() if value == 1 else None)
    both.select().subscribe(seen.append)
    other.select().subscribe(seen.append)

    def deliver(pause: Callable[[], object]) -> None:
        pauses.append(pause)
        store.set(1)

    def work() -> list[Any]:
        del seen[:]
        other.set(5)
        store.set(2)
        fresh = Store("a", domain=domain)
        fresh.select().subscribe(seen.append)
        fresh.set("b")
        return [*seen, both.get(), domain.settled(1)]

    with busy(deliver):
        keyed.upsert("x", 7)
        assert in_child(work) == [5, [2, 7], "a", "b", [2, 7], True]
    assert seen == [[0, 0], 0, [1, 0], [1, 7]]


def test_a_part_in_a_child_is_of_the_newest_commit_that_another_thread_was_delivering() -> None:
    domain = Domain()
    store = Store(0, domain=domain)
    double = derived(store, lambda value: value * 2)
    parts = [store.select(lambda value: -value), double.select(lambda value: -value)]
    pauses: list[Callable[[], object]] = []
    domain.on_commit(lambda _: pauses[0]())
    for part in parts:
        part.subscribe()

    def deliver(pause: Callable[[], object]) -> None:
        pauses.append(pause)
        store.set(1)

    def work() -> list[int]:
        shown: list[int] = []
        for part in parts:
            part.subscribe(shown.append).dispose()
        return [*shown, *[part.get() for part in parts]]

    with busy(deliver):
        assert in_child(work) == [-1, -2, -1, -2]
    assert [part.get() for part in parts] == [-1, -2]


def test_a_child_delivers_while_another_thread_held_the_locks_of_the_parent() -> None:
    domain = Domain()
    store, keyed = Store(0, domain=domain), KeyedStore({"x": 0}, domain=domain)
    seen: list[Any] = []

    def hold(pause: Callable[[], object]) -> None:
        with keyed._keys._lock, domain.exclusive():
            pause()

    def work() -> list[Any]:
        store.select().subscribe(seen.append)
        keyed.select("x").subscribe(seen.append)
        store.set(1)
        keyed.upsert("x", 2)
        return seen

    with busy(hold):
        assert in_child(work) == [0, 0, 1, 2]


def test_a_child_forked_by_an_observer_goes_on_with_the_delivery() -> None:
    store = Store(0, domain=Domain())
    seen: list[int] = []
    results: list[Any] = []
    store.select().subscribe(
        lambda value: (
            results.append(in_child(lambda: (store.set(2), seen)[1])) if value == 1 else None
        )
    )
    store.select().subscribe(seen.append)
    store.set(1)
    # The child ends inside the observer, before the others are called.
    assert results == [[0]]
    assert seen == [0, 1]


def test_a_child_leaves_a_home_whose_thread_it_has_not() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        domain = Domain(home=executor)
        store = Store(0, domain=domain)
        seen: list[int] = []
        store.select().subscribe(seen.append)
        store.set(1)
        assert domain.settled(30)
        assert in_child(lambda: (store.set(2), seen)[1]) == [0, 1, 2]
        assert domain.home is not None


def test_an_observer_whose_first_call_runs_on_another_thread_gets_the_commits_of_the_child() -> (
    None
):
    domain = Domain()
    store, keyed = Store(0, domain=domain), KeyedStore({"x": 0}, domain=domain)
    streams: dict[str, Any] = {
        "whole": store.select(),
        "part": store.select(lambda value: value + 1),
        "key": keyed.select("x"),
        "derived": derived(store, lambda value: -value).select(),
    }
    for is_first, (name, stream) in itertools.product((True, False), streams.items()):
        seen: list[Any] = []
        others = [] if is_first else [stream.subscribe()]

        def join(pause: Callable[[], object], stream: Any = stream, seen: list[Any] = seen) -> None:
            def see(value: Any) -> None:
                seen.append(value)
                if len(seen) == 1:
                    pause()

            stream.subscribe(see).dispose()

        def work(stream: Any = stream, seen: list[Any] = seen) -> list[Any]:
            for value in (1, 2):
                store.set(value)
                keyed.upsert("x", value)
            links = [link for link in stream._audience._links if link is not None]
            assert [link._held for link in links] == [None] * len(links)
            return seen

        with busy(join):
            # What meets the first call in the parent stays there.
            store.trigger()
            expected = {"whole": [0, 1, 2], "part": [1, 2, 3], "key": [0, 1, 2], "derived": [0, -1, -2]}  # fmt: skip
            assert in_child(work) == expected[name], name
        assert seen[:1] == expected[name][:1]
        for other in others:
            other.dispose()


def test_an_observer_that_forks_in_its_first_call_sees_it_to_its_end() -> None:
    store = Store(0, domain=Domain())
    seen: list[int] = []
    results: list[Any] = []

    def see(value: int) -> None:
        seen.append(value)
        if value == 0:
            results.append(in_child(lambda: (store.set(1), list(seen))[1]))
            seen.append(5)

    store.select().subscribe(see)
    assert results == [[0]]
    assert seen == [0, 5]


def test_a_fork_at_any_place_of_a_subscription_leaves_a_child_that_delivers() -> None:
    is_deep = os.environ.get("REACTIVE_WS_PROFILE") == "deep"
    for place in itertools.count(1, 1 if is_deep else 6):
        domain = Domain()
        store = Store(0, domain=domain)
        seen: list[int] = []
        store.select().subscribe(seen.append)
        value = derived(store, lambda now: now + 1)
        results: list[Any] = []

        def work(store: Store[int] = store, seen: list[int] = seen) -> Any:
            is_inside = store.domain._is_inside()
            store.set(1)
            fresh = Store(5, domain=store.domain)
            fresh.select().subscribe(seen.append)
            held = [link for link in store._links if link is not None and link._held is not None]
            return is_inside, len(held), seen

        def join(pause: Callable[[], object], store: Store[int] = store) -> None:
            store.select().subscribe(lambda now: None if now else pause()).dispose()

        # Another thread is in the first call of an observer, too.
        with busy(join):
            is_there = is_reached(
                value.select(str).subscribe,
                place,
                lambda results=results, work=work: results.append(in_child(work)),  # type: ignore[misc]
            )
        assert len(results) == is_there
        for is_inside, held, seen_there in results:
            assert held == 0, place
            # A handler inside the lock leaves its write to the act that it interrupted, in a child as elsewhere.
            assert seen_there == ([0, 5] if is_inside else [0, 1, 5]), place
        if not is_there:
            break


def test_the_last_observer_of_a_child_stops_what_a_thread_of_the_parent_was_starting() -> None:
    domain = Domain()
    pauses: list[Callable[[], object]] = []
    calls: list[str] = []

    def start() -> None:
        calls.append("start")
        if pauses:
            pauses.pop()()

    store = Store(0, domain=domain)
    doubled = derived(
        store, lambda value: value * 2, on_start=start, on_stop=lambda: calls.append("stop")
    )

    def join(pause: Callable[[], object]) -> None:
        pauses.append(pause)
        doubled.select().subscribe().dispose()

    def work() -> Any:
        # The observer that the parent's thread brings never comes here, so the start that it began is of no use.
        store.set(1)
        before = doubled.observer_count, list(calls)
        doubled.select().subscribe().dispose()
        return before, calls

    with busy(join):
        assert in_child(work) == [[0, ["start"]], ["start", "start", "stop"]]
    assert calls == ["start", "stop"]


def test_a_derived_value_that_lingers_has_a_timer_of_the_child_too() -> None:
    class Timers(VirtualTimeScheduler):
        """A scheduler that counts the timers that begin."""

        begun = 0

        def schedule_relative(self, *arguments: Any, **options: Any) -> Any:
            self.begun += 1
            return super().schedule_relative(*arguments, **options)

    domain, timers = Domain(), Timers()
    calls: list[str] = []
    store = Store(0, domain=domain)
    value = derived(store, str, on_stop=lambda: calls.append("stop"), linger=1.0, scheduler=timers)
    value.select().subscribe().dispose()
    assert timers.begun == 1

    def work() -> Any:
        store.set(1)
        begun = timers.begun
        timers.start()
        return begun, calls

    # The thread of the first timer goes on in the parent only.
    assert in_child(work) == [2, ["stop"]]
    assert calls == []
