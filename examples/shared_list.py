"""A to-do list on many screens: a line adds an entry, a number ticks one off, `...` marks what is not confirmed yet.

Start `python examples/shared_list.py serve 8000 list.db`, then `python examples/shared_list.py ws://127.0.0.1:8000/ anna` and others.
"""

import asyncio
import sys
import uuid

from msgspec import Struct

from reactive_ws import Guarantee, OutboxOptions, WebSocketService, derived
from reactive_ws.replicas import PendingCommand, Replica
from reactive_ws.server import Log, Server, log_of
from reactive_ws.wire import protocol_v1


class Todo(Struct, frozen=True):
    id: str
    title: str
    is_done: bool = False


class Todos(Struct, frozen=True):
    items: tuple[Todo, ...] = ()


class Change(Todo, frozen=True):
    """Asks for a new entry, or ticks one off."""


class Changed(Todo, frozen=True):
    """Has happened."""


types = protocol_v1()
types.message("change", guarantee=Guarantee.AT_LEAST_ONCE)(Change)
types.message("changed")(Changed)


def changed(now: Todos, it: Todo) -> Todos:
    if not it.is_done:
        return Todos((*now.items, Todo(it.id, it.title)))
    return Todos(
        tuple(Todo(it.id, it.title, True) if one.id == it.id else one for one in now.items)
    )


def make_server(log: Log) -> Server:
    server = Server(types, log=log)
    server.state("list", Todos(), {Changed: changed})
    server.command(Change)(
        lambda it, context: context.publish("list", Changed(it.id, it.title, it.is_done))
    )
    return server


def follow(service: WebSocketService, file: str | None = None) -> Replica[Todos]:
    reducers, optimistic = {Changed: changed}, {Change: changed}
    return service.replica("list", Todos(), reducers, optimistic=optimistic, state_file=file)


def line(now: Todos, pending: tuple[PendingCommand, ...]) -> str:
    waiting = {command.payload.id for command in pending}
    shown = (f"{'*' * it.is_done}{it.title}{'...' * (it.id in waiting)}" for it in now.items)
    return "  ".join(f"{number} {text}" for number, text in enumerate(shown, 1))


async def client(url: str, name: str) -> None:
    service = WebSocketService(url, registry=types, outbox=OutboxOptions(path=f"{name}.outbox"))
    todos = follow(service, f"{name}.json")
    derived(todos, todos.pending, line).select().subscribe(lambda text: print(text, flush=True))
    async with service:
        while text := (await asyncio.to_thread(sys.stdin.readline)).strip():
            known = {str(number): it for number, it in enumerate(todos.get().items, 1)}.get(text)
            todos.send(
                Change(known.id, known.title, True) if known else Change(uuid.uuid4().hex, text)
            )


async def serve(port: str, path: str) -> None:
    async with make_server(log_of(path)).serve(port=int(port)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run((serve if sys.argv[1] == "serve" else client)(*sys.argv[-2:]))
