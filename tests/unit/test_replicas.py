"""Replicas: their rules one by one, and what a program sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from todo_types import Add, Added, Todos, types

from reactive_ws import WebSocketService
from reactive_ws.engine import Domain
from reactive_ws.errors import UsageError
from reactive_ws.replicas import PendingCommand, Replica, ReplicaStatus
from reactive_ws.replicas.facts import Facts, Rules
from reactive_ws.server import Context, MemoryLog, Refused, Server
from reactive_ws.testing import Simulation, simulate
from reactive_ws.wire import Envelope, Position

S = ReplicaStatus


def added(state: Todos, entry: Added) -> Todos:
    if entry.title == "poison":
        raise ValueError(entry.title)
    return Todos((*state.titles, entry.title))


def shown(state: Todos, command: Add) -> Todos:
    return Todos((*state.titles, command.title))


# --- the rules --------------------------------------------------------------------------------------------------------


def rules(problems: list[Exception] | None = None) -> Rules[Todos]:
    report = (problems if problems is not None else []).append
    return Rules("todos", {"added": added}, report)


def entry(
    seq: int, title: str = "", *, cause: str | None = None, epoch: str = "e", more: bool = False
) -> Envelope[Any]:
    return Envelope(
        "added",
        Added(title or f"t{seq}"),
        stream="todos",
        epoch=epoch,
        seq=seq,
        cause=cause,
        more=more,
    )


LIVE = Facts(Todos(), Position("e", 1), S.LIVE)
COMMAND = PendingCommand("c1", "add", Add("c1", "tea"))


def test_an_entry_that_names_its_command_ends_it_before_its_acknowledgement_is_there() -> None:
    it = rules()
    now = it.entry(it.sent(LIVE, COMMAND), entry(2, "tea", cause="c1"))
    assert (now.confirmed.titles, now.pending) == (("tea",), ())
    # Late, and about nothing any longer.
    assert it.acknowledged(now, "c1", {"todos": Position("e", 2)}) == now


def test_an_acknowledged_command_stays_until_its_position_is_reached() -> None:
    it = rules()
    now = it.acknowledged(it.sent(LIVE, COMMAND), "c1", {"todos": Position("e", 3)})
    now = it.entry(now, entry(2))
    assert [command.id for command in now.pending] == ["c1"]
    assert it.entry(now, entry(3, "tea")).pending == ()


def test_a_command_without_an_effect_here_ends_with_its_acknowledgement() -> None:
    it = rules()
    assert it.acknowledged(it.sent(LIVE, COMMAND), "c1", {}).pending == ()
    loading = attrs.evolve(it.sent(LIVE, COMMAND), status=S.RECOVERING)
    now = it.acknowledged(loading, "c1", {})
    assert [command.id for command in now.pending] == ["c1"]
    assert it.state(now, Position("e", 5), Todos(("x",))).pending == ()


def test_a_position_of_another_epoch_asks_for_the_state_that_decides() -> None:
    it = rules()
    now = it.acknowledged(it.sent(LIVE, COMMAND), "c1", {"todos": Position("f", 2)})
    assert (now.status, len(now.pending)) == (S.RECOVERING, 1)
    assert it.state(now, Position("f", 2), Todos(("tea",))).pending == ()
    assert it.state(now, Position("g", 0), Todos()).pending == ()
    ahead = it.state(now, Position("f", 1), Todos())
    assert len(ahead.pending) == 1
    assert it.entry(ahead, entry(2, "tea", epoch="f")).pending == ()


def test_entries_that_come_before_an_older_state_are_applied_to_it_once() -> None:
    it = rules()
    now = it.reloading(LIVE)
    for message in (entry(2), entry(3), entry(4, more=True), entry(4, "last")):
        now = it.entry(now, message)
    now = it.state(now, Position("e", 3), Todos(("state",)))
    assert now.confirmed.titles == ("state", "t4", "last")
    assert (now.position, now.status, now.kept) == (Position("e", 4), S.LIVE, ())


def test_a_state_that_is_older_than_a_live_replica_changes_nothing() -> None:
    it = rules()
    now = it.entry(LIVE, entry(2))
    assert it.state(now, Position("e", 1), Todos()) is now
    assert it.state(now, Position("e", 2), Todos(("same",))).confirmed.titles == ("same",)


@pytest.mark.parametrize("message", [entry(4), entry(2, epoch="f")], ids=["gap", "epoch"])
def test_a_gap_and_a_new_epoch_ask_for_the_state(message: Envelope[Any]) -> None:
    it = rules()
    now = it.entry(LIVE, message)
    assert (now.status, now.confirmed, now.kept) == (S.RECOVERING, Todos(), (message,))
    assert it.entry(LIVE, entry(1)) == LIVE


def test_a_reducer_that_raises_twice_breaks_the_replica_until_it_is_reloaded() -> None:
    problems: list[Exception] = []
    it = rules(problems)
    now = it.entry(LIVE, entry(2, "poison"))
    assert now.status is S.RECOVERING
    now = it.state(now, Position("e", 2), Todos(("fine",)))
    assert now.status is S.LIVE
    good = it.entry(now, entry(3))
    assert it.entry(good, entry(4, "poison")).status is S.RECOVERING
    broken = it.entry(now, entry(3, "poison"))
    assert broken.status is S.BROKEN
    assert it.state(broken, Position("e", 9), Todos()) is broken
    assert it.ready(broken, is_recovered=True) is broken
    assert it.state(it.reloading(broken), Position("e", 9), Todos()).status is S.LIVE
    assert [str(problem) for problem in problems] == ["poison"] * 3


# --- in a program -----------------------------------------------------------------------------------------------------


def make_server(log: MemoryLog) -> Server:
    server = Server(types(), log=log, may_subscribe=lambda _, channel: channel != "secret")
    server.state("todos", Todos(), {Added: added})

    @server.command(Add)
    def add(command: Add, context: Context) -> None:
        if command.title == "":
            raise Refused("empty", "a todo needs a title")
        context.publish("todos", Added(command.title))

    return server


@asynccontextmanager
async def serving(log: MemoryLog) -> AsyncIterator[Server]:
    server = make_server(log)
    async with server.serve("server", 80):
        yield server


def make(**options: Any) -> WebSocketService:
    simulation = Simulation.current()
    return WebSocketService(
        "ws://server/ws",
        registry=types(),
        domain=Domain("client"),
        proxy=None,
        rng=simulation.random,
        new_id=simulation.new_id,
        clock=simulation.wall_clock,
        **options,
    )


def replica(service: WebSocketService, **options: Any) -> Replica[Todos]:
    return service.replica("todos", Todos(), {Added: added}, optimistic={Add: shown}, **options)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@simulate
async def test_a_command_shows_at_once_and_a_refusal_takes_it_back_alone() -> None:
    async with serving(MemoryLog()) as server, make() as service:
        todos = replica(service)
        seen: list[tuple[str, ...]] = []
        todos.select(lambda now: now.titles).subscribe(seen.append)
        await todos.status.select().wait_for(lambda status: status is S.LIVE, 10)
        todos.send(Add("1", "tea"))
        bad = todos.send(Add("2", ""))
        assert todos.get().titles == ("tea", "")
        assert todos.confirmed.get().titles == ()
        assert [command.id for command in todos.pending.get()] == ["1", "2"]
        await until(lambda: not todos.pending.get())
        await server.publish("todos", Added("milk"))
        await until(lambda: len(todos.confirmed.get().titles) == 2)
        assert seen == [(), ("tea",), ("tea", ""), ("tea",), ("tea", "milk")]
        assert bad.reason is not None


@simulate
async def test_a_lost_connection_leaves_the_state_stale_and_comes_back_equal() -> None:
    log = MemoryLog()
    async with make() as service:
        todos = replica(service)
        states: list[S] = []
        todos.status.select().subscribe(states.append)
        async with serving(log) as server:
            await server.publish("todos", Added("tea"))
            await until(lambda: todos.status.get() is S.LIVE)
        await until(lambda: todos.status.get() is S.STALE)
        todos.send(Add("1", "milk"))
        assert todos.get().titles == ("tea", "milk")
        async with serving(log.node()):
            await until(lambda: todos.confirmed.get().titles == ("tea", "milk"))
            assert todos.pending.get() == ()
        assert states[:4] == [S.LOADING, S.LIVE, S.STALE, S.LIVE]


@simulate
async def test_a_stream_that_may_not_be_heard_is_refused() -> None:
    async with serving(MemoryLog()), make() as service:
        hidden = service.replica("secret", Todos(), {Added: added})
        await until(lambda: hidden.status.get() is S.REFUSED)


@simulate
async def test_reload_mends_a_broken_replica() -> None:
    log = MemoryLog()
    async with serving(log) as server, make() as service:
        calls: list[str] = []

        def fragile(state: Todos, entry: Added) -> Todos:
            calls.append(entry.title)
            if len(calls) < 3:
                raise ValueError(entry.title)
            return added(state, entry)

        todos = service.replica("todos", Todos(), {Added: fragile})
        await until(lambda: todos.status.get() is S.LIVE)
        await server.publish("todos", Added("a"))
        await until(lambda: len(todos.get().titles) == 1)
        await server.publish("todos", Added("b"))
        await until(lambda: todos.status.get() is S.BROKEN)
        todos.reload()
        await until(lambda: todos.get().titles == ("a", "b"))
        await server.publish("todos", Added("c"))
        await until(lambda: todos.get().titles == ("a", "b", "c"))


@simulate
async def test_a_closed_replica_follows_nothing_and_its_name_is_free() -> None:
    async with serving(MemoryLog()) as server, make() as service:
        first = replica(service)
        await until(lambda: first.status.get() is S.LIVE)
        first.close()
        second = replica(service)
        await until(lambda: second.status.get() is S.LIVE)
        await server.publish("todos", Added("tea"))
        await until(lambda: second.get().titles == ("tea",))
        assert first.get().titles == ()


def test_what_is_asked_wrongly_is_refused_with_advice() -> None:
    registry = types()
    service = WebSocketService("ws://server/ws", registry=registry, domain=Domain("d"))
    service.replica("todos", Todos(), {Added: added})
    with pytest.raises(UsageError, match="a replica of 'todos' already"):
        service.replica("todos", Todos(), {})
    with pytest.raises(UsageError, match="pattern"):
        service.replica("todos/*", Todos(), {})
    with pytest.raises(UsageError, match="at-least-once"):
        service.replica("other", Todos(), {}, optimistic={Added: lambda state, _: state})
