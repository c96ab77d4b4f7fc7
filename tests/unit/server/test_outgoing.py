"""Frames on their way to a socket: at once while it takes them, else in order by the task of the client. And the audience of a stream."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from reactive_ws.server.node import Disconnected
from reactive_ws.server.node.audience import Audience
from reactive_ws.server.node.outgoing import Outgoing
from reactive_ws.server.session import Close
from reactive_ws.testing import World

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who")


class Socket:
    """A socket that takes a frame at once, or when `open` is set again."""

    take = None

    def __init__(self) -> None:
        self.taken: list[str | bytes] = []
        self.closed: tuple[int, str] | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.before: Callable[[], Awaitable[None]] | None = None

    async def send(self, frame: str | bytes) -> None:
        if self.before is not None:
            await self.before()
        await self.open.wait()
        self.taken.append(frame)

    def listen(self, heard: object) -> None:
        raise AssertionError

    def go_on(self) -> None:
        raise AssertionError

    async def receive(self) -> str | bytes:
        raise Disconnected

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def abort(self) -> None:
        raise AssertionError


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with World(0) as world:
        world.run(body())


async def resting() -> tuple[Socket, Outgoing]:
    socket = Socket()
    outgoing = Outgoing(socket, lambda: None)
    await asyncio.sleep(0)
    return socket, outgoing


def test_a_frame_that_the_socket_takes_is_there_when_write_returns() -> None:
    async def body() -> None:
        socket, outgoing = await resting()
        for frame in ("a", b"b", "c"):
            outgoing.write([frame])
        assert socket.taken == ["a", b"b", "c"]
        assert outgoing.size == 0
        # The same in a callback, where no task runs.
        asyncio.get_running_loop().call_soon(outgoing.write, ["d"])
        await asyncio.sleep(0)
        assert socket.taken[3:] == ["d"]
        await outgoing.end()

    run(body)


def test_frames_wait_behind_one_that_waits_and_go_in_order() -> None:
    async def body() -> None:
        socket, outgoing = await resting()
        socket.open.clear()
        for frame in "abc":
            outgoing.write([frame])
        assert (socket.taken, outgoing.size) == ([], 3)
        assert outgoing.sending_since == asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        assert socket.taken == []
        socket.open.set()
        await asyncio.sleep(1)
        assert socket.taken == ["a", "b", "c"]
        assert (outgoing.size, outgoing.sending_since) == (0, None)
        outgoing.write(["d"])
        assert socket.taken[3:] == ["d"]
        await outgoing.end()

    run(body)


def test_a_send_runs_in_one_task_and_one_context_from_its_begin_to_its_end() -> None:
    async def body() -> None:
        WHO.set("client")
        socket, outgoing = await resting()
        seen: list[object] = []

        async def look() -> None:
            seen.append((asyncio.current_task(), WHO.get()))
            await asyncio.sleep(1)
            seen.append((asyncio.current_task(), WHO.get()))

        socket.before = look
        WHO.set("other")
        here = asyncio.current_task()
        outgoing.write(["a"])
        assert asyncio.current_task() is here
        await asyncio.sleep(2)
        assert seen == [(outgoing.task, "client")] * 2
        await outgoing.end()

    run(body)


def test_a_send_may_have_a_timeout_of_its_own() -> None:
    async def body() -> None:
        socket, outgoing = await resting()
        late: list[float] = []
        loop = asyncio.get_running_loop()

        async def wait() -> None:
            try:
                async with asyncio.timeout(2.0):
                    await asyncio.sleep(10.0)
            except TimeoutError:
                late.append(loop.time() - began)

        socket.before = wait
        began = loop.time()
        outgoing.write(["a"])
        await asyncio.sleep(5)
        assert (late, socket.taken) == ([2.0], ["a"])
        await outgoing.end()

    run(body)


@pytest.mark.parametrize("is_late", [False, True])
def test_the_end_of_the_other_side_ends_the_task_and_another_error_is_its_result(
    is_late: bool,
) -> None:
    async def body() -> None:
        for error in (Disconnected(), ValueError("of the server")):
            socket, outgoing = await resting()

            async def fail(error: Exception = error) -> None:
                if is_late:
                    await asyncio.sleep(1)
                raise error

            socket.before = fail
            outgoing.write(["a"])
            outgoing.write(["b"])
            await asyncio.wait([outgoing.task])
            expected = None if isinstance(error, Disconnected) else error
            assert outgoing.task.exception() is expected
            assert socket.taken == []
            await outgoing.end()

    run(body)


def test_what_is_written_while_a_send_begins_comes_behind_it() -> None:
    async def body() -> None:
        socket, outgoing = await resting()

        async def write() -> None:
            socket.before = None
            outgoing.write(["b"])

        socket.before = write
        outgoing.write(["a"])
        await asyncio.sleep(1)
        assert socket.taken == ["a", "b"]
        outgoing.write(["c"])
        assert socket.taken == ["a", "b", "c"]
        await outgoing.end()

    run(body)


def test_the_socket_closes_behind_what_waits() -> None:
    async def body() -> None:
        socket, outgoing = await resting()
        socket.open.clear()
        outgoing.write(["a"])
        outgoing.close(Close(1012, "the server ends"))
        outgoing.write(["b"])
        await asyncio.sleep(1)
        assert socket.closed is None
        socket.open.set()
        await asyncio.wait([outgoing.task])
        assert (socket.taken, socket.closed) == (["a", "b"], (1012, "the server ends"))

    run(body)


@pytest.mark.parametrize("has_begun", [False, True])
def test_the_end_also_ends_a_send_that_waits(has_begun: bool) -> None:
    async def body() -> None:
        socket, outgoing = await resting()
        ended: list[bool] = []

        async def hang() -> None:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append(True)

        socket.before = hang
        outgoing.write(["a"])
        if has_begun:
            await asyncio.sleep(1)
        await outgoing.end()
        assert ended == [True]

    run(body)


def test_room_is_reported_when_nothing_waits_and_what_is_written_then_goes_out() -> None:
    async def body() -> None:
        socket = Socket()
        outgoing = Outgoing(socket, lambda: outgoing.write(["more"]))
        await asyncio.sleep(0)
        socket.open.clear()
        outgoing.write(["a"])
        outgoing.is_full = True
        socket.open.set()
        await asyncio.sleep(1)
        assert (socket.taken, outgoing.is_full) == (["a", "more"], False)
        await outgoing.end()

    run(body)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_socket_does_frames_come_once_and_in_order(seed: int) -> None:
    choose = random.Random(seed)

    async def body() -> None:
        socket, outgoing = await resting()

        async def stumble() -> None:
            for _ in range(choose.choice([0, 0, 0, 1, 3])):
                await asyncio.sleep(choose.choice([0.0, 0.0, 0.5]))

        socket.before = stumble
        for number in range(200):
            outgoing.write([str(number)])
            if choose.random() < 0.3:
                (socket.open.clear if choose.random() < 0.3 else socket.open.set)()
            if choose.random() < 0.5:
                await asyncio.sleep(choose.choice([0.0, 0.0, 1.0]))
        socket.open.set()
        await asyncio.sleep(1_000)
        assert socket.taken == [str(number) for number in range(200)]
        assert outgoing.size == 0
        await outgoing.end()

    run(body)


# --- the audience of a stream -------------------------------------------------------------------------------------------------


def test_a_stream_is_heard_by_its_name_and_by_the_patterns_above_it() -> None:
    audience: Audience[str] = Audience()
    channels = ["*", "a.*", "a.b/*", "a.b/c", "a.b", "b.*"]
    for channel in channels:
        audience.add(channel, channel)
        audience.add(channel, "all")
    assert audience.of("a.b/c") == ["a.b/c", "all", "*", "a.*", "a.b/*"]
    assert audience.of("a.b") == ["a.b", "all", "*", "a.*"]
    assert audience.of("c") == ["*", "all"]
    audience.remove_all(channels, "all")
    audience.remove("a.*", "a.*")
    audience.remove("never", "all")
    assert audience.of("a.b") == ["a.b", "*"]
    audience.remove("*", "*")
    assert audience.of("c") == []
