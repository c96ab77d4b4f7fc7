"""The hub of the first version, for `servers.py`: `PYTHONPATH=FOLDER_OF_THE_FIRST_VERSION python benchmarks/first_hub.py PORT FILE`.

It keeps all in the memory of one process; FILE makes it write each acknowledged message to the disk, "" keeps it in memory alone.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import msgspec
from reactive_ws.hub import Hub  # type: ignore[import-not-found, unused-ignore]
from reactive_ws.messages import (  # type: ignore[import-not-found, unused-ignore]
    Guarantee,
    protocol_v1,
)


class Say(msgspec.Struct, frozen=True):
    """A client says this; the hub passes it on to all."""

    text: str


async def main(port: int, path: str) -> None:
    """Serves until SIGTERM."""
    types = protocol_v1()
    types.message("say", guarantee=Guarantee.AT_LEAST_ONCE)(Say)
    hub = Hub(port=port, data=path or None, registry=types)
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    async with hub:
        await is_over.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
