"""`Server` over real sockets: alone, in Starlette and in FastAPI, with our own client and with a raw one, on every log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from postgres_server import Postgres
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reactive_ws.engine import Domain
from reactive_ws.errors import ListenFailed, StateUnusable, UsageError
from reactive_ws.outbox import OutboxOptions
from reactive_ws.server import (
    Context,
    Log,
    MemoryLog,
    PostgresLog,
    Publisher,
    Refused,
    Request,
    Server,
    SessionSettings,
    SqliteLog,
)
from reactive_ws.service import WebSocketService
from reactive_ws.wire import Guarantee, JsonCodec, Registry, protocol_v1


class TodoAdd(msgspec.Struct, frozen=True):
    id: str
    title: str


class TodoAdded(msgspec.Struct, frozen=True):
    id: str
    title: str


class CountAsk(msgspec.Struct, frozen=True):
    number: int


class CountAnswer(msgspec.Struct, frozen=True):
    count: int


@attrs.frozen
class TodoList:
    titles: tuple[str, ...] = ()


def added(state: TodoList, message: TodoAdded) -> TodoList:
    return TodoList((*state.titles, message.title))


def types() -> Registry:
    registry = protocol_v1()
    registry.message("todo.add", guarantee=Guarantee.AT_LEAST_ONCE)(TodoAdd)
    registry.message("todo.added")(TodoAdded)
    return registry


def todo_server(log: Log | None = None, *, limit: int = 1000, **options: Any) -> Server:
    server = Server(types(), log=log, **options)
    todos = server.state("todos", TodoList(), {TodoAdded: added})

    @server.command(TodoAdd)
    def add(command: TodoAdd, context: Context) -> int:
        count = len(context.state(todos).titles)
        if count >= limit:
            raise Refused("full", f"there are {limit} already")
        context.publish("todos", TodoAdded(command.id, command.title))
        return count + 1

    server.todos = todos  # type: ignore[attr-defined]
    return server


@attrs.define
class Raw:
    """A client that sees every frame."""

    socket: ClientConnection
    seen: list[dict[str, Any]] = attrs.Factory(list)

    async def say(self, kind: str, payload: Any = None, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, "payload": payload or {}, **fields}))

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Returns the next frame of a type."""
        async with asyncio.timeout(60):
            while True:
                frame = json.loads(await self.socket.recv())
                self.seen.append(frame)
                if frame["type"] == kind:
                    count -= 1
                    if not count:
                        return frame


@contextlib.asynccontextmanager
async def raw(url: str, **options: Any) -> AsyncIterator[Raw]:
    async with connect(url, subprotocols=["reactive-ws.v1"], compression=None, **options) as socket:  # type: ignore[list-item]
        yield Raw(socket)


def run(body: Any) -> None:
    asyncio.run(asyncio.wait_for(body, 120))


LOGS = ["memory", "sqlite", "postgres"]


