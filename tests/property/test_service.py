"""The service under random faults, in virtual time: what was promised arrives, in order, once; nothing is left behind."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.outbox.delivery import Delivery, DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, agent_chat
from reactive_ws.testing import (
    BlackHole,
    Hang,
    Latency,
    Refuse,
    Reset,
    ScriptedServer,
    Simulation,
    Split,
    Stall,
    World,
)

MESSAGES = 40


def text(number: int, role: str) -> Message:
    return Message(f"{role}{number}", "s", role, f"text {number}", 0)


async def disturb(simulation: Simulation, server: ScriptedServer, chance: random.Random) -> None:
    network = simulation.network
    network.apply(Latency(0.05, 0.02))
    for _ in range(8):
        await asyncio.sleep(chance.uniform(0.0, 20.0))
        fault = chance.choice(
            ["reset", "hole", "stall", "refuse", "hang", "split", "close", "restart", "heal"]
        )
        if fault == "reset":
            network.apply(Reset())
        elif fault == "hole":
            network.apply(BlackHole())
        elif fault == "stall":
            network.apply(Stall(chance.uniform(0.1, 15.0)))
        elif fault == "refuse":
            network.apply(Refuse(chance.randint(1, 3)))
        elif fault == "hang":
            network.apply(Hang(1))
        elif fault == "split":
            network.apply(Split(chance.randint(1, 50)))
        elif fault == "close":
            await server.close(chance.choice([1000, 1001, 1012]))
        elif fault == "restart":
            await server.stop()
            await asyncio.sleep(chance.uniform(0.0, 5.0))
            await server.start()
        else:
            network.heal()
    network.heal()


@pytest.mark.parametrize("seed", range(25))
def test_what_was_promised_arrives_in_order_once(seed: int) -> None:
    with Simulation(seed, order=seed) as simulation:
        simulation.run(run(simulation, random.Random(seed)))


async def run(simulation: Simulation, chance: random.Random) -> None:
    domain = Domain("test")
    count = Store(0, domain=domain)
    got: list[str] = []
    states: list[str] = []
    failures: list[Exception] = []
    before = asyncio.all_tasks()
    async with ScriptedServer(registry=agent_chat()) as server:
        world = World()
        service = world.service(
            server.url, domain=domain, rng=random.Random(chance.random()), registry=agent_chat()
        )
        service.connection.select(lambda c: c.state.name).subscribe(states.append)

        def take(payload: MessageResponse) -> None:
            got.append(payload.message.id)
            count.update(lambda n: n + 1)

        def compare(value: int) -> None:
            position = service.positions.get().get("app")
            if value != (position.seq if position is not None else 0):
                failures.append(AssertionError(f"{value} messages took effect at {position}"))

        service.on(MessageResponse, take)
        count.select().subscribe(compare)
        await service.connect()
        await service.wait_connected()
        # The stream's first message: from here on the client has a position to resume from.
        server.publish(MessageResponse("s", text(0, "assistant")))
        while not got:
            await asyncio.sleep(0.1)
        trouble = asyncio.create_task(disturb(simulation, server, chance))
        deliveries = []
        for n in range(1, MESSAGES):
            deliveries.append(service.send(MessageSend("s", text(n, "user"))))
            server.publish(MessageResponse("s", text(n, "assistant")))
            await asyncio.sleep(chance.choice([0.0, 0.0, 0.5, 3.0]))
        await trouble
        assert set(await asyncio.gather(*deliveries)) == {DeliveryStatus.ACKNOWLEDGED}
        async with asyncio.timeout(200):
            while len(got) < MESSAGES:
                await asyncio.sleep(1.0)
        await service.disconnect()
        world.check()
        world.check_at_rest()
        assert service.state is ConnectionState.CLOSED
        assert [e.id for e in server.effects] == [f"user{n}" for n in range(1, MESSAGES)]
        assert got == [f"assistant{n}" for n in range(MESSAGES)]
        assert failures == []
        for old, new in itertools.pairwise(states):
            if new == "RECONNECTING":
                assert old == "DISCONNECTED"
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("seed", [*range(15), 34, 59, 80, 92, 102, 120, 123, 196])
def test_whatever_the_program_does_every_delivery_ends_and_the_service_comes_to_rest(
    seed: int,
) -> None:
    with Simulation(seed, order=seed) as simulation:
        simulation.run(fidget(simulation, random.Random(seed)))


async def fidget(simulation: Simulation, chance: random.Random) -> None:
    network = simulation.network
    network.apply(Latency(0.05, 0.02))
    async with ScriptedServer(is_plain=chance.random() < 0.5, registry=agent_chat()) as server:
        world = World()
        service = world.service(
            server.url,
            rng=random.Random(1),
            outbox=OutboxOptions(limit=chance.choice([5, 1000])),
            registry=agent_chat(),
        )
        deliveries: dict[int, Delivery] = {}
        await service.connect()
        for n in range(60):
            what = chance.choice(["send"] * 10 + ["abort", "again", "reset", "stall", "off", "ask"])
            if what == "send":
                deliveries[n] = service.send("note", n)
            elif what == "abort" and server.connections and server.connections[-1].is_open:
                server.abort()
            elif what == "again":
                service.reconnect()
            elif what == "reset":
                network.reset()
            elif what == "stall":
                network.stall(chance.uniform(0.1, 20.0))
            elif what == "off":
                ended = service.disconnect(drain=chance.choice([0.0, 1.0]))
                if chance.random() < 0.5:
                    await ended
                await service.connect()
            elif what == "ask":
                service.messages("x", subscribe=True).subscribe(print).dispose()
                service.sync("app")
            await asyncio.sleep(chance.choice([0.0, 0.0, 0.1, 1.0, 5.0]))
        await asyncio.sleep(100)
        await service.disconnect(drain=5)
        await world.settle()
        world.check()
        world.check_at_rest()
        assert [n for n, delivery in deliveries.items() if not delivery.is_final] == []
        arrived = [message.payload for message in server.received if message.type == "note"]
        assert len(arrived) == len(set(arrived))
        possible = {DeliveryStatus.SENT, DeliveryStatus.UNCERTAIN}
        assert {deliveries[n].status for n in arrived} <= possible
    assert len(asyncio.all_tasks()) == 1
