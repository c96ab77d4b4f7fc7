"""Names with several addresses: a dead one costs 250 ms, and a race leaves no socket open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws.testing import Network, Simulation, simulate
from reactive_ws.transport import connect
from reactive_ws.transport.sockets.racing import NEXT_ADDRESS_AFTER, _in_turns, open_socket


async def stays(connection: ServerConnection) -> None:
    await connection.wait_closed()


@contextlib.asynccontextmanager
async def listening(*addresses: str) -> AsyncIterator[Network]:
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            await stack.enter_async_context(serve(stays, address, 80, ping_interval=None))
        network = Simulation.current().network
        network.resolve("dual", "first", "second", "third")
        yield network


def dial() -> Any:
    return connect("ws://dual/", proxy=None, ping_interval=None)


def now() -> float:
    return asyncio.get_running_loop().time()


def tried(network: Network) -> list[tuple[str, float]]:
    return [(attempt.host, round(attempt.time, 3)) for attempt in network.attempts]


@simulate
async def test_an_address_that_swallows_everything_costs_a_quarter_of_a_second() -> None:
    async with listening("first", "second", "third") as network:
        network.hang(host="first")
        opened = await dial()
        assert tried(network) == [("first", 0.0), ("second", NEXT_ADDRESS_AFTER)]
        assert network.link.address == ("second", 80)
        assert now() < 0.4
        await opened.close()


@simulate
async def test_an_address_that_refuses_costs_a_round_trip() -> None:
    async with listening("third") as network:
        opened = await dial()
        assert tried(network) == [("first", 0.0), ("second", 0.02), ("third", 0.04)]
        await opened.close()


@simulate
async def test_the_first_address_wins_when_it_answers_in_time() -> None:
    async with listening("first", "second", "third") as network:
        opened = await dial()
        assert tried(network) == [("first", 0.0)]
        await opened.close()


@simulate
async def test_when_no_address_answers_the_first_error_is_the_error() -> None:
    async with listening() as network:
        with pytest.raises(ConnectionRefusedError, match="first"):
            await dial()
        assert len(network.attempts) == 3


@simulate
async def test_a_race_that_ends_in_the_middle_leaves_no_task_and_no_socket() -> None:
    async with listening("second") as network:
        network.hang()
        for cancel_after in (0.1, 0.3, 0.6):
            racing = asyncio.ensure_future(dial())
            await asyncio.sleep(cancel_after)
            racing.cancel()
            await asyncio.wait([racing])
            assert racing.cancelled()
            assert len(asyncio.all_tasks()) <= 3
        gc.collect()


@simulate
async def test_a_name_with_one_address_is_looked_up_once() -> None:
    loop = asyncio.get_running_loop()
    asked: list[str] = []
    resolve = loop.getaddrinfo

    async def counts(host: Any, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return await resolve(host, *rest, **options)

    loop.getaddrinfo = counts  # type: ignore[method-assign]
    async with serve(stays, "single", 80, ping_interval=None):
        opened = await connect("ws://single/", proxy=None, ping_interval=None)
        await opened.close()
    assert asked == ["single"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0"])
@simulate
async def test_an_address_is_not_looked_up(host: str) -> None:
    assert await open_socket(host, 80) is None


def test_families_take_turns() -> None:
    made = [(family, 1, 6, "", number) for number, family in enumerate((10, 10, 10, 2, 2))]
    assert [one[4] for one in _in_turns(made)] == [0, 3, 1, 4, 2]
    assert _in_turns([]) == []


def test_over_real_sockets_a_dead_address_costs_a_quarter_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            # A listener whose backlog is full swallows what comes next.
            dead = stack.enter_context(socket.socket())
            dead.bind(("127.0.0.2", 0))
            dead.listen(0)
            port = dead.getsockname()[1]
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.2", port))
            names = ("127.0.0.2", "127.0.0.1")
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in names]

            async def resolves(*_: Any, **__: Any) -> Any:
                return found

            async with serve(stays, "127.0.0.1", port):
                monkeypatch.setattr(loop, "getaddrinfo", resolves)
                begin = loop.time()
                opened = await connect(f"ws://dual.test:{port}", proxy=None)
                took = loop.time() - begin
                monkeypatch.undo()
                await opened.close()
        return took

    assert asyncio.run(main()) >= NEXT_ADDRESS_AFTER
