"""The application layer against the real hub: every message changes the right store, every action arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from reactive_ws.connection.backoff import Backoff
from reactive_ws.connection.record import ConnectionState, ErrorKind
from reactive_ws.errors import RequestFailed, ServiceClosed
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores import Application, application
from reactive_ws.stores import app as app_module
from reactive_ws.stores.hub import Hub
from reactive_ws.stores.wire.chat import agent_chat
from reactive_ws.stores.wire.command_center import command_center
from reactive_ws.wire.registry import Guarantee

QUICK = Backoff(initial=0.02, cap=0.1)


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


def shown(app: Application, session_id: str) -> list[str]:
    return [entry.content for entry in app.history.get_entries(session_id)]


def titles_of_panels(app: Application) -> list[str]:
    return [panel.title for panel in app.carousel.state.get().panels]


def is_answered(app: Application, session_id: str, count: int) -> bool:
    entries = app.history.get_entries(session_id)
    return len(entries) == count and not any(entry.is_waiting for entry in entries)


def test_a_chat_with_panels_reaches_every_store_and_a_second_client_sees_the_same() -> None:
    async def chat() -> None:
        async with Hub() as hub, Application.at(hub.url) as app, Application.at(hub.url) as other:
            session = app.sessions.create("first")
            statuses: list[DeliveryStatus] = []
            delivery = app.history.send(session.id, "hello there")
            delivery.stream.subscribe(statuses.append)
            assert await delivery is DeliveryStatus.ACKNOWLEDGED
            assert statuses[0] is DeliveryStatus.QUEUED
            assert statuses[-1] is DeliveryStatus.ACKNOWLEDGED
            app.history.send(session.id, "panel create Plan\npanel update Plan: step 1")
            app.history.send(session.id, "panel create Sketch\nnotify Tea: is ready")
            app.history.send(session.id, "panel close Plan")
            await until(lambda: is_answered(app, session.id, 8))
            await until(lambda: is_answered(other, session.id, 8))
            for one in (app, other):
                # Messages, sessions and panels come in streams of their own.
                await until(lambda one=one: not one.sessions.state.get().pending)
                await until(lambda one=one: titles_of_panels(one) == ["Sketch"])
                await until(lambda one=one: one.notifications.state.get().notifications)
                await until(lambda one=one: one.sessions.state.get().last_activity)
                assert shown(one, session.id) == shown(app, session.id)
                assert [s.title for s in one.sessions.state.get().sessions] == ["first"]
                assert [n.title for n in one.notifications.state.get().notifications] == ["Tea"]
                assert one.errors.state.get().errors == ()
                assert set(one.sessions.state.get().last_activity) == {session.id}
            assert shown(app, session.id)[:1] == ["hello there"]
            assert "You said: hello there (2 words)" in shown(app, session.id)
            own = [entry for entry in app.history.get_entries(session.id) if entry.is_own]
            assert [entry.status for entry in own] == [DeliveryStatus.ACKNOWLEDGED] * 4
            notice = app.notifications.state.get().notifications[0]
            await app.notifications.mark_read(notice.id)
            await other.notifications.unread.wait_for(lambda unread: unread == 0, timeout=60)
            other.typing.tell(session.id, "ann")
            await app.typing.users(session.id).wait_for(lambda users: users == ("ann",), timeout=60)
            app.sessions.close(session.id)
            await other.sessions.all.wait_for(lambda sessions: sessions == (), timeout=60)
            await app.sessions.active.wait_for(lambda active: active is None, timeout=60)
            app.typing.clear()

    asyncio.run(chat())


def test_a_client_that_comes_later_is_shown_everything_also_an_answer_in_the_middle() -> None:
    async def chat() -> None:
        async with Hub(token_delay=0.02) as hub, Application.at(hub.url) as app:
            session = app.sessions.create("first")
            app.history.send(session.id, "panel create Plan")
            app.history.send(session.id, " ".join(["word"] * 20))
            await until(lambda: len(_growing(app, session.id)) > 30)
            # The answer takes its time until the second client is there, on a slow machine too.
            hub._token_delay = 0.3
            async with Application.at(hub.url) as late:
                await until(lambda: len(_growing(late, session.id)) > 20)
                hub._token_delay = 0.0
                assert late.history.get(session.id).is_loaded
                await until(lambda: is_answered(late, session.id, 4))
                await until(lambda: is_answered(app, session.id, 4))
                assert shown(late, session.id) == shown(app, session.id)
                await until(lambda: titles_of_panels(late) == ["Plan"])
                assert late.errors.state.get().errors == ()

    asyncio.run(chat())


def _growing(app: Application, session_id: str) -> str:
    texts = [e.content for e in app.history.get_entries(session_id) if e.is_growing]
    return texts[0] if texts else ""


def test_what_is_said_during_an_outage_arrives_once_and_in_order(tmp_path: Path) -> None:
    async def chat() -> None:
        data = tmp_path / "hub.db"
        first = Hub(log=data)
        await first.start()
        port = first.port
        app = Application.at(first.url, backoff=QUICK)
        states: list[ConnectionState] = []
        app.connection.state.subscribe(states.append)
        try:
            async with app:
                session = app.sessions.create("first")
                app.history.send(session.id, "before")
                await until(lambda: is_answered(app, session.id, 2))
                await first.close()
                await until(lambda: app.service.state is ConnectionState.RECONNECTING)
                for number in range(5):
                    app.history.send(session.id, f"during {number}")
                await app.connection.queue_length.wait_for(lambda length: length == 5, timeout=60)
                await until(app.connection.has_queued_messages.get)
                await until(app.connection.is_reconnecting.get)
                async with Hub(port=port, log=data):
                    await until(lambda: is_answered(app, session.id, 12))
                    own = [e for e in app.history.get_entries(session.id) if e.is_own]
                    assert [e.content for e in own] == [
                        "before",
                        *(f"during {number}" for number in range(5)),
                    ]
                    kinds = {error.kind for error in app.errors.state.get().errors}
                    assert kinds <= {ErrorKind.NETWORK, ErrorKind.SERVER}
                    status = app.connection.status.get()
                    assert status.last_connected_at is not None
                    assert status.server is not None
        finally:
            app.close()
        assert states[:4] == [
            ConnectionState.CLOSED,
            ConnectionState.CONNECTING,
            ConnectionState.CONNECTED,
            ConnectionState.DISCONNECTED,
        ]

    asyncio.run(chat())


def test_a_hub_that_forgot_everything_starts_a_new_era_and_nothing_shown_is_lost() -> None:
    async def chat() -> None:
        first = Hub()
        await first.start()
        port = first.port
        async with Application.at(first.url, backoff=QUICK) as app:
            session = app.sessions.create("first")
            app.history.send(session.id, "old\npanel create Plan")
            await until(lambda: is_answered(app, session.id, 2))
            await first.close()
            async with Hub(port=port):
                await until(lambda: app.service.is_connected)
                await app.carousel.panels.wait_for(lambda panels: panels == (), timeout=60)
                await app.sessions.all.wait_for(lambda sessions: sessions == (), timeout=60)
                app.history.send(session.id, "new")
                await until(lambda: is_answered(app, session.id, 4))
                assert shown(app, session.id) == [
                    "old\npanel create Plan",
                    "Created panel Plan.",
                    "new",
                    "You said: new (1 word)",
                ]
                assert [s.id for s in app.sessions.state.get().sessions] == [session.id]

    asyncio.run(chat())


def test_what_the_stores_missed_while_the_log_was_cut_comes_with_the_state() -> None:
    async def chat() -> None:
        async with Hub(max_log=3) as hub, Application.at(hub.url) as other:
            app = Application.at(hub.url)
            async with app:
                session = other.sessions.create("first")
                gone = other.sessions.create("gone")
                other.history.send(session.id, "notify One\nnotify Two")
                await until(lambda: app.notifications.unread.get() == 2)
                await until(lambda: len(app.sessions.all.get()) == 2)
                app.sessions.activate(gone.id)
            other.sessions.close(gone.id)
            for number in range(5):
                other.history.send(session.id, f"notify More {number}\npanel create {number}")
            await until(lambda: other.notifications.unread.get() == 7)
            for notice in other.notifications.state.get().notifications[:3]:
                other.notifications.mark_read(notice.id)
            other.sessions.create("second")
            await other.service.drain(10)
            await until(lambda: not other.sessions.state.get().pending)
            async with app:
                await until(lambda: app.notifications.unread.get() == 4)
                await until(lambda: len(app.carousel.panels.get()) == 5)
                await until(lambda: app.sessions.all.get() == other.sessions.all.get())
                assert [it.title for it in app.sessions.all.get()] == ["first", "second"]
                assert app.sessions.state.get().active_id == session.id
                for store in ("carousel", "notifications"):
                    mine, theirs = (getattr(it, store).replica.get() for it in (app, other))
                    assert mine == theirs

    asyncio.run(chat())


def test_a_refused_message_fails_is_shown_so_and_the_connection_stays() -> None:
    async def chat() -> None:
        async with Hub() as hub, Application.at(hub.url) as app:
            session = app.sessions.create("first")
            with pytest.raises(RequestFailed):
                await app.history.send(session.id, "refuse no thanks")
            await until(lambda: app.errors.state.get().errors)
            (entry,) = app.history.get_entries(session.id)
            assert entry.status is DeliveryStatus.FAILED
            assert app.service.is_connected
            (error,) = app.errors.state.get().errors
            assert (error.kind, error.is_retryable) == (ErrorKind.APPLICATION, False)

    asyncio.run(chat())


def test_two_applications_in_one_process_share_nothing() -> None:
    async def chat() -> None:
        async with (
            Hub() as one,
            Hub() as two,
            Application.at(one.url) as left,
            Application.at(two.url) as right,
        ):
            session = left.sessions.create("left")
            await left.history.send(session.id, "hello")
            assert left.service.domain is not right.service.domain
            assert right.sessions.state.get().sessions == ()
            assert right.history.get_entries(session.id) == ()

    asyncio.run(chat())


def test_it_runs_in_a_thread_of_its_own() -> None:
    async def chat() -> None:
        async with Hub() as hub:
            app = Application.at(hub.url)
            app.start()
            session = await asyncio.to_thread(app.sessions.create, "first")
            delivery = await asyncio.to_thread(app.history.send, session.id, "hello")
            assert await asyncio.to_thread(delivery.result, 10) is DeliveryStatus.ACKNOWLEDGED
            await until(lambda: is_answered(app, session.id, 2))
            await asyncio.to_thread(app.stop)
            with pytest.raises(ServiceClosed):
                app.history.send(session.id, "too late")
            assert len(app.history.get_entries(session.id)) == 2

    asyncio.run(chat())


def test_a_closed_application_hears_nothing_more() -> None:
    async def chat() -> None:
        async with Hub() as hub, Application.at(hub.url) as app, Application.at(hub.url) as other:
            app.close()
            await other.history.send("s", "hello")
            await until(lambda: is_answered(other, "s", 2))
            assert app.history.get_entries("s") == ()

    asyncio.run(chat())


def test_every_message_of_the_server_has_its_store() -> None:
    app = Application.at("ws://localhost:9/ws")
    stores = (
        app.connection,
        app.history,
        app.sessions,
        app.carousel,
        app.channels,
        app.typing,
        app.offline,
    )
    handled = {name for store in stores for name in store.handlers}
    for replica in (app.sessions.replica, app.carousel.replica, app.notifications.replica):
        handled |= replica.unnumbered
    # These are the service's: they change its connection, its positions, or its error stream, which the stores show.
    of_the_service = {"auth.ok", "resumed", "subscribed", "unsubscribed", "error", "goaway", "ping"}
    from_clients = {"auth", "resume", "sync", "subscribe", "unsubscribe", "message.send"}
    from_clients |= {"session.create", "session.close"}
    assert handled | of_the_service | from_clients == {row.name for row in command_center()}
    assert not handled & of_the_service
    assert agent_chat().get("message.send").guarantee is Guarantee.AT_LEAST_ONCE  # type: ignore[union-attr]


def test_the_usual_application_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_usual", [])
    monkeypatch.setenv("REACTIVE_WS_URL", "ws://localhost:9/ws")
    assert application() is application()
    assert isinstance(application(), Application)
