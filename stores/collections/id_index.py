"""`IdIndex`: values by id, for the newest values of a growing collection, as an immutable value.

It holds a few dicts. A change copies only the last one, which is small; a full one is joined with its neighbour. A lookup
asks all of them, and compares a run of ids with each at once. A persistent hash trie needs a node or two for each id. In a
flood the garbage collector spent most of its time on these nodes; it does not look at dicts of strings. The index knows no
order: its owner says which ids to remove.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView
from itertools import chain
from typing import Generic, TypeVar

__all__ = ["IdIndex"]

V = TypeVar("V")

_FRESH = 64
"""Ids of the dict that is copied with every change."""
_MIDDLE = 512
"""Ids of the dict into which full fresh ones go, so that few changes copy a large one."""
_CHUNK = 2048
"""Ids of the other dicts. Large dicts make lookups cheap; the oldest leave the index at once when they are a whole dict."""


class IdIndex(Generic[V]):
    """An immutable mapping from ids to values. Every change returns a new one.

    Args:
        chunks: Dicts without common ids; the last is the one that grows. No caller may change them.
        size: How many ids they have together; counted when None.
    """

    __slots__ = ("_chunks", "_size")

    def __init__(self, chunks: tuple[dict[str, V], ...] = ({},), size: int | None = None) -> None:
        self._chunks = chunks
        # A method that adds ids knows their number.
        self._size = sum(map(len, chunks)) if size is None else size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._chunks)

    def __contains__(self, identity: str) -> bool:
        return self.get(identity) is not None

    def get(self, identity: str) -> V | None:
        """Returns the value with this id, or None."""
        for chunk in self._chunks:
            found = chunk.get(identity)
            if found is not None:
                return found
        return None

    def has_any(self, ids: KeysView[str]) -> bool:
        """Whether one of these ids is here; cheaper than asking for each."""
        for chunk in self._chunks:  # noqa: SIM110 - a generator costs a call for each dict
            if not chunk.keys().isdisjoint(ids):
                return True
        return False

    def extended(self, new: dict[str, V]) -> IdIndex[V]:
        """Returns an index with these ids too, none of which is here."""
        chunks, size = self._chunks, self._size + len(new)
        joined = chunks[-1] | new
        if len(joined) <= _FRESH:
            return IdIndex(chunks[:-1] + (joined,), size)  # noqa: RUF005 - one copy less
        if len(chunks) == 1:
            return IdIndex((joined, {}), size)
        older, last = chunks[:-2], chunks[-2]
        if len(last) + len(joined) <= _MIDDLE:
            return IdIndex((*older, last | joined, {}), size)
        if older and len(older[-1]) + len(last) <= _CHUNK:
            return IdIndex((*older[:-1], older[-1] | last, joined, {}), size)
        return IdIndex((*older, last, joined, {}), size)

    def set(self, identity: str, value: V) -> IdIndex[V]:
        """Returns an index in which this id means this value."""
        chunks = self._chunks
        for at, chunk in enumerate(chunks):
            if identity in chunk:
                changed = {**chunk, identity: value}
                return IdIndex((*chunks[:at], changed, *chunks[at + 1 :]), self._size)
        return self.extended({identity: value})

    @property
    def oldest(self) -> tuple[V, ...]:
        """The values of the dict whose ids came first, in their order. `without_oldest` drops them together."""
        return tuple(self._chunks[0].values())

    def without_oldest(self) -> IdIndex[V]:
        """Returns an index without the ids of the values in `oldest`, without a look at each."""
        chunks = self._chunks
        return IdIndex(chunks[1:] or ({},), self._size - len(chunks[0]))

    def without(self, ids: Iterable[str]) -> IdIndex[V]:
        """Returns an index without these ids; it is cheap when they are those that were added first."""
        gone = set(ids)
        kept: list[dict[str, V]] = []
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
