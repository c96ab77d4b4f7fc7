"""`Audience`: which clients may hear a stream. A change of a stream then costs nothing for the clients that hear others."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Generic, TypeVar

__all__ = ["Audience"]

T = TypeVar("T")


class Audience(Generic[T]):
    """Members by the channels that they hear: names of streams, and patterns that end in `.*`, in `/*`, or are `*`.

    What a member hears of a pattern is the member's own decision: `of` gives all that may hear a stream.
    """

    __slots__ = ("_by_channel",)

    def __init__(self) -> None:
        self._by_channel: dict[str, dict[T, None]] = {}

    def add(self, channel: str, member: T) -> None:
        """The member hears this channel."""
        self._by_channel.setdefault(channel, {})[member] = None

    def remove(self, channel: str, member: T) -> None:
        """The member hears this channel no longer; nothing happens when it did not."""
        members = self._by_channel.get(channel)
        if members is None:
            return
        members.pop(member, None)
        if not members:
            del self._by_channel[channel]

    def remove_all(self, channels: Iterable[str], member: T) -> None:
        """The member hears none of these channels any longer."""
        for channel in channels:
            self.remove(channel, member)

    def is_there(self, stream: str) -> bool:
        """Tells whether any member may hear a stream."""
        return any(channel in self._by_channel for channel in _channels_of(stream))

    def of(self, stream: str) -> list[T]:
        """Returns each member that may hear a stream, once, in an order that does not depend on the memory's addresses."""
        found = [
            members
            for channel in _channels_of(stream)
            if (members := self._by_channel.get(channel)) is not None
        ]
        if len(found) == 1:
            return list(found[0])
        return list({member: None for members in found for member in members})


@lru_cache(maxsize=1_024)
def _channels_of(stream: str) -> tuple[str, ...]:
    """Returns the channels that mean a stream: its name, `*`, and one pattern for each `.` and `/` in the name."""
    patterns = [f"{stream[:place]}*" for place, one in enumerate(stream, 1) if one in "./"]
    return (stream, "*", *patterns)
