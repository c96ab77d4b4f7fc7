"""What was said in one session: the state, and the pure functions that say what each message makes of it.

One entry per id, whatever arrives first: the own message when it is sent, its acknowledgement, the server's copy, pieces of
an answer, the whole answer, a snapshot. Sequences of different epochs of the server are kept apart: what was said before
a new epoch stays before what is said in it.

It owns no store and sends nothing; `history` does.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs
import msgspec

from reactive_ws.delivery import DeliveryStatus
from reactive_ws.messages import (
    Message,
    MessageDelta,
    MessageReceived,
    MessageResponse,
    Snapshot,
)

from .entry import Entry, Place
from .growing_text import GrowingText
from .timeline import Timeline

__all__ = [
    "Conversation",
    "Fit",
    "acknowledged",
    "advanced",
    "all_answered",
    "answered",
    "at_epoch",
    "began",
    "composed",
    "fit",
    "grown",
    "merged",
    "withdrawn",
]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Conversation:
    """What was said in a session.

    Attributes:
        timeline: The entries in order.
        epoch: The server's epoch in which the newest sequences were given; None before the first.
        era: Number of that epoch, counted here.
        is_loaded: Whether what was said before we came is here too, as far as the server shows it.
    """

    timeline: Timeline = attrs.field(factory=Timeline)
    epoch: str | None = None
    era: int = 0
    is_loaded: bool = False


# --- reducers ---------------------------------------------------------------------------------------------------------


def at_epoch(state: Conversation, epoch: str | None) -> Conversation:
    """The server speaks in this epoch. In a new one nothing continues what was growing."""
    if epoch is None or epoch == state.epoch:
        return state
    if state.epoch is None:
        return attrs.evolve(state, epoch=epoch)
    for entry in state.timeline.waiting:
        if entry.is_growing:
            state = _put(state, _complete(entry), _end(state))
    return attrs.evolve(state, epoch=epoch, era=state.era + 1)


def began(state: Conversation) -> Conversation:
    """The session was created just now: nothing was said before."""
    return state if state.is_loaded else attrs.evolve(state, is_loaded=True)


def composed(state: Conversation, message: Message) -> Conversation:
    """An own message is about to be sent, for the first time or again."""
    return _put(state, Entry(message, status=DeliveryStatus.QUEUED), None)


def withdrawn(state: Conversation, message_id: str, before: Entry | None) -> Conversation:
    """An own message was refused before it was queued; `before` is what was there when it had been tried already."""
    timeline = state.timeline.remove(message_id)
    return attrs.evolve(state, timeline=timeline if before is None else timeline.put(before))


def advanced(
    state: Conversation,
    message_id: str,
    status: DeliveryStatus,
    reason: str | None,
    *,
    is_final: bool,
) -> Conversation:
    """The delivery of an own message has come this far.

    What is over without an acknowledgement takes its place at the end, so that what is said later comes after it.
    """
    entry = state.timeline.find(message_id)
    if entry is None or not entry.is_own or entry.status is DeliveryStatus.ACKNOWLEDGED:
        return state
    is_over = is_final and status is not DeliveryStatus.ACKNOWLEDGED
    if status is entry.status and not is_over:
        return state
    place = _end(state) if is_over and entry.is_waiting else entry.place
    return _put(state, msgspec.structs.replace(entry, status=status, reason=reason), place)


def acknowledged(state: Conversation, received: MessageReceived, epoch: str | None) -> Conversation:
    """The server has an own message, and perhaps gave it its sequence."""
    state = at_epoch(state, epoch)
    entry = state.timeline.find(received.message_id)
    if entry is None:
        return state
    message = entry.head
    if received.sequence is not None:
        message = msgspec.structs.replace(message, sequence=received.sequence)
    entry = msgspec.structs.replace(
        entry, head=message, status=DeliveryStatus.ACKNOWLEDGED, reason=None
    )
    return _put(state, entry, _place(state, received.sequence, entry))


def answered(state: Conversation, response: MessageResponse, epoch: str | None) -> Conversation:
    """A whole message: an answer, somebody else's message, or the server's copy of an own one."""
    return _copied(at_epoch(state, epoch), response.message)


def all_answered(
    state: Conversation, responses: Iterable[tuple[MessageResponse, str | None]]
) -> Conversation:
    """What `answered` makes of one response after the other; those that only add to the end are added together.

    Args:
        state: What was.
        responses: Each with its epoch, in order.
    """
    new: dict[str, Entry] = {}
    last = state.timeline.last_place or (0, 0, 0)
    for response, epoch in responses:
        message = response.message
        place: Place = (state.era, message.sequence or 0, 0)
        if (
            (epoch is None or epoch == state.epoch)
            and place[1]
            and place > last
            and message.id not in new
            and not state.timeline.knows(message.id)
        ):
            new[message.id] = Entry(message, place)
            last = place
            continue
        state = answered(_extended(state, new), response, epoch)
        last = state.timeline.last_place or (0, 0, 0)
        new = {}
    return _extended(state, new)


def _extended(state: Conversation, new: dict[str, Entry]) -> Conversation:
    if not new:
        return state
    return attrs.evolve(state, timeline=state.timeline.extended(tuple(new.values())))


class Fit(enum.Enum):
    """How a piece of an answer fits to what is here."""

    NEXT = "next"
    """It continues the text."""
    KNOWN = "known"
    """The text has it already."""
    LATE = "late"
    """The answer is complete and does not have it."""
    GAP = "gap"
    """Something before it is missing."""


def fit(state: Conversation, delta: MessageDelta) -> Fit:
    """Returns how a piece of an answer fits."""
    entry = state.timeline.find(delta.message_id)
    if entry is None:
        return Fit.NEXT if delta.offset == 0 else Fit.GAP
    if entry.is_growing and delta.offset == entry.length:
        return Fit.NEXT
    if delta.offset + len(delta.text) <= entry.length:
        return Fit.KNOWN
    return Fit.GAP if entry.is_growing else Fit.LATE


def grown(
    state: Conversation, delta: MessageDelta, epoch: str | None, timestamp: float
) -> Conversation:
    """A piece of an answer; changes nothing unless it fits.

    Args:
        state, delta, epoch: What was and what arrived.
        timestamp: Epoch milliseconds, for an answer that begins.
    """
    state = at_epoch(state, epoch)
    if fit(state, delta) is not Fit.NEXT:
        return state
    entry = state.timeline.find(delta.message_id)
    if entry is None:
        head = Message(delta.message_id, delta.session_id, "assistant", "", timestamp)
        entry = Entry(head, growing=GrowingText())
    text = (entry.growing or GrowingText()).extended(delta.text)
    entry = msgspec.structs.replace(entry, growing=text)
    if not delta.done:
        return _put(state, entry, entry.place)
    return _put(state, _complete(entry), _place(state, None, entry))


def merged(state: Conversation, snapshot: Snapshot) -> Conversation:
    """The newest messages of the session, as the server has them. One without a sequence is an answer that still grows."""
    state = at_epoch(state, snapshot.epoch)
    for message in snapshot.messages or ():
        old = state.timeline.find(message.id)
        if message.sequence is not None:
            state = _copied(state, message)
        elif old is None or old.is_growing:
            text = GrowingText().extended(message.content)
            head = msgspec.structs.replace(message, content="")
            state = _put(state, Entry(head, growing=text), old.place if old else None)
    return attrs.evolve(state, is_loaded=True)


def _copied(state: Conversation, message: Message) -> Conversation:
    """The server's word about a message: its text and place hold, the delivery of an own one is settled."""
    place = None if message.sequence is None else (state.era, message.sequence, 0)
    old = state.timeline.find(message.id, place)
    if old is None:
        return _put(state, Entry(message), place or _end(state))
    status = DeliveryStatus.ACKNOWLEDGED if old.is_own else None
    return _put(state, Entry(message, status=status), _place(state, message.sequence, old))


def _place(state: Conversation, sequence: int | None, entry: Entry) -> Place | None:
    """Returns the place for a sequence; without one the entry's own, or the end."""
    if sequence is not None:
        if entry.place is not None and entry.place[:2] == (state.era, sequence):
            return entry.place
        return (state.era, sequence, 0)
    return _end(state) if entry.is_waiting else entry.place


def _end(state: Conversation) -> Place:
    last = state.timeline.last_place
    if last is None or last[0] != state.era:
        return (state.era, 0, 1)
    return (last[0], last[1], last[2] + 1)


def _complete(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, head=entry.message, growing=None)


def _put(state: Conversation, entry: Entry, place: Place | None) -> Conversation:
    entry = msgspec.structs.replace(entry, place=place)
    return attrs.evolve(state, timeline=state.timeline.put(entry))
