"""Resources: the newest fetch wins, whatever the order of things; retries, staleness, invalidation, lifetime."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from reactivex.subject import Subject

from reactive_ws import Backoff, Domain, Jitter, Store, derived
from reactive_ws.errors import DomainMismatch, UsageError
from reactive_ws.resources import (
    Failed,
    Loading,
    Ready,
    Resource,
    derived_async,
    invalidate,
    resource,
)
from reactive_ws.testing import simulate

STEADY = Backoff(initial=1.0, factor=2.0, jitter=Jitter.NONE)


class Server:
    """Answers after some virtual seconds, and notes what it was asked."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.asked: list[object] = []
        self.cancelled: list[object] = []
        self.failures = 0

    async def get(self, question: object = None) -> str:
        self.asked.append(question)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled.append(question)
            raise
        if self.failures:
            self.failures -= 1
            raise OSError("no route")
        return f"answer {len(self.asked)} to {question}"


def watched(it: Resource[Any]) -> list[Any]:
    seen: list[Any] = []
    it.select().subscribe(seen.append)
    return seen


@simulate
async def test_the_first_observer_begins_the_fetch_and_later_ones_share_it() -> None:
    server, params = Server(), Store("a", domain=Domain(strict=True))
    it = resource(params, server.get, domain=params.domain)
    assert (it.get(), server.asked) == (Loading(), [])
    first, second = watched(it), watched(it)
    await asyncio.sleep(2)
    assert first == second == [Loading(), Ready("answer 1 to a")]
    assert (it.get().latest, server.asked) == ("answer 1 to a", ["a"])


@simulate(explore=30)
async def test_the_newest_params_win_and_older_fetches_are_cancelled() -> None:
    server, params = Server(), Store(0, domain=Domain(strict=True))
    it = resource(params, server.get, domain=params.domain)
    seen = watched(it)

    async def write(start: int) -> None:
        for number in range(start, start + 3):
            await asyncio.sleep(0.25)
            params.set(number)

    await asyncio.gather(write(10), write(20))
    newest = params.get()
    await asyncio.sleep(5)
    assert [value for value in seen if not isinstance(value, Loading)] == [
        Ready(f"answer {len(server.asked)} to {newest}")
    ]
    assert server.cancelled == server.asked[:-1]


@simulate
async def test_the_last_good_value_stays_while_another_one_is_fetched_or_fails() -> None:
    server, params = Server(), Store("a", domain=Domain(strict=True))
    it = resource(params, server.get, retry=None, domain=params.domain)
    seen = watched(it)
    await asyncio.sleep(2)
    server.failures = 1
    params.set("b")
    await asyncio.sleep(2)
    good = "answer 1 to a"
    assert seen[:3] == [Loading(), Ready(good), Loading(good)]
    assert isinstance(seen[3], Failed)
    assert (repr(seen[3].error), seen[3].latest) == ("OSError('no route')", good)
    it.refetch()
    await asyncio.sleep(2)
    assert seen[4:] == [Loading(good), Ready("answer 3 to b")]


@simulate
async def test_a_failed_fetch_is_tried_again_after_growing_delays() -> None:
    server = Server(0)
    server.failures = 3
    it = resource(None, server.get, retry=STEADY, max_retries=3, rng=Random(1), domain=Domain())
    seen, loop = watched(it), asyncio.get_running_loop()
    began = loop.time()
    await it.select().wait_for(lambda state: isinstance(state, Ready))
    assert loop.time() - began == pytest.approx(1 + 2 + 4, abs=0.01)
    assert seen == [
        Loading(),
        Loading(None, 1),
        Loading(None, 2),
        Loading(None, 3),
        Ready("answer 4 to None"),
    ]
    server.failures = 9
    it.refetch()
    await it.select().wait_for(lambda state: isinstance(state, Failed))
    assert len(server.asked) == 8


@simulate
async def test_a_refetch_joins_what_is_under_way_and_an_invalidation_starts_again() -> None:
    server = Server()
    it = resource(None, server.get, keys=("todos", "all"), domain=Domain())
    other = resource(None, server.get, keys=("users",), domain=Domain())
    watched(it)
    await asyncio.sleep(0.5)
    it.refetch()
    it.refetch()
    assert (len(server.asked), invalidate("todos"), len(server.cancelled)) == (1, 1, 0)
    await asyncio.sleep(0)
    await asyncio.sleep(2)
    assert (len(server.asked), len(server.cancelled), it.get()) == (2, 1, Ready("answer 2 to None"))
    # Not observed, so there is nothing to fetch.
    assert (invalidate("users", "nothing"), invalidate("nothing"), other.get()) == (1, 0, Loading())
    assert len(server.asked) == 2


@simulate
async def test_a_value_that_is_too_old_is_fetched_again_while_it_is_observed() -> None:
    server = Server(0)
    it = resource(None, server.get, stale_after=10.0, domain=Domain())
    subscription = it.select().subscribe(lambda _: None)
    await asyncio.sleep(35)
    assert len(server.asked) == 4
    subscription.dispose()
    await asyncio.sleep(100)
    assert (len(server.asked), it.get()) == (4, Loading())


