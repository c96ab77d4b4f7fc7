"""What stores need from the outside, as plain types: how to send, how to ask for a snapshot, how to report, what time it is.

The composition root (`app`) fills them from a service; tests fill them with lists. Nothing is implemented here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from reactive_ws.connection import ErrorKind
from reactive_ws.outbox import Delivery
from reactive_ws.wire import Envelope

__all__ = ["Handlers", "Later", "Report", "Runs", "Send", "Sync"]

Handlers: TypeAlias = Mapping[str, Callable[[Envelope[Any]], None]]
"""What a store does about messages, by type name. Called on the service's thread, in the batch of a burst."""

Runs: TypeAlias = Mapping[str, Callable[[Sequence[Envelope[Any]]], None]]
"""What a store does about several messages of a type that came in a row: the same as its handler one after the other."""

Send: TypeAlias = Callable[[object], Delivery]
"""Queues a command and returns at once; raises `OutboxFull`, `ServiceClosed` or `MessageRejected` when it cannot."""

Sync: TypeAlias = Callable[[str], None]
"""Asks the server for a snapshot of a stream."""

Later: TypeAlias = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function after so many seconds, on any thread; returns the cancel."""


class Report(Protocol):
    """Puts something that went wrong into the error store."""

    def __call__(self, kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None: ...
