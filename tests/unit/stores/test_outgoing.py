"""Own messages: sent by a function of the user, retried, and shown when an earlier process left them."""

from __future__ import annotations

import asyncio

import pytest
from app_world import application, connected, envelopes, problems, said, server, texts

from reactive_ws.errors import DeliveryFailed
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.history.conversation import Conversation
from reactive_ws.stores.history.own_messages import acknowledged, composed
from reactive_ws.stores.wire.chat import Message, MessageResponse
from reactive_ws.testing import NEVER, World, simulate
from reactive_ws.wire import MessageReceived, Position


@simulate
async def test_a_message_sent_by_a_rest_call_is_one_entry_with_its_echo() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        posted: list[str] = []

        async def post(message: Message) -> Message:
            await asyncio.sleep(1)
            posted.append(message.content)
            return Message("server-1", "s", "user", message.content, 0.0, sequence=1)

        delivery = app.history.send("s", "hello", post=post)
        assert texts(app) == ["hello"]
        assert await delivery is DeliveryStatus.ACKNOWLEDGED
        echo = Message("server-1", "s", "user", "hello", 0.0, sequence=1)
        scripted.publish(MessageResponse("s", echo), "s")
        await world.settle()
        (entry,) = app.history.get_entries("s")
        assert (entry.id, entry.status, posted) == (
            "server-1",
            DeliveryStatus.ACKNOWLEDGED,
            ["hello"],
        )
        assert envelopes(scripted, "message.send") == []
        assert problems(app) == []


@simulate
async def test_an_echo_that_comes_before_the_answer_of_the_call_is_the_same_entry() -> None:
    async with World() as world:
        scripted, app = await connected(world)

        async def post(message: Message) -> Message:
            copy = Message("server-1", "s", "user", message.content, 0.0, sequence=1)
            scripted.publish(MessageResponse("s", copy), "s")
            await asyncio.sleep(1)
            return copy

        await app.history.send("s", "hello", post=post)
        (entry,) = app.history.get_entries("s")
        assert (entry.id, entry.status) == ("server-1", DeliveryStatus.ACKNOWLEDGED)


@simulate
async def test_a_call_that_returns_nothing_is_answered_by_an_echo_with_the_own_id() -> None:
    async with World() as world:
        scripted, app = await connected(world, post=lambda _: None)
        delivery = app.history.send("s", "hello")
        assert delivery.status is DeliveryStatus.ACKNOWLEDGED
        echo = Message(delivery.id, "s", "user", "hello", 0.0, sequence=7)
        scripted.publish(MessageResponse("s", echo), "s")
        await world.settle()
        (entry,) = app.history.get_entries("s")
        assert (entry.content, entry.message.sequence) == ("hello", 7)


@simulate
async def test_a_call_that_fails_is_shown_and_retried_in_the_same_way() -> None:
    async with World() as world:
        _, app = await connected(world)
        calls: list[str] = []

        async def post(message: Message) -> Message:
            calls.append(message.id)
            if len(calls) == 1:
                raise ConnectionError
            return message

        delivery = app.history.send("s", "hello", post=post)
        with pytest.raises(DeliveryFailed):
            await delivery
        (entry,) = app.history.get_entries("s")
        assert (entry.status, entry.reason) == (DeliveryStatus.FAILED, "ConnectionError")
        assert len(problems(app)) == 1
        await app.history.retry("s", delivery.id)
        (entry,) = app.history.get_entries("s")
        assert entry.status is DeliveryStatus.ACKNOWLEDGED
        assert calls == [delivery.id, delivery.id]


@simulate
async def test_what_is_said_offline_waits_is_sent_in_order_and_touches_its_session() -> None:
    async with World() as world:
        scripted = await server(world)
        app = application(world)
        for word in ("one", "two", "three"):
            app.history.send("s", word, panel_id="p")
        assert [one.payload.message.content for one in app.offline.waiting.get()] == [
            "one",
            "two",
            "three",
        ]
        assert set(app.sessions.state.get().panel_activity) == {"p"}
        await app.service.connect()
        await app.service.wait_connected(30)
        await world.settle()
        sent = [one.payload.message.content for one in envelopes(scripted, "message.send")]
        assert sent == ["one", "two", "three"]
        assert app.offline.waiting.get() == ()


@simulate
async def test_unread_messages_are_counted_and_read() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        unread: list[int] = []
        total: list[int] = []
        app.history.select_unread("s").subscribe(unread.append)
        app.history.unread.subscribe(total.append)
        for number in (1, 2):
            scripted.publish(said(f"m{number}", "news", number), "s")
            await world.settle()
        scripted.publish(said("t1", "news", 1, "t"), "t")
        await world.settle()
        app.history.mark_read("s")
        app.history.mark_read("nobody")
        await app.history.send("t", "I read it")
        await world.settle()
        assert unread == [0, 1, 2, 0]
        assert total == [0, 1, 2, 3, 1, 0]


@simulate
async def test_the_place_of_a_message_comes_in_the_reply_and_its_epoch_with_the_positions() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        scripted.answer("message.send", lambda _: [])
        scripted.acknowledge_after = NEVER
        first, second = app.history.send("s", "first"), app.history.send("s", "second")
        await world.settle()
        at = Position(scripted.streams.epoch, 1)
        for delivery, sequence in ((second, 2), (first, 1)):
            echo = Message(delivery.id, "s", "user", "x", 0.0, sequence=sequence)
            reply = {"sequence": sequence}
            scripted.send(MessageReceived(delivery.id, positions={"s": at}, reply=reply))
            scripted.publish(MessageResponse("s", echo), "s")
        await world.settle()
        assert [entry.id for entry in app.history.get_entries("s")] == [first.id, second.id]
        assert [entry.message.sequence for entry in app.history.get_entries("s")] == [1, 2]


@pytest.mark.parametrize("reply", [None, 7, "1", {"sequence": "1"}, {"sequence": True}, {}])
def test_a_reply_without_a_place_gives_none(reply: object) -> None:
    state = composed(Conversation(), Message("m", "s", "user", "x", 0.0))
    state = acknowledged(state, MessageReceived("m", reply=reply), "e")
    entry = state.timeline.find("m")
    assert entry is not None
    assert (entry.status, entry.message.sequence) == (DeliveryStatus.ACKNOWLEDGED, None)
