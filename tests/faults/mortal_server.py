"""A server process that is going to be killed: it writes what it accepts into a file, in the order of arrival.

    python mortal_server.py PORT FILE

Prints `open` once it listens. `notes` is its state; a note is accepted when it is in the log.
"""

from __future__ import annotations

import asyncio
import sys

import attrs
import msgspec

from reactive_ws.server import Context, Server
from reactive_ws.server.logs import Retention, SqliteLog
from reactive_ws.wire import Guarantee, Registry, protocol_v1

__all__ = ["Add", "Added", "registry"]


class Add(msgspec.Struct, frozen=True):
    """Asks for a note."""

    number: int


class Added(msgspec.Struct, frozen=True):
    """A note is there."""

    number: int


@attrs.frozen
class Notes:
    """How many notes there are."""

    count: int = 0


def registry() -> Registry:
    """Returns the message types."""
    types = protocol_v1()
    types.message("add", guarantee=Guarantee.AT_LEAST_ONCE)(Add)
    types.message("added")(Added)
    return types


async def main(port: int, path: str) -> None:
    server = Server(registry(), log=SqliteLog(path, retention=Retention(max_entries=1_000_000)))
    server.state("notes", Notes(), {Added: lambda notes, _: Notes(notes.count + 1)})

    @server.command(Add)
    def add(command: Add, context: Context) -> None:
        context.publish("notes", Added(command.number))

    async with server.serve(port=port):
        print("open", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
