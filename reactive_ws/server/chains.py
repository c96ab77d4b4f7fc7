"""`Chains`: runs functions on the log, several of one client as one chain, and again after a conflict.

A chain is what the log appends at once: the commands of one connection that wait already. Each function sees the states as the
function before it left them, and no answer is given before the log has the chain. A function that could see a difference runs
with everything before it in the log:

    it waits for something          it may ask a database, or the server, what the commands before it did
    it needs `context.connection`   it runs inside of the transaction that appends its entry, alone
    it calls the server itself      `Server.read`, `perform` and `publish` refuse inside of a chain; the function begins the next one

So a chain has functions that did not wait the last time; a function that waits in the middle is cancelled and begins the next chain.
Functions for after the commit end a chain, because the commands behind it may rely on them.

Functions that read the same state at the same time cannot all win. After a conflict a function takes its turn on that stream, and
other functions of this node that read the stream wait for theirs. Conflicts with other nodes remain; sixteen of them end a run.

The module is long because a chain, its order and its conflicts are one idea.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import attrs
import msgspec
from msgspec import Struct

from ..errors import Conflict, LogError, MessageRejected, Refused, UsageError
from ..wire import Codec, Envelope, Registry
from .calling import called, cancel, go_on, resolve
from .context import Context, MissingState, NeedsConnection, Noted, NotFirst, behind_others
from .logs import Appended, Batch, CommandKey, Entry, Log, Outcome, Proposal
from .states import Added, Ahead, States

__all__ = ["Call", "Chains", "Done", "Ended", "Owner", "encode"]

_log = logging.getLogger("reactive_ws.server")
_MAX_RUNS: Final = 16
"""Runs of one function that met conflicts; then the client is asked to send its command again."""
_MAX_LOADS: Final = 100
"""States that one function reads for the first time."""
_MAX_TIME: Final = 0.005
"""Seconds of functions in one chain: they let other clients wait."""


class Call(Struct, frozen=True):
    """A function to run as one step of the log.

    Attributes:
        act: Gets the context; what it returns is the reply.
        kind: What tells this function from others: two calls of one kind run the same code.
        key: The key of the command; None for a step without a command.
        identity, channel: See `Context`.
        is_again: The client sent the command before, so it may be known.
    """

    act: Callable[[Context], Any]
    kind: object
    key: CommandKey | None = None
    identity: str = ""
    channel: str | None = None
    is_again: bool = False


class Done(Struct, frozen=True):
    """A function that the log knows: its outcome, and the messages without a position that it told."""

    outcome: Outcome
    told: Sequence[tuple[str, object]] = ()


class Owner(Protocol):
    """The part that hears of new entries before the log tells of them."""

    def began(self) -> int:
        """Returns what `appended` gets for entries whose append begins now."""
        ...

    def appended(self, entries: Sequence[Entry], began: int) -> None:
        """The log has these entries."""
        ...


Ended: TypeAlias = Done | Exception
"""The end of a call. The exception is a `LogError`, what the function raised, or `TimeoutError`."""


@attrs.define
class _Kind:
    """The knowledge of a kind of function."""

    is_prompt: bool = False
    """It ran, and never waited."""
    has_waited: bool = False
    needs_connection: bool = False


class _Step(Struct, frozen=True):
    """A function that returned or refused, and what it wants to append; `index` is that of its call."""

    index: int
    call: Call
    context: Context
    batch: Batch
    added: Mapping[str, Added] = {}

    @property
    def after(self) -> Sequence[Callable[[], Awaitable[None] | None]]:
        """Its functions for after the commit; those of a refusal are forgotten."""
        return () if self.batch.is_refusal else self.context.after

    @property
    def told(self) -> Sequence[tuple[str, object]]:
        """Its messages without a position; those of a refusal are forgotten."""
        return () if self.batch.is_refusal else tuple(self.context.told)


class _Turn:
    """The right to read the state of one stream, while functions wait for each other."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Chains:
    """Runs functions as steps of one log.

    Args:
        log: Where effects go.
        registry, codec: Types and form of messages.
        states: What functions read.
        owner: Gives the part that hears of new entries, None while there is none.
        timeout: Seconds for one run of a function.
    """

    def __init__(
        self,
        log: Log,
        registry: Registry,
        codec: Codec,
        states: States,
        owner: Callable[[], Owner | None],
        *,
        timeout: float,
    ) -> None:
        self._log = log
        self._registry = registry
        self._codec = codec
        self._states = states
        self._owner = owner
        self._timeout = timeout
        self._turns: dict[str, _Turn] = {}
        self._kinds: dict[object, _Kind] = {}

    async def run(self, calls: Sequence[Call]) -> list[Ended]:
        """Runs the first of these calls, at least one, and returns what became of them in order. Raises nothing but cancellation."""
        runs = loads = 0
        contended: set[str] = set()
        kind = self._kind_of(calls[0])
        while True:
            try:
                if contended:
                    async with self._in_turn(contended):
                        return await self._run(calls, kind, contended)
                return await self._run(calls, kind, contended)
            except NeedsConnection:
                kind.needs_connection = True
            except MissingState as missing:
                loads += 1
                if loads > _MAX_LOADS:
                    return [UsageError(f"a handler reads more than {_MAX_LOADS} states")]
                if missing.is_contended:
                    contended.add(missing.stream)
                    continue
                try:
                    await self._states.load(missing.stream)
                except Exception as error:  # noqa: BLE001 - of the log, or of a function that migrates
                    return [error]
            except Conflict as conflict:
                runs += 1
                if runs >= _MAX_RUNS:
                    return [conflict]
                if conflict.stream:
                    contended.add(conflict.stream)
            except Exception as error:  # noqa: BLE001 - a function may raise anything; the connection lives on
                return [error]

    def _kind_of(self, call: Call) -> _Kind:
        kind = self._kinds.get(call.kind)
        if kind is None:
            kind = self._kinds[call.kind] = _Kind()
        return kind

    async def _run(
        self, calls: Sequence[Call], kind: _Kind, contended: Collection[str]
    ) -> list[Ended]:
        if kind.needs_connection:
            return [await self._run_in_transaction(calls[0], contended)]
        return await self._run_chain(calls, contended)

    # --- turns ----------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _in_turn(self, streams: Collection[str]) -> AsyncGenerator[None]:
        """Waits for the turn of a function on the streams where it met another one; brings their states up to date."""
        async with contextlib.AsyncExitStack() as stack:
            # Sorted, so that two functions never wait for each other.
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

    # --- a chain --------------------------------------------------------------------------------------------------------

    async def _run_chain(self, calls: Sequence[Call], own_turns: Collection[str]) -> list[Ended]:
        known = await self._known(calls)
        ahead = Ahead(self._states)
        ended: list[Ended | None] = []
        steps: list[_Step] = []
        keys: set[CommandKey] = set()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for index, call in enumerate(calls):
            if index and not self._may_follow(call, keys, loop.time() - began):
                break
            if call.key is not None:
                keys.add(call.key)
                if call.key in known:
                    ended.append(Done(known[call.key]))
                    continue
            try:
                step = await self._decide(index, call, ahead, own_turns, is_first=not steps)
            except (MissingState, NeedsConnection, NotFirst, Conflict):
                # The call runs again, as the first of the next chain.
                if not index:
                    raise
                break
            except Exception as error:  # noqa: BLE001 - a function may raise anything; the others go on
                ended.append(await self._explain(call, error))
                continue
            ended.append(None)
            steps.append(step)
            if step.after:
                break
        return await self._append(ended, steps)

    async def _known(self, calls: Sequence[Call]) -> dict[CommandKey, Outcome]:
        """Looks up the commands that their client sent before."""
        again = [call.key for call in calls if call.is_again and call.key is not None]
        return dict(await self._log.outcomes(again)) if again else {}

    def _may_follow(self, call: Call, keys: Collection[CommandKey], took: float) -> bool:
        kind = self._kind_of(call)
        is_prompt = kind.is_prompt and not kind.has_waited and not kind.needs_connection
        # Of a key that is in the chain already, the log gives the outcome once the chain is written.
        return is_prompt and took < _MAX_TIME and call.key not in keys

    async def _decide(
        self,
        index: int,
        call: Call,
        ahead: Ahead,
        own_turns: Collection[str],
        *,
        is_first: bool,
    ) -> _Step:
        """Runs a function, and makes a batch of what it wants."""
        loads = 0
        while True:
            context = self._context(call, ahead, own_turns, self._connect)
            try:
                reply = await self._call(call, context, is_first=is_first)
            except Refused as refused:
                if call.key is None:
                    if context.read and not is_first:
                        raise NotFirst from None
                    await self._check_reads(context)
                    raise
                return _Step(index, call, context, self._refusal(context, refused))
            except MissingState as missing:
                # Behind others, a state that was never read needs no new chain.
                loads += 1
                if is_first or missing.is_contended or loads > _MAX_LOADS:
                    raise
                await self._states.load(missing.stream)
                continue
            return _Step(index, call, context, *(await self._batch(context, reply, ahead)))

    def _context(
        self,
        call: Call,
        ahead: Ahead,
        own_turns: Collection[str],
        connection: Callable[[], object | None],
    ) -> Context:
        turns = self._turns
        return Context(
            ahead,
            identity=call.identity,
            key=call.key,
            channel=call.channel,
            connection=connection,
            is_contended=lambda stream: stream in turns and stream not in own_turns,
        )

    def _connect(self) -> None:
        if self._log.is_transactional:
            raise NeedsConnection

    async def _call(self, call: Call, context: Context, *, is_first: bool) -> Any:
        """Calls a function. One that waits behind others is cancelled, as if its time were over.

        Raises:
            NotFirst: it has to be the first of a chain.
        """
        kind = self._kind_of(call)
        token = None if is_first else behind_others.set(asyncio.current_task())
        try:
            with called():
                value = call.act(context)
                if not inspect.iscoroutine(value):
                    if not inspect.isawaitable(value):
                        kind.is_prompt = True
                        return value
                    kind.has_waited = True
                    if not is_first:
                        raise NotFirst
                    async with asyncio.timeout(self._timeout):
                        return await value
                try:
                    waits_for = value.send(None)
                except StopIteration as done:
                    kind.is_prompt = True
                    return done.value
                except NotFirst:
                    kind.has_waited = True
                    raise
        finally:
            if token is not None:
                behind_others.reset(token)
        kind.has_waited = True
        async with asyncio.timeout(self._timeout):
            if is_first:
                with called():
                    return await go_on(value, waits_for)
            await cancel(value, waits_for)
        raise NotFirst

    def _refusal(self, context: Context, refused: Refused) -> Batch:
        """A refusal that was decided on an old state is not an answer: the log takes it only where the handler looked."""
        reply = msgspec.json.encode((refused.code, refused.reason))
        return Batch(expected=dict(context.read), reply=reply, is_refusal=True)

    async def _check_reads(self, context: Context) -> None:
        """The same for a refusal that the log does not record."""
        for stream, position in context.read.items():
            if (await self._log.read(stream, position, 1)).head != position:
                raise Conflict(stream)

    async def _batch(
        self, context: Context, reply: object, ahead: Ahead
    ) -> tuple[Batch, dict[str, Added]]:
        """Makes a batch of what a function wants, and the entries that it adds to states."""
        registry, codec = self._registry, self._codec
        ahead.begin()
        added: dict[str, Added] = {}
        expected = dict(context.read)
        messages: dict[str, list[bytes]] = {}
        checkpoints: dict[str, tuple[int, bytes]] = {}
        for stream, said in context.published.items():
            read = [encode(registry, codec, payload, channel) for payload, channel in said]
            texts = messages[stream] = [text for text, _ in read]
            if self._states.of(stream) is None:
                continue
            if ahead.peek(stream) is None:
                await self._states.load(stream)
            one = added[stream] = ahead.add(stream, texts, [payload for _, payload in read])
            if one.checkpoint is not None:
                if expected.setdefault(stream, one.at) != one.at:
                    raise Conflict(stream)
                checkpoints[stream] = one.checkpoint
        for channel, payload in context.told:
            encode(registry, codec, payload, channel)
        encoded = None if reply is None else msgspec.json.encode(reply)
        ahead.keep()
        return Batch(messages, expected, checkpoints, encoded), added

    async def _explain(self, call: Call, error: Exception) -> Ended:
        """A function may fail because its effects are there already, from a run whose answer was lost."""
        if call.key is not None and not call.is_again and not isinstance(error, LogError):
            with contextlib.suppress(LogError):
                known = (await self._log.outcomes([call.key])).get(call.key)
                if known is not None:
                    return Done(known)
        return error

    async def _append(self, ended: Sequence[Ended | None], steps: Sequence[_Step]) -> list[Ended]:
        """Appends the steps, and returns what became of the calls up to the first that has to run again.

        Raises:
            Conflict: this is the first one.
        """
        result = list(ended)
        if steps:
            owner = self._owner()
            began = 0 if owner is None else owner.began()
            try:
                appended = await self._log.append(
                    [Proposal(step.call.key, step.batch) for step in steps]
                )
            except Conflict:
                raise
            except Exception as error:  # noqa: BLE001 - of the log; each client sends its command again
                for step in steps:
                    result[step.index] = error
            else:
                entries = self._take_over(steps, appended, result)
                if owner is not None and entries:
                    owner.appended(entries, began)
                for step in steps[: len(appended.outcomes) - appended.is_known]:
                    for function in step.after:
                        await self._call_after(function)
                if len(appended.outcomes) < len(steps):
                    again = steps[len(appended.outcomes)]
                    if not again.index:
                        raise Conflict(appended.moved or "")
                    # What ran behind it saw effects that are not there.
                    del result[again.index :]
        return [one for one in result if one is not None]

    def _take_over(
        self, steps: Sequence[_Step], appended: Appended, result: list[Ended | None]
    ) -> list[Entry]:
        """Notes the outcomes; takes over into the states what was appended now, and returns it."""
        new = len(appended.outcomes) - appended.is_known
        entries: list[Entry] = []
        for number, (step, outcome) in enumerate(zip(steps, appended.outcomes, strict=False)):
            if number >= new:
                result[step.index] = Done(outcome)
                continue
            result[step.index] = Done(outcome, step.told)
            entries += self._count(step, outcome)
        return entries

    def _count(self, step: _Step, outcome: Outcome) -> list[Entry]:
        entries: list[Entry] = []
        for stream, messages in step.batch.messages.items():
            entry = Entry(stream, outcome.positions[stream], messages, step.call.key)
            entries.append(entry)
            added = step.added.get(stream)
            if added is not None:
                self._states.appended(entry, added)
        return entries

    async def _call_after(self, function: Callable[[], Awaitable[None] | None]) -> None:
        try:
            with called():
                await resolve(function())
        except Exception:  # noqa: BLE001 - of the application; the command is in the log already
            _log.exception("a function after the commit failed; the command counts")

    # --- a function that needs the database -----------------------------------------------------------------------------

    async def _run_in_transaction(self, call: Call, own_turns: Collection[str]) -> Done:
        """Runs a function inside of the transaction that appends its entry."""
        async with self._log.begin(call.key) as transaction:
            if transaction.known is not None:
                return Done(transaction.known)
            ahead = Ahead(self._states)
            context = self._context(call, ahead, own_turns, lambda: transaction.connection)
            try:
                reply = await self._call(call, context, is_first=True)
            except Refused as refused:
                await self._check_reads(context)
                if call.key is None:
                    raise
                refusal = self._refusal(context, refused)
                return Done(await transaction.refuse(refusal.reply or b""))
            batch, added = await self._batch(context, reply, ahead)
            outcome = await transaction.commit(batch)
        # The outcome may be that of another run, with other messages: clients get the entry from the log.
        self._count(_Step(0, call, context, batch, added), outcome)
        for function in context.after:
            await self._call_after(function)
        return Done(outcome, tuple(context.told))


def encode(
    registry: Registry, codec: Codec, payload: object, channel: str | None = None
) -> tuple[bytes, object]:
    """Returns the text of a message for the log, and its payload as each node and client will read it.

    Raises:
        UsageError: none of them could read it. In the log it would break the state of its stream for good.
        UnknownType: its class is not registered.
    """
    if isinstance(payload, Noted):
        return payload.text, payload
    row = registry.of(type(payload))
    now = round(time.time() * 1000.0)
    frame = codec.encode(Envelope(row.name, payload, channel or row.name, timestamp=now))
    try:
        envelope = codec.decode(frame)
    except MessageRejected as error:
        raise _unreadable(payload, error.reason) from None
    if envelope.problems:
        raise _unreadable(payload, "; ".join(envelope.problems))
    return frame.encode() if isinstance(frame, str) else frame, envelope.payload


def _unreadable(payload: object, problem: str) -> UsageError:
    kind = type(payload).__name__
    return UsageError(
        f"this {kind} does not fit its own types, so no client could read it: {problem}"
    )
