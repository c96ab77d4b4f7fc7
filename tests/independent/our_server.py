"""Our server for the same to-do list as `server.py`, with a log in a file: `python our_server.py PORT FILE`."""

from __future__ import annotations

import asyncio
import sys

import attrs
import msgspec

from reactive_ws.server import Context, Refused, Request, Server, SqliteLog
from reactive_ws.wire import Guarantee, Registry, protocol_v1


class TodoAdd(msgspec.Struct, frozen=True):
    title: str


class TodoImport(msgspec.Struct, frozen=True):
    titles: tuple[str, ...]


class TodoAdded(msgspec.Struct, frozen=True):
    title: str


@attrs.frozen
class Todos:
    titles: tuple[str, ...] = ()


def registry() -> Registry:
    types = protocol_v1()
    types.message("todo.add", guarantee=Guarantee.AT_LEAST_ONCE)(TodoAdd)
    types.message("todo.import", guarantee=Guarantee.AT_LEAST_ONCE)(TodoImport)
    types.message("todo.added")(TodoAdded)
    return types


def added(state: Todos, entry: TodoAdded) -> Todos:
    return Todos((*state.titles, entry.title))


async def main(port: int, path: str) -> None:
    def authorize(request: Request) -> str | None:
        return "ann" if request.token == "secret" else None

    server = Server(registry(), log=SqliteLog(path), authorize=authorize)
    server.state("todos", Todos(), {TodoAdded: added})

    @server.command(TodoAdd)
    def add(command: TodoAdd, context: Context) -> None:
        if not command.title:
            raise Refused("empty", "a title has text")
        context.publish("todos", TodoAdded(command.title))

    @server.command(TodoImport)
    def take(command: TodoImport, context: Context) -> None:
        context.publish("todos", *map(TodoAdded, command.titles))

    async with server.serve("127.0.0.1", port) as url:
        print(url, flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
