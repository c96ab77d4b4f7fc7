"""An application on starlette, served by uvicorn. /ws speaks protocol v1 as far as acknowledgements need it, /plain
repeats what it hears, /refused closes before it accepts.

The id of every received message is appended to the file in RECEIVED before it is acknowledged.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

RECEIVED = Path(os.environ["RECEIVED"])
SUBPROTOCOL = "reactive-ws.v1"


async def protocol_v1(socket: WebSocket) -> None:
    await socket.accept(SUBPROTOCOL if SUBPROTOCOL in socket.scope["subprotocols"] else None)
    await say(socket, "hello", {"epoch": str(os.getpid())})
    with RECEIVED.open("a") as received:
        while True:
            try:
                message = await socket.receive_json()
            except WebSocketDisconnect:
                return
            if message["type"] == "ping":
                await say(socket, "pong", id=message["id"])
            elif message["type"] == "message.send":
                print(message["id"], file=received, flush=True)
                await say(socket, "message.received", {"messageId": message["id"]})


async def plain(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        try:
            message = await socket.receive_json()
        except WebSocketDisconnect:
            return
        if message["type"] == "close":
            await socket.close()
            return
        if message["type"] == "return":
            return
        if message["type"] == "raise":
            raise RuntimeError("a bug in the application")
        await say(socket, "echo", message["payload"])


async def refused(socket: WebSocket) -> None:
    await socket.close(4401, "who are you")


async def say(socket: WebSocket, kind: str, payload: Any = None, **more: Any) -> None:
    await socket.send_json({"type": kind, "payload": payload, **more})


app = Starlette(
    routes=[
        WebSocketRoute("/ws", protocol_v1),
        WebSocketRoute("/plain", plain),
        WebSocketRoute("/refused", refused),
    ]
)
