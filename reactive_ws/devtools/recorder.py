"""Records what a program does, in a bounded ring: commits with cause, messages in and out, connections, errors; and travels in time.

It keeps raw values and shows nothing: `feed` does. A domain without a recorder works as before and at the same cost.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from operator import is_
from typing import Any, Self, TypeAlias, cast

import attrs
from reactivex.abc import DisposableBase

from ..connection import Connection, ErrorEvent
from ..engine import Cause, Cell, Commit, Domain, check_count, default_domain, refuse_copy
from ..errors import DomainMismatch, UsageError
from ..outbox import DeliveryStatus, Sending
from ..service import WebSocketService
from ..state import Entities
from ..wire import Envelope
from .causes import StackTracer

__all__ = [
    "CommitMade",
    "ConnectionChanged",
    "DeliveryChanged",
    "ErrorHappened",
    "MessageHandled",
    "MessageSent",
    "ProgramRecorder",
    "RecordedEvent",
    "StoreChange",
]

_SERVICE = "service."
"""The beginning of the names of a service's own stores. Time travel leaves them alone: they say how the connection is."""
_TRIES = 200


@attrs.frozen
class StoreChange:
    """One store in a commit.

    Attributes:
        store: Number of the store in the recorder.
        name: Its name.
        old, new: Its values.
    """

    store: int
    name: str
    old: Any = attrs.field(repr=False)
    new: Any = attrs.field(repr=False)


@attrs.frozen
class CommitMade:
    """A commit, just before its observers run."""

    number: int
    changes: tuple[StoreChange, ...]
    closed: tuple[str, ...]
    depth: int
    cause: Cause | None


@attrs.frozen
class MessageHandled:
    """A message came and its handlers ran."""

    envelope: Envelope[Any] = attrs.field(repr=False)


@attrs.frozen
class MessageSent:
    """The program sent a message."""

    sending: Sending


@attrs.frozen
class DeliveryChanged:
    """A message of the program came further."""

    id: str
    type: str
    status: DeliveryStatus


@attrs.frozen
class ConnectionChanged:
    """The connection of a service looks like this now."""

    connection: Connection


@attrs.frozen
class ErrorHappened:
    """A service reported an error."""

    error: ErrorEvent


What: TypeAlias = (
    CommitMade | MessageHandled | MessageSent | DeliveryChanged | ConnectionChanged | ErrorHappened
)


@attrs.frozen
class RecordedEvent:
    """One line of the record.

    Attributes:
        number: Its place in the record, from 1.
        at: When, in seconds of the recorder's clock.
        what: What happened.
    """

    number: int
    at: float
    what: What


