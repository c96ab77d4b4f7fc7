"""Older messages: pages from a function of the user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from app_world import connected, problems, said, texts

from reactive_ws.stores import OlderRequest
from reactive_ws.stores.wire.chat import Message
from reactive_ws.testing import World, simulate


def message(number: int) -> Message:
    return Message(f"m{number}", "s", "user", f"text {number}", 0.0, sequence=number)


def page(request: OlderRequest) -> Sequence[Message]:
    end = request.before_sequence or 31
    return [message(n) for n in range(max(1, end - request.count), end)]


@simulate
async def test_older_messages_are_paged_in_until_the_end_and_none_twice() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m30", "text 30", 30), "s")
        await world.settle()
        assert app.history.get("s").has_older is None
        counts = [await app.history.load_older("s", page, count=10) for _ in range(4)]
        assert counts == [10, 10, 9, 0]
        assert texts(app) == [f"text {n}" for n in range(1, 31)]
        assert app.history.get("s").has_older is False
        assert app.history.get("s").unread == 1
        assert await app.history.load_older("s", lambda _: [message(1)]) == 0
        assert problems(app) == []


@simulate
async def test_one_load_of_a_session_at_a_time_also_for_an_async_loader() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m30", "text 30", 30), "s")
        await world.settle()
        asked: list[int | None] = []

        async def slow(request: OlderRequest) -> Sequence[Message]:
            asked.append(request.before_sequence)
            await asyncio.sleep(1)
            return page(request)

        first = app.history.load_older("s", slow, count=5)
        assert app.history.load_older("s", slow, count=5) is first
        assert app.history.get("s").is_loading_older
        assert await first == 5
        assert not app.history.get("s").is_loading_older
        assert asked == [30]


@simulate
async def test_a_loader_that_fails_is_shown_and_can_be_tried_again() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m30", "text 30", 30), "s")
        await world.settle()

        async def broken(_: OlderRequest) -> Sequence[Message]:
            raise ConnectionError("secret=1")

        with pytest.raises(ConnectionError):
            await app.history.load_older("s", broken)
        (error,) = app.errors.state.get().errors
        assert error.text == (
            "older messages of session s could not be loaded: ConnectionError; try again"
        )
        assert error.is_retryable
        assert await app.history.load_older("s", page, count=3) == 3
        assert texts(app) == [f"text {n}" for n in range(27, 31)]


@simulate
async def test_messages_without_sequences_keep_the_order_of_the_page() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("new", "new"), "s")
        await world.settle()
        older = [Message(name, "s", "user", name, 0.0) for name in "abc"]
        foreign = Message("x", "t", "user", "x", 0.0)
        assert await app.history.load_older("s", lambda _: [*older, foreign], count=9) == 3
        assert await app.history.load_older("s", lambda _: older, count=3) == 0
        assert texts(app) == ["a", "b", "c", "new"]
        assert problems(app) == [
            "the loader gave 1 messages of other sessions than s; they were left out"
        ]


@simulate
async def test_what_is_held_of_a_session_is_bounded_and_the_cut_is_told() -> None:
    async with World() as world:
        server, app = await connected(world, max_messages=10)
        dropped: list[int] = []
        app.history.select_dropped("s").subscribe(dropped.append)
        for number in range(1, 31):
            server.publish(said(f"m{number}", f"text {number}", number), "s")
        await world.settle()
        assert texts(app) == [f"text {n}" for n in range(21, 31)]
        assert (dropped[0], dropped[-1]) == (0, 20)
        assert app.history.get("s").has_older is True
        assert await app.history.load_older("s", page, count=5) == 5
        assert texts(app) == [f"text {n}" for n in range(16, 31)]
        server.publish(said("m31", "text 31", 31), "s")
        await world.settle()
        # What was fetched on purpose is not what the bound is for.
        assert len(texts(app)) == 15
        assert dropped[-1] == 16


def test_without_a_loop_an_async_loader_runs_in_a_thread_of_its_own() -> None:
    from reactive_ws.stores import Application

    app = Application.at("ws://localhost:9/ws")
    threads: list[str] = []

    async def loader(request: OlderRequest) -> Sequence[Message]:
        threads.append(threading.current_thread().name)
        return page(request)

    assert app.history.load_older("s", loader, count=30).result(10) == 30
    assert threads == ["stores call"]
    assert len(texts(app)) == 30


@simulate
async def test_a_page_of_nothing_is_refused_and_ends_nothing() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m30", "text 30", 30), "s")
        await world.settle()
        for count in (0, -1):
            with pytest.raises(ValueError, match="at least one message"):
                app.history.load_older("s", page, count=count)
        assert app.history.get("s").has_older is None
        assert not app.history.get("s").is_loading_older
        assert await app.history.load_older("s", page, count=1) == 1
