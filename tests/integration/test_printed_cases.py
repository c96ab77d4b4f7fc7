"""The test cases printed in the documents that the stores were made from, against the real hub.

Where a document leaves a case open ("Assert connection", "would need proper mock setup"), it is finished here.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

from reactive_ws.authentication import Query
from reactive_ws.backoff import Backoff, Jitter
from reactive_ws.connection import ConnectionState
from reactive_ws.heartbeat import Heartbeat
from reactive_ws.hub import Hub
from reactive_ws.messages import Envelope
from stores import Application
from stores.facade import Client, create_ping_message, create_send_message, create_user_message

QUICK = Backoff(initial=0.02, cap=0.1)


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


# --- the second document: an outage by hand, and a hook that comes back -------------------------------------------------


def test_the_manual_outage_what_is_created_meanwhile_is_queued_and_sent(tmp_path: Path) -> None:
    async def by_hand() -> None:
        data = tmp_path / "hub.db"
        server = Hub(data=data)
        await server.start()
        port = server.port
        app = Application.at(server.url, backoff=QUICK)
        client = Client(app)
        async with app:
            session = app.sessions.create("tasks")
            await until(lambda: client.get_status() == "connected")
            await until(lambda: not app.connection.has_queued_messages.get())
            await server.close()
            await until(lambda: client.get_status() != "connected")
            app.history.send(session.id, "a task")
            await until(lambda: app.connection.queue_length.get() == 1)
            async with Hub(port=port, data=data):
                await until(lambda: client.get_status() == "connected")
                await until(lambda: len(app.history.get_entries(session.id)) == 2)
                assert app.connection.queue_length.get() == 0
                assert app.history.get_entries(session.id)[0].content == "a task"
        app.close()

    asyncio.run(by_hand())


def test_it_reconnects_after_disconnection() -> None:
    async def hook() -> None:
        async with Hub() as hub, Application.at(hub.url, backoff=QUICK) as app:
            seen: list[str] = []
            client = Client(app)
            client.on_state_change(lambda state: seen.append(state.value))
            await until(client.is_connected)
            app.service.reconnect()
            await until(lambda: seen[-2:] == ["reconnecting", "connected"])

    asyncio.run(hook())


# --- the third document -----------------------------------------------------------------------------------------------


def test_connects_to_websocket() -> None:
    async def connect() -> None:
        async with Hub() as hub:
            app = Application.at(hub.url)
            client = Client(app)
            client.connect()
            await until(client.is_connected)
            assert client.get_state() == "connected"
            await client.disconnect()
            assert client.get_state() == "disconnected"
            app.close()

    asyncio.run(connect())


def test_queues_messages_when_disconnected() -> None:
    app = Application.at("ws://127.0.0.1:9/ws")
    client = Client(app)
    message = create_user_message("s", "p", "How do I make a kick drum?")
    client.send(create_send_message("s", message))
    # A ping is of the moment: it never waits.
    client.send(create_ping_message())
    assert [it.id for it in app.connection.queue.get()] == [message.id]
    app.close()


def test_reconnects_with_exponential_backoff() -> None:
    delays = Backoff(initial=1.0, factor=2.0, jitter=Jitter.NONE).delays(random.Random(0))
    assert [next(delays) for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_updates_history_store_on_agent_response() -> None:
    async def chat() -> None:
        async with Hub() as hub, Application.at(hub.url) as app:
            session = app.sessions.create("test-session")
            app.history.send(session.id, "hello", panel_id="panel-1")
            await until(lambda: len(app.history.get(session.id).timeline.settled) == 2)
            answer = app.history.get_entries(session.id)[1]
            assert (answer.message.role, answer.content) == (
                "assistant",
                "You said: hello (1 word)",
            )
            assert session.id in app.sessions.state.get().last_activity

    asyncio.run(chat())


# --- the fourth document ----------------------------------------------------------------------------------------------


def test_connects_and_transitions_to_connected() -> None:
    async def connect() -> None:
        async with Hub() as hub:
            app = Application.at(hub.url)
            states: list[ConnectionState] = []
            app.connection.state.subscribe(states.append)
            async with app:
                await until(lambda: app.service.is_connected)
            assert states[:3] == [
                ConnectionState.CLOSED,
                ConnectionState.CONNECTING,
                ConnectionState.CONNECTED,
            ]
            app.close()

    asyncio.run(connect())


def test_metrics_count_what_waits_when_disconnected() -> None:
    client = Client(Application.at("ws://127.0.0.1:9/ws"))
    client.send("message", {"text": "hello"})
    assert client.get_metrics().queued_messages == 1
    client.app.close()


def test_calculates_exponential_backoff_correctly() -> None:
    delays = Backoff(initial=1.0, factor=1.5, cap=60.0).delays(random.Random(1))
    found = [next(delays) for _ in range(30)]
    ceilings = [min(60.0, 1.0 * 1.5**number) for number in range(30)]
    assert all(low / 2 <= it <= low for it, low in zip(found, ceilings, strict=True))
    assert max(found) <= 60.0


def test_reconnects_after_network_failure() -> None:
    async def fail() -> None:
        hub = Hub()
        await hub.start()
        app = Application.at(hub.url, backoff=QUICK, heartbeat=Heartbeat(0.05, 1.0))
        async with app:
            await until(lambda: app.connection.last_heartbeat_at.get() is not None)
            await hub.close()
            await until(
                lambda: (
                    Client(app).get_metrics().state
                    in (ConnectionState.RECONNECTING, ConnectionState.ERROR)
                )
            )
            await app.service.disconnect()
        app.close()

    asyncio.run(fail())


# --- the fifth document -----------------------------------------------------------------------------------------------


def test_connects_with_token() -> None:
    async def connect() -> None:
        asked: list[str] = []

        def check(token: str) -> bool:
            asked.append(token)
            return token == "test-token"

        async with (
            Hub(authorize=check) as hub,
            Application.at(hub.url, auth=Query("test-token")) as app,
        ):
            await until(lambda: app.service.is_connected)
            assert set(asked) == {"test-token"}
            assert "test-token" not in repr(app.service)

    asyncio.run(connect())


def test_handles_channel_subscriptions_and_notifies_handlers_on_message() -> None:
    async def chat() -> None:
        async with Hub() as hub, Application.at(hub.url) as app:
            heard: list[tuple[str, object]] = []

            def hear(payload: object, envelope: Envelope[object]) -> None:
                heard.append((envelope.channel, payload))

            registration = Client(app).subscribe("session.*", hear)
            session = app.sessions.create("first")
            await until(lambda: heard)
            registration.dispose()
            app.sessions.close(session.id)
            await until(lambda: not app.sessions.all.get())
            assert [channel for channel, _ in heard] == ["session.created"]

    asyncio.run(chat())
