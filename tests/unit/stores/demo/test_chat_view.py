"""Names, times, marks and code blocks of the bubbles of a chat."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reactive_ws import DeliveryStatus
from reactive_ws.stores import Entry
from reactive_ws.stores.demo.chat_view import MARKS, message_of
from reactive_ws.stores.wire import Message


def entry(content: str, *, role: str = "assistant", timestamp: datetime | float = 0.0) -> Entry:
    return Entry(Message("m1", "s1", role, content, timestamp))


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("", ()),
        ("one\ntwo", (("one\ntwo", False),)),
        (
            "see:\n```python\nx = 1\n\ny = 2\n```\ndone",
            (("see:", False), ("x = 1\n\ny = 2", True), ("done", False)),
        ),
        # While an answer grows, the end of its code has not come yet.
        ("```\nx = 1", (("x = 1", True),)),
        ("a ``` b", (("a ``` b", False),)),
    ],
)
def test_code_is_a_block_of_its_own(text: str, blocks: tuple[tuple[str, bool], ...]) -> None:
    assert message_of(entry(text)).blocks == blocks


def test_a_message_has_a_name_a_time_and_what_became_of_it() -> None:
    noon = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    local = f"{noon.astimezone():%H:%M}"
    of_another = message_of(entry("hello", timestamp=noon.timestamp() * 1_000.0))
    assert (of_another.name, of_another.time, of_another.mark) == ("Assistant", local, "")
    assert (of_another.is_own, of_another.is_waiting) == (False, False)
    own = Entry(Message("m2", "s1", "user", "hi", noon), status=DeliveryStatus.QUEUED)
    shown = message_of(own)
    assert (shown.name, shown.time, shown.mark) == ("You", local, MARKS[DeliveryStatus.QUEUED])
    assert (shown.is_own, shown.is_waiting) == (True, True)
    # What the user wrote on another device is the user's, too.
    assert message_of(entry("from the phone", role="user")).is_own


@pytest.mark.parametrize("timestamp", [1e300, -1e300, 1e17])
def test_a_time_that_no_calendar_has_is_not_shown(timestamp: float) -> None:
    assert message_of(entry("hello", timestamp=timestamp)).time == ""
