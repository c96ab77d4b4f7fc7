"""Calls of a user's functions, sync and async: each call reports its outcome once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from reactive_ws.stores.outside.calls import call


class Told:
    """The outcomes that calls reported."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []
        self.is_over = threading.Event()

    def done(self, result: object) -> None:
        self.outcomes.append(result)
        self.is_over.set()

    def failed(self, error: BaseException) -> None:
        self.outcomes.append(type(error))
        self.is_over.set()


async def answer() -> str:
    await asyncio.sleep(0)
    return "later"


async def refuse() -> str:
    await asyncio.sleep(0)
    raise ConnectionError


def test_a_plain_function_is_called_here_and_now() -> None:
    told = Told()
    call(lambda: "now", told.done, told.failed)
    call(lambda: 1 // 0, told.done, told.failed)
    assert told.outcomes == ["now", ZeroDivisionError]


def test_without_a_loop_an_async_one_is_awaited_elsewhere() -> None:
    for function, outcome in ((answer, "later"), (refuse, ConnectionError)):
        told = Told()
        call(function, told.done, told.failed)
        assert told.is_over.wait(60)
        assert told.outcomes == [outcome]


def test_in_a_loop_an_async_one_is_awaited_there_and_may_be_cancelled() -> None:
    async def run() -> list[Any]:
        told = Told()
        call(answer, told.done, told.failed)
        call(refuse, told.done, told.failed)
        while len(told.outcomes) < 2:
            await asyncio.sleep(0)
        call(asyncio.Event().wait, told.done, told.failed)
        await asyncio.sleep(0)
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        task.cancel()
        await asyncio.wait([task])
        return told.outcomes

    assert asyncio.run(run()) == ["later", ConnectionError, asyncio.CancelledError]


def test_what_the_caller_raises_about_a_result_is_told_as_a_failure() -> None:
    def done(_: object) -> None:
        raise LookupError

    async def run(told: Told) -> None:
        call(answer, done, told.failed)
        while not told.outcomes:
            await asyncio.sleep(0)

    told = Told()
    call(lambda: "now", done, told.failed)
    assert told.outcomes == [LookupError]
    told = Told()
    asyncio.run(run(told))
    assert told.outcomes == [LookupError]
