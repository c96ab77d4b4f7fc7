"""The ordered streams of a `ScriptedServer`, in memory: numbers, and the pages that its sessions read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from ...server.logs import matches
from ...server.session import EncodedEntry, EncodedPage
from ...wire import Codec, Envelope, Position

__all__ = ["Streams"]


class Streams:
    """The published messages, by stream.

    Args:
        epoch: The epoch of all streams.
        codec: Writes the frames of entries.
        pass_over: Called with a stream that got a message which no connected client is to hear.
    """

    def __init__(self, epoch: str, codec: Codec, pass_over: Callable[[str], None]) -> None:
        self.epoch = epoch
        self._codec = codec
        self._pass_over = pass_over
        self._logs: dict[str, list[Envelope[Any]]] = {}

    def append(self, stream: str, message: Envelope[Any]) -> Envelope[Any]:
        """Gives a message the next number of a stream, keeps it, and returns it."""
        log = self._logs.setdefault(stream, [])
        numbered = replace(message, stream=stream, epoch=self.epoch, seq=len(log) + 1)
        log.append(numbered)
        return numbered

    def add(self, stream: str, message: Envelope[Any]) -> Envelope[Any]:
        """Appends a message that no connected client hears: their next message of the stream shows a gap."""
        numbered = self.append(stream, message)
        self._pass_over(stream)
        return numbered

    def last(self, count: int, stream: str) -> list[Envelope[Any]]:
        """Returns the last messages of a stream."""
        return self._logs.get(stream, [])[-count:]

    def head(self, stream: str) -> Position:
        """Returns the position of the last message of a stream, with number 0 when there is none."""
        return Position(self.epoch, len(self._logs.get(stream, [])))

    def heads(self, pattern: str) -> Mapping[str, Position]:
        """Returns the streams of a pattern, with their last positions."""
        return {name: self.head(name) for name in self._logs if matches(pattern, name)}

    def restart(self, epoch: str) -> None:
        """Forgets everything, in a new epoch."""
        self.epoch = epoch
        self._logs.clear()

    def page(self, stream: str, after: Position) -> EncodedPage:
        """Returns everything after a position, in one page."""
        head = self.head(stream)
        if (after.epoch and after.epoch != self.epoch) or after.seq > head.seq:
            return EncodedPage(head, None)
        missed = self._logs.get(stream, [])[after.seq :]
        return EncodedPage(head, [self._entry(message) for message in missed])

    def _entry(self, message: Envelope[Any]) -> EncodedEntry:
        at = Position(message.epoch or "", message.seq or 0)
        # Size 0: a test may send what is too large for its client.
        return EncodedEntry(at, (self._codec.encode(message),), (), 0)
