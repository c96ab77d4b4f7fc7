"""The documented behaviour of connections, queues and built-in handlers.

Each test runs a whole application in virtual time.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator

import attrs
import pytest
from app_world import application, connected, envelopes, problems, said, server, texts

from reactive_ws.connection.backoff import Backoff, Jitter
from reactive_ws.connection.close_policy import ClosePolicy
from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.record import ConnectionState, ErrorKind, Phase
from reactive_ws.connection.transitions import diagram
from reactive_ws.errors import GaveUp, ServiceClosed
from reactive_ws.gui import AsyncioLoop, ConnectionView, Theme
from reactive_ws.gui.status import connection_view
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.facade import Client
from reactive_ws.stores.wire.chat import (
    Notification,
    NotificationNew,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    SessionClosed,
    SessionCreated,
    Typing,
)
from reactive_ws.testing import Mute, World, simulate
from reactive_ws.transport.credentials.authentication import Query

PLAIN = Backoff(initial=1.0, factor=2.0, jitter=Jitter.NONE)


@simulate
async def test_it_gives_up_after_the_last_attempt_and_connect_starts_over() -> None:
    async with World() as world:
        app = application(world, service={"backoff": PLAIN, "max_attempts": 3})
        client = Client(app)
        states: list[str] = []
        client.on_state_change(lambda state: states.append(state.value))
        client.connect()
        with pytest.raises(GaveUp):
            await app.service.wait_connected(60)
        await world.settle()
        assert states == ["disconnected", "connecting", "disconnected", "reconnecting", "error"]
        assert client.get_status() == "disconnected"
        assert world.now == pytest.approx(1 + 2 + 4, abs=0.1)
        await server(world)
        client.connect()
        await app.service.wait_connected(30)
        assert states[-1] == "connected"
        assert app.connection.attempt.get() == 0


@simulate
async def test_attempts_are_counted_and_start_over_after_a_stable_connection() -> None:
    async with World() as world:
        scripted, app = await connected(world, service={"backoff": PLAIN, "stable_after": 10.0})
        attempts: list[int] = []
        app.connection.attempt.subscribe(attempts.append)
        await scripted.stop()
        await world.advance(2)
        await scripted.start()
        await app.service.wait_connected(60)
        await world.advance(20)
        scripted.abort()
        await app.service.wait_connected(60)
        await world.settle()
        assert [it for it in attempts if it][:2] == [1, 2]
        assert 1 in attempts[3:]


@simulate
async def test_a_deliberate_disconnect_is_not_undone_and_sending_says_so() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        await app.connection.disconnect()
        await world.advance(120)
        assert app.service.state is ConnectionState.CLOSED
        assert len(scripted.connections) == 1
        with pytest.raises(ServiceClosed):
            app.history.send("s", "too late")


@simulate
async def test_the_states_of_an_outage() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        states: list[ConnectionState] = []
        app.connection.state.subscribe(states.append)
        scripted.abort()
        await world.settle()
        await app.service.wait_connected(60)
        await world.settle()
        assert states == [
            ConnectionState.CONNECTED,
            ConnectionState.DISCONNECTED,
            ConnectionState.RECONNECTING,
            ConnectionState.CONNECTED,
        ]
        assert app.service.connection.get().phase is Phase.LIVE
        assert "RECONNECTING" in diagram()


@simulate
async def test_a_ping_goes_out_at_every_interval_and_a_silent_server_is_left() -> None:
    async with World() as world:
        scripted, app = await connected(world, service={"heartbeat": Heartbeat(30.0, 10.0)})
        await world.advance(61)
        assert len(envelopes(scripted, "ping")) == 2
        scripted.misbehave(Mute())
        await world.advance(45)
        (error,) = [it for it in app.errors.state.get().errors if it.kind is ErrorKind.HEARTBEAT]
        assert error.is_retryable
        assert error.title == "Connection lost"
        assert app.connection.is_reconnecting.get() or app.service.connection.get().attempt > 0
        await world.heal()
        await app.service.wait_connected(120)
        await world.settle()


@simulate
async def test_the_queue_has_a_limit_and_drops_the_oldest_that_was_not_promised() -> None:
    async with World() as world:
        app = application(world)
        deliveries = [app.service.send("app.note", {"n": n}) for n in range(102)]
        await world.settle()
        assert [it.status for it in deliveries[:3]] == [
            DeliveryStatus.FAILED,
            DeliveryStatus.FAILED,
            DeliveryStatus.QUEUED,
        ]
        assert app.connection.queue_length.get() == 100
        scripted = await server(world)
        await app.service.connect()
        await app.service.wait_connected(30)
        await world.settle()
        assert [it.payload["n"] for it in envelopes(scripted, "app.note")] == list(range(2, 102))
        await world.advance(2)
        assert app.service.metrics.get().messages_dropped == 2


@simulate
async def test_a_resend_is_counted_and_says_so() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        scripted.acknowledge_after = float("inf")
        app.history.send("s", "again")
        await world.settle()
        (waiting,) = app.connection.queue.get()
        assert (waiting.attempts, waiting.status) == (1, DeliveryStatus.SENT)
        scripted.abort()
        await world.settle()
        scripted.acknowledge_after = 0.0
        await app.service.wait_connected(60)
        await world.settle()
        sent = envelopes(scripted, "message.send")
        assert [it.redelivered for it in sent] == [False, True]
        assert len({it.id for it in sent}) == 1


@simulate
async def test_a_new_token_loses_nothing_that_waits() -> None:
    async with World() as world:
        tokens = iter(("one", "two"))
        scripted, app = await connected(world, service={"auth": Query(lambda: next(tokens))})
        scripted.acknowledge_after = float("inf")
        delivery = app.history.send("s", "kept")
        await world.settle()
        scripted.acknowledge_after = 0.0
        app.service.refresh_token()
        await delivery
        assert delivery.status is DeliveryStatus.ACKNOWLEDGED
        assert [path for path, _ in scripted.requests] == ["/ws?token=one", "/ws?token=two"]


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_normal_close_is_retried_unless_the_user_says_otherwise(code: int) -> None:
    @simulate
    async def run() -> None:
        async with World() as world:
            scripted, app = await connected(world)
            await scripted.close(code)
            await world.settle()
            await app.service.wait_connected(60)
            await app.service.disconnect()
            stopping = application(
                world, service={"policy": ClosePolicy(stop_on_normal_close=True)}
            )
            await stopping.service.connect()
            await stopping.service.wait_connected(60)
            await scripted.close(1000)
            await world.advance(120)
            assert not stopping.service.is_connected

    run()


@simulate
async def test_the_built_in_handlers_change_the_stores() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        panel = Panel("p", "text", "Plan")
        scripted.publish(SessionCreated("s", "first"))
        scripted.publish(PanelCreated(panel))
        scripted.publish(PanelCreated(Panel("q", "text", "Sketch")))
        scripted.publish(PanelUpdated(PanelChange("p", title="Plan B")))
        scripted.publish(said("m1", "hi", 1, panel_id="p"), "s")
        await world.settle()
        assert [it.title for it in app.sessions.all.get()] == ["first"]
        assert [it.title for it in app.carousel.panels.get()] == ["Plan B", "Sketch"]
        assert texts(app) == ["hi"]
        state = app.sessions.state.get()
        assert (set(state.last_activity), set(state.panel_activity)) == ({"s"}, {"p"})
        scripted.publish(PanelDeleted("p"))
        scripted.publish(SessionClosed("s"))
        scripted.publish(Typing("room", "ann"), "room")
        await world.settle()
        assert [it.id for it in app.carousel.panels.get()] == ["q"]
        assert app.carousel.active.get() == Panel("q", "text", "Sketch")
        assert app.sessions.active.get() is None
        assert app.typing.users("room").get() == ("ann",)
        await world.advance(6)
        assert app.typing.users("room").get() == ()
        assert problems(app) == []


@simulate
async def test_a_question_is_acknowledged_and_answered_in_order() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        delivery = app.history.send("s", "question")
        statuses: list[str] = []
        app.history.select_entry("s", delivery.id).subscribe(
            lambda entry: statuses.append(entry.status.value if entry and entry.status else "")
        )
        assert await delivery is DeliveryStatus.ACKNOWLEDGED
        scripted.publish(said("a2", "second", 2), "s")
        scripted.publish(said("a3", "third", 3), "s")
        scripted.publish(said("a2", "second", 2), "s")
        await world.settle()
        assert texts(app) == ["question", "second", "third"]
        # The connection is ready, so `send` wrote the message before it returned.
        assert statuses[0] == "sent"
        assert statuses[-1] == "acknowledged"


@simulate
async def test_errors_have_words_for_people_and_can_be_dismissed() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        scripted.abort()
        await world.settle()
        (error,) = app.errors.state.get().errors
        assert (error.kind, error.title, error.is_retryable) == (
            ErrorKind.NETWORK,
            "Connection error",
            True,
        )
        assert app.errors.of_kind(ErrorKind.NETWORK).get() == (error,)
        assert app.errors.of_kind(ErrorKind.AUTH).get() == ()
        app.errors.dismiss(error.number)
        assert app.errors.latest.get() is None


@simulate
async def test_a_handler_of_the_user_finds_the_stores_up_to_date() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        found: list[tuple[str, str]] = []

        def look(change: PanelUpdated) -> None:
            panel = app.carousel.state.get().get(change.panel.id)
            found.append((change.panel.id, panel.title if panel else ""))

        app.service.on(PanelUpdated, look)
        scripted.publish(PanelCreated(Panel("p", "text", "Plan")))
        scripted.publish(PanelUpdated(PanelChange("p", title="Plan B")))
        await world.settle()
        assert found == [("p", "Plan B")]


@contextlib.contextmanager
def log_of(level: int) -> Iterator[list[str]]:
    """Records the lines that this package logs, without those of the socket library."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name != "reactive_ws.websockets":
                lines.append(record.getMessage())

    handler = Lines()
    logger = logging.getLogger("reactive_ws")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@simulate
