"""What waits to be sent or acknowledged: one ordered queue with bounds, a window, acknowledgements and resends.

The rules:
    * One FIFO. An entry leaves it when it is written; an at-least-once entry then stays in flight until acknowledged.
    * At most `window` entries in flight. What is in flight when the connection ends returns to the head, in order.
    * No acknowledgement for `acknowledgement_timeout` seconds: everything in flight is sent again in order. Twice in a
      row: the connection is of no use.
    * A transmission counts when its connection lived through that timeout; an entry fails after `max_transmissions`
      counted ones. The loss of a connection never counts: a server that restarts must not poison innocent messages.
    * Full: an at-most-once entry makes the oldest queued one of its kind fall out; an at-least-once entry is never
      dropped, so without one that may fall out it is refused.

It writes no socket and owns no timer. `offer` may be called from any thread, everything else belongs to the service's
loop; statuses are announced outside the lock, because watchers are foreign code.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from ..errors import DeliveryFailed, MessageError
from ..wire import Envelope, Guarantee
from .delivery import Delivery, DeliveryStatus
from .outgoing import OutboxOptions, OutboxView, Outgoing, victim_of

__all__ = ["Outbox"]


Note: TypeAlias = tuple[Outgoing, DeliveryStatus, str | None, Exception | None]
"""What is to be announced about an entry: status, reason, exception."""


class Outbox:
    """The queue, what is in flight, and the entries by id.

    Args:
        options: The bounds; the default ones when None.
        on_drop: Called with every entry that the outbox drops, and the reason.

    Attributes:
        on_over: Called with every entry that is done, whatever its fate; the journal forgets it then.
        resent: How many transmissions were of messages that were sent before.
        dropped: How many entries were dropped.
        version: Grows with every change.
    """

    def __init__(
        self,
        options: OutboxOptions | None = None,
        *,
        on_drop: Callable[[Outgoing, str], None] | None = None,
    ) -> None:
        self.options = options or OutboxOptions()
        self.resent = 0
        self.dropped = 0
        self.version = 0
        self.on_over: Callable[[Outgoing], None] | None = None
        self._on_drop = on_drop
        self._lock = threading.Lock()
        self._queue: collections.deque[Outgoing] = collections.deque()
        self._in_flight: dict[str, Outgoing] = {}
        self._by_id: dict[str, Outgoing] = {}
        self._size = 0
        self._is_online = False
        self._has_acknowledgements = False
        self._timeouts = 0
        self._suspects: set[str] = set()
        self._writes_beside = 0
        self._next_expiry: float | None = None

    def __len__(self) -> int:
        return self._size

    @property
    def in_flight(self) -> int:
        """How many wait for their acknowledgement."""
        return len(self._in_flight)

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called."""
        times = [] if self._next_expiry is None else [self._next_expiry]
        if self._is_online and self._in_flight:
            oldest = next(iter(self._in_flight.values()))
            times.append(oldest.sent_at + self.options.acknowledgement_timeout)
        return min(times, default=None)

    def is_durable(self, identity: str) -> bool:
        """Whether a message with this id is here and on disk, or on its way there."""
        entry = self._by_id.get(identity)
        return entry is not None and entry.is_durable

    def view(self) -> OutboxView:
        """Returns what waits, what is in flight first."""
        with self._lock:
            return OutboxView.of((*self._in_flight.values(), *self._queue))

    def offer(
        self,
        envelope: Envelope[Any],
        frame: str | bytes,
        guarantee: Guarantee,
        now: float,
        *,
        time_to_live: float | None = None,
        is_durable: bool = False,
        is_ready: bool = True,
    ) -> Outgoing:
        """Appends a message and returns its entry. Any thread; never blocks.

        Raises:
            OutboxFull: there is no room, and neither this message nor another one may be dropped.
        """
        identity = envelope.id or ""
        is_sure = guarantee is Guarantee.AT_LEAST_ONCE
        entry = Outgoing(
            envelope,
            frame,
            guarantee,
            Delivery(identity, is_final_when_sent=not is_sure),
            now,
            None if time_to_live is None else now + time_to_live,
            is_ready,
            is_durable=is_durable,
        )
        notes: list[Note] = []
        with self._lock:
            if guarantee is Guarantee.VOLATILE and not self._is_online:
                entry.is_over = True
                notes.append(_failed(entry, "not connected, and a volatile message does not wait"))
            else:
                is_full = self._size >= self.options.limit
                victim = victim_of(self._queue, entry, self.options) if is_full else None
                if victim is not entry:
                    self._append(entry, is_sure=is_sure)
                if victim is not None:
                    self._drop(victim, "the outbox was full", notes)
        self._announce(notes)
        return entry

    def restore(self, envelope: Envelope[Any], frame: str | bytes, now: float) -> None:
        """Appends a message that the journal kept. It counts as sent before: nobody knows."""
        entry = Outgoing(
            envelope,
            frame,
            Guarantee.AT_LEAST_ONCE,
            Delivery(envelope.id or "", is_final_when_sent=False),
            now,
            is_durable=True,
            transmissions=1,
        )
        entry.delivery.advance(DeliveryStatus.STORED)
        with self._lock:
            if entry.delivery.id not in self._by_id:
                self._append(entry, is_sure=True)

    def stored(self, entry: Outgoing, error: Exception | None = None) -> None:
        """The journal wrote the entry, or could not."""
        notes: list[Note] = []
        with self._lock:
            if entry.is_over:
                return
            entry.is_ready = True
            self.version += 1
            if error is None:
                notes.append((entry, DeliveryStatus.STORED, None, None))
            else:
                self._remove(entry)
                notes.append((entry, DeliveryStatus.FAILED, str(error), error))
        self._announce(notes)

    # --- the service's loop ---------------------------------------------------------------------------------------------

    def online(self, *, has_acknowledgements: bool) -> None:
        """A connection is ready."""
        with self._lock:
            self._is_online = True
            self._has_acknowledgements = has_acknowledgements
            self._timeouts = self._writes_beside = 0

    def take(self, now: float) -> Outgoing | None:
        """Returns the next entry to write, or None when there is none or the window is full.

        An at-least-once entry is in flight from here on; the others are the caller's until `written`.
        """
        notes: list[Note] = []
        try:
            with self._lock:
                return self._take(now, notes) if self._is_online else None
        finally:
            self._announce(notes)

    def written(self, entry: Outgoing) -> None:
        """The socket took it."""
        with self._lock:
            if entry.is_over:
                return
            if entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                self._writes_beside += 1
                self._remove(entry)
            elif not self._has_acknowledgements:
                entry.delivery.settle_when_sent()
                self._remove(entry)
        entry.delivery.advance(DeliveryStatus.SENT)

    def refused(self, entry: Outgoing, error: MessageError) -> None:
        """It cannot be sent at all."""
        notes: list[Note] = []
        with self._lock:
            if not entry.is_over:
                self._remove(entry)
                notes.append((entry, DeliveryStatus.FAILED, str(error), error))
        self._announce(notes)

    def cut_off(self, entry: Outgoing) -> None:
        """The connection ended while it was being written."""
        notes: list[Note] = []
        with self._lock:
            if entry.is_over:
                return
            if entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                self._remove(entry)
                reason = "the connection ended while it was written"
                notes.append((entry, DeliveryStatus.UNCERTAIN, reason, None))
            elif not self._has_acknowledgements:
                # It never counted as in flight, so nothing else brings it back.
                self._queue.appendleft(entry)
        self._announce(notes)

    def acknowledge(self, identity: str) -> bool:
        """The server has the message with this id; False when nothing waits for that."""
        with self._lock:
            entry = self._by_id.get(identity)
            if entry is None:
                return False
            self._timeouts = self._writes_beside = 0
            self._remove(entry)
        entry.delivery.advance(DeliveryStatus.ACKNOWLEDGED)
        return True

    def reject(self, identity: str, error: Exception) -> bool:
        """The server answered the message with this id with an error."""
        with self._lock:
            entry = self._by_id.get(identity)
            if entry is None:
                return False
            self._timeouts = 0
            self._remove(entry)
        self._announce([(entry, DeliveryStatus.FAILED, str(error), error)])
        return True

    def discard(self, identities: Collection[str]) -> None:
        """The user gives up on these messages."""
        notes: list[Note] = []
        with self._lock:
            for entry in (*self._in_flight.values(), *self._queue):
                if entry.delivery.id in identities and not entry.is_over:
                    self._remove(entry)
                    reason = f"discarded {'after' if entry.transmissions else 'before'} it was sent"
                    uncertain = entry, DeliveryStatus.UNCERTAIN, reason, None
                    notes.append(uncertain if entry.transmissions else _failed(entry, reason))
        self._announce(notes)

    def lost(self, refusals: float = 0.0) -> None:
        """The connection ended; what was in flight returns to the head.

        Args:
            refusals: How many refusals of a message that was alone in flight the end counts as.
        """
        notes: list[Note] = []
        with self._lock:
            self._is_online = False
            flying = list(self._in_flight.values())
            if refusals and flying:
                self._blame(flying, refusals, notes)
            self._return_to_head()
            for entry in list(self._queue):
                if entry.is_over or entry.guarantee is not Guarantee.VOLATILE:
                    continue
                self._remove(entry)
                notes.append(_failed(entry, "the connection ended before it was sent"))
        self._announce(notes)

    def tick(self, now: float) -> bool:
        """Does what is due. Returns False when the server acknowledged nothing twice: drop the connection."""
        notes: list[Note] = []
        is_alive = True
        with self._lock:
            if self._next_expiry is not None and self._next_expiry <= now:
                self._expire(now, notes)
            # The same sum as in `deadline`: a difference may round the other way, and the tick would come for ever.
            timeout = self.options.acknowledgement_timeout
            overdue = [
                entry for entry in self._in_flight.values() if entry.sent_at + timeout <= now
            ]
            if self._is_online and overdue:
                for entry in overdue:
                    entry.counted += 1
                    self._fail_if_poison(entry, notes)
                self._timeouts += 1
                is_alive = self._timeouts < 2
                if is_alive:
                    self._return_to_head()
        self._announce(notes)
        return is_alive

    def settle(self) -> None:
        """Disconnected on purpose: what was never sent fails, what is in flight becomes uncertain, the durable stays."""
        with self._lock:
            self._is_online = False
            self._return_to_head()
            notes = self._give_up("disconnected", keeps_durable=True)
        self._announce(notes)

    def clear(self) -> int:
        """The program gives everything up; returns how many entries that were. Any thread."""
        with self._lock:
            self._return_to_head()
            notes = self._give_up("the outbox was cleared", keeps_durable=False)
        self._announce(notes)
        return len(notes)

    # --- the books; under the lock, except `_announce`, which calls foreign code ------------------------------------------

    def _append(self, entry: Outgoing, *, is_sure: bool) -> None:
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

    def _drop(self, entry: Outgoing, reason: str, notes: list[Note]) -> None:
        entry.is_dropped = True
        self.dropped += 1
        if entry.is_listed:
            self._remove(entry)
        entry.is_over = True
        notes.append(_failed(entry, reason))

    def _remove(self, entry: Outgoing) -> None:
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

    def _take(self, now: float, notes: list[Note]) -> Outgoing | None:
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
                notes.append(_failed(entry, f"{why} before it was sent"))
        self._queue = collections.deque(entry for entry in self._queue if not entry.is_over)
        return notes

    def _return_to_head(self) -> None:
        if self._in_flight:
            self._queue.extendleft(reversed(self._in_flight.values()))
            self._in_flight.clear()
            self.version += 1

    def _blame(self, flying: list[Outgoing], refusals: float, notes: list[Note]) -> None:
        """Finds the message that the server refused: it is known only when it was alone."""
        if len(flying) == 1 and not self._writes_beside:
            flying[0].counted += refusals
            self._fail_if_poison(flying[0], notes)
        else:
            self._suspects.update(entry.delivery.id for entry in flying)

    def _fail_if_poison(self, entry: Outgoing, notes: list[Note]) -> None:
        if entry.counted >= self.options.max_transmissions:
            self._remove(entry)
            notes.append(
                _failed(entry, f"the server did not take it, sent {entry.transmissions} times")
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


def _failed(entry: Outgoing, reason: str) -> Note:
    """Returns that an entry failed for this reason."""
    error = DeliveryFailed(entry.delivery.id, reason)
    return entry, DeliveryStatus.FAILED, reason, error
