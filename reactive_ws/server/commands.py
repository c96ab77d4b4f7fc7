"""`Commands`: runs handlers, each as one atomic step of the log, again after a conflict, and turns what happens into an answer.

Commands that read the same state at the same time cannot all win. After a conflict a command takes its turn on that stream, and
other commands of this node that read the stream wait for theirs. Conflicts with other nodes remain; sixteen of them end a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from typing import Any, Final

import msgspec

from ..errors import Conflict, LogError, LogUnavailable, Refused, UsageError
from ..wire import Codec, Envelope, Position, Registry
from .calling import called, resolve
from .context import Context, MissingState, Noted
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


class _Turn:
    """The right to read the state of one stream, while commands wait for each other."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Commands:
    """Handlers by payload class.

    Args:
        log: Where effects go.
        registry, codec: Types and form of messages.
        states: What handlers read.
        timeout: Seconds for one run of a handler.
        on_log_error: Called when the log failed on a command.
    """

    def __init__(
        self,
        log: Log,
        registry: Registry,
        codec: Codec,
        states: States,
        *,
        timeout: float,
        on_log_error: Callable[[LogError], None],
    ) -> None:
        self._log = log
        self._registry = registry
        self._codec = codec
        self._states = states
        self._timeout = timeout
        self._on_log_error = on_log_error
        self._handlers: dict[type[Any], Handler] = {}
        self._failures: OrderedDict[CommandKey, int] = OrderedDict()
        self._turns: dict[str, _Turn] = {}

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
        last: list[Context] = []

        def act(context: Context) -> Any:
            last[:] = [context]
            return handler(envelope.payload, context)

        try:
            channel = envelope.channel or envelope.type
            outcome = await self.perform(act, key, identity, channel)
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
        told = tuple(last[0].told) if last else ()
        return Accepted(outcome.positions, outcome.reply, told)

    async def perform(
        self,
        act: Callable[[Context], Any],
        key: CommandKey | None = None,
        identity: str = "",
        channel: str | None = None,
    ) -> Outcome:
        """Runs a function as one step of the log, again while states are missing or changed.

        Raises:
            Conflict: sixteen runs met conflicts.
            Refused: the function refused, and there is no key to record it under.
            LogUnavailable: the log failed.
            TimeoutError: the function took too long.
        """
        try:
            return await self._perform(act, key, identity, channel)
        except LogUnavailable as error:
            self._on_log_error(error)
            raise

    async def _perform(
        self,
        act: Callable[[Context], Any],
        key: CommandKey | None,
        identity: str,
        channel: str | None,
    ) -> Outcome:
        runs = loads = 0
        contended: set[str] = set()
        while True:
            try:
                async with self._in_turn(contended):
                    return await self._perform_once(act, key, identity, channel, contended)
            except MissingState as missing:
                loads += 1
                if loads > _MAX_LOADS:
                    raise UsageError(f"a handler reads more than {_MAX_LOADS} states") from None
                if missing.is_contended:
                    contended.add(missing.stream)
                else:
                    await self._states.load(missing.stream)
            except Conflict as conflict:
                runs += 1
                if runs >= _MAX_RUNS:
                    raise
                if conflict.stream:
                    contended.add(conflict.stream)

    @contextlib.asynccontextmanager
    async def _in_turn(self, streams: Collection[str]) -> AsyncGenerator[None]:
        """Waits for the turn of a command on the streams where it met another one; brings their states up to date."""
        async with contextlib.AsyncExitStack() as stack:
            # Sorted, so that two commands never wait for each other.
            for stream in sorted(streams):
                turn = self._turns.setdefault(stream, _Turn())
                turn.users += 1
                stack.callback(self._leave_turn, stream, turn)
                await stack.enter_async_context(turn.lock)
            for stream in streams:
                if self._states.of(stream) is not None:
                    await self._states.load(stream)
            yield

    def _leave_turn(self, stream: str, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users:
            del self._turns[stream]

    async def _perform_once(
        self,
        act: Callable[[Context], Any],
        key: CommandKey | None,
        identity: str,
        channel: str | None,
        own_turns: Collection[str],
    ) -> Outcome:
        async with self._log.begin(key) as transaction:
            if transaction.known is not None:
                return transaction.known
            context = Context(
                self._states,
                identity=identity,
                key=key,
                channel=channel,
                connection=lambda: transaction.connection,
                is_contended=lambda stream: stream in self._turns and stream not in own_turns,
            )
            try:
                async with asyncio.timeout(self._timeout):
                    with called():
                        reply = await resolve(act(context))
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
        for stream, said in context.published.items():
            messages[stream] = [self._encode(payload, channel) for payload, channel in said]
            if self._states.of(stream) is None:
                continue
            if self._states.peek(stream) is None:
                await self._states.load(stream)
            due = self._states.checkpoint(stream, [payload for payload, _ in said])
            if due is not None:
                position, version, state = due
                if expected.setdefault(stream, position) != position:
                    raise Conflict(stream)
                checkpoints[stream] = (version, state)
        encoded = None if reply is None else msgspec.json.encode(reply)
        return Batch(messages, expected, checkpoints, encoded)

    def _encode(self, payload: object, channel: str | None) -> bytes:
        if isinstance(payload, Noted):
            return payload.text
        row = self._registry.of(type(payload))
        now = round(time.time() * 1000.0)
        frame = self._codec.encode(Envelope(row.name, payload, channel or row.name, timestamp=now))
        return frame.encode() if isinstance(frame, str) else frame

    def _take_over(
        self, context: Context, batch: Batch, outcome: Outcome, key: CommandKey | None
    ) -> None:
        for stream, said in context.published.items():
            position: Position | None = outcome.positions.get(stream)
            if position is not None:
                entry = Entry(stream, position, batch.messages[stream], key)
                payloads = [payload for payload, _ in said]
                self._states.appended(entry, payloads, is_checkpoint=stream in batch.checkpoints)

    async def _call_after(self, function: Callable[[], Awaitable[None] | None]) -> None:
        try:
            with called():
                await resolve(function())
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
