"""The matrix of slow links, over the real service, socket library and server in the virtual network.

Each cell: every message is acknowledged, none is sent twice on a living connection, and the link is not given up. The one
exception is a proxy that swallows 4 MiB before a link of 2 kB/s: it looks dead, and costs a second connection.
"""

from __future__ import annotations

import asyncio

import pytest

from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import AcknowledgementLate
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, Typing, agent_chat
from reactive_ws.testing import (
    NEVER,
    Bandwidth,
    BlackHole,
    Buffers,
    Direction,
    Latency,
    ScriptedServer,
    Simulation,
    World,
    simulate,
)

KB, MIB = 1000, 2**20
LOADS = {"50 x 100 B": (50, 100), "15 x 20 kB": (15, 20 * KB), "2 x 1 MB": (2, 1000 * KB)}


def said(number: int, size: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x" * size, 0))


def slow(rate: float, delay: float, direction: Direction = Direction.BOTH) -> None:
    network = Simulation.current().network
    network.apply(Latency(delay / 2))
    network.apply(Bandwidth(rate, direction))


async def connected(world: World) -> tuple[ScriptedServer, WebSocketService]:
    server = await world.server(registry=agent_chat())
    service = world.service(registry=agent_chat())
    await service.connect()
    await service.wait_connected(60)
    return server, service


async def deliver(world: World, rate: float, delay: float, count: int, size: int) -> int:
    """Sends the messages; returns how many connections it took."""
    server, service = await connected(world)
    slow(rate, delay)
    deliveries = [service.send(said(number, size)) for number in range(count)]
    fates = await asyncio.wait_for(asyncio.gather(*deliveries), 20_000)
    assert fates == [DeliveryStatus.ACKNOWLEDGED] * count
    for peer in server.connections:
        ids = [message.id for message in peer.received if message.type == "message.send"]
        assert len(ids) == len(set(ids)), "sent twice on a living connection"
    return len(server.connections)


@pytest.mark.parametrize("delay", [0.0, 0.8])
@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("rate", [2 * KB, 20 * KB, 200 * KB, 10_000 * KB])
def test_what_goes_up_a_slow_link_arrives_once(rate: float, load: str, delay: float) -> None:
    async def run() -> None:
        async with World() as world:
            assert await deliver(world, rate, delay, *LOADS[load]) == 1

    with Simulation() as simulation:
        simulation.run(run())


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("rate", [2 * KB, 20 * KB, 200 * KB])
def test_a_proxy_that_swallows_4_mib_costs_a_connection_at_most(rate: float, load: str) -> None:
    async def run() -> None:
        async with World() as world:
            Simulation.current().network.apply(Buffers(4 * MIB))
            most = 2 if rate == 2 * KB and load == "2 x 1 MB" else 1
            assert await deliver(world, rate, 0.2, *LOADS[load]) <= most

    with Simulation() as simulation:
        simulation.run(run())


@pytest.mark.parametrize(
    ("rate", "size"), [(2 * KB, 500 * KB), (20 * KB, MIB - KB), (200 * KB, MIB - KB)]
)
def test_what_comes_down_a_slow_link_is_no_silence(rate: float, size: int) -> None:
    async def run() -> None:
        async with World() as world:
            server, service = await connected(world)
            arrived: list[int] = []
            service.on(MessageResponse, lambda it: arrived.append(len(it.message.content)))
            slow(rate, 0.2, Direction.DOWN)
            server.publish(MessageResponse("s", Message("m", "s", "agent", "y" * size, 0)))
            deliveries = [service.send(said(number, 100)) for number in range(5)]
            await asyncio.wait_for(asyncio.gather(*deliveries), 5_000)
            assert arrived == [size]
            assert len(server.connections) == 1

    with Simulation() as simulation:
        simulation.run(run())


@simulate
async def test_a_dead_link_is_noticed_under_an_upload() -> None:
    async with World() as world:
        _, service = await connected(world)
        slow(200 * KB, 0.2)
        deliveries = [service.send(said(number, 200 * KB)) for number in range(20)]
        await deliveries[2]
        Simulation.current().network.apply(BlackHole())
        began = world.now
        await service.connection.select(lambda it: it.state).wait_for(
            lambda state: state is ConnectionState.RECONNECTING
        )
        assert world.now - began < 60
        await service.disconnect()


@simulate
async def test_a_server_that_reads_and_never_acknowledges_keeps_the_promise_open() -> None:
    """It ticks every second meanwhile. The message is reported once, then another connection is tried, less and less."""
    async with World() as world:
        server, service = await connected(world)
        server.acknowledge_after = NEVER
        late: list[object] = []
        service.errors.subscribe(
            lambda event: (
                late.append(event.exception)
                if isinstance(event.exception, AcknowledgementLate)
                else None
            )
        )
        delivery = service.send(said(1, 100))
        for _ in range(600):
            await asyncio.sleep(1)
            server.publish(MessageResponse("s", Message("m", "s", "agent", "tick", 0)))
        dials = len(server.connections)
        assert not delivery.is_final
        assert 3 <= dials <= 5
        assert len(late) == dials
        for peer in server.connections:
            assert len([it for it in peer.received if it.type == "message.send"]) <= 1
        server.acknowledge_after = 0.0
        service.reconnect()
        assert await asyncio.wait_for(delivery, 60) is DeliveryStatus.ACKNOWLEDGED


# --- the whole matrix -------------------------------------------------------------------------------------------------

SIZES = {"100 B": (20, 100), "20 kB": (4, 20 * KB), "1 MB": (2, 1000 * KB)}


@pytest.mark.deep
@pytest.mark.parametrize("buffers", [0, 4 * MIB], ids=["no proxy", "4 MiB"])
@pytest.mark.parametrize("direction", list(Direction), ids=lambda it: it.value)
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.8])
@pytest.mark.parametrize("load", SIZES)
@pytest.mark.parametrize("rate", [2 * KB, 8 * KB, 50 * KB, 200 * KB, 10_000 * KB])
def test_every_cell_of_the_matrix(
    rate: float, load: str, delay: float, direction: Direction, buffers: int
) -> None:
    """Messages go up and states come down at once; the server ticks every second meanwhile."""
    count, size = SIZES[load]

    async def run() -> None:
        async with World() as world:
            server, service = await connected(world)
            network = Simulation.current().network
            if buffers:
                network.apply(Buffers(buffers))
            slow(rate, delay, direction)
            arrived: list[int] = []
            service.on(MessageResponse, lambda it: arrived.append(len(it.message.content)))
            push = min(size, 300 * KB)
            server.publish(MessageResponse("s", Message("m", "s", "agent", "y" * push, 0)))

            async def tick() -> None:
                while True:
                    await asyncio.sleep(1)
                    server.publish(Typing("s", "agent"))

            ticking = asyncio.create_task(tick())
            deliveries = [service.send(said(number, size)) for number in range(count)]
            fates = await asyncio.wait_for(asyncio.gather(*deliveries), 20_000)
            ticking.cancel()
            assert fates == [DeliveryStatus.ACKNOWLEDGED] * count
            assert arrived == [push]
            for peer in server.connections:
                ids = [it.id for it in peer.received if it.type == "message.send"]
                assert len(ids) == len(set(ids)), "sent twice on a living connection"
            swallowed = buffers and rate == 2 * KB and load == "1 MB"
            assert len(server.connections) <= (2 if swallowed else 1)

    with Simulation() as simulation:
        simulation.run(run())


@pytest.mark.parametrize("rate", [300, 500, 1000])
def test_below_1_kib_a_second_a_whole_state_and_a_message_arrive(rate: float) -> None:
    """The client learns from a miss; it does not lose one connection after the other to its own ping."""

    async def run() -> None:
        async with World() as world:
            server, service = await connected(world)
            arrived: list[int] = []
            service.on(MessageResponse, lambda it: arrived.append(len(it.message.content)))
            server.publish(MessageResponse("s", Message("m", "s", "agent", "first", 0)))
            await world.settle()
            slow(rate, 0.2)
            state = MessageResponse("s", Message("n", "s", "agent", "y" * 150 * KB, 0))
            server.publish(state)
            deliveries = [service.send(said(number, 100)) for number in range(5)]
            fates = await asyncio.wait_for(asyncio.gather(*deliveries), 5_000)
            assert fates == [DeliveryStatus.ACKNOWLEDGED] * 5
            await world.advance(2_000)
            assert arrived == [5, 150 * KB]
            assert len(server.connections) <= 3

    with Simulation() as simulation:
        simulation.run(run())
