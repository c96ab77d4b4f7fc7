"""`Client`: one connection with its session, its frames on the way, and the questions that are open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, Protocol

from ...errors import LogError
from ...wire import Position
from ..access import Request
from ..session import (
    Accepted,
    Ask,
    Close,
    EncodedPage,
    Hear,
    Question,
    ReadPage,
    Run,
    RunAnswer,
    ServerSession,
    SessionEffect,
    Unhear,
    Write,
)
from .duplex import Disconnected, Duplex
from .outgoing import Outgoing

__all__ = ["Client", "Home"]

_log = logging.getLogger("reactive_ws.server")
_ROOM: Final = 65_536
"""Bytes that wait for the socket before a session reads no further pages."""


class Home(Protocol):
    """The node, as a client sees it."""

    async def answer(self, question: Question, session: ServerSession, request: Request) -> Any:
        """Returns the answer to a question of a session."""
        ...

    def page(self, question: ReadPage) -> asyncio.Future[EncodedPage]:
        """Returns the future of a page."""
        ...

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Keeps a task until it ends, or the node does."""
        ...

    async def tell(self, channel: str, payload: object, *, but: Client | None = None) -> None:
        """Writes a message without a position to every client that hears the channel, except one."""
        ...

    def hear(self, channel: str, client: Client) -> None:
        """Tells the client of changes of this channel from now on."""
        ...

    def unhear(self, channel: str, client: Client) -> None:
        """Ends what `hear` began."""
        ...


