"""Servers that select whatever a client offers first, as `ws` of npm and Bun do by default."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from reactive_ws import DeliveryStatus, WebSocketService
from reactive_ws.engine import Domain
from reactive_ws.testing import simulate


def first(_: ServerConnection, offers: list[Subprotocol]) -> Subprotocol | None:
    return offers[0] if offers else None


async def echoes(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def greets_and_echoes(connection: ServerConnection) -> None:
    await connection.send("welcome to a server of another kind")
    await echoes(connection)


async def publishes(connection: ServerConnection) -> None:
    await connection.send(json.dumps({"type": "tick", "payload": {"n": 1}}))
    await echoes(connection)


@pytest.mark.parametrize(
    ("server", "seconds"), [(echoes, 5.5), (greets_and_echoes, 0.5), (publishes, 0.5)]
)
@simulate
async def test_the_service_connects_in_plain_mode_and_loses_no_frame(
    server: object, seconds: float
) -> None:
    async with serve(server, "home", 80, select_subprotocol=first, ping_interval=None):  # type: ignore[arg-type]
        service = WebSocketService(
            "ws://home/ws", domain=Domain("test"), proxy=None, rng=random.Random(1)
        )
        heard: list[str] = []
        errors: list[str] = []
        service.on("tick", lambda payload: heard.append("tick"))
        service.on("question", lambda payload: heard.append("question"))
        service.errors.subscribe(lambda event: errors.append(str(event.exception)))
        async with service:
            await service.wait_connected(seconds)
            delivery = service.send("question", {})
            await asyncio.sleep(1)
            assert delivery.status is DeliveryStatus.SENT
            assert heard == (["tick", "question"] if server is publishes else ["question"])
            assert len([text for text in errors if "plain mode" in text]) == 1
            service.reconnect()
            await asyncio.sleep(0.1)
            await service.wait_connected(0.5)
            assert len([text for text in errors if "plain mode" in text]) == 1
