"""The test cases printed in the documents that the stores were made from, against the real hub.

Where a document leaves a case open ("Assert connection", "would need proper mock setup"), it is finished here.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from integration.peers.foreign import free_port

from reactive_ws.connection.backoff import Backoff, Jitter
from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.record import Connection, ConnectionState
from reactive_ws.stores import Application
from reactive_ws.stores.facade import (
    Client,
    create_ping_message,
    create_send_message,
    create_user_message,
)
from reactive_ws.stores.hub import Hub
from reactive_ws.transport.credentials.authentication import Query
from reactive_ws.wire.envelope import Envelope

QUICK = Backoff(initial=0.02, cap=0.1)


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


# --- the second document: an outage by hand, and a hook that comes back -------------------------------------------------


def test_the_manual_outage_what_is_created_meanwhile_is_queued_and_sent(tmp_path: Path) -> None:
    async def by_hand() -> None:
        data = tmp_path / "hub.db"
        server = Hub(log=data)
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
            async with Hub(port=port, log=data):
                await until(lambda: client.get_status() == "connected")
                await until(lambda: len(app.history.get_entries(session.id)) == 2)
                await until(lambda: app.connection.queue_length.get() == 0)
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


def test_an_http_address_of_the_environment_is_dialled_as_ws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect() -> None:
        async with Hub() as hub:
            monkeypatch.setenv("REACTIVE_WS_URL", hub.url.replace("ws://", "http://"))
            async with Application.at() as app:
                await until(lambda: app.service.is_connected)
                assert app.connection.metrics.get().url == hub.url

    asyncio.run(connect())


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
    async def wait_for_the_hub() -> None:
        port = free_port()
        app = Application.at(f"ws://127.0.0.1:{port}/ws", backoff=QUICK)
        client = Client(app)
        message = create_user_message("s", "p", "How do I make a kick drum?")
        client.send(create_send_message("s", message))
        # A ping is of the moment: it never waits.
        client.send(create_ping_message())
        assert [it.id for it in app.connection.queue.get()] == [message.id]
        async with Hub(port=port), app:
            await until(lambda: len(app.history.get_entries("s")) == 2)
            await until(lambda: app.connection.queue.get() == ())
            assert app.history.get_entries("s")[0].id == message.id
        app.close()

    asyncio.run(wait_for_the_hub())


def test_reconnects_with_exponential_backoff() -> None:
    waits: list[float] = []
    retries: list[float] = []

    def note(connection: Connection) -> None:
        if connection.next_retry_at is not None:
            retries.append(connection.next_retry_at)
            waits.append(connection.next_retry_at - asyncio.get_running_loop().time())

    async def close() -> None:
        hub = Hub()
        await hub.start()
        backoff = Backoff(initial=0.25, factor=2.0, jitter=Jitter.NONE)
        app = Application.at(hub.url, backoff=backoff)
        async with app:
            await until(lambda: app.service.is_connected)
            app.service.connection.select().subscribe(note)
            await hub.close()
            await until(lambda: len(waits) >= 4)
            await app.service.disconnect()
        app.close()

    asyncio.run(close())
    delays = (0.25, 0.5, 1.0, 2.0)
    # Each wait is the delay minus the time until the observer ran. A dial fails after the retry that began it.
    assert all(wait <= delay for wait, delay in zip(waits[:4], delays, strict=True))
    between = [later - earlier for earlier, later in itertools.pairwise(retries[:4])]
    assert all(it >= delay for it, delay in zip(between, delays[1:], strict=True))


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
