"""The chaos proxy's own logic, in a simulated network below it; tests/integration/testing has it between real sockets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidMessage

from reactive_ws.testing import (
    Bandwidth,
    BlackHole,
    ChaosProxy,
    Direction,
    Hang,
    Heal,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Timed,
    Truncate,
    simulate,
)


@pytest.fixture(autouse=True)
def no_noise_from_broken_handlers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="websockets")


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def proxied() -> AsyncIterator[ChaosProxy]:
    async with (
        serve(echo, "server", 80, compression=None, ping_interval=None),
        ChaosProxy("server", 80) as proxy,
    ):
        yield proxy


async def dial(proxy: ChaosProxy) -> ClientConnection:
    url = f"ws://127.0.0.1:{proxy.port}"
    return await connect(
        url, proxy=None, compression=None, ping_interval=None, open_timeout=None, close_timeout=1
    )


async def ask(client: ClientConnection, text: str = "x") -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.send(text)
    assert await client.recv() == text
    return loop.time() - began


@simulate
async def test_without_faults_everything_passes() -> None:
    async with proxied() as proxy:
        client = await dial(proxy)
        for size in (0, 1, 100, 100_000):
            assert await ask(client, "x" * size) == pytest.approx(0, abs=0.1)
        assert repr(proxy) == "<ChaosProxy to server:80, 1 connections>"
        await client.close()
        await asyncio.sleep(1)
        assert repr(proxy) == "<ChaosProxy to server:80, 0 connections>"
        assert proxy.accepted == 1
    with pytest.raises(RuntimeError, match="is not open"):
        _ = proxy.port


@simulate
async def test_latency_rate_and_splitting_hold_for_open_and_later_connections() -> None:
    async with proxied() as proxy:
        early = await dial(proxy)
        proxy.apply(Latency(0.5, 0.0, Direction.UP))
        proxy.apply(Split(3))
        late = await dial(proxy)
        for client in (early, late):
            assert await ask(client, "some words") == pytest.approx(0.5, abs=0.1)
        proxy.apply(Latency(0.0))
        proxy.apply(Bandwidth(1_000, Direction.DOWN))
        assert await ask(early, "x" * 5_000) == pytest.approx(5.0, abs=0.5)


@simulate
async def test_a_stall_holds_everything_back_and_loses_nothing() -> None:
    async with proxied() as proxy:
        client = await dial(proxy)
        proxy.apply(Stall(7.0))
        assert await ask(client) == pytest.approx(7.0, abs=0.1)
        assert await ask(client) == pytest.approx(0.0, abs=0.1)


@simulate
async def test_a_black_hole_swallows_until_it_is_healed() -> None:
    async with proxied() as proxy:
        client = await dial(proxy)
        proxy.apply(BlackHole(Direction.UP))
        asking = asyncio.create_task(ask(client))
        dialing = asyncio.create_task(dial(proxy))
        await asyncio.sleep(60)
        assert not asking.done()
        assert not dialing.done()
        proxy.apply(Heal())
        await asyncio.wait_for(dialing, 10)
        asking.cancel()


@simulate
async def test_resets_and_cuts_end_connections_without_a_close_frame() -> None:
    async with proxied() as proxy:
        client = await dial(proxy)
        proxy.apply(Reset())
        with pytest.raises(ConnectionClosed) as ended:
            await client.recv()
        assert ended.value.rcvd is None
        for is_reset in (True, False):
            client = await dial(proxy)
            proxy.apply(Truncate(10, is_reset=is_reset))
            with pytest.raises(ConnectionClosed) as ended:
                await ask(client, "x" * 100)
            assert ended.value.rcvd is None
            with pytest.raises((InvalidMessage, ConnectionClosed, OSError, EOFError)):
                await dial(proxy)
            proxy.apply(Heal())


@simulate
async def test_dials_can_be_refused_and_left_hanging() -> None:
    async with proxied() as proxy:
        proxy.apply(Refuse(2))
        for _ in range(2):
            with pytest.raises((InvalidMessage, OSError, EOFError)):
                await dial(proxy)
        await ask(await dial(proxy))
        proxy.apply(Hang(1))
        hanging = asyncio.create_task(dial(proxy))
        await asyncio.sleep(30)
        assert not hanging.done()
        await ask(await dial(proxy))
        proxy.apply(Heal())
        await ask(await asyncio.wait_for(hanging, 10))
        assert proxy.accepted == 5


@simulate
async def test_a_server_that_is_gone_is_a_broken_connection() -> None:
    async with ChaosProxy("nobody", 80) as proxy:
        with pytest.raises((InvalidMessage, OSError, EOFError)):
            await dial(proxy)


@simulate
async def test_a_plan_begins_its_faults_in_time_and_ends_with_the_proxy() -> None:
    async with proxied() as proxy:
        client = await dial(proxy)
        proxy.play((Timed(5.0, Latency(1.0)), Timed(9.0, Reset()), Timed(99.0, Reset())))
        assert await ask(client) < 0.1
        await asyncio.sleep(6)
        assert await ask(client) == pytest.approx(2.0, abs=0.1)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert asyncio.get_running_loop().time() == pytest.approx(9.0, abs=0.1)
