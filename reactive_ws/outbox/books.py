"""The books of the outbox: the queue, what is in flight, who is known by its id, and what becomes of entries.

Base of `outbox`, which has the lock and says when what happens; everything here is called under that lock, except
`_announce`, which calls foreign code.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from typing import TypeAlias

from ..errors import DeliveryFailed
from ..wire import Guarantee
from .delivery import DeliveryStatus
from .entry import Entry, OutboxOptions

__all__ = ["Note", "OutboxBooks", "failed"]

Note: TypeAlias = tuple[Entry, DeliveryStatus, str | None, Exception | None]
"""What is to be announced about an entry: status, reason, exception."""


class OutboxBooks:
    """The state of an outbox."""

    def __init__(
        self,
        options: OutboxOptions | None = None,
        *,
        on_drop: Callable[[Entry, str], None] | None = None,
    ) -> None:
        self.options = options or OutboxOptions()
        self.resent = 0
        self.dropped = 0
        self.version = 0
        self.on_over: Callable[[Entry], None] | None = None
        self._on_drop = on_drop
        self._lock = threading.Lock()
        self._queue: collections.deque[Entry] = collections.deque()
        self._in_flight: dict[str, Entry] = {}
        self._by_id: dict[str, Entry] = {}
        self._size = 0
        self._is_online = False
        self._has_acknowledgements = False
        self._timeouts = 0
        self._suspects: set[str] = set()
        self._writes_beside = 0
        self._next_expiry: float | None = None

    def _append(self, entry: Entry, *, is_sure: bool) -> None:
        self._queue.append(entry)
        entry.is_listed = True
        self._size += 1
        self.version += 1
        if is_sure:
            self._by_id[entry.delivery.id] = entry
        if entry.expires_at is not None and (
            self._next_expiry is None or entry.expires_at < self._next_expiry
        ):
            self._next_expiry = entry.expires_at

    def _drop(self, entry: Entry, reason: str, notes: list[Note]) -> None:
        entry.is_dropped = True
        self.dropped += 1
        if entry.is_listed:
            self._remove(entry)
        entry.is_over = True
        notes.append(failed(entry, reason))

    def _remove(self, entry: Entry) -> None:
        """Takes an entry out of the books. It stays in the queue as a ghost that `_take` steps over: no linear search."""
        entry.is_over = True
        self._size -= 1
        self.version += 1
        if entry.guarantee is Guarantee.AT_LEAST_ONCE:
            identity = entry.delivery.id
            self._by_id.pop(identity, None)
            self._in_flight.pop(identity, None)
            self._suspects.discard(identity)
        if self.on_over is not None:
            self.on_over(entry)
        if len(self._queue) > 2 * self._size + 64:
            self._queue = collections.deque(entry for entry in self._queue if not entry.is_over)

    def _take(self, now: float, notes: list[Note]) -> Entry | None:
        window = 1 if self._suspects else self.options.window
        while self._queue:
            entry = self._queue[0]
            if entry.is_over:
                self._queue.popleft()
                continue
            if not entry.is_ready:
                return None
            is_sure = entry.guarantee is Guarantee.AT_LEAST_ONCE and self._has_acknowledgements
            if (is_sure or self._suspects) and len(self._in_flight) >= window:
                return None
            self._queue.popleft()
            if entry.expires_at is not None and entry.expires_at <= now and not entry.transmissions:
                self._drop(entry, "its time to live was over", notes)
                continue
            if entry.transmissions:
                self.resent += 1
            entry.transmissions += 1
            entry.sent_at = now
            self.version += 1
            if is_sure:
                self._in_flight[entry.delivery.id] = entry
            return entry
        return None

    def _give_up(self, why: str, *, keeps_durable: bool) -> list[Note]:
        notes: list[Note] = []
        for entry in list(self._queue):
            if entry.is_over or (keeps_durable and entry.is_durable):
                continue
            self._remove(entry)
            if entry.transmissions:
                reason = f"{why} before the acknowledgement"
                notes.append((entry, DeliveryStatus.UNCERTAIN, reason, None))
            else:
                notes.append(failed(entry, f"{why} before it was sent"))
        self._queue = collections.deque(entry for entry in self._queue if not entry.is_over)
        return notes

    def _return_to_head(self) -> None:
        if self._in_flight:
            self._queue.extendleft(reversed(self._in_flight.values()))
            self._in_flight.clear()
            self.version += 1

    def _blame(self, flying: list[Entry], is_too_big: bool, notes: list[Note]) -> None:  # noqa: FBT001
        """Finds the message for which the server closed: it is known only when it was alone."""
        if len(flying) == 1 and not self._writes_beside:
            entry = flying[0]
            entry.counted = self.options.max_transmissions if is_too_big else entry.counted + 1
            self._fail_if_poison(entry, notes)
        elif is_too_big:
            self._suspects.update(entry.delivery.id for entry in flying)

    def _fail_if_poison(self, entry: Entry, notes: list[Note]) -> None:
        if entry.counted >= self.options.max_transmissions:
            self._remove(entry)
            notes.append(
                failed(entry, f"the server did not take it, sent {entry.transmissions} times")
            )

    def _expire(self, now: float, notes: list[Note]) -> None:
        left: list[float] = []
        for entry in list(self._queue):
            if entry.is_over or entry.expires_at is None or entry.transmissions:
                continue
            if entry.expires_at <= now:
                self._drop(entry, "its time to live was over", notes)
            else:
                left.append(entry.expires_at)
        self._next_expiry = min(left, default=None)

    def _announce(self, notes: list[Note]) -> None:
        for entry, status, reason, error in notes:
            entry.delivery.advance(status, reason, error)
            if entry.is_dropped and self._on_drop is not None:
                self._on_drop(entry, reason or "")


def failed(entry: Entry, reason: str) -> Note:
    """Returns that an entry failed for this reason."""
    error = DeliveryFailed(entry.delivery.id, reason)
    return entry, DeliveryStatus.FAILED, reason, error