@pytest.fixture
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Log]:
    """Returns what makes another node of one log."""
    kind = request.param
    if kind == "memory":
        first = MemoryLog()
        return first.node
    if kind == "sqlite":
        return lambda: SqliteLog(tmp_path / "log.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    dsn = postgres.dsn()
    asyncio.run(PostgresLog(dsn).migrate())
    return lambda: PostgresLog(dsn)


@pytest.mark.parametrize("nodes", LOGS, indirect=True)
def test_two_nodes_number_together_answer_resends_and_agree(nodes: Callable[[], Log]) -> None:
    async def check() -> None:
        one, two = todo_server(nodes()), todo_server(nodes())
        async with one.serve(port=0) as first, two.serve(port=0) as second:
            async with raw(first) as a, raw(second) as b:
                for client in (a, b):
                    await client.say("hello", {"client": "c"})
                    await client.say("resume", {"subscriptions": ["todos"]})
                    await client.until("resumed")
                for number in range(10):
                    client = (a, b)[number % 2]
                    command = {"id": str(number), "title": f"t{number}"}
                    await client.say("todo.add", command, id=f"k{number}")
                    received = await client.until("message.received")
                    assert received["payload"]["reply"] == number + 1
                await b.say("todo.add", {"id": "0", "title": "t0"}, id="k0")
                again = await b.until("message.received")
                assert again["payload"]["positions"]["todos"]["seq"] == 1
                for client in (a, b):
                    seqs = [f["seq"] for f in client.seen if f["type"] == "todo.added"]
                    missing = 10 - len(seqs)
                    if missing:
                        await client.until("todo.added", missing)
                    seqs = [f["seq"] for f in client.seen if f["type"] == "todo.added"]
                    assert seqs == list(range(1, 11))
            titles = tuple(f"t{number}" for number in range(10))
            assert (await one.read(one.todos)).titles == titles  # type: ignore[attr-defined]
            assert (await two.read(two.todos)).titles == titles  # type: ignore[attr-defined]

    run(check())


@pytest.mark.parametrize("nodes", LOGS, indirect=True)
def test_decisions_on_two_nodes_at_one_moment_respect_the_limit(nodes: Callable[[], Log]) -> None:
    async def check() -> None:
        one, two = todo_server(nodes(), limit=5), todo_server(nodes(), limit=5)
        async with one.serve(port=0) as first, two.serve(port=0) as second:

            async def client(url: str, name: str) -> list[str]:
                async with raw(url) as me:
                    await me.say("hello", {"client": name})
                    for number in range(5):
                        command = {"id": f"{name}{number}", "title": name}
                        await me.say("todo.add", command, id=str(number))
                    answers: list[str] = []
                    while len(answers) < 5:
                        frame = json.loads(await me.socket.recv())
                        if frame["type"] in ("message.received", "error"):
                            answers.append(frame["payload"].get("code", "ok"))
                    return answers

            both = await asyncio.gather(client(first, "a"), client(second, "b"))
            assert sorted(both[0] + both[1]) == ["full"] * 5 + ["ok"] * 5
            assert len((await two.read(two.todos)).titles) == 5  # type: ignore[attr-defined]

    run(check())


@contextlib.asynccontextmanager
async def running(app: Any) -> AsyncIterator[str]:
    config = uvicorn.Config(
        app, port=0, log_level="error", ws="websockets-sansio", lifespan="off", access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)  # uvicorn gives no signal when it listens
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def in_starlette(server: Server) -> Any:
    return Starlette(routes=[Mount("/live", server)])


def in_fastapi(server: Server) -> Any:
    app = FastAPI()
    app.mount("/live", server)
    return app


def in_litestar(server: Server) -> Any:
    from litestar import Litestar, asgi

    @asgi("/live", is_mount=True, copy_scope=True)
    async def live(scope: Any, receive: Any, send: Any) -> None:
        await server(scope, receive, send)

    return Litestar([live])


def in_quart(server: Server) -> Any:
    from hypercorn.middleware import DispatcherMiddleware
    from quart import Quart

    return DispatcherMiddleware({"/live": server, "/": Quart("pages")})


def in_django(server: Server) -> Any:
    from django.conf import settings
    from django.core.asgi import get_asgi_application

    if not settings.configured:
        settings.configure(SECRET_KEY="x", ROOT_URLCONF="django.conf.urls", ALLOWED_HOSTS=["*"])
    pages = get_asgi_application()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        is_live = scope["type"] == "websocket" and scope["path"].startswith("/live")
        await (server if is_live else pages)(scope, receive, send)

    return application


@pytest.mark.parametrize("mount", [in_starlette, in_fastapi, in_litestar, in_quart, in_django])
def test_our_client_talks_to_a_server_that_is_mounted(mount: Callable[[Server], Any]) -> None:
    async def check() -> None:
        server = todo_server()
        async with running(mount(server)) as url:
            heard: list[TodoAdded] = []
            async with WebSocketService(
                f"{url}/live/ws", domain=Domain("client"), codec=JsonCodec(types())
            ) as service:
                is_heard = asyncio.Event()

                def hear(message: TodoAdded) -> None:
                    heard.append(message)
                    is_heard.set()

                service.on(TodoAdded, hear)
                with service.messages("todos", subscribe=True).subscribe(lambda _: None):
                    await until_heard(server, "todos")
                    await service.send(TodoAdd("1", "milk"))
                    await is_heard.wait()
            assert heard == [TodoAdded("1", "milk")]
            await server.stop()

    run(check())


def test_a_stream_that_begins_while_the_client_is_away_is_replayed_from_its_first_entry() -> None:
    async def check() -> None:
        server = todo_server()
        async with server.serve(port=0) as url:
            service = WebSocketService(url, registry=types(), domain=Domain("away"), proxy=None)
            heard: asyncio.Queue[Any] = asyncio.Queue()
            service.on(TodoAdded, lambda message: heard.put_nowait(message.title))
            service.messages("lists.*", subscribe=True).subscribe(lambda _: None)
            async with service:
                await service.wait_connected(20)
                await until_heard(server, "lists.old")
                await server.publish("lists.old", TodoAdded("1", "old"))
                assert await heard.get() == "old"
                await service.disconnect()
                await server.publish("lists.new", TodoAdded("2", "while away"))
                service.connect()
                assert await heard.get() == "while away"

    run(check())


def test_a_stream_of_which_nothing_was_heard_yet_goes_on_where_the_client_left_it() -> None:
    async def check() -> None:
        server = todo_server()
        async with server.serve(port=0) as url:
            await server.publish("todos", TodoAdded("1", "before the client came"))
            service = WebSocketService(url, registry=types(), domain=Domain("away"), proxy=None)
            heard: asyncio.Queue[Any] = asyncio.Queue()
            service.on(TodoAdded, lambda message: heard.put_nowait(message.title))
            service.messages("todos", subscribe=True).subscribe(lambda _: None)
            async with service:
                await service.wait_connected(20)
                await until_heard(server, "todos")
                await service.disconnect()
                await server.publish("todos", TodoAdded("2", "while away"))
                service.connect()
                assert await heard.get() == "while away"

    run(check())


def test_the_same_id_of_two_clients_is_two_commands_and_a_file_makes_one_client(
    tmp_path: Path,
) -> None:
    """Programs may take ids from a counter: the second client's "1" must not pass for a resend of the first one's."""
    registry = protocol_v1()
    registry.message("todo.add", guarantee=Guarantee.AT_LEAST_ONCE, identity=lambda it: it.id)(
        TodoAdd
    )

    async def send(url: str, title: str, path: Path | None = None) -> None:
        options: Any = {} if path is None else {"outbox": OutboxOptions(path=path)}
        domain = Domain(title)
        service = WebSocketService(url, registry=registry, domain=domain, proxy=None, **options)
        async with service:
            await service.send(TodoAdd("1", title))

    async def check() -> None:
        server = todo_server()
        async with server.serve(port=0) as url:
            await send(url, "of one client")
            await send(url, "of another")
            await send(url, "of a file", tmp_path / "outbox.db")
            await send(url, "of the same file", tmp_path / "outbox.db")
            state = await server.read(server.todos)  # type: ignore[attr-defined]
            assert state.titles == ("of one client", "of another", "of a file")

    run(check())


async def until_heard(server: Server, channel: str) -> None:
    """Waits until a client hears a channel."""
    async with asyncio.timeout(60):
        while server._node is None or not any(
            client.session.hears(channel) for client in server._node._clients
        ):
            await asyncio.sleep(0.01)  # the client does not show the answer to a subscription


def test_a_page_that_is_no_websocket_says_what_to_do() -> None:
    async def check() -> None:
        async with running(in_starlette(todo_server())) as url:
            host, port = url.removeprefix("ws://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET /live/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            assert b"426" in answer.splitlines()[0]
            assert b"speaks WebSocket" in answer
            writer.close()

    run(check())


def who(request: Request) -> str | None:
    return {"t-ada": "ada", "t-bob": "bob"}.get(request.token or "")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"additional_headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"origin": "https://elsewhere.example"}, 403),
    ],
)
def test_a_bad_token_and_a_foreign_origin_are_refused(options: Any, status: int) -> None:
    async def check() -> None:
        server = todo_server(authorize=who)
        async with server.serve(port=0) as url:
            with pytest.raises(InvalidStatus) as refused:
                async with raw(url, **options):
                    pass
            assert refused.value.response.status_code == status
        mounted = todo_server(authorize=who)
        async with running(in_starlette(mounted)) as url:
            with pytest.raises(InvalidStatus):
                async with raw(f"{url}/live/", **options):
                    pass
            await mounted.stop()

    run(check())


