"""Consumers: functions that follow a stream from a stored position, each message at least once, for mail and other calls.

The position is an entry of a private stream, written in the same step as what the function publishes. Every node runs every
consumer; an entry that another node handled first is not handled again. A function that raises is called again with the same
message, after a growing pause, and the messages behind it wait.

The position and the stream are in one log. So its number means the same entry in every epoch: a restored backup has both as they
were at one moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs
import msgspec

from ..errors import Conflict, LogError, MessageRejected, UnknownType, UsageError
from ..wire import Codec, Position, Registry
from .calling import resolve
from .commands import Commands, check_handler
from .context import Context, Noted
from .logs import CommandKey, Entry, Log, check_stream, name_problem

__all__ = ["Consumers"]

_log = logging.getLogger("reactive_ws.server")
_LONGEST_PAUSE: Final = 60.0
_MAX_NAME: Final = 100


@attrs.frozen
class _Place:
    """The position of a consumer, as its private stream has it."""

    stream: str
    seq: int


@attrs.define
class _Consumer:
    name: str
    stream: str
    payload: type[Any]
    function: Callable[[Any, Context], Any]
    is_from_start: bool
    wakes: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def own_stream(self) -> str:
        """The private stream that has the position."""
        return f"_consumer/{self.name}"


class Consumers:
    """The consumers of one server.

    Args:
        log: Where streams and positions are.
        registry, codec: Types of messages, and how they are read.
        commands: Performs the steps.
    """

    def __init__(self, log: Log, registry: Registry, codec: Codec, commands: Commands) -> None:
        self._log = log
        self._registry = registry
        self._codec = codec
        self._commands = commands
        self._consumers: dict[str, _Consumer] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_running = False

    def add(
        self,
        name: str,
        stream: str,
        payload: type[Any],
        function: Callable[[Any, Context], Any],
        *,
        from_start: bool,
    ) -> None:
        """Adds a consumer.

        Raises:
            UsageError: a bad name or stream, the name is taken, or the server runs already.
            UnknownType: neither the class nor one that inherits from it is registered.
        """
        if self._is_running:
            raise UsageError(
                f"the server runs already; declare the consumer {name!r} before it starts"
            )
        if name in self._consumers:
            raise UsageError(f"there is a consumer {name!r} already; each has its own name")
        own_stream = f"_consumer/{name}"
        problem = name_problem(own_stream)
        if not isinstance(name, str) or not name or problem is not None:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"{name!r:.60} cannot name a consumer: {problem or 'give a text'}")
        if len(name.encode()) > _MAX_NAME:
            raise UsageError(f"the name of a consumer has at most {_MAX_NAME} bytes")
        check_stream(stream)
        check_handler(payload, function)
        if not any(issubclass(row.payload, payload) for row in self._registry):
            raise UnknownType(payload.__name__)
        self._consumers[name] = _Consumer(name, stream, payload, function, from_start)

    def start(self) -> None:
        """Starts all of them; the log is open."""
        self._is_running = True
        for one in self._consumers.values():
            # An event belongs to the loop in which it was first awaited; the server may start in another one.
            one.wakes = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._run(one), name=f"reactive-ws consumer {one.name}")
            for one in self._consumers.values()
        ]

    async def stop(self) -> None:
        """Ends all of them. A step that is under way is rolled back; it runs again after the next start."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._is_running = False
        if tasks:
            await asyncio.wait(tasks)

    def changed(self, streams: Iterable[str] | None) -> None:
        """Streams have new entries; None when any may have."""
        if not self._consumers:
            return
        changed = None if streams is None else {*streams}
        for one in self._consumers.values():
            if changed is None or one.stream in changed:
                one.wakes.set()

    async def _run(self, consumer: _Consumer) -> None:
        failures = 0
        while True:
            consumer.wakes.clear()
            try:
                await self._catch_up(consumer)
                failures = 0
            except Conflict:
                # Another node handled the entry first, or a new epoch began.
                await asyncio.sleep(0)
            except Exception as error:  # noqa: BLE001 - of the application, or of the log
                failures += 1
                pause = min(_LONGEST_PAUSE, 2.0 ** (failures - 1))
                if isinstance(error, LogError):
                    _log.warning("consumer %r waits: %s", consumer.name, error)
                else:
                    _log.exception("consumer %r failed; again in %.0f s", consumer.name, pause)
                await asyncio.sleep(pause)
            else:
                await consumer.wakes.wait()

    async def _catch_up(self, consumer: _Consumer) -> None:
        own, at = await self._position(consumer)
        while True:
            page = await self._log.read(consumer.stream, at)
            if page.entries is None:
                if page.head.epoch != at.epoch:
                    # What is in the log now says where the consumer is.
                    raise Conflict(consumer.own_stream)
                before, at = at, await self._before_oldest(consumer.stream, at.seq, page.head)
                own = await self._note(consumer, own, at)
                _log.error(
                    "consumer %r goes on behind %s: the entries behind %s are gone up to there",
                    consumer.name,
                    at,
                    before,
                )
                continue
            is_noted = True
            for entry in page.entries:
                payloads = self._payloads(consumer, entry)
                is_noted = bool(payloads)
                if payloads:
                    own = await self._handle(consumer, own, entry.position, payloads)
                at = entry.position
            if not is_noted:
                own = await self._note(consumer, own, at)
            if not page.more:
                return

    async def _position(self, consumer: _Consumer) -> tuple[Position, Position]:
        """Returns the newest entry of the consumer's own stream, and the position that it notes.

        Raises:
            UsageError: the position is one of another stream.
        """
        head = (await self._log.read(consumer.own_stream, None, 1)).head
        if head.seq:
            page = await self._log.read(consumer.own_stream, Position(head.epoch, head.seq - 1))
            for entry in page.entries or ():
                noted = msgspec.json.decode(entry.messages[0], type=_Place)
                if noted.stream != consumer.stream:
                    raise UsageError(
                        f"consumer {consumer.name!r} followed stream {noted.stream!r} before; "
                        f"give the one that follows {consumer.stream!r} another name"
                    )
                return entry.position, Position(entry.position.epoch, noted.seq)
            raise Conflict(consumer.own_stream)
        at = (await self._log.read(consumer.stream, None, 1)).head
        if consumer.is_from_start:
            at = await self._before_oldest(consumer.stream, -1, at)
        return await self._note(consumer, head, at), at

    async def _before_oldest(self, stream: str, gone: int, head: Position) -> Position:
        """Returns the position before the oldest entry that the log has; it cannot continue from number `gone`."""
        found = head.seq
        while found - gone > 1:
            middle = (gone + found) // 2
            page = await self._log.read(stream, Position(head.epoch, middle), 1)
            if page.entries is None:
                gone = middle
            else:
                found = middle
        return Position(head.epoch, found)

    async def _note(self, consumer: _Consumer, own: Position, at: Position) -> Position:
        def act(context: Context) -> None:
            context.expect(consumer.own_stream, own)
            context.publish(consumer.own_stream, _note_of(consumer, at))

        outcome = await self._commands.perform(act, kind=("consumer", ""))
        return outcome.positions[consumer.own_stream]

    async def _handle(
        self, consumer: _Consumer, own: Position, at: Position, payloads: Sequence[Any]
    ) -> Position:
        async def act(context: Context) -> None:
            # In a database the transaction claims the key, so that other nodes wait. Otherwise each of them would send the mail.
            _ = context.connection
            context.expect(consumer.own_stream, own)
            for payload in payloads:
                await resolve(consumer.function(payload, context))
            context.publish(consumer.own_stream, _note_of(consumer, at))

        key = CommandKey("", f"consumer {consumer.name}", f"{at.epoch}:{at.seq}")
        outcome = await self._commands.perform(act, key, kind=("consumer", consumer.name))
        if not outcome.accepted:
            _log.warning("consumer %r refused %s, and goes on behind it", consumer.name, at)
            return await self._note(consumer, own, at)
        position = outcome.positions.get(consumer.own_stream)
        if position is None or position.seq != own.seq + 1:
            raise Conflict(consumer.own_stream)
        return position

    def _payloads(self, consumer: _Consumer, entry: Entry) -> list[Any]:
        found: list[Any] = []
        for message in entry.messages:
            try:
                payload = self._codec.decode(message.decode()).payload
            except MessageRejected as error:
                _log.warning("consumer %r skips a message: %s", consumer.name, error)
                continue
            if isinstance(payload, consumer.payload):
                found.append(payload)
        return found


def _note_of(consumer: _Consumer, at: Position) -> Noted:
    return Noted(msgspec.json.encode(_Place(consumer.stream, at.seq)))
