"""A replica over real sockets: the next process starts with its state and its commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from todo_types import Add, Added, Todos, types

from reactive_ws import OutboxOptions, WebSocketService
from reactive_ws.engine import Domain
from reactive_ws.replicas import Replica, ReplicaStatus
from reactive_ws.server import Context, Server
from reactive_ws.wire import Envelope, Position


def added(state: Todos, entry: Added | Add) -> Todos:
    return Todos((*state.titles, entry.title))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def test_the_next_process_starts_with_the_state_and_the_commands_under_way(
    tmp_path: Path,
) -> None:
    server = Server(types())
    server.state("todos", Todos(), {Added: added})

    @server.command(Add)
    def add(command: Add, context: Context) -> None:
        context.publish("todos", Added(command.title))

    def make(url: str) -> tuple[WebSocketService, Replica[Todos]]:
        service = WebSocketService(
            url,
            registry=types(),
            domain=Domain("client"),
            proxy=None,
            outbox=OutboxOptions(path=tmp_path / "outbox.db"),
        )
        todos = service.replica(
            "todos",
            Todos(),
            {Added: added},
            optimistic={Add: added},
            state_file=tmp_path / "todos.json",
        )
        return service, todos

    async with server.serve(port=0) as url:
        await server.publish("todos", Added("tea"))
        service, todos = make(url)
        async with service:
            await until(lambda: todos.get().titles == ("tea",))
        todos.close()
        # Offline: the state is there, and a command is shown and stored.
        service, todos = make("ws://127.0.0.1:9/")
        assert (todos.get().titles, todos.status.get()) == (("tea",), ReplicaStatus.STALE)
        todos.send(Add("1", "milk"))
        assert todos.get().titles == ("tea", "milk")
        await service.disconnect()
        todos.close()
        service, todos = make(url)
        assert (todos.get().titles, todos.confirmed.get().titles) == (("tea", "milk"), ("tea",))
        async with service:
            await until(lambda: todos.confirmed.get().titles == ("tea", "milk"))
            await until(lambda: not todos.pending.get())
        todos.close()


async def test_a_replica_with_a_state_file_that_is_made_late_catches_up(tmp_path: Path) -> None:
    server = Server(types())
    server.state("todos", Todos(), {Added: added})

    def follow(service: WebSocketService) -> Replica[Todos]:
        path = tmp_path / "todos.json"
        return service.replica("todos", Todos(), {Added: added}, state_file=path)

    async with (
        server.serve(port=0) as url,
        WebSocketService(url, registry=types(), domain=Domain("client"), proxy=None) as service,
    ):
        first = follow(service)
        await server.publish("todos", Added("tea"))
        await until(lambda: first.get().titles == ("tea",))
        first.close()
        await server.publish("todos", Added("milk"))
        second = follow(service)
        assert (second.get().titles, second.status.get()) == (("tea",), ReplicaStatus.STALE)
        await until(lambda: second.get().titles == ("tea", "milk"))
        await until(lambda: second.status.get() is ReplicaStatus.LIVE)
        second.close()


async def test_an_acknowledged_command_is_shown_by_the_next_process_until_its_entry_comes(
    tmp_path: Path,
) -> None:
    def start() -> tuple[WebSocketService, Replica[Todos]]:
        service = WebSocketService(
            "ws://127.0.0.1:9/",
            registry=types(),
            domain=Domain("client"),
            proxy=None,
            outbox=OutboxOptions(path=tmp_path / "outbox.db"),
        )
        path = tmp_path / "todos.json"
        return service, service.replica(
            "todos", Todos(), {Added: added}, optimistic={Add: added}, state_file=path
        )

    def come(replica: Replica[Todos], seq: int, title: str) -> None:
        replica.entry(Envelope("added", Added(title), stream="todos", epoch="e", seq=seq))

    service, todos = start()
    todos.state(Position("e", 1), {"titles": ["tea"]})
    todos.send(Add("1", "milk"))
    todos.acknowledged("1", {"todos": Position("e", 3)})
    todos.close()
    # The process dies before its outbox forgets the message, so that both files have it.
    await service.disconnect()
    service, todos = start()
    (command,) = todos.pending.get()
    assert (command.id, command.awaited) == ("1", Position("e", 3))
    assert isinstance(command.payload, Add)
    assert (todos.get().titles, todos.confirmed.get().titles) == (("tea", "milk"), ("tea",))
    come(todos, 2, "bread")
    todos.state(Position("e", 2), {"titles": ["tea", "bread"]})
    assert todos.get().titles == ("tea", "bread", "milk")
    come(todos, 3, "milk")
    assert (todos.get().titles, todos.pending.get()) == (("tea", "bread", "milk"), ())
    todos.close()
    await service.disconnect()
