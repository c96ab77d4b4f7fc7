"""`Timeline`: the entries of one session in order, each id once, as an immutable value.

    settled    what has its place, sorted by it: a persistent vector
    waiting    own messages without an acknowledgement and answers that still grow, in order of arrival, at the end

Changes, windows and lookups do not depend on the length. Ids are indexed for everything that waits and for at least the
newest 4 096 settled entries; older ones are found by their place, because the server's copy of an old message has its sequence.
So an old entry without a sequence is not recognised when its id comes again.

It knows places and ids, and nothing about what a message means: that is `history`.
"""

from __future__ import annotations

from collections.abc import Iterator, KeysView

import attrs

from reactive_ws.state import Map

from ..collections import IdIndex, Vector
from .entry import WAITING, Entry, Place

__all__ = ["INDEXED", "Timeline"]

INDEXED = 4096
"""Settled entries whose ids are known: more than a resume replays for one session, at 100 bytes each."""
_SPARE = 2048
"""How many more may be known. So many together are a whole part of the index, which goes without a look at each id."""


def _empty_vector() -> Vector[Entry]:
    return Vector()


def _no_ids() -> IdIndex[Entry]:
    return IdIndex()


def _nothing_open() -> Map[str, Place]:
    return Map()


def _trimmed(recent: IdIndex[Entry], settled: Vector[Entry]) -> IdIndex[Entry]:
    """Returns the ids to know: when there are more than `_SPARE` too many, the oldest are forgotten together."""
    while (excess := len(recent) - INDEXED) > _SPARE:
        first = len(settled) - len(recent)
        oldest = recent.oldest
        if len(oldest) > excess or oldest != settled.window(first, len(oldest)):
            return recent.without(entry.head.id for entry in settled.window(first, excess))
        recent = recent.without_oldest()
    return recent


def _place_of(entry: Entry) -> Place:
    return entry.place or (WAITING, 0, 0)


