"""The event types of the command center: streams, counts, and what `ai.*` and `notification.*` do."""

from __future__ import annotations

import pytest
from app_world import connected, problems, texts

from reactive_ws.stores import ToolCall, command_center
from reactive_ws.stores.wire.chat import Message, Notification, NotificationNew, NotificationRead
from reactive_ws.stores.wire.command_center import (
    CHANNEL_EVENTS,
    FAMILIES,
    Activity,
    ActivityCompleted,
    ActivityCreated,
    ActivityUpdated,
    AiResponse,
    AiStream,
    AiToolCall,
    CampaignDelivered,
    CampaignOpened,
    CampaignSent,
    Customer,
    CustomerCreated,
    CustomerEngagement,
    CustomerUpdated,
    SystemMaintenance,
    SystemUpdate,
)
from reactive_ws.testing import World, simulate

EVENTS: dict[str, object] = {
    "activity.created": ActivityCreated(Activity("a")),
    "activity.updated": ActivityUpdated(Activity("a", title="call back")),
    "activity.completed": ActivityCompleted("a"),
    "customer.created": CustomerCreated(Customer("c")),
    "customer.updated": CustomerUpdated(Customer("c", "Ann")),
    "customer.engagement": CustomerEngagement("c", "visit"),
    "notification.new": NotificationNew(Notification("n")),
    "notification.read": NotificationRead("n"),
    "ai.response": AiResponse("s", Message("m1", "s", "assistant", "hi", 0.0)),
    "ai.stream": AiStream("s", "m2", 0, "Hel"),
    "ai.tool_call": AiToolCall("s", "m2", "c1", "search"),
    "campaign.sent": CampaignSent("k", 100),
    "campaign.delivered": CampaignDelivered("k", "c"),
    "campaign.opened": CampaignOpened("k", "c"),
    "system.maintenance": SystemMaintenance("soon"),
    "system.update": SystemUpdate("2"),
}


def test_every_event_of_the_document_is_here() -> None:
    assert set(EVENTS) == set(CHANNEL_EVENTS)
    assert {name.split(".")[0] for name in EVENTS} == set(FAMILIES)


@pytest.mark.parametrize("name", list(EVENTS))
def test_an_event_is_typed_streamed_by_type_and_family_and_counted(name: str) -> None:
    @simulate
    async def run() -> None:
        async with World() as world:
            server, app = await connected(world)
            by_type: list[object] = []
            by_family: list[object] = []
            others: list[object] = []
            app.channels.stream(name).subscribe(lambda it: by_type.append(it.payload))
            family = name.split(".")[0]
            app.channels.family(family).subscribe(lambda it: by_family.append(it.payload))
            for other in FAMILIES:
                if other != family:
                    app.channels.family(f"{other}.*").subscribe(others.append)
            server.publish(EVENTS[name])
            await world.settle()
            assert by_type == by_family == [EVENTS[name]]
            assert others == []
            assert app.channels.count(name).get() == 1
            latest = app.channels.latest(name).get()
            assert latest is not None
            assert (latest.payload, latest.channel) == (EVENTS[name], name)
            assert dict(app.channels.state.get().counts) == {name: 1}
            assert problems(app) == []

    run()


@simulate
async def test_a_streamed_answer_of_the_ai_grows_in_the_history_with_its_tool_calls() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(AiToolCall("s", "m", "c1", "search", {"q": "x"}, status="running"), "s")
        server.publish(AiStream("s", "m", 0, "Hel"), "s")
        server.publish(AiToolCall("s", "m", "c2", "read", status="running"), "s")
        server.publish(AiToolCall("s", "m", "c1", "search", {"q": "x"}, [1, 2], "done"), "s")
        server.publish(AiStream("s", "m", 3, "lo"), "s")
        await world.settle()
        (entry,) = app.history.get_entries("s")
        assert (entry.content, entry.is_growing) == ("Hello", True)
        answer = Message("m", "s", "assistant", "Hello!", 0.0, sequence=1)
        server.publish(AiResponse("s", answer), "s")
        await world.settle()
        (entry,) = app.history.get_entries("s")
        assert (entry.content, entry.is_growing) == ("Hello!", False)
        assert entry.tool_calls == (
            ToolCall("c1", "search", {"q": "x"}, [1, 2], "done"),
            ToolCall("c2", "read", status="running"),
        )
        assert "s" in app.sessions.state.get().last_activity


@simulate
async def test_notifications_count_as_unread_until_they_are_read() -> None:
    async with World() as world:
        server, app = await connected(world)
        unread: list[int] = []
        app.notifications.unread.subscribe(unread.append)
        for name in "ab":
            server.publish(NotificationNew(Notification(name)))
            await world.settle()
        server.publish(NotificationRead("a"))
        await world.settle()
        await app.notifications.mark_read("b")
        assert unread == [0, 1, 2, 1, 0]


@simulate
async def test_a_channel_is_asked_for_on_every_connection_while_it_is_followed() -> None:
    async with World() as world:
        server, app = await connected(world)
        following = app.channels.follow("activity.*")
        await world.settle()
        server.abort()
        await world.settle()
        await app.service.wait_connected(60)
        await world.settle()
        following.dispose()
        await world.settle()
        asked = [it for it in server.received if "subscribe" in it.type]
        kinds = [it.type for it in asked if it.payload.channel == "activity.*"]
        assert kinds == ["subscribe", "subscribe", "unsubscribe"]


def test_names_of_a_registry_keep_their_class() -> None:
    registry = command_center()
    assert command_center(registry).get("ai.stream") is registry.get("ai.stream")
    assert registry.get("customer.created").payload is CustomerCreated  # type: ignore[union-attr]


@simulate
async def test_bad_events_are_rejected_and_shown() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.send_frame('{"type":"activity.created","payload":{"activity":{}}}')
        await world.settle()
        assert len(problems(app)) == 1
        assert app.channels.count("activity.created").get() == 0
        assert texts(app) == []
