"""The servers that `servers.py` compares: `python benchmarks/server_peers.py KIND PORT PLACE`. Each tells all clients what one of them says.

They run on uvicorn. With `-alone` behind its kind, ours listens by itself, as the hub of the first version did.

`memory`, `sqlite` and `postgres` are `reactive_ws.server`: numbered, resumed, executed once. `fastapi` is FastAPI with Redis pub/sub by hand,
`socketio` is python-socketio with its Redis manager, and `channels` is Django Channels with channels_redis. These three promise none of that.
PLACE is the file, the database or the Redis that the nodes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import attrs
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from reactive_ws.server import (
    Context,
    MemoryLog,
    PostgresLog,
    Server,
    SessionSettings,
    SqliteLog,
)
from reactive_ws.wire import Guarantee, protocol_v1

__all__ = ["make"]


@attrs.frozen
class Say:
    """A command: tell this to all."""

    text: str


@attrs.frozen
class Said:
    """A client said this."""

    text: str


def ours(log: Any) -> Any:
    """Returns our server on a log."""
    types = protocol_v1()
    types.message("say", guarantee=Guarantee.AT_LEAST_ONCE)(Say)
    types.message("said")(Said)
    server = Server(types, log=log, settings=SessionSettings(channels=("all",), first_word=0.01))

    @server.command(Say)
    async def say(command: Say, context: Context) -> None:
        context.publish("all", Said(command.text))

    return server


def by_hand(url: str) -> Any:
    """Returns FastAPI with a Redis channel: every process sends what it hears to its sockets."""
    import redis.asyncio

    bus = redis.asyncio.from_url(url)
    sockets: set[WebSocket] = set()

    async def listen() -> None:
        async with bus.pubsub() as hearing:
            await hearing.subscribe("all")
            async for message in hearing.listen():
                if message["type"] == "message":
                    text = message["data"].decode()
                    await asyncio.gather(*(socket.send_text(text) for socket in sockets))

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        task = asyncio.create_task(listen())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        sockets.add(socket)
        try:
            while True:
                said = json.loads(await socket.receive_text())
                await bus.publish("all", json.dumps({"type": "said", "payload": said["payload"]}))
                await socket.send_text(json.dumps({"type": "message.received", "id": said["id"]}))
        except WebSocketDisconnect:
            sockets.discard(socket)

    return app


def socket_io(url: str) -> Any:
    """Returns python-socketio with its Redis manager."""
    import socketio

    server = socketio.AsyncServer(
        async_mode="asgi", client_manager=socketio.AsyncRedisManager(url), transports=["websocket"]
    )

    @server.event
    async def say(_: str, payload: dict[str, str]) -> str:
        await server.emit("said", payload)
        return "received"

    return socketio.ASGIApp(server)


def channels(url: str) -> Any:
    """Returns Django Channels, with one group for all and a consumer that is as short as it can be."""
    import django
    from django.conf import settings

    layer = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # With the hundred that is usual it drops messages of a flood without a word.
        # Its consumers wait in Redis for five seconds, which redis-py 8 takes for a Redis that is gone.
        "CONFIG": {"hosts": [{"address": url, "socket_timeout": None}], "capacity": 100_000},
    }
    settings.configure(SECRET_KEY="benchmark", CHANNEL_LAYERS={"default": layer})
    django.setup()
    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from channels.routing import ProtocolTypeRouter

    class Live(AsyncJsonWebsocketConsumer):  # type: ignore[misc, unused-ignore]
        async def connect(self) -> None:
            await self.channel_layer.group_add("all", self.channel_name)
            await self.accept()

        async def disconnect(self, _: int) -> None:
            await self.channel_layer.group_discard("all", self.channel_name)

        async def receive_json(self, content: dict[str, Any]) -> None:
            event = {"type": "said", "payload": content["payload"]}
            await self.channel_layer.group_send("all", event)
            await self.send_json({"type": "message.received", "id": content["id"]})

        async def said(self, event: dict[str, Any]) -> None:
            await self.send_json(event)

    return ProtocolTypeRouter({"websocket": Live.as_asgi()})


def make(kind: str, place: str) -> Any:
    """Returns the application of a kind."""
    match kind:
        case "memory":
            return ours(MemoryLog())
        case "sqlite":
            return ours(SqliteLog(place))
        case "postgres":
            return ours(PostgresLog(place))
        case "fastapi":
            return by_hand(place)
        case "socketio":
            return socket_io(place)
        case _:
            return channels(place)


async def serve_alone(server: Server, port: int) -> None:
    """Serves without uvicorn, until the process ends."""
    async with server.serve("127.0.0.1", port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1].endswith("-alone"):
        asyncio.run(
            serve_alone(make(sys.argv[1].removesuffix("-alone"), sys.argv[3]), int(sys.argv[2]))
        )
    uvicorn.run(
        make(sys.argv[1], sys.argv[3]),
        port=int(sys.argv[2]),
        log_level="error",
        ws="websockets-sansio",
        access_log=False,
        # The same for all, the hub of the first version included, which knows no uvloop.
        loop="asyncio",
        ws_ping_interval=None,
    )
