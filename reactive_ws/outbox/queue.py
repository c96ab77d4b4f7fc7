"""Keeps what waits to be sent or acknowledged: one ordered queue with bounds, a window, and acknowledgements.

The rules:
    * One FIFO. An entry leaves it when it is written; an at-least-once entry then stays in flight until acknowledged.
    * At most `window` entries in flight. What is in flight when the connection ends returns to the head, in order.
    * The outbox sends nothing twice on one connection. TCP delivers in order, so a copy would only double the load.
    * An at-least-once entry ends by its acknowledgement, by a refusal, or because the program gives it up. Silence never
      ends it. An entry that the server has read and does not acknowledge becomes slow; later, `tick` asks for another
      connection.
    * A refusal is an error of the server that is not retryable, or a close of the connection while the entry was alone
      in flight, `max_refusals` times. An entry is alone when the server has confirmed all else that was written: a frame
      of the connection itself, or an at-most-once message, may be what the server closed for.
    * A server that keeps outcomes for a limited time would take an older copy for a new message. So an entry that was sent
      longer ago than that is not sent again: it becomes uncertain. One never sent is sent whatever its age. The age counts
      by the wall clock, which goes on while the computer sleeps and between two processes.
    * A durable entry is sent for the first time when its file says that it may have been sent.
    * An id names one message. The id of an entry that was written on this connection and given up is refused until the server
      answers it or the connection ends: the server would take another message with this id for a copy.
    * A parked entry is set aside, because the server refused it for now or takes no message of its size. Later entries go
      ahead of it. It returns to the head of the queue.
    * Full, in entries or in bytes: a new entry makes the oldest queued at-most-once entries fall out. When that gives no
      room, a new at-least-once entry fails with `OutboxFull`.

It writes no socket and owns no timer. `offer` may be called from any thread, everything else belongs to the service's
loop. The outbox announces statuses outside the lock, because watchers are foreign code.

The module is long because every rule acts on the same queue, window and counts.
"""

from __future__ import annotations

import collections
import itertools
import math
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

from ..engine import refuse_copy
from ..errors import DeliveryFailed, DuplicateId, MessageError, OutboxFull
from ..wire import Envelope, Guarantee
from .delivery import Delivery, DeliveryEvent, DeliveryStatus
from .outgoing import OutboxOptions, OutboxView, Outgoing, Overflow, Waiting

__all__ = ["Outbox"]

Note: TypeAlias = tuple[Outgoing, DeliveryStatus, str | None, Exception | None]
"""An entry with its new status, the reason, and the exception, for `_announce`."""

_PART = 64
"""Entries of one part of the view."""
_MAX_UNKNOWN = 10_000
_MAX_GIVEN_UP = 10_000
_MAX_RECONNECT_AFTER = 600.0
_MAX_POSTPONED = 60.0
_LEAST_POSTPONED = 0.05
_LONGEST_POSTPONED = 3600.0
"""Seconds; a server that asks for a longer wait gets this one."""


