"""Commands that meet: turns on one node, states that are read while they change, servers that end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from reactive_ws.errors import LogUnavailable
from reactive_ws.server import Appended, Context, MemoryLog, Page, Proposal, Server
from reactive_ws.testing import simulate
from reactive_ws.wire import Position, Registry, protocol_v1


@attrs.frozen
class Add:
    """Adds one."""

    number: int


@attrs.frozen
class Sum:
    """The numbers, in their order."""

    numbers: tuple[int, ...] = ()


def registry() -> Registry:
    types = protocol_v1()
    types.message("add")(Add)
    return types


def append(state: Sum, message: Add) -> Sum:
    return Sum((*state.numbers, message.number))


class SlowLog(MemoryLog):
    """A log in which the answer of a commit and that of a read take time, so that they come in any order."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        appended = await super().append(chain)
        await asyncio.sleep(0.002)
        return appended

    async def read(self, stream: str, after: Position | None, limit_bytes: int = 2**18) -> Page:
        page = await super().read(stream, after, limit_bytes)
        await asyncio.sleep(0.01)
        return page


@simulate
async def test_hundreds_of_commands_that_read_the_same_state_all_win_in_turns() -> None:
    one = Server(registry(), log=MemoryLog())
    state = one.state("s", Sum(), {Add: append})
    runs = 0

    def add(context: Context) -> None:
        nonlocal runs
        runs += 1
        context.publish("s", Add(len(context.state(state).numbers)))

    await asyncio.gather(*(one.perform(add) for _ in range(300)))
    assert (await one.read(state)).numbers == tuple(range(300))
    # Each ran once, met one conflict or waited at most twice: no command starves, and none spins.
    assert runs <= 1200
    await one.stop()


@simulate
async def test_a_state_counts_an_own_entry_once_also_while_it_is_read() -> None:
    one = Server(registry(), log=SlowLog())
    state = one.state("s", Sum(), {Add: append})

    async def write() -> None:
        for number in range(30):
            await one.publish("s", Add(number))
            await asyncio.sleep(0.003)

    async def look() -> None:
        for _ in range(30):
            numbers = (await one.read(state)).numbers
            assert numbers == tuple(range(len(numbers)))

    await one.read(state)
    await asyncio.gather(write(), look())
    assert (await one.read(state)).numbers == tuple(range(30))
    await one.stop()


@simulate
async def test_commands_on_two_streams_do_not_wait_for_each_other_for_ever() -> None:
    one = Server(registry(), log=MemoryLog())
    state = one.state("*", Sum(), {Add: append})

    def add(names: Sequence[str], context: Context) -> None:
        for name in names:
            context.publish(name, Add(len(context.state(state, name).numbers)))

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(
                one.perform(lambda context, names=names: add(names, context))  # type: ignore[misc]
                for _ in range(40)
                for names in (("a", "b"), ("b", "a"), ("a",), ("b", "c"))
            )
        )
    for name, count in (("a", 120), ("b", 120), ("c", 40)):
        assert (await one.read(state, name)).numbers == tuple(range(count))
    await one.stop()


@simulate
async def test_a_command_of_a_server_that_ended_does_not_start_it_again() -> None:
    one = Server(registry(), log=MemoryLog())
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(context: Context) -> None:
        begun.set()
        await may_end.wait()
        context.publish("s", Add(1))

    running = asyncio.create_task(one.perform(slow))
    await begun.wait()
    await one.stop()
    may_end.set()
    with pytest.raises(LogUnavailable):
        await running
    assert one.clients == 0