class ProgramRecorder:
    """Records one domain and the services that write into it, until `dispose`.

    Args:
        services: Services of one domain.
        domain: The domain; that of the first service, or the default domain, when None.
        size: How many events are kept. The values that they hold stay in memory as long.
        call_sites: Whether each commit says which line of the program caused it; costs some microseconds a commit.
        clock: Seconds, for `RecordedEvent.at`.

    Raises:
        DomainMismatch: a service is of another domain.
        UsageError: a size below 1.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        *services: WebSocketService,
        domain: Domain | None = None,
        size: int = 1000,
        call_sites: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if size < 1:
            raise UsageError(f"a recorder keeps at least one event; got size={size}")
        if domain is None:
            domain = services[0].domain if services else default_domain()
        for service in services:
            if service.domain is not domain:
                raise DomainMismatch(domain.name, service.domain.name)
        self.domain = domain
        self.services = services
        self._clock = clock
        # Re-entrant, because the finalizer of a value that leaves the ring may write a store.
        self._lock = threading.RLock()
        self._events: deque[RecordedEvent] = deque(maxlen=size)
        self._count = 0
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        # The newest commit that is recorded, and the commits of the ring with their stores, for time travel.
        self._newest = 0
        self._commits: deque[Commit] = deque(maxlen=size)
        self._left_at: int | None = None
        self._is_disposed = False
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._tracer = StackTracer(call_sites=call_sites)
        with domain.exclusive():
            self._oldest = self._newest = domain.number
            self._parts: list[DisposableBase] = [domain.on_commit(self._committed)]
        self._parts.append(domain.trace(self._tracer))
        for service in services:
            self._parts += [
                service.messages().subscribe(lambda it: self._add(MessageHandled(it))),
                service.sending.subscribe(self._sent),
                service.connection.select().subscribe(lambda it: self._add(ConnectionChanged(it))),
                service.errors.subscribe(lambda it: self._add(ErrorHappened(it))),
            ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def __repr__(self) -> str:
        return f"<ProgramRecorder of {self.domain!r}, {self._count} events>"

    def dispose(self) -> None:
        """Stops recording; what was recorded stays readable."""
        self._is_disposed = True
        for part in self._parts:
            part.dispose()
        self._watchers = ()

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many events were recorded, those that have left the ring included. Any thread."""
        return self._count

    def events(self, after: int = 0) -> tuple[RecordedEvent, ...]:
        """Returns the events of the ring with a higher number than `after`, oldest first. Any thread."""
        with self._lock:
            if after >= self._count:
                return ()
            return tuple(event for event in self._events if event.number > after)

    def stores(self) -> list[tuple[int, Cell[Any]]]:
        """Returns the living stores of the domain with their numbers, by name. Any thread."""
        cells = [cast("Cell[Any]", it) for it in self.domain.stores()]
        # Numbered in the order of the names, so that two records of one program look alike.
        found = [(self._number_of(it), it) for it in sorted(cells, key=lambda it: it.name)]
        return sorted(found, key=lambda it: (it[1].name, it[0]))

    def watch(self, function: Callable[[], None]) -> Callable[[], None]:
        """Calls `function` after each event, on the thread of the event; returns what ends that."""
        self._watchers = (*self._watchers, function)

        def stop() -> None:
            self._watchers = tuple(it for it in self._watchers if it is not function)

        return stop

    # --- time travel --------------------------------------------------------------------------------------------------

    @property
    def left_at(self) -> int | None:
        """Number of the commit that `present` returns to; None when the program was not moved in time."""
        return self._left_at

    def jump(self, number: int) -> None:
        """Gives all stores of the domain, without those of services, the values that they had after a commit. Any thread.

        It is one commit, which observers see as any other; the program goes on from there. Stores that were closed since
        stay closed.

        Args:
            number: Of a commit in the record, or of the one before the oldest.

        Raises:
            UsageError: that commit has left the record, or was not made yet; or the recorder is disposed.
        """
        check_count(number, "jump()")
        with self._lock:
            before = self._newest if self._left_at is None else self._left_at
        self._travel(number, f"time travel to commit {number}")
        self._left_at = before

    def present(self) -> None:
        """Returns from `jump` to the values from before it. Does nothing when there was none. Any thread.

        What the program wrote after the jump is undone, too.

        Raises:
            UsageError: the commit has left the record meanwhile, or the recorder is disposed.
        """
        number = self._left_at
        if number is not None:
            self._travel(number, "return from time travel")
            self._left_at = None

    def _travel(self, number: int, action: str) -> None:
        if self._is_disposed:
            raise UsageError("the recorder is disposed and does not know what was written since")
        self._tracer.acting(action)
        try:
            for _ in range(_TRIES):
                with self.domain.exclusive():
                    commits = self._known()
                    changes = [] if commits is None else self._changes_to(number, commits)
                    has_entities = any(isinstance(old, Entities) for _, old, _ in changes)
                    is_ready = commits is not None and not has_entities
                    if is_ready and (not changes or self.domain.commit(changes)):
                        return
                    seen = self.domain.number
                if has_entities:
                    # Without the lock, because it hashes keys.
                    changes = _noted(changes)
                    with self.domain.exclusive():
                        is_ready = self.domain.number == seen
                        if is_ready and (not changes or self.domain.commit(changes)):
                            return
                # Commits are under way that the hook has not seen yet.
                with suppress(UsageError):
                    self.domain.settled(0.05)
        finally:
            self._tracer.acting(None)
        raise UsageError("the program writes all the time; stop its messages and jump again")

    def _known(self) -> list[Commit] | None:
        """Returns every commit since the oldest of the record; None while one is missing. Under the domain's lock."""
        with self._lock:
            commits = [*self._commits, *self.domain.pending()]
            newest = self._newest
        waiting = [it for it in commits if it.number > newest]
        return commits if self.domain.number == newest + len(waiting) else None

    def _changes_to(self, number: int, commits: list[Commit]) -> list[tuple[Any, Any, Any]]:
        if not self._oldest <= number <= self.domain.number:
            raise UsageError(
                f"commit {number} is not in the record, which has {self._oldest} to {self.domain.number}"
            )
        values: dict[Any, Any] = {}
        for commit in reversed(commits):
            if commit.number > number:
                values |= {store: old for store, old, _ in commit.changes}
        return [
            (store, store.committed, value)
            for store, value in values.items()
            if not (store.is_closed or store.name.startswith(_SERVICE) or store.committed is value)
        ]

    # --- recording ----------------------------------------------------------------------------------------------------

    def _committed(self, commit: Commit) -> None:
        changes = tuple(
            StoreChange(self._number_of(store), store.name, old, new)
            for store, old, new in commit.changes
        )
        closed = tuple(store.name for store in commit.closed)
        with self._lock:
            if len(self._commits) == self._commits.maxlen:
                self._oldest = self._commits[0].number
            self._commits.append(commit)
            self._newest = commit.number
        self._add(CommitMade(commit.number, changes, closed, commit.depth, commit.cause))

    def _sent(self, sending: Sending) -> None:
        self._add(MessageSent(sending))
        delivery, kind = sending.delivery, sending.envelope.type

        def follow(now: DeliveryStatus) -> None:
            if now is not DeliveryStatus.QUEUED:
                self._add(DeliveryChanged(delivery.id, kind, now))

        delivery.watch(follow)

    def _add(self, what: What) -> None:
        with self._lock:
            self._count += 1
            self._events.append(RecordedEvent(self._count, self._clock(), what))
        for watcher in self._watchers:
            watcher()

    def _number_of(self, store: Any) -> int:
        with self._lock:
            return self._numbers.setdefault(store, len(self._numbers) + 1)


def _noted(changes: list[tuple[Any, Any, Any]]) -> list[tuple[Any, Any, Any]]:
    """Returns changes in which each snapshot of entities notes the keys that differ from the one that it replaces.

    A snapshot of the record notes what its own commit changed.
    """
    noted: list[tuple[Any, Any, Any]] = []
    for store, old, value in changes:
        new = value
        if isinstance(value, Entities):
            before: Entities[Any, Any] = old
            after: Entities[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            new = after.touching(dict.fromkeys((*before, *after))).since(before, is_)
            if not new.touched_keys() and new.is_ordered_like(before):
                continue
        noted.append((store, old, new))
    return noted
