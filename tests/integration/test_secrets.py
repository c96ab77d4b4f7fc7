"""A token is never shown, whichever way it travels and however the connection fails.

The places are logs on DEBUG, exceptions, tracebacks with locals, reprs, task names, metrics, stores and files.

The client cannot control two places, and this file does not check them. One is the text of a server's `error` message,
which is for the application. The other is the logs that servers and proxies write (see `Query`).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http
import json
import logging
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from integration.peers.foreign import free_port, part
from integration.scripted_server import ScriptedServer, until
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode

from reactive_ws.connection.backoff import Backoff
from reactive_ws.connection.close_policy import ClosePolicy
from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.record import ConnectionState, ErrorEvent
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import BadAddress, ReactiveWSError, Unauthorized
from reactive_ws.middleware import logger as log_commits
from reactive_ws.middleware import persist
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat
from reactive_ws.transport.credentials.authentication import (
    AuthMethod,
    FirstMessage,
    Header,
    Query,
    Subprotocol,
)
from reactive_ws.wire.control import Position

SECRET = 's3cr3t/+"é ~value'
CORE = "s3cr3t"
MODES: list[Callable[[Any], AuthMethod]] = [Header, Query, Subprotocol, FirstMessage]


def forms(secret: str) -> set[str]:
    """Every spelling that a token may have on its way."""
    raw = secret.encode()
    coded = {
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        base64.b64encode(f"user:{secret}".encode()).decode(),
    }
    return {
        secret,
        CORE,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        raw.hex(),
        *coded,
        *(text.rstrip("=") for text in coded),
    }


FORMS = forms(SECRET)


def text_of(error: BaseException | None) -> str:
    """Returns everything that a program could print of an exception: chain, attributes, the locals of all frames."""
    parts: list[str] = []
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        waiting += [error.__cause__, error.__context__]
        parts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            # Not the test's own frames, and not the bytes on sockets: the server's half is in this process too.
            if not frame.f_code.co_filename.endswith((__file__, "asyncio/selector_events.py")):
                parts += [f"{name} = {value!r}" for name, value in frame.f_locals.items()]
    return "\n".join(parts)


class Ears(logging.Handler):
    """Keeps every record as text, with all that a formatter could show."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        shown = [record.name, record.getMessage(), repr(record.args), record.threadName or ""]
        shown.append(str(getattr(record, "taskName", "")))
        if record.exc_info:
            shown.append(text_of(record.exc_info[1]))
        self.lines.append(" | ".join(shown))


@pytest.fixture
def ears() -> Iterator[Ears]:
    """Listens to all loggers, on DEBUG."""
    listening = Ears()
    root = logging.getLogger()
    names = ("", "asyncio", "websockets", "websockets.client", "reactive_ws")
    levels = {name: logging.getLogger(name).level for name in names}
    root.addHandler(listening)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield listening
    root.removeHandler(listening)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


# --- what can go wrong ------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def answering(
    process: Callable[[ServerConnection, Any], Any] | None = None,
    handle: Callable[[ServerConnection], Any] | None = None,
    **options: Any,
) -> AsyncIterator[str]:
    async def nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    quiet = logging.getLogger("test.server")
    quiet.propagate = False
    quiet.disabled = True
    async with serve(
        handle or nothing,
        "127.0.0.1",
        0,
        process_request=process,
        select_subprotocol=lambda _, offers: next(iter(offers), None),
        ping_interval=None,
        close_timeout=0.1,
        logger=quiet,
        **options,
    ) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/ws"


@contextlib.asynccontextmanager
async def refused(_: dict[str, Any]) -> AsyncIterator[str]:
    yield f"ws://127.0.0.1:{free_port()}/ws"


