"""Effects: clean-ups, policies, errors, ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from reactivex.subject import Subject

from reactive_ws import Domain, ErrorReport, Store
from reactive_ws.engine import as_default_domain
from reactive_ws.errors import UsageError
from reactive_ws.resources import Policy, effect, when
from reactive_ws.testing import simulate


def test_a_plain_function_runs_with_each_value_and_cleans_up_before_the_next() -> None:
    store, log = Store(1, domain=Domain(strict=True)), list[str]()

    def follow(value: int) -> Callable[[], None]:
        log.append(f"begin {value}")
        return lambda: log.append(f"end {value}")

    with effect(store, follow) as it:
        store.set(2)
        assert log == ["begin 1", "end 1", "begin 2"]
        store.set(3)
    it.dispose()
    store.set(4)
    assert log == ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]


def test_what_a_plain_function_or_its_clean_up_raises_is_reported_and_the_effect_goes_on() -> None:
    reports: list[ErrorReport] = []
    store, log = Store(1, domain=Domain(on_error=reports.append)), list[int]()

    def fail() -> None:
        raise KeyError

    def follow(value: int) -> Callable[[], None] | None:
        log.append(value)
        if value == 2:
            raise ValueError
        return fail if value == 1 else None

    effect(store.select(), follow)
    store.set(2)
    store.set(3)
    assert log == [1, 2, 3]
    assert [(it.kind, type(it.error)) for it in reports] == [
        ("effect", KeyError),
        ("effect", ValueError),
    ]


class Runs:
    """An async function that takes a virtual second, and notes its runs."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.running = 0

    async def __call__(self, value: int) -> None:
        self.running += 1
        assert self.running == 1, "two runs overlap"
        self.log.append(f"begin {value}")
        try:
            await asyncio.sleep(1)
            self.log.append(f"end {value}")
        except asyncio.CancelledError:
            # A clean-up that takes its time.
            await asyncio.sleep(0.25)
            self.log.append(f"cancelled {value}")
            raise
        finally:
            self.running -= 1


async def run_with(policy: Policy) -> list[str]:
    store, runs = Store(1, domain=Domain(strict=True)), Runs()

    async def follow(value: int) -> None:
        await runs(value)

    with effect(store, follow, policy=policy):
        for value in (2, 3):
            await asyncio.sleep(0.1)
            store.set(value)
        await asyncio.sleep(5)
        store.set(4)
        await asyncio.sleep(0.5)
    await asyncio.sleep(5)
    store.set(5)
    await asyncio.sleep(5)
    return runs.log


@simulate(explore=10)
async def test_latest_cancels_what_runs() -> None:
    assert await run_with(Policy.LATEST) == [
        "begin 1", "cancelled 1", "begin 3", "end 3", "begin 4", "cancelled 4",
    ]  # fmt: skip


@simulate(explore=10)
async def test_queued_runs_with_every_value_in_order() -> None:
    assert await run_with(Policy.QUEUED) == [
        "begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3", "begin 4", "cancelled 4",
    ]  # fmt: skip


@simulate(explore=10)
async def test_dropping_runs_with_no_value_that_comes_meanwhile() -> None:
    assert await run_with(Policy.DROPPING) == ["begin 1", "end 1", "begin 4", "cancelled 4"]


@simulate
async def test_an_async_function_that_raises_is_reported_and_a_queue_has_a_bound() -> None:
    reports: list[ErrorReport] = []
    store, seen = Store(0, domain=Domain(on_error=reports.append)), list[int]()

    async def follow(value: int) -> None:
        seen.append(value)
        await asyncio.sleep(1)
        if value == 0:
            raise OSError

    effect(store, follow, policy=Policy.QUEUED, max_queued=2)
    for value in range(1, 5):
        store.set(value)
    await asyncio.sleep(10)
    assert seen == [0, 3, 4]
    assert [type(it.error) for it in reports] == [UsageError, UsageError, OSError]


def test_an_async_function_of_a_program_without_a_loop_runs_in_a_thread() -> None:
    ran, names = threading.Event(), list[str]()

    async def follow(value: int) -> None:
        names.append(threading.current_thread().name)
        ran.set()

    with effect(Store(1, domain=Domain(strict=True)), follow):
        assert ran.wait(20)
    assert names == ["reactive_ws resources"]


def test_when_runs_once_with_the_first_true_value() -> None:
    store, seen = Store(0, domain=Domain(strict=True)), list[int]()
    when(store, seen.append)
    never = when(store, seen.append)
    never.dispose()
    for value in (5, 0, 6):
        store.set(value)
    when(store.select(), seen.append)
    assert (seen, store.observer_count) == ([5, 6], 0)


def test_any_stream_can_be_followed_and_the_doors_refuse_the_rest() -> None:
    numbers, seen = Subject[int](), list[int]()
    effect(numbers, seen.append)
    numbers.on_next(1)
    assert seen == [1]
    with pytest.raises(UsageError, match="takes a function"):
        effect(numbers, None)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="1 or more"):
        effect(numbers, seen.append, max_queued=0)  # type: ignore[call-overload]


def test_a_function_that_writes_to_its_own_stream_ends_before_it_runs_again() -> None:
    numbers, log = Subject[int](), list[str]()

    def follow(value: int) -> Callable[[], None]:
        log.append(f"begin {value}")
        if value < 3:
            numbers.on_next(value + 1)
        log.append(f"begun {value}")
        return lambda: log.append(f"end {value}")

    with effect(numbers, follow):
        numbers.on_next(1)
    assert log == [
        "begin 1", "begun 1", "end 1", "begin 2", "begun 2", "end 2", "begin 3", "begun 3", "end 3",
    ]  # fmt: skip


def test_an_interrupt_ends_a_run_and_the_next_value_runs() -> None:
    numbers, seen = Subject[int](), list[int]()

    def follow(value: int) -> None:
        if value == 1:
            raise KeyboardInterrupt
        seen.append(value)

    effect(numbers, follow)
    with pytest.raises(KeyboardInterrupt):
        numbers.on_next(1)
    numbers.on_next(2)
    assert seen == [2]


def test_an_error_of_the_stream_is_reported_and_the_last_clean_up_runs_at_the_end(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    log: list[str] = []
    with as_default_domain(domain):
        numbers = Subject[int]()
        it = effect(numbers, lambda value: lambda: log.append(f"end {value}"))
    numbers.on_next(1)
    numbers.on_error(OSError("gone"))
    assert [(report.kind, repr(report.error)) for report in reports] == [
        ("effect", "OSError('gone')")
    ]
    assert log == []
    it.dispose()
    assert log == ["end 1"]


@simulate
async def test_what_a_run_awaits_may_be_cancelled_and_the_queue_goes_on() -> None:
    reports: list[ErrorReport] = []
    store, seen = Store(0, domain=Domain(on_error=reports.append)), list[int]()

    async def follow(value: int) -> None:
        seen.append(value)
        await asyncio.sleep(1)
        if value == 0:
            asyncio.get_running_loop().create_future().cancel()
            raise asyncio.CancelledError

    effect(store, follow, policy=Policy.QUEUED)
    for value in (1, 2):
        store.set(value)
    await asyncio.sleep(10)
    assert seen == [0, 1, 2]
    assert [str(it.error) for it in reports] == [
        "what the effect awaited was cancelled: CancelledError()"
    ]