@simulate
async def test_a_connection_that_comes_back_fetches_again() -> None:
    server, is_connected = Server(0), Store(initial=False, domain=Domain(strict=True))
    watched(resource(None, server.get, refetch_on=is_connected, domain=is_connected.domain))
    await asyncio.sleep(1)
    for value in (True, False, True):
        is_connected.set(value)
        await asyncio.sleep(1)
    assert len(server.asked) == 3


@simulate
async def test_the_value_is_kept_for_its_linger_and_then_forgotten() -> None:
    server = Server(1)
    it = resource(None, server.get, linger=10.0, domain=Domain())
    it.select().subscribe(lambda _: None).dispose()
    await asyncio.sleep(5)
    assert (watched(it)[-1], len(server.asked)) == (Ready("answer 1 to None"), 1)
    other = resource(None, server.get, domain=Domain())
    other.select().subscribe(lambda _: None).dispose()
    await asyncio.sleep(5)
    assert (other.get(), len(server.asked), len(server.cancelled)) == (Loading(), 1, 0)


@simulate
async def test_derived_values_see_a_resource_and_start_it() -> None:
    domain = Domain(strict=True)
    server, size = Server(), Store(2, domain=domain)
    it = resource(None, server.get, domain=domain)
    text = derived(it, size, lambda state, count: (state.latest or "-")[:count])
    seen: list[str] = []
    text.select().subscribe(seen.append)
    await asyncio.sleep(2)
    size.set(6)
    assert seen == ["-", "an", "answer"]


@simulate(explore=20)
async def test_an_async_function_of_several_values_computes_the_newest() -> None:
    domain = Domain(strict=True)
    a, b = Store(1, domain=domain), Store(10, domain=domain)

    async def add(left: int, right: int) -> int:
        await asyncio.sleep(1 / left)
        return left + right

    total = derived_async(a, b, add)
    seen: list[Any] = []
    total.select().subscribe(seen.append)
    await asyncio.sleep(0.5)
    a.set(2)
    b.set(20)
    await asyncio.sleep(5)
    assert (seen, total.name) == ([Loading(), Ready(22)], "add") or seen[-1] == Ready(22)
    assert [state for state in seen if isinstance(state, Ready)] == [Ready(22)]


@simulate
async def test_any_stream_can_have_the_params_and_a_fetch_may_cancel_itself() -> None:
    async def give_up(number: int) -> int:
        if number == 1:
            raise asyncio.CancelledError
        return number

    numbers: Subject[int] = Subject()
    seen = watched(resource(numbers, give_up, retry=None, domain=Domain()))
    await asyncio.sleep(1)
    numbers.on_next(1)
    await asyncio.sleep(1)
    numbers.on_next(2)
    await asyncio.sleep(1)
    assert [type(state).__name__ for state in seen] == ["Loading", "Failed", "Loading", "Ready"]
    assert "cancelled from inside" in str(seen[1].error)


def settled(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


def test_without_a_loop_it_runs_in_a_thread_and_a_plain_function_in_another() -> None:
    threads: dict[str, str] = {}

    async def load() -> int:
        threads["async"] = threading.current_thread().name
        return 1

    def load_plainly(number: int) -> int:
        threads["plain"] = threading.current_thread().name
        return number + 1

    domain = Domain(strict=True)
    one = resource(None, load, domain=domain)
    two = resource(Store(5, domain=domain), load_plainly, domain=domain)
    seen, more = watched(one), watched(two)
    assert settled(lambda: seen[-1] == Ready(1) and more[-1] == Ready(6))
    assert threads["async"] == "reactive_ws resources"
    assert threads["plain"].startswith("asyncio")


def test_a_loop_of_the_program_can_be_named_and_may_close() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    names: list[str] = []

    async def load() -> str:
        names.append(threading.current_thread().name)
        return "x"

    it = resource(None, load, loop=loop, domain=Domain(strict=True))
    seen = watched(it)
    assert settled(lambda: seen[-1] == Ready("x"))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
    it.refetch()
    assert (names, it.get()) == ([thread.name], Ready("x"))


def test_the_doors_refuse_what_cannot_work() -> None:
    async def load() -> int:
        return 1

    with pytest.raises(UsageError, match="fetch takes a function"):
        resource(None, "https://example.org")  # type: ignore[call-overload]
    for options in ({"linger": -1}, {"max_retries": -1}, {"stale_after": 0}):
        with pytest.raises(
            UsageError, match=r"linger= takes|max_retries= takes|stale_after= is more than 0"
        ):
            resource(None, load, **options)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="loop= takes a AbstractEventLoop"):
        resource(None, load, loop=5)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="one or more sources"):
        derived_async(load)  # type: ignore[call-overload]
    with pytest.raises(DomainMismatch):
        derived_async(Store(1, domain=Domain()), Store(1, domain=Domain()), load)  # type: ignore[arg-type]


