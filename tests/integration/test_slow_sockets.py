"""Slow links over real sockets, with both socket libraries: nothing fails, nothing comes twice on one connection."""

from __future__ import annotations

import asyncio

import pytest

from reactive_ws import ServiceOptions
from reactive_ws.connection import Backoff, Heartbeat
from reactive_ws.engine import Domain
from reactive_ws.outbox import DeliveryStatus
from reactive_ws.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, agent_chat
from reactive_ws.testing import Bandwidth, ChaosProxy, Direction, ScriptedServer

from .peers.foreign import part

_PATIENCE = 100.0


@pytest.mark.deep
@pytest.mark.parametrize("direction", list(Direction), ids=lambda it: it.value)
@pytest.mark.parametrize(
    ("rate", "count", "size"),
    [
        (2e3, 20, 100),
        (2e3, 2, 8_000),
        (5e4, 10, 20_000),
        (2e5, 2, 1_000_000),
        (1e7, 100, 100),
        (1e7, 10, 1_000_000),
    ],
)
@pytest.mark.parametrize("library", ["websockets", "picows"])
async def test_a_slow_link_costs_no_message_and_no_connection(
    library: str, rate: float, count: int, size: int, direction: Direction
) -> None:
    options: ServiceOptions = (
        {} if library == "websockets" else {"connect": part("reactive_ws.transport.picows").connect}
    )
    async with (
        asyncio.timeout(_PATIENCE),
        ScriptedServer("ws://127.0.0.1:0/ws", registry=agent_chat()) as server,
        ChaosProxy("127.0.0.1", int(server.url.rpartition(":")[2].split("/")[0])) as proxy,
    ):
        service = WebSocketService(
            f"ws://127.0.0.1:{proxy.port}/ws",
            registry=agent_chat(),
            domain=Domain("slow"),
            proxy=None,
            # A tenth of the default times.
            heartbeat=Heartbeat(interval=3.0, timeout=1.0),
            backoff=Backoff(initial=0.05, factor=1.0),
            **options,
        )
        arrived: list[int] = []
        service.on(MessageResponse, lambda it: arrived.append(len(it.message.content)))
        async with service:
            await service.wait_connected()
            proxy.apply(Bandwidth(rate, direction))
            server.publish(MessageResponse("s", Message("m", "s", "agent", "y" * size, 0)))
            sent = [
                service.send(MessageSend("s", Message(f"c{number}", "s", "user", "x" * size, 0)))
                for number in range(count)
            ]
            fates = await asyncio.gather(*sent)
            while not arrived:
                await asyncio.sleep(0.01)
        assert fates == [DeliveryStatus.ACKNOWLEDGED] * count
        assert arrived == [size]
        assert len(server.connections) == 1
        ids = [it.id for it in server.connections[0].received if it.type == "message.send"]
        assert len(ids) == len(set(ids))
