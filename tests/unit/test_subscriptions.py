"""Channels: asked for once, restored on every connection, and asked for again by themselves until the server confirms."""

from __future__ import annotations

import asyncio
from typing import Any

from reactive_ws.inbound.subscriptions import Asking, Subscriptions
from reactive_ws.stores.wire.chat import Message, MessageResponse, agent_chat
from reactive_ws.testing import NEVER, Drop, Latency, ScriptedServer, World, simulate
from reactive_ws.wire.control import Subscribed, Unsubscribed
from reactive_ws.wire.envelope import Envelope


def said(server: ScriptedServer) -> list[tuple[int, str, str]]:
    """Connection, type and channel of everything that was asked for."""
    return [
        (peer.number, message.type, message.payload.channel)
        for peer in server.connections
        for message in peer.received
        if message.type in ("subscribe", "unsubscribe")
    ]


def test_what_is_wanted_is_said_once_and_what_is_not_wanted_any_more_is_taken_back() -> None:
    channels = Subscriptions()
    channels.add("a")
    channels.add("a")
    channels.add("b")
    assert channels.due(0.0) == [Asking("a"), Asking("b")]
    assert channels.due(0.0) == []
    channels.remove("a")
    assert channels.due(0.0) == []
    channels.remove("a")
    channels.add("c")
    assert channels.due(0.0) == [Asking("a", is_wanted=False), Asking("c")]
    channels.lost()
    assert channels.deadline is None
    assert channels.due(0.0) == [Asking("b"), Asking("c")]


def test_each_subscription_is_asked_for_again_in_its_own_time_until_it_is_confirmed() -> None:
    channels = Subscriptions()
    channels.add("a")
    channels.due(0.0)
    times = []
    for _ in range(6):
        assert channels.deadline is not None
        times.append(channels.deadline)
        assert channels.due(channels.deadline - 0.001) == []
        assert channels.due(channels.deadline) == [Asking("a")]
    assert times == [1.0, 3.0, 8.0, 18.0, 28.0, 38.0]
    channels.add("b")
    assert channels.due(40.0) == [Asking("b")]
    assert channels.deadline == 41.0
    channels.confirmed("b")
    assert channels.deadline == 48.0
    channels.confirmed("a")
    channels.confirmed("unknown")
    assert channels.deadline is None
    assert channels.due(100.0) == []


@simulate
async def test_the_first_observer_subscribes_and_the_last_one_unsubscribes() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        got: list[Any] = []
        first, second = (
            service.messages("news.*", subscribe=True),
            service.messages("news.*", subscribe=True),
        )
        one = first.subscribe(lambda envelope: got.append(("one", envelope.payload)))
        await service.connect()
        await service.wait_connected()
        two = first.subscribe(print)
        three = second.subscribe(lambda envelope: got.append(("three", envelope.payload)))
        await world.settle()
        server.send(Envelope("note", 1, "news.sport"))
        server.send(Envelope("note", 2, "other"))
        await world.settle()
        for each in (one, two):
            each.dispose()
        server.send(Envelope("note", 3, "news.a.b"))
        await world.settle()
        assert said(server) == [(1, "subscribe", "news.*")]
        three.dispose()
        await world.settle()
        assert said(server) == [(1, "subscribe", "news.*"), (1, "unsubscribe", "news.*")]
        assert got == [("one", 1), ("three", 1), ("three", 3)]


@simulate
async def test_swapping_one_listener_for_another_says_nothing() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        got: list[Any] = []
        old = service.messages("x", subscribe=True).subscribe(print)
        await world.settle()
        for _ in range(3):
            old.dispose()
            old = service.messages("x", subscribe=True).subscribe(
                lambda envelope: got.append(envelope.payload)
            )
            await world.settle()
        server.send(Envelope("note", 1, "x"))
        await world.settle()
        assert got == [1]
        assert said(server) == [(1, "subscribe", "x")]