class Outbox:
    """The queue, what is in flight, what is parked, and all entries by id.

    Args:
        options: The bounds; the default ones when None.
        on_drop: Called with every entry that the outbox drops or does not take, and the reason.
        on_slow: Called with every entry that became slow.
        wall: Returns seconds since 1970.

    Attributes:
        client: 128 random bits as text, which tell the server whose ids these are; the journal keeps them.
        on_first: Called with durable entries before they are sent for the first time; they wait until `marked`. None: they
            do not wait.
        on_over: Called with every entry that is done, whatever its fate; the journal forgets it then.
        unreadable: Ids of stored messages that the codec cannot read; for the view only.
        resent: How many transmissions were of messages that were sent before.
        dropped: How many entries were dropped.
        version: Grows with every change.
        position: The largest position that an acknowledgement confirmed on this connection.
    """

    __reduce_ex__ = refuse_copy

    __slots__ = (
        "_beside",
        "_by_id",
        "_bytes",
        "_confirmed",
        "_deduplicates",
        "_droppable",
        "_given_up",
        "_has_acknowledgements",
        "_held_until",
        "_in_flight",
        "_is_online",
        "_keeps_outcomes",
        "_lock",
        "_next_expiry",
        "_next_number",
        "_next_release",
        "_on_drop",
        "_on_slow",
        "_parked",
        "_parts",
        "_queue",
        "_reconnect_after",
        "_shown",
        "_size",
        "_suspects",
        "_touched",
        "_wall",
        "client",
        "dropped",
        "on_first",
        "on_over",
        "options",
        "position",
        "resent",
        "unreadable",
        "version",
    )

    def __init__(
        self,
        options: OutboxOptions | None = None,
        *,
        on_drop: Callable[[Outgoing, str], None] | None = None,
        on_slow: Callable[[Outgoing], None] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.options = options or OutboxOptions()
        self.client = secrets.token_hex(16)
        self.resent = 0
        self.dropped = 0
        self.version = 0
        self.position = 0
        self.on_over: Callable[[Outgoing], None] | None = None
        self.on_first: Callable[[Sequence[Outgoing]], None] | None = None
        self.unreadable: tuple[str, ...] = ()
        self._on_drop = on_drop
        self._on_slow = on_slow
        self._wall = wall
        self._lock = threading.Lock()
        self._queue: collections.deque[Outgoing] = collections.deque()
        self._in_flight: dict[str, Outgoing] = {}
        self._parked: dict[str, Outgoing] = {}
        self._by_id: dict[str, Outgoing] = {}
        self._given_up: dict[str, None] = {}
        # Queued entries that may be dropped, oldest first.
        self._droppable: dict[str, Outgoing] = {}
        self._size = 0
        self._bytes = 0
        self._is_online = False
        self._has_acknowledgements = False
        self._deduplicates = False
        self._keeps_outcomes: float | None = None
        self._suspects: set[str] = set()
        # Bytes of this connection up to the last frame beside the promised entries, and bytes that the server has read; -1: none.
        self._beside: float = -1
        self._confirmed: float = -1
        self._held_until: float | None = None
        self._next_expiry: float | None = None
        self._next_release: float | None = None
        self._reconnect_after = self.options.reconnect_after
        self._next_number = 0
        self._parts: dict[int, dict[int, Outgoing]] = {}
        # The same keys in the same order; the parts that look different now are built again for the next view.
        self._shown: dict[int, tuple[Waiting, ...]] = {}
        self._touched: set[int] = set()

    def __len__(self) -> int:
        return self._size

    @property
    def in_flight(self) -> int:
        """How many wait for their acknowledgement."""
        return len(self._in_flight)

    @property
    def parked(self) -> int:
        """How many are set aside."""
        return len(self._parked)

    @property
    def is_full(self) -> bool:
        """Whether a new at-least-once message would fail for want of room."""
        options = self.options
        has_no_room = self._size >= options.limit or self._bytes >= options.max_size
        may_drop = bool(self._droppable) and options.overflow is not Overflow.RAISE
        return has_no_room and not may_drop

    @property
    def is_filling(self) -> bool:
        """Whether at least four fifths of the room is taken by messages that may not be dropped for a new one."""
        options = self.options
        is_short = self._size * 5 >= options.limit * 4 or self._bytes * 5 >= options.max_size * 4
        may_drop = bool(self._droppable) and options.overflow is not Overflow.RAISE
        return is_short and not may_drop

    @property
    def has_next(self) -> bool:
        """Whether an entry waits that could be written if there were room for its bytes."""
        return bool(self._queue) and self._is_online

    @property
    def is_held(self) -> bool:
        """Whether an entry waits until the server confirms the frames before it; a ping asks for that."""
        return self._held_until is not None and bool(self._suspects)

    @property
    def needs_confirmation(self) -> bool:
        """Whether `confirmed` would change anything."""
        return bool(self._in_flight) or self._beside > self._confirmed

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called."""
        times = [] if self._next_expiry is None else [self._next_expiry]
        if self._is_online:
            if self._held_until is not None:
                times.append(self._held_until)
            if self._next_release is not None:
                times.append(self._next_release)
            for entry in self._in_flight.values():
                if entry.confirmed_at is not None:
                    slow_at = entry.confirmed_at + self.options.acknowledgement_timeout
                    after = entry.confirmed_at + self._reconnect_after
                    times.append(after if entry.is_slow else min(slow_at, after))
        return min(times, default=None)

    def is_durable(self, identity: str) -> bool:
        """Whether a message with this id is here and on disk, or on its way there."""
        entry = self._by_id.get(identity)
        return entry is not None and entry.is_durable

    def unknown(self) -> tuple[str, ...]:
        """Returns the ids of promised messages that were transmitted and not answered; the first 10 000."""
        with self._lock:
            ids = (
                identity
                for identity, entry in self._by_id.items()
                if entry.transmissions and entry.guarantee is Guarantee.AT_LEAST_ONCE
            )
            return tuple(itertools.islice(ids, _MAX_UNKNOWN))

    def view(self) -> OutboxView:
        """Returns what waits, in order of sending. Costs what changed since the last view, not what waits."""
        with self._lock:
            shown = self._shown
            for part in self._touched & self._parts.keys():
                shown[part] = tuple([entry.shown() for entry in self._parts[part].values()])
            self._touched.clear()
            return OutboxView(tuple(shown.values()), self.unreadable)

    def offer(
        self,
        envelope: Envelope[Any],
        frame: str | bytes,
        guarantee: Guarantee,
        now: float,
        *,
        size: int | None = None,
        time_to_live: float | None = None,
        is_durable: bool = False,
        is_ready: bool = True,
    ) -> Outgoing:
        """Appends a message and returns its entry. Any thread; never blocks.

        Args:
            envelope: The message.
            frame: The message as the codec writes it.
            guarantee: Of its type.
            now: The time.
            size: Bytes of the frame; None for its length.
            time_to_live: Seconds for which it may wait; None for no limit.
            is_durable: Whether the journal keeps it.
            is_ready: Whether it may be sent at once.

        Raises:
            OutboxFull: there is no room, and the overflow is RAISE.
            DuplicateId: a message with this id waits here already, or was given up on this connection without an answer.
        """
        identity = envelope.id or ""
        is_sure = guarantee is Guarantee.AT_LEAST_ONCE
        entry = Outgoing(
            envelope,
            frame,
            len(frame) if size is None else size,
            guarantee,
            Delivery(identity, is_final_when_sent=not is_sure),
            now,
            None if time_to_live is None else now + time_to_live,
            is_ready,
            is_durable=is_durable,
        )
        notes: list[Note] = []
        with self._lock:
            if identity in self._by_id:
                raise DuplicateId(identity)
            if identity in self._given_up:
                raise DuplicateId(identity, is_given_up=True)
            if guarantee is Guarantee.VOLATILE and not self._is_online:
                entry.is_over = True
                notes.append(_failed(entry, "not connected, and a volatile message does not wait"))
            elif self._make_room(entry, notes):
                self._append(entry)
                # The first note in the file says so, when it is sent at once.
                entry.is_marked = self._is_online and self._size <= self.options.window
        self._announce(notes)
        return entry

    def restore(
        self,
        envelope: Envelope[Any],
        frame: str | bytes,
        now: float,
        sent: float | None,
        expires_at: float | None = None,
    ) -> None:
        """Appends a message that the journal kept.

        Args:
            envelope: The message.
            frame: The message as the codec wrote it.
            now: The time.
            sent: When an earlier process may have sent it, in seconds since 1970; None: none did.
            expires_at: When its time to live is over, on the clock of `now`; None: never.
        """
        entry = Outgoing(
            envelope,
            frame,
            len(frame),
            Guarantee.AT_LEAST_ONCE,
            Delivery(envelope.id or "", is_final_when_sent=False),
            now,
            expires_at,
            is_durable=True,
            transmissions=0 if sent is None else 1,
            first_sent=sent,
            is_marked=sent is not None,
        )
        entry.delivery.advance(DeliveryStatus.STORED)
        with self._lock:
            if entry.delivery.id not in self._by_id:
                self._append(entry)

    def learn(self, identity: str, sent: float | None) -> None:
        """Another process had the file meanwhile, and may have sent this message first."""
        with self._lock:
            entry = self._by_id.get(identity)
            if entry is not None and sent is not None and entry.first_sent is None:
                entry.first_sent = sent
                entry.is_marked = True
                entry.transmissions = 1
                self._touch(entry)

    def marked(self, entries: Iterable[Outgoing]) -> None:
        """The file says that these entries may have been sent."""
        with self._lock:
            for entry in entries:
                entry.is_marked = True

    def stored(self, entry: Outgoing, error: Exception | None = None) -> None:
        """The journal wrote the entry, or could not."""
        notes: list[Note] = []
        with self._lock:
            if entry.is_over:
                return
            entry.is_ready = True
            self._touch(entry)
            if error is None:
                notes.append((entry, DeliveryStatus.STORED, None, None))
            else:
                self._remove(entry)
                notes.append((entry, DeliveryStatus.FAILED, str(error), error))
        self._announce(notes)

    # --- the service's loop ---------------------------------------------------------------------------------------------

    def online(
        self,
        *,
        has_acknowledgements: bool,
        max_size: int | None = None,
        deduplicates: bool | None = None,
        keeps_outcomes: float | None = None,
    ) -> None:
        """A connection is ready.

        Args:
            has_acknowledgements: Whether the server acknowledges messages.
            max_size: Bytes of a message that the server takes; messages parked for their size return when they fit.
            deduplicates: Whether the server drops copies by id; None: when it acknowledges.
            keeps_outcomes: Seconds for which the server knows the id of a message; None for no limit.
        """
        with self._lock:
            self._is_online = True
            self._has_acknowledgements = has_acknowledgements
            self._deduplicates = has_acknowledgements if deduplicates is None else deduplicates
            self._keeps_outcomes = keeps_outcomes
            self.position = 0
            self._given_up.clear()
            self._beside = self._confirmed = -1
            self._held_until = None
            for entry in reversed(list(self._parked.values())):
                if entry.released_at is None and (max_size is None or entry.size <= max_size):
                    self._unpark(entry)

    def take(self, now: float, room: float = math.inf) -> Outgoing | None:
        """Returns the next entry to write, or None when there is none, the window is full, or it has no room.

        An at-least-once entry is in flight from here on; the others are the caller's until `written`.

        Args:
            now: The time.
            room: Bytes that may be written now.
        """
        notes: list[Note] = []
        unmarked: list[Outgoing] = []
        try:
            with self._lock:
                return self._take(now, room, notes, unmarked) if self._is_online else None
        finally:
            self._announce(notes)
            if unmarked and self.on_first is not None:
                self.on_first(unmarked)

    def written(self, entry: Outgoing) -> None:
        """The socket took it."""
        with self._lock:
            if entry.is_over:
                return
            if entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                self._beside = max(self._beside, entry.position or 0)
                self._remove(entry)
            elif not self._has_acknowledgements:
                entry.delivery.settle_when_sent()
                self._remove(entry)
            else:
                self._touch(entry)
        entry.delivery.advance(DeliveryStatus.SENT)

    def wrote_beside(self, position: float) -> None:
        """Notes a frame beside the entries, which was written up to this position on the connection."""
        self._beside = max(self._beside, position)

    def confirmed(self, position: int, now: float) -> None:
        """The server has read what was written up to this position; the wait for acknowledgements begins."""
        with self._lock:
            self._confirmed = max(self._confirmed, position)
            for entry in self._in_flight.values():
                if entry.position is not None and entry.position <= position:
                    if entry.confirmed_at is None:
                        entry.confirmed_at = now
                else:
                    break

    def refused(self, entry: Outgoing, error: MessageError) -> None:
        """It cannot be encoded."""
        notes: list[Note] = []
        with self._lock:
            if not entry.is_over:
                self._remove(entry)
                notes.append((entry, DeliveryStatus.FAILED, str(error), error))
        self._announce(notes)

    def cut_off(self, entry: Outgoing) -> None:
        """The connection ended while the socket took the entry."""
        notes: list[Note] = []
        with self._lock:
            if entry.is_over:
                return
            if entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                self._beside = max(self._beside, entry.position or 0)
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
            self._given_up.pop(identity, None)
            entry = self._by_id.get(identity)
            if entry is None or entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                return False
            self._confirmed = max(self._confirmed, entry.position or 0)
            self._reconnect_after = self.options.reconnect_after
            if entry.position is not None:
                self.position = max(self.position, entry.position)
            self._remove(entry)
        entry.delivery.advance(DeliveryStatus.ACKNOWLEDGED)
        return True

    def payload(self, identity: str) -> Any:
        """Returns the payload of the message with this id; None when no such message waits."""
        with self._lock:
            entry = self._by_id.get(identity)
            return None if entry is None else entry.envelope.payload

    def channel(self, identity: str) -> str | None:
        """Returns the channel of the message with this id; None when no such message waits."""
        with self._lock:
            entry = self._by_id.get(identity)
            return None if entry is None else entry.envelope.channel

    def reject(self, identity: str, error: Exception) -> bool:
        """The server refused the message with this id, for good."""
        with self._lock:
            self._given_up.pop(identity, None)
            entry = self._by_id.get(identity)
            if entry is None or entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                return False
            self._remove(entry)
        self._announce([(entry, DeliveryStatus.FAILED, str(error), error)])
        return True

    def postpone(self, identity: str, now: float, after: float | None) -> bool:
        """Parks a message that the server refused for now.

        Args:
            identity: Its id.
            now: The time.
            after: Seconds until it is sent again; None: 1, 2, 4, ... and 60 s at most. From the second time on, at least
                0.1, 0.2, 0.4, ... and 1 s at most.

        Returns:
            False when no at-least-once message with this id waits.
        """
        with self._lock:
            entry = self._by_id.get(identity)
            if entry is None or entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                return False
            if after is None:
                after = min(2.0 ** min(entry.parkings, 16), _MAX_POSTPONED)
            # A server that always says 0 would be asked thousands of times a second.
            least = min(_LEAST_POSTPONED * 2.0 ** min(entry.parkings, 16), 1.0)
            least = least if entry.parkings else 0.0
            self._park(entry, now + min(max(after, least), _LONGEST_POSTPONED))
        entry.delivery.note(DeliveryEvent.PARKED)
        return True

    def park_too_big(self, entry: Outgoing) -> bool:
        """Parks a message that is too large for this server, until a server takes it; False when it is not promised."""
        with self._lock:
            if entry.is_over or entry.guarantee is not Guarantee.AT_LEAST_ONCE:
                return False
            self._park(entry, None)
        entry.delivery.note(DeliveryEvent.PARKED)
        return True

    def discard(self, identities: Collection[str]) -> None:
        """The program gives up on these messages."""
        notes: list[Note] = []
        with self._lock:
            found = [self._by_id[identity] for identity in identities if identity in self._by_id]
            self._remember_given_up(
                entry for entry in found if entry.delivery.id in self._in_flight
            )
            for entry in sorted(found, key=lambda it: it.number):
                self._remove(entry)
                when = "after" if entry.transmissions else "before"
                reason = f"discarded {when} it was sent"
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
            self._held_until = None
            self._given_up.clear()
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
        """Does what is due.

        Returns:
            False when the server has read a message and has not acknowledged it for so long that another connection should
            be tried.
        """
        notes: list[Note] = []
        slow: list[Outgoing] = []
        is_served = True
        with self._lock:
            if self._next_expiry is not None and self._next_expiry <= now:
                self._expire(now, notes)
            if self._is_online:
                if self._held_until is not None and self._held_until <= now:
                    # It lives for so long: it took those frames.
                    self._confirmed, self._held_until = max(self._confirmed, self._beside), None
                self._unpark_due(now)
                for entry in self._in_flight.values():
                    if entry.confirmed_at is None:
                        continue
                    # The same sums as in `deadline`: a difference may round the other way.
                    timeout = self.options.acknowledgement_timeout
                    if not entry.is_slow and entry.confirmed_at + timeout <= now:
                        entry.is_slow = True
                        self._touch(entry)
                        slow.append(entry)
                    if entry.confirmed_at + self._reconnect_after <= now:
                        is_served = False
            if not is_served:
                self._reconnect_after = min(2 * self._reconnect_after, _MAX_RECONNECT_AFTER)
        self._announce(notes)
        for entry in slow:
            if self._on_slow is not None:
                self._on_slow(entry)
            entry.delivery.note(DeliveryEvent.SLOW)
        return is_served

    def settle(self) -> int:
        """Disconnected on purpose: what was never sent fails, what is in flight becomes uncertain, the durable stays.

        Returns how many at-least-once messages end so.
        """
        with self._lock:
            self._is_online = False
            self._held_until = None
            self._given_up.clear()
            self._return_to_head()
            notes = self._give_up("disconnected", keeps_durable=True)
        self._announce(notes)
        return sum(entry.guarantee is Guarantee.AT_LEAST_ONCE for entry, *_ in notes)

    def clear(self) -> int:
        """The program gives everything up; returns how many entries that were. Any thread."""
        with self._lock:
            self._remember_given_up(self._in_flight.values())
            self._return_to_head()
            notes = self._give_up("the outbox was cleared", keeps_durable=False)
        self._announce(notes)
        return len(notes)

    # --- the books; under the lock, except `_announce`, which calls foreign code ------------------------------------------

    def _make_room(self, entry: Outgoing, notes: list[Note]) -> bool:
        """Drops what the new entry may push out; returns whether it can be appended."""
        options = self.options
        while self._size >= options.limit or (
            self._size and self._bytes + entry.size > options.max_size
        ):
            if options.overflow is Overflow.RAISE:
                raise OutboxFull(options.limit)
            is_sure = entry.guarantee is Guarantee.AT_LEAST_ONCE
            victim = next(iter(self._droppable.values()), None)
            if victim is not None and (is_sure or options.overflow is Overflow.DROP_OLDEST):
                self._drop(victim, "the outbox was full", notes)
                continue
            if is_sure:
                entry.is_over = entry.is_dropped = True
                error = OutboxFull(options.limit)
                notes.append((entry, DeliveryStatus.FAILED, "the outbox was full", error))
            else:
                self._drop(entry, "the outbox was full", notes)
            return False
        return True

    def _append(self, entry: Outgoing) -> None:
        identity = entry.delivery.id
        self._queue.append(entry)
        entry.is_listed = True
        entry.number = self._next_number
        self._next_number += 1
        self._size += 1
        entry.weight = entry.size
        self._bytes += entry.weight
        self._by_id[identity] = entry
        part = entry.number // _PART
        self._parts.setdefault(part, {})[entry.number] = entry
        self._shown.setdefault(part, ())
        if entry.guarantee is not Guarantee.AT_LEAST_ONCE:
            self._droppable[identity] = entry
        if entry.expires_at is not None and (
            self._next_expiry is None or entry.expires_at < self._next_expiry
        ):
            self._next_expiry = entry.expires_at
        self._touch(entry)

    def _touch(self, entry: Outgoing) -> None:
        """The entry looks different now."""
        self.version += 1
        self._touched.add(entry.number // _PART)

    def _drop(self, entry: Outgoing, reason: str, notes: list[Note]) -> None:
        entry.is_dropped = True
        self.dropped += 1
        if entry.is_listed:
            self._remove(entry)
        entry.is_over = True
        notes.append(_failed(entry, reason))

    def _remove(self, entry: Outgoing) -> None:
        """Takes an entry out of the books. It stays in the queue as a ghost that `_take` steps over: no linear search."""
        identity = entry.delivery.id
        entry.is_over = True
        self._size -= 1
        self._bytes -= entry.weight
        if not self._size:
            self._next_expiry = None
        self._by_id.pop(identity, None)
        self._droppable.pop(identity, None)
        self._in_flight.pop(identity, None)
        self._parked.pop(identity, None)
        self._suspects.discard(identity)
        part = entry.number // _PART
        self._parts[part].pop(entry.number)
        self._touch(entry)
        if not self._parts[part]:
            del self._parts[part], self._shown[part]
            self._touched.discard(part)
        if self.on_over is not None:
            self.on_over(entry)
        if len(self._queue) > 2 * self._size + 64:
            self._queue = collections.deque(entry for entry in self._queue if not entry.is_over)

    def _take(
        self, now: float, room: float, notes: list[Note], unmarked: list[Outgoing]
    ) -> Outgoing | None:
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
            if entry.expires_at is not None and entry.expires_at <= now and not entry.transmissions:
                self._queue.popleft()
                self._drop(entry, "its time to live was over", notes)
                continue
            if entry.size > room:
                return None
            if self._suspects and self._holds(now):
                return None
            if entry.is_durable and not entry.is_marked and self.on_first is not None:
                if not entry.is_marking:
                    unmarked += self._next_unmarked()
                return None
            self._queue.popleft()
            if self._is_forgotten(entry):
                self._leave_uncertain(entry, notes)
                continue
            self._droppable.pop(entry.delivery.id, None)
            if entry.transmissions:
                self.resent += 1
                entry.delivery.is_maybe_twice |= not self._deduplicates
            else:
                entry.first_sent = self._wall()
            entry.transmissions += 1
            entry.sent_at = now
            _land(entry)
            if is_sure:
                self._in_flight[entry.delivery.id] = entry
            self._touch(entry)
            return entry
        return None

    def _holds(self, now: float) -> bool:
        """Whether a suspect must wait, because only an entry that is alone can be blamed."""
        if self._beside <= self._confirmed:
            self._held_until = None
            return False
        if self._held_until is None:
            self._held_until = now + self.options.reconnect_after
        return True

    def _next_unmarked(self) -> list[Outgoing]:
        """Returns the entries of the next window that the file has to mark; one note of the file serves them all."""
        found = [
            entry
            for entry in itertools.islice(self._queue, self.options.window)
            if entry.is_durable and entry.is_ready and not (entry.is_over or entry.is_marked)
        ]
        for entry in found:
            entry.is_marking = True
        return found

    def _is_forgotten(self, entry: Outgoing) -> bool:
        """Whether the server no longer knows whether it got the entry."""
        first, keeps = entry.first_sent, self._keeps_outcomes
        return first is not None and keeps is not None and self._wall() - first > keeps

    def _leave_uncertain(self, entry: Outgoing, notes: list[Note]) -> None:
        entry.is_dropped = True
        self._remove(entry)
        reason = f"its outcome is unknown: the server keeps outcomes for {self._keeps_outcomes:g} s"
        notes.append((entry, DeliveryStatus.UNCERTAIN, reason, None))

    def _park(self, entry: Outgoing, until: float | None) -> None:
        identity = entry.delivery.id
        if self._in_flight.pop(identity, None) is None:
            self._queue = collections.deque(it for it in self._queue if it is not entry)
        self._suspects.discard(identity)
        _land(entry)
        entry.is_parked = True
        entry.parkings += 1
        entry.released_at = until
        self._parked[identity] = entry
        if until is not None:
            self._next_release = (
                until if self._next_release is None else min(until, self._next_release)
            )
        self._touch(entry)

    def _unpark_due(self, now: float) -> None:
        if self._next_release is None or self._next_release > now:
            return
        left: list[float] = []
        for entry in reversed(list(self._parked.values())):
            if entry.released_at is None:
                continue
            if entry.released_at <= now:
                self._unpark(entry)
            else:
                left.append(entry.released_at)
        self._next_release = min(left, default=None)

    def _unpark(self, entry: Outgoing) -> None:
        del self._parked[entry.delivery.id]
        entry.is_parked = False
        entry.released_at = None
        self._queue.appendleft(entry)
        self._touch(entry)

    def _remember_given_up(self, entries: Iterable[Outgoing]) -> None:
        for entry in entries:
            self._given_up[entry.delivery.id] = None
        while len(self._given_up) > _MAX_GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]

    def _give_up(self, why: str, *, keeps_durable: bool) -> list[Note]:
        notes: list[Note] = []
        for entry in [*self._queue, *self._parked.values()]:
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
        for entry in reversed(self._in_flight.values()):
            _land(entry)
            self._queue.appendleft(entry)
            self._touch(entry)
        self._in_flight.clear()

    def _blame(self, flying: list[Outgoing], refusals: float, notes: list[Note]) -> None:
        """Finds the message that the server refused: it is known only when it was alone."""
        if len(flying) > 1 or self._beside > self._confirmed:
            self._suspects.update(entry.delivery.id for entry in flying)
            return
        entry = flying[0]
        entry.refusals += refusals
        if entry.refusals >= self.options.max_refusals:
            self._remove(entry)
            reason = f"the server refused it, sent {entry.transmissions} times"
            notes.append(_failed(entry, reason))

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


def _land(entry: Outgoing) -> None:
    """The entry is no longer in flight, or not yet."""
    entry.position = entry.confirmed_at = None
    entry.is_slow = False


def _failed(entry: Outgoing, reason: str) -> Note:
    """Returns that an entry failed for this reason."""
    error = DeliveryFailed(entry.delivery.id, reason)
    return entry, DeliveryStatus.FAILED, reason, error
