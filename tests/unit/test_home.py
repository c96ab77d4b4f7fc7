"""Homes: delivery on one thread only, writers that never wait for it, moving and losing the home."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import pytest
from queue_home import QueueHome
from reactivex import operators as ops

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.engine.home import ExecutorHome, Home, LoopHome, home_of
from reactive_ws.errors import UsageError
from reactive_ws.state.derived import derived
from reactive_ws.state.store import Store


class GoneHome(QueueHome):
    """A home whose thread has ended."""

    def post(self, function: Callable[[], None], /) -> None:
        raise RuntimeError("the loop is closed")


@pytest.fixture
def home() -> QueueHome:
    return QueueHome()


@pytest.fixture
def at_home(home: QueueHome, reports: list[ErrorReport]) -> Domain:
    return Domain("at home", home=home, on_error=reports.append)


def test_a_write_from_elsewhere_commits_wakes_the_home_once_and_returns(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []
    store.select().subscribe(log.append)
    for value in (1, 2, 3):
        store.set(value)
    assert (store.get(), log, len(home.posted)) == (3, [0], 1)
    home.run()
    assert log == [0, 1, 2, 3]
    store.set(4)
    assert len(home.posted) == 1


def test_a_write_at_home_is_delivered_before_it_returns_after_what_waited(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    home.is_inside = True
    store.set(2)
    assert log == [0, 1, 2]
    home.is_inside = False
    home.run()
    assert log == [0, 1, 2]


def test_everything_is_delivered_at_home(at_home: Domain, home: QueueHome) -> None:
    a, b = Store(0, domain=at_home), Store(0, domain=at_home)
    places: list[tuple[str, bool]] = []

    def note(name: str) -> Callable[[object], None]:
        return lambda _: places.append((name, home.is_inside))

    at_home.on_commit(note("hook"))
    a.select().pipe(ops.skip(1)).subscribe(note("a"))
    a.select(lambda value: -value).pipe(ops.skip(1)).subscribe(note("part"))
    derived(a, b, lambda left, right: left + right).select().pipe(ops.skip(1)).subscribe(
        note("derived")
    )
    a.select().subscribe(None, on_completed=lambda: places.append(("end", home.is_inside)))
    with batch(at_home):
        a.set(1)
        b.set(1)
    a.close()
    home.run()
    assert places == [
        ("hook", True),
        ("a", True),
        ("part", True),
        ("derived", True),
        ("hook", True),
        ("end", True),
    ]


def test_the_home_gets_its_turn_back_after_64_commits(at_home: Domain, home: QueueHome) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []
    store.select().subscribe(log.append)
    for value in range(1, 151):
        store.set(value)
    home.run_one()
    assert log == list(range(65))
    home.run_one()
    assert log == list(range(129))
    home.run_one()
    assert (log, home.posted) == (list(range(151)), [])


def test_the_replay_runs_at_once_on_the_subscribers_thread(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    store.set(1)
    log: list[tuple[int, bool]] = []
    store.select().subscribe(lambda value: log.append((value, home.is_inside)))
    assert log == [(1, False)]
    store.set(2)
    home.run()
    assert log == [(1, False), (2, True)]


def test_a_backlog_of_a_sleeping_home_is_reported_once_and_nothing_is_dropped(
    at_home: Domain, home: QueueHome, reports: list[ErrorReport]
) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []
    store.select().subscribe(log.append)
    for value in range(1, 10_200):
        store.set(value)
    home.run()
    assert [(report.kind, report.store) for report in reports] == [("backlog", "at home")]
    assert "10000 commits" in str(reports[0].error)
    assert log == list(range(10_200))


def test_a_new_home_takes_over_what_is_queued_and_the_old_one_delivers_nothing(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    log: list[tuple[int, bool]] = []
    new = QueueHome()
    store.select().pipe(ops.skip(1)).subscribe(lambda value: log.append((value, new.is_inside)))
    store.set(1)
    at_home.set_home(new)
    assert at_home.home is new
    home.run()
    assert log == []
    store.set(2)
    new.run()
    assert log == [(1, True), (2, True)]


def test_without_a_home_again_the_caller_delivers_what_is_queued(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    at_home.set_home(None)
    assert log == [0, 1]
    store.set(2)
    home.run()
    assert (log, at_home.home) == ([0, 1, 2], None)


def test_a_home_given_later_is_used_from_the_next_commit_on(
    domain: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    domain.set_home(home)
    store.set(2)
    assert log == [0, 1]
    home.run()
    assert log == [0, 1, 2]


def test_when_the_home_is_gone_the_writer_delivers(reports: list[ErrorReport]) -> None:
    domain = Domain(home=GoneHome(), on_error=reports.append)
    store = Store(0, domain=domain)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    store.set(2)
    assert (log, domain.home) == ([0, 1, 2], None)


def test_a_home_whose_post_fails_once_is_woken_by_the_next_write(
    reports: list[ErrorReport],
) -> None:
    class Unready(QueueHome):
        is_ready = False

        def post(self, function: Callable[[], None], /) -> None:
            if not self.is_ready:
                raise ValueError("no window yet")
            super().post(function)

    home = Unready()
    store = Store(0, domain=Domain(home=home, on_error=reports.append))
    log: list[int] = []
    store.select().subscribe(log.append)
    with pytest.raises(ValueError, match="no window yet"):
        store.set(1)
    home.is_ready = True
    store.set(2)
    home.run()
    assert (log, reports) == ([0, 1, 2], [])


def test_a_home_that_goes_during_a_long_delivery_strands_nothing(
    at_home: Domain, home: QueueHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []
    store.select().subscribe(log.append)
    for value in range(1, 200):
        store.set(value)
    monkeypatch.setattr(home, "post", GoneHome().post)
    home.run_one()
    assert at_home.settled(5)
    assert (log, at_home.home) == (list(range(200)), None)


def test_a_closed_loop_is_a_home_that_is_gone(reports: list[ErrorReport]) -> None:
    loop = asyncio.new_event_loop()
    store = Store(0, domain=Domain(home=loop, on_error=reports.append))
    loop.close()
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    assert log == [0, 1]


def test_an_asyncio_loop_delivers_in_itself_also_what_threads_write() -> None:
    log: list[tuple[int, bool]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        domain = Domain(home=loop)
        store = Store(0, domain=domain)
        here = threading.get_ident()
        store.select().subscribe(lambda value: log.append((value, threading.get_ident() == here)))
        store.set(1)
        assert [value for value, _ in log] == [0, 1]
        await asyncio.to_thread(store.set, 2)
        await store.select().wait_for(lambda value: value == 2)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert log == [(0, True), (1, True), (2, True)]


def test_an_executor_delivers_in_order_on_its_threads() -> None:
    log: list[tuple[int, str]] = []
    with concurrent.futures.ThreadPoolExecutor(4, thread_name_prefix="pool") as executor:
        domain = Domain(home=executor)
        store = Store(0, domain=domain)
        store.select().pipe(ops.skip(1)).subscribe(
            lambda value: log.append((value, threading.current_thread().name[:4]))
        )
        store.select().subscribe(lambda value: store.set(200) if value == 99 else None)
        for value in range(1, 100):
            store.set(value)
        assert domain.settled(5)
    assert log == [(value, "pool") for value in (*range(1, 100), 200)]
    store.set(300)
    assert log[-1][0] == 300


def test_an_observer_at_home_may_not_wait_for_the_delivery_it_should_make(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    store.set(1)
    home.is_inside = True
    with pytest.raises(UsageError):
        at_home.settled(0.01)
    home.is_inside = False
    assert not at_home.settled(0.01)
    home.run()
    assert at_home.settled(0)


def test_a_base_exception_at_home_leaves_the_rest_to_the_home(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    log: list[int] = []

    def interrupt(value: int) -> None:
        if value == 1:
            raise KeyboardInterrupt

    store.select().subscribe(interrupt)
    store.select().subscribe(log.append)
    for value in (1, 2):
        store.set(value)
    with pytest.raises(KeyboardInterrupt):
        home.run_one()
    assert (log, len(home.posted)) == ([0, 1], 1)
    home.run()
    assert log == [0, 1, 2]


def test_loops_executors_and_homes_are_told_apart(home: QueueHome) -> None:
    loop = asyncio.new_event_loop()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        assert home_of(loop) == LoopHome(loop)
        assert home_of(executor) == ExecutorHome(executor)
    loop.close()
    assert home_of(home) is home
    assert isinstance(home, Home)
    with pytest.raises(UsageError, match="got int"):
        home_of(5)  # type: ignore[arg-type]


class LaterPost(QueueHome):
    """A home whose `post` runs nothing until it is awaited."""

    async def post(self, function: Callable[[], None], /) -> None:  # type: ignore[override]
        function()


class LaterAnswer(QueueHome):
    """A home whose answer is always true, because it is a coroutine."""

    async def is_current(self) -> bool:  # type: ignore[override]
        return False


def closed_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.close()
    return loop


def shut_down_executor() -> concurrent.futures.Executor:
    executor = concurrent.futures.ThreadPoolExecutor(1)
    executor.shutdown()
    return executor


class ShutExecutor(concurrent.futures.Executor):
    """An executor of another library, which takes nothing now."""

    def submit(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("the pool is closed")


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        (closed_loop(), r"a closed event loop cannot be a home.*get_running_loop\(\)"),
        (LoopHome(closed_loop()), "a closed event loop cannot be a home"),
        (shut_down_executor(), r"a ThreadPoolExecutor that is shut down .* make a new one"),
        (ShutExecutor(), r"a ShutExecutor that is shut down .*\(the pool is closed\)"),
        (QueueHome, r"QueueHome is a class; .* such as QueueHome\(...\)"),
        (asyncio.SelectorEventLoop, "is a class"),
        (concurrent.futures.ThreadPoolExecutor, "ThreadPoolExecutor is a class"),
        (LaterPost(), r"post\(\) of a home .* `async def`"),
        (LaterAnswer(), r"is_current\(\) of a home .* `async def`"),
    ],
)
def test_a_home_that_could_run_nothing_is_refused(place: Any, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        Domain(home=place)
    domain = Domain()
    with pytest.raises(UsageError, match=fault):
        domain.set_home(place)
    assert domain.home is None


def test_a_loop_that_was_closed_with_a_wake_pending_strands_nothing() -> None:
    loop = asyncio.new_event_loop()
    domain = Domain(home=loop)
    store = Store(0, domain=domain)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    loop.close()
    store.set(2)
    store.set(3)
    assert (log, domain.home, domain.settled(5)) == ([0, 1, 2, 3], None, True)


def test_an_executor_that_dropped_the_wake_strands_nothing() -> None:
    executor = concurrent.futures.ThreadPoolExecutor(1)
    go_on = threading.Event()
    executor.submit(go_on.wait, 5)
    domain = Domain(home=executor)
    store = Store(0, domain=domain)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    executor.shutdown(wait=False, cancel_futures=True)
    store.set(2)
    go_on.set()
    assert (log, domain.home) == ([0, 1, 2], None)


def test_moving_in_moves_the_delivery_that_is_under_way(home: QueueHome) -> None:
    domain = Domain()
    store = Store(0, domain=domain)
    log: list[tuple[int, bool]] = []

    def see(value: int) -> None:
        log.append((value, home.is_inside))
        if value == 1:
            store.set(2)
            store.set(3)
            domain.set_home(home)

    store.select().subscribe(see)
    store.set(1)
    home.run()
    assert log == [(0, False), (1, False), (2, True), (3, True)]


def test_settled_waits_for_the_commits_so_far_and_not_for_later_ones(
    at_home: Domain, home: QueueHome
) -> None:
    store = Store(0, domain=at_home)
    inside, go_on = threading.Event(), threading.Event()

    def see(value: int) -> None:
        if value == 2:
            inside.set()
            go_on.wait(5)

    store.select().subscribe(see)
    store.set(1)
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        settled = executor.submit(at_home.settled, 5)
        while not at_home._settling:
            pass
        store.set(2)
        delivery = executor.submit(home.run)
        assert inside.wait(5)
        assert settled.result(5)
        go_on.set()
        delivery.result(5)


def test_writes_at_home_and_of_other_threads_have_one_order() -> None:
    async def main() -> None:
        domain = Domain("loop", home=asyncio.get_running_loop())
        others = [Store(0, domain=domain) for _ in range(3)]
        mine: Store[tuple[int, ...]] = Store((), domain=domain)
        seen: list[list[int]] = [[] for _ in others]
        places: set[int] = set()
        early: list[tuple[int, ...]] = []

        def see(log: list[int], value: int) -> None:
            places.add(threading.get_ident())
            log.append(value)

        def see_mine(read: tuple[int, ...]) -> None:
            # What the write had read was committed before it.
            if any(log[-1] < value for log, value in zip(seen, read, strict=False)):
                early.append(read)

        def write(store: Store[int]) -> None:
            for value in range(1, 301):
                store.set(value)

        for store, log in zip(others, seen, strict=True):
            store.select().subscribe(partial(see, log))
        mine.select().subscribe(see_mine)
        with concurrent.futures.ThreadPoolExecutor(3) as executor:
            writing = [executor.submit(write, store) for store in others]
            for number in range(1_000_000):
                with batch(domain) if number % 2 else nullcontext():
                    mine.set((*(store.get() for store in others), number))
                await asyncio.sleep(0)
                if all(future.done() for future in writing):
                    break
        assert await asyncio.to_thread(domain.settled, 30)
        assert early == []
        assert places == {threading.get_ident()}
        assert seen == [list(range(301))] * 3

    asyncio.run(main())


def test_an_error_of_an_observer_at_home_stops_no_other_and_leaves_no_mark(
    at_home: Domain, home: QueueHome, reports: list[ErrorReport]
) -> None:
    home.is_inside = True
    a, b = Store(0, domain=at_home), Store(0, domain=at_home)
    log: list[tuple[int, int]] = []

    def fail(value: int) -> None:
        if value == 1:
            raise ValueError(value)
        if value == 2:
            raise KeyboardInterrupt

    a.select().subscribe(fail)
    a.select().subscribe(lambda value: log.append((value, b.get())))
    a.set(1)
    with batch(at_home):
        b.set(1)
        a.reset()
    for write in (lambda: a.set(2), lambda: at_home.commit([(a, 2, 1), (b, 1, 2)])):
        with suppress(KeyboardInterrupt):
            write()
    assert log == [(0, 0), (1, 0), (0, 1), (2, 1), (1, 2)]
    assert [str(report.error) for report in reports] == ["1", "1"]
    assert (at_home._deliverer, at_home._current, at_home._depth, home.posted) == (0, 0, 0, [])


def test_a_home_that_cannot_say_where_it_is_lets_nothing_be_written() -> None:
    class Puzzled(QueueHome):
        def is_current(self) -> bool:
            raise LookupError("no thread")

    domain = Domain("puzzled", home=Puzzled())
    store = Store(0, domain=domain)
    with pytest.raises(LookupError):
        store.set(1)
    with pytest.raises(LookupError), batch(domain):
        store.set(1)
    assert (store.get(), domain.number, domain.pending()) == (0, 0, ())