def test_rights_by_identity_with_a_token_in_the_query_or_in_a_message() -> None:
    async def check() -> None:
        server = todo_server(
            authorize=who,
            may_subscribe=lambda identity, channel: identity == "ada" or channel != "todos",
            may_send=lambda identity, _: identity == "ada",
        )
        async with server.serve(port=0) as url:
            async with raw(f"{url}?token=t-bob") as bob:
                await bob.say("resume", {"subscriptions": ["todos", "other"]})
                resumed = await bob.until("resumed")
                assert resumed["payload"]["refused"] == {"todos": {"code": "forbidden"}}
                await bob.say("todo.add", {"id": "1", "title": "x"}, id="1")
                assert (await bob.until("error"))["payload"]["code"] == "forbidden"
            async with raw(url) as ada:
                await ada.say("auth", {"token": "t-ada"})
                await ada.until("auth.ok")
                await ada.say("todo.add", {"id": "1", "title": "x"}, id="1")
                await ada.until("message.received")
            async with raw(url) as eve:
                await eve.say("auth", {"token": "t-eve"})
                with pytest.raises(ConnectionClosed):
                    await eve.until("auth.ok")
                assert eve.socket.close_code == 4401

    run(check())


def test_an_authorize_that_raises_lets_no_client_in(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request) -> str:
        raise RuntimeError("no database")

    async def check() -> None:
        async with todo_server(authorize=broken).serve(port=0) as url:
            with pytest.raises(InvalidStatus):
                async with raw(url, additional_headers={"Authorization": "Bearer secret"}):
                    pass
        assert "authorize failed" in caplog.text
        assert "secret" not in caplog.text

    run(check())


