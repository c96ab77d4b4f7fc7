"""The service says once, where the program relies on it, what a server cannot do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from todo_types import Add, Added, Todos, types
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import Backoff, WebSocketService
from reactive_ws.dialects import PlainJson
from reactive_ws.engine import Domain
from reactive_ws.errors import UsageError
from reactive_ws.outbox import DeliveryStatus
from reactive_ws.replicas import ReplicaStatus
from reactive_ws.server import Server
from reactive_ws.testing import Simulation, simulate


@attrs.define
class Feed:
    """A server that speaks JSON and nothing else.

    Attributes:
        heard: What clients sent.
        cuts: Messages that it still swallows together with their connection.
        is_answering: Whether it answers a message with its id.
    """

    heard: list[dict[str, Any]] = attrs.field(factory=list)
    cuts: int = 0
    is_answering: bool = False

    async def serve(self, connection: ServerConnection) -> None:
        async for frame in connection:
            message = json.loads(frame)
            self.heard.append(message)
            if self.cuts > 0:
                self.cuts -= 1
                connection.transport.abort()
            elif self.is_answering:
                await connection.send(json.dumps({"type": "ok", "id": message["id"]}))


def make(**options: Any) -> tuple[WebSocketService, list[str]]:
    """Returns a service, and what it says about its program."""
    simulation = Simulation.current()
    options = {"registry": types()} if "dialect" not in options else options
    service = WebSocketService(
        "ws://server/ws",
        domain=Domain("client"),
        proxy=None,
        backoff=Backoff(initial=0.05, cap=0.2),
        rng=simulation.random,
        new_id=simulation.new_id,
        clock=simulation.wall_clock,
        **options,
    )
    said: list[str] = []
    service.errors.subscribe(
        lambda event: (
            said.append(str(event.exception)) if isinstance(event.exception, UsageError) else None
        )
    )
    return service, said


def subscribes(service: WebSocketService) -> None:
    service.messages("prices", subscribe=True).subscribe(print)


def follows(service: WebSocketService) -> None:
    todos = service.replica("todos", Todos(), {Added: lambda now, _: now})
    assert todos.status.get() is ReplicaStatus.LOADING


def sends(service: WebSocketService) -> None:
    service.send(Add(str(service.metrics.get().connects), "tea"))


def syncs(service: WebSocketService) -> None:
    service.sync("todos")


@pytest.mark.parametrize(
    ("relies", "words"),
    [
        (subscribes, "subscribe=True asks for nothing"),
        (follows, "a replica stays LOADING"),
        (syncs, "sync() asks for nothing"),
        (sends, "ends as SENT"),
    ],
)
@pytest.mark.parametrize("is_early", [True, False], ids=["before", "after"])
@simulate
async def test_what_a_plain_server_cannot_do_is_said_once(
    relies: Callable[[WebSocketService], None], words: str, *, is_early: bool
) -> None:
    feed = Feed()
    async with serve(feed.serve, "server", 80):
        service, said = make()
        if is_early and relies is not syncs:
            relies(service)
        async with service:
            if is_early and relies is syncs:
                # Before the connection is ready; earlier it does nothing.
                relies(service)
            await service.wait_connected(10)
            await asyncio.sleep(1)
            if not is_early:
                assert said == []
                relies(service)
            await asyncio.sleep(10)
            assert len(said) == 1
            assert words in said[0]
            for _ in range(3):
                service.reconnect()
                await asyncio.sleep(5)
            assert len(said) == 1


@simulate
async def test_nothing_is_said_about_a_server_that_can_do_it_all_or_a_program_that_needs_nothing() -> (
    None
):
    feed = Feed()
    async with serve(feed.serve, "server", 80):
        service, said = make()
        async with service:
            await service.wait_connected(10)
            service.send("note", {"text": "x"})
            service.on(Added, print)
            service.messages("prices").subscribe(print)
            await asyncio.sleep(5)
    server = Server(types())
    server.state("todos", Todos(), {Added: lambda now, _: now})
    server.command(Add)(lambda it, context: context.publish("todos", Added(it.title)))
    async with server.serve("server", 80):
        full, more = make()
        async with full:
            for relies in (subscribes, follows, syncs, sends):
                relies(full)
            await asyncio.sleep(10)
    assert (said, more) == ([], [])


@simulate
async def test_without_acknowledgements_a_promised_message_ends_as_sent() -> None:
    feed = Feed(cuts=1)
    async with serve(feed.serve, "server", 80):
        service, said = make()
        async with service:
            delivery = service.send(Add("1", "tea"))
            assert await delivery is DeliveryStatus.SENT
            await asyncio.sleep(10)
            assert [it["id"] for it in feed.heard] == ["1"]
            assert len(service.outbox.get()) == 0
            assert "proves nothing" in said[0]


@pytest.mark.parametrize("cuts", [0, 2])
@simulate
async def test_a_resend_to_a_server_that_answers_and_keeps_no_ids_is_maybe_twice(cuts: int) -> None:
    feed = Feed(cuts=cuts, is_answering=True)
    async with serve(feed.serve, "server", 80):
        service, said = make(dialect=PlainJson(types(), id="id"))
        async with service:
            delivery = service.send(Add("1", "tea"))
            assert await delivery is DeliveryStatus.ACKNOWLEDGED
    assert [it["id"] for it in feed.heard] == ["1"] * (cuts + 1)
    assert delivery.is_maybe_twice is (cuts > 0)
    assert said == []


@simulate
async def test_a_plain_server_with_subscriptions_is_asked_for_a_channel() -> None:
    feed = Feed()
    dialect = PlainJson(types(), subscribe=lambda name: {"type": "subscribe", "name": name})
    async with serve(feed.serve, "server", 80):
        service, said = make(dialect=dialect)
        async with service:
            subscribes(service)
            await asyncio.sleep(1)
            service.reconnect()
            await asyncio.sleep(1)
    assert feed.heard == [{"type": "subscribe", "name": "prices"}] * 2
    assert said == []
