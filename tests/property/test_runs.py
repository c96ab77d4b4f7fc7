"""Responses that are taken together make the conversation that they make one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.stores.history import timeline
from reactive_ws.stores.history.answers import grown
from reactive_ws.stores.history.conversation import Conversation, all_answered, answered
from reactive_ws.stores.history.own_messages import acknowledged, composed
from reactive_ws.stores.wire.chat import Message, MessageDelta, MessageResponse
from reactive_ws.wire.control import MessageReceived


def message(number: int, sequence: int | None) -> Message:
    return Message(f"m{number}", "s", "user", f"text {sequence}", 0.0, None, sequence)


numbers = st.integers(0, 9)
sequences = st.none() | st.integers(0, 12)
epochs = st.sampled_from([None, "e1", "e1", "e1", "e2"])
responses = st.lists(
    st.tuples(st.builds(message, numbers, sequences), epochs).map(
        lambda row: (MessageResponse("s", row[0]), row[1])
    ),
    max_size=12,
)
growing = st.lists(
    st.tuples(st.integers(10, 60), st.just("e1")).map(
        lambda row: (MessageResponse("s", message(row[0], row[0])), row[1])
    ),
    max_size=12,
).map(lambda rows: sorted(rows, key=lambda row: row[0].message.sequence or 0))
steps: st.SearchStrategy[Callable[[Conversation], Conversation]] = st.one_of(
    st.builds(lambda it: lambda now: composed(now, it), st.builds(message, numbers, st.none())),
    st.builds(
        lambda number, sequence, epoch: (
            lambda now: acknowledged(
                now, MessageReceived(f"m{number}", reply={"sequence": sequence}), epoch
            )
        ),
        numbers,
        sequences,
        epochs,
    ),
    st.builds(
        lambda number, epoch: (
            lambda now: grown(now, MessageDelta("s", f"m{number}", 0, "ab", False), epoch, 0.0)
        ),
        numbers,
        epochs,
    ),
)


def shown(state: Conversation) -> Any:
    rows = [(it.message, it.place, it.status, it.is_growing) for it in state.timeline]
    return rows, state.epoch, state.era, sorted(state.timeline._recent), len(state.timeline)


@given(before=st.lists(steps, max_size=6), parts=st.lists(responses | growing, max_size=4))
def test_together_is_one_after_the_other(
    before: list[Callable[[Conversation], Conversation]],
    parts: list[list[tuple[MessageResponse, str | None]]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "INDEXED", 5)
        # With spare ids, how many are known depends on how many came together.
        patch.setattr(timeline, "_SPARE", 0)
        state = Conversation()
        for step in before:
            state = step(state)
        single = together = state
        for part in parts:
            for response, epoch in part:
                single = answered(single, response, epoch)
            together = all_answered(together, part)
            assert shown(together) == shown(single)
