"""Consumers: functions that follow a stream from a stored position, each message at least once, for mail and other calls.

The position is an entry of a private stream, written in the same step as what the function publishes. Every node runs every
consumer; an entry that another node handled first is not handled again. A function that raises is called again with the same
message, after a growing pause, and the messages behind it wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs
import msgspec

from ..errors import Conflict, LogError, MessageRejected, UsageError
from ..wire import Codec, Position
from .calling import resolve
from .commands import Commands
from .context import Context, Noted
from .logs import CommandKey, Entry, Log, check_stream

__all__ = ["Consumers"]

_log = logging.getLogger("reactive_ws.server")
_LONGEST_PAUSE: Final = 60.0
_MAX_NAME: Final = 100


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
        codec: Reads messages.
        commands: Performs the steps.
    """

    def __init__(self, log: Log, codec: Codec, commands: Commands) -> None:
        self._log = log
        self._codec = codec
        self._commands = commands
        self._consumers: dict[str, _Consumer] = {}
        self._tasks: list[asyncio.Task[None]] = []

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
            UsageError: a bad name or stream, or the name is taken.
        """
        if name in self._consumers:
            raise UsageError(f"there is a consumer {name!r} already; each has its own name")
        if len(name.encode()) > _MAX_NAME:
            raise UsageError(f"the name of a consumer has at most {_MAX_NAME} bytes")
        check_stream(f"_consumer/{name}")
        self._consumers[name] = _Consumer(name, check_stream(stream), payload, function, from_start)

    def start(self) -> None:
        """Starts all of them; the log is open."""
        self._tasks = [
            asyncio.create_task(self._run(one), name=f"reactive-ws consumer {one.name}")
            for one in self._consumers.values()
        ]

    async def stop(self) -> None:
        """Ends all of them. A step that is under way is rolled back; it runs again after the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []

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
                # Another node handled the entry first.
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
                _log.error(
                    "consumer %r goes on at %s: the entries behind %s are gone",
                    consumer.name,
                    page.head,
                    at,
                )
                own = await self._note(consumer, own, page.head)
                at = page.head
                continue
            for entry in page.entries:
                own = await self._handle(consumer, own, entry)
                at = entry.position
            if not page.more:
                return

    async def _position(self, consumer: _Consumer) -> tuple[Position, Position]:
        """Returns the newest entry of the consumer's own stream, and the position that it notes."""
        head = (await self._log.read(consumer.own_stream, None, 1)).head
        if head.seq:
            page = await self._log.read(consumer.own_stream, Position(head.epoch, head.seq - 1))
            for entry in page.entries or ():
                return entry.position, msgspec.json.decode(entry.messages[0], type=Position)
            raise Conflict(consumer.own_stream)
        source = (await self._log.read(consumer.stream, None, 1)).head
        at = Position(source.epoch, 0) if consumer.is_from_start else source
        return await self._note(consumer, head, at), at

    async def _note(self, consumer: _Consumer, own: Position, at: Position) -> Position:
        def act(context: Context) -> None:
            context.expect(consumer.own_stream, own)
            context.publish(consumer.own_stream, Noted(msgspec.json.encode(at)))

        outcome = await self._commands.perform(act, kind=("consumer", ""))
        return outcome.positions[consumer.own_stream]

    async def _handle(self, consumer: _Consumer, own: Position, entry: Entry) -> Position:
        payloads = self._payloads(consumer, entry)
        if not payloads:
            return await self._note(consumer, own, entry.position)

        async def act(context: Context) -> None:
            context.expect(consumer.own_stream, own)
            for payload in payloads:
                await resolve(consumer.function(payload, context))
            context.publish(consumer.own_stream, Noted(msgspec.json.encode(entry.position)))

        at = entry.position
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
