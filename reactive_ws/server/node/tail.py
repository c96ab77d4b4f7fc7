"""`Tail`: the newest entries that this node committed itself, so that its clients get them without a look at the log.

A page comes from here only when the tail has every entry behind a position, in number order and of one epoch. An entry of another
node leaves a gap; then the log has to be read. The tail holds what the log said it has, and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from ...wire import Position
from ..session import EncodedEntry, EncodedPage

__all__ = ["Tail"]

_MAX_STREAM: Final = 262_144
"""Bytes of the frames of one stream; the newest entry always stays."""
_MAX_BYTES: Final = 2**23
"""Bytes of the frames of all streams; the stream that changed last always stays."""


class _Run:
    """Entries of one stream and one epoch, without a gap."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: deque[tuple[EncodedEntry, int]] = deque()
        self.size = 0

    @property
    def last(self) -> Position:
        """The position of the newest entry."""
        return self.entries[-1][0].position


class Tail:
    """The newest own entries, by stream. All methods run on the thread of the loop."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._size = 0

    def clear(self) -> None:
        """Forgets all: the log may be another one now, or have other entries."""
        self._runs.clear()
        self._size = 0

    def add(self, stream: str, entry: EncodedEntry) -> None:
        """The log has this entry of the node now."""
        run = self._runs.get(stream)
        if run is not None:
            last, at = run.last, entry.position
            if at.epoch == last.epoch and at.seq <= last.seq:
                # An answer that came late: what is here is newer.
                return
            if at.epoch != last.epoch or at.seq != last.seq + 1:
                # What is between belongs to another node, or the numbers mean something else now.
                self._drop(stream)
                run = None
        if run is None:
            run = self._runs[stream] = _Run()
        self._runs.move_to_end(stream)
        size = sum(map(len, entry.frames))
        run.entries.append((entry, size))
        run.size += size
        self._size += size
        while run.size > _MAX_STREAM and len(run.entries) > 1:
            freed = run.entries.popleft()[1]
            run.size -= freed
            self._size -= freed
        while self._size > _MAX_BYTES and len(self._runs) > 1:
            self._drop(next(iter(self._runs)))

    def page(self, stream: str, after: Position, at_least: Position | None) -> EncodedPage | None:
        """Returns the entries behind a position, up to the newest one; None when the log has to be read.

        Args:
            stream: The stream.
            after: The last known position.
            at_least: The log has this entry, so a page that ends before it is not the newest; None when nothing is known.
        """
        run = self._runs.get(stream)
        if run is None:
            return None
        last, first = run.last, run.entries[0][0].position
        if after.epoch != last.epoch or not first.seq - 1 <= after.seq < last.seq:
            return None
        if at_least is not None and (at_least.epoch != last.epoch or at_least.seq > last.seq):
            return None
        # From the newest one back: what is asked for is nearly always at the end.
        start = len(run.entries) - (last.seq - after.seq)
        return EncodedPage(last, [run.entries[at][0] for at in range(start, len(run.entries))])

    def _drop(self, stream: str) -> None:
        self._size -= self._runs.pop(stream).size
