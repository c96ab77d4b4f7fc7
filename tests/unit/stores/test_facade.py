"""The vocabularies of other clients, in virtual time."""

from __future__ import annotations

import asyncio
import gc

import pytest
from app_world import application, connected, envelopes, said, server, texts

from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.record import ConnectionState, ErrorEvent
from reactive_ws.errors import UnknownType, UsageError
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores import Application
from reactive_ws.stores import app as app_module
from reactive_ws.stores.facade import (
    Client,
    ConversationConnection,
    FiveState,
    ThreeState,
    conversation_url,
    create_agent_message,
    create_ping_message,
    create_send_message,
    create_user_message,
    five_state,
    get_client,
    three_state,
    use_channel,
    use_websocket,
)
from reactive_ws.stores.wire.chat import MessageResponse, PanelDeleted, Typing
from reactive_ws.testing import Mute, World, simulate
from reactive_ws.wire.control import Ping
from reactive_ws.wire.envelope import Envelope


def test_three_and_five_words_for_six_states() -> None:
    found = [(three_state(it).value, five_state(it).value) for it in ConnectionState]
    assert found == [
        ("disconnected", "disconnected"),
        ("reconnecting", "connecting"),
        ("connected", "connected"),
        ("disconnected", "disconnected"),
        ("reconnecting", "reconnecting"),
        ("disconnected", "error"),
    ]


@simulate
async def test_the_words_of_an_outage_that_does_not_end() -> None:
    async with World() as world:
        scripted = await server(world)
        client = Client(application(world, service={"max_attempts": 2}))
        words: list[tuple[str, str]] = []
        client.app.connection.state.subscribe(
            lambda _: words.append((client.get_status().value, client.get_state().value))
        )
        client.connect()
        await client.app.service.wait_connected(30)
        await scripted.stop()
        await world.advance(60)
        # The service loses the connection and starts to wait in one moment; a read in between returns the second state.
        assert list(dict.fromkeys(words)) == [
            ("disconnected", "disconnected"),
            ("reconnecting", "connecting"),
            ("connected", "connected"),
            ("reconnecting", "reconnecting"),
            ("disconnected", "error"),
        ]


@simulate
async def test_connect_state_and_disconnect() -> None:
    async with World() as world:
        await server(world)
        client = Client(application(world))
        changes: list[bool] = []
        states: list[FiveState] = []
        client.on_connection_change(changes.append)
        client.on_state_change(states.append)
        assert (client.is_connected(), client.get_state()) == (False, "disconnected")
        assert states == ["disconnected"]
        client.connect()
        await client.app.service.wait_connected(30)
        await world.settle()
        assert (client.is_connected(), client.get_state()) == (True, "connected")
        assert client.get_status() is ThreeState.CONNECTED
        await client.disconnect()
        await world.settle()
        assert changes == [False, True, False]
        assert states == ["disconnected", "connecting", "connected", "disconnected"]


@simulate
async def test_open_close_and_error_handlers() -> None:
    async with World() as world:
        scripted = await server(world)
        client = Client(application(world))
        events: list[object] = []
        errors: list[ErrorEvent] = []
        client.on_open(lambda: events.append("open"))
        client.on_close(lambda code, reason: events.append((code, reason)))
        client.on_error(errors.append)
        client.connect()
        await client.app.service.wait_connected(30)
        await world.settle()
        await scripted.close(4000, "come back")
        await world.settle()
        await client.app.service.wait_connected(60)
        await world.settle()
        scripted.abort()
        await world.settle()
        await client.app.service.wait_connected(60)
        await world.settle()
        await client.disconnect()
        await world.settle()
        assert events == ["open", (4000, "come back"), "open", (1006, ""), "open", (1000, "")]
        assert len(errors) == 2
        assert client.app.connection.last_error.get() is errors[-1]
        client.clear_error()
        assert client.app.connection.last_error.get() is None


