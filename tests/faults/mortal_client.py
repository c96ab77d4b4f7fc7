"""A client process that is going to be killed: sends numbered messages through a durable outbox and says what is stored.

    python mortal_client.py URL FILE FIRST COUNT

Prints `open`, then `stored <number>` once a message is on disk, and `done` after the last one was acknowledged. With COUNT
0 it delivers what its predecessors left behind.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys

from reactive_ws.connection.backoff import Backoff
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import OutboxFull
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat


def say(line: str) -> None:
    """One write: a line is on the pipe whole, or not at all, whenever the process dies."""
    os.write(1, f"{line}\n".encode())


async def main(url: str, path: str, first: int, count: int) -> None:
    service = WebSocketService(
        url,
        domain=Domain("mortal"),
        proxy=None,
        backoff=Backoff(initial=0.05, factor=1.0),
        outbox=OutboxOptions(path=path),
        rng=random.Random(first),
        registry=agent_chat(),
    )
    say("open")
    await service.connect()
    for number in range(first, first + count):
        message = MessageSend("s", Message(str(number), "s", "user", "x" * 100, 0))
        while True:
            delivery = service.send(message)
            if not isinstance(delivery.failure, OutboxFull):
                break
            await asyncio.sleep(0.01)

        def tell(status: DeliveryStatus, number: int = number) -> None:
            if status is DeliveryStatus.STORED:
                say(f"stored {number}")

        delivery.watch(tell)
        if number % 2 == 0:
            await asyncio.sleep(0.001)
    while len(service.outbox.get()):
        await asyncio.sleep(0.01)
    say("done")
    await service.disconnect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
