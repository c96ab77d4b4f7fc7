"""The state of the hub as one immutable value, with its arithmetic. It decides nothing.

`reactions` applies messages to it, `storage` keeps it in a file, `server` holds the newest. Streams are named after
their session; what belongs to no session (sessions, panels, notifications, foreign types) is in the stream `app`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import attrs
from msgspec import Struct

from reactive_ws.state import Map
from reactive_ws.wire import Envelope, Recovery

from ..wire import Message, Panel, Session

__all__ = [
    "APP",
    "Broadcast",
    "Change",
    "Conversation",
    "Delete",
    "Only",
    "Output",
    "Owed",
    "Put",
    "Replay",
    "State",
    "Step",
    "Stream",
    "Subscription",
    "Table",
]

APP = "app"
"""The stream of everything that belongs to no session."""


_EMPTY: Map[Any, Any] = Map()
_MESSAGE_OVERHEAD = 250
"""Bytes of a message on the wire besides its content, about."""


class Owed(Struct, frozen=True, gc=False):
    """An answer that was promised with the acknowledgement and is not complete yet.

    Attributes:
        session_id: Where it is said.
        reply_id: Id of the answer, made from the id of the message.
        text: All of it.
        timestamp: Epoch milliseconds at which the message was accepted.
        sent: Characters that went out as deltas.
    """

    session_id: str
    reply_id: str
    text: str
    timestamp: float
    sent: int = 0


@attrs.frozen
class Conversation:
    """The messages of one session.

    Attributes:
        messages: Complete messages by sequence, 1 to `length`.
        owed: Answers to come, by the number of the question; `answered + 1` is next, `asked` is last.
    """

    messages: Map[int, Message] = _EMPTY
    length: int = 0
    owed: Map[int, Owed] = _EMPTY
    asked: int = 0
    answered: int = 0

    def last(self, count: int, size: int) -> tuple[Message, ...]:
        """Returns the newest messages in their order, and what is there of the answer that is being given.

        Args:
            count: At most so many complete messages.
            size: No older message is added when those that there are have so many bytes.
        """
        newest: list[Message] = []
        while len(newest) < min(count, self.length) and size > 0:
            newest.append(self.messages[self.length - len(newest)])
            size -= len(newest[-1].content.encode()) + _MESSAGE_OVERHEAD
        complete = tuple(reversed(newest))
        current = self.owed.get(self.answered + 1)
        if current is None or not current.sent:
            return complete
        begun = current.text[: current.sent]
        return (
            *complete,
            Message(current.reply_id, current.session_id, "assistant", begun, current.timestamp),
        )


@attrs.frozen
class Stream:
    """The newest entries of a stream: `first` to `seq`, without holes; `first == seq + 1` means that there are none."""

    seq: int = 0
    first: int = 1
    entries: Map[int, Envelope[Any]] = _EMPTY

    def after(self, seq: int) -> tuple[Envelope[Any], ...] | None:
        """Returns the entries after `seq`; None when they are no longer known, or `seq` never existed."""
        if not self.first - 1 <= seq <= self.seq:
            return None
        return tuple(self.entries[number] for number in range(seq + 1, self.seq + 1))


@attrs.frozen
class State:
    """All that a hub knows.

    Attributes:
        epoch: Changes when the numbering of the streams starts over.
        sessions: Open sessions by id.
        closed: Ids of sessions that were closed.
        panels: Open panels by the `seq` of their creation, so that their order is that of their age.
        conversations: By session id; a closed session keeps its own.
        streams: The bounded logs by stream name.
        seen: Sequence (or None) of every at-least-once message by its id: the deduplication.
    """

    epoch: str
    sessions: Map[str, Session] = _EMPTY
    closed: Map[str, bool] = _EMPTY
    panels: Map[int, Panel] = _EMPTY
    conversations: Map[str, Conversation] = _EMPTY
    streams: Map[str, Stream] = _EMPTY
    seen: Map[str, int | None] = _EMPTY

    def conversation(self, session_id: str) -> Conversation:
        """Returns the conversation of a session, an empty one when nothing was said."""
        return self.conversations.get(session_id, _NOTHING_SAID)

    def stream(self, name: str) -> Stream:
        """Returns the log of a stream, an empty one when nothing happened."""
        return self.streams.get(name, _NOTHING_HAPPENED)

    def owing(self) -> Iterator[str]:
        """Iterates over the ids of the sessions that wait for an answer."""
        return (name for name, said in self.conversations.items() if said.asked > said.answered)


_NOTHING_SAID = Conversation()
_NOTHING_HAPPENED = Stream()


# --- what a step changes in the file ------------------------------------------------------------------------------------

Table: TypeAlias = Literal["sessions", "closed", "panels", "messages", "owed", "log", "seen"]


@attrs.frozen
class Put:
    """A row is there from now on, in place of the one with the same key and number."""

    table: Table
    key: str
    number: int
    value: Any


@attrs.frozen
class Delete:
    """A row is gone."""

    table: Table
    key: str
    number: int


Change: TypeAlias = Put | Delete


# --- what a step sends --------------------------------------------------------------------------------------------------


@attrs.frozen
class Only:
    """A message for one connection."""

    to: int
    envelope: Envelope[Any]


@attrs.frozen
class Broadcast:
    """A message for all connections, or all but one."""

    envelope: Envelope[Any]
    but: int | None = None


@attrs.frozen
class Replay:
    """The answer to a resume: what became of each stream, then what followed in those that were recovered."""

    to: int
    envelope: Envelope[Any]
    streams: dict[str, Recovery]
    entries: tuple[Envelope[Any], ...]


@attrs.frozen
class Subscription:
    """A connection wants, or no longer wants, what happens on a channel."""

    to: int
    channel: str
    is_wanted: bool


Output: TypeAlias = Only | Broadcast | Replay | Subscription


@attrs.frozen
class Step:
    """One thing that happened: the state after it, the rows to write, and what to send once they are written."""

    state: State
    changes: tuple[Change, ...] = ()
    outputs: tuple[Output, ...] = ()
