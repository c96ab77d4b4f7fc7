"""A client or a server in a process that is going to be paused.

    python paused_process.py client URL COUNT
    python paused_process.py server

The client prints `open` when it is connected, and sends numbered messages. The server prints `open URL`, and ends with its
standard input. Each prints one line of JSON at its end: what became of the messages, or which numbers came on which
connection.
"""

from __future__ import annotations

import asyncio
import collections
import json
import random
import sys
from typing import Any

from faults.mortal_server import Add, registry

from reactive_ws.connection import Backoff, Heartbeat
from reactive_ws.engine import Domain
from reactive_ws.outbox import Delivery
from reactive_ws.service import WebSocketService
from reactive_ws.testing import ScriptedServer

__all__ = ["numbers", "send"]

_HEARTBEAT = Heartbeat(interval=0.4, timeout=1.0)


async def send(url: str, count: int) -> dict[str, Any]:
    """Sends so many messages and returns what became of them."""
    service = WebSocketService(
        url,
        domain=Domain("paused"),
        proxy=None,
        registry=registry(),
        heartbeat=_HEARTBEAT,
        backoff=Backoff(initial=0.05, factor=1.0),
        rng=random.Random(1),
    )
    losses: list[str] = []
    service.errors.subscribe(lambda event: losses.append(str(event.exception)))
    sent: list[Delivery] = []
    async with service:
        await service.wait_connected()
        print("open", flush=True)
        for number in range(count):
            while not service.can_send.get():
                await asyncio.sleep(0.005)
            sent.append(service.send(Add(number)))
            await asyncio.sleep(0.002)
        await service.drain()
    statuses = collections.Counter(it.status.value for it in sent)
    return {"statuses": statuses, "losses": losses}


async def serve() -> dict[str, Any]:
    """Serves until the standard input ends; returns the numbers of each connection."""
    async with ScriptedServer("ws://127.0.0.1:0/ws", registry=registry()) as server:
        print("open", server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        return numbers(server)


def numbers(server: ScriptedServer) -> dict[str, Any]:
    """Returns which numbers came on which connection, and which took effect."""
    return {
        "connections": [
            [it.payload.number for it in peer.received if it.type == "add"]
            for peer in server.connections
        ],
        "effects": [it.payload.number for it in server.effects],
    }


if __name__ == "__main__":
    work = serve() if sys.argv[1] == "server" else send(sys.argv[2], int(sys.argv[3]))
    print(json.dumps(asyncio.run(work)), flush=True)
