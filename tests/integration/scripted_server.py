"""A small real server for these tests: it speaks protocol v1, acknowledges, and keeps a history of each stream.

Extend it by a subclass that overrides `on_message`, or by setting its switches between connections. It is not the one of
`reactive_ws.testing` on purpose: that one shares codec and message types with the client, so that a mistake in them would
cancel itself out; this one knows only JSON as it is on the wire.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class ScriptedServer:
    """Counts and keeps what arrives; `received` holds every message but pings."""

    def __init__(self, *, subprotocol: str | None = "reactive-ws.v1") -> None:
        self.subprotocol = subprotocol
        self.epoch = "epoch-1"
        self.received: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.sockets: list[ServerConnection] = []
        self.requests: list[Any] = []
        self.connections = 0
        self.is_acknowledging = True
        self.is_answering_pings = True
        self.hello: dict[str, Any] = {"resume": True}
        self.server: Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self.server = await serve(
            self.handle,
            "127.0.0.1",
            self.port,
            subprotocols=[self.subprotocol] if self.subprotocol else None,
            process_request=self.process_request,
            ping_interval=None,
        )
        self.port = next(iter(self.server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
            self.server = None

    def process_request(self, connection: ServerConnection, request: Any) -> Any:
        self.requests.append(request)
        return None

    async def handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        self.sockets.append(socket)
        try:
            if self.subprotocol:
                await self.say(socket, "hello", {"epoch": self.epoch, **self.hello})
            async for frame in socket:
                await self.on_message(socket, json.loads(frame))
        except ConnectionClosed:
            return
        finally:
            self.sockets.remove(socket)

    async def on_message(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "ping":
            if self.is_answering_pings:
                await socket.send(json.dumps({"type": "pong", "id": message["id"]}))
            return
        self.received.append(message)
        if kind == "resume":
            await self.resume(socket, message["payload"]["streams"])
        elif kind == "sync":
            for stream in message["payload"]["streams"]:
                seq = len(self.history)
                payload = {"stream": stream, "epoch": self.epoch, "seq": seq, "panels": []}
                await self.say(socket, "snapshot", payload)
        elif kind == "message.send" and self.is_acknowledging:
            await self.say(socket, "message.received", {"messageId": message["id"]})

    async def resume(self, socket: ServerConnection, streams: dict[str, Any]) -> None:
        answers: dict[str, Any] = {}
        for name, position in streams.items():
            recovered = position["epoch"] == self.epoch
            seq = position["seq"] if recovered else len(self.history)
            answers[name] = {"recovered": recovered, "epoch": self.epoch, "seq": seq}
        await self.say(socket, "resumed", {"streams": answers})
        for name, answer in answers.items():
            for entry in self.history:
                if entry["stream"] == name and entry["seq"] > answer["seq"]:
                    await socket.send(json.dumps(entry))

    async def say(self, socket: ServerConnection, kind: str, payload: Any, **more: Any) -> None:
        await socket.send(json.dumps({"type": kind, "payload": payload, **more}))

    async def publish(self, text: str) -> None:
        """Sends a chat message on stream "chat" to every client, and keeps it."""
        seq = len(self.history) + 1
        message = {
            "id": f"m{seq}",
            "sessionId": "s",
            "role": "assistant",
            "content": text,
            "timestamp": 0,
        }
        entry = {
            "type": "message.response",
            "stream": "chat",
            "epoch": self.epoch,
            "seq": seq,
            "payload": {"sessionId": "s", "message": message},
        }
        self.history.append(entry)
        for socket in list(self.sockets):
            await socket.send(json.dumps(entry))

    def drop(self) -> None:
        """Resets every connection, without a close frame."""
        for socket in list(self.sockets):
            socket.transport.abort()

    async def close(self, code: int, reason: str = "") -> None:
        for socket in list(self.sockets):
            await socket.close(code, reason)


async def until(condition: Any, timeout: float = 60.0) -> None:
    """Waits until a condition of the outside world holds."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.005)
