"""A quiet connection shows its latency in every mode, and a request ends with the connection that carried it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from reactive_ws import Registry, protocol_v1
from reactive_ws.errors import ConnectionLost
from reactive_ws.testing import World, simulate


class Ask(msgspec.Struct, frozen=True):
    """A question."""

    n: int


class Answer(msgspec.Struct, frozen=True):
    """Its answer."""

    n: int


def types() -> Registry:
    registry = protocol_v1()
    registry.message("ask")(Ask)
    registry.message("answer")(Answer)
    return registry


@pytest.mark.parametrize("is_plain", [False, True])
def test_a_quiet_connection_publishes_its_latency(is_plain: bool) -> None:
    @simulate
    async def run() -> None:
        async with World() as world:
            await world.server(is_plain=is_plain)
            service = world.service()
            latencies: list[float | None] = []
            service.latency.subscribe(latencies.append)
            await service.connect()
            await service.wait_connected(10)
            await world.advance(65)
            assert len(latencies) >= 2
            assert latencies[-1] is not None
            seen = service.metrics.get().last_heartbeat_at
            assert seen is not None
            assert world.now - seen < 40

    run()


@simulate
async def test_a_request_ends_with_the_connection_that_carried_it() -> None:
    async with World() as world:
        server, service = await world.server(registry=types()), world.service(registry=types())
        await service.connect()
        await service.wait_connected(10)
        asking = asyncio.create_task(service.request(Ask(1), reply=Answer, timeout=60))
        await server.expect("ask")
        began = world.now
        server.abort()
        with pytest.raises(ConnectionLost):
            await asking
        assert world.now - began < 1