@simulate
async def test_a_resource_that_is_not_observed_dies_with_its_last_reference() -> None:
    server = Server()
    it = resource(None, server.get, domain=Domain())
    subscription = it.select().subscribe(lambda _: None)
    gone = weakref.ref(it)
    del it
    gc.collect()
    await asyncio.sleep(2)
    assert (gone() is not None, len(server.asked)) == (True, 1)
    subscription.dispose()
    del subscription
    await asyncio.sleep(1)
    gc.collect()
    assert gone() is None


@simulate
async def test_an_observer_may_write_the_params_at_any_moment_and_one_fetch_is_under_way() -> None:
    server, params = Server(), Store(0, domain=Domain(strict=True))
    it = resource(params, server.get, retry=STEADY, domain=params.domain)
    seen: list[Any] = []

    def look(state: Any) -> None:
        seen.append(state)
        if isinstance(state, Loading) and params.get() == 0:
            # In the middle of the first fetch's begin.
            params.set(1)
        if isinstance(state, Loading) and state.attempt == 1 and params.get() == 1:
            # In the middle of what follows a failure.
            params.set(2)

    it.select().subscribe(look)
    server.failures = 1
    await asyncio.sleep(20)
    assert (server.asked, server.cancelled) == ([1, 2], [])
    assert seen[-1] == Ready("answer 2 to 2")


@simulate
async def test_the_last_observer_may_leave_while_a_fetch_begins() -> None:
    server, domain = Server(), Domain(strict=True)
    it = resource(None, server.get, domain=domain)
    subscription = it.select().subscribe(lambda _: None)
    await asyncio.sleep(2)
    once = it.select().subscribe(
        lambda state: isinstance(state, Loading) and (subscription.dispose(), once.dispose())
    )
    it.invalidate()
    await asyncio.sleep(5)
    assert (it.get(), len(server.asked)) == (Loading(), 1)


@simulate
async def test_an_observer_that_fetches_again_is_not_interrupted_by_the_age_of_the_value() -> None:
    server = Server(3)
    it = resource(None, server.get, stale_after=2, domain=Domain(strict=True))
    seen: list[Any] = []

    def look(state: Any) -> None:
        seen.append(state)
        if state == Ready("answer 1 to None"):
            it.invalidate()

    it.select().subscribe(look)
    await asyncio.sleep(7)
    assert (len(server.asked), server.cancelled) == (2, [])
    assert seen[-1] == Ready("answer 2 to None")


@simulate
async def test_an_error_of_the_stream_of_params_is_a_state() -> None:
    reports: list[Any] = []
    server, params, domain = Server(), Subject[int](), Domain(on_error=reports.append)
    again = Subject[int]()
    it = resource(params, server.get, stale_after=9, refetch_on=again, domain=domain)
    seen = watched(it)
    params.on_next(1)
    await asyncio.sleep(2)
    params.on_next(2)
    params.on_error(OSError("no params"))
    again.on_error(KeyError("again"))
    it.refetch()
    await asyncio.sleep(20)
    answer = "answer 1 to 1"
    assert seen[:-1] == [Loading(), Ready(answer), Loading(answer)]
    assert (repr(seen[-1].error), seen[-1].latest) == ("OSError('no params')", answer)
    assert server.asked == [1]
    assert [(report.kind, repr(report.error)) for report in reports] == [
        ("resource", "KeyError('again')")
    ]


@simulate
async def test_delays_that_end_or_raise_are_no_more_retries() -> None:
    reports: list[Any] = []

    class Delays:
        def __init__(self, *, is_broken: bool) -> None:
            self.is_broken = is_broken

        def delays(self, rng: Random) -> Iterator[float]:
            yield 1.0
            if self.is_broken:
                raise ZeroDivisionError

    for is_broken in (False, True):
        server = Server(0)
        server.failures = 9
        it = resource(
            None,
            server.get,
            retry=Delays(is_broken=is_broken),
            max_retries=9,
            domain=Domain(on_error=reports.append),
        )
        watched(it)
        await asyncio.sleep(20)
        state = it.get()
        assert isinstance(state, Failed)
        assert (type(state.error), len(server.asked)) == (OSError, 2)
    assert [type(report.error) for report in reports] == [ZeroDivisionError]


def test_a_loop_that_ends_in_the_middle_of_a_fetch_leaves_nothing_behind() -> None:
    server = Server(1)
    it = resource(None, server.get, domain=Domain(strict=True))

    async def leave(stream: Any) -> Any:
        subscription = stream.subscribe(lambda _: None)
        await asyncio.sleep(0)
        return subscription

    async def stay(stream: Any) -> Any:
        server.seconds = 0
        return await stream.wait_for(lambda state: isinstance(state, Ready))

    asyncio.run(leave(it.select())).dispose()
    assert asyncio.run(stay(it.select())) == Ready("answer 2 to None")

    asyncio.run(leave(it.select())).dispose()
    gone = weakref.ref(it)
    del it
    gc.collect()
    assert gone() is None


def test_a_plain_fetch_that_raises_stop_iteration_has_failed() -> None:
    it = resource(None, lambda: next(iter(())), retry=None, domain=Domain(strict=True))
    seen = watched(it)
    assert settled(lambda: isinstance(seen[-1], Failed))
    assert repr(seen[-1].error) == "RuntimeError('the fetch raised StopIteration')"