def with_status(status: int) -> Callable[[dict[str, Any]], Any]:
    @contextlib.asynccontextmanager
    async def refusing(_: dict[str, Any]) -> AsyncIterator[str]:
        def process(socket: ServerConnection, request: Any) -> Any:
            response = socket.respond(http.HTTPStatus(status), f"no, {SECRET.encode()!r}\n")
            # Some servers send back what they were sent.
            for name in ("Authorization", "Sec-WebSocket-Protocol"):
                if name in request.headers:
                    response.headers[f"X-{name}"] = request.headers[name]
            response.headers["X-Path"] = request.path
            return response

        async with answering(process) as url:
            yield url

    refusing.__name__ = f"http_{status}"
    return refusing


@contextlib.asynccontextmanager
async def bad_handshake(_: dict[str, Any]) -> AsyncIterator[str]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not HTTP, and it repeats what it heard.
        writer.write(b"what? " + await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    server.close()


@contextlib.asynccontextmanager
async def foreign_upgrade(_: dict[str, Any]) -> AsyncIterator[str]:
    async def wrong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.split(b"\r\n")[0]
        fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n"
        protocol = b"Sec-WebSocket-Protocol: " + SECRET.encode().hex().encode() + b"\r\n"
        writer.write(
            b"HTTP/1.1 101 Switching\r\n" + fields + protocol + b"X: " + line + b"\r\n\r\n"
        )
        writer.close()

    server = await asyncio.start_server(wrong, "127.0.0.1", 0)
    yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
    server.close()


def redirected_to(location: str) -> Callable[[dict[str, Any]], Any]:
    @contextlib.asynccontextmanager
    async def redirecting(_: dict[str, Any]) -> AsyncIterator[str]:
        def process(socket: ServerConnection, request: Any) -> Any:
            response = socket.respond(http.HTTPStatus.TEMPORARY_REDIRECT, "")
            query = request.path.partition("?")[2] or f"token={quote(SECRET, safe='')}"
            response.headers["Location"] = location.format(query=query, port=free_port())
            return response

        async with answering(process) as url:
            yield url

    redirecting.__name__ = f"redirect_to_{location.partition(':')[0]}"
    return redirecting


@contextlib.asynccontextmanager
async def proxy_refuses(options: dict[str, Any]) -> AsyncIterator[str]:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 No\r\nX-Heard: " + head.split(b"\r\n")[0] + b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options["proxy"] = f"http://user:{quote(SECRET, safe='')}@127.0.0.1:{port}"
    yield "ws://example.invalid/ws"
    server.close()


@contextlib.asynccontextmanager
async def proxy_is_none(options: dict[str, Any]) -> AsyncIterator[str]:
    options["proxy"] = f"ftp://user:{quote(SECRET, safe='')}@127.0.0.1:1"
    yield "ws://example.invalid/ws"


@contextlib.asynccontextmanager
async def bad_certificate(_: dict[str, Any]) -> AsyncIterator[str]:
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    part("trustme").CA().issue_cert("localhost").configure_cert(context)
    async with answering(ssl=context) as url:
        yield url.replace("ws://127.0.0.1", "wss://localhost")


def closing_with(code: int, reason: str) -> Callable[[dict[str, Any]], Any]:
    @contextlib.asynccontextmanager
    async def closing(_: dict[str, Any]) -> AsyncIterator[str]:
        async def handle(socket: ServerConnection) -> None:
            await socket.close(code, reason)

        async with answering(handle=handle) as url:
            yield url

    closing.__name__ = f"close_{code}"
    return closing


# A server that says nothing is given up soon.
IMPATIENT = {"dial_timeout": 0.2, "heartbeat": Heartbeat(interval=0.05, timeout=0.05)}


def answer_no_pings(socket: ServerConnection) -> None:
    """A server that answers pings and speaks no v1 is spoken to in plain mode, and nothing fails."""
    protocol: Any = socket.protocol
    send_frame = protocol.send_frame
    protocol.send_frame = lambda frame: frame.opcode is Opcode.PONG or send_frame(frame)


@contextlib.asynccontextmanager
async def silent(options: dict[str, Any]) -> AsyncIterator[str]:
    options.update(IMPATIENT)

    async def handle(socket: ServerConnection) -> None:
        answer_no_pings(socket)
        await socket.wait_closed()

    async with answering(handle=handle) as url:
        yield url


@contextlib.asynccontextmanager
async def garbage(options: dict[str, Any]) -> AsyncIterator[str]:
    options.update(IMPATIENT)

    async def handle(socket: ServerConnection) -> None:
        await socket.send('{"type": "hello", "payload": {"epoch": 1}}')
        await socket.send("{nonsense")
        await socket.recv()
        socket.transport.abort()

    async with answering(handle=handle) as url:
        yield url


@contextlib.asynccontextmanager
async def dies(_: dict[str, Any]) -> AsyncIterator[str]:
    async def handle(socket: ServerConnection) -> None:
        await socket.send('{"type": "hello", "payload": {"epoch": "1"}}')
        await socket.recv()
        socket.transport.abort()

    async with answering(handle=handle) as url:
        yield url


FAILURES: list[Callable[[dict[str, Any]], Any]] = [
    refused,
    with_status(401),
    with_status(403),
    with_status(404),
    with_status(503),
    bad_handshake,
    foreign_upgrade,
    redirected_to("ws://127.0.0.1:{port}/ws?{query}"),
    redirected_to("ftp://127.0.0.1/?{query}"),
    redirected_to("ws://[nonsense?{query}"),
    proxy_refuses,
    proxy_is_none,
    bad_certificate,
    closing_with(4000, f"bad token {SECRET}"),
    closing_with(4001, f"bad token {quote(SECRET, safe='')}"),
    closing_with(1008, f"bad token {base64.b64encode(SECRET.encode()).decode()}"),
    closing_with(4403, f"bad token {json.dumps(SECRET)}"),
    silent,
    garbage,
    dies,
]


# --- the search -------------------------------------------------------------------------------------------------------


class Watch:
    """A service under observation; `places` is where its token could be."""

    def __init__(
        self, url: str, auth: AuthMethod, folder: Path, ears: Ears, **options: Any
    ) -> None:
        self.ears = ears
        self.folder = folder
        self.values: list[str] = []
        self.events: list[ErrorEvent] = []
        self.names: list[str] = []
        domain = Domain("test", on_error=lambda report: self.values.append(repr(report)))
        self.service = WebSocketService(
            url,
            **{
                "registry": agent_chat(),
                "domain": domain,
                "auth": auth,
                "proxy": None,
                "backoff": Backoff(initial=0.01, factor=1.0, cap=0.01),
                "max_attempts": 2,
                "policy": ClosePolicy(slow_delay=0.01),
                # Nothing that fails by itself may fail for want of time; pings are sent all the same.
                "dial_timeout": 60.0,
                "close_timeout": 0.1,
                "heartbeat": Heartbeat(interval=0.05, timeout=60.0),
                "outbox": OutboxOptions(path=folder / "outbox.db"),
                **options,
            },
        )
        domain.on_commit(
            lambda commit: self.values.extend(repr(change) for change in commit.changes)
        )
        log_commits(domain, show=repr)
        self.service.errors.subscribe(self.events.append)
        self.file = persist(
            self.service.positions,
            folder / "positions.json",
            as_type=dict[str, Position],
            delay=0.0,
        )

    async def look(self) -> None:
        """Looks at all tasks and threads, again and again."""
        while True:
            self.names += [repr(task) for task in asyncio.all_tasks()]
            self.names += [thread.name for thread in threading.enumerate()]
            await asyncio.sleep(0.001)

    def places(self, *errors: BaseException) -> dict[str, str]:
        service = self.service
        stores = [service.connection, service.metrics, service.outbox, service.positions]
        parts = [service, service._settings, service._decisions, service._receiver, service._sender]
        return {
            "log": "\n".join(self.ears.lines),
            "events": "\n".join(repr(event) for event in self.events),
            "exceptions": "\n".join(text_of(event.exception) for event in self.events),
            "raised": "\n".join(text_of(error) for error in errors),
            "cause": text_of(service.connection.get().error),
            "commits": "\n".join(self.values),
            "stores": "\n".join(f"{store!r} {store.get()!r}" for store in stores),
            "reprs": "\n".join(repr(one) for one in parts),
            "tasks and threads": "\n".join(dict.fromkeys(self.names)),
            **{
                path.name: path.read_bytes().decode("utf-8", "backslashreplace")
                for path in self.folder.iterdir()
            },
        }


def found(places: dict[str, str]) -> list[str]:
    return [
        f"{place}: {line[:400]}"
        for place, text in places.items()
        if any(form in text for form in FORMS)
        for line in text.splitlines()
        if any(form in line for form in FORMS)
    ]


@contextlib.asynccontextmanager
async def noisy() -> AsyncIterator[None]:
    """asyncio tells everything: debug mode, and every call counts as slow, so that each handle is shown."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0
    yield
    loop.set_debug(False)


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", f"text {number}", 0))


async def run(watch: Watch) -> list[BaseException]:
    """Lets a service fail until it gives up; returns what was raised."""
    raised: list[BaseException] = []
    service = watch.service
    looking = asyncio.create_task(watch.look())
    watch.service.send(chat(1))
    await service.connect()
    try:
        await service.wait_connected(60)
    except ReactiveWSError as error:
        raised.append(error)
    await service.connection.select().wait_for(
        lambda record: record.state is ConnectionState.ERROR, 60
    )
    service.refresh_token()
    await until(lambda: service._runtime._refresh is None)
    await service.disconnect()
    looking.cancel()
    watch.file.close()
    return raised


@pytest.mark.parametrize("is_provided", [False, True], ids=["string", "provider"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
async def test_a_failing_connection_shows_no_token(
    failure: Callable[[dict[str, Any]], Any],
    mode: Callable[[Any], AuthMethod],
    is_provided: bool,
    tmp_path: Path,
    ears: Ears,
) -> None:
    async def provide() -> str:
        return SECRET

    options: dict[str, Any] = {}
    async with noisy(), failure(options) as url:
        watch = Watch(url, mode(provide if is_provided else SECRET), tmp_path, ears, **options)
        errors = await run(watch)
        assert watch.events
        assert len(ears.lines) > 10
        assert found(watch.places(*errors)) == []


class Server(ScriptedServer):
    """Knows the token."""

    async def on_message(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] == "auth":
            assert message["payload"]["token"] == SECRET
            await self.say(socket, "auth.ok", {})
        else:
            await super().on_message(socket, message)


@pytest.fixture
def quiet_servers() -> Iterator[None]:
    """The server's half in this process may log what it likes."""
    logging.getLogger("websockets.server").disabled = True
    yield
    logging.getLogger("websockets.server").disabled = False


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
async def test_a_connection_that_works_is_lost_and_is_refreshed_shows_no_token(
    mode: Callable[[Any], AuthMethod], tmp_path: Path, ears: Ears, quiet_servers: None
) -> None:
    async with noisy(), Server() as server:
        watch = Watch(
            server.url, mode(lambda force=False: SECRET), tmp_path, ears, max_attempts=None
        )
        service = watch.service
        looking = asyncio.create_task(watch.look())
        async with service:
            await service.wait_connected(60)
            assert await service.send(chat(1))
            await server.publish("hello")
            await until(lambda: "chat" in service.positions.get())
            server.drop()
            await service.connection.select().wait_for(lambda r: not r.is_connected, 60)
            await service.wait_connected(60)
            service.refresh_token()
            await until(lambda: service._runtime._refresh is None)
            assert await service.send(chat(2))
            await service.wait_connected(60)
            # `FirstMessage` sends the new token on the open connection; the other modes dial again.
            dials = 2 if mode is FirstMessage else 3
            await until(lambda: server.connections >= dials)
            assert server.connections == dials
        looking.cancel()
        watch.file.close()
        arrived = [message["type"] for message in server.received]
        assert arrived.count("message.send") >= 2
        assert found(watch.places()) == []
    assert {path.name for path in tmp_path.iterdir()} >= {"outbox.db", "positions.json"}


class Chatty(Exception):
    """An exception as a careless HTTP library raises it, with the request in its text."""

    def __init__(self, request: str) -> None:
        super().__init__(f"500 for {request}")
        self.request = request


def raises(error: Callable[[], Exception], *, is_async: bool) -> Callable[[], Any]:
    async def later() -> str:
        await asyncio.sleep(0)
        token = SECRET
        raise error() from Chatty(token)

    def now() -> str:
        token = SECRET
        raise error() from Chatty(token)

    return later if is_async else now


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
@pytest.mark.parametrize(
    "error",
    [lambda: Chatty(f"GET /token?old={SECRET}"), lambda: Unauthorized("signed out")],
    ids=["error", "unauthorized"],
)
async def test_a_provider_that_raises_with_the_token_in_its_text_shows_none(
    error: Callable[[], Exception],
    mode: Callable[[Any], AuthMethod],
    is_async: bool,
    tmp_path: Path,
    ears: Ears,
) -> None:
    async with noisy():
        url = f"ws://127.0.0.1:{free_port()}/ws"
        watch = Watch(url, mode(raises(error, is_async=is_async)), tmp_path, ears)
        errors = await run(watch)
        assert watch.events
        assert found(watch.places(*errors)) == []


async def test_a_refresh_in_place_that_fails_shows_no_token_and_keeps_the_connection(
    tmp_path: Path, ears: Ears, quiet_servers: None
) -> None:
    def provide(*, force: bool) -> str:
        if force:
            raise Chatty(SECRET)
        return SECRET

    async with noisy(), Server() as server:
        watch = Watch(server.url, FirstMessage(provide), tmp_path, ears)
        async with watch.service as service:
            await service.wait_connected(60)
            service.refresh_token()
            await until(lambda: watch.events)
            assert await service.send(chat(1))
        watch.file.close()
        [event] = watch.events
        assert "the token provider raised Chatty at " in str(event.exception)
        assert service.metrics.get().connects == 1
        assert found(watch.places()) == []


async def test_headers_of_the_program_and_a_password_in_the_url_are_shown_nowhere(
    tmp_path: Path, ears: Ears
) -> None:
    async with noisy(), with_status(404)({}) as url:
        url = url.replace("//", f"//user:{quote(SECRET, safe='')}@") + "?key=hidden-key"
        headers = {"X-Api-Key": SECRET}
        watch = Watch(url, Header("other"), tmp_path, ears, headers=headers)
        errors = await run(watch)
        places = watch.places(*errors)
        assert found(places) == []
        assert [place for place, text in places.items() if "hidden-key" in text] == []


def test_an_address_that_cannot_be_dialled_is_shown_without_its_secrets() -> None:
    for url in (
        f"nope://user:{SECRET}@host/ws",
        f"ws://host:port/?token={SECRET}",
        f"//user:{SECRET}@host",
        f"ws:///ws?token={quote(SECRET)}",
    ):
        with pytest.raises(BadAddress) as caught:
            WebSocketService(url, domain=Domain("test"), registry=agent_chat())
        shown = f"{caught.value} {caught.value!r} {caught.value.__cause__}"
        assert found({"exception": shown}) == []


async def test_the_search_itself_finds_every_form_everywhere(tmp_path: Path, ears: Ears) -> None:
    for form in FORMS:
        assert found({"log": f"before {form} after"})
    logging.getLogger("websockets.client").debug("> GET /ws?token=%s", quote(SECRET))
    (tmp_path / "outbox.db").write_text(f"x{SECRET}x")
    watch = Watch("ws://127.0.0.1:1/ws", Header(SECRET), tmp_path / "..", ears)
    watch.folder = tmp_path
    watch.names.append(f"Task {SECRET}")
    watch.file.close()

    def fail() -> None:
        raise Chatty(SECRET)

    with pytest.raises(Chatty) as caught:
        fail()
    assert {line.partition(":")[0] for line in found(watch.places(caught.value))} == {
        "log",
        "raised",
        "outbox.db",
        "tasks and threads",
    }
