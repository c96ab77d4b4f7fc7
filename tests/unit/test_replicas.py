"""Replicas: their rules one by one, and what a program sees of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import pytest
from todo_types import Add, Added, Todos, types

from reactive_ws import Header, WebSocketService
from reactive_ws.dialects.v1 import V1Session
from reactive_ws.engine import Commit, Domain, batch
from reactive_ws.errors import DuplicateId, RequestFailed, StateTooBig, UsageError
from reactive_ws.replicas import PendingCommand, Replica, Replicas, ReplicaStatus, facts
from reactive_ws.replicas.facts import Facts, Rules
from reactive_ws.server import Context, MemoryLog, Refused, Server
from reactive_ws.testing import Latency, Simulation, World, simulate
from reactive_ws.wire import Envelope, Position, Snapshot

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
    return Rules("todos", {"added": added}, report, lambda message: len(message.payload.title))


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


def test_more_entries_than_are_kept_make_the_state_on_its_way_useless() -> None:
    it = Rules[Todos]("todos", {"added": added}, print, lambda _: 2**20)
    now = it.reloading(LIVE)
    for seq in range(2, 6):
        now = it.entry(now, entry(seq))
    assert (len(now.kept), now.is_flooded) == (4, False)
    now = it.entry(it.entry(now, entry(6)), entry(7))
    assert (now.kept, now.kept_size, now.is_flooded) == ((), 0, True)
    # It lacks entry 7, and would show the effect of an acknowledged command twice.
    assert it.state(now, Position("e", 6), Todos(("old",))) is now
    again = it.state(it.reloading(now), Position("e", 7), Todos(("new",)))
    assert (again.confirmed.titles, again.status) == (("new",), S.LIVE)


@pytest.mark.parametrize("status", [S.REFUSED, S.BROKEN])
def test_without_a_state_on_its_way_entries_are_not_kept_and_effects_elsewhere_end(
    status: S,
) -> None:
    it = rules()
    out = attrs.evolve(it.sent(LIVE, COMMAND), status=status)
    assert it.entry(out, entry(2)) is out
    assert it.acknowledged(out, "c1", {}).pending == ()
    # Its effect is in this stream, and the state that is shown does not have it.
    assert len(it.acknowledged(out, "c1", {"todos": Position("e", 2)}).pending) == 1


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
async def test_a_command_that_is_sent_in_a_batch_may_be_answered_before_the_batch_ends() -> None:
    async with serving(MemoryLog()), make() as service:
        todos = replica(service)
        await todos.status.select().wait_for(lambda status: status is S.LIVE, 10)
        with batch():
            good, bad = todos.send(Add("1", "tea")), todos.send(Add("2", ""))
            assert todos.get().titles == ("tea", "")
            await good
            with pytest.raises(RequestFailed):
                await bad
        assert (todos.get().titles, todos.pending.get()) == (("tea",), ())

        def again(_: object) -> None:
            # In the batch of the service's own burst the effect belongs to it.
            todos.send(Add("3", "milk"))
            assert todos.get().titles == ("tea", "milk")

        service.on(Added, again)
        with pytest.raises(KeyError), batch():
            todos.send(Add("4", "rice"))
            raise KeyError
        await until(lambda: len(todos.confirmed.get().titles) >= 2 and not todos.pending.get())


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


@simulate
async def test_handlers_get_the_entries_that_a_state_for_the_replica_has_already() -> None:
    async with serving(MemoryLog()) as server, make() as service:
        heard: list[str] = []
        service.on(Added, lambda message: heard.append(message.title))
        todos = replica(service)
        await until(lambda: todos.status.get() is S.LIVE)
        network = Simulation.current().network
        for number in range(20):
            # The state of this moment is written while these entries are under way.
            todos.reload()
            for part in range(3):
                await server.publish("todos", Added(f"{number}.{part}"))
            network.apply(Latency(0.001, 0.02))
            await asyncio.sleep(0.01)
        await until(lambda: todos.status.get() is S.LIVE and len(todos.get().titles) == 60)
        await until(lambda: len(heard) == 60)
        assert tuple(heard) == todos.get().titles


@simulate
async def test_the_position_changes_in_the_commit_of_its_effects() -> None:
    async with serving(MemoryLog()) as server, make() as service:
        todos = replica(service)
        await until(lambda: todos.status.get() is S.LIVE)
        seen: list[tuple[int, int, int]] = []

        def look(commit: Commit) -> None:
            at, known = todos.position, service.positions.get()["todos"]
            seen.append((len(todos.get().titles), 0 if at is None else at.seq, known.seq))

        service.domain.on_commit(look)
        for number in range(5):
            await server.publish("todos", Added(str(number)))
        await until(lambda: len(todos.get().titles) == 5)
        assert all(titles == at == known for titles, at, known in seen)
        assert seen[-1] == (5, 5, 5)


@simulate
async def test_a_state_that_is_too_large_is_an_error_and_is_not_asked_for_again() -> None:
    async with serving(MemoryLog()) as server, make() as service:
        for _ in range(50):
            await server.publish("todos", Added("x" * 100))
        problems: list[Exception] = []
        service.errors.subscribe(lambda event: problems.append(event.exception))
        todos = replica(service, max_state_size=1000)
        await until(lambda: todos.status.get() is S.BROKEN)
        service.reconnect()
        await asyncio.sleep(60)
        assert todos.status.get() is S.BROKEN
        sizes = [(it.stream, it.limit) for it in problems if isinstance(it, StateTooBig)]
        assert sizes == [("todos", 1000)]
        assert "max_state_size=" in str(problems[0])


@simulate
async def test_a_flood_during_the_load_is_survived_with_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts, "_MAX_KEPT_SIZE", 1500)
    async with serving(MemoryLog()) as server, make() as service:
        await server.publish("todos", Added("first"))
        todos = replica(service)
        asked: list[float] = []
        loop = asyncio.get_running_loop()
        session = V1Session.sync

        def counted(self: Any, *arguments: Any, **options: Any) -> Any:
            asked.append(loop.time())
            return session(self, *arguments, **options)

        monkeypatch.setattr(V1Session, "sync", counted)
        Simulation.current().network.apply(Latency(0.5))
        for number in range(200):
            await server.publish("todos", Added(f"{number}" + "x" * 100))
            await asyncio.sleep(0.05)
        await until(lambda: todos.status.get() is S.LIVE and len(todos.get().titles) == 201)
        gaps = [round(after - before, 1) for before, after in itertools.pairwise(asked)]
        assert 2 <= len(asked) <= 8
        assert min(gaps) >= 2.0, gaps  # one round trip and the pause
        assert gaps[1] > gaps[0]


@simulate
async def test_a_replica_that_is_made_late_is_live_also_when_its_channel_was_subscribed() -> None:
    async with serving(MemoryLog()) as server, make() as service:
        await server.publish("todos", Added("tea"))
        service.messages("todos", subscribe=True).subscribe(print)
        await asyncio.sleep(1)
        todos = replica(service)
        await until(lambda: todos.status.get() is S.LIVE)
        assert todos.get().titles == ("tea",)


@simulate
async def test_a_refusal_is_an_error_event_with_the_command() -> None:
    async with serving(MemoryLog()), make() as service:
        problems: list[Exception] = []
        service.errors.subscribe(lambda event: problems.append(event.exception))
        delivery = replica(service).send(Add("1", ""))
        await until(lambda: bool(problems))
        (problem,) = problems
        assert isinstance(problem, RequestFailed)
        assert problem.payload == Add("1", "")
        assert "Add(" not in repr(problem) + str(problem)
        assert delivery.failure is problem


@simulate
async def test_a_refused_replica_is_asked_for_again_with_a_new_token() -> None:
    tokens = iter(["guest", "guest", "member"])
    server = Server(
        types(),
        authorize=lambda request: request.token,
        may_subscribe=lambda identity, _: identity == "member",
    )
    server.state("todos", Todos(), {Added: added})
    auth = Header(lambda: next(tokens))
    async with server.serve("server", 80), make(auth=auth) as service:
        await server.publish("todos", Added("tea"))
        todos = replica(service)
        await until(lambda: todos.status.get() is S.REFUSED)
        service.reconnect()
        await asyncio.sleep(30)
        assert todos.status.get() is S.REFUSED
        service.reconnect()
        await until(lambda: todos.status.get() is S.LIVE)
        assert todos.get().titles == ("tea",)


@simulate
async def test_a_reload_before_the_service_runs_is_sent_when_it_is_connected() -> None:
    async with serving(MemoryLog()) as server:
        await server.publish("todos", Added("tea"))
        service = make()
        todos = replica(service)
        todos.reload()
        states: list[object] = []
        service.on("snapshot", states.append)
        async with service:
            await until(lambda: todos.status.get() is S.LIVE)
            assert todos.get().titles == ("tea",)
            await asyncio.sleep(5)
            assert len(states) == 1


def test_a_command_with_the_id_of_a_pending_one_is_refused_and_leaves_that_one() -> None:
    service = WebSocketService("ws://server/ws", registry=types(), domain=Domain("d"))
    todos = replica(service)
    todos.send(Add("1", "tea"))
    with pytest.raises(DuplicateId):
        todos.send(Add("1", "tea"))
    assert (todos.get().titles, len(todos.pending.get())) == (("tea",), 1)


# --- patterns ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving_lists() -> AsyncIterator[Server]:
    server = Server(types())
    server.state("lists/*", Todos(), {Added: added})

    @server.command(Add)
    async def add(command: Add, context: Context) -> None:
        await asyncio.sleep(20.0 if command.title == "slow" else 0.0)
        context.publish(context.channel or "", Added(command.title))

    async with server.serve("server", 80):
        yield server


def lists(service: WebSocketService, **options: Any) -> Replicas[Todos]:
    return service.replicas("lists/*", Todos(), {Added: added}, optimistic={Add: shown}, **options)


@simulate
async def test_each_stream_of_a_pattern_has_a_replica_while_something_needs_it() -> None:
    async with serving_lists() as server, make() as service:
        await server.publish("lists/home", Added("tea"))
        await server.publish("lists/work", Added("mail"))
        family = lists(service, linger=5.0)
        home = family["lists/home"]
        assert family["lists/home"] is home
        await until(lambda: home.get().titles == ("tea",))
        assert family.following == ("lists/home",)
        looking = home.select().subscribe(print)
        await asyncio.sleep(30)
        assert family.following == ("lists/home",)
        looking.dispose()
        await asyncio.sleep(4)
        assert (family.following, home.status.get()) == (("lists/home",), S.LIVE)
        await asyncio.sleep(2)
        assert (family.following, home.status.get()) == ((), S.STALE)
        assert "lists/home" not in service.positions.get()
        # Nothing of the stream reaches this client now.
        await server.publish("lists/home", Added("milk"))
        await asyncio.sleep(1)
        assert home.get().titles == ("tea",)
        with home.status.select().subscribe(print):
            await until(lambda: home.get().titles == ("tea", "milk"))
            assert home.status.get() is S.LIVE
        # An observer of a part is one, too.
        assert family["lists/work"] is not home
        await until(lambda: family["lists/work"].get().titles == ("mail",))


@simulate
async def test_a_replica_of_a_pattern_with_a_pending_command_is_not_let_go() -> None:
    async with serving_lists(), make() as service:
        family = lists(service, linger=2.0)
        home = family["lists/home"]
        await until(lambda: home.status.get() is S.LIVE)
        await asyncio.sleep(10)
        assert family.following == ()
        home.send(Add("1", "slow"))
        assert home.get().titles == ("slow",)
        await asyncio.sleep(15)
        assert (family.following, len(home.pending.get())) == (("lists/home",), 1)
        await until(lambda: not home.pending.get())
        assert home.confirmed.get().titles == ("slow",)
        await asyncio.sleep(3)
        assert family.following == ()


@simulate
async def test_a_reload_of_a_replica_that_was_let_go_follows_it_again() -> None:
    async with serving_lists() as server, make() as service:
        home = lists(service, linger=2.0)["lists/home"]
        await asyncio.sleep(10)
        assert not home.is_followed
        await server.publish("lists/home", Added("tea"))
        home.reload()
        await until(lambda: home.get().titles == ("tea",))
        assert home.status.get() is S.LIVE


@simulate
async def test_a_replica_of_a_pattern_that_nothing_holds_is_gone() -> None:
    async with serving_lists(), make() as service:
        family = lists(service, linger=2.0)
        gone = weakref.ref(family["lists/home"])
        await asyncio.sleep(1)
        assert gone() is not None
        await asyncio.sleep(10)
        gc.collect()
        assert gone() is None
        family["lists/home"].close()
        await asyncio.sleep(1)
        assert family.following == ()
        again = family["lists/home"]
        await until(lambda: again.status.get() is S.LIVE)
        family.close()
        await asyncio.sleep(1)
        assert family.following == ()


def test_what_is_asked_wrongly_of_a_pattern_is_refused_with_advice() -> None:
    service = WebSocketService("ws://server/ws", registry=types(), domain=Domain("d"))
    family = lists(service)
    for name in ("other/home", "lists/*", "*"):
        with pytest.raises(UsageError, match="does not match the pattern"):
            family[name]
    with pytest.raises(UsageError, match="not a pattern"):
        service.replicas("lists", Todos(), {})
    with pytest.raises(UsageError, match="linger="):
        service.replicas("lists/*", Todos(), {}, linger=-1.0)
    with pytest.raises(UsageError, match="max_state_size="):
        service.replica("todos", Todos(), {}, max_state_size=0)
    kept = family["lists/home"]
    with pytest.raises(UsageError, match="a replica of 'lists/home' already"):
        service.replica("lists/home", Todos(), {})
    assert repr(family) == "<Replicas of 'lists/*'>"
    del kept


# --- parts of a stream, and messages without positions ----------------------------------------------------------------


def count(state: int, _entry: Added) -> int:
    return state + 1


def longest(state: str, entry: Added) -> str:
    return max(state, entry.title, key=len)


@simulate
async def test_several_replicas_of_one_stream_have_a_part_of_it_each() -> None:
    log = MemoryLog()
    async with make() as service:
        todos = replica(service)
        number = service.replica(
            "todos", 0, {"added": count}, snapshot=lambda now: len(now["titles"]), part="number"
        )
        text = service.replica(
            "todos", "", {Added: longest}, snapshot=lambda _: msgspec.UNSET, part="longest"
        )
        with pytest.raises(UsageError, match="give part= a name of its own"):
            service.replica("todos", 0, {Added: count}, part="number")
        seen: list[tuple[int, int, str]] = []
        service.domain.on_commit(
            lambda _: seen.append((len(todos.get().titles), number.get(), text.get()))
        )
        async with serving(log) as server:
            await server.publish("todos", Added("milk"))
            await until(lambda: number.status.get() is text.status.get() is S.LIVE)
            await server.publish("todos", Added("ham"), Added("butter"))
            await until(lambda: len(todos.get().titles) == 3)
            # This state says nothing about the longest text, so that what was there stays.
            assert (todos.get().titles[1:], number.get(), text.get()) == (
                ("ham", "butter"),
                3,
                "butter",
            )
            number.close()
            await server.publish("todos", Added("tea"))
            await until(lambda: len(todos.get().titles) == 4)
            assert number.get() == 3
        assert {(titles, many) for titles, many, _ in seen} == {(0, 0), (1, 1), (3, 3), (4, 3)}


@simulate
async def test_a_server_without_positions_fills_a_replica_that_takes_such_messages() -> None:
    async with World() as world:
        server = await world.server(is_plain=True, registry=types())
        service = world.service(registry=types(), domain=Domain("client"))
        problems: list[str] = []
        service.errors.subscribe(lambda event: problems.append(str(event.exception)))

        def once(state: Todos, entry: Added | Add) -> Todos:
            return state if entry.title in state.titles else added(state, Added(entry.title))

        todos = service.replica(
            "todos", Todos(), {Added: once}, optimistic={Add: once}, takes_unnumbered=True
        )
        await service.connect()
        await service.wait_connected()
        server.send(Added("tea"))
        await world.settle()
        assert todos.get().titles == ("tea",)
        delivery = todos.send(Add("1", "milk"))
        await world.settle()
        # Nothing will say that the server has it. It stays, and waits for nothing.
        assert (todos.get().titles, todos.confirmed.get().titles) == (("tea", "milk"),) * 2
        assert todos.pending.get() == ()
        assert delivery.is_final
        server.send(Added("milk"))
        server.send(Added("ham"))
        await world.settle()
        assert todos.get().titles == ("tea", "milk", "ham")
        assert [it for it in problems if "states" in it] == []
        await service.disconnect()


@simulate
async def test_a_state_that_stays_behind_is_asked_for_with_pauses() -> None:
    async with World() as world:
        server = await world.server(registry=types())
        service = world.service(registry=types(), domain=Domain("client"))
        todos = replica(service)
        await service.connect()
        await service.wait_connected()
        await world.settle()
        asked = len([it for it in server.received if it.type == "sync"])

        # A server that reads a late copy of its database: the entry that it sent is not in its state, and one before it is missing.
        def late(_: Envelope[Any]) -> list[Envelope[Any]]:
            return [Envelope("snapshot", Snapshot("todos", "epoch-1", 0))]

        server.answer("sync", late)
        server.streams.add("todos", Envelope("added", Added("lost")))
        server.publish(Added("seen"), "todos")
        await world.advance(60)
        syncs = len([it for it in server.received if it.type == "sync"]) - asked
        assert 3 <= syncs <= 10
        assert todos.status.get() is S.RECOVERING
        await service.disconnect()


def test_a_state_from_before_the_entries_that_were_applied_is_not_taken() -> None:
    it = rules()
    now = it.reloading(it.entry(LIVE, entry(2)))
    assert it.state(now, Position("e", 1), Todos(("state",))) is now
    later = it.state(it.entry(now, entry(3)), Position("e", 2), Todos(("state",)))
    assert later.confirmed.titles == ("state", "t3")


def test_a_command_that_is_acknowledged_before_the_subscription_waits_for_a_later_state() -> None:
    it = rules()
    sent = it.sent(LIVE, PendingCommand("c", "todo.add", None))
    now = it.acknowledged(sent, "c", {}, is_heard=False)
    assert [one.id for one in now.pending] == ["c"]
    # It stays through entries of other commands, and through a connection that goes on after the position.
    assert it.entry(now, entry(2)).pending == now.pending
    again = it.ready(it.lost(now), is_recovered=True)
    assert (again.status, [one.id for one in again.pending]) == (S.RECOVERING, ["c"])
    assert it.state(again, Position("e", 2), Todos()).pending == ()
    # A position in the stream, or its entry, says where the effect is.
    known = it.acknowledged(sent, "c", {"todos": Position("e", 1)}, is_heard=False)
    assert known.pending == ()
    assert it.entry(now, entry(2, cause="c")).pending == ()


def test_an_answered_subscription_says_that_the_state_on_its_way_has_the_effect() -> None:
    it = rules()
    sent = it.sent(it.reloading(LIVE), PendingCommand("c", "todo.add", None))
    now = it.acknowledged(sent, "c", {}, is_heard=False)
    assert [one.id for one in it.state(now, Position("e", 2), Todos()).pending] == ["c"]
    assert it.state(it.heard(now), Position("e", 2), Todos()).pending == ()
