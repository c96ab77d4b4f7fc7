"""Every way to end a connection, at every moment: it ends at once, for good, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest

from reactive_ws.connection.record import ConnectionState, Phase
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, agent_chat
from reactive_ws.testing import NEVER, Latency, ScriptedServer, World, simulate
from reactive_ws.transport.credentials.authentication import FirstMessage


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x", 0))


@attrs.frozen
class Count:
    """The tasks, timers, threads, descriptors and links that a process holds."""

    tasks: int
    timers: int
    threads: int
    descriptors: int
    links: int

    @classmethod
    def now(cls, world: World) -> Count:
        loop = asyncio.get_running_loop()
        timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        return cls(
            len(asyncio.all_tasks()),
            len(timers),
            threading.active_count(),
            len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
            len([link for link in world.network.links if not link.client.is_lost]),
        )


async def dialing(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    world.network.hang()
    await service.connect()
    await asyncio.sleep(1)


async def handshake(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    server.hang_handshake()
    await service.connect()
    await asyncio.sleep(1)


async def waiting_for_hello(
    world: World, server: ScriptedServer, service: WebSocketService
) -> None:
    server.be_silent()
    await service.connect()
    await asyncio.sleep(1)


async def authenticating(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    server.answer("auth", None)
    await service.connect()
    await asyncio.sleep(1)
    assert service.connection.get().phase is Phase.AUTHENTICATING


async def backing_off(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    world.network.refuse()
    await service.connect()
    await service.connection.select().wait_for(lambda c: c.phase is Phase.BACKING_OFF)


async def flushing(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    server.acknowledge_after = NEVER
    for number in range(60):
        service.send(chat(number))
    await service.connect()
    await service.connection.select().wait_for(lambda c: c.phase is Phase.FLUSHING)
    await asyncio.sleep(0.05)


async def live(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    service.messages("x", subscribe=True).subscribe(print)
    await service.connect()
    await service.wait_connected()
    await asyncio.sleep(35)


async def black_hole(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    await live(world, server, service)
    world.network.black_hole()


async def given_up(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    server.refuse_handshake(404)
    await service.connect()
    await service.connection.select().wait_for(lambda c: c.state is ConnectionState.ERROR)


async def closing(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    server.acknowledge_after = NEVER
    service.send(chat(1))
    await service.connect()
    await service.wait_connected()
    await asyncio.sleep(1)
    service.disconnect(drain=60)
    await service.connection.select().wait_for(lambda c: c.phase is Phase.CLOSING)


MOMENTS: list[Callable[[World, ScriptedServer, WebSocketService], Awaitable[None]]] = [
    *(dialing, handshake, waiting_for_hello, authenticating, backing_off),
    *(flushing, live, black_hole, given_up, closing),
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
@simulate(explore=2)
async def test_a_disconnect_at_any_moment_is_prompt_final_and_leaves_nothing(
    moment: Callable[[World, ScriptedServer, WebSocketService], Awaitable[None]],
) -> None:
    async with World() as world:
        world.network.apply(Latency(0.01))
        server = await world.server(registry=agent_chat())
        service = world.service(
            auth=FirstMessage("token") if moment is authenticating else None, registry=agent_chat()
        )
        before = Count.now(world)
        await moment(world, server, service)
        dials = len(world.network.attempts)
        began = world.now
        await service.disconnect()
        # A polite close waits for a server that does not answer it, and no longer.
        assert world.now - began <= 2.0
        assert service.state is ConnectionState.CLOSED
        world.network.heal()
        server.behave()
        server.abort()
        # The server's own end of the connection needs a moment.
        await asyncio.sleep(5)
        assert Count.now(world) == before
        await asyncio.sleep(600)
        assert len(world.network.attempts) == dials


@pytest.mark.parametrize("moment", [*MOMENTS[:2], *MOMENTS[4:]], ids=lambda moment: moment.__name__)
@simulate
async def test_connect_while_closing_never_makes_two_live_sockets(
    moment: Callable[[World, ScriptedServer, WebSocketService], Awaitable[None]],
) -> None:
    async with World() as world:
        world.network.apply(Latency(0.01))
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await moment(world, server, service)
        most = 0
        for _ in range(5):
            service.disconnect()
            service.connect()
            service.connect()
            await asyncio.sleep(0.03)
            open_ends = [link for link in world.network.links if not link.client.is_closing()]
            most = max(most, len(open_ends))
        await world.heal()
        await service.wait_connected(100)
        await asyncio.sleep(5)
        assert most <= 1
        assert sum(peer.is_open for peer in server.connections) == 1


@pytest.mark.parametrize("what", ["disconnect", "reconnect", "connect", "refresh_token"])
@pytest.mark.parametrize(
    "where", ["handler", "async handler", "connection", "metrics", "outbox", "errors", "delivery"]
)
@simulate
async def test_everything_may_be_called_from_inside_everything(what: str, where: str) -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        calls: list[str] = []

        def act(*_: Any) -> None:
            if len(calls) < 3 and service.is_connected:
                calls.append(where)
                getattr(service, what)()

        async def act_later(*_: Any) -> None:
            await asyncio.sleep(0)
            act()

        if where == "handler":
            service.on(MessageResponse, act)
        elif where == "async handler":
            service.on_async(MessageResponse, act_later)
        elif where == "errors":
            service.errors.subscribe(act)
        elif where != "delivery":
            getattr(service, where).select().subscribe(act)
        await service.connect()
        await world.settle()
        for number in range(3):
            if service.state is ConnectionState.CLOSED:
                break
            await service.wait_connected(10)
            delivery = service.send(chat(number))
            if where == "delivery":
                delivery.stream.subscribe(act)
            server.send(MessageResponse("s", Message(f"r{number}", "s", "a", "x", 0)))
            server.send_frame("nonsense")
            await world.advance(2)
        assert calls
        await world.advance(30)
        wanted = ConnectionState.CLOSED if what == "disconnect" else ConnectionState.CONNECTED
        assert service.state is wanted
        assert sum(peer.is_open for peer in server.connections) == (what != "disconnect")
        before = len(asyncio.all_tasks())
        await service.disconnect()
        await world.advance(5)
        assert len(asyncio.all_tasks()) <= before


@simulate
async def test_drain_waits_for_what_waits_and_clearing_ends_the_wait() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.drain()
        await service.connect()
        await service.wait_connected()
        server.acknowledge_after = 3.0
        delivery = service.send(chat(1))
        began = world.now
        await service.drain(timeout=5)
        assert world.now - began == pytest.approx(3.0, abs=0.1)
        assert delivery.status.value == "acknowledged"
        server.acknowledge_after = NEVER
        late = service.send(chat(2))
        with pytest.raises(TimeoutError):
            await service.drain(timeout=2)
        assert [(e.id, e.status.value, e.attempts) for e in service.outbox.get().entries] == [
            ("c2", "sent", 1)
        ]
        await world.advance(9)
        # Nothing is sent twice on a living connection.
        assert [e.attempts for e in service.outbox.get().entries] == [1]
        draining = asyncio.create_task(service.drain())
        await world.settle()
        assert service.clear_outbox() == 1
        await asyncio.wait_for(draining, 1)
        assert late.status.value == "uncertain"
