"""The order of what arrives: per stream each message once and in sequence; without a stream, each id once.

    seen `seq`          dropped, counted
    the next `seq`      delivered
    a later `seq`       held, at most 64 messages, 16 Mi characters of all streams, or 2 s for what is missing; then the gap is
                        reported, the held messages are delivered, and the caller asks the server for a snapshot
    a new `epoch`       the server forgot the old numbers: start at this message, and ask for a snapshot
    first contact       the stream starts at this message
    `more`              held until the last message of the entry is there; then all of them in order
    no `seq`            dropped when its id is one of the last 1 024, if the server's ids are unique

Of more streams than it keeps it drops the longest unused position. It keeps those of streams that it first saw since the last
two marks: one of these may have begun behind the newest mark, and the server would replay it from its first entry.

Before a new connection has caught up, what is missing is on its way, so no gap is given up then.

It reads no clock, sends no `sync` and calls no handler: `accept`, `tick` and the others return what to deliver, and
`take_gaps` says which streams need a snapshot. Its owner is the service's loop.

The module is long because each of these rules reads and moves the same cursors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from ..engine import refuse_copy
from ..wire import MAX_EPOCH_LENGTH, MAX_STREAM_SIZE, Envelope, Position
from .entries import Entries

__all__ = ["Gap", "Inbound", "has_place"]

_MAX_HELD = 64
_MAX_HELD_SIZE = 16 * 2**20
"""Characters of the frames that all streams hold together."""
_MAX_WAIT = 2.0
_MAX_IDS = 1024
_MAX_STREAMS = 10_000
"""Streams whose positions are kept."""
_MARKS_APART = 2
"""Marks after which a stream is older than the newest one: the server makes a mark when it has written the one before it."""
_MAX_RESTING = 1_000
"""Streams that were let go whose positions are kept for what is on its way."""
_MAX_SEQ = 2**53 - 1
"""The largest `seq` that every JSON reader takes. A larger one is not a position."""
_NOTHING: tuple[Envelope[Any], ...] = ()


@attrs.frozen
class Gap:
    """Messages of a stream are missing, or its numbers started again.

    Attributes:
        stream: Its name.
        expected: The `seq` that should have come.
        got: The `seq` that came instead.
        epoch: The epoch of `expected`.
        is_new_epoch: Whether the server started new numbers.
    """

    stream: str
    expected: int
    got: int
    epoch: str
    is_new_epoch: bool = False


class _Cursor:
    """Where a stream is. `held` has what came too early, by `seq`, and `sizes` its characters; None stands for a rejected message.

    `since` is how many marks had come when the stream was seen first.
    """

    __slots__ = ("epoch", "held", "seq", "since", "sizes", "stream", "until")

    def __init__(self, stream: str, epoch: str, seq: int, since: int) -> None:
        self.stream = stream
        self.epoch = epoch
        self.seq = seq
        self.since = since
        self.held: dict[int, Envelope[Any] | None] = {}
        self.sizes: dict[int, int] = {}
        self.until = 0.0


class Inbound:
    """The cursors of all streams, and the recent ids.

    Args:
        max_streams: Streams whose positions are kept.

    Attributes:
        duplicates: How many messages were dropped because they were seen before.
        gaps: How many gaps were given up on, new epochs included.
        entries: Messages of entries that are not complete.
        ids_are_unique: Whether two messages with the same id and type are the same message.
        dropped: Streams whose position was dropped although the server may replay them from their first entry. The caller
            takes them from here.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, max_streams: int = _MAX_STREAMS) -> None:
        self.duplicates = 0
        self.gaps = 0
        self.entries = Entries()
        self.ids_are_unique = True
        self.dropped: list[str] = []
        self._max_streams = max_streams
        # The newest mark of the server, and how many came.
        self._mark: str | None = None
        self._marks = 0
        self._cursors: dict[str, _Cursor] = {}
        self._moved: dict[str, _Cursor] = {}
        self._holding: dict[str, _Cursor] = {}
        self._ids: dict[tuple[str, str], None] = {}
        self._gaps: list[Gap] = []
        self._forgotten: list[str] = []
        # Positions of streams that were let go on this connection, the longest unused one first.
        self._resting: dict[str, Position] = {}
        self._is_catching_up = False
        # Characters of what all cursors hold.
        self._held_size = 0

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called: the first hold that ends."""
        if not self._holding or self._is_catching_up:
            return None
        return min(cursor.until for cursor in self._holding.values())

    @property
    def is_moved(self) -> bool:
        """Whether a stream moved or was forgotten since `take_moved`."""
        return bool(self._moved or self._forgotten)

    def take_moved(self) -> dict[str, Position]:
        """Returns the positions that changed since the last call."""
        moved = self._moved
        if not moved:
            return {}
        self._moved = {}
        cursors = self._cursors
        positions: dict[str, Position] = {}
        for name, cursor in moved.items():
            # The end of the dict is what moved last.
            cursors.pop(name, None)
            cursors[name] = cursor
            positions[name] = Position(cursor.epoch, cursor.seq)
        if len(cursors) > self._max_streams:
            self._drop(len(cursors) - self._max_streams)
        return positions

    def marked(self, mark: str) -> None:
        """The server gave a mark: it named each stream that is older."""
        if mark != self._mark:
            self._mark = mark
            self._marks += 1

    def forget(self, stream: str) -> None:
        """Forgets a stream: its next message begins it again."""
        cursor = self._cursors.pop(stream, None)
        if cursor is not None:
            self._empty(cursor)
            self._forgotten.append(stream)
        self._moved.pop(stream, None)
        self._resting.pop(stream, None)

    def rest(self, stream: str) -> None:
        """Lets a stream go. Messages of it that are on their way, and were delivered before, are still dropped."""
        cursor = self._cursors.get(stream)
        self.forget(stream)
        if cursor is not None:
            self._resting[stream] = Position(cursor.epoch, cursor.seq)
            if len(self._resting) > _MAX_RESTING:
                del self._resting[next(iter(self._resting))]

    def take_forgotten(self) -> list[str]:
        """Returns the streams that were forgotten since the last call."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def adopt(self, positions: Mapping[str, Position]) -> Mapping[str, Position]:
        """Starts from stored positions, and returns those that a resume can name. Streams that are known keep theirs."""
        self._is_catching_up = True
        if len(positions) > self._max_streams:
            # The end has what moved last.
            positions = dict(list(positions.items())[-self._max_streams :])
        if not all(has_place(name, it.epoch, it.seq) for name, it in positions.items()):
            positions = {
                name: position
                for name, position in positions.items()
                if has_place(name, position.epoch, position.seq)
            }
        # These streams began before this resume, so each later mark is newer.
        since = self._marks - _MARKS_APART
        for name, position in positions.items():
            self._cursors.setdefault(name, _Cursor(name, position.epoch, position.seq, since))
        return positions

    def take_gaps(self) -> list[Gap]:
        """Returns the gaps found since the last call; their streams need a snapshot."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def accept(
        self, envelope: Envelope[Any], now: float, size: int = 0
    ) -> tuple[Envelope[Any], ...]:
        """Takes a message whose frame has `size` characters; returns what can be delivered now, in order."""
        seq, stream = envelope.seq, envelope.stream
        if seq is None or stream is None:
            return _NOTHING if self._is_seen(envelope) else (envelope,)
        cursor = self._cursors.get(stream)
        if cursor is not None and envelope.epoch == cursor.epoch:
            if seq == cursor.seq + 1 and not cursor.held:
                cursor.seq = seq
                self._moved[stream] = cursor
                return (envelope,)
            if abs(seq) <= _MAX_SEQ:
                released = self._place(cursor, seq, envelope, now)
                if seq in cursor.held:
                    released = (*released, *self._weigh(cursor, seq, size))
                return released
        if not has_place(stream, envelope.epoch or "", seq):
            return _NOTHING if self._is_seen(envelope) else (envelope,)
        return self._begin(stream, envelope.epoch or "", seq, envelope, now)

    def follow(self, envelopes: Sequence[Envelope[Any]], channel: str) -> int:
        """Takes messages while each is the next one of a stream in which nothing is missing, is whole, and has this channel.

        Returns:
            How many it took.
        """
        cursor_of, moved = self._cursors.get, self._moved
        # How many are left says how many were taken, so that no instruction counts them.
        left: Any = iter(envelopes)
        for envelope in left:
            stream, seq = envelope.stream, envelope.seq
            cursor = cursor_of(stream)
            if (
                cursor is None
                or seq != cursor.seq + 1
                or envelope.epoch != cursor.epoch
                or envelope.channel != channel
                or envelope.more
                or cursor.held
            ):
                return len(envelopes) - int(left.__length_hint__()) - 1
            cursor.seq = seq
            moved[stream] = cursor
        return len(envelopes)

    def skip(
        self, stream: str | None, epoch: str | None, seq: int | None, now: float
    ) -> tuple[Envelope[Any], ...]:
        """A message at this position was rejected: it is not delivered, but its stream goes on."""
        if stream is None or seq is None or not has_place(stream, epoch or "", seq):
            return _NOTHING
        cursor = self._cursors.get(stream)
        if cursor is None or epoch != cursor.epoch:
            return self._begin(stream, epoch or "", seq, None, now)
        return self._place(cursor, seq, None, now)

    def is_before(self, stream: str, position: Position) -> bool:
        """Whether a stream is at an earlier entry of the epoch of a position, and misses none."""
        cursor = self._cursors.get(stream)
        if cursor is None or cursor.held:
            return False
        return cursor.epoch == position.epoch and cursor.seq < position.seq

    def snapshot(self, stream: str, position: Position) -> tuple[bool, tuple[Envelope[Any], ...]]:
        """The state of a stream at a position arrived. A stream that was let go stays where it was.

        Returns:
            Whether it is to be applied (an older one than the position is not), and what follows it.
        """
        cursor = self._cursors.get(stream)
        rest = self._resting.get(stream)
        if cursor is None and rest is not None and rest.epoch == position.epoch:
            # An answer that comes after the stream was let go. Its next subscription goes on where it was.
            return True, _NOTHING
        is_elsewhere = cursor is None or cursor.epoch != position.epoch
        if is_elsewhere or abs(position.seq) > _MAX_SEQ:
            self._start(stream, position.epoch, position.seq)
            return True, _NOTHING
        assert cursor is not None
        if position.seq < cursor.seq:
            return False, _NOTHING
        if self.entries.waiting:
            self.entries.forget(stream, position.epoch, position.seq)
        cursor.seq = position.seq
        self._moved[cursor.stream] = cursor
        for seq in [seq for seq in cursor.held if seq <= position.seq]:
            self._pop(cursor, seq)
        following = self._in_sequence(cursor)
        if not cursor.held:
            self._holding.pop(cursor.stream, None)
        return True, following

    def restarted(self, stream: str, position: Position) -> None:
        """The server could not go on with the stream: it starts after this position, and needs a snapshot.

        What came between is a gap. When the position is the one that is known, nothing came between.
        """
        cursor = self._cursors.get(stream)
        if cursor is not None and (cursor.epoch, cursor.seq) != (position.epoch, position.seq):
            self.gaps += 1
            is_new_epoch = cursor.epoch != position.epoch
            self._gaps.append(
                Gap(stream, cursor.seq + 1, position.seq + 1, cursor.epoch, is_new_epoch)
            )
        self._start(stream, position.epoch, position.seq)

    def subscribed(self, stream: str, position: Position) -> None:
        """A subscription starts at this position, unless the stream is known already."""
        if stream not in self._cursors:
            self._start(stream, position.epoch, position.seq)

    def know(self, stream: str, position: Position) -> None:
        """Messages of a stream were delivered up to this position. A late state may have begun the stream before it."""
        cursor = self._cursors.get(stream)
        if cursor is None or (cursor.epoch == position.epoch and cursor.seq < position.seq):
            self._start(stream, position.epoch, position.seq)

    def gather(
        self, envelope: Envelope[Any], now: float = 0.0, size: int = 0
    ) -> list[Envelope[Any]]:
        """Keeps a message that has `more` until the last one of its entry is there.

        Without room for it, its entry counts as missing: half of it must not take effect.

        Returns:
            What can be delivered now.
        """
        if self.entries.add(envelope, size):
            return []
        seq = envelope.seq or 0
        self._gaps.append(Gap(envelope.stream or "", seq, seq + 1, envelope.epoch or ""))
        return self.entries.whole(self.skip(envelope.stream, envelope.epoch, envelope.seq, now))

    def whole(self, envelope: Envelope[Any], now: float, size: int = 0) -> list[Envelope[Any]]:
        """Takes the last message of an entry, or one that is an entry alone; returns what can be delivered now."""
        duplicates = self.duplicates
        ready = self.accept(envelope, now, size)
        if self.duplicates > duplicates:
            self.entries.drop(envelope)
        return self.entries.whole(ready)

    def lost(self) -> None:
        """The connection ended: what was held comes again after the resume."""
        self.entries.clear()
        self._resting.clear()
        self._is_catching_up = True
        for cursor in list(self._holding.values()):
            self._empty(cursor)

    def ready(self, now: float) -> None:
        """The server answered the resume: what was missed follows at once, and the wait for it begins."""
        self._is_catching_up = False
        for cursor in self._holding.values():
            cursor.until = now + _MAX_WAIT

    def tick(self, now: float) -> tuple[Envelope[Any], ...]:
        """Gives up on gaps that were waited for long enough; returns what was held."""
        released: list[Envelope[Any]] = []
        if self._is_catching_up:
            return _NOTHING
        for cursor in list(self._holding.values()):
            if cursor.until <= now:
                released += self._give_up(cursor)
        return tuple(released)

    def _start(self, stream: str, epoch: str, seq: int) -> None:
        """Begins a stream at a position; when no resume can name it, the stream has none from now on."""
        if not has_place(stream, epoch, seq):
            self.forget(stream)
            return
        before = self._cursors.get(stream)
        since = self._marks
        if before is not None:
            self._empty(before)
            if before.epoch == epoch:
                since = before.since
        self._resting.pop(stream, None)
        self._cursors[stream] = self._moved[stream] = _Cursor(stream, epoch, seq, since)

    def _drop(self, count: int) -> None:
        """Drops the longest unused positions, first those of streams that are older than the newest mark."""
        # Without a mark the server replays no stream from its first entry.
        before = self._marks - _MARKS_APART if self._marks else 0
        old = (name for name, cursor in self._cursors.items() if cursor.since <= before)
        for name in list(islice(old, count)):
            self.forget(name)
            count -= 1
        for name in list(islice(self._cursors, count)):
            self.forget(name)
            self.dropped.append(name)

    def _pop(self, cursor: _Cursor, seq: int) -> Envelope[Any] | None:
        """Takes a message out of what a stream holds."""
        self._held_size -= cursor.sizes.pop(seq, 0)
        return cursor.held.pop(seq)

    def _empty(self, cursor: _Cursor) -> None:
        """Forgets what a stream holds."""
        self._held_size -= sum(cursor.sizes.values())
        cursor.held, cursor.sizes = {}, {}
        self._holding.pop(cursor.stream, None)

    def _is_seen(self, envelope: Envelope[Any]) -> bool:
        if envelope.id is None or not self.ids_are_unique:
            return False
        ids = self._ids
        # With the type: a server may answer one message with several of different types that carry its id.
        identity = envelope.type, envelope.id
        if identity in ids:
            self.duplicates += 1
            return True
        ids[identity] = None
        if len(ids) > _MAX_IDS:
            del ids[next(iter(ids))]
        return False

    def _begin(
        self, stream: str, epoch: str, seq: int, envelope: Envelope[Any] | None, now: float
    ) -> tuple[Envelope[Any], ...]:
        cursor = self._cursors.get(stream)
        rest = self._resting.get(stream)
        if cursor is None and rest is not None and rest.epoch == epoch:
            if seq <= rest.seq:
                self.duplicates += 1
                return _NOTHING
            self._start(stream, epoch, rest.seq)
            return self._place(self._cursors[stream], seq, envelope, now)
        before: list[Envelope[Any]] = []
        if cursor is not None:
            before = [held for _, held in sorted(cursor.held.items()) if held is not None]
            self.gaps += 1
            self._gaps.append(Gap(stream, cursor.seq + 1, seq, cursor.epoch, is_new_epoch=True))
        self._start(stream, epoch, seq)
        return (*before, envelope) if envelope is not None else tuple(before)

    def _place(
        self, cursor: _Cursor, seq: int, envelope: Envelope[Any] | None, now: float
    ) -> tuple[Envelope[Any], ...]:
        if seq <= cursor.seq or seq in cursor.held:
            self.duplicates += 1
            return _NOTHING
        cursor.held[seq] = envelope
        released = self._in_sequence(cursor)
        if not cursor.held:
            self._holding.pop(cursor.stream, None)
        elif len(cursor.held) >= _MAX_HELD:
            released = (*released, *self._make_room(cursor, seq))
        elif released or cursor.stream not in self._holding:
            # Progress starts the wait again: what is missing now is another message.
            cursor.until = now + _MAX_WAIT
            self._holding[cursor.stream] = cursor
        return released

    def _weigh(self, cursor: _Cursor, seq: int, size: int) -> tuple[Envelope[Any], ...]:
        """Notes how large a message is that was held; returns what is given up for want of room."""
        cursor.sizes[seq] = size
        self._held_size += size
        return self._make_room(cursor, seq) if self._held_size > _MAX_HELD_SIZE else _NOTHING

    def _make_room(self, cursor: _Cursor, seq: int) -> tuple[Envelope[Any], ...]:
        if not self._is_catching_up:
            return self._give_up(cursor)
        # The answer to the resume brings it again, with everything before it.
        self._pop(cursor, seq)
        if not cursor.held:
            self._holding.pop(cursor.stream, None)
        return _NOTHING

    def _in_sequence(self, cursor: _Cursor) -> tuple[Envelope[Any], ...]:
        """Returns what follows the cursor without a gap and moves it there."""
        released: list[Envelope[Any]] = []
        while (following := cursor.seq + 1) in cursor.held:
            held = self._pop(cursor, following)
            cursor.seq = following
            self._moved[cursor.stream] = cursor
            if held is not None:
                released.append(held)
        return tuple(released)

    def _give_up(self, cursor: _Cursor) -> tuple[Envelope[Any], ...]:
        order = sorted(cursor.held)
        expected = cursor.seq + 1
        for seq in order:
            if seq != expected:
                self.gaps += 1
                self._gaps.append(Gap(cursor.stream, expected, seq, cursor.epoch))
            expected = seq + 1
        released = [held for seq in order if (held := cursor.held[seq]) is not None]
        cursor.seq = order[-1]
        self._empty(cursor)
        self._moved[cursor.stream] = cursor
        return tuple(released)


def has_place(stream: str, epoch: str = "", seq: int = 0) -> bool:
    """Whether a resume can name a stream and this position in it. A stream without a place delivers its messages as they come."""
    return (
        abs(seq) <= _MAX_SEQ
        and len(epoch) <= MAX_EPOCH_LENGTH
        and len(stream) <= MAX_STREAM_SIZE
        and (
            4 * len(stream) <= MAX_STREAM_SIZE
            or len(stream.encode("utf-8", "surrogatepass")) <= MAX_STREAM_SIZE
        )
    )
