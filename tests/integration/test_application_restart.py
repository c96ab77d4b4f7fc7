"""The durable outbox and the state file survive the process, as its stores show against the real hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.stores import Application
from reactive_ws.stores.hub import Hub


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)


def contents(app: Application, session_id: str) -> list[str]:
    return [entry.content for entry in app.history.get_entries(session_id)]


def test_what_an_earlier_process_said_is_shown_and_sent_and_one_can_be_discarded(
    tmp_path: Path,
) -> None:
    outbox = OutboxOptions(path=tmp_path / "outbox.db")

    async def first() -> None:
        app = Application.at("ws://127.0.0.1:9/ws", outbox=outbox)
        session = app.sessions.create("room")
        app.history.send(session.id, "kept")
        app.history.send(session.id, "dropped")
        await until(
            lambda: all(it.status is DeliveryStatus.STORED for it in app.offline.waiting.get())
        )
        app.close()
        await app.service.disconnect()

    async def second() -> None:
        async with Hub() as hub:
            app = Application.at(hub.url, outbox=outbox)
            (session,) = app.sessions.all.get()
            assert app.sessions.state.get().pending == {session.id}
            assert [(e.content, e.status) for e in app.history.get_entries(session.id)] == [
                ("kept", DeliveryStatus.STORED),
                ("dropped", DeliveryStatus.STORED),
            ]
            create, kept, dropped = app.offline.waiting.get()
            assert [it.type for it in (create, kept)] == ["session.create", "message.send"]
            assert kept.since is not None
            assert app.offline.oldest.get() == create.since
            app.offline.discard(dropped.id)
            assert [it.id for it in app.offline.waiting.get()] == [create.id, kept.id]
            assert app.offline.failed.get() == ()
            async with app:
                await until(lambda: "You said: kept (1 word)" in contents(app, session.id))
                await until(lambda: app.sessions.state.get().pending == frozenset())
                await until(lambda: app.offline.waiting.get() == ())

    asyncio.run(first())
    asyncio.run(second())


def test_sessions_panels_notices_and_read_marks_come_back_before_the_connection(
    tmp_path: Path,
) -> None:
    state, data = tmp_path / "state.json", tmp_path / "hub.db"

    async def chat() -> None:
        async with Hub(log=data) as hub:
            app = Application.at(hub.url, state_file=state)
            async with app:
                session = app.sessions.create("first")
                app.history.send(session.id, "panel create Plan\npanel create Sketch\nnotify Tea")
                await until(lambda: len(contents(app, session.id)) == 2)
                await until(lambda: not app.history.get(session.id).timeline.waiting)
                # A mark is kept by the hub's number, which comes after the last word of an answer.
                await until(lambda: app.history.get_entries(session.id)[-1].message.sequence == 2)
                app.sessions.rename(session.id, "mine")
                app.carousel.next()
                app.history.mark_read(session.id)
                position = app.service.positions.get()["app"]
            app.close()

            async with Application.at(hub.url) as other:
                await until(lambda: other.sessions.all.get())
                other.history.send(session.id, "panel create Late")
                await until(lambda: len(other.carousel.panels.get()) == 3)
                await until(lambda: len(contents(other, session.id)) == 4)

            again = Application.at(hub.url, state_file=state)
            assert [it.title for it in again.sessions.all.get()] == ["mine"]
            assert [it.title for it in again.carousel.panels.get()] == ["Plan", "Sketch"]
            assert again.carousel.active.get() == again.carousel.panels.get()[1]
            assert [it.title for it in again.notifications.state.get().notifications] == ["Tea"]
            assert dict(again.service.positions.get()) == {"app": position}
            async with again:
                await until(lambda: len(again.carousel.panels.get()) == 3)
                await until(lambda: len(contents(again, session.id)) == 4)
                # What was missed is unread, also after a restart.
                await until(lambda: again.history.get(session.id).unread == 2)
                assert [it.title for it in again.sessions.all.get()] == ["mine"]
                assert again.errors.state.get().errors == ()
            again.close()

    asyncio.run(chat())


def test_a_broken_state_file_is_reported_and_set_aside(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{")
    app = Application.at("ws://127.0.0.1:9/ws", state_file=state)
    (error,) = app.errors.state.get().errors
    assert error.text.startswith("state file: ")
    assert app.sessions.all.get() == ()
    app.close()


def test_a_failed_message_is_shown_after_a_restart_and_sent_again(tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    async def chat() -> None:
        async with Hub() as hub:
            app = Application.at(hub.url, state_file=state)
            async with app:
                session = app.sessions.create("first")
                app.history.send(session.id, "refuse this")
                await until(lambda: app.offline.failed.get())
                (failed,) = app.offline.failed.get()
                assert (failed.type, failed.is_uncertain) == ("message.send", False)
            app.close()
            again = Application.at(hub.url, state_file=state)
            (failed,) = again.offline.failed.get()
            assert "this" in failed.reason
            async with again:
                again.offline.retry(failed.id)
                await until(lambda: again.history.get_entries(session.id))
                await until(lambda: again.offline.failed.get())

                def tried() -> list[tuple[str, DeliveryStatus | None]]:
                    return [(it.content, it.status) for it in again.history.get_entries(session.id)]

                await until(lambda: tried() == [("refuse this", DeliveryStatus.FAILED)])
                again.offline.discard(failed.id)
                assert again.offline.failed.get() == ()
            again.close()

    asyncio.run(chat())
