"""One direction of one connection, without any input or output: decides when which bytes arrive.

A TCP stream: first in, first out, whole. The in-memory `network` and the real `proxy` both push what was written and
get back what arrives when. `network` and `proxy` report the end of a connection.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from random import Random
from typing import TypeAlias

import attrs

__all__ = ["Conditions", "Ending", "Item", "Lane"]


_SEGMENT_SIZE = 1448
"""Bytes that one TCP segment carries on an Ethernet with timestamps."""
_SEGMENT_TIME = 0.05
"""Seconds; a fast line delivers several segments at once, so that a simulation stays quick."""


class Ending(enum.Enum):
    """The signals in a stream besides bytes."""

    FIN = "fin"
    """The sender has no more bytes."""
    RESET = "reset"
    """The connection broke."""


Item: TypeAlias = bytes | Ending
"""The content of a lane: bytes, or the end of the connection."""


@attrs.frozen
class Conditions:
    """How good a direction is.

    Attributes:
        latency: Seconds that every byte takes.
        jitter: Up to this many seconds more, at random.
        rate: Bytes a second; None is unlimited.
        buffer_size: Bytes on their way or unread that hold no writer up.
        max_chunk: Writes arrive in pieces of 1 to this many bytes; None keeps them whole.
    """

    latency: float = 0.01
    jitter: float = 0.0
    rate: float | None = None
    max_chunk: int | None = None
    buffer_size: int = 64 * 1024


class Lane:
    """The bytes of one direction. Not thread-safe.

    Args:
        conditions: How good it is; may be replaced at any time, for what is sent from then on.
        random: Decides jitter and pieces.
    """

    def __init__(self, conditions: Conditions, random: Random) -> None:
        self.conditions = conditions
        self.sent_size = 0
        """Bytes that were written into it."""
        self.swallowed_size = 0
        """Bytes of them that a cut took away."""
        self._random = random
        self._line_free_at = 0.0
        self._last_arrival = 0.0
        self._blocks: list[object] = []
        self._held: list[Item] = []
        self._cut_after: int | None = None
        self._cut_with = Ending.FIN
        self._has_ended = False

    @property
    def held_size(self) -> int:
        """Bytes that arrived and are held back."""
        return sum(len(item) for item in self._held if isinstance(item, bytes))

    def send(self, now: float, item: Item) -> Iterator[tuple[float, Item]]:
        """Yields the pieces of what was written, each with the time when it arrives. Nothing follows an ending."""
        if self._has_ended:
            self.swallowed_size += len(item) if isinstance(item, bytes) else 0
            return
        if isinstance(item, Ending):
            self._has_ended = True
            yield self._arrival(now, 0), item
            return
        self.sent_size += len(item)
        if self._cut_after is not None:
            self.swallowed_size += max(0, len(item) - self._cut_after)
            item = item[: self._cut_after]
            self._cut_after -= len(item)
        for piece in self._pieces(item):
            yield self._arrival(now, len(piece)), piece
        if self._cut_after == 0:
            self._has_ended = True
            yield self._arrival(now, 0), self._cut_with

    def arrive(self, item: Item) -> tuple[Item, ...]:
        """Returns what the receiver gets now that this piece is due: the piece, or nothing while the lane is blocked."""
        if self._blocks:
            self._held.append(item)
            return ()
        return (item,)

    def block(self, reason: object) -> None:
        """Holds back everything from now on, until this reason and all others are lifted."""
        self._blocks.append(reason)

    def unblock(self, reason: object) -> tuple[Item, ...]:
        """Lifts one reason; a reason that does not hold is ignored. Returns what the receiver gets now."""
        if reason not in self._blocks:
            return ()
        self._blocks.remove(reason)
        return () if self._blocks else self._take_held()

    def heal(self) -> tuple[Item, ...]:
        """Lifts all reasons and the cut to come. Returns what the receiver gets now."""
        self._blocks.clear()
        if not self._has_ended:
            self._cut_after = None
        return self._take_held()

    def cut(self, after: int, ending: Ending) -> None:
        """Ends the stream after this many more bytes."""
        self._cut_after = after
        self._cut_with = ending

    def _take_held(self) -> tuple[Item, ...]:
        held, self._held = tuple(self._held), []
        return held

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        limit, rate = self.conditions.max_chunk, self.conditions.rate
        # A slow line carries segments, so that the receiver sees a long write grow.
        segment = len(data) if rate is None else max(_SEGMENT_SIZE, int(rate * _SEGMENT_TIME))
        start = 0
        while start < len(data):
            size = segment if limit is None else min(segment, self._random.randint(1, limit))
            yield data[start : start + size]
            start += size

    def _arrival(self, now: float, size: int) -> float:
        conditions = self.conditions
        self._line_free_at = max(self._line_free_at, now)
        if conditions.rate is not None:
            self._line_free_at += size / conditions.rate
        delay = conditions.latency
        if conditions.jitter:
            delay += self._random.uniform(0.0, conditions.jitter)
        # The order of a stream holds whatever the delays are, also when the latency just went down.
        self._last_arrival = max(self._last_arrival, self._line_free_at + delay)
        return self._last_arrival
