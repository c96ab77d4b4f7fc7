"""`Following`: which streams one client follows, what was written of each, and which of them have more. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ...wire import Position
from ..logs import is_private, matches

__all__ = ["Following"]


class Following:
    """The streams of one client.

    A stream is *marked* while the log may have entries that the client did not get. Marked streams take turns. The client
    subscribes to channels; the server adds its *default* channels, of which the client may leave out single names.

    Attributes:
        marked: The marked streams, the one whose turn is next first. Read it; `mark` and `next` change it.
    """

    __slots__ = ("_channels", "_defaults", "_left_out", "_written", "marked")

    def __init__(self) -> None:
        self._channels: dict[str, None] = {}
        self._defaults: dict[str, None] = {}
        self._left_out: dict[str, None] = {}
        self._written: dict[str, Position] = {}
        self.marked: dict[str, None] = {}

    @property
    def channels(self) -> tuple[str, ...]:
        """The names and patterns that the client hears."""
        return (*self._channels, *self._defaults)

    @property
    def left_out(self) -> int:
        """How many names of default channels the client left out."""
        return len(self._left_out)

    def __contains__(self, stream: str) -> bool:
        return stream in self._written

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def is_heard(self, stream: str) -> bool:
        """Tells whether the client hears this stream. No client hears a private one."""
        if is_private(stream):
            return False
        if stream in self._channels:
            return True
        is_left_out = stream in self._left_out
        if stream in self._defaults and not is_left_out:
            return True
        return any(matches(one, stream) for one in self._channels) or (
            not is_left_out and any(matches(one, stream) for one in self._defaults)
        )

    def add_channel(self, channel: str) -> None:
        """Adds a subscription."""
        self._channels[channel] = None
        self._left_out.pop(channel, None)

    def add_default(self, channel: str) -> None:
        """Adds a channel that the client hears without a subscription."""
        self._defaults[channel] = None

    def drop_channel(self, channel: str) -> bool:
        """Ends a subscription, and the streams that no other one means; returns whether the client heard it."""
        if not (channel in self._channels or channel in self._defaults or self.is_heard(channel)):
            return False
        self._channels.pop(channel, None)
        if channel in self._defaults:
            del self._defaults[channel]
        elif any(matches(one, channel) for one in self._defaults):
            self._left_out[channel] = None
        for stream in [name for name in self._written if not self.is_heard(name)]:
            del self._written[stream]
            self.marked.pop(stream, None)
        return True

    def written(self, stream: str) -> Position | None:
        """Returns the last entry of a stream that was written; None when the client does not follow it."""
        return self._written.get(stream)

    def unnamed(self) -> list[str]:
        """Returns the streams of which the client has not seen any frame yet."""
        return [stream for stream, at in self._written.items() if not at.epoch]

    def is_unnamed(self, stream: str) -> bool:
        """Tells whether the client hears a stream of which it has not seen any frame yet."""
        at = self._written.get(stream)
        return self.is_heard(stream) and (at is None or not at.epoch)

    def move(self, stream: str, position: Position) -> None:
        """The client has everything up to this position."""
        self._written[stream] = position

    def advance(self, stream: str, after: Position, last: Position) -> bool:
        """Moves a stream from one position to a later one; returns False, and moves nothing, when the client is elsewhere."""
        if self._written.get(stream) != after:
            return False
        self._written[stream] = last
        return True

    def mark(self, stream: str) -> None:
        """The log may have more of a stream that the client follows."""
        if stream in self._written:
            self.marked[stream] = None

    def next(self) -> str | None:
        """Takes the stream whose turn it is."""
        stream = next(iter(self.marked), None)
        if stream is not None:
            del self.marked[stream]
        return stream

    def compare(self, heads: Mapping[str, Position]) -> None:
        """Marks every stream whose newest entry is another than the last that was written."""
        for stream, head in heads.items():
            if self._written.get(stream, head) != head:
                self.marked[stream] = None

    def newborn(self, streams: Iterable[str]) -> list[str]:
        """Returns those streams that a subscription means and that the client does not follow yet."""
        return [name for name in streams if name not in self._written and self.is_heard(name)]
