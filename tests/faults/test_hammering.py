"""A server that takes every connection and drops it, or refuses every token, is asked rarely."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from reactive_ws.connection.record import ConnectionState
from reactive_ws.testing import ScriptedServer, Simulation, World, simulate
from reactive_ws.transport.credentials.authentication import (
    FirstMessage,
    Header,
    Query,
    Subprotocol,
)


@pytest.mark.parametrize("ending", ["close 1000", "close 1001", "close 1011", "abort"])
@pytest.mark.parametrize("lifetime", [0.0, 0.1, 1.0, 5.0, 9.9])
@simulate
async def test_an_accept_then_close_server_is_dialled_at_most_30_times_in_ten_minutes(
    lifetime: float, ending: str, say: Callable[[str], None]
) -> None:
    async with World() as world:
        server = await world.server()
        service = world.service()
        await service.connect()
        closing = asyncio.create_task(close_every_connection(server, lifetime, ending))
        await asyncio.sleep(600.0 - world.now)
        closing.cancel()
        dials = len(world.network.attempts)
        say(
            f"accept-then-close after {lifetime:g} s by {ending}: {dials} dials in 10 minutes (limit 30)"
        )
        assert service.state in (ConnectionState.RECONNECTING, ConnectionState.CONNECTED)
        assert 10 < dials <= 30


async def close_every_connection(server: ScriptedServer, lifetime: float, ending: str) -> None:
    for number in range(1, 10_000):
        peer = await server.connected(number, timeout=1000)
        await asyncio.sleep(lifetime)
        if ending == "abort":
            peer.abort()
        else:
            await peer.close(int(ending.split()[1]))


def token() -> str:
    return "refused"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "auth",
    [None, Header("fixed"), Header(token), Query(token), Subprotocol(token), FirstMessage(token)],
    ids=["none", "fixed", "header", "query", "subprotocol", "message"],
)
@simulate
async def test_a_server_that_refuses_every_token_is_dialled_at_most_twice(
    auth: Header | None, status: int, say: Callable[[str], None]
) -> None:
    async with World() as world:
        server = await world.server()
        server.refuse_handshake(status, times=1000)
        service = world.service(auth=auth)
        await service.connect()
        await asyncio.sleep(600)
        dials = len(server.requests)
        say(
            f"always-{status}, token of {type(auth).__name__}: {dials} dials in 10 minutes (limit 2)"
        )
        can_ask_again = auth is not None and callable(auth.token)
        assert dials == (2 if can_ask_again else 1)
        assert service.state is ConnectionState.ERROR
        server.behave()
        await service.connect()
        await service.wait_connected(10)


@simulate
async def test_a_server_that_closes_with_4401_is_dialled_at_most_twice() -> None:
    async with World() as world:
        server = await world.server()
        service = world.service(auth=Header(token), rng=random.Random(Simulation.current().seed))
        await service.connect()
        for number in (1, 2):
            await (await server.connected(number)).close(4401)
        await asyncio.sleep(600)
        assert len(server.connections) == 2
        assert service.state is ConnectionState.ERROR
