"""Slow handlers: in order, one at a time, bounded, and gone when they have nothing to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from reactive_ws.inbound.async_handlers import AsyncHandler
from reactive_ws.testing import simulate


class Rig:
    def __init__(self, handler: Callable[[Any], Awaitable[Any]]) -> None:
        self.failures: list[tuple[str, str, str]] = []
        self.worker = AsyncHandler("slow", handler, self.failed)

    def failed(self, name: str, error: Exception) -> None:
        self.failures.append((name, type(error).__name__, str(error)))


@simulate
async def test_calls_come_in_order_one_at_a_time_and_the_task_ends_with_the_work() -> None:
    seen: list[str] = []

    async def handler(what: int) -> None:
        seen.append(f"{what} begins")
        await asyncio.sleep(1)
        seen.append(f"{what} ends")

    worker = Rig(handler).worker
    assert worker.task is None
    worker.give(1)
    worker.give(2)
    task = worker.task
    assert task is not None
    assert task.get_name() == "reactive_ws-slow"
    await asyncio.sleep(1.5)
    assert seen == ["1 begins", "1 ends", "2 begins"]
    await task
    assert seen == ["1 begins", "1 ends", "2 begins", "2 ends"]
    assert worker.task is None
    worker.give(3)
    assert worker.task not in (None, task)
    await asyncio.sleep(2)
    assert seen[-1] == "3 ends"


@simulate
async def test_a_call_that_raises_is_reported_by_name_and_the_next_one_comes() -> None:
    seen: list[int] = []

    async def handler(what: int) -> None:
        if what == 1:
            raise LookupError("no 1")
        seen.append(what)

    rig = Rig(handler)
    for number in range(3):
        rig.worker.give(number)
    await asyncio.sleep(1)
    assert seen == [0, 2]
    assert rig.failures == [("slow", "LookupError", "no 1")]


@simulate
async def test_who_is_a_thousand_messages_behind_loses_the_newest_and_is_told() -> None:
    seen: list[int] = []
    may_go_on = asyncio.Event()

    async def handler(what: int) -> None:
        await may_go_on.wait()
        seen.append(what)

    rig = Rig(handler)
    for number in range(1003):
        rig.worker.give(number)
        # The first one is taken out of the queue at once.
        await asyncio.sleep(0)
    assert [name for name, _, _ in rig.failures] == ["slow"] * 2
    assert "1000 messages behind" in rig.failures[0][2]
    may_go_on.set()
    await asyncio.sleep(1)
    assert seen == list(range(1001))


@simulate
async def test_closing_cancels_the_call_and_drops_what_waits() -> None:
    seen: list[str] = []

    async def handler(what: int) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            seen.append(f"{what} cancelled")
            raise

    rig = Rig(handler)
    rig.worker.close()
    rig.worker.give(1)
    rig.worker.give(2)
    await asyncio.sleep(1)
    rig.worker.close()
    await asyncio.sleep(1)
    assert seen == ["1 cancelled"]
    assert rig.worker.task is None
    assert rig.failures == []
