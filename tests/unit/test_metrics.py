"""One frozen record of everything that is counted, and a hint when the connection is bad."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from reactive_ws.connection.metrics import Counters
from reactive_ws.connection.record import Connection, ConnectionState, Metrics
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat
from reactive_ws.testing import NEVER, Latency, World, simulate
from reactive_ws.wire.envelope import Envelope


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x", 0))


@simulate
async def test_everything_is_counted_in_one_frozen_record() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(
            "ws://server:80/ws?user=me", outbox=OutboxOptions(limit=4), registry=agent_chat()
        )
        service.on("note", lambda envelope: 1 // envelope.payload)
        dropped = [service.send("note", n) for n in range(6)]
        assert [delivery.status.value for delivery in dropped[:2]] == ["failed"] * 2
        await service.connect()
        await service.wait_connected()
        await world.advance(1)
        await service.send(chat(1))
        server.publish(Envelope("note", 1))
        server.replay(1)
        server.publish(Envelope("note", 0))
        server.send_frame("nonsense")
        server.streams.add("app", Envelope("note", 1))
        server.publish(Envelope("note", 1))
        await world.advance(5)
        server.abort()
        await server.connected(2)
        await service.wait_connected()
        await world.advance(35)
        server.acknowledge_after = NEVER
        service.send(chat(2))
        await world.advance(2)
        world.errors.clear()
        now = service.metrics.get()
        bytes_in = sum(len(f.data) for f in server.transcript.frames if f.what == "down")
        assert attrs.evolve(
            now, bytes_sent=0, last_heartbeat_at=0.0, connected_for=0.0, round_trip=0.0
        ) == Metrics(
            url="ws://server:80/ws?***",
            state=ConnectionState.CONNECTED,
            dials=2,
            connects=2,
            reconnects=1,
            messages_received=11,
            # Four notes, two chat messages, a resume, a sync, a ping.
            messages_sent=9,
            messages_acknowledged=1,
            bytes_received=bytes_in,
            messages_rejected=1,
            duplicates_dropped=1,
            gaps=1,
            messages_dropped=2,
            handler_errors=1,
            messages_in_flight=1,
            round_trip=0.0,
            last_heartbeat_at=0.0,
            connected_for=0.0,
        )
        assert now.bytes_sent > 500
        assert now.connected_for == pytest.approx(37, abs=1.1)
        assert now.last_heartbeat_at == pytest.approx(world.now - 7, abs=1.1)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            now.dials = 0  # type: ignore[misc]


@simulate
async def test_state_and_attempt_are_in_the_record_while_waiting_and_uptime_is_not() -> None:
    async with World() as world:
        service = world.service("ws://nobody:1/", registry=agent_chat())
        await service.connect()
        await world.advance(5)
        metrics = service.metrics.get()
        assert metrics.state is ConnectionState.RECONNECTING
        assert metrics.attempt == service.connection.get().attempt > 1
        assert metrics.connected_for is None


@simulate
async def test_the_latency_is_a_stream_of_its_own() -> None:
    async with World() as world:
        world.network.apply(Latency(0.1))
        await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        seen: list[Any] = []
        service.latency.subscribe(seen.append)
        await service.connect()
        await service.wait_connected()
        await world.advance(40)
        world.network.apply(Latency(1.5))
        await world.advance(35)
        assert seen == [None, pytest.approx(0.2), pytest.approx(3.0)]
        assert service.metrics.get().hint == (
            "slow: the last heartbeat took 3.0 s; server or network are overloaded"
        )


@simulate
async def test_three_losses_in_five_minutes_are_hinted_at_until_they_are_long_ago() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        hints: list[str | None] = []
        service.metrics.select(lambda metrics: metrics.hint).subscribe(hints.append)
        await service.connect()
        for number in range(1, 4):
            await server.connected(number)
            await service.wait_connected()
            await asyncio.sleep(20)
            server.abort()
        await server.connected(4)
        await service.wait_connected()
        await world.advance(400)
        assert hints == [
            None,
            (
                "unstable: the connection was lost 3 times within 41 s; "
                "look at the network, and at the timeouts of proxies between here and the server"
            ),
            None,
        ]


def test_losses_far_apart_and_a_normal_heartbeat_give_no_hint() -> None:
    counters = Counters()
    for time in (0.0, 151.0, 301.0):
        counters.lost(time)
    assert counters.picture(301.0, Connection(), round_trip=2.0).hint is None
    counters.lost(400.0)
    hint = counters.picture(400.0, Connection(), round_trip=None).hint
    assert hint is not None
    assert hint.startswith("unstable: the connection was lost 3 times within 249 s")
