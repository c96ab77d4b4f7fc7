"""`Following`: which streams one client follows, what was written of each, and which of them have more. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...wire import Position
from ..logs import matches

__all__ = ["Following"]


class Following:
    """The streams of one client.

    A stream is *marked* while the log may have entries that the client did not get. Marked streams take turns.
    """

    def __init__(self) -> None:
        self._channels: dict[str, None] = {}
        self._written: dict[str, Position] = {}
        self._marked: dict[str, None] = {}

    @property
    def channels(self) -> tuple[str, ...]:
        """The names and patterns that the client subscribed to."""
        return tuple(self._channels)

    @property
    def marked(self) -> int:
        """How many streams have more."""
        return len(self._marked)

    def __contains__(self, stream: str) -> bool:
        return stream in self._written

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def is_heard(self, stream: str) -> bool:
        """Tells whether a subscription means this stream."""
        return stream in self._channels or any(matches(one, stream) for one in self._channels)

    def add_channel(self, channel: str) -> None:
        """Adds a subscription."""
        self._channels[channel] = None

    def drop_channel(self, channel: str) -> bool:
        """Ends a subscription, and the streams that no other one means; returns whether it was there."""
        if channel not in self._channels:
            return False
        del self._channels[channel]
        for stream in [name for name in self._written if not self.is_heard(name)]:
            del self._written[stream]
            self._marked.pop(stream, None)
        return True

    def written(self, stream: str) -> Position | None:
        """Returns the last entry of a stream that was written; None when the client does not follow it."""
        return self._written.get(stream)

    def unnamed(self) -> list[str]:
        """Returns the streams of which the client has not seen any frame yet."""
        return [stream for stream, at in self._written.items() if not at.epoch]

    def move(self, stream: str, position: Position) -> None:
        """The client has everything up to this position."""
        self._written[stream] = position

    def mark(self, stream: str) -> None:
        """The log may have more of a stream that the client follows."""
        if stream in self._written:
            self._marked[stream] = None

    def next(self) -> str | None:
        """Takes the stream whose turn it is."""
        stream = next(iter(self._marked), None)
        if stream is not None:
            del self._marked[stream]
        return stream

    def compare(self, heads: Mapping[str, Position]) -> None:
        """Marks every stream whose newest entry is another than the last that was written."""
        for stream, head in heads.items():
            if self._written.get(stream, head) != head:
                self._marked[stream] = None

    def newborn(self, streams: Iterable[str]) -> list[str]:
        """Returns those streams that a subscription means and that the client does not follow yet."""
        return [name for name in streams if name not in self._written and self.is_heard(name)]
