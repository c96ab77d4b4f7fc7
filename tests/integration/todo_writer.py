"""A client of the todo example that is going to be killed: adds entries through a durable outbox and says what is stored.

    python todo_writer.py URL OUTBOX FIRST MOST

Prints `stored <title>` once an entry is on disk. After MOST entries it waits until it is killed. With MOST 0 it delivers what its
predecessors left behind, prints `done`, and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from todo.model import TodoClient

from reactive_ws.connection import Backoff
from reactive_ws.engine import Domain
from reactive_ws.outbox import DeliveryStatus, OutboxOptions


def say(line: str) -> None:
    """Writes a line in one piece: it is on the pipe whole, or not at all."""
    os.write(1, f"{line}\n".encode())


async def main(url: str, path: str, first: int, most: int) -> None:
    client = TodoClient(
        url,
        domain=Domain("mortal"),
        backoff=Backoff(initial=0.05, cap=0.3),
        outbox=OutboxOptions(path=path),
    )
    await client.service.connect()
    for number in range(first, first + most):
        title = f"mortal-{number}"

        def tell(status: DeliveryStatus, title: str = title) -> None:
            if status is DeliveryStatus.STORED:
                say(f"stored {title}")

        delivery = client.add(title)
        delivery.watch(tell)
        await delivery
    if most:
        await asyncio.Event().wait()
    while len(client.service.outbox.get()):
        await asyncio.sleep(0.05)
    say("done")
    await client.service.disconnect()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
