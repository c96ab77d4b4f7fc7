"""`Node`: one server process on a log. It drives the sessions of its clients, answers their questions and follows the log.

Pages are read and encoded once for all clients that ask for the same one before the stream changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import attrs

from ..errors import LogError
from ..wire import Position
from .access import Request
from .logs import PAGE_BYTES, Log
from .session import (
    Accepted,
    Ask,
    Authenticate,
    Close,
    EncodedPage,
    FindOutcomes,
    MakeMark,
    MakeState,
    Question,
    ReadHeads,
    ReadPage,
    Rights,
    Run,
    ServerSession,
    SessionEffect,
    StateAt,
    Write,
    encode_entry,
)

__all__ = ["Answering", "Disconnected", "Duplex", "Node"]

_PageKey = tuple[str, tuple[int, int], Position, int]

_log = logging.getLogger("reactive_ws.server")
_ROOM: Final = 65_536
"""Bytes that wait for the socket before a session reads no further pages."""
_TICK: Final = 1.0
_MAX_PAGES: Final = 512
"""Pages that are kept for clients that ask for the same one."""
_PRUNE_EVERY: Final = 60.0


class Disconnected(Exception):
    """The other end is gone. Raised by `Duplex.receive`."""


class Duplex(Protocol):
    """A socket, as a shell makes it."""

    async def send(self, frame: str | bytes) -> None:
        """Hands a frame over; returns when the socket takes more."""
        ...

    async def receive(self) -> str | bytes:
        """Returns the next frame, or raises `Disconnected`."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Closes politely."""
        ...

    def abort(self) -> None:
        """Drops the connection."""
        ...


class Answering(Protocol):
    """The application's part of the answers."""

    async def authenticate(self, request: Request) -> str | None:
        """Returns an identity, None to refuse."""
        ...

    async def rights(self, identity: str, channels: Sequence[str]) -> dict[str, str]:
        """Returns the code of a refusal for each channel that this identity may not hear."""
        ...

    async def make_state(self, stream: str) -> StateAt | None:
        """Returns the state of a stream."""
        ...

    async def run(self, question: Run) -> Any:
        """Runs a command; returns `Accepted`, `Failure` or None."""
        ...


class _Client:
    """One connection with its session, its writer, and the questions that are open."""

    def __init__(
        self, node: Node, duplex: Duplex, session: ServerSession, request: Request
    ) -> None:
        self.session = session
        self._node = node
        self._duplex = duplex
        self._request = request
        self._outgoing: deque[str | bytes] = deque()
        self._size = 0
        self._is_full = False
        self._wakes = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._sending_since: float | None = None
        self._questions: set[asyncio.Task[None]] = set()
        self._closing: Close | None = None
        # The time is kept here: uvloop gives a handle without one when the time is over.
        self._due: tuple[float, asyncio.Handle] | None = None

    async def run(self) -> None:
        """Serves the client until one side ends."""
        writer = asyncio.create_task(self._write())
        try:
            self.perform(self.session.opened(asyncio.get_running_loop().time()))
            reader = asyncio.create_task(self._read())
            await asyncio.wait([reader, writer], return_when=asyncio.FIRST_COMPLETED)
            reader.cancel()
            await asyncio.wait([reader])
            if not reader.cancelled() and reader.exception() is not None:
                raise reader.exception() or AssertionError
        finally:
            self.session.ended()
            self._set_timer()
            writer.cancel()
            # Commands go on without their client; what it asked for itself does not.
            await asyncio.wait([writer])

    def perform(self, effects: Iterable[SessionEffect]) -> None:
        """Performs effects in their order."""
        for effect in effects:
            match effect:
                case Write(frame):
                    self._outgoing.append(frame)
                    self._size += len(frame)
                case Ask(number, ReadPage() as question):
                    # Most questions are for a page, and many clients ask for the same one: no task for each of them.
                    self._node.page(question).add_done_callback(partial(self._take_page, number))
                case Ask():
                    task = asyncio.create_task(self._answer(effect))
                    self._questions.add(task)
                    task.add_done_callback(self._questions.discard)
                    self._node.keep(task)
                case Close():
                    self._closing = effect
                    if effect.is_abort:
                        self._duplex.abort()
        if self._outgoing or self._closing is not None:
            self._wakes.set()
            if self._size > _ROOM:
                self._is_full = True
                self.session.took(has_room=False)
        if self.session.wants_input:
            self._may_read.set()
        else:
            self._may_read.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        due_at = self.session.due_at
        if self._due is not None and self._due[0] != due_at:
            self._due[1].cancel()
            self._due = None
        if due_at is not None and self._due is None:
            loop = asyncio.get_running_loop()
            self._due = due_at, loop.call_at(due_at, lambda: self.tick(loop.time()))

    def tick(self, now: float) -> None:
        """Time passed."""
        limit = self.session.settings.stuck_after
        if self._sending_since is not None and now - self._sending_since > limit:
            _log.warning("a client took nothing for %.0f s and is cut off", limit)
            self._duplex.abort()
        self.perform(self.session.tick(now))

    async def _read(self) -> None:
        with contextlib.suppress(Disconnected):
            while True:
                await self._may_read.wait()
                frame = await self._duplex.receive()
                self.perform(self.session.received(frame))

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(Disconnected):
            while True:
                await self._wakes.wait()
                self._wakes.clear()
                while self._outgoing:
                    frame = self._outgoing.popleft()
                    self._sending_since = loop.time()
                    await self._duplex.send(frame)
                    self._sending_since = None
                    self._size -= len(frame)
                if self._closing is not None:
                    await self._duplex.close(self._closing.code, self._closing.reason)
                    return
                if self._is_full:
                    self._is_full = False
                    self.perform(self.session.took(has_room=True))

    async def _answer(self, ask: Ask) -> None:
        try:
            answer = await self._node.answer(ask.question, self.session, self._request)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the session decides what a failed question means
            if not isinstance(error, LogError):
                _log.exception("a question of a session failed: %s", type(ask.question).__name__)
            self.perform(self.session.failed(ask.number, error))
        else:
            if isinstance(answer, Accepted):
                for channel, payload in answer.told:
                    self._node.tell(channel, payload, but=self)
            self.perform(self.session.answered(ask.number, answer))

    def _take_page(self, number: int, page: asyncio.Task[EncodedPage]) -> None:
        if page.cancelled():
            return
        error = page.exception()
        if error is None:
            self.perform(self.session.answered(number, page.result()))
        else:
            self.perform(self.session.failed(number, error))


