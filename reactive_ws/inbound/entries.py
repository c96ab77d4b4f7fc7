"""Entries: the messages that one command put on one stream share a number, and are delivered together when the last one is there.

All but the last have `more`. The order of entries is decided by `order`, which sees only the last message of each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from ..wire import Envelope

__all__ = ["Entries"]

_Key: TypeAlias = tuple[str, str, int]
_MAX_MESSAGES: Final = 10_000
"""Messages that wait for the last one of their entries, of all streams."""
_MAX_SIZE: Final = 64 * 2**20
"""Characters of their frames."""


class Entries:
    """The messages of entries whose last message is not there, or not delivered yet.

    Attributes:
        waiting: By stream, epoch and number. Other modules only look whether there are any.
    """

    def __init__(self) -> None:
        self.waiting: dict[_Key, list[tuple[Envelope[Any], int]]] = {}
        self._count = self._size = 0

    def clear(self) -> None:
        """The connection ended: the entries come again, whole, after the resume."""
        self.waiting.clear()
        self._count = self._size = 0

    def add(self, envelope: Envelope[Any], size: int = 0) -> bool:
        """Keeps a message that has `more`, with the size of its frame; returns False when too many wait, and then forgets its
        entry.
        """
        key = _key(envelope.stream, envelope.epoch, envelope.seq)
        if self._count >= _MAX_MESSAGES or self._size + size > _MAX_SIZE:
            self._take(key)
            return False
        self.waiting.setdefault(key, []).append((envelope, size))
        self._count += 1
        self._size += size
        return True

    def begin(self, stream: str | None, epoch: str | None, seq: int | None) -> None:
        """A message with `more` was rejected; the others of its entry follow."""
        key = _key(stream, epoch, seq)
        if len(self.waiting) < _MAX_MESSAGES:
            self.waiting.setdefault(key, [])

    def last(self, stream: str | None, epoch: str | None, seq: int | None) -> Envelope[Any] | None:
        """The last message of an entry was rejected: returns the one before it, which takes its place."""
        key = _key(stream, epoch, seq)
        kept = self.waiting.get(key)
        if not kept:
            self.waiting.pop(key, None)
            return None
        message, size = kept.pop()
        self._count -= 1
        self._size -= size
        return message

    def drop(self, envelope: Envelope[Any]) -> None:
        """The entry of this message was delivered before."""
        self._take(_key(envelope.stream, envelope.epoch, envelope.seq))

    def forget(self, stream: str, epoch: str, seq: int) -> None:
        """A snapshot has everything up to this number."""
        for key in list(self.waiting):
            if key[0] == stream and (key[1] != epoch or key[2] <= seq):
                self._take(key)

    def whole(self, messages: Iterable[Envelope[Any]]) -> list[Envelope[Any]]:
        """Returns the messages with those before them in their entries."""
        found: list[Envelope[Any]] = []
        for message in messages:
            if message.seq is not None:
                found += self._take(_key(message.stream, message.epoch, message.seq))
            found.append(message)
        return found

    def _take(self, key: _Key) -> list[Envelope[Any]]:
        kept = self.waiting.pop(key, [])
        self._count -= len(kept)
        self._size -= sum(size for _, size in kept)
        return [message for message, _ in kept]


def _key(stream: str | None, epoch: str | None, seq: int | None) -> _Key:
    return stream or "", epoch or "", seq or 0