@attrs.frozen(eq=False, repr=False)
class Timeline:
    """An ordered collection of entries.

    Attributes:
        settled: Entries that have their place, sorted by it.
        waiting: Entries that have none yet, in order of arrival.
        dropped: How many of the oldest were cut off.
    """

    settled: Vector[Entry] = attrs.field(factory=_empty_vector)
    waiting: Vector[Entry] = attrs.field(factory=_empty_vector)
    dropped: int = 0
    _recent: IdIndex[Entry] = attrs.field(factory=_no_ids)
    _open: Map[str, Place] = attrs.field(factory=_nothing_open)
    _arrivals: int = 0

    def __len__(self) -> int:
        return len(self.settled) + len(self.waiting)

    def __iter__(self) -> Iterator[Entry]:
        yield from self.settled
        yield from self.waiting

    def __repr__(self) -> str:
        return f"<Timeline of {len(self.settled)} settled and {len(self.waiting)} waiting entries>"

    # --- reading --------------------------------------------------------------------------------------------------------

    def window(self, start: int, count: int) -> tuple[Entry, ...]:
        """Returns at most `count` entries from index `start` on; what lies outside is left out."""
        size = len(self.settled)
        first, last = max(0, start), max(0, start + count)
        found = self.settled.window(first, last - first) if first < size else ()
        if last <= size:
            return found
        begin = max(0, first - size)
        return found + self.waiting.window(begin, last - size - begin)

    def last(self, count: int) -> tuple[Entry, ...]:
        """Returns the newest `count` entries, oldest first."""
        return self.window(len(self) - count, count)

    def find(self, identity: str, place: Place | None = None) -> Entry | None:
        """Returns the entry with this id, or None.

        Args:
            identity: The message's id.
            place: Where it would be if it is too old to be indexed.
        """
        opened = self._open.get(identity)
        if opened is not None:
            return self.waiting[self.waiting.find(opened, _place_of)]
        index = self._index_of(identity, place)
        return None if index is None else self.settled[index]

    def index_after(self, place: Place) -> int:
        """Returns how many settled entries come up to this place."""
        return self.settled.find((place[0], place[1], place[2] + 1), _place_of)

    @property
    def last_place(self) -> Place | None:
        """The place of the newest settled entry."""
        last = self.settled.last
        return None if last is None else last.place

    # --- changes --------------------------------------------------------------------------------------------------------

    def put(self, entry: Entry) -> Timeline:
        """Returns a timeline with this entry where it says, instead of any other one with its id.

        An entry without a place waits: at the end, or where it waits already. When another message has its place it
        comes right after that one.
        """
        if entry.is_waiting:
            return self._await(entry)
        place = _place_of(entry)
        old = self._index_of(entry.id, place)
        if old is None:
            return self._without_waiting(entry.id)._settle(entry)
        if self.settled[old].place == place:
            known = entry.id in self._recent
            recent = self._recent.set(entry.id, entry) if known else self._recent
            return attrs.evolve(self, settled=self.settled.replace(old, entry), recent=recent)
        return self._without_settled(old)._settle(entry)

    def knows(self, identity: str) -> bool:
        """Whether an entry with this id waits or is one of the newest."""
        return identity in self._recent or identity in self._open

    def knows_any(self, ids: KeysView[str]) -> bool:
        """Whether `knows` is true for one of these ids; cheaper than asking for each."""
        waiting = self._open
        return self._recent.has_any(ids) or (len(waiting) > 0 and any(it in waiting for it in ids))

    def extended(self, new: dict[str, Entry]) -> Timeline:
        """Returns a timeline with these entries after all that are settled; cheaper than one after the other.

        Args:
            new: By id, in order, each with a place after `last_place`, none of them known.
        """
        settled = self.settled.extended(new.values())
        recent = _trimmed(self._recent.extended(new), settled)
        return Timeline(settled, self.waiting, self.dropped, recent, self._open, self._arrivals)

    def remove(self, identity: str) -> Timeline:
        """Returns a timeline without the entry with this id, if it is there."""
        index = self._index_of(identity, None)
        return self._without_waiting(identity) if index is None else self._without_settled(index)

    def cut(self, keep: int) -> Timeline:
        """Returns a timeline of at most `keep` settled entries, the newest; what waits is never cut."""
        size = len(self.settled)
        count = size - max(0, keep)
        if count <= 0:
            return self
        indexed = size - len(self._recent)
        forgotten = self.settled.window(indexed, count - indexed)
        return attrs.evolve(
            self,
            settled=self.settled.cut(count),
            dropped=self.dropped + count,
            recent=self._recent.without(entry.head.id for entry in forgotten),
        )

    def _index_of(self, identity: str, place: Place | None) -> int | None:
        """Returns the index of a settled entry."""
        found = self._recent.get(identity)
        if found is not None:
            return self.settled.find(_place_of(found), _place_of)
        last = self.last_place
        if place is None or last is None or place > last or self._is_before_all(place):
            return None
        index = self.settled.find(place, _place_of)
        if index < len(self.settled) and self.settled[index].id == identity:
            return index
        return None

    def _is_before_all(self, place: Place) -> bool:
        first = self.settled.first
        return first is None or place < _place_of(first)

    def _await(self, entry: Entry) -> Timeline:
        opened = self._open.get(entry.id)
        if opened is not None:
            entry = entry.placed(opened)
            at = self.waiting.find(opened, _place_of)
            return attrs.evolve(self, waiting=self.waiting.replace(at, entry))
        index = self._index_of(entry.id, None)
        rest = self if index is None else self._without_settled(index)
        place: Place = (WAITING, rest._arrivals, 0)
        return attrs.evolve(
            rest,
            waiting=rest.waiting.append(entry.placed(place)),
            open=rest._open.set(entry.id, place),
            arrivals=rest._arrivals + 1,
        )

    def _settle(self, entry: Entry) -> Timeline:
        settled, recent = self.settled, self._recent
        size = len(settled)
        place = _place_of(entry)
        last = self.last_place
        if last is None or place > last:
            return self._append(entry)
        index = 0 if self._is_before_all(place) else settled.find(place, _place_of)
        while index < size and settled[index].place == place:
            place = (place[0], place[1], place[2] + 1)
            entry = entry.placed(place)
            index += 1
        # What is known are always the newest settled entries, so that their number tells which.
        if index >= size - len(recent):
            recent = recent.set(entry.id, entry)
        settled = settled.insert(index, entry)
        return attrs.evolve(self, settled=settled, recent=_trimmed(recent, settled))

    def _append(self, entry: Entry) -> Timeline:
        settled, recent = self.settled.append(entry), self._recent.set(entry.id, entry)
        return attrs.evolve(self, settled=settled, recent=_trimmed(recent, settled))

    def _without_settled(self, index: int) -> Timeline:
        settled, recent = self.settled, self._recent
        size = len(settled)
        known = len(recent)
        if index >= size - known:
            recent = recent.without((settled[index].id,))
            if known < size and known <= INDEXED:
                back = settled[size - known - 1]
                # An old id that came again names the newer entry.
                if back.id not in recent:
                    recent = recent.set(back.id, back)
        return attrs.evolve(self, settled=settled.remove(index), recent=recent)

    def _without_waiting(self, identity: str) -> Timeline:
        opened = self._open.get(identity)
        if opened is None:
            return self
        index = self.waiting.find(opened, _place_of)
        return attrs.evolve(
            self, waiting=self.waiting.remove(index), open=self._open.delete(identity)
        )
