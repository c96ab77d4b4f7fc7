"""Switching from one conversation's connection to another, when the switch fails or its caller was cancelled."""

from __future__ import annotations

import asyncio

import pytest
from app_world import application, server

from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import UsageError
from reactive_ws.outbox.pending import Pending
from reactive_ws.stores import Application
from reactive_ws.stores.facade import ConversationConnection
from reactive_ws.stores.wire.chat import SessionCreated
from reactive_ws.testing import World, simulate


@simulate
async def test_a_switch_that_fails_leaves_no_conversation_and_may_be_tried_again() -> None:
    async with World() as world:
        await server(world)
        made: list[Application] = []

        def make(url: str, **options: object) -> Application:
            app = application(world, url, **options)
            made.append(app)
            if len(made) == 1:
                app.service.connect = refuse  # type: ignore[method-assign]
            return app

        def refuse() -> Pending[None]:
            raise UsageError("not now")

        async with ConversationConnection("ws://server:80/ws", make=make) as connection:
            with pytest.raises(UsageError, match="not now"):
                await connection.switch("c1")
            assert (connection.app, connection.conversation_id) == (None, None)
            app = await connection.switch("c1")
            await app.service.wait_connected(30)
            assert made == [made[0], app]


@simulate
async def test_a_conversation_whose_leaving_is_cancelled_ends_all_the_same() -> None:
    async with World() as world:
        scripted = await server(world)
        made: list[Application] = []

        def make(url: str, **options: object) -> Application:
            made.append(application(world, url, **options))
            return made[-1]

        connection = ConversationConnection("ws://server:80/ws", make=make)
        first = await connection.switch("c1")
        await first.service.wait_connected(30)
        scripted.stop_reading()
        first.history.send("s", "this takes a while")
        switching = asyncio.create_task(connection.switch("c2"))
        await world.advance(1)
        switching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await switching
        await world.advance(30)
        assert (connection.app, first.service.state) == (None, ConnectionState.CLOSED)
        scripted.behave()
        again = await connection.switch("c1")
        await again.service.wait_connected(30)
        assert [it.service.is_connected for it in made] == [False, True]
        # The stores of the first conversation no longer follow its connection.
        await first.service.connect()
        await first.service.wait_connected(30)
        scripted.publish(SessionCreated("x"))
        await world.settle()
        assert [len(it.sessions.all.get()) for it in made] == [0, 1]
        await first.service.disconnect()
        await connection.disconnect()
