"""Types of the functions that stores need from outside: to send, to ask for a snapshot, to report, to know the time.

The composition root (`app`) fills them from a service; tests fill them with lists. Nothing is implemented here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from msgspec import UnsetType

from reactive_ws.connection import ErrorKind
from reactive_ws.outbox import Delivery
from reactive_ws.replicas import Replica
from reactive_ws.wire import Envelope

__all__ = ["AskForState", "Follow", "Handlers", "Later", "Report", "Runs", "Send"]

S = TypeVar("S")

Handlers: TypeAlias = Mapping[str, Callable[[Envelope[Any]], None]]
"""Handlers of a store, by type name. The service calls them on its thread, in the batch of a burst."""

Runs: TypeAlias = Mapping[str, Callable[[Sequence[Envelope[Any]]], None]]
"""Handlers for several messages of a type in a row, with the effect of one handler call for each."""

Send: TypeAlias = Callable[[object], Delivery]
"""Queues a command and returns at once; raises `ServiceClosed` or `MessageRejected` when it cannot."""

AskForState: TypeAlias = Callable[[str], None]
"""Asks the server for a snapshot of a stream."""

Later: TypeAlias = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function after so many seconds, on any thread; returns the cancel."""


class Follow(Protocol):
    """Makes a replica of a stream; see `WebSocketService.replica`."""

    def __call__(
        self,
        stream: str,
        initial: S,
        reducers: Mapping[str, Callable[[S, Any], S]],
        *,
        snapshot: Callable[[Any], S | UnsetType],
        optimistic: Mapping[str, Callable[[S, Any], S]] | None = None,
        part: str,
        takes_unnumbered: bool,
    ) -> Replica[S]: ...


class Report(Protocol):
    """Puts something that went wrong into the error store."""

    def __call__(self, kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None: ...
