"""`Recent`: the newest entries that this process wrote itself, so that a page of them needs no read of the file.

The entries of a stream are kept while no other process changed the file in between. `SqliteLog` asks the file for its number of
commits before it gives such a page. All methods run on the thread of the loop.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

from ....wire import Position
from ..records import Entry, Outcome, Page, Proposal

__all__ = ["Recent"]

_MAX_STREAMS: Final = 200
_MAX_BYTES: Final = 65_536
"""Bytes of the messages of one stream; the newest entry always stays."""


class _Run:
    """Entries of one stream, without a gap, up to its newest one."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: deque[tuple[Entry, int]] = deque()
        self.size = 0

    def add(self, entry: Entry) -> None:
        size = sum(map(len, entry.messages))
        self.entries.append((entry, size))
        self.size += size
        while self.size > _MAX_BYTES and len(self.entries) > 1:
            self.size -= self.entries.popleft()[1]


class Recent:
    """The newest own entries, by stream."""

    def __init__(self) -> None:
        self._commits = -1
        self._streams: OrderedDict[str, _Run] = OrderedDict()

    def clear(self) -> None:
        """Forgets all: the file was changed in another way."""
        self._streams.clear()
        self._commits = -1

    def began(self, commits: int) -> None:
        """An own transaction found this number of commits: another one than ours means that another process wrote."""
        if commits != self._commits:
            self._streams.clear()

    def add(self, chain: Sequence[Proposal], outcomes: Sequence[Outcome]) -> None:
        """The transaction appended the first commands of a chain."""
        for proposal, outcome in zip(chain, outcomes, strict=False):
            for stream, messages in proposal.batch.messages.items():
                run = self._streams.get(stream)
                if run is None:
                    run = self._streams[stream] = _Run()
                    while len(self._streams) > _MAX_STREAMS:
                        self._streams.popitem(last=False)
                else:
                    self._streams.move_to_end(stream)
                run.add(Entry(stream, outcome.positions[stream], tuple(messages), proposal.key))

    def ended(self, commits: int) -> None:
        """The transaction left this number of commits."""
        self._commits = commits

    def page(
        self, stream: str, after: Position | None, limit_bytes: int, moment: tuple[str, int]
    ) -> Page | None:
        """Returns the page after a position; None when it has to be read from the file.

        Args:
            stream, after, limit_bytes: See `Log.read`.
            moment: The epoch and the number of commits of the file now.
        """
        run = self._streams.get(stream)
        epoch, commits = moment
        if run is None or after is None or commits != self._commits or after.epoch != epoch:
            return None
        first, head = run.entries[0][0].position, run.entries[-1][0].position
        if head.epoch != epoch or not first.seq - 1 <= after.seq <= head.seq:
            return None
        entries: list[Entry] = []
        size = 0
        # From the newest one back: what is asked for is nearly always at the end.
        start = len(run.entries) - (head.seq - after.seq)
        for index in range(start, len(run.entries)):
            if size >= limit_bytes:
                break
            entry, length = run.entries[index]
            entries.append(entry)
            size += length
        return Page(head, entries, after.seq + len(entries) < head.seq)

    def holds(self, stream: str) -> bool:
        """Tells whether there is anything of a stream."""
        return stream in self._streams
