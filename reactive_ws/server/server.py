"""`Server`: handlers, states, rights and a log, as one ASGI application, or alone on a port.

It knows your message types through the registry, and nothing else of your application.

The module is long because it documents every option and every public method of a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from types import NoneType
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import attrs
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.typing import Subprotocol

from ..connection import CloseCode
from ..engine import refuse_copy
from ..errors import LogError, UsageError
from ..wire import Envelope, JsonCodec, Position, Registry
from .access import SUBPROTOCOL, Request, check_origins, is_allowed_origin, request_of
from .calling import called
from .commands import Commands
from .consumers import Consumers
from .context import Context, check_first
from .direct import DirectConnection
from .listening import listen, stop_listening, url_of
from .logs import Log, MemoryLog, Outcome
from .node import Node
from .session import Failure, Run, RunAnswer, ServerSession, SessionSettings, StateAt
from .shells import AsgiDuplex, Receive, Scope, Send, SocketDuplex
from .snapshots import SnapshotContext, Snapshots
from .states import Stated, States

__all__ = ["Authorize", "MayHear", "MaySend", "Server"]

S = TypeVar("S")
P = TypeVar("P")
R = TypeVar("R")
Build = TypeVar("Build", bound=Callable[[SnapshotContext], Awaitable[object]])

Authorize = Callable[[Request], str | Awaitable[str | None] | None]
"""Returns the identity of a client, None to refuse it. Sync or async; called for each dial and each fresh token. When it raises,
the client is refused for now, and comes again."""
MayHear = Callable[[str, str], bool | Awaitable[bool]]
"""`(identity, channel)`: whether a client may hear a stream, or all streams of a pattern."""
MaySend = Callable[[str, Any], bool | Awaitable[bool]]
"""`(identity, command)`: whether a client may send a command."""

_log = logging.getLogger("reactive_ws.server")
_MAX_SIZE = 2**20
"""Bytes of the largest message, for a server that says no limit of its own."""
_CODES: Mapping[HTTPStatus, int] = {
    HTTPStatus.UNAUTHORIZED: CloseCode.UNAUTHORIZED,
    HTTPStatus.SERVICE_UNAVAILABLE: CloseCode.TRY_LATER,
}
"""Close codes that say the same as an HTTP status."""
_PING_INTERVAL = 30.0
"""Seconds between two pings of the socket, for a server that asks its clients for no heartbeat."""


class Server:
    """The server half of an application.

    Args:
        registry: The message types.
        log: Where everything is kept; a `MemoryLog` when None. The server opens and closes it.
        authorize: Gives the identity of a client; None lets every client in, as "".
        may_subscribe: What a client may hear; everything when None.
        may_send: What a client may send; every command with a handler when None.
        origins: Origins of pages in browsers that may connect; None allows the server's own host only.
        settings: What the server says in its `hello`, and the limits of one connection.
        handler_timeout: Seconds for one run of a handler, or of another async function of the application.
        leave_after: Seconds that the server goes on after it said `goaway`.
        close_code: The close code of a server that ends.
        allow_plain: Lets clients in that offer no subprotocol. They get messages without positions, no `hello` and no replay.
        on_log_error: Called on the server's loop when the log failed on a command, for an alert.

    Raises:
        UsageError: `origins` has a text that is not an origin.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        registry: Registry,
        *,
        log: Log | None = None,
        # rights
        authorize: Authorize | None = None,
        may_subscribe: MayHear | None = None,
        may_send: MaySend | None = None,
        origins: Sequence[str] | None = None,
        # limits and times
        settings: SessionSettings | None = None,
        handler_timeout: float = 30.0,
        leave_after: float = 0.0,
        close_code: int = CloseCode.RESTART,
        # for special needs
        allow_plain: bool = False,
        on_log_error: Callable[[LogError], None] | None = None,
    ) -> None:
        self.registry = registry
        self.log: Log = MemoryLog() if log is None else log
        self._codec = JsonCodec(registry)
        self._states = States(self.log, self._codec)
        self._commands = Commands(
            self.log,
            registry,
            self._codec,
            self._states,
            lambda: self._node,
            timeout=handler_timeout,
            on_log_error=on_log_error or (lambda _: None),
        )
        self._snapshots = Snapshots(self.log, self._states, timeout=handler_timeout)
        self._consumers = Consumers(self.log, registry, self._codec, self._commands)
        self._authorize = authorize
        self._may_subscribe = may_subscribe
        self._may_send = may_send
        self._timeout = handler_timeout
        self._origins = check_origins(origins)
        self._settings = settings or SessionSettings()
        if self._settings.dedup is None:
            self._settings = attrs.evolve(self._settings, dedup=self.log.dedup_seconds)
        self._leave_after = leave_after
        self._close_code = close_code
        self._allow_plain = allow_plain
        self._node: Node | None = None
        self._starting: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._is_ending = False

    def __repr__(self) -> str:
        clients = 0 if self._node is None else self._node.clients
        return f"<Server of {self.log!r}, {clients} clients>"

    @property
    def clients(self) -> int:
        """How many clients are connected to this process."""
        return 0 if self._node is None else self._node.clients

    # --- what the application declares ----------------------------------------------------------------------------------

    def command(
        self, payload: type[P]
    ) -> Callable[[Callable[[P, Context], R]], Callable[[P, Context], R]]:
        """Decorator: this function handles messages of a payload class. It is sync or async, and takes `(command, context)`.

        What it returns is the reply in the acknowledgement. `Refused` refuses for good; another exception asks the client to
        send the message again. A sync function runs on the loop, so it must be short.

        Raises:
            UsageError: the class has a handler.
            UnknownType: the class is not registered.
        """

        def register(handler: Callable[[P, Context], R]) -> Callable[[P, Context], R]:
            self._commands.add(payload, handler)
            return handler

        return register

    def consumer(
        self, name: str, stream: str, payload: type[P], *, from_start: bool = False
    ) -> Callable[[Callable[[P, Context], R]], Callable[[P, Context], R]]:
        """Decorator: this function gets each message of a payload class on a stream, at least once and in order, also after a restart.

        It is for effects outside of the log: `context.key` is the same whenever the same entry comes again, so that a mail server
        or a payment service can recognise it. What the function publishes is written together with its position. When it raises,
        it is called again with the same message after a growing pause; `Refused` gives the message up.

        Args:
            name: The name of the position; a new name begins with no position. It belongs to one stream.
            stream: The stream.
            payload: The class; messages of other classes only move the position.
            from_start: Begin a new consumer with the oldest entry, and not with the next one.

        Raises:
            UsageError: the name is taken or too long, the stream's name is bad, or the server runs already.
            UnknownType: neither the class nor one that inherits from it is registered.
        """

        def register(function: Callable[[P, Context], R]) -> Callable[[P, Context], R]:
            self._consumers.add(name, stream, payload, function, from_start=from_start)
            return function

        return register

    def snapshot(self, pattern: str) -> Callable[[Build], Build]:
        """Decorator: this async function makes the state of a stream that clients get, from the database of the application.

        It gets a `SnapshotContext` and returns what can be written as JSON. Its connection sees the database at the moment of
        the stream's newest entry, so rows that handlers wrote on `context.connection` fit to the position. `PostgresLog` only.

        Args:
            pattern: A name, or a pattern such as `todos/*`.

        Raises:
            UsageError: a log without transactions, a bad pattern, or a second snapshot or state for it.
        """

        def register(function: Build) -> Build:
            self._snapshots.add(pattern, function)
            return function

        return register

    def state(
        self,
        pattern: str,
        initial: S,
        reducers: Mapping[type[Any], Callable[[S, Any], S]],
        *,
        version: int = 1,
        migrate: Callable[[int, bytes], S] | None = None,
        view: Callable[[S], object] | None = None,
    ) -> Stated[S]:
        """Declares the state of a stream, or of each stream of a pattern. Handlers read it; clients get it as a snapshot.

        Args:
            pattern: A name, or a pattern such as `todos/*`.
            initial: The state before the first entry; an attrs class, a dataclass or a `msgspec.Struct`.
            reducers: A pure function for each payload class: `(state, message) -> state`.
            version: Change it when the reducers make another meaning of the same entries.
            migrate: Makes the state of a checkpoint of another version: `(version, bytes) -> state`.
            view: Makes of a state what clients get as a snapshot; the whole state when None.

        Raises:
            UsageError: the pattern is bad or has a state, or the state cannot be written as JSON.
        """
        stated = Stated(pattern, initial, reducers, version=version, migrate=migrate, view=view)
        self._states.declare(stated)
        return stated

    # --- what the application does --------------------------------------------------------------------------------------

    async def publish(self, stream: str, *messages: object) -> Position:
        """Puts messages on a stream as one entry, from anywhere on the server's loop; returns its position.

        Raises:
            UsageError: no message, a bad stream name.
            UnknownType: a class that is not registered.
            LogUnavailable: the log failed; whether the entry is there is unknown.
        """
        if not messages:
            raise UsageError("publish at least one message")

        def act(context: Context) -> None:
            context.publish(stream, *messages)

        outcome = await self.perform(act)
        return outcome.positions[stream]

    async def perform(self, function: Callable[[Context], Any]) -> Outcome:
        """Runs a sync or async function as one atomic step, as a handler runs: it reads states and publishes.

        The server may run it again, when another command changes what it read.

        Raises:
            Conflict: sixteen runs met conflicts with other nodes.
            Refused: the function refused.
            LogUnavailable: the log failed; whether the effects are there is unknown.
            TimeoutError: the function took longer than `handler_timeout`.
        """
        await self.start()
        return await self._commands.perform(function)

    async def read(self, stated: Stated[S], stream: str | None = None) -> S:
        """Returns the newest state of a stream.

        Raises:
            StateUnusable: a version without `migrate`, or entries that are gone.
            LogUnavailable: the log failed.
        """
        check_first()
        await self.start()
        state: S
        state, _ = await self._states.load(stream or stated.pattern)
        return state

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the log and follows it. `serve` and ASGI call it; a second call does nothing.

        Raises:
            LogUnusable, LogUnavailable: the log cannot be opened.
        """
        # A server that ends keeps its log open for the commands that are under way, and is not started again by them.
        if self._node is not None or self._is_ending:
            return
        loop = asyncio.get_running_loop()
        if self._starting is None or self._starting[0] is not loop:
            # A server may start again in another loop, as in the tests of an application; a lock may not.
            self._starting = loop, asyncio.Lock()
        async with self._starting[1]:
            if self._node is None:
                await self.log.open()
                self._states.begin()
                node = Node(
                    self.log,
                    _Answers(self),
                    self._encode,
                    lambda: self._states.patterns,
                    self._consumers.changed,
                )
                await node.start()
                self._consumers.start()
                self._node = node

    async def stop(self, *, leave_after: float | None = None) -> None:
        """Asks clients to go, serves them until they went, closes the connections, and closes the log.

        A call that is cancelled does not wait for the clients, and ends everything else.

        Args:
            leave_after: Seconds in place of those of the server.
        """
        node, self._node = self._node, None
        if node is not None:
            after = self._leave_after if leave_after is None else leave_after
            self._is_ending = True
            try:
                async with contextlib.AsyncExitStack() as ends:
                    ends.push_async_callback(self.log.close)
                    ends.push_async_callback(self._consumers.stop)
                    await node.stop(after=after, grace=2.0, code=self._close_code)
            finally:
                self._is_ending = False

    @contextlib.asynccontextmanager
    async def serve(
        self, host: str = "127.0.0.1", port: int = 8000, *, path: str | None = None
    ) -> AsyncGenerator[str]:
        """Serves alone on a port while the context is open, and gives the URL.

        Args:
            host, port: Where to listen; port 0 lets the system choose.
            path: The only path that is served; every path when None.

        Raises:
            ListenFailed: the port is in use or the host is not of this machine.
            LogUnusable, LogUnavailable: the log cannot be opened.
        """
        await self.start()
        # A handshake may fail after this check, and then nothing takes its row out.
        admitted: WeakKeyDictionary[ServerConnection, tuple[Request, str | None]] = (
            WeakKeyDictionary()
        )

        checks: set[asyncio.Timeout] = set()

        async def check(socket: ServerConnection, http: HttpRequest) -> Response | None:
            if self._node is None:
                return _ending(socket)
            parts = urlsplit(http.path)
            if path is not None and parts.path != path:
                return socket.respond(HTTPStatus.NOT_FOUND, f"the WebSocket is at {path}\n")
            offered = _offered(http.headers.get_all("Sec-WebSocket-Protocol"))
            request = request_of(parts.path, parts.query, http.headers.raw_items(), offered)
            try:
                async with asyncio.timeout(None) as limit:
                    checks.add(limit)
                    try:
                        refusal, identity = await self._admit(request, offered)
                    finally:
                        checks.discard(limit)
            except TimeoutError:
                return _ending(socket)
            if refusal is not None:
                return socket.respond(refusal[0], refusal[1] + "\n")
            admitted[socket] = (request, identity)
            return None

        async def handle(socket: ServerConnection) -> None:
            assert isinstance(socket, DirectConnection)
            request, identity = admitted.pop(socket)
            is_plain = socket.subprotocol is None
            await self._serve(SocketDuplex(socket), request, identity, is_plain=is_plain)

        try:
            listener = await listen(
                handle,
                host,
                port,
                process_request=check,
                select_subprotocol=_select_subprotocol,
                create_connection=DirectConnection,
                # The socket's own pings: they find a peer that is gone without a word.
                ping_interval=self._settings.heartbeat or _PING_INTERVAL,
                ping_timeout=self._settings.stuck_after,
                max_size=self._settings.max_size or _MAX_SIZE,
                server_header=None,
            )
        except BaseException:
            await self.stop()
            raise
        try:
            yield url_of(listener, host, path or "/")
        finally:
            try:
                await self.stop()
            finally:
                for one in checks:
                    # A question of the application may take longer than the end.
                    one.reschedule(0)
                await stop_listening(listener)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: mount it in Starlette, FastAPI, Litestar, Quart or Django, or run it alone."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"text/plain")]
            await send({"type": "http.response.start", "status": 426, "headers": headers})
            body = b"this path speaks WebSocket; connect with reactive_ws.WebSocketService\n"
            await send({"type": "http.response.body", "body": body})
        else:
            raise UsageError(f"a server knows no ASGI scope {scope['type']!r}")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                try:
                    await self.start()
                except LogError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A mounted application gets no lifespan of its own.
        await self.start()
        await receive()
        offered: list[str] = list(scope.get("subprotocols") or ())
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        query = bytes(scope.get("query_string") or b"").decode("latin-1")
        request = request_of(scope["path"], query, headers, offered)
        refusal, identity = await self._admit(request, offered)
        spoken = SUBPROTOCOL if SUBPROTOCOL in offered else None
        if refusal is not None:
            status, reason = refusal
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                # Without this an ASGI server answers 403, and the client does not come again.
                await send({"type": "websocket.accept", "subprotocol": spoken})
            code = _CODES.get(status, CloseCode.FORBIDDEN)
            await send({"type": "websocket.close", "code": code, "reason": reason})
            return
        await send({"type": "websocket.accept", "subprotocol": spoken})
        await self._serve(AsgiDuplex(receive, send), request, identity, is_plain=spoken is None)

    def _encode(self, payload: object) -> str:
        return self._codec.encode(Envelope(self.registry.of(type(payload)).name, payload))

    # --- one client -----------------------------------------------------------------------------------------------------

    async def _admit(
        self, request: Request, offered: Sequence[str]
    ) -> tuple[tuple[HTTPStatus, str] | None, str | None]:
        """Returns why a client is refused, or None and its identity; no identity when an `auth` message has to come."""
        is_plain = SUBPROTOCOL not in offered
        if is_plain and not self._allow_plain:
            text = f"offer the subprotocol {SUBPROTOCOL}"
            return (HTTPStatus.BAD_REQUEST, text), None
        if not is_allowed_origin(request, self._origins):
            return (HTTPStatus.FORBIDDEN, "this origin may not connect; see `origins`"), None
        if self._authorize is None:
            return None, ""
        try:
            identity = await self.identify(request)
        except Exception:  # noqa: BLE001 - of the application; no client gets in by an error
            # It says nothing about the token: a client whose token is refused does not come again.
            _log.exception("authorize failed; the client is refused for now")
            return (HTTPStatus.SERVICE_UNAVAILABLE, "the server failed; its log says why"), None
        if identity is None and (is_plain or request.token is not None):
            return (HTTPStatus.UNAUTHORIZED, "a good token is needed"), None
        return None, identity

    async def identify(self, request: Request) -> str | None:
        """Returns the identity of a request; None refuses. Raises what `authorize` raises, and `TypeError` for another result."""
        if self._authorize is None:
            return ""
        with called():
            identity = await self._in_time(self._authorize(request))
        # An application without types may return anything.
        if not isinstance(identity, (str, NoneType)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"authorize returned {type(identity).__name__}; return the client's identity as a text, or None to refuse it"
            )
        if identity is not None:
            # The log writes it, with each command.
            identity.encode()
        return identity

    async def _in_time(self, value: R | Awaitable[R]) -> R:
        """Returns what a sync or async function of the application returned."""
        if not inspect.isawaitable(value):
            return value
        async with asyncio.timeout(self._timeout):
            return await value

    async def _serve(
        self,
        duplex: AsgiDuplex | SocketDuplex,
        request: Request,
        identity: str | None,
        *,
        is_plain: bool,
    ) -> None:
        node = self._node
        if node is None:
            await duplex.close(self._close_code, "the server ends")
            return
        session = ServerSession(
            self._settings, self.registry, self._codec, identity=identity, is_plain=is_plain
        )
        await node.serve(duplex, session, request)

    async def may_hear(self, identity: str, channel: str) -> bool:
        """Tells whether a client may hear a channel."""
        if self._may_subscribe is None:
            return True
        with called():
            return _decision(
                "may_subscribe", await self._in_time(self._may_subscribe(identity, channel))
            )

    async def may_send(self, identity: str, payload: object) -> bool:
        """Tells whether a client may send a message."""
        if self._may_send is None:
            return True
        with called():
            return _decision("may_send", await self._in_time(self._may_send(identity, payload)))

    async def make_state(self, stream: str) -> StateAt | None:
        """Returns the state of a stream as clients get it; None when none is declared."""
        return await self._snapshots.make(stream)

    async def run(self, question: Run) -> RunAnswer:
        """Runs the handler of a message, and those of messages behind it in the same chain."""
        if self._may_send is None:
            results = await self._commands.run([question, *question.behind])
            return results[0] if len(results) == 1 else results
        # A right may be the effect of the message before: it is asked for when that one is in the log.
        kind = question.envelope.type
        try:
            is_allowed = await self.may_send(question.identity, question.envelope.payload)
        except Exception:  # noqa: BLE001 - of the application; the command waits at its client
            _log.exception("may_send failed on %r; the client sends the message again", kind)
            text = "the server failed on this message; its log says why"
            return Failure("internal", text, is_retryable=True, after=1.0)
        if not is_allowed:
            return Failure("forbidden", f"you may not send {kind!r}")
        return (await self._commands.run([question]))[0]


class _Answers:
    """The application's answers to the questions of sessions."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def authenticate(self, request: Request) -> str | None:
        return await self._server.identify(request)

    async def rights(self, identity: str, channels: Sequence[str]) -> dict[str, str]:
        return {
            channel: "forbidden"
            for channel in channels
            if not await self._server.may_hear(identity, channel)
        }

    async def make_state(self, stream: str) -> StateAt | None:
        return await self._server.make_state(stream)

    async def run(self, question: Run) -> RunAnswer:
        return await self._server.run(question)


def _decision(function: str, result: object) -> bool:
    """Returns what a function of the application decided. One without types may return anything, and no client gets in by that."""
    if isinstance(result, bool):
        return result
    raise TypeError(f"{function} returned {type(result).__name__}; return True or False")


def _offered(values: Sequence[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",")]


def _ending(socket: ServerConnection) -> Response:
    return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the server ends\n")


def _select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None
