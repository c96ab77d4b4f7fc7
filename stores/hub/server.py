"""The hub itself: a WebSocket server that performs what `reactions` decides. For demos and tests; one process, one loop.

Everything that happens is a `Step` that goes through the `pipeline`. The hub has no access rights: a client that may
connect may send everything, and every client gets everything.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs
from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed

from reactive_ws.commands import listen, url_of
from reactive_ws.errors import MessageRejected
from reactive_ws.wire import (
    Auth,
    AuthOk,
    Codec,
    Envelope,
    GoAway,
    Hello,
    JsonCodec,
    Ping,
    Pong,
    Registry,
    Resume,
)

from ..wire import agent_chat
from .admission import Authorize, checker, select_subprotocol, token_of
from .assistant import Reply, assistant
from .connection import Connection
from .draft import Rules
from .pipeline import Pipeline
from .reactions import advance, apply, refusal
from .state import Broadcast, Only, Output, Replay, State, Step

__all__ = ["Hub"]

_Part = TypeVar("_Part")
_log = logging.getLogger("reactive_ws.hub")

_UNAUTHORIZED = 4401
_MAX_SIZE = 2**20 - 2**12
"""Bytes; what is passed on grows by its position and must still fit into the usual limit of clients, 1 MiB."""
_FLUSH_TIMEOUT = 1.0
"""Seconds that clients have to take what is queued for them when the hub closes."""


@attrs.frozen
class _Options:
    host: str
    port: int
    data: str | Path | None
    token_delay: float = attrs.field(validator=attrs.validators.ge(0))
    authorize: Authorize | None
    auth_timeout: float
    hold_time: float
    heartbeat: float
    max_size: int
    max_backlog: int


class Hub:
    """A server for protocol v1: `async with Hub(data="chat.db") as hub: print(hub.url)`. A hub starts once.

    Args:
        host, port: Where to listen; port 0 lets the system choose, see `port`.
        data: SQLite file that makes acknowledged messages survive the process; None keeps all in memory, and every
            start is a new epoch.
        reply: Writes the answers, see `assistant.Reply`.
        token_delay: Seconds before each word of an answer.
        authorize: Returns whether a token is good; None admits every client. The token comes as `Authorization: Bearer`
            header, as `token` in the query, as subprotocol, or in a first `auth` message, see `admission`.
        registry: The application's message types, which the hub relays to all clients on the stream `app`; those of the
            agent chat are added.
        auth_timeout: Seconds that a client has for its `auth` message.
        hold_time: Seconds that new messages are held back for a client that may be about to resume.
        heartbeat: Seconds, announced in `hello`.
        max_size: Bytes of the largest message that is accepted; a larger one closes with 1009.
        max_log: Entries kept of each stream for a resume.
        max_history: Messages of a session in a snapshot.
        max_backlog: Frames that wait for a client that does not read, before it is cut off.

    Raises:
        ValueError: a negative delay or an empty log.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        data: str | Path | None = None,
        # behaviour
        reply: Reply = assistant,
        token_delay: float = 0.0,
        authorize: Authorize | None = None,
        registry: Registry | None = None,
        # times
        auth_timeout: float = 10.0,
        hold_time: float = 0.5,
        heartbeat: float = 30.0,
        # limits
        max_size: int = _MAX_SIZE,
        max_log: int = 5_000,
        max_history: int = 1_000,
        max_backlog: int = 20_000,
    ) -> None:
        self._options = _Options(
            host,
            port,
            data,
            token_delay,
            authorize,
            auth_timeout,
            hold_time,
            heartbeat,
            max_size,
            max_backlog,
        )
        self._rules = Rules(agent_chat(registry), reply, max_log, max_history)
        self._codec: Codec = JsonCodec(self._rules.registry)
        self._pipeline: Pipeline | None = None
        self._server: Server | None = None
        self._speakers: dict[str, asyncio.Task[None]] = {}
        self._connections: dict[int, Connection] = {}
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        where = self.url if self._server is not None else "not listening"
        return f"<Hub {where}, {len(self._connections)} clients>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # --- what can be asked ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where clients connect."""
        return url_of(_started(self._server), self._options.host)

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(next(iter(_started(self._server).sockets)).getsockname()[1])

    @property
    def epoch(self) -> str:
        """The epoch of all streams; with a data file the same after every restart."""
        return self.state.epoch

    @property
    def clients(self) -> int:
        """How many clients are connected and let in."""
        return len(self._connections)

    @property
    def state(self) -> State:
        """The state of the hub now; it may be a transaction ahead of what clients got."""
        return _started(self._pipeline).state

    # --- start and end --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the data file, listens, and goes on with the answers that a crash cut short.

        Raises:
            FileUnusable: the data file cannot be used, or another hub does.
            ListenFailed: the port is in use or the host is not of this machine.
            RuntimeError: it was started before; make a new one.
        """
        if self._pipeline is not None:
            raise RuntimeError("a hub starts once; make a new one")
        options = self._options
        self._pipeline = Pipeline(options.data, self._codec, self._deliver, self._abort)
        await self._pipeline.open()
        try:
            self._server = await listen(
                self._serve,
                options.host,
                options.port,
                process_request=checker(options.authorize),
                select_subprotocol=select_subprotocol,
                max_size=options.max_size,
                close_timeout=2.0,
            )
        except BaseException:
            await self._pipeline.close()
            raise
        for session_id in list(self._pipeline.state.owing()):
            self._answer(session_id)

    async def close(self, *, goaway: float | None = None) -> None:
        """Writes and sends what is accepted, closes all connections with 1001 and the file. May be called twice.

        Args:
            goaway: Seconds after which clients are asked to come back; None sends no `goaway`.
        """
        pipeline = _started(self._pipeline)
        for speaker in list(self._speakers.values()):
            speaker.cancel()
        await asyncio.gather(*self._speakers.values(), return_exceptions=True)
        await pipeline.close()
        if goaway is not None:
            notice: Envelope[GoAway] = Envelope("goaway", GoAway(goaway), "goaway")
            for connection in self._connections.values():
                connection.tell(notice)
        await asyncio.gather(*(one.flush(_FLUSH_TIMEOUT) for one in self._connections.values()))
        if self._server is not None:
            self._server.close(code=1011 if pipeline.has_failed else 1001)
            await self._server.wait_closed()

    async def wait_failed(self) -> None:
        """Waits until the data file can no longer be written, then raises. It does not return when all goes well.

        Raises:
            FileUnusable: why. Nothing that was acknowledged is lost; close the hub.
        """
        await _started(self._pipeline).failed()

    # --- clients --------------------------------------------------------------------------------------------------------

    async def _serve(self, socket: ServerConnection) -> None:
        options = self._options
        connection = Connection(
            next(self._numbers),
            socket,
            self._codec,
            max_backlog=options.max_backlog,
            is_plain=socket.subprotocol is None,
        )
        writer = asyncio.create_task(connection.write())
        try:
            if not connection.is_plain:
                hello = Hello(self.epoch, options.heartbeat, options.max_size, resume=True)
                connection.tell(Envelope("hello", hello, "hello"))
            if await self._is_let_in(connection):
                self._connections[connection.number] = connection
                asyncio.get_running_loop().call_later(options.hold_time, connection.go_live)
                async for frame in socket:
                    await self._receive(connection, frame)
        except ConnectionClosed:
            pass
        finally:
            self._connections.pop(connection.number, None)
            writer.cancel()
            await asyncio.wait([writer])

    async def _is_let_in(self, connection: Connection) -> bool:
        if self._options.authorize is None or token_of(connection.socket.request) is not None:
            return True
        try:
            async with asyncio.timeout(self._options.auth_timeout):
                while True:
                    envelope = self._codec.decode(await connection.socket.recv())
                    if not isinstance(envelope.payload, Ping):
                        break
                    connection.tell(Envelope("pong", Pong(), "pong", envelope.id))
        except (TimeoutError, MessageRejected):
            await connection.socket.close(_UNAUTHORIZED, "auth expected")
            return False
        return await self._authenticate(connection, envelope)

    async def _authenticate(self, connection: Connection, envelope: Envelope[Any]) -> bool:
        payload, authorize = envelope.payload, self._options.authorize
        if isinstance(payload, Auth) and (authorize is None or authorize(payload.token)):
            connection.tell(Envelope("auth.ok", AuthOk(), "auth.ok", envelope.id))
            return True
        await connection.socket.close(_UNAUTHORIZED, "the token was refused")
        return False

    async def _receive(self, connection: Connection, frame: str | bytes) -> None:
        pipeline, number = _started(self._pipeline), connection.number
        try:
            envelope = self._codec.decode(frame)
        except MessageRejected as error:
            pipeline.take(
                refusal(pipeline.state, number, "bad_message", str(error), reply_to=error.id)
            )
            return
        payload = envelope.payload
        if isinstance(payload, Auth):
            await self._authenticate(connection, envelope)
            return
        try:
            step = apply(pipeline.state, envelope, number, self._rules, _now())
        except Exception:  # noqa: BLE001 - of the injected `reply`: one message fails, the connection lives on
            _log.exception("a message of type %r could not be served", envelope.type)
            text = "the hub failed on this message; its log says why"
            step = refusal(pipeline.state, number, "hub_failed", text, reply_to=envelope.id)
        pipeline.take(step)
        if not isinstance(payload, (Ping, Resume)):
            connection.go_live()
        session_id = getattr(payload, "session_id", None)
        if isinstance(session_id, str):
            self._answer(session_id)
        await pipeline.room()

    def _answer(self, session_id: str) -> None:
        """Starts the task that answers in a session, when an answer is owed and no task runs."""
        said = self.state.conversation(session_id)
        if said.asked > said.answered and session_id not in self._speakers:
            self._speakers[session_id] = asyncio.create_task(self._speak(session_id))

    async def _speak(self, session_id: str) -> None:
        pipeline = _started(self._pipeline)
        try:
            while True:
                await asyncio.sleep(self._options.token_delay)
                await pipeline.room()
                step = advance(pipeline.state, session_id, self._rules, _now())
                if step is None:
                    return
                pipeline.take(step)
        finally:
            self._speakers.pop(session_id, None)

    # --- what goes out --------------------------------------------------------------------------------------------------

    def _deliver(self, step: Step) -> None:
        for output in step.outputs:
            self._send(output)

    def _send(self, output: Output) -> None:
        if isinstance(output, Broadcast):
            frame = self._codec.encode(output.envelope)
            for number, listener in self._connections.items():
                if number != output.but:
                    listener.hear(output.envelope, frame)
            return
        connection = self._connections.get(output.to)
        if connection is None:
            return
        if isinstance(output, Only):
            connection.tell(output.envelope)
        elif isinstance(output, Replay):
            connection.recover(output)
        else:
            connection.listen_to(output.channel, is_wanted=output.is_wanted)

    def _abort(self) -> None:
        """The file failed: nothing more is acknowledged, clients keep what they sent and resend it to the next hub."""
        for connection in self._connections.values():
            connection.socket.transport.abort()


def _started(part: _Part | None) -> _Part:
    if part is None:
        raise RuntimeError("the hub is not started; use `async with hub:` or `await hub.start()`")
    return part


def _now() -> float:
    return time.time() * 1000.0
