"""Faults of messages that are taken nevertheless: each is one line for the error store.

A message that cannot be taken at all never comes here: the codec rejects it. Nothing is changed here; `incoming` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from reactive_ws.wire import moment

from ..wire import MessageResponse
from .conversation import Conversation

__all__ = ["doubts_about", "dubious", "latest_likely"]

_AHEAD = timedelta(hours=1)
"""How far a server's clock may be ahead of ours."""


def latest_likely(clock: Callable[[], datetime]) -> float:
    """Returns the latest date, in epoch milliseconds, that is not strange; for `dubious`."""
    return (clock() + _AHEAD).timestamp() * 1000.0


def dubious(
    responses: Sequence[MessageResponse], state: Conversation, latest: float
) -> list[MessageResponse]:
    """Returns the messages about which there may be something strange; `doubts_about` looks closer.

    About the others there is surely nothing: each is after all that is here, and its date is a likely number. In a flood
    these are nearly all.

    Args:
        responses: Of one session.
        state: The conversation before them.
        latest: See `latest_likely`.
    """
    newest, knows = state.newest_sequence, state.timeline.knows
    is_any_known = state.timeline.knows_any({it.message.id: None for it in responses}.keys())
    found: list[MessageResponse] = []
    for response in responses:
        message = response.message
        date, sequence = message.timestamp, message.sequence
        if (
            isinstance(date, datetime)
            or not 0.0 <= date <= latest
            or message.session_id != response.session_id
            or (
                sequence is not None
                and (sequence <= newest or (is_any_known and knows(message.id)))
            )
        ):
            found.append(response)
    return found


def doubts_about(
    response: MessageResponse, state: Conversation, clock: Callable[[], datetime]
) -> Iterator[str]:
    """Returns what is strange about a message.

    Args:
        response: What arrived.
        state: The conversation before it.
        clock: Wall clock, UTC.
    """
    message = response.message
    if message.session_id != response.session_id:
        yield (
            f"message {message.id} says it is of another session than its response; "
            f"it is shown in session {response.session_id}"
        )
    try:
        if moment(message.timestamp) - clock() > _AHEAD:
            yield f"message {message.id} is dated in the future; it is shown in its place all the same"
    except (ValueError, OverflowError, OSError):
        yield f"message {message.id} has a date that no calendar knows; it is shown in its place"
    sequence = message.sequence
    if sequence is None:
        return
    place = (state.era, sequence, 0)
    last = state.timeline.last_place
    if last is None or place > last:
        # Almost always: the next one.
        old = state.timeline.find(message.id) if state.timeline.knows(message.id) else None
    else:
        old = state.timeline.find(message.id, place)
    if old is not None:
        if old.head.sequence is not None and old.head.content != message.content:
            yield f"message {message.id} came again with other content; the newer one is shown"
    elif last is not None and place <= last:
        index = state.timeline.settled.find(place, lambda entry: entry.place)
        other = state.timeline.settled[index]
        if other.place == place:
            yield (
                f"messages {other.id} and {message.id} have the same sequence {sequence}; "
                "both are shown"
            )