@attrs.define
class _Offer:
    """A page that is read for all clients of a stream that have it up to a position."""

    after: Position
    is_again: bool = False
    """Whether the stream changed again since the read began."""


class Node:
    """The clients of one process on one log.

    Args:
        log: The log.
        answering: Whose tokens, which rights, which state, and what commands do.
        name_of: Gives the type name of a payload.
        folded: Streams of which retention keeps every entry until there is a checkpoint.
        on_change: Called with what `Log.follow` gives.
    """

    def __init__(
        self,
        log: Log,
        answering: Answering,
        name_of: Callable[[object], str],
        folded: Callable[[], Sequence[str]],
        on_change: Callable[[frozenset[str] | None], None],
    ) -> None:
        self._log = log
        self._answering = answering
        self._name_of = name_of
        self._folded = folded
        self._on_change = on_change
        self._clients: set[_Client] = set()
        self._pages: OrderedDict[_PageKey, asyncio.Task[EncodedPage]] = OrderedDict()
        self._tails: OrderedDict[str, Position] = OrderedDict()
        self._offers: dict[str, _Offer] = {}
        self._generations: dict[str, int] = {}
        self._everything = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._kept: set[asyncio.Task[Any]] = set()
        self._is_empty = asyncio.Event()

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    async def start(self) -> None:
        """Begins to follow the log, which is open."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="reactive-ws server: follow the log"),
            asyncio.create_task(self._tick(), name="reactive-ws server: clock"),
        ]
        # From here on no commit is missed: the task has begun to follow.
        await asyncio.sleep(0)

    async def stop(self, *, after: float, grace: float, code: int) -> None:
        """Says goaway, serves until then, and closes all connections."""
        if self._clients and after > 0:
            count = len(self._clients)
            for number, client in enumerate(list(self._clients), 1):
                # Spread, so that the clients do not come back at one moment.
                client.perform(client.session.leaving(after * number / count))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(after + grace):
                    await self._is_empty.wait()
        for client in list(self._clients):
            client.perform([Close(code, "the server ends")])
        if self._kept:
            await asyncio.wait(self._kept, timeout=grace)
        for task in [*self._tasks, *self._kept, *self._pages.values()]:
            task.cancel()
        if self._tasks or self._kept:
            await asyncio.wait([*self._tasks, *self._kept])

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Keeps a task until it ends, or the node does."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def serve(self, duplex: Duplex, session: ServerSession, request: Request) -> None:
        """Serves one client until its connection ends."""
        client = _Client(self, duplex, session, request)
        self._clients.add(client)
        self._is_empty.clear()
        try:
            await client.run()
        finally:
            self._clients.discard(client)
            if not self._clients:
                self._is_empty.set()

    def tell(self, channel: str, payload: object, *, but: _Client | None = None) -> None:
        """Writes a message without a position to every client of this node that hears the channel, except one."""
        name = self._name_of(payload)
        for client in list(self._clients):
            if client is not but and client.session.hears(channel):
                client.perform(client.session.said(name, payload))

    # --- questions ------------------------------------------------------------------------------------------------------

    async def answer(self, question: Question, session: ServerSession, request: Request) -> Any:
        """Returns the answer to a question of a session.

        Raises:
            LogUnavailable: the log failed.
        """
        match question:
            case Authenticate(token):
                fresh = Request(request.path, request.headers, token)
                return await self._answering.authenticate(fresh)
            case Rights(channels):
                return await self._answering.rights(session.identity or "", channels)
            case MakeMark():
                return await self._log.mark()
            case ReadHeads(pattern, born_after):
                return await self._log.heads(pattern, born_after)
            case ReadPage():
                return await asyncio.shield(self.page(question))
            case FindOutcomes(keys):
                return await self._log.outcomes(keys)
            case MakeState(stream):
                return await self._answering.make_state(stream)
            case Run():
                return await self._answering.run(question)

    def page(self, question: ReadPage) -> asyncio.Task[EncodedPage]:
        """Returns the task that reads a page; clients that ask for the same one before the stream changes share it."""
        generation = (self._everything, self._generations.get(question.stream, 0))
        key = (question.stream, generation, question.after, question.limit_bytes)
        task = self._pages.get(key)
        if task is None:
            task = self._pages[key] = asyncio.create_task(self._read_page(question))
            self.keep(task)
            task.add_done_callback(partial(self._forget_failed, key))
            while len(self._pages) > _MAX_PAGES:
                self._pages.popitem(last=False)
        return task

    def _forget_failed(self, key: _PageKey, task: asyncio.Task[EncodedPage]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        if not isinstance(task.exception(), LogError):
            _log.error("a page cannot be read", exc_info=task.exception())
        if self._pages.get(key) is task:
            del self._pages[key]

    async def _read_page(self, question: ReadPage) -> EncodedPage:
        after = question.after if question.after.epoch else None
        page = await self._log.read(question.stream, after, question.limit_bytes)
        if page.entries is None:
            return EncodedPage(page.head, None)
        if not page.more:
            self._tails[question.stream] = page.head
            while len(self._tails) > _MAX_PAGES:
                self._tails.popitem(last=False)
        return EncodedPage(page.head, [encode_entry(entry) for entry in page.entries], page.more)

    # --- the log --------------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                async for changed in self._log.follow():
                    self._hear(changed)
            except LogError as error:
                _log.warning("the log cannot be followed and is tried again: %s", error)
                await asyncio.sleep(_TICK)
                self._hear(None)
            else:
                return

    def _hear(self, changed: frozenset[str] | None) -> None:
        if changed is None:
            self._everything += 1
            self._generations.clear()
            self._tails.clear()
        else:
            for stream in changed:
                self._generations[stream] = self._generations.get(stream, 0) + 1
            if len(self._generations) > 10 * _MAX_PAGES:
                self._everything += 1
                self._generations.clear()
        self._on_change(changed)
        for stream in changed or ():
            self._begin_offer(stream)
        left = changed if changed is None else changed - self._offers.keys()
        if left is None or left:
            for client in list(self._clients):
                client.perform(client.session.changed(left))

    def _begin_offer(self, stream: str) -> None:
        """Reads what is behind the newest page of a stream, for all clients that are there: most of them are.

        While that is read, a further change waits: the next page has it.
        """
        offer = self._offers.get(stream)
        if offer is not None:
            offer.is_again = True
        elif (at := self._tails.get(stream)) is not None and self._clients:
            self._offers[stream] = _Offer(at)
            page = self.page(ReadPage(stream, at, PAGE_BYTES))
            page.add_done_callback(partial(self._offer, stream))

    def _offer(self, stream: str, task: asyncio.Task[EncodedPage]) -> None:
        offer = self._offers.pop(stream)
        page = None if task.cancelled() or task.exception() is not None else task.result()
        takers = 0
        for client in list(self._clients):
            effects = None if page is None else client.session.offered(stream, offer.after, page)
            if effects is None:
                # It is elsewhere in the stream, or busy, or has no room: it asks for its own page.
                effects = client.session.changed(frozenset({stream}))
            else:
                takers += 1
            client.perform(effects)
        if not takers:
            self._tails.pop(stream, None)
        if offer.is_again:
            self._hear(frozenset({stream}))

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        prune_at = loop.time() + _PRUNE_EVERY
        while True:
            await asyncio.sleep(_TICK)
            for client in list(self._clients):
                client.tick(loop.time())
            if loop.time() >= prune_at:
                prune_at = loop.time() + _PRUNE_EVERY
                try:
                    await self._log.prune(self._folded())
                except LogError as error:
                    _log.warning("old entries stay until the log is back: %s", error)
