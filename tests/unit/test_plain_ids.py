"""Ids of servers that need not be unique message ids of v1: any JSON scalar, repeated on every message."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import Registry, WebSocketService, protocol_v1
from reactive_ws.dialects import PlainJson
from reactive_ws.engine import Domain
from reactive_ws.testing import simulate
from reactive_ws.wire import JsonCodec, id_text

IDS = [18, 0, -3, 1.5, True, False, "sensor-1", "18", 2**70, None]


class Reading(msgspec.Struct, frozen=True):
    """A message of the server."""

    n: int


class Ask(msgspec.Struct, frozen=True):
    """A question of the client."""

    id: str


def types() -> Registry:
    registry = protocol_v1()
    registry.message("event")(Reading)
    registry.message("ask", identity=lambda ask: ask.id)(Ask)
    return registry


@pytest.mark.parametrize("dialect", [None, PlainJson(types(), id="id")], ids=["v1", "plain"])
@pytest.mark.parametrize("identity", IDS, ids=repr)
@simulate
async def test_a_repeated_id_of_any_json_scalar_loses_no_message_and_is_kept_as_text(
    identity: Any, dialect: PlainJson | None
) -> None:
    async def publishes(connection: ServerConnection) -> None:
        for n in range(5):
            frame = {"type": "event", "payload": {"n": n}, "id": identity}
            await connection.send(json.dumps(frame))
        await connection.wait_closed()

    async with serve(publishes, "home", 80, ping_interval=None):
        options = {"registry": types()} if dialect is None else {"dialect": dialect}
        service = WebSocketService(
            "ws://home/ws",
            domain=Domain("test"),
            proxy=None,
            rng=random.Random(1),
            **options,  # type: ignore[arg-type]
        )
        heard: list[tuple[int, str | None]] = []
        errors: list[str] = []
        service.on("event", lambda message: heard.append((message.payload.n, message.id)))
        service.errors.subscribe(lambda event: errors.append(str(event.exception)))
        async with service:
            await asyncio.sleep(5)
        text = json.dumps(identity) if isinstance(identity, int | float) else identity
        assert heard == [(n, text) for n in range(5)]
        assert errors == []


@pytest.mark.parametrize("identity", IDS, ids=repr)
def test_the_codec_reads_any_scalar_as_the_id_in_a_known_and_an_unknown_type(identity: Any) -> None:
    codec = JsonCodec(types(), subprotocol=None)
    for kind in ("event", "event", "other"):
        frame = json.dumps({"type": kind, "payload": {"n": 1}, "id": identity})
        message = codec.decode(frame)
        assert (message.id, message.problems) == (id_text(identity), ())


@pytest.mark.parametrize("identity", [[1], {"a": 1}], ids=repr)
def test_a_list_or_an_object_is_no_id(identity: Any) -> None:
    frame = json.dumps({"type": "event", "payload": {"n": 1}, "id": identity})
    message = JsonCodec(types(), subprotocol=None).decode(frame)
    assert message.id is None
    assert len(message.problems) == 1


@simulate
async def test_a_reply_that_repeats_the_id_as_a_number_answers_the_request() -> None:
    async def answers(connection: ServerConnection) -> None:
        async for text in connection:
            asked = json.loads(text)
            for number in (99, int(asked["id"])):
                frame = {"type": "event", "payload": {"n": number}, "id": number}
                await connection.send(json.dumps(frame))

    async with (
        serve(answers, "home", 80, ping_interval=None),
        WebSocketService(
            "ws://home/ws",
            registry=types(),
            domain=Domain("test"),
            proxy=None,
            rng=random.Random(1),
        ) as service,
    ):
        await service.wait_connected()
        assert await service.request(Ask("7"), reply=Reading) == Reading(7)