async def test_connections_are_logged_without_what_is_said() -> None:
    with log_of(logging.INFO) as lines:
        async with World() as world:
            scripted, app = await connected(world)
            app.history.send("s", "secret words")
            scripted.abort()
            await world.settle()
    assert lines[:4] == [
        "state CLOSED -> CONNECTING",
        "connecting to ws://server:80/ws",
        "state CONNECTING -> CONNECTED",
        "connected to ws://server:80/ws",
    ]
    assert lines[4].startswith("lost ws://server:80/ws: ")
    assert lines[5:7] == ["state CONNECTED -> DISCONNECTED", "state DISCONNECTED -> RECONNECTING"]
    assert not any("secret words" in it for it in lines)


@simulate
async def test_the_log_has_what_is_queued_sent_and_received_by_type_and_id_only() -> None:
    async with World() as world:
        scripted, app = await connected(world, service={"backoff": PLAIN})
        scripted.abort()
        await world.settle()
        with log_of(logging.DEBUG) as lines:
            said_offline = [app.history.send("s", "secret words") for _ in range(3)]
            await app.service.wait_connected(60)
            await world.settle()
            scripted.publish(said("m1", "secret words", 9), "s")
            await world.settle()
    assert [it for it in lines if it.startswith("queued")] == [
        f"queued message.send, {count} waiting" for count in (1, 2, 3)
    ]
    assert [it for it in lines if it.startswith("flushed")] == ["flushed 3"]
    assert [it for it in lines if it.startswith("Sent message")] == [
        f"Sent message.send {it.id}" for it in said_offline
    ]
    assert [it for it in lines if it.startswith("Received message.resp")] == [
        "Received message.response -"
    ]
    assert not any("secret words" in it for it in lines)


