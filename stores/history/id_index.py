"""`IdIndex`: which entry has an id, for the newest entries of a session, as an immutable value.

A few dicts, of which only the last, a small one, is copied when ids are added; it is joined with its neighbour when it is
full. A lookup asks them all, and a run of ids is compared with each in one go. A persistent hash trie does the same with
a node or two for each id, and in a flood these nodes were most of what the garbage collector looked at; dicts of
strings and entries it does not look at. It knows no order; which ids are to be forgotten says `timeline`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView
from itertools import chain

from .entry import Entry

__all__ = ["IdIndex"]

_FRESH = 64
"""Ids of the dict that is copied with every change."""
_CHUNK = 1024
"""Ids of the others: large, so that there are few to ask, and small, so that forgetting the oldest copies little."""


class IdIndex:
    """An immutable mapping from ids to entries. Every change returns a new one.

    Args:
        chunks: Dicts without common ids; the last is the one that grows. Nobody may change them.
        size: How many ids they have together; counted when None.
    """

    __slots__ = ("_chunks", "_size")

    def __init__(
        self, chunks: tuple[dict[str, Entry], ...] = ({},), size: int | None = None
    ) -> None:
        self._chunks = chunks
        # Who adds knows how many there are then.
        self._size = sum(map(len, chunks)) if size is None else size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._chunks)

    def __contains__(self, identity: str) -> bool:
        return self.get(identity) is not None

    def get(self, identity: str) -> Entry | None:
        """Returns the entry with this id, or None."""
        for chunk in self._chunks:
            found = chunk.get(identity)
            if found is not None:
                return found
        return None

    def has_any(self, ids: KeysView[str]) -> bool:
        """Whether one of these ids is here; cheaper than asking for each."""
        return not all(chunk.keys().isdisjoint(ids) for chunk in self._chunks)

    def extended(self, new: dict[str, Entry]) -> IdIndex:
        """Returns an index with these ids too, none of which is here."""
        chunks, size = self._chunks, self._size + len(new)
        joined = chunks[-1] | new
        if len(joined) <= _FRESH:
            return IdIndex(chunks[:-1] + (joined,), size)  # noqa: RUF005 - one copy less
        older = chunks[:-1]
        if older and len(older[-1]) + len(joined) <= _CHUNK:
            joined = older[-1] | joined
            older = older[:-1]
        return IdIndex((*older, joined, {}), size)

    def set(self, identity: str, entry: Entry) -> IdIndex:
        """Returns an index in which this id means this entry."""
        chunks = self._chunks
        for at, chunk in enumerate(chunks):
            if identity in chunk:
                changed = {**chunk, identity: entry}
                return IdIndex((*chunks[:at], changed, *chunks[at + 1 :]), self._size)
        return self.extended({identity: entry})

    def without(self, ids: Iterable[str]) -> IdIndex:
        """Returns an index without these ids; it is cheap when they are those that were added first."""
        gone = set(ids)
        kept: list[dict[str, Entry]] = []
        for chunk in self._chunks:
            found = gone & chunk.keys() if gone else gone
            rest = chunk
            if found:
                gone = gone - found
                rest = chunk.copy()
                for identity in found:
                    del rest[identity]
            if rest:
                kept.append(rest)
        return IdIndex((*kept, {}) if not kept or len(kept[-1]) > _FRESH else tuple(kept))
