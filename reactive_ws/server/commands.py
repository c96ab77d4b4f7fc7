"""`Commands`: handlers by payload class. It runs what clients send, and turns what happens into an answer."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from ..errors import Conflict, LogError, LogUnavailable, Refused, UsageError
from ..wire import Codec, Registry
from .chains import Call, Chains, Done, Ended, Owner
from .context import Context, check_first
from .logs import CommandKey, Log, Outcome
from .session import Accepted, Failure, Run
from .states import States

__all__ = ["Commands", "Handler", "check_handler"]

Handler = Callable[[Any, Context], Any]
"""`(command, context)`, sync or async; what it returns is the reply, None for none."""

_log = logging.getLogger("reactive_ws.server")
_LONGEST_AFTER: Final = 60.0
_MAX_FAILED: Final = 10_000
"""Keys of failed commands that are remembered, for growing pauses."""


def check_handler(payload: type[Any], function: Callable[..., Any]) -> None:
    """Checks that these are a class and a function. A program without types may give anything.

    Raises:
        UsageError: they are not.
    """
    if not isinstance(payload, type):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{payload!r:.60} is not a class; give the payload class of the messages")
    if not callable(function):
        raise UsageError(
            f"{function!r:.60} is not a function; it gets the messages of {payload.__name__}"
        )


class Commands:
    """Handlers by payload class.

    Args:
        log: Where effects go.
        registry, codec: Types and form of messages.
        states: What handlers read.
        owner: Gives the part that hears of new entries, None while there is none.
        timeout: Seconds for one run of a handler.
        on_log_error: Called when the log failed on a command.
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
        on_log_error: Callable[[LogError], None],
    ) -> None:
        self._registry = registry
        self._chains = Chains(log, registry, codec, states, owner, timeout=timeout)
        self._on_log_error = on_log_error
        self._handlers: dict[type[Any], Handler] = {}
        self._failures: OrderedDict[CommandKey, int] = OrderedDict()

    def add(self, payload: type[Any], handler: Handler) -> None:
        """Adds the handler of a payload class.

        Raises:
            UsageError: the class has one, or these are not a class and a function.
            UnknownType: the class is not registered.
        """
        check_handler(payload, handler)
        self._registry.of(payload)
        if payload in self._handlers:
            raise UsageError(f"{payload.__name__} has a handler already; a command has one")
        self._handlers[payload] = handler

    async def run(self, questions: Sequence[Run]) -> list[Accepted | Failure]:
        """Runs the first of these commands, at least one, and answers them in order. Raises nothing but cancellation."""
        calls: list[Call] = []
        for question in questions:
            call = self._call_of(question)
            if isinstance(call, Failure):
                if not calls:
                    return [call]
                break
            calls.append(call)
        ended = await self._chains.run(calls)
        return [
            self._answer(question, one) for question, one in zip(questions, ended, strict=False)
        ]

    def _call_of(self, question: Run) -> Call | Failure:
        envelope = question.envelope
        payload: Any = envelope.payload
        kind: type[Any] = payload.__class__
        handler = self._handlers.get(kind)
        if handler is None:
            known = envelope.type in self._registry
            text = f"{envelope.type[:60]!r} is {'not for clients to send' if known else 'unknown'}"
            return Failure("unexpected_type" if known else "unknown_type", text)
        return Call(
            partial(handler, payload),
            kind,
            question.key,
            question.identity,
            envelope.channel or envelope.type,
            envelope.redelivered,
        )

    def _answer(self, question: Run, ended: Ended) -> Accepted | Failure:
        key, kind = question.key, question.envelope.type
        if isinstance(ended, Done):
            if key is not None and self._failures:
                self._failures.pop(key, None)
            if not ended.outcome.accepted:
                return Failure(*_refusal(ended.outcome))
            return Accepted(ended.outcome.positions, ended.outcome.reply, ended.told)
        if isinstance(ended, Conflict):
            return Failure(
                "busy", "too many commands at once; send it again", is_retryable=True, after=1.0
            )
        if isinstance(ended, Refused):
            return Failure(ended.code, ended.reason)
        if isinstance(ended, LogUnavailable):
            self._on_log_error(ended)
            _log.warning("a message of type %r waits: %s", kind, ended)
            text = "the log is not available; send it again"
            return Failure("unavailable", text, is_retryable=True, after=self._pause(key))
        _log.error("the handler of %r failed", kind, exc_info=ended)
        text = "the server failed on this message; its log says why"
        return Failure("internal", text, is_retryable=True, after=self._pause(key))

    async def perform(
        self,
        act: Callable[[Context], Any],
        key: CommandKey | None = None,
        *,
        kind: object = None,
    ) -> Outcome:
        """Runs a function as one step of the log, again while states are missing or changed.

        Args:
            act: Gets the context.
            key: A name of the step; a step that the log knows does not run again.
            kind: What tells this function from others; its code when None.

        Raises:
            Conflict: sixteen runs met conflicts.
            Refused: the function refused, and there is no key to record it under.
            LogUnavailable: the log failed.
            TimeoutError: the function took too long.
        """
        check_first()
        if kind is None:
            kind = getattr(act, "__code__", type(act))
        (ended,) = await self._chains.run([Call(act, kind, key, is_again=key is not None)])
        if isinstance(ended, Done):
            return ended.outcome
        if isinstance(ended, LogUnavailable):
            self._on_log_error(ended)
        raise ended

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
