"""`Commands`: runs handlers, each as one atomic step of the log, again after a conflict, and turns what happens into an answer."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from ..errors import Conflict, LogUnavailable, Refused, UsageError
from ..wire import Codec, Envelope, Position, Registry
from .context import Context, MissingState
from .logs import Batch, CommandKey, Entry, Log, Outcome
from .session import Accepted, Failure
from .states import States

__all__ = ["Commands", "Handler"]

Handler = Callable[[Any, Context], Any]
"""`(command, context)`, sync or async; what it returns is the reply, None for none."""

_log = logging.getLogger("reactive_ws.server")
_MAX_RUNS: Final = 16
"""Runs of one command that met conflicts; then the client is asked to send it again."""
_MAX_LOADS: Final = 100
"""States that one handler reads for the first time."""
_LONGEST_AFTER: Final = 60.0
_MAX_FAILED: Final = 10_000
"""Keys of failed commands that are remembered, for growing pauses."""


class Commands:
    """Handlers by payload class.

    Args:
        log: Where effects go.
        registry, codec: Types and form of messages.
        states: What handlers read.
        timeout: Seconds for one run of a handler.
    """

    def __init__(
        self, log: Log, registry: Registry, codec: Codec, states: States, *, timeout: float
    ) -> None:
        self._log = log
        self._registry = registry
        self._codec = codec
        self._states = states
        self._timeout = timeout
        self._handlers: dict[type[Any], Handler] = {}
        self._failures: OrderedDict[CommandKey, int] = OrderedDict()

    def add(self, payload: type[Any], handler: Handler) -> None:
        """Adds the handler of a payload class.

        Raises:
            UsageError: the class has one, or its name is not registered.
        """
        if payload in self._handlers:
            raise UsageError(f"{payload.__name__} has a handler already; a command has one")
        self._registry.of(payload)
        self._handlers[payload] = handler

    async def run(
        self, envelope: Envelope[Any], key: CommandKey | None, identity: str
    ) -> Accepted | Failure:
        """Runs the handler of a message. Raises nothing but cancellation."""
        kind: type[Any] = envelope.payload.__class__
        handler = self._handlers.get(kind)
        if handler is None:
            known = envelope.type in self._registry
            text = f"{envelope.type[:60]!r} is {'not for clients to send' if known else 'unknown'}"
            return Failure("unexpected_type" if known else "unknown_type", text)
        try:
            outcome = await self.perform(
                lambda context: handler(envelope.payload, context), key, identity
            )
        except Conflict:
            return Failure(
                "busy", "too many commands at once; send it again", is_retryable=True, after=1.0
            )
        except Refused as refused:
            return Failure(refused.code, refused.reason)
        except LogUnavailable as error:
            _log.warning("a message of type %r waits: %s", envelope.type, error)
            text = "the log is not available; send it again"
            return Failure("unavailable", text, is_retryable=True, after=self._pause(key))
        except Exception:  # noqa: BLE001 - a handler may raise anything; the connection lives on
            _log.exception("the handler of %r failed", envelope.type)
            text = "the server failed on this message; its log says why"
            return Failure("internal", text, is_retryable=True, after=self._pause(key))
        if key is not None:
            self._failures.pop(key, None)
        if not outcome.accepted:
            code, text = _refusal(outcome)
            return Failure(code, text)
        return Accepted(outcome.positions, outcome.reply)

    async def perform(
        self,
        act: Callable[[Context], Any],
        key: CommandKey | None = None,
        identity: str = "",
    ) -> Outcome:
        """Runs a function as one step of the log, again while states are missing or changed.

        Raises:
            Conflict: sixteen runs met conflicts.
            Refused: the function refused, and there is no key to record it under.
            LogUnavailable: the log failed.
            TimeoutError: the function took too long.
        """
        runs = loads = 0
        while True:
            try:
                return await self._perform_once(act, key, identity)
            except MissingState as missing:
                loads += 1
                if loads > _MAX_LOADS:
                    raise UsageError(f"a handler reads more than {_MAX_LOADS} states") from None
                await self._states.load(missing.stream)
            except Conflict as conflict:
                runs += 1
                if runs >= _MAX_RUNS:
                    raise
                if conflict.stream and self._states.peek(conflict.stream) is not None:
                    await self._states.load(conflict.stream)

    async def _perform_once(
        self, act: Callable[[Context], Any], key: CommandKey | None, identity: str
    ) -> Outcome:
        async with self._log.begin(key) as transaction:
            if transaction.known is not None:
                return transaction.known
            context = Context(
                self._states, identity=identity, key=key, connection=transaction.connection
            )
            try:
                async with asyncio.timeout(self._timeout):
                    reply = act(context)
                    if inspect.isawaitable(reply):
                        reply = await reply
            except Refused as refused:
                await self._check_reads(context)
                if key is None:
                    raise
                return await transaction.refuse(msgspec.json.encode((refused.code, refused.reason)))
            batch = await self._batch(context, reply)
            outcome = await transaction.commit(batch)
        self._take_over(context, batch, outcome, key)
        for function in context.after:
            await self._call_after(function)
        return outcome

    async def _check_reads(self, context: Context) -> None:
        """A refusal that was decided on an old state is not an answer: the handler looks again."""
        for stream, position in context.read.items():
            if (await self._log.read(stream, position, 1)).head != position:
                raise Conflict(stream)

    async def _batch(self, context: Context, reply: object) -> Batch:
        expected = dict(context.read)
        messages: dict[str, list[bytes]] = {}
        checkpoints: dict[str, tuple[int, bytes]] = {}
        for stream, payloads in context.published.items():
            messages[stream] = [self._encode(payload) for payload in payloads]
            if self._states.of(stream) is None:
                continue
            if self._states.peek(stream) is None:
                await self._states.load(stream)
            due = self._states.checkpoint(stream, payloads)
            if due is not None:
                position, version, state = due
                if expected.setdefault(stream, position) != position:
                    raise Conflict(stream)
                checkpoints[stream] = (version, state)
        encoded = None if reply is None else msgspec.json.encode(reply)
        return Batch(messages, expected, checkpoints, encoded)

    def _encode(self, payload: object) -> bytes:
        row = self._registry.of(type(payload))
        frame = self._codec.encode(
            Envelope(row.name, payload, timestamp=round(time.time() * 1000.0))
        )
        return frame.encode() if isinstance(frame, str) else frame

    def _take_over(
        self, context: Context, batch: Batch, outcome: Outcome, key: CommandKey | None
    ) -> None:
        for stream, payloads in context.published.items():
            position: Position | None = outcome.positions.get(stream)
            if position is not None:
                entry = Entry(stream, position, batch.messages[stream], key)
                self._states.appended(entry, payloads, is_checkpoint=stream in batch.checkpoints)

    async def _call_after(self, function: Callable[[], Awaitable[None] | None]) -> None:
        try:
            result = function()
            if inspect.isawaitable(result):
                await result
        except Exception:  # noqa: BLE001 - of the application; the command is in the log already
            _log.exception("a function after the commit failed; the command counts")

    def _pause(self, key: CommandKey | None) -> float:
        if key is None:
            return 1.0
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self._failures.move_to_end(key)
        while len(self._failures) > _MAX_FAILED:
            self._failures.popitem(last=False)
        return min(_LONGEST_AFTER, 2.0 ** (failures - 1))


def _refusal(outcome: Outcome) -> tuple[str, str]:
    code, text = msgspec.json.decode(outcome.reply or b'["refused",""]', type=tuple[str, str])
    return code, text