@simulate
async def test_every_connection_restores_them_and_a_lost_confirmation_is_asked_for_again() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        service.messages("a", subscribe=True).subscribe(print)
        service.messages("b", subscribe=True).subscribe(print)
        await service.connect()
        await service.wait_connected()
        await world.settle()
        server.misbehave(Drop(1, "subscribed"))
        server.abort()
        peer = await server.connected(2)
        began = world.now
        times: list[float] = []
        while len(times) < 3:
            await asyncio.sleep(0.001)
            times += [round(world.now - began, 1)] * (
                sum(m.type == "subscribe" for m in peer.received) - len(times)
            )
        # The confirmation of "a" was lost.
        assert times == [0.0, 0.0, 1.0]
        assert [m.payload.channel for m in peer.received if m.type == "subscribe"] == [
            *("a", "b", "a")
        ]
        await world.advance(100)
        assert len(said(server)) == 5


@simulate
async def test_what_was_said_while_the_connection_broke_is_said_on_the_next_one() -> None:
    async with World() as world:
        world.network.apply(Latency(0.2))
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        subscription = service.messages("a", subscribe=True).subscribe(print)
        service.messages("b", subscribe=True).subscribe(print)
        await asyncio.sleep(0.05)
        world.network.reset()
        await asyncio.sleep(0.05)
        subscription.dispose()
        await server.connected(2)
        await service.wait_connected()
        await world.advance(2)
        assert said(server) == [(2, "subscribe", "b")]


@simulate
async def test_a_server_without_the_protocol_is_told_nothing() -> None:
    async with World() as world:
        server = await world.server(is_plain=True, registry=agent_chat())
        service = world.service(registry=agent_chat())
        got: list[Any] = []
        service.messages("message.*", subscribe=True).subscribe(
            lambda envelope: got.append(envelope.type)
        )
        await service.connect()
        await service.wait_connected()
        server.send(MessageResponse("s", Message("m", "s", "a", "x", 0)))
        await world.advance(60)
        assert (said(server), got) == ([], ["message.response"])


@simulate
async def test_after_disconnect_nothing_asks_any_more() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        server.answer("subscribe", None)
        server.acknowledge_after = NEVER
        service = world.service(registry=agent_chat())
        service.messages("a", subscribe=True).subscribe(print)
        await service.connect()
        await service.wait_connected()
        await world.advance(2)
        await service.disconnect()
        count = len(said(server))
        await world.advance(100)
        assert len(said(server)) == count
        # The interest outlives the disconnect.
        server.send(Subscribed("a"))
        await service.connect()
        await service.wait_connected()
        await world.settle()
        assert said(server)[count:] == [(2, "subscribe", "a")]


@simulate
async def test_a_subscription_that_the_server_ends_is_seen_by_handlers_and_as_an_error() -> None:
    async with World() as world:
        server, service = await world.server(), world.service()
        heard: list[Unsubscribed] = []
        by_name: list[str] = []
        service.on(Unsubscribed, heard.append)
        service.on("unsubscribed", lambda message: by_name.append(message.payload.channel))
        await service.connect()
        await service.wait_connected(10)
        with service.messages("news", subscribe=True).subscribe(print):
            await world.settle()
            server.send(Unsubscribed("news", "revoked"))
            # A subscription that is complete ends without an error.
            server.send(Unsubscribed("other"))
            await world.advance(60)
            # It is not asked for again before the token changes.
            assert [name for _, kind, name in said(server) if kind == "subscribe"] == ["news"]
        assert heard == [Unsubscribed("news", "revoked"), Unsubscribed("other")]
        assert by_name == ["news", "other"]
        assert [str(event.exception) for event in world.errors] == [
            "the server answered with error 'revoked': the channel 'news' was refused"
        ]


def test_a_subscription_is_asked_for_until_the_server_answers() -> None:
    subscriptions = Subscriptions()
    subscriptions.add("news")
    assert not subscriptions.is_asking("news")
    assert subscriptions.due(0.0) == [Asking("news")]
    assert subscriptions.is_asking("news")
    subscriptions.confirmed("news")
    assert not subscriptions.is_asking("news")
    subscriptions.remove("news")
    assert subscriptions.due(1.0) == [Asking("news", is_wanted=False)]
    assert not subscriptions.is_asking("news")
