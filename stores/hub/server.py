"""`Hub`: a chat server for demos and tests. It is an application of `reactive_ws.server`, with the chat's reactions.

The hub has no access rights: a client that may connect may send everything, and every client hears everything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from reactive_ws.errors import Conflict, LogError, LogUnavailable
from reactive_ws.server import (
    Context,
    Log,
    Request,
    Retention,
    Server,
    SessionSettings,
    log_of,
)
from reactive_ws.wire import Registry

from .assistant import Reply, assistant
from .chat import APP, Chat, Conversation
from .reactions import Reactions, Rules, hub_types

__all__ = ["Authorize", "Hub"]

Authorize = Callable[[str], bool]
"""Tells whether a token is good. The hub calls it for every connection, on its loop."""

_MAX_SIZE = 2**20 - 2**12
"""Bytes; what is passed on grows by its position and must still fit into the usual limit of clients, 1 MiB."""

_PAUSE = 1.0
"""Seconds after which the hub goes on with an answer that the database was away for."""


class Hub:
    """A server for protocol v1: `async with Hub(log="chat.db") as hub: print(hub.url)`. A hub starts once.

    Args:
        host, port: Where to listen; port 0 lets the system choose, see `port`.
        log: `memory`, a SQLite file, `postgresql://...`, or a `Log`. In memory every start is a new epoch. Several hubs may
            share one file or database.
        reply: Writes the answers, see `assistant.Reply`.
        token_delay: Seconds before each word of an answer.
        authorize: Returns whether a token is good; None admits every client. The token comes as `Authorization: Bearer`
            header, as `token` in the query, as subprotocol, or in a first `auth` message.
        registry: The application's message types, which the hub relays to all clients on the stream `app`; those of the
            agent chat are added.
        origins: Origins of pages in browsers that may connect; None allows the hub's own host only.
        auth_timeout: Seconds that a client has for its `auth` message.
        hold_time: Seconds that new messages are held back for a client that may be about to resume.
        heartbeat: Seconds, announced in `hello`.
        stuck_after: Seconds in which a client has to take something, before it is cut off.
        max_size: Bytes of the largest message that is accepted; a larger one closes with 1009.
        max_log: Entries kept of each stream for a resume, when `log` is a text.
        max_history: Messages of a session in a snapshot.

    Raises:
        ValueError: a negative delay or an empty log.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        log: str | Path | Log = "memory",
        # behaviour
        reply: Reply = assistant,
        token_delay: float = 0.0,
        authorize: Authorize | None = None,
        registry: Registry | None = None,
        origins: tuple[str, ...] | None = None,
        # times
        auth_timeout: float = 10.0,
        hold_time: float = 0.5,
        heartbeat: float = 30.0,
        stuck_after: float = 60.0,
        # limits
        max_size: int = _MAX_SIZE,
        max_log: int = 5_000,
        max_history: int = 1_000,
    ) -> None:
        if token_delay < 0:
            raise ValueError(f"token_delay is {token_delay}; give 0 or more seconds")
        self._host = host
        self._port = port
        self._token_delay = token_delay
        self.log: Log = (
            log_of(str(log), retention=Retention(max_entries=max_log))
            if isinstance(log, str | Path)
            else log
        )
        self.server = Server(
            hub_types(registry),
            log=self.log,
            authorize=None if authorize is None else _authorizer(authorize),
            origins=origins,
            settings=SessionSettings(
                heartbeat=heartbeat,
                max_size=max_size,
                auth_timeout=auth_timeout,
                channels=("*",),
                first_word=hold_time,
                stuck_after=stuck_after,
            ),
            close_code=1001,
            allow_plain=True,
            on_log_error=self._note_failure,
        )
        rules = Rules(reply, max_history=max_history)
        self._reactions = Reactions(self.server, rules, self._answer)
        self._life = contextlib.AsyncExitStack()
        self._is_started = self._is_closing = False
        self._url: str | None = None
        self._epoch = ""
        self._failure: LogError | None = None
        self._has_failed = asyncio.Event()
        self._speakers: dict[str, asyncio.Task[None]] = {}
        self._asked: set[str] = set()

    def __repr__(self) -> str:
        return f"<Hub {self._url or 'not listening'}, {self.clients} clients>"

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
        if self._url is None:
            raise RuntimeError(
                "the hub is not started; use `async with hub:` or `await hub.start()`"
            )
        return self._url

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self.url.rpartition(":")[2].partition("/")[0])

    @property
    def epoch(self) -> str:
        """The epoch of all streams; the same after every restart, unless the log is in memory."""
        return self._epoch

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return self.server.clients

    async def chat(self) -> Chat:
        """Returns the sessions and panels of this moment.

        Raises:
            LogUnavailable: the log failed.
        """
        return await self.server.read(self._reactions.chat)

    async def conversation(self, session_id: str) -> Conversation:
        """Returns the newest messages of a session.

        Raises:
            LogUnavailable: the log failed.
        """
        return await self.server.read(self._reactions.conversation, session_id)

    # --- start and end --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the log, listens, and goes on with the answers that a crash cut short.

        Raises:
            LogUnusable, LogUnavailable: the log cannot be used.
            ListenFailed: the port is in use or the host is not of this machine.
            StateUnusable: the log has a state of the chat that this version cannot read.
            RuntimeError: it was started before; make a new one.
        """
        if self._is_started:
            raise RuntimeError("a hub starts once; make a new one")
        self._is_started = True
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        url = await self._life.enter_async_context(self.server.serve(self._host, self._port))
        self._epoch = (await self.log.read(APP, None, 1)).head.epoch
        self._url = f"{url}ws"
        for stream in await self.log.heads("_owed/*"):
            session_id = stream.removeprefix("_owed/")
            if (await self.server.read(self._reactions.owing, stream)).answers:
                self._answer(session_id)

    async def close(self, *, goaway: float | None = None) -> None:
        """Serves until the clients left, closes all connections with 1001, and the log. May be called twice.

        Args:
            goaway: Seconds in which the clients are asked to connect to another hub; None asks for nothing and ends at once.
        """
        self._is_closing = True
        for speaker in list(self._speakers.values()):
            speaker.cancel()
        await asyncio.gather(*self._speakers.values(), return_exceptions=True)
        await self.server.stop(leave_after=goaway or 0.0)
        await self._life.aclose()

    async def wait_failed(self) -> None:
        """Waits until the log file can no longer be written, then raises. It does not return when all goes well.

        Raises:
            LogUnavailable: why. Nothing that was acknowledged is lost; close the hub.
        """
        await self._has_failed.wait()
        assert self._failure is not None
        raise self._failure

    def _note_failure(self, error: LogError) -> None:
        # A database comes back; a full disk under a small program does not.
        if isinstance(error, LogUnavailable) and not getattr(self.log, "is_transactional", False):
            self._failure = self._failure or error
            self._has_failed.set()

    # --- answers --------------------------------------------------------------------------------------------------------

    def _answer(self, session_id: str) -> None:
        """Starts the task that answers in a session, or lets the one that runs look again."""
        self._asked.add(session_id)
        if session_id not in self._speakers and not self._is_closing:
            self._speakers[session_id] = asyncio.create_task(self._speak(session_id))

    async def _speak(self, session_id: str) -> None:
        is_owing = [True]

        def act(context: Context) -> None:
            is_owing[0] = self._reactions.advance(session_id, context)

        try:
            while is_owing[0] or session_id in self._asked:
                self._asked.discard(session_id)
                await asyncio.sleep(self._token_delay)
                try:
                    await self.server.perform(act)
                except Conflict:
                    continue  # Another hub on this log was faster, many times.
                except LogUnavailable:
                    if self._failure is not None:
                        raise
                    await asyncio.sleep(_PAUSE)  # A database comes back.
        except LogError:
            return  # The hub ends. The next start goes on, or the next message of the session.
        finally:
            del self._speakers[session_id]


def _authorizer(is_good: Authorize) -> Callable[[Request], str | None]:
    def authorize(request: Request) -> str | None:
        if request.token is None:
            return None
        is_let_in = is_good(request.token)
        # A program without types may return anything, such as a coroutine, which is true.
        if not isinstance(is_let_in, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"authorize returned {type(is_let_in).__name__}; return True or False")
        return "" if is_let_in else None

    return authorize