@simulate
async def test_the_log_counts_the_retries_and_says_that_it_gave_up() -> None:
    with log_of(logging.INFO) as lines:
        async with World() as world:
            app = application(world, service={"backoff": PLAIN, "max_attempts": 2})
            app.service.connect()
            await world.advance(10)
    assert [it.partition(":")[0] for it in lines if it.startswith(("reconnecting", "gave"))] == [
        "reconnecting in 1.0 s (attempt 1 of 2)",
        "reconnecting in 2.0 s (attempt 2 of 2)",
        "gave up",
    ]


@pytest.mark.parametrize(
    ("backoff", "low", "factor"), [(None, 0.5, 1.5), (PLAIN, 1.0, 2.0)], ids=["usual", "doubled"]
)
@simulate
async def test_the_delays_between_dials(backoff: Backoff | None, low: float, factor: float) -> None:
    async with World() as world:
        _, app = await connected(world, service={"backoff": backoff})
        world.network.attempts.clear()
        world.network.refuse()
        lost = world.now
        world.network.reset()
        await world.advance(600)
        dials = [lost, *(attempt.time for attempt in world.network.attempts)]
        waits = [later - earlier for earlier, later in itertools.pairwise(dials)]
        ceilings = [min(60.0, factor**number) for number in range(len(waits))]
        assert len(waits) > 10
        assert all(
            low * most - 0.05 <= wait <= most + 0.05
            for wait, most in zip(waits, ceilings, strict=True)
        ), waits
        # After the cap, too, the usual ones differ from each other, so that a crowd does not come at once.
        assert (len({round(wait, 3) for wait in waits[-2:]}) == 2) is (backoff is None)
        await world.heal()
        await app.service.wait_connected(120)


