"""The last commits of a domain, for development tools: which stores, which cause and when, never the values.

A ring of small records and a stream of them. Off until `inspect` is called, and free then: without a hook a domain makes
no commit objects. Values are left out: a record keeps no value alive and shows no secret. A tool that needs values
reads the stores. Does not log: that is `logger`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Self

import attrs

from ..engine import (
    Commit,
    Domain,
    check_count,
    check_function,
    check_kind,
    default_domain,
    fork_safe_lock,
    refuse_copy,
)
from ..state import EventSource, EventStream

__all__ = ["CommitRecord", "Inspector", "inspect"]


@attrs.frozen
class CommitRecord:
    """One commit.

    Attributes:
        number: Its place in the order of the domain.
        stores: Names of the stores that changed, in the order of their first write.
        closed: Names of the stores that ended.
        depth: 0, or the length of the chain of observers whose writes caused it.
        thread: Identity of the thread that wrote it.
        delivered_at: When its delivery began, in seconds of the inspector's clock.
    """

    number: int
    stores: tuple[str, ...]
    closed: tuple[str, ...]
    depth: int
    thread: int
    delivered_at: float


class Inspector:
    """The last commits of one domain. Made by `inspect`."""

    __reduce_ex__ = refuse_copy

    def __init__(self, domain: Domain, size: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Re-entrant, because a signal handler may write while this thread reads the ring.
        self._lock = fork_safe_lock()
        self._ring: deque[CommitRecord] = deque(maxlen=size)
        self._count = 0
        self._records: EventSource[CommitRecord] = EventSource(f"inspector of {domain.name}")
        self._hook = domain.on_commit(self._record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    def _record(self, commit: Commit) -> None:
        record = CommitRecord(
            commit.number,
            tuple(store.name for store, _, _ in commit.changes),
            tuple(store.name for store in commit.closed),
            commit.depth,
            commit.thread,
            self._clock(),
        )
        with self._lock:
            self._ring.append(record)
            self._count += 1
        self._records.emit(record)

    @property
    def count(self) -> int:
        """How many commits were seen, those that have left the ring included. Any thread."""
        return self._count

    def records(self) -> tuple[CommitRecord, ...]:
        """Returns what is in the ring, oldest first. Any thread."""
        with self._lock:
            return tuple(self._ring)

    def clear(self) -> None:
        """Empties the ring; `count` goes on. Any thread."""
        with self._lock:
            self._ring.clear()

    @property
    def stream(self) -> EventStream[CommitRecord]:
        """The records as they are made, each before the observers of its stores run.

        Thread: the delivering thread of the inspected domain. No more come after `dispose`.
        """
        return self._records.stream

    def dispose(self) -> None:
        """Stops recording; the ring stays readable."""
        self._hook.dispose()


def inspect(
    domain: Domain | None = None,
    *,
    size: int = 1000,
    clock: Callable[[], float] = time.monotonic,
) -> Inspector:
    """Starts to record the commits of a domain.

    Args:
        domain: The default domain when None.
        size: How many records the ring holds.
        clock: Seconds, for `CommitRecord.delivered_at`.

    Raises:
        UsageError: an argument of a wrong kind, or a size below 1.
    """
    check_kind(domain, Domain, "inspect()", "store.domain")
    check_count(size, "size=", least=1)
    check_function(clock, "clock=", "return seconds at once, such as time.monotonic")
    return Inspector(default_domain() if domain is None else domain, size, clock)
