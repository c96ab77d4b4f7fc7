"""States in parts: joined in order, and bounded over all streams together."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.dialects import parts
from reactive_ws.dialects.parts import StateParts
from reactive_ws.errors import MessageRejected
from reactive_ws.wire import SnapshotPart


def part(stream: str, number: int, count: int, text: object, seq: int = 1) -> SnapshotPart:
    return SnapshotPart(stream, "e", seq, number, count, text)


@given(st.lists(st.text(max_size=4), max_size=5), st.lists(st.integers(0, 40), max_size=6))
def test_parts_of_two_streams_that_come_in_turns_are_joined(
    state: list[str], cuts: list[int]
) -> None:
    text = json.dumps(state, ensure_ascii=False)
    ends = [*sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    joined = StateParts()
    for number, piece in enumerate(pieces, 1):
        for stream in ("a", "b"):
            found = joined.take(part(stream, number, len(pieces), piece))
            is_last = number == len(pieces)
            if len(pieces) == 1:
                assert found == (piece, 0)
            else:
                assert found == ((state, len(text.encode())) if is_last else None)


def test_a_part_without_those_before_it_is_rejected_and_the_next_first_part_begins_again() -> None:
    joined = StateParts()
    for wrong in (part("a", 2, 3, "x"), part("a", 1, 2, 7)):
        with pytest.raises(MessageRejected, match="without the parts before it"):
            joined.take(wrong)
    assert joined.take(part("a", 1, 2, "[1")) is None
    with pytest.raises(MessageRejected, match="without the parts before it"):
        joined.take(part("a", 2, 2, "]", seq=2))
    assert joined.take(part("a", 1, 2, "[1")) is None
    assert joined.take(part("a", 2, 2, "]")) == ([1], 3)


@pytest.mark.parametrize("text", ["", "x" * 100])
def test_first_parts_of_ever_more_streams_and_empty_parts_have_one_bound(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "_MAX_STATE", 10_000)
    joined = StateParts()
    with pytest.raises(MessageRejected, match="more than 10000 characters"):
        for number in range(10_000):
            joined.take(part(f"stream {number}", 1, 2, text))
    joined = StateParts()
    with pytest.raises(MessageRejected, match="more than 10000 characters"):
        for number in range(10_000):
            joined.take(part("a", number + 1, 10_000, text))
    # What was dropped makes room.
    assert joined.take(part("a", 1, 2, "[")) is None
    assert joined.take(part("a", 2, 2, "]")) == ([], 2)
