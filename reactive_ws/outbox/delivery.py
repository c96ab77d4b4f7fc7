"""Says what became of one sent message. `send` returns a Delivery at once; the outbox moves it on.

It sends nothing and decides nothing. Every method may be called from any thread.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections.abc import Callable, Generator
from typing import Any

from reactivex import Observable, abc

from ..engine import Registration, refuse_copy
from ..errors import DeliveryFailed, DeliveryUncertain
from .pending import Pending

__all__ = ["Delivery", "DeliveryEvent", "DeliveryStatus"]

_logger = logging.getLogger("reactive_ws.delivery")


class DeliveryStatus(enum.Enum):
    """How far a message has come."""

    QUEUED = "queued"
    """In memory, waiting for the connection or its turn."""
    STORED = "stored"
    """On disk: it survives the process."""
    SENT = "sent"
    """Written to the socket, which proves nothing; final for types without acknowledgement."""
    ACKNOWLEDGED = "acknowledged"
    """The server has it. Final."""
    FAILED = "failed"
    """It was not delivered and will not be. Final."""
    UNCERTAIN = "uncertain"
    """It was sent, and its outcome cannot be known. Final."""


class DeliveryEvent(enum.Enum):
    """A reason for which a message takes longer. It ends nothing."""

    SLOW = "slow"
    """The server has read the message and has not acknowledged it in time."""
    PARKED = "parked"
    """The outbox set it aside, because the server refused it for now or takes no message of its size."""


# No set: the hash of a member of an enum is a call, and its identity is not.
_FINAL = (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN)
# One lock for all: it is held for a few assignments, and a lock per message would cost more than it saves.
_lock = threading.Lock()


class Delivery:
    """The outcome of one sent message; await it for the final status.

    Awaiting it returns the final status, which is `ACKNOWLEDGED`, or `SENT` for a type without acknowledgement.

    Raises (when awaited):
        DeliveryFailed: it failed.
        DeliveryUncertain: it was sent, and its outcome is unknown; a kind of DeliveryFailed.
        DeliveryError: the reason itself, such as `JournalError` for a durable message that could not be stored.

    Attributes:
        id: Of the message.
        is_maybe_twice: Whether it was sent again to a server that does not drop copies.
    """

    __slots__ = (
        "_error",
        "_is_final_when_sent",
        "_listeners",
        "_reason",
        "_status",
        "_watchers",
        "id",
        "is_maybe_twice",
    )

    __reduce_ex__ = refuse_copy

    def __init__(self, id: str, *, is_final_when_sent: bool) -> None:  # noqa: A002 - the wire field's name
        self.id = id
        self.is_maybe_twice = False
        self._is_final_when_sent = is_final_when_sent
        self._status = DeliveryStatus.QUEUED
        self._reason: str | None = None
        self._error: Exception | None = None
        self._watchers: tuple[Callable[[DeliveryStatus], None], ...] = ()
        self._listeners: tuple[Callable[[DeliveryEvent], None], ...] = ()

    def __repr__(self) -> str:
        reason = f": {self._reason}" if self._reason else ""
        return f"<Delivery {self.id} {self._status.value}{reason}>"

    @property
    def status(self) -> DeliveryStatus:
        """How far it has come."""
        return self._status

    @property
    def reason(self) -> str | None:
        """Why it failed or is uncertain; None otherwise."""
        return self._reason

    @property
    def is_final(self) -> bool:
        """Whether the status can no longer change."""
        return self._is_final(self._status)

    @property
    def failure(self) -> Exception:
        """The exception that awaiting it raises when it failed or is uncertain."""
        is_uncertain = self._status is DeliveryStatus.UNCERTAIN
        kind = DeliveryUncertain if is_uncertain else DeliveryFailed
        return self._error or kind(self.id, self._reason or self._status.value)

    @property
    def stream(self) -> Observable[DeliveryStatus]:
        """The status as a stream.

        Emits: Every change. Replays: the status of the moment, first. Thread: the service's, except for the replay.
        Ends: After a final status.
        """
        return Observable(self._subscribe)

    @property
    def events(self) -> Observable[DeliveryEvent]:
        """The reasons for which the message takes longer, as a stream.

        Emits: Each event when it happens. Replays: nothing. Thread: the service's. Ends: After a final status.
        """
        return Observable(self._subscribe_events)

    def __await__(self) -> Generator[Any, None, DeliveryStatus]:
        return self._final().__await__()

    def result(self, timeout: float | None = None) -> DeliveryStatus:
        """Blocks the calling thread until the status is final; not for the service's own thread.

        Raises:
            TimeoutError: it is still open after `timeout` seconds.
            DeliveryFailed: it failed.
            DeliveryUncertain: it was sent, and its outcome is unknown.
        """
        return self._final().result(timeout)

    def watch(self, watcher: Callable[[DeliveryStatus], None]) -> Callable[[], None]:
        """Calls `watcher` with the status of the moment and every later one; returns the undo."""

        def guarded(status: DeliveryStatus) -> None:
            watcher(status)

        with _lock:
            status = self._status
            if not self._is_final(status):
                self._watchers = (*self._watchers, guarded)
        watcher(status)

        def undo() -> None:
            with _lock:
                self._watchers = tuple(entry for entry in self._watchers if entry is not guarded)

        return undo

    def advance(
        self, status: DeliveryStatus, reason: str | None = None, error: Exception | None = None
    ) -> None:
        """The outbox moves it on; a final status stays."""
        with _lock:
            if self._is_final(self._status) or status is self._status:
                return
            self._status, self._reason, self._error = status, reason, error
            watchers = self._watchers
            if watchers and self._is_final(status):
                self._watchers = ()
        for watcher in watchers:
            try:
                watcher(status)
            except Exception:
                _logger.exception("a watcher of the delivery of message %s raised", self.id)

    def note(self, event: DeliveryEvent) -> None:
        """The outbox says that it takes longer."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                _logger.exception("a watcher of the events of message %s raised", self.id)

    def settle_when_sent(self) -> None:
        """The connection knows no acknowledgements: from now on `SENT` is final."""
        self._is_final_when_sent = True

    def _is_final(self, status: DeliveryStatus) -> bool:
        return status in _FINAL or (status is DeliveryStatus.SENT and self._is_final_when_sent)

    def _final(self) -> Pending[DeliveryStatus]:
        pending: Pending[DeliveryStatus] = Pending()

        def settle(status: DeliveryStatus) -> None:
            if status is DeliveryStatus.FAILED or status is DeliveryStatus.UNCERTAIN:
                pending.fail(self.failure)
            elif self._is_final(status):
                pending.settle(status)

        self.watch(settle)
        return pending

    def _subscribe(
        self,
        observer: abc.ObserverBase[DeliveryStatus],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        del scheduler

        def show(status: DeliveryStatus) -> None:
            observer.on_next(status)
            if self._is_final(status):
                observer.on_completed()

        return Registration(self.watch(show))

    def _subscribe_events(
        self,
        observer: abc.ObserverBase[DeliveryEvent],
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        del scheduler

        def show(event: DeliveryEvent) -> None:
            observer.on_next(event)

        def end(status: DeliveryStatus) -> None:
            if self._is_final(status):
                observer.on_completed()

        def leave() -> None:
            undo()
            with _lock:
                self._listeners = tuple(it for it in self._listeners if it is not show)

        with _lock:
            self._listeners = (*self._listeners, show)
        undo = self.watch(end)
        return Registration(leave)
