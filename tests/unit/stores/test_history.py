"""The history store: its handlers and actions, with ports that are lists."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime

import pytest

from reactive_ws.connection.record import ErrorKind
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import OutboxFull
from reactive_ws.outbox.delivery import Delivery, DeliveryStatus
from reactive_ws.stores.history.history import History
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    Message,
    MessageDelta,
    MessageResponse,
    MessageSend,
    SessionCreated,
)
from reactive_ws.wire.control import Hello, MessageReceived
from reactive_ws.wire.envelope import Envelope

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Desk:
    """A history with everything around it."""

    def __init__(self) -> None:
        self.domain = Domain()
        self.sent: list[object] = []
        self.synced: list[str] = []
        self.reported: list[str] = []
        self.is_full = False
        self.is_hasty = False
        ids = itertools.count(1)
        self.history = History(
            self.domain,
            send=self.send,
            sync=self.synced.append,
            report=self.report,
            new_id=lambda: f"m{next(ids)}",
            clock=lambda: NOON,
        )

    def send(self, payload: object) -> Delivery:
        if self.is_full:
            raise OutboxFull(1)
        assert isinstance(payload, MessageSend)
        self.sent.append(payload)
        delivery = Delivery(payload.message.id, is_final_when_sent=False)
        if self.is_hasty:
            delivery.advance(DeliveryStatus.ACKNOWLEDGED)
            self.give("message.received", MessageReceived(delivery.id, reply={"sequence": 4}))
        return delivery

    def report(self, kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None:
        self.reported.append(f"{kind.value}: {text}")

    def give(self, name: str, payload: object, epoch: str | None = None) -> None:
        self.history.handlers[name](Envelope(name, payload, name, epoch=epoch))

    def shown(self, session_id: str = "s") -> list[tuple[str, str | None]]:
        return [
            (entry.content, entry.status.value if entry.status else None)
            for entry in self.history.get_entries(session_id)
        ]


def answer(text: str, sequence: int, session_id: str = "s") -> MessageResponse:
    message = Message(f"a{sequence}", session_id, "assistant", text, 0.0, None, sequence)
    return MessageResponse(session_id, message)


def test_sending_shows_the_message_and_follows_its_delivery() -> None:
    desk = Desk()
    seen: list[list[str]] = []
    desk.history.select_last("s", 2).subscribe(
        lambda entries: seen.append([entry.status.value for entry in entries if entry.status])
    )
    delivery = desk.history.send("s", "hello", panel_id="p")
    assert desk.sent == [MessageSend("s", Message("m1", "s", "user", "hello", NOON, "p"))]
    delivery.advance(DeliveryStatus.SENT)
    with batch(desk.domain):
        delivery.advance(DeliveryStatus.ACKNOWLEDGED)
        desk.give("message.received", MessageReceived("m1", reply={"sequence": 1}))
    assert seen == [[], ["queued"], ["sent"], ["acknowledged"]]
    assert desk.history.get("s").timeline.settled[0].place == (0, 1, 0)


def test_an_acknowledgement_may_come_before_send_returns() -> None:
    desk = Desk()
    desk.is_hasty = True
    desk.history.send("s", "quick")
    assert desk.shown() == [("quick", "acknowledged")]
    assert desk.history.get("s").timeline.settled[0].place == (0, 4, 0)


def test_a_message_that_cannot_be_queued_is_not_shown() -> None:
    desk = Desk()
    desk.is_full = True
    with pytest.raises(OutboxFull):
        desk.history.send("s", "no room")
    assert desk.shown() == []
    desk.give("message.received", MessageReceived("m1", reply={"sequence": 1}))
    assert desk.shown() == []


def test_a_failed_message_is_sent_again_with_its_id() -> None:
    desk = Desk()
    desk.history.send("s", "hello").advance(DeliveryStatus.FAILED, "refused")
    assert desk.shown() == [("hello", "failed")]
    desk.is_full = True
    with pytest.raises(OutboxFull):
        desk.history.retry("s", "m1")
    assert desk.shown() == [("hello", "failed")]
    desk.is_full = False
    desk.history.retry("s", "m1")
    assert desk.sent[0] == desk.sent[1]
    assert desk.shown() == [("hello", "queued")]
    with pytest.raises(ValueError, match="did not fail"):
        desk.history.retry("s", "m1")
    with pytest.raises(KeyError):
        desk.history.retry("s", "nobody")


def test_a_message_of_one_session_wakes_only_its_observers() -> None:
    desk = Desk()
    woken: list[str] = []
    for session_id in ("s", "t"):
        desk.history.select(session_id).subscribe(lambda _, who=session_id: woken.append(who))
    woken.clear()
    desk.give("message.response", answer("hi", 1, "t"))
    desk.history.send("t", "you")
    assert set(woken) == {"t"}
    assert desk.history.select_session_ids().get() == ("t",)


def test_a_missing_piece_is_reported_and_the_session_fetched() -> None:
    desk = Desk()
    desk.give("session.created", SessionCreated("s"))
    desk.give("snapshot", ChatSnapshot("s", "e", 0, messages=()))
    desk.give("message.delta", MessageDelta("s", "a", 0, "Hel"))
    desk.give("message.delta", MessageDelta("s", "a", 5, "world"))
    assert (desk.shown(), desk.synced) == ([("Hel", None)], ["s"])
    assert [text.split(";")[0] for text in desk.reported] == [
        "protocol: a piece of answer a is missing before character 5"
    ]
    found = (Message("a", "s", "assistant", "Hello world", 0.0),)
    desk.give("snapshot", ChatSnapshot("s", "e", 5, messages=found))
    desk.give("message.delta", MessageDelta("s", "a", 11, "!", done=True))
    assert desk.shown() == [("Hello world!", None)]
    desk.give("message.delta", MessageDelta("s", "a", 12, "?"))
    assert desk.reported[1:] == ["protocol: answer a went on after its end; dropped"]


def test_a_session_that_is_not_loaded_yet_is_fetched_without_a_complaint() -> None:
    desk = Desk()
    desk.give("message.delta", MessageDelta("s", "a", 7, "late"))
    assert (desk.synced, desk.reported, desk.shown()) == (["s"], [], [])


def test_a_new_epoch_of_the_server_starts_new_sequences() -> None:
    desk = Desk()
    desk.give("hello", Hello("one"))
    desk.give("message.response", answer("old", 1), "one")
    desk.history.send("s", "mine")
    desk.give("hello", Hello("two"))
    desk.give("message.received", MessageReceived("m1", reply={"sequence": 1}))
    desk.give("message.response", answer("new", 2))
    assert [text for text, _ in desk.shown()] == ["old", "mine", "new"]


def test_a_message_of_another_session_than_its_response_is_reported() -> None:
    desk = Desk()
    desk.give("message.response", MessageResponse("s", Message("a", "t", "assistant", "x", 0.0)))
    assert (desk.shown("s"), desk.shown("t")) == ([("x", None)], [])
    assert len(desk.reported) == 1


def test_a_window_is_emitted_only_when_it_changes() -> None:
    desk = Desk()
    seen: list[list[str]] = []
    desk.history.select_window("s", 0, 2).subscribe(
        lambda entries: seen.append([entry.content for entry in entries])
    )
    for number, text in enumerate("abcd", 1):
        desk.give("message.response", answer(text, number))
    assert seen == [[], ["a"], ["a", "b"]]


def test_what_another_thread_says_during_a_burst_is_not_overwritten_by_it() -> None:
    desk = Desk()
    with batch(desk.domain):
        desk.give("message.response", answer("theirs", 1))
        other = threading.Thread(target=desk.history.send, args=("s", "mine"))
        other.start()
        other.join()
        desk.give("message.response", answer("theirs too", 2))
    assert desk.shown() == [("theirs", None), ("theirs too", None), ("mine", "queued")]
