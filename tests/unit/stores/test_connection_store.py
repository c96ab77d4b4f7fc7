"""The connection store and its words, in virtual time."""

from __future__ import annotations

import pytest
from app_world import application, connected, server

from reactive_ws.connection.backoff import Backoff, Jitter
from reactive_ws.connection.record import Connection, ConnectionState, ErrorKind
from reactive_ws.gui.status import next_text_change
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.status_line import status_text
from reactive_ws.testing import World, simulate


@pytest.mark.parametrize(
    ("connection", "now", "text", "change"),
    [
        (Connection(), 0.0, "Disconnected", None),
        (Connection(ConnectionState.CONNECTING), 0.0, "Connecting...", None),
        (Connection(ConnectionState.CONNECTED, since=10.0), 55.5, "Connected (45s)", 4.5),
        (Connection(ConnectionState.CONNECTED, since=10.0), 9.0, "Connected (0s)", 1.0),
        (Connection(ConnectionState.DISCONNECTED), 0.0, "Disconnected", None),
        (
            Connection(
                ConnectionState.RECONNECTING, attempt=2, max_attempts=10, next_retry_at=12.5
            ),
            10.0,
            "Reconnecting in 3 s (attempt 2 of 10)...",
            0.5,
        ),
        (
            Connection(ConnectionState.RECONNECTING, attempt=3),
            10.0,
            "Reconnecting now (attempt 3)...",
            None,
        ),
        (Connection(ConnectionState.ERROR, cause="no"), 0.0, "Not connected: no", None),
        (Connection(ConnectionState.ERROR), 0.0, "Not connected: gave up", None),
    ],
)
def test_the_connection_in_words(
    connection: Connection, now: float, text: str, change: float | None
) -> None:
    assert status_text(connection, now) == text
    found = next_text_change(connection, now=now)
    assert found is None if change is None else found == pytest.approx(change, abs=2e-3)


@simulate
async def test_the_words_tick_while_somebody_looks_and_follow_an_outage() -> None:
    async with World() as world:
        scripted, app = await connected(
            world,
            service={"backoff": Backoff(initial=3.0, jitter=Jitter.NONE), "max_attempts": 10},
        )
        await world.advance(10 - world.now)
        seen: list[str] = []
        with app.connection.status_text.subscribe(seen.append):
            await world.advance(7)
            await scripted.stop()
            await world.settle()
            await world.advance(6.5)
            await scripted.start()
            await world.advance(3)
        assert [text for text in seen if text.startswith("Connected")][:3] == [
            "Connected (9s)",
            "Connected (10s)",
            "Connected (15s)",
        ]
        lost = seen[next(at for at, text in enumerate(seen) if text.startswith("Reconnecting")) :]
        assert lost[:4] == [
            "Reconnecting in 3 s (attempt 1 of 10)...",
            "Reconnecting in 2 s (attempt 1 of 10)...",
            "Reconnecting in 1 s (attempt 1 of 10)...",
            "Reconnecting now (attempt 1 of 10)...",
        ]
        assert "Reconnecting in 5 s (attempt 2 of 10)..." in lost
        after = len(seen)
        await world.advance(30)
        assert len(seen) == after
        assert (
            app.connection.status_text.get()
            == f"Connected ({int(world.now - app.service.connection.get().since + 1e-6)}s)"
        )


@simulate
async def test_everything_a_status_view_wants_to_know() -> None:
    async with World() as world:
        scripted = await server(world)
        app = application(world)
        connection = app.connection
        flags: list[tuple[bool, bool]] = []
        connection.is_connected.subscribe(
            lambda it: flags.append((it, connection.is_reconnecting.get()))
        )
        app.history.send("s", "waits")
        assert connection.has_queued_messages.get()
        assert connection.queue_length.get() == 1
        (waiting,) = connection.queue.get()
        assert (waiting.type, waiting.status) == ("message.send", DeliveryStatus.QUEUED)
        await connection.connect()
        await app.service.wait_connected(30)
        await world.settle()
        assert (connection.queue_length.get(), connection.attempt.get()) == (0, 0)
        assert connection.last_connected_at.get() is not None
        assert connection.last_heartbeat_at.get() is None
        await world.advance(31)
        assert connection.last_heartbeat_at.get() is not None
        assert connection.latency.get() is not None
        assert connection.metrics.get().connects == 1
        assert connection.last_error.get() is None
        await scripted.stop()
        await world.settle()
        assert connection.state.get() is ConnectionState.RECONNECTING
        assert connection.attempt.get() == 1
        assert connection.next_retry_at.get() is not None
        error = connection.last_error.get()
        assert error is not None
        assert error.kind in (ErrorKind.NETWORK, ErrorKind.SERVER)
        assert connection.status.get().last_error is error
        connection.clear_error()
        assert connection.last_error.get() is None
        assert flags == [(False, False), (True, False), (False, False)] or flags == [
            (False, False),
            (True, False),
            (False, True),
        ]
        await scripted.start()
        connection.reconnect()
        await app.service.wait_connected(30)
        await connection.disconnect()
        assert connection.state.get() is ConnectionState.CLOSED


@simulate
async def test_a_cleared_queue_fails_what_was_never_sent() -> None:
    async with World() as world:
        app = application(world)
        deliveries = [app.history.send("s", word) for word in ("a", "b")]
        app.connection.clear_message_queue()
        await world.settle()
        assert [it.status for it in deliveries] == [DeliveryStatus.FAILED] * 2
        assert deliveries[0].reason == "discarded before it was sent"
        assert app.connection.queue.get() == ()
        assert [it.id for it in app.offline.failed.get()] == [it.id for it in deliveries]


@simulate
async def test_a_server_error_is_shown_and_the_connection_stays() -> None:
    from reactive_ws.wire.control import ServerError

    async with World() as world:
        scripted, app = await connected(world)
        scripted.send(ServerError("busy", "try later", retryable=True))
        await world.settle()
        (error,) = app.errors.state.get().errors
        assert (error.kind, error.is_retryable) == (ErrorKind.APPLICATION, True)
        assert app.service.is_connected
        assert app.connection.last_error.get() is None
