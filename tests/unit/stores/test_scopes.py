"""Uses of a shared connection: the first one connects it, the last one ends it, and new ones may begin in between."""

from __future__ import annotations

import gc

import pytest
from app_world import application, server

from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import GaveUp, UsageError
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores import Application
from reactive_ws.stores.facade import use_websocket
from reactive_ws.testing import World, simulate


class View:
    """Something that owns a use."""


@simulate
async def test_a_use_connects_again_what_gave_up_or_was_left_a_moment_ago() -> None:
    async with World() as world:
        app = application(world, service={"max_attempts": 1})
        with pytest.raises(GaveUp), use_websocket(app):
            await app.service.wait_connected(300)
        with use_websocket(app, auto_connect=False) as scope:
            scope.connect()
            await world.advance(300)
            assert app.service.state is ConnectionState.ERROR
        await server(world)
        for _ in range(2):
            with use_websocket(app):
                await app.service.wait_connected(30)
        await world.settle()
        assert app.service.state is ConnectionState.CLOSED


def test_a_use_that_could_not_connect_is_no_use() -> None:
    app = Application.at("ws://localhost:9/ws")
    for _ in range(2):
        with pytest.raises(UsageError, match="no event loop"):
            use_websocket(app)
    app.close()


@simulate
async def test_an_owner_may_be_collected_while_another_use_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state_of = WebSocketService.state.fget
    assert state_of is not None
    async with World() as world:
        await server(world)
        first, second = application(world), application(world)
        views = [View()]
        use_websocket(first, owner=views[0])
        await first.service.wait_connected(30)

        def collecting(service: WebSocketService) -> ConnectionState:
            # The collector runs when it likes to, also inside of `use_websocket`.
            views.clear()
            gc.collect()
            return state_of(service)

        monkeypatch.setattr(WebSocketService, "state", property(collecting))
        with use_websocket(second):
            await second.service.wait_connected(30)
            await world.settle()
            assert (first.service.is_connected, second.service.is_connected) == (False, True)
