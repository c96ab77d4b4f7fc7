"""Selections as Rx streams: grammar, operators, observers, waiting and iterating."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest
import reactivex
from reactivex import Observer, abc
from reactivex import operators as ops
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.subject import Subject
from reactivex.testing import TestScheduler

from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.errors import FellBehind, UsageError
from reactive_ws.state.derived import derived
from reactive_ws.state.iteration import Policy, WhenFull
from reactive_ws.state.selection import Selection
from reactive_ws.state.store import Store


@pytest.fixture
def store(domain: Domain) -> Store[int]:
    return Store(0, name="s", domain=domain)


def recorded(stream: reactivex.Observable[Any], log: list[object]) -> abc.DisposableBase:
    return stream.subscribe(
        lambda value: log.append(value),
        lambda error: log.append(repr(error)),
        lambda: log.append("end"),
    )


def test_a_selection_is_an_observable(store: Store[int]) -> None:
    assert isinstance(store.select(), reactivex.Observable)
    assert isinstance(store.select(str), Selection)


def test_the_usual_operators_work(store: Store[int]) -> None:
    logs: list[list[object]] = []
    for operators in (
        [ops.map(lambda value: value * 10), ops.filter(lambda value: value > 10)],
        [ops.pairwise()],
        [ops.scan(lambda total, value: total + value, 100)],
        [ops.start_with(-1), ops.take(3)],
        [ops.distinct_until_changed(lambda value: value // 2)],
        [ops.skip(1), ops.first()],
        [ops.take_while(lambda value: value < 2)],
        [ops.do_action(lambda value: None), ops.materialize(), ops.dematerialize()],
        [ops.buffer_with_count(2)],
        [ops.switch_map(lambda value: reactivex.of(value, -value))],
        [ops.share(), ops.last()],
        [ops.observe_on(CurrentThreadScheduler())],
    ):
        log: list[object] = []
        logs.append(log)
        recorded(store.select().pipe(*operators), log)  # type: ignore[call-overload]
    for value in (1, 2, 3):
        store.set(value)
    store.close()
    assert logs == [
        [20, 30, "end"],
        [(0, 1), (1, 2), (2, 3), "end"],
        [100, 101, 103, 106, "end"],
        [-1, 0, 1, "end"],
        [0, 2, "end"],
        [1, "end"],
        [0, 1, "end"],
        [0, 1, 2, 3, "end"],
        [[0, 1], [2, 3], "end"],
        [0, 0, 1, -1, 2, -2, 3, -3, "end"],
        [3, "end"],
        [0, 1, 2, 3, "end"],
    ]
    assert store.observer_count == 0


def test_combinators_of_several_selections_work(domain: Domain, store: Store[int]) -> None:
    other = Store("a", domain=domain)
    log: list[object] = []
    recorded(reactivex.combine_latest(store.select(), other.select()), log)
    recorded(store.select().pipe(ops.with_latest_from(other.select())), log)
    recorded(reactivex.merge(store.select(), other.select()), log)
    log.clear()
    store.set(1)
    other.set("b")
    assert log == [(1, "a"), (1, "a"), 1, (1, "b"), "b"]


def test_time_operators_take_their_scheduler(store: Store[int]) -> None:
    clock = TestScheduler()
    log: list[object] = []
    recorded(store.select().pipe(ops.debounce(1.0, clock)), log)
    store.set(1)
    clock.advance_by(2)
    store.set(2)
    store.set(3)
    clock.advance_by(2)
    assert log == [1, 3]


def test_take_1_ends_at_once_and_leaves_no_observer(store: Store[int]) -> None:
    log: list[object] = []
    recorded(store.select().pipe(ops.take(1)), log)
    recorded(store.select(str).pipe(ops.first()), log)
    assert log == [0, "end", "0", "end"]
    assert store.observer_count == 0


def test_take_until_lets_go_of_the_store(store: Store[int]) -> None:
    stop: Subject[int] = Subject()
    log: list[object] = []
    recorded(store.select().pipe(ops.take_until(stop)), log)
    store.set(1)
    stop.on_next(0)
    store.set(2)
    assert log == [0, 1, "end"]
    assert store.observer_count == 0


def test_what_a_pipe_raises_ends_that_pipe_only(
    store: Store[int], reports: list[ErrorReport]
) -> None:
    log: list[object] = []
    recorded(store.select().pipe(ops.map(lambda value: 6 / (value - 1))), log)
    recorded(store.select(), log)
    store.set(1)
    store.set(2)
    assert log == [-6, 0, "ZeroDivisionError('division by zero')", 1, 2]
    assert reports == []
    assert store.observer_count == 1


def test_observer_objects_functions_and_nothing_are_taken(store: Store[int]) -> None:
    log: list[object] = []

    class Mine:
        """Looks like an observer and inherits from nothing."""

        def on_next(self, value: int) -> None:
            log.append(("mine", value))

        def on_error(self, error: Exception) -> None:
            log.append(error)

        def on_completed(self) -> None:
            log.append("mine ended")

    store.select().subscribe(
        Observer(lambda value: log.append(("object", value)), None, lambda: log.append("ended"))
    )
    store.select().subscribe(Mine())  # type: ignore[arg-type]
    store.select().subscribe(on_next=lambda value: log.append(("function", value)))
    store.select().subscribe()
    store.select().subscribe(None, None, lambda: log.append("third ended"))
    subject: Subject[int] = Subject()
    subject.subscribe(lambda value: log.append(("subject", value)))
    store.select().subscribe(subject)
    store.set(1)
    store.close()
    assert log == [
        *(("object", 0), ("mine", 0), ("function", 0), ("subject", 0)),
        *(("object", 1), ("mine", 1), ("function", 1), ("subject", 1)),
        *("ended", "mine ended", "third ended"),
    ]


def test_a_subscription_is_a_context_manager(store: Store[int]) -> None:
    log: list[int] = []
    with store.select().subscribe(log.append):
        store.set(1)
    store.set(2)
    assert log == [0, 1]


def test_a_completed_stream_says_so_once_and_nothing_after(store: Store[int]) -> None:
    log: list[object] = []
    subscription = recorded(store.select(), log)
    store.close()
    subscription.dispose()
    store.domain.settled(1)
    assert log == [0, "end"]


def test_an_observer_that_disposes_itself_in_the_last_value_gets_no_end(
    store: Store[int],
) -> None:
    log: list[object] = []
    mine: list[abc.DisposableBase] = []

    def observer(value: int) -> None:
        log.append(value)
        if value == 1:
            mine[0].dispose()

    mine.append(store.select().subscribe(observer, None, lambda: log.append("end")))
    store.set(1)
    store.close()
    assert log == [0, 1]


def test_one_selection_runs_its_selector_once_per_commit(store: Store[int]) -> None:
    calls: list[int] = []
    part = store.select(lambda value: (calls.append(value), value * 2)[1])
    logs: list[list[int]] = [[], [], []]
    for log in logs:
        part.subscribe(log.append)
    store.set(1)
    part.subscribe(lambda value: None)
    assert part.get() == 2
    store.set(2)
    assert calls == [0, 1, 2]
    assert logs == [[0, 2, 4]] * 3


@pytest.mark.parametrize("is_observed_first", [True, False])
def test_a_selection_that_is_observed_and_a_source_runs_its_selector_once_per_commit(
    store: Store[int], is_observed_first: bool
) -> None:
    calls: list[int] = []
    log: list[int] = []
    part = store.select(lambda value: (calls.append(value), value // 2)[1])
    if is_observed_first:
        part.subscribe(log.append)
    double = derived(part, lambda value: value * 2)
    double.select().subscribe(log.append)
    if not is_observed_first:
        part.subscribe(log.append)
    for value in (1, 2, 3):
        store.set(value)
    assert (part.get(), double.get()) == (1, 2)
    assert calls == [0, 1, 2, 3]
    assert log == [0, 0, 1, 2]


def test_reports_of_a_selector_that_feeds_a_derived_value_name_the_users_function(
    store: Store[int], reports: list[ErrorReport]
) -> None:
    def half_of_a_hundred(value: int) -> float:
        return 50 / value

    part = store.select(half_of_a_hundred)
    part.subscribe()
    derived(part, str).select().subscribe()
    assert [(report.kind, report.function.rpartition(".")[2]) for report in reports] == [
        ("selector", "half_of_a_hundred"),
        ("derive", "str"),
    ]


def test_a_selector_does_not_run_while_nobody_looks(store: Store[int]) -> None:
    calls: list[int] = []
    part = store.select(lambda value: calls.append(value))
    part.subscribe().dispose()
    store.set(1)
    store.set(2)
    assert calls == [0]


def test_a_selection_of_a_derived_value_follows_it(store: Store[int]) -> None:
    log: list[object] = []
    double = derived(store, lambda value: value * 2)
    tens = double.select(lambda value: value // 10)
    tens.subscribe(log.append)
    for value in (1, 5, 6, 10):
        store.set(value)
    assert log == [0, 1, 2]
    assert tens.get() == 2


def test_wait_for_returns_the_first_value_that_fits(store: Store[int]) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        got = [await store.select().wait_for(lambda value: value == 0)]
        loop.call_soon(store.set, 1)
        got.append(await store.select().wait_for())
        loop.call_soon(lambda: [store.set(value) for value in (2, 3, 4)])
        got.append(await store.select().wait_for(lambda value: value > 2, timeout=5))
        return got

    assert asyncio.run(main()) == [0, 1, 3]
    assert store.observer_count == 0


def test_wait_for_is_woken_by_another_thread(store: Store[int]) -> None:
    async def main() -> int:
        writer = threading.Thread(target=store.set, args=(7,))
        waiting = asyncio.ensure_future(store.select().wait_for(lambda value: value == 7))
        await asyncio.sleep(0)
        writer.start()
        value = await asyncio.wait_for(waiting, 5)
        writer.join()
        return value

    assert asyncio.run(main()) == 7


def test_wait_for_tells_timeouts_ends_and_errors_of_the_predicate(store: Store[int]) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await store.select().wait_for(timeout=0)
        with pytest.raises(ZeroDivisionError):
            await store.select().wait_for(lambda value: 1 // value)
        asyncio.get_running_loop().call_soon(store.close)
        with pytest.raises(RuntimeError, match=r"'s'.* was closed"):
            await store.select().wait_for()
        with pytest.raises(RuntimeError, match="was closed"):
            await store.select(str).wait_for(lambda value: value == "5")
        assert await store.select(str).wait_for(lambda value: value == "0") == "0"
        waiting = asyncio.ensure_future(store.read_only.select().wait_for(lambda _: False))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    assert store.observer_count == 0


def test_iterating_over_every_value_ends_with_the_store(store: Store[int]) -> None:
    async def main() -> list[int]:
        asyncio.get_running_loop().call_soon(
            lambda: [*(store.set(value) for value in (1, 2, 3)), store.close()]
        )
        return [value async for value in store.select().every()]

    assert asyncio.run(main()) == [0, 1, 2, 3]


def test_iterating_skips_to_the_newest_value_and_gets_the_last_one(store: Store[int]) -> None:
    async def main() -> list[int]:
        asyncio.get_running_loop().call_soon(
            lambda: [*(store.set(value) for value in (1, 2, 3)), store.close()]
        )
        return [value async for value in store.select()]

    assert asyncio.run(main()) == [0, 3]


def test_a_slow_iteration_holds_one_value_and_calls_its_loop_once() -> None:
    class Frame:
        pass

    store = Store(Frame(), domain=Domain("test"))
    frames: list[weakref.ref[Frame]] = []
    calls: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        iterator = aiter(store.select())
        await anext(iterator)
        post = loop.call_soon_threadsafe

        def counting(*arguments: Any, **options: Any) -> Any:
            calls.append(arguments)
            return post(*arguments, **options)

        loop.call_soon_threadsafe = counting  # type: ignore[method-assign]

        def write() -> None:
            for _ in range(1_000):
                frame = Frame()
                frames.append(weakref.ref(frame))
                store.set(frame)

        writer = threading.Thread(target=write)
        writer.start()
        # The loop stands still while the thread writes.
        writer.join()
        assert [frame() is None for frame in frames] == [True] * 999 + [False]
        assert len(calls) == 1
        assert await anext(iterator) is store.get()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("when_full", "expected"),
    [
        (WhenFull.DROP_OLDEST, [0, 3, 4, 7]),
        (WhenFull.DROP_NEWEST, [0, 1, 2, 5]),
    ],
)
def test_every_value_has_a_bound_and_a_policy(
    store: Store[int], reports: list[ErrorReport], when_full: WhenFull, expected: list[int]
) -> None:
    async def main() -> list[int]:
        got: list[int] = []
        async for value in store.select().every(max_waiting=2, when_full=when_full):
            got.append(value)
            if value == 0:
                for later in (1, 2, 3, 4):
                    store.set(later)
            if len(got) == 3:
                # The loop has caught up, so another flood brings another report.
                asyncio.get_running_loop().call_soon(
                    lambda: [store.set(later) for later in (5, 6, 7, 8)]
                )
            if len(got) == 4:
                break
        return got

    got = asyncio.run(main())
    assert got == expected
    assert [(report.kind, report.store) for report in reports] == [("backlog", "s")] * 2
    assert "2 values wait" in str(reports[0].error)


def test_every_value_ends_with_an_error_when_too_many_wait(store: Store[int]) -> None:
    async def main() -> list[int]:
        got: list[int] = []
        with pytest.raises(FellBehind, match="'s' is slower than its stream") as caught:
            async for value in store.select().every(max_waiting=2):
                got.append(value)
                for later in (1, 2, 3, 4):
                    store.set(later)
        assert caught.value.max_waiting == 2
        return got

    assert asyncio.run(main()) == [0]
    assert store.observer_count == 0


def test_an_iteration_may_be_made_before_the_loop_that_runs_it(store: Store[int]) -> None:
    values, newest = store.select().every(), aiter(store.select())

    async def main() -> None:
        assert await anext(values) == await anext(newest) == store.get()

    asyncio.run(main())


@pytest.mark.parametrize(
    "options", [{"max_waiting": 0}, {"max_waiting": 1.5}, {"when_full": "drop"}]
)
def test_every_value_refuses_a_wrong_bound_or_policy(
    store: Store[int], options: dict[str, Any]
) -> None:
    async def main() -> None:
        with pytest.raises(UsageError, match=next(iter(options))):
            store.select().every(**options)

    asyncio.run(main())


def test_iterating_gets_what_other_threads_write_and_leaves_when_broken_off(
    store: Store[int],
) -> None:
    async def main() -> list[int]:
        got: list[int] = []
        writer = threading.Thread(target=lambda: [store.set(n) for n in range(1, 1_000)])
        writer.start()
        async for value in store.select().every():
            got.append(value)
            if value == 999:
                break
        writer.join()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert store.observer_count == 0
        return got

    got = asyncio.run(main())
    assert got == list(range(got[0], 1_000))


def test_writes_while_the_loop_is_busy_are_not_lost(store: Store[int]) -> None:
    async def main() -> list[int]:
        got: list[int] = []
        async for value in store.select().every():
            got.append(value)
            if value == 0:
                store.set(1)
                store.set(2)
                await asyncio.sleep(0)
                store.close()
        return got

    assert asyncio.run(main()) == [0, 1, 2]


def test_a_loop_that_waits_keeps_no_value_that_was_replaced() -> None:
    class Value:
        pass

    async def main() -> None:
        store: Store[Value | None] = Store(None, domain=Domain(strict=True))
        for iteration in (aiter(store.select()), store.select().every()):
            store.set(Value())
            value = weakref.ref(store.get())
            await anext(iteration)
            store.set(None)
            gc.collect()
            assert value() is None

    asyncio.run(main())


def test_a_loop_over_dropped_values_keeps_none_of_them() -> None:
    class Value:
        pass

    async def main() -> None:
        store: Store[Value | None] = Store(Value(), domain=Domain(strict=True))
        store._initial = None
        value = weakref.ref(store.get())
        ran, may_end = asyncio.Event(), asyncio.Event()

        async def run(_: object) -> None:
            ran.set()
            await may_end.wait()

        task = asyncio.create_task(store.select().for_each(run, Policy.DROPPING))
        await ran.wait()
        store.set(None)
        may_end.set()
        # Runs of the loop, in which the task comes back to wait for a value.
        for _ in range(10):
            await asyncio.sleep(0)
        gc.collect()
        assert value() is None
        task.cancel()

    asyncio.run(main())


def test_an_observer_object_needs_no_more_than_on_next() -> None:
    class Plain:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def on_next(self, value: int) -> None:
            self.seen.append(value)

    store = Store(1, domain=Domain(strict=True))
    plain: Any = Plain()
    store.select().subscribe(plain)
    store.set(2)
    store.close()
    assert plain.seen == [1, 2]