@simulate
async def test_send_in_three_forms() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        client = Client(app)
        client.send("app.note", {"a": 1})
        client.send("app.note", "rooms.blue", {"a": 2})
        client.send(create_ping_message())
        message = create_user_message("s", "p", "hello")
        delivery = client.send(create_send_message("s", message))
        client.send_typing("s", "ann")
        client.send_typing("s", "ann")
        assert await delivery is DeliveryStatus.ACKNOWLEDGED
        await world.settle()
        notes = envelopes(scripted, "app.note")
        assert [(it.channel, it.payload) for it in notes] == [
            ("app.note", {"a": 1}),
            ("rooms.blue", {"a": 2}),
        ]
        assert [it.payload for it in envelopes(scripted, "ping")] == [Ping()]
        assert [it.payload for it in envelopes(scripted, "typing")] == [Typing("s", "ann")]
        (sent,) = envelopes(scripted, "message.send")
        assert (sent.id, sent.payload.message) == (message.id, sent.payload.message)
        assert (message.role, message.panel_id, message.content) == ("user", "p", "hello")
        assert texts(app) == ["hello"]


@simulate
async def test_a_message_of_the_agent_goes_into_the_history() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        message = create_agent_message("s", "panel-1", "Hello!")
        scripted.publish(MessageResponse("s", message), "s")
        await world.settle()
        (entry,) = app.history.get_entries("s")
        assert (entry.id, entry.content, entry.message.role) == (message.id, "Hello!", message.role)
        assert (entry.message.panel_id, message.role) == ("panel-1", "assistant")


@simulate
async def test_messages_by_type_by_channel_and_all() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        client = Client(app)
        heard: list[object] = []
        everything: list[str] = []

        def typed(response: MessageResponse) -> None:
            heard.append(response.message.content)

        def by_name(envelope: Envelope[MessageResponse]) -> None:
            heard.append(envelope.payload.message.content)

        def by_channel(payload: MessageResponse, envelope: Envelope[object]) -> None:
            heard.append((payload.message.content, envelope.channel))

        client.on(MessageResponse, typed)
        client.on("message.response", by_name)
        client.subscribe("message.*", by_channel)
        client.on_message(lambda envelope: everything.append(envelope.type))
        scripted.publish(said("m1", "one", 1), "s")
        await world.settle()
        assert heard == ["one", "one", ("one", "message.response")]
        assert client.off(MessageResponse, typed)
        assert client.off("message.response", by_name)
        client.unsubscribe("message.*", by_channel)
        scripted.publish(said("m2", "two", 2), "s")
        await world.advance(31)
        assert len(heard) == 3
        assert everything == ["message.response", "message.response"]


@simulate
async def test_metrics_of_a_client() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        client = Client(app)
        scripted.abort()
        await world.settle()
        client.send("app.note", {})
        await world.settle()
        metrics = client.get_metrics()
        assert (metrics.connected, metrics.queued_messages) == (False, 1)
        await app.service.wait_connected(60)
        await world.advance(45)
        metrics = client.get_metrics()
        assert (metrics.state, metrics.connected) == (ConnectionState.CONNECTED, True)
        assert (metrics.reconnects, metrics.queued_messages) == (1, 0)
        assert metrics.connection_duration_ms > 0
        assert metrics.url == "ws://server:80/ws"


@simulate
async def test_a_cleared_queue_is_empty() -> None:
    async with World() as world:
        client = Client(application(world))
        delivery = client.send("app.note", {})
        client.clear_message_queue()
        await world.settle()
        assert delivery.status is DeliveryStatus.FAILED
        assert client.get_metrics().queued_messages == 0


def test_messages_are_made_by_role() -> None:
    agent = create_agent_message("s", None, "hi")
    assert (agent.role, agent.session_id, agent.panel_id, agent.content) == (
        "assistant",
        "s",
        None,
        "hi",
    )
    assert create_agent_message("s", None, "hi").id != agent.id


