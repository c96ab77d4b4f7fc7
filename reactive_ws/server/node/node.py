"""`Node`: one server process on a log. It answers the questions of its clients' sessions and follows the log.

Pages are read and encoded once for all clients that ask for the same one before the stream changes. Entries that the node committed
itself come from its memory. What goes to many clients goes to a thousand of them at once; then other tasks run.

The node hears of an own entry twice: from the command that committed it, and from the log. `_told` says which entries were heard of, so
that the second time costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import attrs

from ...errors import LogError
from ...wire import Position
from ..access import Request
from ..logs import PAGE_BYTES, Entry, Log
from ..session import (
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
    RunAnswer,
    ServerSession,
    StateAt,
    encode_entry,
)
from .audience import Audience
from .client import Client
from .duplex import Duplex
from .tail import Tail

__all__ = ["Answering", "Node"]

_PageKey = tuple[str, tuple[int, int], Position, int]

_log = logging.getLogger("reactive_ws.server")
_TICK: Final = 1.0
_MAX_PAGES: Final = 512
"""Pages that are kept for clients that ask for the same one."""
_MAX_TOLD: Final = 5_000
"""Streams whose newest number the node remembers."""
_PRUNE_EVERY: Final = 60.0
_MAX_AT_ONCE: Final = 1_000
"""Clients that get a message before other tasks of the loop run: about 5 ms."""


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

    async def run(self, question: Run) -> RunAnswer:
        """Runs a command, and maybe some of those behind it."""
        ...


@attrs.define
class _Offer:
    """A page that is read for all clients of a stream that have it up to a position."""

    after: Position
    again: Position | None = None
    """The entry of which the node heard since the read began."""


class Node:
    """The clients of one process on one log.

    Args:
        log: The log.
        answering: Whose tokens, which rights, which state, and what commands do.
        encode: Gives the frame of a payload, for messages without a position.
        folded: Streams of which retention keeps every entry until there is a checkpoint.
        on_change: Called with the streams that have new entries; with None when any may have.
    """

    def __init__(
        self,
        log: Log,
        answering: Answering,
        encode: Callable[[object], str | bytes],
        folded: Callable[[], Sequence[str]],
        on_change: Callable[[Iterable[str] | None], None],
    ) -> None:
        self._log = log
        self._answering = answering
        self._encode = encode
        self._folded = folded
        self._on_change = on_change
        self._clients: dict[Client, None] = {}
        self._audience: Audience[Client] = Audience()
        self._pages: OrderedDict[_PageKey, asyncio.Task[EncodedPage]] = OrderedDict()
        # Up to where pages were read, of streams that some client hears.
        self._heads: OrderedDict[str, Position] = OrderedDict()
        self._tail = Tail()
        self._own: dict[str, Position] = {}
        self._told: OrderedDict[str, Position] = OrderedDict()
        self._offers: dict[str, _Offer] = {}
        self._generations: dict[str, int] = {}
        self._everything = 0
        self._telling = asyncio.Lock()
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
        """Says goaway, serves until then, and closes all connections. A call that is cancelled waits for no client and no command."""
        try:
            try:
                await self._say_goaway(after, grace)
            finally:
                for client in list(self._clients):
                    client.perform([Close(code, "the server ends")])
            if self._kept:
                await asyncio.wait(self._kept, timeout=grace)
        finally:
            for task in [*self._tasks, *self._kept, *self._pages.values()]:
                task.cancel()
            if self._tasks or self._kept:
                await asyncio.wait([*self._tasks, *self._kept])

    async def _say_goaway(self, after: float, grace: float) -> None:
        """Asks all clients to go, and waits until they went or the time is over."""
        if not self._clients or after <= 0:
            return
        count = len(self._clients)
        for number, client in enumerate(list(self._clients), 1):
            # Spread, so that the clients do not come back at one moment.
            client.perform(client.session.leaving(after * number / count))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after + grace):
                await self._is_empty.wait()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Keeps a task until it ends, or the node does."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def serve(self, duplex: Duplex, session: ServerSession, request: Request) -> None:
        """Serves one client until its connection ends."""
        client = Client(self, duplex, session, request)
        self._clients[client] = None
        self._is_empty.clear()
        try:
            await client.run()
        finally:
            self._audience.remove_all(session.channels, client)
            del self._clients[client]
            if not self._clients:
                self._is_empty.set()

    async def tell(self, channel: str, payload: object, *, but: Client | None = None) -> None:
        """Writes a message without a position to every client of this node that hears the channel, except one.

        Messages go out one after the other, so that each client gets them in the order of the calls.
        """
        frame = self._encode(payload)
        async with self._telling:
            for number, client in enumerate(self._audience.of(channel), 1):
                if client is not but and client.session.hears(channel):
                    client.perform(client.session.said(frame))
                if number % _MAX_AT_ONCE == 0:
                    await asyncio.sleep(0)

    def hear(self, channel: str, client: Client) -> None:
        """Tells the client of changes of this channel from now on."""
        self._audience.add(channel, client)

    def unhear(self, channel: str, client: Client) -> None:
        """Ends what `hear` began."""
        self._audience.remove(channel, client)

    # --- questions ------------------------------------------------------------------------------------------------------

    async def answer(self, question: Question, session: ServerSession, request: Request) -> Any:
        """Returns the answer to a question of a session.

        Raises:
            LogUnavailable: the log failed.
        """
        match question:
            case Run():
                return await self._answering.run(question)
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

    def page(self, question: ReadPage) -> asyncio.Future[EncodedPage]:
        """Returns the future of a page; clients that ask for the same one before the stream changes share a read."""
        known = self._own_page(question.stream, question.after)
        if known is None:
            return self._shared_read(question)
        found: asyncio.Future[EncodedPage] = asyncio.get_running_loop().create_future()
        found.set_result(known)
        return found

    def _own_page(self, stream: str, after: Position) -> EncodedPage | None:
        """Returns a page of own entries from memory; None when the log has to be read."""
        told = self._told.get(stream)
        page = None if told is None else self._tail.page(stream, after, told)
        if page is not None:
            self._note_head(stream, page.head)
        return page

    def _shared_read(self, question: ReadPage) -> asyncio.Task[EncodedPage]:
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
            self._note_head(question.stream, page.head)
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

    def began(self) -> int:
        """Returns what `appended` gets for entries whose append begins now."""
        return self._everything

    def appended(self, entries: Iterable[Entry], began: int) -> None:
        """The log has these entries of this node. Clients get them together with others of the same turn of the loop.

        Args:
            entries: New entries, in the order of their numbers in each stream.
            began: What `began` returned before the log was asked to append them.
        """
        if began != self._everything:
            # Anything may have changed since then: a number may mean something else. The log tells what is there.
            return
        if not self._own:
            asyncio.get_running_loop().call_soon(self._hear_own)
        before, is_heard = "", False
        for entry in entries:
            stream = entry.stream
            if stream != before:
                before, is_heard = stream, self._audience.is_there(stream)
            if is_heard:
                self._tail.add(stream, encode_entry(entry))
            self._own[stream] = entry.position

    def _hear_own(self) -> None:
        own, self._own = self._own, {}
        self._hear(own)

    def _hear(self, changed: Mapping[str, Position] | None) -> None:
        """The log has entries up to these; None when anything may have changed."""
        if changed is None:
            self._everything += 1
            self._generations.clear()
            self._heads.clear()
            self._told.clear()
            self._tail.clear()
            self._own.clear()
            self._on_change(None)
            for client in list(self._clients):
                client.perform(client.session.changed(None))
            return
        fresh = {stream: at for stream, at in changed.items() if not self._knows(stream, at)}
        if fresh:
            self._change(fresh)

    def _knows(self, stream: str, at: Position) -> bool:
        """Returns whether the clients that hear a stream know of an entry, or have it."""
        told = self._told.get(stream)
        return told is not None and told.epoch == at.epoch and told.seq >= at.seq

    def _change(self, changed: Mapping[str, Position]) -> None:
        """Tells the clients of new entries."""
        for stream, at in changed.items():
            self._generations[stream] = self._generations.get(stream, 0) + 1
            self._told[stream] = at
            self._told.move_to_end(stream)
        while len(self._told) > _MAX_TOLD:
            self._told.popitem(last=False)
        if len(self._generations) > 10 * _MAX_PAGES:
            self._everything += 1
            self._generations.clear()
        self._on_change(changed.keys())
        self._mark([stream for stream, at in changed.items() if not self._begin_offer(stream, at)])

    def _mark(self, streams: Iterable[str]) -> None:
        """Lets each client that hears one of these streams ask for its own page."""
        found: dict[Client, list[str]] = {}
        # Sorted, so that runs of the same seed are the same.
        for stream in sorted(streams):
            for client in self._audience.of(stream):
                found.setdefault(client, []).append(stream)
        for client, own in found.items():
            client.perform(client.session.changed(own))

    def _note_head(self, stream: str, head: Position) -> None:
        self._heads[stream] = head
        while len(self._heads) > _MAX_PAGES:
            self._heads.popitem(last=False)

    def _begin_offer(self, stream: str, at: Position) -> bool:
        """Offers what is behind the newest page of a stream to all clients that are there: most of them are.

        It comes from memory, or from the log. While it is read, a further change waits: the next page has it. Returns False when
        there is no such page.
        """
        offer = self._offers.get(stream)
        if offer is not None:
            offer.again = at
            return True
        after = self._heads.get(stream)
        if after is None:
            return False
        self._offers[stream] = _Offer(after)
        own = self._own_page(stream, after)
        if own is not None:
            self._offer(stream, own)
        else:
            page = self._shared_read(ReadPage(stream, after, PAGE_BYTES))
            page.add_done_callback(partial(self._offer_read, stream))
        return True

    def _offer_read(self, stream: str, task: asyncio.Future[EncodedPage]) -> None:
        is_read = not task.cancelled() and task.exception() is None
        self._offer(stream, task.result() if is_read else None)

    def _offer(self, stream: str, page: EncodedPage | None) -> None:
        audience = self._audience.of(stream)
        if page is not None and page.entries:
            told, last = self._told.get(stream), page.last
            if told is None or (told.epoch == last.epoch and told.seq < last.seq):
                self._told[stream] = last
        if len(audience) > _MAX_AT_ONCE:
            self.keep(asyncio.create_task(self._offer_in_parts(stream, page, audience)))
        else:
            takers = 0
            try:
                takers = self._give(stream, page, audience)
            finally:
                self._end_offer(stream, takers)

    async def _offer_in_parts(
        self, stream: str, page: EncodedPage | None, audience: Sequence[Client]
    ) -> None:
        takers = 0
        try:
            for start in range(0, len(audience), _MAX_AT_ONCE):
                takers += self._give(stream, page, audience[start : start + _MAX_AT_ONCE])
                await asyncio.sleep(0)
        except Exception:  # noqa: BLE001 - the stream has to go on
            # A cancellation is the end of the node.
            _log.exception("a page did not reach all clients")
        self._end_offer(stream, takers)

    def _give(self, stream: str, page: EncodedPage | None, clients: Sequence[Client]) -> int:
        """Gives a page to clients; returns how many took it."""
        after = self._offers[stream].after
        takers = 0
        for client in clients:
            if page is not None and client.take(stream, after, page):
                takers += 1
            else:
                # It is elsewhere in the stream, or busy, or has no room: it asks for its own page.
                client.perform(client.session.changed((stream,)))
        return takers

    def _end_offer(self, stream: str, takers: int) -> None:
        offer = self._offers.pop(stream)
        if not takers:
            self._heads.pop(stream, None)
        if offer.again is not None:
            self._change({stream: offer.again})

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        prune_at = loop.time() + _PRUNE_EVERY
        while True:
            await asyncio.sleep(_TICK)
            for number, client in enumerate(list(self._clients), 1):
                client.tick(loop.time())
                if number % _MAX_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if loop.time() >= prune_at:
                prune_at = loop.time() + _PRUNE_EVERY
                try:
                    await self._log.prune(self._folded())
                except LogError as error:
                    _log.warning("old entries stay until the log is back: %s", error)
