"""The offline store in virtual time: waiting and failed messages, and how a user retries or discards them."""

from __future__ import annotations

import itertools
import os

import pytest
from app_world import application, connected, envelopes, problems, server, texts

from benchmarks.operations import operations
from reactive_ws.connection.backoff import Backoff, Jitter
from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import DeliveryError
from reactive_ws.outbox import OutboxOptions
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.app import Application
from reactive_ws.stores.wire.chat import NotificationRead
from reactive_ws.testing import World, simulate
from reactive_ws.wire.control import ServerError

MANY = 10_000 if os.environ.get("REACTIVE_WS_PROFILE") == "deep" else 1_000
PLAIN = Backoff(initial=60.0, jitter=Jitter.NONE, cap=60.0)


@simulate
async def test_what_waits_is_shown_with_its_time_and_retry_dials_now() -> None:
    async with World() as world:
        scripted, app = await connected(world, service={"backoff": PLAIN})
        scripted.abort()
        await world.settle()
        began = world.simulation.wall_clock()
        first = app.history.send("s", "words here")
        await world.advance(5)
        second = app.history.send("s", "two")
        await world.settle()
        waiting = app.offline.waiting.get()
        assert [(it.id, it.type, it.attempts, it.status) for it in waiting] == [
            (first.id, "message.send", 0, DeliveryStatus.QUEUED),
            (second.id, "message.send", 0, DeliveryStatus.QUEUED),
        ]
        assert "words here" not in repr(waiting)
        assert app.offline.oldest.get() == waiting[0].since == began
        assert app.service.state is ConnectionState.RECONNECTING
        app.offline.retry(second.id)
        await world.advance(1)
        assert app.service.is_connected
        assert app.offline.waiting.get() == ()
        assert app.offline.oldest.get() is None
        assert texts(app) == ["words here", "two"]


@simulate
async def test_a_refused_chat_message_is_retried_with_its_id_and_shown_so() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        scripted.acknowledge_after = float("inf")
        delivery = app.history.send("s", "hello")
        await world.settle()
        scripted.send(ServerError("busy", "later", delivery.id))
        await world.settle()
        (failed,) = app.offline.failed.get()
        assert (failed.id, failed.type, failed.is_uncertain) == (delivery.id, "message.send", False)
        assert "hello" not in repr(failed)
        (entry,) = app.history.get_entries("s")
        assert (entry.status, entry.reason) == (DeliveryStatus.FAILED, failed.reason)
        scripted.acknowledge_after = 0.0
        app.offline.retry(delivery.id)
        assert app.offline.failed.get() == ()
        await world.settle()
        (entry,) = app.history.get_entries("s")
        assert entry.status is DeliveryStatus.ACKNOWLEDGED
        assert {it.id for it in envelopes(scripted, "message.send")} == {delivery.id}


@simulate
async def test_other_messages_are_retried_as_they_were_sent() -> None:
    async with World() as world:
        scripted, app = await connected(world)
        typed = app.service.send(NotificationRead("n"))
        plain = app.service.send("app.note", {"n": 1})
        await world.settle()
        assert typed.status is DeliveryStatus.ACKNOWLEDGED
        scripted.acknowledge_after = float("inf")
        typed = app.service.send(NotificationRead("m"))
        await world.settle()
        scripted.send(ServerError("busy", "later", typed.id))
        await world.settle()
        scripted.abort()
        await world.settle()
        plain = app.service.send("app.note", {"n": 2}, time_to_live=0.001)
        await world.advance(0.1)
        failed = {it.type: it for it in app.offline.failed.get()}
        assert set(failed) == {"notification.read", "app.note"}
        assert failed["app.note"].id == plain.id
        scripted.acknowledge_after = 0.0
        await app.service.wait_connected(60)
        for one in failed.values():
            app.offline.retry(one.id)
        assert app.offline.failed.get() == ()
        await world.settle()
        assert [it.payload for it in envelopes(scripted, "app.note")] == [{"n": 1}, {"n": 2}]
        assert [it.payload.notification_id for it in envelopes(scripted, "notification.read")] == [
            "n",
            "m",
            "m",
        ]


@simulate
async def test_what_is_discarded_is_neither_sent_nor_kept_as_failed() -> None:
    async with World() as world:
        app = application(world)
        kept, dropped = (app.history.send("s", text) for text in ("kept", "dropped"))
        await world.settle()
        app.offline.discard(dropped.id)
        await world.settle()
        with pytest.raises(DeliveryError):
            await dropped
        assert [it.id for it in app.offline.waiting.get()] == [kept.id]
        assert app.offline.failed.get() == ()
        scripted = await server(world)
        await app.service.connect()
        await app.service.wait_connected(30)
        await world.settle()
        assert [it.id for it in envelopes(scripted, "message.send")] == [kept.id]
        # What is over takes its place; what still waited then comes after it.
        assert [(it.content, it.status) for it in app.history.get_entries("s")] == [
            ("dropped", DeliveryStatus.FAILED),
            ("kept", DeliveryStatus.ACKNOWLEDGED),
        ]


@simulate
async def test_an_id_that_nobody_knows_is_a_key_error() -> None:
    async with World() as world:
        _, app = await connected(world)
        delivery = app.history.send("s", "done")
        await delivery
        for action in (app.offline.retry, app.offline.discard):
            for identity in ("nothing", delivery.id):
                with pytest.raises(KeyError, match=identity):
                    action(identity)
        assert problems(app) == []


def test_a_message_costs_the_same_however_many_wait() -> None:
    def cost(waiting: int) -> int:
        outbox = OutboxOptions(limit=2 * waiting)
        app = Application.at("ws://127.0.0.1:1/", proxy=None, outbox=outbox)
        numbers = itertools.count()

        def send() -> None:
            app.service.send(NotificationRead(f"n{next(numbers)}"))

        for _ in range(waiting):
            send()
        found = min(operations(send) for _ in range(3))
        # What is shown is complete all the same, in the order of sending.
        shown = [it.payload.notification_id for it in app.offline.waiting.get()]
        assert shown == [f"n{number}" for number in range(next(numbers))]
        return found

    assert cost(MANY) <= 1.5 * cost(100)