def test_an_identity_that_is_not_a_text_lets_no_client_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def check() -> None:
        async with todo_server(authorize=lambda _: True).serve(port=0) as url:
            with pytest.raises(InvalidStatus):
                async with raw(url, additional_headers={"Authorization": "Bearer secret"}):
                    pass
        assert "authorize returned bool; return the client's identity as a text" in caplog.text

    run(check())


@pytest.mark.parametrize(
    ("origins", "said"),
    [
        ("https://app.example.org", r"write origins=\['https://app.example.org'\]"),
        (["https://app.example.org/"], "is not an origin"),
        (["https://App.example.org"], "is not an origin"),
        (["app.example.org"], "is not an origin"),
        (["https://app.example.org/page"], "is not an origin"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_once(origins: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Server(protocol_v1(), origins=origins)


def test_a_handler_that_raises_hangs_or_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "websockets")

    async def check() -> None:
        server = Server(types(), handler_timeout=0.05)
        runs: list[str] = []

        @server.command(TodoAdd)
        async def add(command: TodoAdd, context: Context) -> None:
            runs.append(command.title)
            context.publish("todos", TodoAdded(command.id, command.title))
            if command.title == "raise" and runs.count("raise") < 3:
                raise KeyError(command.title)
            if command.title == "hang":
                await asyncio.Event().wait()

        async with server.serve(port=0) as url, raw(url) as client:
            pauses: list[float] = []
            for _ in range(2):
                await client.say("todo.add", {"id": "1", "title": "raise"}, id="1")
                error = (await client.until("error"))["payload"]
                assert (error["code"], error["retryable"]) == ("internal", True)
                pauses.append(error["after"])
            assert pauses == [1.0, 2.0]
            await client.say("todo.add", {"id": "1", "title": "raise"}, id="1")
            await client.until("message.received")
            await client.say("todo.add", {"id": "2", "title": "hang"}, id="2")
            assert (await client.until("error"))["payload"]["code"] == "internal"
            await client.say("todo.added", {"id": "2", "title": "x"}, id="3")
            assert (await client.until("error"))["payload"]["code"] == "unexpected_type"
            await client.say("todo.drop", {}, id="4")
            assert (await client.until("error"))["payload"]["code"] == "unknown_type"
            assert (await server.log.read("todos", None)).head.seq == 1

    run(check())


def test_functions_for_after_the_commit_run_once_and_only_then() -> None:
    async def check() -> None:
        server = Server(types())
        mails: list[str] = []

        @server.command(TodoAdd)
        def add(command: TodoAdd, context: Context) -> None:
            context.after_commit(lambda: mails.append(command.title))
            if command.title == "no":
                raise Refused("no", "not this one")

        async with server.serve(port=0) as url, raw(url) as client:
            for title in ("yes", "no"):
                for _ in range(2):
                    await client.say("todo.add", {"id": "1", "title": title}, id=title)
                    await client.until("message.received" if title == "yes" else "error")
            assert mails == ["yes"]

    run(check())


def test_publish_from_elsewhere_reaches_those_that_subscribed() -> None:
    async def check() -> None:
        server = todo_server()
        async with server.serve(port=0) as url, raw(url) as one, raw(url) as other:
            await one.say("subscribe", {"channel": "*"})
            await one.until("subscribed")
            await other.say("ping")
            position = await server.publish("todos", TodoAdded("9", "tea"), TodoAdded("8", "salt"))
            assert position.seq == 1
            first, second = await one.until("todo.added"), await one.until("todo.added")
            assert (first["more"], first["seq"], second["seq"]) == (True, 1, 1)
            assert "more" not in second
            assert (await other.until("pong"))["type"] == "pong"
            assert [frame["type"] for frame in other.seen] == ["hello", "pong"]
            with pytest.raises(UsageError, match="at least one message"):
                await server.publish("todos")

    run(check())


@pytest.mark.parametrize("nodes", LOGS, indirect=True)
def test_a_publisher_elsewhere_reaches_clients_and_a_name_counts_once(
    nodes: Callable[[], Log],
) -> None:
    async def check() -> None:
        server = todo_server(nodes())
        async with server.serve(port=0) as url, raw(url) as client:
            await client.say("subscribe", {"channel": "todos"})
            await client.until("subscribed")
            async with Publisher(types(), nodes()) as publisher:
                first = await publisher.publish("todos", TodoAdded("1", "a"), once="job")
                assert await publisher.publish("todos", TodoAdded("1", "a"), once="job") == first
                assert (await client.until("todo.added"))["seq"] == first.seq == 1
                with pytest.raises(UsageError, match="on another stream"):
                    await publisher.publish("other", TodoAdded("1", "a"), once="job")
                with pytest.raises(UsageError, match="at least one"):
                    await publisher.publish("todos")
            assert (await server.read(server.todos)).titles == ("a",)  # type: ignore[attr-defined]

    run(check())


@pytest.mark.parametrize("guarantee", [Guarantee.AT_LEAST_ONCE, Guarantee.AT_MOST_ONCE])
def test_a_request_gets_what_the_handler_returned(guarantee: Guarantee) -> None:
    registry = protocol_v1()
    registry.message("count.ask", guarantee=guarantee)(CountAsk)
    server = Server(registry)
    asked: list[int] = []

    @server.command(CountAsk)
    def ask(question: CountAsk, _: Context) -> CountAnswer | None:
        asked.append(question.number)
        return CountAnswer(question.number + 1) if question.number else None

    async def check() -> None:
        async with server.serve(port=0) as url:
            domain = Domain("asks")
            async with WebSocketService(
                url, registry=registry, domain=domain, proxy=None
            ) as service:
                service.send(CountAsk(0))  # the handler has no reply to it
                answers = [
                    await service.request(CountAsk(number), reply=CountAnswer, timeout=30)
                    for number in (1, 2)
                ]
            assert answers == [CountAnswer(2), CountAnswer(3)]
            assert asked == [0, 1, 2]

    asyncio.run(check())


def test_a_client_gets_the_state_and_then_what_follows() -> None:
    async def check() -> None:
        server = todo_server()
        async with server.serve(port=0) as url, raw(url) as client:
            await server.publish("todos", TodoAdded("1", "a"))
            await client.say("hello", {"client": "c"})
            await client.say("resume", {"subscriptions": ["todos"], "state": ["todos"]})
            snapshot = await client.until("snapshot")
            assert snapshot["payload"]["state"] == {"titles": ["a"]}
            assert snapshot["payload"]["seq"] == 1
            await server.publish("todos", TodoAdded("2", "b"))
            assert (await client.until("todo.added"))["seq"] == 2

    run(check())


def test_a_state_survives_in_checkpoints_and_a_new_version_needs_migrate(tmp_path: Path) -> None:
    async def check() -> None:
        path = tmp_path / "log.db"
        server = todo_server(SqliteLog(path))
        for number in range(130):
            await server.publish("todos", TodoAdded(str(number), "x"))
        found = await server.log.checkpoint("todos")
        assert found is not None
        assert found.position.seq == 101
        await server.stop()
        same = todo_server(SqliteLog(path))
        assert len((await same.read(same.todos)).titles) == 130  # type: ignore[attr-defined]
        await same.stop()
        newer = Server(types(), log=SqliteLog(path))
        todos = newer.state("todos", TodoList(), {TodoAdded: added}, version=2)
        with pytest.raises(StateUnusable, match="give `migrate` to server"):
            await newer.read(todos)
        await newer.stop()
        migrated = Server(types(), log=SqliteLog(path))
        todos = migrated.state(
            "todos",
            TodoList(),
            {TodoAdded: added},
            version=2,
            migrate=lambda *_: TodoList(("old",)),
        )
        assert len((await migrated.read(todos)).titles) == 30
        await migrated.stop()

    run(check())


def test_a_server_that_ends_says_goaway_and_closes_with_1012() -> None:
    async def check() -> None:
        server = todo_server(leave_after=0.1)
        async with server.serve(port=0) as url, raw(url) as client:
            await client.until("hello")
            stopping = asyncio.create_task(server.stop())
            assert (await client.until("goaway"))["payload"] == {"after": 0.1}
            with pytest.raises(ConnectionClosed):
                await client.until("nothing")
            assert client.socket.close_code == 1012
            await stopping

    run(check())


def test_a_client_that_reads_nothing_costs_no_memory_and_delays_no_other() -> None:
    async def check() -> None:
        server = todo_server()
        async with server.serve(port=0) as url, raw(url) as quick, raw(url) as slow:
            for client in (quick, slow):
                await client.say("subscribe", {"channel": "todos"})
                await client.until("subscribed")
            slow.socket.transport.pause_reading()
            title = "x" * 20_000
            for number in range(300):
                await server.publish("todos", TodoAdded(str(number), title))
            await quick.until("todo.added", 300)
            assert server._node is not None
            waiting = max(client.outgoing.size for client in server._node._clients)
            assert waiting < 1_000_000
            slow.socket.transport.resume_reading()
            await slow.until("todo.added", 300)
            assert [f["seq"] for f in slow.seen if f["type"] == "todo.added"] == list(range(1, 301))

    run(check())


def test_a_port_that_is_taken_says_so() -> None:
    async def check() -> None:
        async with todo_server().serve(port=0) as url:
            with pytest.raises(ListenFailed, match="choose another port"):
                async with todo_server().serve(port=int(url.rsplit(":")[-1].strip("/"))):
                    pass

    run(check())


def test_declarations_that_cannot_work_are_refused() -> None:
    server = todo_server()
    with pytest.raises(UsageError, match="has a handler already"):
        server.command(TodoAdd)(lambda command, context: None)
    with pytest.raises(UsageError, match="has a state already"):
        server.state("todos", TodoList(), {})
    with pytest.raises(UsageError, match="1 to 200 bytes"):
        server.state("", TodoList(), {})

    class Opaque:
        pass

    with pytest.raises(UsageError, match="cannot be written as JSON"):
        server.state("other", Opaque(), {})


def test_a_limit_in_the_settings_closes_a_frame_that_is_too_large() -> None:
    async def check() -> None:
        server = todo_server(settings=SessionSettings(max_size=2000))
        async with server.serve(port=0) as url, raw(url) as client:
            assert (await client.until("hello"))["payload"]["maxSize"] == 2000
            await client.say("todo.add", {"id": "1", "title": "x" * 3000}, id="1")
            with pytest.raises(ConnectionClosed):
                await client.until("nothing")
            assert client.socket.close_code == 1009

    run(check())


def test_a_deadline_that_is_over_at_once_does_no_harm_on_uvloop() -> None:
    """A handle of uvloop has no time when its time is over; that ended connections under uvicorn."""
    import uvloop

    async def check() -> None:
        server = Server(types(), settings=SessionSettings(channels=("todos",), first_word=0.0))
        async with server.serve(port=0) as url, raw(url) as me:
            for name in "ab":
                await server.publish("todos", TodoAdded(name, name))
            heard = [json.loads(await asyncio.wait_for(me.socket.recv(), 10)) for _ in range(3)]
            assert [frame["type"] for frame in heard] == ["hello", "todo.added", "todo.added"]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(check())
