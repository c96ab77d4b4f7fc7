"""`Entry`: one line of a chat as it is shown: the message, how far its delivery has come, and whether it still grows.

Values only; `history` decides what becomes of them and `timeline` keeps them in order. Structs without garbage
collection, like the messages they hold: a million retained entries cost the collector nothing.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from reactive_ws.outbox import DeliveryStatus

from ..collections import GrowingText
from ..wire import Message

__all__ = ["WAITING", "Entry", "Place", "ToolCall"]

Place: TypeAlias = tuple[int, int, int]
"""Where an entry belongs: the era (it grows with every new epoch of the server), the sequence in it, and a number for
what came without a sequence after that one."""

WAITING = 1 << 62
"""The era of entries that have no place yet: after all others."""


class ToolCall(Struct, frozen=True, gc=False):
    """A tool that was used for an answer.

    Attributes:
        id: Of the call; a later report with the same id replaces this one.
        name: Of the tool.
        arguments: What it was given, free JSON.
        result: What it gave back, free JSON; None while it runs.
        status: In the server's words, such as "running" or "done".
    """

    id: str
    name: str
    arguments: Any = None
    result: Any = None
    status: str = ""


class Entry(Struct, frozen=True, gc=False):
    """One line of a chat.

    Attributes:
        head: The message; while the text grows, without it. Use `message`.
        at: The stored part of `place`. Nearly all entries are in the place that their message's sequence says, and store only
            the era. A tuple for each would be half of the memory of an entry, and most of the work of the garbage
            collector in a flood. `placed` makes it.
        growing: The text so far of an answer that is being given; None when the text is complete.
        status: How far an own message has come; None for messages of others.
        reason: Why an own message failed or is uncertain.
        tool_calls: The tools that were used for it, in order.
    """

    head: Message
    at: Place | int | None = None
    growing: GrowingText | None = None
    status: DeliveryStatus | None = None
    reason: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def id(self) -> str:
        """The message's id."""
        return self.head.id

    @property
    def place(self) -> Place | None:
        """Where it belongs; None when it shall wait at the end, in the order of arrival."""
        at = self.at
        return (at, self.head.sequence or 0, 0) if isinstance(at, int) else at

    def placed(self, place: Place | None) -> Entry:
        """Returns this entry in a place."""
        at: Place | int | None = place
        if place is not None and place[0] != WAITING and place[1:] == (self.head.sequence, 0):
            at = place[0]
        return msgspec.structs.replace(self, at=at)

    @property
    def is_waiting(self) -> bool:
        """Whether it has no place yet and stands at the end."""
        at = self.at
        return at is None or (not isinstance(at, int) and at[0] == WAITING)

    @property
    def message(self) -> Message:
        """The message with its text so far. Builds a new one on each call while the text grows."""
        if self.growing is None:
            return self.head
        return msgspec.structs.replace(self.head, content=str(self.growing))

    @property
    def content(self) -> str:
        """The text so far."""
        return self.head.content if self.growing is None else str(self.growing)

    @property
    def length(self) -> int:
        """Characters of the text so far; does not join a growing text."""
        return len(self.head.content) if self.growing is None else self.growing.length

    @property
    def is_growing(self) -> bool:
        """Whether more text is expected."""
        return self.growing is not None

    @property
    def is_own(self) -> bool:
        """Whether it was sent from here."""
        return self.status is not None
