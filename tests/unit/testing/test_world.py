"""World: whole services against scripted servers, and the rules it checks."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from reactive_ws.connection.record import ConnectionState
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import SessionClose, SessionClosed, agent_chat
from reactive_ws.testing import (
    NotSimulated,
    Promise,
    Recorder,
    ScriptedServer,
    Simulation,
    World,
    simulate,
)


@simulate(seed=1)
async def test_a_service_reconnects_and_loses_nothing_across_a_black_hole() -> None:
    async with World() as world:
        server, service = (
            await world.server(registry=agent_chat()),
            world.service(registry=agent_chat()),
        )
        states = Recorder(service.connection.select(lambda connection: connection.state.name))
        heard: list[SessionClosed] = []
        service.on(SessionClosed, heard.append)
        await service.connect()
        await service.wait_connected(10)
        assert await service.send(SessionClose("a")) is DeliveryStatus.ACKNOWLEDGED
        server.publish(SessionClosed("x"))
        await world.settle()
        world.network.black_hole()
        delivery = service.send(SessionClose("b"))
        await world.advance(100)
        await world.heal()
        server.publish(SessionClosed("y"))
        assert await delivery is DeliveryStatus.ACKNOWLEDGED
        await world.advance(30)
        assert [message.payload for message in server.effects] == [
            SessionClose("a"),
            SessionClose("b"),
        ]
        assert heard == [SessionClosed("x"), SessionClosed("y")]
        assert states.values == [
            "CLOSED",
            "CONNECTING",
            "CONNECTED",
            "DISCONNECTED",
            "RECONNECTING",
            "CONNECTED",
        ]
        world.check()


def test_outside_of_a_simulation_a_world_opens_its_own() -> None:
    with World(seed=3) as world:
        server = world.run(world.server(registry=agent_chat()))
        service = world.service(registry=agent_chat())
        world.call(service.connect)
        delivery = service.send(SessionClose("a"))
        world.history.accepted(delivery.id)
        world.run(world.advance(1))
        world.check()
        assert service.state is ConnectionState.CONNECTED
        world.history.judge(Promise.EFFECTIVELY_ONCE).check()
        assert len(server.effects) == 1
    assert service.state is ConnectionState.CLOSED


@simulate
async def test_a_handler_that_raises_fails_the_check() -> None:
    world = World()
    server, service = (
        await world.server(registry=agent_chat()),
        world.service(registry=agent_chat()),
    )

    def broken(_: SessionClosed) -> None:
        raise KeyError("no such session")

    service.on(SessionClosed, broken)
    await service.connect()
    await service.wait_connected(10)
    server.publish(SessionClosed("x"))
    await world.settle()
    with pytest.raises(ExceptionGroup) as caught:
        world.check()
    assert "no such session" in repr(caught.value.exceptions[0])


@simulate
async def test_an_observer_that_raises_fails_the_check() -> None:
    async with World() as world:
        store = Store(0, domain=world.domain)

        def broken(value: int) -> None:
            if value:
                raise ValueError("bad pixel")

        store.select().subscribe(broken)
        store.set(1)
        await world.settle()
        with pytest.raises(ExceptionGroup) as caught:
            world.check()
        assert [str(error) for error in caught.value.exceptions] == ["bad pixel"]


@simulate
async def test_watched_streams_are_checked() -> None:
    shown = [0]
    with pytest.raises(AssertionError, match="the label broke rules"):
        async with World() as world:
            store = Store(0, domain=world.domain)
            world.watch(store.select(), name="the label", current=lambda: shown[0])
            world.check()
            shown[0] = 5


@simulate
async def test_the_wrong_kind_of_with_says_which_is_right() -> None:
    with pytest.raises(RuntimeError, match="async with"), World():
        pass


def test_async_with_needs_a_simulation() -> None:
    world = World()
    with pytest.raises(RuntimeError, match="@simulate"):
        world.__aenter__().send(None)
    world.simulation.loop.close()


def test_two_worlds_of_one_seed_write_the_same_transcript() -> None:
    def play() -> bytes:
        with World(seed=5) as world:
            server: ScriptedServer = world.run(world.server(registry=agent_chat()))
            service = world.service(registry=agent_chat())
            world.call(service.connect)
            for number in range(5):
                service.send(SessionClose(str(number)))
                world.network.reset()
                world.run(world.advance(20))
            server.abort()
            world.run(world.advance(60))
            return bytes(world.transcript)

    first = play()
    assert first.count(b"session.close") >= 5
    assert first == play()


PROGRAM = """
import hashlib
from reactive_ws.stores.wire.chat import SessionClose, SessionClosed, agent_chat
from reactive_ws.testing import Drop, Latency, Reset, Split, World

with World(11, order=3) as world:
    server = world.run(world.server(registry=agent_chat()))
    service = world.service(registry=agent_chat())
    world.call(service.connect)
    world.run(service.wait_connected(10))
    world.network.apply(Latency(0.02, jitter=0.1))
    world.network.apply(Split(5))
    for number in range(20):
        world.call(lambda: service.send(SessionClose(str(number))))
        world.call(lambda: server.publish(SessionClosed(str(number))))
        if number % 7 == 0:
            server.misbehave(Drop(2, "message.received"))
            world.network.apply(Reset())
        world.run(world.advance(1.5))
    world.run(world.advance(60))
    print(len(world.transcript.frames), hashlib.sha256(bytes(world.transcript)).hexdigest())
"""


def test_the_same_seed_gives_the_same_transcript_in_another_process() -> None:
    root = str(Path(__file__).parents[3])
    transcripts = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONPATH": root, "PYTHONHASHSEED": seed},
        ).stdout.split()
        for seed in ("1", "2")
    ]
    assert int(transcripts[0][0]) > 60
    assert transcripts[0] == transcripts[1]


@simulate
async def test_a_failure_says_who_is_not_connected_and_who_listens() -> None:
    for urls, said in (
        ([], "servers that listen: none, await world.server() starts one"),
        (["ws://other:80/ws"], "servers that listen: ws://other:80/ws"),
    ):
        with pytest.raises(TimeoutError) as caught:
            async with World() as world:
                for url in urls:
                    await world.server(url, registry=agent_chat())
                service = world.service(registry=agent_chat())
                await service.connect()
                await service.wait_connected(10)
        (note,) = (note for note in caught.value.__notes__ if said in note)
        assert note == (
            f"the service for ws://server:80/ws is RECONNECTING at t={world.now:g} s: cannot reach "
            f"ws://server:80/ws: Connect call failed ('server', 80); {said}"
        )


@simulate
async def test_a_failure_says_what_handlers_raised_meanwhile() -> None:
    with pytest.raises(AssertionError, match="nothing came") as caught:
        async with World() as world:
            server, service = (
                await world.server(registry=agent_chat()),
                world.service(registry=agent_chat()),
            )
            service.on(SessionClosed, lambda payload: {}[payload.session_id])
            await service.connect()
            await service.wait_connected(10)
            server.publish(SessionClosed("x"))
            await server.expect(SessionClose)
    assert "meanwhile an observer or handler raised: KeyError: 'x'" in caught.value.__notes__


def test_what_is_refused_is_said_once() -> None:
    with pytest.raises(NotSimulated) as caught, Simulation():
        time.sleep(1)
    assert not hasattr(caught.value, "__notes__")