def test_the_client_of_the_usual_application_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_usual", [])
    monkeypatch.setenv("REACTIVE_WS_URL", "ws://localhost:9/ws")
    assert get_client() is get_client()
    assert isinstance(get_client().app, Application)


@simulate
async def test_a_use_of_a_connection_ends_its_subscriptions_and_the_last_one_disconnects() -> None:
    async with World() as world:
        scripted = await server(world)
        app = application(world)
        heard: list[str] = []
        states: list[str] = []

        def hear(payload: PanelDeleted, _: Envelope[object]) -> None:
            heard.append(payload.panel_id)

        with use_websocket(app) as outer:
            outer.connection_state.subscribe(states.append)
            await app.service.wait_connected(30)
            await world.settle()
            assert outer.is_connected
            with use_websocket(app) as inner:
                inner.subscribe("panel.*", hear)
                inner.subscribe("panel.deleted", hear)
                inner.unsubscribe("panel.deleted", hear)
                scripted.publish(PanelDeleted("a"))
                await world.settle()
                inner.send("app.note", "rooms.blue", {})
                await world.settle()
            scripted.publish(PanelDeleted("b"))
            await world.settle()
            assert app.service.is_connected
            assert heard == ["a"]
            assert [it.channel for it in envelopes(scripted, "app.note")] == ["rooms.blue"]
        await world.settle()
        assert app.service.state is ConnectionState.CLOSED
        assert states == ["connecting", "connected", "disconnected"]
        with use_websocket(app, auto_connect=False) as scope:
            assert not scope.is_connected
            scope.connect()
            await app.service.wait_connected(30)
            scope.disconnect()
            await world.settle()
            assert app.service.state is ConnectionState.CLOSED


class View:
    """Something that owns subscriptions."""


@simulate
async def test_a_subscription_to_a_channel_ends_with_its_owner_and_takes_a_new_handler() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        heard: list[str] = []
        view = View()
        use_channel(app, "panel.*", lambda it, _: heard.append(f"owned {it.panel_id}"), owner=view)
        with use_channel(app.service, "panel.*", lambda it, _: heard.append(it.panel_id)) as scope:
            scripted.publish(PanelDeleted("a"))
            await world.settle()
            scope.handler = lambda it, _: heard.append(f"new {it.panel_id}")
            scripted.publish(PanelDeleted("b"))
            await world.settle()
        del view
        gc.collect()
        scripted.publish(PanelDeleted("c"))
        await world.settle()
        assert heard == ["owned a", "a", "owned b", "new b"]


@simulate
async def test_a_use_of_a_connection_ends_with_its_owner() -> None:
    async with World() as world:
        await server(world)
        app = application(world)
        view = View()
        use_websocket(app, owner=view)
        await app.service.wait_connected(30)
        del view
        gc.collect()
        await world.settle()
        assert app.service.state is ConnectionState.CLOSED


def test_a_conversation_is_addressed_by_its_query() -> None:
    assert (
        conversation_url("http://host:1/ws", "a b", "ann", lang="de")
        == "ws://host:1/ws?conversation_id=a+b&user_id=ann&lang=de"
    )
    assert conversation_url("ws://host/ws?x=1", "c") == "ws://host/ws?x=1&conversation_id=c"


@simulate
async def test_a_use_of_a_connection_that_was_there_before_leaves_it() -> None:
    async with World() as world:
        _, app = await connected(world)
        with use_websocket(Client(app)) as outer, use_websocket(app.service) as inner:
            inner.subscribe("panel.*", print)
            assert repr(inner) == (
                "<WebSocketScope of <WebSocketService ws://server:80/ws connected>, 1 subscriptions>"
            )
        await world.settle()
        assert app.service.is_connected
        assert repr(outer).endswith(", ended>")
        with pytest.raises(UsageError, match="use_websocket"):
            inner.subscribe("panel.*", print)
        inner.unsubscribe("panel.*", print)
        inner.dispose()
        scope = use_channel(Client(app), "panel.*", print)
        assert repr(scope) == "<ChannelScope of 'panel.*'>"
        scope.dispose()
        assert repr(scope) == "<ChannelScope of 'panel.*', ended>"
        with pytest.raises(TypeError, match="an application, a client or a service"):
            use_websocket(None)  # type: ignore[arg-type]


