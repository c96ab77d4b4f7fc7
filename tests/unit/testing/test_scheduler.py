"""Streams in virtual time: every operator uses the loop's clock, with and without a scheduler of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import Subject

from reactive_ws.testing import LoopScheduler, Simulation, simulate

Operator = Callable[[Observable[int]], Observable[Any]]

CASES: list[tuple[str, Operator, list[tuple[float, Any]]]] = [
    ("delay", ops.delay(0.5), [(1.5, 1), (2.5, 2), (3.5, 3)]),
    ("debounce", ops.debounce(0.75), [(1.75, 1), (2.75, 2), (3.75, 3)]),
    ("throttle_first", ops.throttle_first(1.5), [(1.0, 1), (3.0, 3)]),
    ("sample", ops.sample(2.5), [(2.5, 2), (5.0, 3)]),
    ("skip_until_with_time", ops.skip_until_with_time(1.5), [(2.0, 2), (3.0, 3)]),
    ("take_with_time", ops.take_with_time(2.5), [(1.0, 1), (2.0, 2)]),
    ("buffer_with_time", ops.buffer_with_time(2.5), [(2.5, [1, 2]), (5.0, [3]), (7.5, [])]),
    (
        "time_interval",
        ops.compose(ops.time_interval(), ops.map(lambda t: t.interval.total_seconds())),
        [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)],
    ),
    (
        "timestamp",
        ops.compose(ops.timestamp(), ops.map(lambda t: t.timestamp.isoformat()[11:19])),
        [(1.0, "00:00:01"), (2.0, "00:00:02"), (3.0, "00:00:03")],
    ),
]


@pytest.mark.parametrize("is_explicit", [True, False], ids=["given", "default"])
@pytest.mark.parametrize(("name", "operator", "wanted"), CASES, ids=[case[0] for case in CASES])
@simulate
async def test_operators_run_in_virtual_time(
    name: str, operator: Operator, wanted: list[tuple[float, Any]], is_explicit: bool
) -> None:
    simulation = Simulation.current()
    source: Subject[int] = Subject()
    seen: list[tuple[float, Any]] = []
    subscription = source.pipe(operator).subscribe(
        lambda value: seen.append((simulation.loop.time(), value)),
        scheduler=simulation.scheduler if is_explicit else None,
    )
    for number in (1, 2, 3):
        await asyncio.sleep(1)
        source.on_next(number)
    await asyncio.sleep(5)
    subscription.dispose()
    assert seen == wanted


@simulate
async def test_an_interval_ticks_on_the_virtual_clock() -> None:
    seen: list[float] = []
    loop = asyncio.get_running_loop()
    subscription = rx.interval(10.0).subscribe(lambda _: seen.append(round(loop.time(), 3)))
    await asyncio.sleep(35)
    subscription.dispose()
    assert seen == [10.0, 20.0, 30.0]


def test_now_follows_a_real_loop_too() -> None:
    async def run() -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        scheduler = LoopScheduler(loop)
        start = loop.time()
        before = scheduler.now
        after_before = loop.time()
        while loop.time() - start < 0.001:
            await asyncio.sleep(0)
        before_end = loop.time()
        passed = (scheduler.now - before).total_seconds()
        return before_end - after_before, passed, loop.time() - start

    at_least, passed, at_most = asyncio.run(run())
    # A date counts in microseconds.
    assert at_least - 2e-6 <= passed <= at_most + 2e-6