@simulate
async def test_what_a_status_view_shows_in_an_outage_and_at_its_end() -> None:
    async with World() as world:
        scripted, app = await connected(world, service={"backoff": PLAIN, "max_attempts": 2})
        theme = Theme(
            symbols={**Theme().symbols, ConnectionState.RECONNECTING: "~"},
            words=attrs.evolve(
                Theme().words,
                names={**Theme().words.names, ConnectionState.RECONNECTING: "Away"},
                waiting="Back in {seconds} s",
            ),
        )
        ui = AsyncioLoop()
        views: list[ConnectionView] = []
        with connection_view(ui, app.service, theme=theme).subscribe(views.append):
            await world.advance(2.0)
            assert views[-1].line.startswith("● Connected (")
            assert (views[-1].banner, str(views[-1].numbers[3])) == (None, "Reconnects: 0")
            views.clear()
            world.network.refuse()
            scripted.abort()
            app.history.send("s", "waits")
            await world.advance(0.9)
            shown = views[-1]
            assert (shown.symbol, shown.live, shown.queued) == ("~", "Away", 1)
            assert shown.text == "Back in 1 s"
            assert shown.full.splitlines()[1] == "1 message waits to be sent"
            assert (shown.banner or "").startswith("Connection lost")
            assert shown.is_busy
            await world.advance(20)
            assert (views[-1].banner or "").startswith(
                "Not connected. The server cannot be reached."
            )
            assert views[-1].details.startswith("Details: gave up")
            assert not views[-1].is_busy
        world.network.heal()
        await app.service.connect()
        await app.service.wait_connected(30)
        await world.settle()
        ui.close()


@simulate
async def test_a_use_of_the_whole_window_of_messages() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        seen: list[int] = []
        window = app.history.select_window("s", 2, 3)
        window.subscribe(lambda entries: seen.append(len(entries)))
        for number in range(1, 8):
            scripted.publish(said(f"m{number}", str(number), number), "s")
            await world.settle()
        assert seen == [0, 1, 2, 3]
        assert [it.content for it in window.get()] == ["3", "4", "5"]
        assert [it.content for it in app.history.select_last("s", 2).get()] == ["6", "7"]


@simulate
async def test_every_store_says_what_it_holds() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        scripted.publish(SessionCreated("s", "first"))
        scripted.publish(PanelCreated(Panel("p", "text", "Plan")))
        scripted.publish(said("m1", "secret words", 1), "s")
        scripted.publish(Typing("room", "ann"), "room")
        scripted.publish(NotificationNew(Notification("n", "Tea")))
        scripted.send_frame("{broken")
        await world.settle()
        scripted.acknowledge_after = float("inf")
        app.history.send("s", "secret words")
        await world.settle()
        assert [
            repr(one)
            for one in (
                app.connection,
                app.history,
                app.sessions,
                app.carousel,
                app.notifications,
                app.channels,
                app.typing,
                app.offline,
                app.errors,
            )
        ] == [
            "<ConnectionStore of <WebSocketService ws://server:80/ws connected>>",
            "<History of 1 sessions>",
            "<Sessions of 1 sessions>",
            "<Carousel of 1 panels>",
            "<Notifications, 1 unread>",
            "<Channels, 1 event types seen>",
            "<TypingUsers, 1 typing>",
            "<Offline, 1 waiting, 0 failed>",
            "<Errors, 1 shown>",
        ]
        await world.advance(6)