class Client:
    """One connection with its session. It performs what the session wants.

    Args:
        home: The node.
        duplex: The socket.
        session: The session, which nothing happened to yet.
        request: What the client's request said.
    """

    __slots__ = (
        "_due",
        "_duplex",
        "_failure",
        "_home",
        "_is_held",
        "_is_over",
        "_may_read",
        "_reader",
        "_request",
        "outgoing",
        "session",
    )

    def __init__(
        self, home: Home, duplex: Duplex, session: ServerSession, request: Request
    ) -> None:
        self.session = session
        self.outgoing = Outgoing(duplex, self._has_room)
        self._home = home
        self._duplex = duplex
        self._request = request
        self._reader: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        # Whether frames were left, because the session takes none now.
        self._is_held = False
        self._is_over = False
        # Made when the reader has to wait.
        self._may_read: asyncio.Future[None] | None = None
        # The time is kept here: uvloop gives a handle without one when the time is over.
        self._due: tuple[float, asyncio.Handle] | None = None

    async def run(self) -> None:
        """Serves the client until one side ends."""
        writer = self.outgoing.task
        reader = self._reader = asyncio.create_task(self._read())
        try:
            self.perform(self.session.opened(asyncio.get_running_loop().time()))
            self._duplex.listen(self._hear)
            await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when this task is cancelled: ASGI has no other way to drop a connection.
            self._is_over = True
            reader.cancel()
            self.session.ended()
            self._set_timer()
            # Commands go on without their client; what it asked for itself does not.
            await self.outgoing.end()
            if not writer.cancelled() and writer.exception() is not None:
                _log.error("a socket failed", exc_info=writer.exception())
            await asyncio.wait([reader])
        error = self._failure or (None if reader.cancelled() else reader.exception())
        if error is not None:
            raise error

    def perform(self, effects: Iterable[SessionEffect]) -> None:
        """Performs effects in their order. Frames with nothing between them go to the socket together."""
        frames: list[str | bytes] = []
        for effect in effects:
            if isinstance(effect, Write):
                frames.append(effect.frame)
                continue
            if frames:
                self.outgoing.write(frames)
                frames = []
            match effect:
                case Ask(number, ReadPage() as question):
                    # Most questions are for a page, and many clients ask for the same one: no task for each of them.
                    self._home.page(question).add_done_callback(partial(self._take_page, number))
                case Ask():
                    self._home.keep(asyncio.create_task(self._answer(effect)))
                case Hear(channel):
                    self._home.hear(channel, self)
                case Unhear(channel):
                    self._home.unhear(channel, self)
                case Close():
                    self.outgoing.close(effect)
                    if effect.is_abort:
                        self._duplex.abort()
        if frames:
            self.outgoing.write(frames)
        if self.outgoing.size > _ROOM:
            self._fill()
        if (self._may_read is not None or self._is_held) and self.session.wants_input:
            self._read_on()
        self._set_timer()

    def take(self, stream: str, after: Position, page: EncodedPage) -> bool:
        """Writes a page that begins behind `after`; returns False when this client is elsewhere and has to ask for its own."""
        effects = self.session.offered(stream, after, page)
        if effects is None:
            return False
        if effects is page.writes:
            # The frames that all clients get, and nothing of this client alone: neither its timer nor its reader changed.
            outgoing = self.outgoing
            if page.frames:
                outgoing.write(page.frames)
            if outgoing.size > _ROOM:
                self._fill()
        else:
            self.perform(effects)
        return True

    def tick(self, now: float) -> None:
        """Time passed."""
        limit = self.session.settings.stuck_after
        since = self.outgoing.sending_since
        if since is not None and now - since > limit:
            _log.warning("a client took nothing for %.0f s and is cut off", limit)
            self._duplex.abort()
        self.perform(self.session.tick(now))

    def _fill(self) -> None:
        """The session makes no further frames until the socket took these."""
        self.outgoing.is_full = True
        self.session.took(has_room=False)

    def _has_room(self) -> None:
        self.perform(self.session.took(has_room=True))

    def _set_timer(self) -> None:
        due_at = self.session.due_at
        if self._due is not None and self._due[0] != due_at:
            self._due[1].cancel()
            self._due = None
        if due_at is not None and self._due is None:
            loop = asyncio.get_running_loop()
            self._due = due_at, loop.call_at(due_at, lambda: self.tick(loop.time()))

    def _hear(self, frames: deque[str | bytes]) -> None:
        """Takes frames as they come, in the call of the socket; as many as the session has room for."""
        session = self.session
        if self._is_over:
            # The socket still has them, but nothing may begin for a client that is gone.
            frames.clear()
            return
        try:
            room = session.room
            if room >= len(frames):
                taken = list(frames)
                frames.clear()
            else:
                taken = [frames.popleft() for _ in range(room)]
                self._is_held = True
            self.perform(session.burst(taken))
        except Exception as error:  # noqa: BLE001 - `run` raises it; the socket does not know what to do with it
            self._failure = error
            assert self._reader is not None
            self._reader.cancel()

    def _read_on(self) -> None:
        if self._may_read is not None and not self._may_read.done():
            self._may_read.set_result(None)
        if self._is_held:
            self._is_held = False
            # In a call of its own: what it gives leads here again.
            asyncio.get_running_loop().call_soon(self._duplex.go_on)

    async def _read(self) -> None:
        with contextlib.suppress(Disconnected):
            while True:
                while not self.session.wants_input:
                    self._may_read = asyncio.get_running_loop().create_future()
                    await self._may_read
                    self._may_read = None
                frame = await self._duplex.receive()
                self.perform(self.session.received(frame))

    async def _answer(self, ask: Ask) -> None:
        try:
            answer = await self._home.answer(ask.question, self.session, self._request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the session decides what a failed question means
            if not isinstance(error, LogError):
                _log.exception("a question of a session failed: %s", type(ask.question).__name__)
            self.perform(self.session.failed(ask.number, error))
        else:
            if isinstance(ask.question, Run):
                await self._tell(answer)
            self.perform(self.session.answered(ask.number, answer))

    async def _tell(self, answer: RunAnswer) -> None:
        for one in answer if isinstance(answer, list) else (answer,):
            if isinstance(one, Accepted):
                for channel, payload in one.told:
                    try:
                        await self._home.tell(channel, payload, but=self)
                    except Exception:  # noqa: BLE001 - the command is in the log: its client gets its answer
                        _log.exception("a message to %r was not written to all clients", channel)

    def _take_page(self, number: int, page: asyncio.Future[EncodedPage]) -> None:
        if page.cancelled():
            return
        error = page.exception()
        if error is None:
            self.perform(self.session.answered(number, page.result()))
        else:
            self.perform(self.session.failed(number, error))
