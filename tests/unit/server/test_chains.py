"""Commands of one client that wait together become one chain of the log, and no handler can tell the difference."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import attrs
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from reactive_ws.errors import LogUnavailable, Refused
from reactive_ws.server import Appended, Context, MemoryLog, Proposal, Server
from reactive_ws.server.access import SUBPROTOCOL
from reactive_ws.testing import World, simulate
from reactive_ws.wire import Guarantee, Registry, protocol_v1


class Add(msgspec.Struct, frozen=True):
    """Adds a number."""

    number: int


class Added(msgspec.Struct, frozen=True):
    """A number was added; `seen` were there before it."""

    number: int
    seen: int


@attrs.frozen
class Numbers:
    """The numbers."""

    numbers: tuple[int, ...] = ()


def append(state: Numbers, message: Added) -> Numbers:
    return Numbers((*state.numbers, message.number))


def registry() -> Registry:
    types = protocol_v1()
    types.message("add", guarantee=Guarantee.AT_LEAST_ONCE)(Add)
    types.message("added")(Added)
    return types


class SlowLog(MemoryLog):
    """Takes time for each chain, and notes how many commands it has; `fail` is called before and after the chain is written."""

    def __init__(self, fail: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.lengths: list[int] = []
        self.fail = fail

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        self.lengths.append(len(chain))
        self.fail("before")
        await asyncio.sleep(0.01)
        appended = await super().append(chain)
        self.fail("after")
        return appended


@contextlib.asynccontextmanager
async def client(one: Server) -> AsyncIterator[ClientConnection]:
    async with (
        World(),
        one.serve("server", 80),
        connect(
            "ws://server:80/",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            proxy=None,
            ping_interval=None,
        ) as socket,
    ):
        await socket.send(json.dumps({"type": "hello", "payload": {"client": "c"}}))
        yield socket


async def send(socket: ClientConnection, *numbers: int, ids: Sequence[str] = ()) -> None:
    for index, number in enumerate(numbers):
        name = ids[index] if ids else str(number)
        await socket.send(json.dumps({"type": "add", "id": name, "payload": {"number": number}}))


async def answers(socket: ClientConnection, count: int) -> list[tuple[str, Any]]:
    """Returns the next answers: the id with the number that it got, or with the code of its error."""
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            frame = json.loads(await socket.recv())
            payload = frame.get("payload") or {}
            if frame["type"] == "message.received":
                found.append((payload["messageId"], payload.get("reply")))
            elif frame["type"] == "error":
                found.append((payload["replyTo"], payload["code"]))
    return found


async def numbers(log: MemoryLog) -> list[tuple[int, int]]:
    page = await log.read("s", None)
    payloads = [
        msgspec.json.decode(text)["payload"]
        for entry in page.entries or ()
        for text in entry.messages
    ]
    return [(one["number"], one["seen"]) for one in payloads]


def counting(log: MemoryLog, **options: Any) -> Server:
    """A server whose handler publishes how many numbers it saw, and refuses negative ones."""
    one = Server(registry(), log=log, **options)
    state = one.state("s", Numbers(), {Added: append})

    @one.command(Add)
    def add(command: Add, context: Context) -> int:
        seen = len(context.state(state).numbers)
        if command.number < 0:
            raise Refused("negative", "give a number from 0 up")
        if command.number == 13:
            raise RuntimeError("the handler has a bug")
        context.publish("s", Added(command.number, seen))
        return seen

    return one


@simulate
async def test_commands_that_wait_become_one_chain_and_each_sees_those_before_it() -> None:
    log = SlowLog()
    async with client(counting(log)) as socket:
        await send(socket, *range(10))
        assert await answers(socket, 10) == [(str(n), n) for n in range(10)]
        assert log.lengths == [1, 9]
        assert await numbers(log) == [(n, n) for n in range(10)]


@simulate
async def test_a_command_that_fails_or_is_refused_leaves_the_others_of_its_chain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = SlowLog()
    async with client(counting(log)) as socket:
        await send(socket, 0, 1, 13, -1, 2)
        assert await answers(socket, 5) == [
            ("0", 0),
            ("1", 1),
            ("13", "internal"),
            ("-1", "negative"),
            ("2", 2),
        ]
        assert log.lengths == [1, 3]
        assert await numbers(log) == [(0, 0), (1, 1), (2, 2)]
        # The refusal is recorded like an outcome.
        await send(socket, -1)
        assert await answers(socket, 1) == [("-1", "negative")]
    assert "the handler has a bug" in caplog.text


@simulate
async def test_an_id_that_is_twice_in_a_chain_counts_once() -> None:
    log = SlowLog()
    async with client(counting(log)) as socket:
        await send(socket, 0, 1, 1, 2, 0, ids=["a", "b", "b", "c", "a"])
        found = await answers(socket, 5)
        assert found == [("a", 0), ("b", 1), ("b", 1), ("c", 2), ("a", 0)]
        assert await numbers(log) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("when", ["before", "after"])
@simulate
async def test_a_chain_whose_end_is_unknown_is_sent_again_and_counts_once(
    when: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    failing: list[str] = []

    def fail(moment: str) -> None:
        if moment in failing:
            raise LogUnavailable("simulated", "it went away")

    log = SlowLog(fail)
    async with client(counting(log)) as socket:
        await send(socket, 0)
        assert await answers(socket, 1) == [("0", 0)]
        failing.append(when)
        await send(socket, 1, 2, 3)
        codes = await answers(socket, 3)
        assert codes == [("1", "unavailable"), ("2", "unavailable"), ("3", "unavailable")]
        failing.clear()
        await send(socket, 1, 2, 3)
        assert await answers(socket, 3) == [("1", 1), ("2", 2), ("3", 3)]
        assert await numbers(log) == [(n, n) for n in range(4)]


@simulate
async def test_a_conflict_inside_a_chain_runs_what_is_behind_it_again() -> None:
    log = SlowLog()
    other = log.node()
    await other.open()
    elsewhere = counting(other)

    def publish_elsewhere(moment: str) -> None:
        # Another node is faster, once, in the middle of a chain.
        if moment == "before" and len(log.lengths) == 2:
            log._append(None, msgspec_batch(99))

    log.fail = publish_elsewhere
    async with client(counting(log)) as socket:
        await send(socket, *range(5))
        found = await answers(socket, 5)
        assert found == [("0", 0), ("1", 2), ("2", 3), ("3", 4), ("4", 5)]
        assert [one[0] for one in await numbers(log)] == [0, 99, 1, 2, 3, 4]
        assert (await elsewhere.read(elsewhere._states._declared[0])).numbers[1] == 99
    await elsewhere.stop()


def msgspec_batch(number: int) -> Any:
    from reactive_ws.server import Batch

    text = json.dumps({"type": "added", "payload": {"number": number, "seen": 1}})
    return Batch({"s": [text.encode()]})


@simulate
async def test_two_nodes_with_a_chain_each_number_together() -> None:
    log = SlowLog()
    one, two = counting(log), counting(log.node())
    async with World(), one.serve("one", 80), two.serve("two", 80):

        async def pour(host: str, first: int) -> None:
            async with connect(
                f"ws://{host}:80/",
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                proxy=None,
                ping_interval=None,
            ) as socket:
                await socket.send(json.dumps({"type": "hello", "payload": {"client": host}}))
                await send(socket, *range(first, first + 20))
                left = {str(number) for number in range(first, first + 20)}
                while left:
                    for name, answer in await answers(socket, 1):
                        if answer == "busy":
                            await send(socket, int(name))
                        else:
                            left.discard(name)

        await asyncio.gather(pour("one", 100), pour("two", 200))
        found = await numbers(log)
        assert [seen for _, seen in found] == list(range(40))
        assert sorted(number for number, _ in found) == [*range(100, 120), *range(200, 220)]


@simulate
async def test_a_handler_that_waits_has_everything_before_it_in_the_log_and_delays_no_answer() -> (
    None
):
    log = SlowLog()
    one = Server(registry(), log=log)
    state = one.state("s", Numbers(), {Added: append})
    in_log: dict[int, int] = {}
    cancelled: list[int] = []

    @one.command(Add)
    async def add(command: Add, context: Context) -> None:
        seen = len(context.state(state).numbers)
        if command.number == 3:
            in_log[command.number] = (await log.read("s", None)).head.seq
            try:
                await asyncio.sleep(5.0)
            except asyncio.CancelledError:
                cancelled.append(command.number)
                raise
        context.publish("s", Added(command.number, seen))

    async with client(one) as socket:
        loop = asyncio.get_running_loop()
        await send(socket, *range(6))
        began = loop.time()
        assert await answers(socket, 3) == [("0", None), ("1", None), ("2", None)]
        assert loop.time() - began < 1.0
        assert await answers(socket, 3) == [("3", None), ("4", None), ("5", None)]
        # In the middle of a chain it was cancelled, as by the end of its time, and then it began a chain.
        assert cancelled == [3]
        assert in_log == {3: 3}
        assert await numbers(log) == [(n, n) for n in range(6)]


@simulate
async def test_a_handler_that_asks_the_server_sees_the_command_before_it() -> None:
    log = SlowLog()
    one = Server(registry(), log=log)
    state = one.state("s", Numbers(), {Added: append})

    @one.command(Add)
    async def add(command: Add, context: Context) -> None:
        seen = len((await one.read(state)).numbers) if command.number % 2 else -1
        context.publish("s", Added(command.number, seen))

    async with client(one) as socket:
        await one.read(state)
        await send(socket, *range(6))
        await answers(socket, 6)
        assert await numbers(log) == [(n, n if n % 2 else -1) for n in range(6)]


@simulate
async def test_functions_for_after_the_commit_run_before_the_next_command() -> None:
    log = SlowLog()
    one = Server(registry(), log=log)
    happened: list[str] = []

    @one.command(Add)
    def add(command: Add, context: Context) -> None:
        happened.append(f"run {command.number}")
        context.publish("s", Added(command.number, 0))
        if command.number == 2:
            context.after_commit(lambda: happened.append("mail"))

    async with client(one) as socket:
        await send(socket, *range(5))
        await answers(socket, 5)
        assert happened == ["run 0", "run 1", "run 2", "mail", "run 3", "run 4"]
        assert log.lengths == [1, 2, 2]


@simulate
async def test_a_right_is_asked_for_when_the_command_before_is_in_the_log() -> None:
    log = SlowLog()
    asked: list[tuple[int, int]] = []

    async def may_send(_: str, command: Add) -> bool:
        asked.append((command.number, (await log.read("s", None)).head.seq))
        return command.number != 1

    async with client(counting(log, may_send=may_send)) as socket:
        await send(socket, 0, 1, 2)
        assert await answers(socket, 3) == [("0", 0), ("1", "forbidden"), ("2", 1)]
        assert asked == [(0, 0), (1, 1), (2, 1)]


@simulate
async def test_a_reducer_that_raises_fails_its_command_before_it_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = SlowLog()
    one = Server(registry(), log=log)

    def fold(state: Numbers, message: Added) -> Numbers:
        if message.number == 2:
            raise ValueError("cannot be folded")
        return append(state, message)

    state = one.state("s", Numbers(), {Added: fold})

    @one.command(Add)
    def add(command: Add, context: Context) -> None:
        context.publish("s", Added(command.number, len(context.state(state).numbers)))

    async with client(one) as socket:
        await send(socket, *range(4))
        assert await answers(socket, 4) == [
            ("0", None),
            ("1", None),
            ("2", "internal"),
            ("3", None),
        ]
        assert await numbers(log) == [(0, 0), (1, 1), (3, 2)]
    assert "cannot be folded" in caplog.text
