"""`dubious` passes a message over only when `doubts_about` finds no fault in it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

from reactive_ws.stores.history.conversation import Conversation, answered
from reactive_ws.stores.history.doubts import doubts_about, dubious, latest_likely
from reactive_ws.stores.wire.chat import Message, MessageResponse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = NOW.timestamp() * 1000.0


def clock() -> datetime:
    return NOW


def response(
    identity: str, date: datetime | float, sequence: int | None, session: str
) -> MessageResponse:
    return MessageResponse("s", Message(identity, session, "user", "text", date, sequence=sequence))


def test_what_is_beyond_doubt_is_doubted_by_nobody() -> None:
    state = Conversation()
    for number in (1, 2, 3):
        state = answered(state, response(f"m{number}", NOW_MS, number, "s"), None)
    likely = latest_likely(clock)
    plain = 0
    every = itertools.product(
        ("m3", "m4"),
        (0.0, NOW_MS, NOW_MS + 3.5e6, NOW_MS + 3.7e6, 1e300, -1.0, float("nan"), NOW),
        (None, 2, 3, 4, 9),
        ("s", "other"),
    )
    for identity, date, sequence, session in every:
        it = response(identity, date, sequence, session)
        if not dubious([it], state, likely):
            plain += 1
            assert list(doubts_about(it, state, clock)) == []
    # Three dates: with no sequence either id, with 4 and 9 only the new one.
    assert plain == 3 * (2 + 2)
