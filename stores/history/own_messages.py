"""The changes of an own message: composed, on its way, acknowledged, taken by a function of the user, or failed.

Pure functions over `conversation`; `outgoing` and `incoming` call them.
"""

from __future__ import annotations

from typing import cast

import attrs
import msgspec

from reactive_ws.outbox import DeliveryStatus
from reactive_ws.wire import MessageReceived

from ..wire import Message
from .conversation import Conversation, at_epoch, copied, end_of, place_for, put
from .entry import Entry

__all__ = ["acknowledged", "advanced", "answered_by_post", "composed", "withdrawn"]


# --- reducers ---------------------------------------------------------------------------------------------------------


def composed(state: Conversation, message: Message) -> Conversation:
    """An own message is about to be sent, for the first time or again."""
    return put(state, Entry(message, status=DeliveryStatus.QUEUED), None)


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
    place = end_of(state) if is_over and entry.is_waiting else entry.place
    return put(state, msgspec.structs.replace(entry, status=status, reason=reason), place)


def acknowledged(state: Conversation, received: MessageReceived, epoch: str | None) -> Conversation:
    """The server has an own message, and perhaps gave it its sequence."""
    return _accepted(state, received.message_id, _sequence(received.reply), epoch)


def _accepted(
    state: Conversation, message_id: str, sequence: int | None, epoch: str | None
) -> Conversation:
    state = at_epoch(state, epoch)
    entry = state.timeline.find(message_id)
    if entry is None:
        return state
    message = entry.head
    if sequence is not None:
        message = msgspec.structs.replace(message, sequence=sequence)
    entry = msgspec.structs.replace(
        entry, head=message, status=DeliveryStatus.ACKNOWLEDGED, reason=None
    )
    return put(state, entry, place_for(state, sequence, entry))


def _sequence(reply: object) -> int | None:
    """Returns the place of an own message, which the server gives in the reply of its acknowledgement."""
    if not isinstance(reply, dict):
        return None
    found: object = cast("dict[str, object]", reply).get("sequence")
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def answered_by_post(
    state: Conversation, own: Message, copy: Message | None, epoch: str | None
) -> Conversation:
    """An own message was taken by the function that sent it.

    Args:
        state, epoch: What was, and in which epoch.
        own: The message as it was shown.
        copy: The server's copy, which may have another id and may have arrived on the socket already; None when the
            echo on the socket will carry the message's own id.
    """
    if copy is None or copy.id == own.id:
        sequence = None if copy is None else copy.sequence
        state = _accepted(state, own.id, sequence, epoch)
        return state if copy is None else copied(state, copy)
    state = at_epoch(state, epoch)
    place = None if copy.sequence is None else (state.era, copy.sequence, 0)
    echo = state.timeline.find(copy.id, place)
    state = attrs.evolve(state, timeline=state.timeline.remove(own.id))
    entry = echo or Entry(copy)
    entry = msgspec.structs.replace(entry, status=DeliveryStatus.ACKNOWLEDGED)
    return put(state, entry, place_for(state, copy.sequence, entry))
