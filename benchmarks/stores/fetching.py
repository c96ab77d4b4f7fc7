"""`fetch_params`: the params of a fetched value change, an async function answers at once, and the observer sees the answer.

Beside it: the same with `switch_latest` of RxPY by hand, which has no states, retries or errors as values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from benchmarks.timing import Case, Metric, Run, metric
from reactive_ws import Domain, Store
from reactive_ws.resources import Ready, resource

__all__ = ["fetch_rows"]

WRITES = 500

See = Callable[[int], None]
Write = Callable[[int], object]
Build = Callable[[See], Awaitable[Write]]


async def _answer(number: int) -> int:
    return number + 1


async def _ours(see: See) -> Write:
    params = Store(0, domain=Domain())

    def look(state: Any) -> None:
        if isinstance(state, Ready):
            see(state.value)

    resource(params, _answer, domain=params.domain).select().subscribe(look)
    return params.set


async def _reaktiv(see: See) -> Write:
    from reaktiv import Effect, Resource, Signal

    params: Any = Signal(0)

    async def load(given: Any) -> int:
        return await _answer(given.params)

    it: Any = Resource(params, load)

    def look() -> None:
        value = it.value()
        if value is not None:
            see(value)

    # The write keeps what an effect needs to live.
    effect: Any = Effect(look)
    return lambda number: (params.set(number), effect)


async def _rx(see: See) -> Write:
    params = Subject[int]()

    def fetch(number: int) -> Any:
        return reactivex.from_future(asyncio.ensure_future(_answer(number)))

    params.pipe(ops.map(fetch), ops.switch_latest()).subscribe(see)
    return params.on_next


def _case(who: str, build: Build) -> Case:
    seen = 0
    number = 0
    asked = 0

    def see(value: int) -> None:
        nonlocal seen
        seen = value

    def prepare() -> Run:
        loop = asyncio.new_event_loop()
        write = loop.run_until_complete(build(see))

        async def work() -> None:
            nonlocal number, asked
            for _ in range(WRITES):
                number += 1
                write(number)
                turns = 0
                while seen != number + 1:
                    await asyncio.sleep(0)
                    turns += 1
                    if turns > 100:
                        raise AssertionError(f"{who}: no answer to {number}")
                asked += 1

        return lambda: loop.run_until_complete(work())

    def check() -> None:
        if asked != number:
            raise AssertionError(f"{who}: {asked} answers to {number} params")

    return Case(who, prepare, WRITES, check)


def fetch_rows(rounds: int) -> Iterator[Metric]:
    """Yields the row of fetched values."""
    cases = [
        _case("ours", _ours),
        _case("reaktiv", _reaktiv),
        _case("switch_latest by hand", _rx),
    ]
    yield metric("fetch_params", cases, rounds=rounds)
