"""`StreamFollowers`: the followers of each stream, and those that also take messages without a position.

Several followers may follow one stream, such as the replicas of its parts. `receiver` calls the methods in the batch of a burst;
a method that returns True says that the state of the stream is wanted. `service` adds and removes followers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ..wire import Envelope, Position

__all__ = ["Follower", "StreamFollowers"]


class Follower(Protocol):
    """Follows one stream; called in the batch of a burst. A method that returns True asks for the state of the stream."""

    @property
    def stream(self) -> str:
        """Name of the stream."""
        ...

    @property
    def unnumbered(self) -> frozenset[str]:
        """Types that the follower takes also from messages without a position in its stream."""
        ...

    def entry(self, message: Envelope[Any]) -> bool:
        """A message of the stream was delivered."""
        ...

    def loose(self, message: Envelope[Any]) -> None:
        """A message without a position in the stream was delivered; its type is one of `unnumbered`."""
        ...

    def missed(self) -> bool:
        """A message of the stream was rejected."""
        ...

    def state(self, position: Position, value: Any, size: int) -> bool:
        """The state of the stream arrived, as plain values; `size` has its bytes, or 0 when they were not counted."""
        ...

    def unusable(self) -> None:
        """The state of the stream arrived and cannot be read."""
        ...

    def following(self, *, is_recovered: bool | None) -> bool:
        """The server answered a subscription or a resume."""
        ...

    def refused(self) -> None:
        """The server does not let this client hear the stream."""
        ...

    def acknowledged(
        self, identity: str, positions: Mapping[str, Position] | None, *, is_heard: bool
    ) -> bool:
        """The server acknowledged a message of this client; its effects are at these positions, or None says nothing of that.

        `is_heard` says whether the server knew that this client follows the stream, so that it names a position in it.
        """
        ...

    def ended(self, identity: str) -> None:
        """The server refused a message of this client."""
        ...

    def lost(self) -> None:
        """The connection ended."""
        ...

    def ready(self, position: Position | None) -> bool:
        """A connection is ready; the stream goes on after this position."""
        ...


_NONE: tuple[Follower, ...] = ()


class StreamFollowers:
    """The followers by stream. False when there are none. Loop only.

    Attributes:
        streams: The followers of each stream.
        unnumbered: The followers of each type that they take without a position.
    """

    def __init__(self) -> None:
        self.streams: dict[str, tuple[Follower, ...]] = {}
        self.unnumbered: dict[str, tuple[Follower, ...]] = {}
        # One tuple, so that a follower that leaves meanwhile changes no walk.
        self._all: tuple[Follower, ...] = ()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Follower]:
        return iter(self._all)

    def of(self, stream: str | None) -> tuple[Follower, ...]:
        """Returns the followers of a stream."""
        return _NONE if stream is None else self.streams.get(stream, _NONE)

    @property
    def need_states(self) -> bool:
        """Whether a follower is nothing without the state of its stream."""
        return any(not it.unnumbered for it in self)

    def add(self, follower: Follower) -> bool:
        """Adds a follower; returns False when it is there already."""
        stream = follower.stream
        if follower in self.of(stream):
            return False
        self._all = (*self._all, follower)
        self.streams[stream] = (*self.of(stream), follower)
        for kind in follower.unnumbered:
            self.unnumbered[kind] = (*self.unnumbered.get(kind, _NONE), follower)
        return True

    def remove(self, follower: Follower) -> bool:
        """Removes a follower; returns whether it was there."""
        if follower not in self.of(follower.stream):
            return False
        self._all = tuple(it for it in self._all if it is not follower)
        _take(self.streams, follower.stream, follower)
        for kind in follower.unnumbered:
            _take(self.unnumbered, kind, follower)
        return True

    def deliver(self, message: Envelope[Any]) -> bool:
        """A message was delivered; returns whether to ask for the state of its stream."""
        is_asking = False
        for follower in self.of(message.stream):
            is_asking = follower.entry(message) or is_asking
        for follower in self.unnumbered.get(message.type, _NONE):
            if follower.stream != message.stream:
                follower.loose(message)
        return is_asking

    def missed(self, stream: str) -> bool:
        """A message of a stream was rejected."""
        return _one_of([it.missed() for it in self.of(stream)])

    def state(self, stream: str, position: Position, value: Any, size: int) -> bool:
        """The state of a stream arrived."""
        return _one_of([it.state(position, value, size) for it in self.of(stream)])

    def following(self, stream: str, *, is_recovered: bool | None) -> bool:
        """The server answered a subscription or a resume of a stream."""
        return _one_of([it.following(is_recovered=is_recovered) for it in self.of(stream)])


def _one_of(answers: list[bool]) -> bool:
    """Whether one follower asks for the state; a list, so that every follower was called."""
    return True in answers


def _take(found: dict[str, tuple[Follower, ...]], key: str, follower: Follower) -> None:
    left = tuple(it for it in found[key] if it is not follower)
    if left:
        found[key] = left
    else:
        del found[key]
