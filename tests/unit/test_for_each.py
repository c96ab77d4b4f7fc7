"""Rules for `selection.for_each`: one run at a time, by a policy, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.errors import UsageError
from reactive_ws.state import Policy
from reactive_ws.state.store import Store
from reactive_ws.testing import simulate


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            Policy.LATEST,
            ["begin 0", "stop 0", "begin 1", "stop 1", "begin 2", "end 2", "begin 3", "end 3"],
        ),
        (
            Policy.QUEUED,
            [f"{what} {number}" for number in range(4) for what in ("begin", "end")],
        ),
        (Policy.DROPPING, ["begin 0", "end 0", "begin 3", "end 3"]),
    ],
)
@simulate
async def test_a_value_that_comes_while_the_function_runs(
    policy: Policy, expected: list[str]
) -> None:
    store = Store(0, domain=Domain("test"))
    log: list[str] = []

    async def work(value: int) -> None:
        log.append(f"begin {value}")
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            log.append(f"stop {value}")
            raise
        log.append(f"end {value}")

    running = asyncio.create_task(store.select().for_each(work, policy))
    await asyncio.sleep(2)
    store.set(1)
    await asyncio.sleep(4)
    store.set(2)
    await asyncio.sleep(100)
    store.set(3)
    store.close()
    await running
    assert log == expected
    assert store.observer_count == 0


@pytest.mark.parametrize("policy", Policy)
@simulate
async def test_an_exception_is_reported_and_the_next_value_follows(policy: Policy) -> None:
    reports: list[ErrorReport] = []
    store = Store(1, name="s", domain=Domain("test", on_error=reports.append))
    seen: list[float] = []

    async def invert(value: int) -> None:
        seen.append(1 / value)

    running = asyncio.create_task(store.select().for_each(invert, policy=policy))
    for value in (0, 2):
        await asyncio.sleep(1)
        store.set(value)
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert seen == [1.0, 0.5]
    assert [(it.kind, it.store) for it in reports] == [("effect", "s")]
    assert store.observer_count == 0


@simulate
async def test_a_cancelled_loop_cancels_the_run() -> None:
    store = Store(1, domain=Domain("test"))
    log: list[str] = []

    async def wait(_: int) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            log.append("ended")

    running = asyncio.create_task(store.select().for_each(wait))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log == ["ended"]


@simulate
async def test_the_queue_has_a_bound_that_is_reported() -> None:
    reports: list[ErrorReport] = []
    store = Store(0, name="s", domain=Domain("test", on_error=reports.append))
    seen: list[int] = []

    async def slow(value: int) -> None:
        await asyncio.sleep(1)
        seen.append(value)

    running = asyncio.create_task(store.select().for_each(slow, Policy.QUEUED, max_queued=2))
    await asyncio.sleep(0.5)
    for value in range(1, 6):
        store.set(value)
    store.close()
    await running
    assert seen == [0, 4, 5]
    assert [it.kind for it in reports] == ["backlog"]


@pytest.mark.parametrize(
    ("function", "options", "text"),
    [
        (print, {}, "takes an `async def`"),
        (None, {}, "takes an `async def`"),
        (asyncio.sleep, {"policy": "latest"}, "policy= takes a Policy"),
        (asyncio.sleep, {"policy": Policy.QUEUED, "max_queued": 0}, "whole number, 1 or more"),
    ],
)
def test_wrong_arguments_are_refused(function: Any, options: dict[str, Any], text: str) -> None:
    store = Store(0, domain=Domain("test"))
    with pytest.raises(UsageError, match=text):
        asyncio.run(store.select().for_each(function, **options))


@pytest.mark.parametrize("policy", Policy)
@simulate
async def test_an_awaited_future_that_is_cancelled_is_reported_and_ends_nothing(
    policy: Policy,
) -> None:
    reports: list[ErrorReport] = []
    store = Store(0, domain=Domain("test", on_error=reports.append))
    log: list[int] = []

    async def work(value: int) -> None:
        if value == 1:
            other: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            other.cancel()
            await other
        log.append(value)

    running = asyncio.create_task(store.select().for_each(work, policy))
    for value in (1, 2):
        await asyncio.sleep(1)
        store.set(value)
    await asyncio.sleep(1)
    store.set(1)
    store.close()
    await running
    assert log == [0, 2]
    kinds = [(report.kind, type(report.error)) for report in reports]
    assert kinds == [("effect", RuntimeError)] * 2
