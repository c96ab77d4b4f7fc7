"""The clients of `servers.py`, on plain sockets: one for frames of JSON objects, one for Socket.IO. They cost little, and hear what arrives.

Every message begins with its name, so that each client can tell when it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import attrs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

__all__ = ["Client", "RawClient", "SocketIoClient", "Times"]

_TEXT_SIZE = 200


@attrs.define
class Times:
    """When messages were sent, and how many seconds they took to the acknowledgement and to each other client."""

    sent: dict[str, float] = attrs.Factory(dict[str, float])
    acknowledged: list[float] = attrs.Factory(list[float])
    heard: list[float] = attrs.Factory(list[float])

    def clear(self) -> None:
        """Forgets what was measured."""
        self.sent.clear()
        self.acknowledged.clear()
        self.heard.clear()


class RawClient:
    """A client on a plain socket: of protocol v1, or of frames that have the same fields.

    Args:
        url: Where the server is.
        times: Where it notes what it sees.
    """

    def __init__(self, url: str, times: Times) -> None:
        self.url = url
        self.heard = 0
        self.times = times
        self._own: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._socket: ClientConnection
        self._reading: asyncio.Task[None]

    async def open(self) -> None:
        """Connects, and greets."""
        self._socket = await self._connect()
        await self._greet()
        self._reading = asyncio.create_task(self._read())

    async def say(self, name: str) -> None:
        """Sends, and waits for the acknowledgement."""
        answer = self._waiting[name] = asyncio.get_running_loop().create_future()
        self._own.add(name)
        began = self.times.sent[name] = time.perf_counter()
        await self._socket.send(self._frame(name, f"{name}|".ljust(_TEXT_SIZE, "x")))
        await answer
        self.times.acknowledged.append(time.perf_counter() - began)

    async def close(self) -> None:
        """Disconnects."""
        await self._socket.close()
        await self._reading

    async def _connect(self) -> ClientConnection:
        # No pings of its own and no compression: neither belongs to what is measured.
        return await connect(
            self.url,
            subprotocols=["reactive-ws.v1"],  # type: ignore[list-item]
            compression=None,
            ping_interval=None,
            proxy=None,
            max_queue=None,
        )

    async def _greet(self) -> None:
        if self._socket.subprotocol is not None:
            hello = {"type": "hello", "payload": {"client": str(id(self))}}
            await self._socket.send(json.dumps(hello))

    def _frame(self, name: str, text: str) -> str:
        return json.dumps({"type": "say", "id": name, "payload": {"text": text}})

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self._socket:
                await self._take(str(frame))

    async def _take(self, frame: str) -> None:
        message: dict[str, Any] = json.loads(frame)
        # The first version's hub passes a message on under its own type.
        if message["type"] in ("said", "say"):
            self._hear(message["payload"]["text"])
        elif message["type"] == "message.received":
            self._acknowledge(message.get("id") or message["payload"]["messageId"])

    def _hear(self, text: str) -> None:
        self.heard += 1
        name = text.partition("|")[0]
        if name not in self._own:
            self.times.heard.append(time.perf_counter() - self.times.sent[name])

    def _acknowledge(self, name: str) -> None:
        self._waiting.pop(name).set_result(None)


class SocketIoClient(RawClient):
    """A client of Socket.IO on the same plain socket; an acknowledgement is the answer to an event."""

    def __init__(self, url: str, times: Times) -> None:
        super().__init__(f"{url}socket.io/?EIO=4&transport=websocket", times)
        self._numbers: dict[int, str] = {}

    async def _greet(self) -> None:
        await self._socket.recv()  # 0{...}: the handshake of Engine.IO
        await self._socket.send("40")
        await self._socket.recv()  # 40{...}: the default namespace is connected

    def _frame(self, name: str, text: str) -> str:
        number = len(self._numbers)
        self._numbers[number] = name
        return f"42{number}{json.dumps(['say', {'text': text}])}"

    async def _take(self, frame: str) -> None:
        if frame == "2":
            await self._socket.send("3")
        elif frame.startswith("42"):
            self._hear(json.loads(frame[2:])[1]["text"])
        elif frame.startswith("43"):
            self._acknowledge(self._numbers[int(frame[2 : frame.index("[")])])


Client = RawClient | SocketIoClient
