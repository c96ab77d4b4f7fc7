"""Consumers in virtual time: each message at least once and in order, also after restarts, errors, and on several nodes."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from reactive_ws.errors import Refused, UnknownType, UsageError
from reactive_ws.server import Context, MemoryLog, Retention, Server
from reactive_ws.testing import simulate
from reactive_ws.wire import Registry, protocol_v1


@attrs.frozen
class Added:
    """A message with a number."""

    number: int


@attrs.frozen
class Other:
    """A message of another class."""


class Unregistered:
    """A class that the registry does not have."""


def registry() -> Registry:
    types = protocol_v1()
    types.message("added")(Added)
    types.message("other")(Other)
    return types


def server(log: MemoryLog, got: list[int], **options: Any) -> Server:
    one = Server(registry(), log=log)

    @one.consumer("c", "s", Added, **options)
    async def take(message: Added, context: Context) -> None:
        assert context.key is not None
        got.append(message.number)

    return one


@simulate
async def test_it_gets_each_message_of_its_class_once_and_in_order_also_after_a_restart() -> None:
    log, got = MemoryLog(), list[int]()
    for start in (0, 5):
        one = server(log, got, from_start=True)
        await one.start()
        for number in range(start, start + 5):
            await one.publish("s", Other(), Added(number), Added(100 + number))
        await asyncio.sleep(1)
        await one.stop()
    assert got == [number for n in range(10) for number in (n, 100 + n)]


@simulate
async def test_a_new_consumer_begins_with_the_next_entry_unless_it_wants_all() -> None:
    for from_start, expected in ((False, [2]), (True, [1, 2])):
        log, got = MemoryLog(), list[int]()
        first = Server(registry(), log=log)
        await first.publish("s", Added(1))
        await first.stop()
        one = server(log, got, from_start=from_start)
        await one.start()
        await asyncio.sleep(1)
        await one.publish("s", Added(2))
        await asyncio.sleep(1)
        await one.stop()
        assert got == expected


@simulate
async def test_what_it_publishes_is_written_with_its_position_and_an_error_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "reactive_ws.server")
    log, runs = MemoryLog(), list[tuple[int, str]]()
    one = Server(registry(), log=log)

    @one.consumer("c", "s", Added)
    def take(message: Added, context: Context) -> None:
        assert context.key is not None
        runs.append((message.number, context.key.id))
        context.publish("out", Added(-message.number))
        if len(runs) < 4:
            raise LookupError("the mail server is away")
        if message.number == 2:
            raise Refused("no", "not this one")

    await one.start()
    for number in (1, 2, 3):
        await one.publish("s", Added(number))
    began = asyncio.get_running_loop().time()
    while len(runs) < 6:
        await asyncio.sleep(0.1)
    # Pauses of 1, 2 and 4 s.
    assert asyncio.get_running_loop().time() - began == pytest.approx(7.0, abs=0.5)
    await asyncio.sleep(1)
    assert [number for number, _ in runs] == [1, 1, 1, 1, 2, 3]
    assert len({key for _, key in runs}) == 3
    page = await log.read("out", None)
    assert [b"-1" in page.entries[0].messages[0], b"-3" in page.entries[1].messages[0]] == [  # type: ignore[index]
        True,
        True,
    ]
    assert page.head.seq == 2
    await one.stop()
    assert "the mail server is away" in caplog.text
    assert "refused" in caplog.text


@simulate
async def test_a_consumer_that_awaits_something_cancelled_is_called_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    got: list[int] = []
    one = Server(registry(), log=MemoryLog())

    @one.consumer("c", "s", Added)
    async def take(message: Added, _: Context) -> None:
        got.append(message.number)
        if len(got) == 1:
            inner = asyncio.create_task(asyncio.sleep(1))
            inner.cancel()
            await inner

    await one.start()
    await one.publish("s", Added(1))
    await one.publish("s", Added(2))
    await asyncio.sleep(5)
    await one.stop()
    assert got == [1, 1, 2]
    assert "catch asyncio.CancelledError around it" in caplog.text


@simulate
async def test_on_several_nodes_one_of_them_writes() -> None:
    log, got = MemoryLog(), [list[int](), list[int]()]
    nodes = [server(log.node(), seen) for seen in got]
    writer = Server(registry(), log=log.node())
    for one in (*nodes, writer):
        await one.start()
    await asyncio.sleep(1)
    for number in range(20):
        await writer.publish("s", Added(number))
        await asyncio.sleep(0.01)
    await asyncio.sleep(1)
    own = await writer.log.read("_consumer/c", None, 2**30)
    assert own.entries is not None
    # One entry where it began, and one for each message: no message moved the position twice.
    assert own.head.seq == 21
    assert sorted({*got[0], *got[1]}) == list(range(20))
    for one in (*nodes, writer):
        await one.stop()


@simulate
async def test_entries_that_are_gone_are_reported_and_it_goes_on_behind_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, got = MemoryLog(retention=Retention(max_entries=2)), list[int]()
    one = server(log, got)
    await one.start()
    await one.publish("s", Added(0))
    await asyncio.sleep(1)
    await one.stop()
    other = Server(registry(), log=log)
    for number in range(1, 6):
        await other.publish("s", Added(number))
    await other.log.prune()
    await other.stop()
    one = server(log, got)
    await one.start()
    await asyncio.sleep(1)
    await one.publish("s", Added(6))
    await asyncio.sleep(1)
    await one.stop()
    # The log still had the last two entries of the five that came meanwhile.
    assert got == [0, 4, 5, 6]
    assert caplog.text.count("the entries behind") == 1


@simulate
async def test_a_new_epoch_loses_no_entry() -> None:
    log, got = MemoryLog(), list[int]()
    one = server(log, got)
    await one.start()
    await one.publish("s", Added(0))
    await asyncio.sleep(1)
    await one.stop()
    # A backup is restored, or a replica becomes the primary, while two entries wait.
    other = Server(registry(), log=log)
    for number in (1, 2):
        await other.publish("s", Added(number))
    await other.log.renew()
    await other.publish("s", Added(3))
    await other.stop()
    one = server(log, got)
    await one.start()
    await asyncio.sleep(1)
    # And while the consumer runs.
    await log.renew()
    await one.publish("s", Added(4))
    await asyncio.sleep(1)
    await one.publish("s", Added(5))
    await asyncio.sleep(1)
    await one.stop()
    assert got == [0, 1, 2, 3, 4, 5]


@simulate
async def test_one_that_wants_all_begins_with_the_oldest_entry_that_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for most in (1, 2, 3, 5, 8):
        log, got = MemoryLog(retention=Retention(max_entries=most)), list[int]()
        other = Server(registry(), log=log)
        for number in range(8):
            await other.publish("s", Added(number))
        await other.log.prune()
        await other.stop()
        one = server(log, got, from_start=True)
        await one.start()
        await asyncio.sleep(1)
        await one.stop()
        assert got == list(range(8 - most, 8))
    # Nothing is missing that it was to get.
    assert caplog.text == ""


@simulate
async def test_messages_of_other_classes_move_its_position_once_for_all_of_them() -> None:
    log, got = MemoryLog(), list[int]()
    other = Server(registry(), log=log)
    for _ in range(20):
        await other.publish("s", Other())
    await other.stop()
    one = server(log, got, from_start=True)
    await one.start()
    await asyncio.sleep(1)
    # Where it began, and behind the last of them.
    assert (await log.read("_consumer/c", None)).head.seq == 2
    await one.stop()
    one = server(log, got, from_start=True)
    await one.publish("s", Added(1))
    await asyncio.sleep(1)
    await one.stop()
    assert got == [1]


@simulate
async def test_its_name_belongs_to_one_stream(caplog: pytest.LogCaptureFixture) -> None:
    log, got = MemoryLog(), list[int]()
    one = server(log, got)
    await one.start()
    for number in range(3):
        await one.publish("s", Added(number))
        await one.publish("t", Added(10 + number))
    await asyncio.sleep(1)
    await one.stop()
    moved = Server(registry(), log=log)

    @moved.consumer("c", "t", Added)
    def take(message: Added, _: Context) -> None:
        got.append(message.number)

    await moved.start()
    await moved.publish("t", Added(13))
    await asyncio.sleep(1)
    await moved.stop()
    # Its number would have been taken for one of the other stream.
    assert got == [0, 1, 2]
    assert "give the one that follows 't' another name" in caplog.text


@simulate
async def test_one_that_is_declared_while_the_server_runs_is_refused() -> None:
    one = server(MemoryLog(), [])
    await one.start()
    with pytest.raises(UsageError, match="declare the consumer 'late' before it starts"):
        one.consumer("late", "s", Added)(print)
    await one.stop()
    one.consumer("late", "s", Added)(print)


def test_a_server_starts_again_in_another_loop(caplog: pytest.LogCaptureFixture) -> None:
    log, got = MemoryLog(), list[int]()
    one = server(log, got)

    async def run(number: int) -> None:
        await asyncio.gather(*(one.start() for _ in range(3)))
        for value in (number, 10 + number):
            await one.publish("s", Added(value))
            async with asyncio.timeout(60):
                while value not in got:
                    await asyncio.sleep(0.001)
        await one.stop()

    for number in range(3):
        asyncio.run(run(number))
    assert got == [0, 10, 1, 11, 2, 12]
    assert caplog.text == ""


def test_a_declaration_that_cannot_work_is_refused() -> None:
    one = Server(registry())
    one.consumer("c", "s", Added)(print)
    names: list[Any] = ["c", "x" * 101, "a\n", "", "\ud800", 5, None]
    for name in names:
        with pytest.raises(UsageError):
            one.consumer(name, "s", Added)(print)
    with pytest.raises(UsageError):
        one.consumer("d", "*", Added)(print)
    wrong: list[tuple[Any, Any, type[Exception]]] = [
        ("Added", print, UsageError),
        (Added, "print", UsageError),
        (Unregistered, print, UnknownType),
    ]
    for payload, function, error in wrong:
        with pytest.raises(error):
            one.consumer("d", "s", payload)(function)
        with pytest.raises(error):
            one.command(payload)(function)
    # All registered classes inherit from it.
    one.consumer("d", "s", object)(print)
    with pytest.raises(UsageError, match="use PostgresLog"):

        @one.snapshot("s")
        async def make(context: object) -> None: ...
