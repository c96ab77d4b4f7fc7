"""`Publisher`: puts messages on streams of a log from a process that serves no clients, such as a worker or a cron job."""

from __future__ import annotations

import contextlib
from typing import Self

from ..engine import refuse_copy
from ..errors import UsageError
from ..wire import JsonCodec, Position, Registry
from .chains import encode
from .logs import Batch, CommandKey, Log, Proposal, check_stream

__all__ = ["Publisher"]


class Publisher:
    """Publishes into a log that servers follow: `async with Publisher(registry, SqliteLog("app.db")) as publisher`.

    Args:
        registry: The message types, those of the server.
        log: The log of the server, in this process; the publisher opens and closes it.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, registry: Registry, log: Log) -> None:
        self._registry = registry
        self._codec = JsonCodec(registry)
        self._log = log

    def __repr__(self) -> str:
        return f"<Publisher into {self._log!r}>"

    async def __aenter__(self) -> Self:
        """Opens the log.

        Raises:
            LogUnusable, LogUnavailable: the log cannot be opened.
        """
        await self._log.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._log.close()

    async def publish(self, stream: str, *messages: object, once: str | None = None) -> Position:
        """Puts messages on a stream as one entry; returns its position.

        Args:
            stream: The stream.
            messages: Payloads of registered classes, at least one.
            once: A name of this publication, such as the id of a job. A second call with the same name puts nothing there and
                returns the position of the first, for as long as the log keeps outcomes.

        Raises:
            UsageError: no message, a bad stream name, a message that does not fit its own types, or a bad `once`.
            UnknownType: a class that is not registered.
            LogUnavailable: the log failed; publish again with the same `once`.
        """
        check_stream(stream)
        if not messages:
            raise UsageError("publish at least one message")
        key = None if once is None else CommandKey("", "publisher", _checked(once))
        texts = [encode(self._registry, self._codec, message)[0] for message in messages]
        batch = Batch({stream: texts})
        (outcome,) = (await self._log.append([Proposal(key, batch)])).outcomes
        if stream not in outcome.positions:
            raise UsageError(f"{once!r} named a publication on another stream; choose another name")
        return outcome.positions[stream]


def _checked(once: object) -> str:
    """Returns the name of a publication. A log that had another kind of it could not read its stream again."""
    if isinstance(once, str):
        with contextlib.suppress(UnicodeEncodeError):
            once.encode()
            return once
    raise UsageError(f"once= takes a text, such as 'job 17', not {once!r:.60}")