@simulate
async def test_what_is_not_of_the_three_forms_is_not_sent() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        client = Client(app)
        before = len(scripted.received)
        for wrong in (("a", "b", {}, 1), (create_ping_message(), {})):
            with pytest.raises(TypeError, match="send takes"):
                client.send(*wrong)  # type: ignore[call-overload]
        with pytest.raises(UnknownType):
            client.send(object())
        await world.settle()
        assert len(scripted.received) == before
        assert repr(client).startswith("<Client of <Application over <WebSocketService")


@simulate
async def test_a_connection_that_ends_without_a_close_frame_has_a_code_all_the_same() -> None:
    async with World() as world:
        scripted, app = await connected(world, service={"heartbeat": Heartbeat(30.0, 10.0)})
        closed: list[tuple[int, str]] = []
        Client(app).on_close(lambda code, reason: closed.append((code, reason)))
        scripted.misbehave(Mute())
        await world.advance(60)
        await world.heal()
        await app.service.wait_connected(120)
        await app.service.disconnect()
        await world.settle()
        assert [code for code, _ in closed] == [1006, 1000]
        assert "did not answer a ping within 10 s" in closed[0][1]


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        (None, "ws://localhost:8000/ws"),
        ("https://chat.example/ws", "wss://chat.example/ws"),
    ],
)
def test_the_address_is_found_in_the_environment_or_is_the_default(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, url: str
) -> None:
    if variable is None:
        monkeypatch.delenv("REACTIVE_WS_URL", raising=False)
    else:
        monkeypatch.setenv("REACTIVE_WS_URL", variable)
    app = Application.at()
    assert Client(app).get_metrics().url == url
    app.close()


@simulate
async def test_switches_at_once_leave_one_connection_and_another_user_is_another_one() -> None:
    async with World() as world:
        await server(world)
        made: list[Application] = []

        def make(url: str, **options: object) -> Application:
            made.append(application(world, url, **options))
            return made[-1]

        async with ConversationConnection("ws://server:80/ws", make=make) as connection:
            found = await asyncio.gather(
                *(connection.switch(name, "ann") for name in ("c1", "c2", "c2", "c3"))
            )
            await connection.switch("c3", "bob")
            await connection.app.service.wait_connected(30)  # type: ignore[union-attr]
            assert [made.index(it) for it in found] == [0, 1, 1, 2]
            assert [it.service.is_connected for it in made] == [False, False, False, True]
            assert connection.app is made[3]
            assert repr(connection) == "<ConversationConnection in 'c3'>"
            assert await connection.switch("c3", "bob") is made[3]


@simulate
async def test_one_connection_per_conversation_and_switching_it() -> None:
    async with World() as world:
        scripted = await server(world)

        def make(url: str, **options: object) -> Application:
            return application(world, url, **options)

        async with ConversationConnection("ws://server:80/ws", make=make) as connection:
            first = await connection.switch("c1", "ann")
            await first.service.wait_connected(30)
            scripted.publish(said("m1", "in c1", 1))
            await world.settle()
            assert await connection.switch("c1", "ann") is first
            second = await connection.switch("c2", "ann")
            await second.service.wait_connected(30)
            await world.settle()
            assert first.service.state is ConnectionState.CLOSED
            assert (connection.app, connection.conversation_id) == (second, "c2")
            assert [len(texts(it)) for it in (first, second)] == [1, 0]
            assert [path for path, _ in scripted.requests] == [
                "/ws?conversation_id=c1&user_id=ann",
                "/ws?conversation_id=c2&user_id=ann",
            ]
        assert (connection.app, second.service.state) == (None, ConnectionState.CLOSED)
