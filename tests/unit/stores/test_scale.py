"""Long histories stay cheap, and a message wakes only those who look at its session."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

from reactive_ws.engine.domain import Domain
from reactive_ws.stores.collections.growing_text import GrowingText
from reactive_ws.stores.history.conversation import Conversation, all_answered
from reactive_ws.stores.history.history import History
from reactive_ws.stores.wire.chat import Message, MessageDelta, MessageResponse
from reactive_ws.wire.envelope import Envelope


def response(number: int, session_id: str = "s") -> MessageResponse:
    return MessageResponse(
        session_id, Message(f"m{number}", session_id, "assistant", "hi", 0.0, None, number)
    )


def filled(length: int) -> Conversation:
    return all_answered(Conversation(), [(response(n), "e") for n in range(1, length + 1)])


def history_of(conversation: Conversation) -> History:
    from datetime import UTC, datetime

    history = History(
        Domain(),
        send=lambda _: None,  # type: ignore[arg-type, return-value]
        sync=lambda _: None,
        report=lambda *_, **__: None,
        new_id=lambda: "x",
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        max_messages=10_000_000,
    )
    history.store.upsert("s", conversation)
    return history


def appender(length: int) -> Callable[[], float]:
    history = history_of(filled(length))
    handler = history.handlers["message.response"]
    number = length

    def append() -> float:
        nonlocal number
        began = time.perf_counter()
        for _ in range(200):
            number += 1
            handler(Envelope("message.response", response(number), "message.response", epoch="e"))
        return time.perf_counter() - began

    return append


@pytest.mark.deep
def test_appending_at_a_million_costs_at_most_one_and_a_half_times_that_at_a_thousand() -> None:
    short, long = appender(1_000), appender(1_000_000)
    ratios: list[float] = []
    for _ in range(5):
        pairs = [(short(), long()) for _ in range(15)]
        ratios.append(
            statistics.median(b for _, b in pairs) / statistics.median(a for a, _ in pairs)
        )
        if ratios[-1] <= 1.5:
            break
    assert min(ratios) <= 1.5, ratios


def grower(length: int) -> Callable[[], float]:
    history = history_of(Conversation())
    handler = history.handlers["message.delta"]
    history.select_entry("s", "answer").subscribe(lambda _: None)
    offset = 0

    def grow(words: int = 200) -> float:
        nonlocal offset
        began = time.perf_counter()
        for _ in range(words):
            delta = MessageDelta("s", "answer", offset, "word ")
            handler(Envelope("message.delta", delta, "message.delta", epoch="e"))
            offset += 5
        return time.perf_counter() - began

    grow(length)
    return grow


@pytest.mark.deep
def test_the_hundred_thousandth_word_of_an_answer_costs_at_most_half_more_than_the_thousandth() -> (
    None
):
    long = grower(100_000)
    ratios: list[float] = []
    for _ in range(5):
        # An answer that is measured grows: there is a new short one each time.
        pairs = [(grower(900)(), long()) for _ in range(15)]
        ratios.append(
            statistics.median(b for _, b in pairs) / statistics.median(a for a, _ in pairs)
        )
        if ratios[-1] <= 1.5:
            break
    assert min(ratios) <= 1.5, ratios


def test_a_long_answer_is_held_in_few_pieces() -> None:
    # A word is cheap on any machine, because `GrowingText` does not join the whole text for each.
    text, most = GrowingText(), 0
    for _ in range(20_000):
        text = text.extended("word ")
        most = max(most, len(text.pieces))
    assert (len(text), str(text)) == (100_000, "word " * 20_000)
    assert most <= 20


def test_a_message_wakes_only_the_observers_of_its_session() -> None:
    history = history_of(Conversation())
    woken: list[str] = []
    for session_id in ("s", *map(str, range(100))):
        for stream in (
            history.select_last(session_id, 50),
            history.select_window(session_id, 0, 50),
            history.select_unread(session_id),
            history.select_entry(session_id, "m1"),
            history.select_dropped(session_id),
        ):
            stream.subscribe(lambda _, who=session_id: woken.append(who))
    woken.clear()
    handler = history.handlers["message.response"]
    handler(Envelope("message.response", response(1), "message.response", epoch="e"))
    # The window, the newest, the count and the entry changed; the number of those dropped did not.
    assert woken == ["s"] * 4
