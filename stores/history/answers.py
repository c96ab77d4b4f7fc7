"""How an answer grows: the pieces of its text, and the tools that were used for it. Pure functions over `conversation`.

Pieces are applied only where the text ends. What does not fit is for `incoming` to report; nothing is guessed here.
"""

from __future__ import annotations

import enum

import msgspec

from ..collections import GrowingText
from ..wire import Message, MessageDelta
from .conversation import Conversation, at_epoch, complete, place_for, put
from .entry import Entry, ToolCall

__all__ = ["Fit", "called", "fit", "grown"]


# --- reducers ---------------------------------------------------------------------------------------------------------


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
        return put(state, entry, entry.place)
    return put(state, complete(entry), place_for(state, None, entry))


def called(
    state: Conversation,
    session_id: str,
    message_id: str,
    call: ToolCall,
    epoch: str | None,
    timestamp: float,
) -> Conversation:
    """A tool is used for an answer, or has given its result. The answer begins with it when it is not here yet."""
    state = at_epoch(state, epoch)
    entry = state.timeline.find(message_id)
    if entry is None:
        head = Message(message_id, session_id, "assistant", "", timestamp)
        entry = Entry(head, growing=GrowingText())
    calls = [one for one in entry.tool_calls if one.id != call.id]
    place = next((at for at, one in enumerate(entry.tool_calls) if one.id == call.id), len(calls))
    calls.insert(place, call)
    return put(state, msgspec.structs.replace(entry, tool_calls=tuple(calls)), entry.place)
