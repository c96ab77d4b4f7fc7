"""The reducers of a conversation: one entry for each id, in order, whichever message arrives first."""

from __future__ import annotations

import itertools

import pytest

from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.history.answers import Fit, fit, grown
from reactive_ws.stores.history.conversation import (
    Conversation,
    answered,
    at_epoch,
    began,
    merged,
    read_up_to,
)
from reactive_ws.stores.history.own_messages import acknowledged, advanced, composed, withdrawn
from reactive_ws.stores.wire.chat import ChatSnapshot, Message, MessageDelta, MessageResponse
from reactive_ws.wire.control import MessageReceived

QUEUED, SENT = DeliveryStatus.QUEUED, DeliveryStatus.SENT
ACKNOWLEDGED, FAILED = DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.FAILED


def message(
    identity: str, text: str = "", sequence: int | None = None, role: str = "user"
) -> Message:
    return Message(identity, "s", role, text or identity, 0.0, None, sequence)


def response(identity: str, text: str = "", sequence: int | None = None) -> MessageResponse:
    return MessageResponse("s", message(identity, text, sequence, "assistant"))


def delta(identity: str, offset: int, text: str, *, done: bool = False) -> MessageDelta:
    return MessageDelta("s", identity, offset, text, done)


def shown(state: Conversation) -> list[tuple[str, str]]:
    return [(entry.id, entry.content) for entry in state.timeline]


def ids(state: Conversation) -> list[str]:
    return [entry.id for entry in state.timeline]


def statuses(state: Conversation) -> list[tuple[str, DeliveryStatus | None]]:
    return [(entry.id, entry.status) for entry in state.timeline]


def test_an_own_message_is_shown_at_once_and_takes_its_place_when_it_is_acknowledged() -> None:
    state = answered(Conversation(), response("old", sequence=1), None)
    state = composed(state, message("mine"))
    assert statuses(state) == [("old", None), ("mine", QUEUED)]
    state = answered(state, response("theirs", sequence=3), None)
    assert ids(state) == ["old", "theirs", "mine"]
    state = acknowledged(state, MessageReceived("mine", reply={"sequence": 2}), None)
    assert statuses(state) == [("old", None), ("mine", ACKNOWLEDGED), ("theirs", None)]
    assert [entry.message.sequence for entry in state.timeline] == [1, 2, 3]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whatever_arrives_first_there_is_one_entry(order: tuple[int, ...]) -> None:
    steps = [
        lambda state: state if ids(state) else composed(state, message("m", "hi")),
        lambda state: acknowledged(state, MessageReceived("m", reply={"sequence": 7}), "e"),
        lambda state: answered(state, MessageResponse("s", message("m", "hi", 7)), "e"),
        lambda state: merged(state, ChatSnapshot("s", "e", 9, messages=(message("m", "hi", 7),))),
    ]
    state = Conversation()
    for step in order:
        state = steps[step](state)
    assert shown(state) == [("m", "hi")]
    assert state.timeline.settled[0].place == (0, 7, 0)


def test_an_answer_grows_and_its_whole_text_replaces_the_pieces() -> None:
    state = answered(Conversation(), response("question", sequence=1), None)
    for piece in (delta("a", 0, "Hello"), delta("a", 5, " wor"), delta("a", 9, "ld")):
        assert fit(state, piece) is Fit.NEXT
        state = grown(state, piece, None, 5.0)
    entry = state.timeline.last(1)[0]
    assert (entry.content, entry.is_growing, entry.message.role) == (
        "Hello world",
        True,
        "assistant",
    )
    state = grown(state, delta("a", 11, "!", done=True), None, 5.0)
    assert [entry.is_growing for entry in state.timeline] == [False, False]
    state = answered(state, response("a", "Hello world!", 2), None)
    assert shown(state) == [("question", "question"), ("a", "Hello world!")]


def test_a_piece_is_applied_only_where_the_text_ends() -> None:
    state = grown(Conversation(), delta("a", 0, "Hello"), None, 5.0)
    pieces = (
        delta("a", 0, "Hel"),
        delta("a", 3, "lo"),
        delta("a", 3, "lo you"),
        delta("a", 6, "you"),
        delta("b", 0, "x"),
        delta("b", 1, "x"),
    )
    found = [fit(state, piece) for piece in pieces]
    assert found == [Fit.KNOWN, Fit.KNOWN, Fit.GAP, Fit.GAP, Fit.NEXT, Fit.GAP]
    assert shown(grown(state, delta("a", 6, "you"), None, 5.0)) == [("a", "Hello")]
    complete = answered(state, response("a", "Hello", 1), None)
    assert fit(complete, delta("a", 5, " again")) is Fit.LATE
    assert fit(complete, delta("a", 0, "Hello")) is Fit.KNOWN


def test_a_snapshot_merges_by_id_and_an_answer_without_sequence_goes_on() -> None:
    state = composed(Conversation(), message("mine"))
    state = answered(state, response("b", sequence=2), "e")
    found = (message("a", sequence=1), message("b", sequence=2), message("c", "Hel"))
    state = merged(state, ChatSnapshot("s", "e", 9, messages=found))
    assert shown(state) == [("a", "a"), ("b", "b"), ("mine", "mine"), ("c", "Hel")]
    assert state.is_loaded
    state = grown(state, delta("c", 3, "lo", done=True), "e", 5.0)
    assert ("c", "Hello") in shown(state)


def test_a_snapshot_does_not_undo_a_complete_answer() -> None:
    state = answered(Conversation(), response("a", "whole"), "e")
    state = merged(state, ChatSnapshot("s", "e", 1, messages=(message("a", "who"),)))
    assert shown(state) == [("a", "whole")]


def test_what_is_said_in_a_new_epoch_comes_after_what_was_said_before() -> None:
    state = answered(Conversation(), response("old 1", sequence=1), "first")
    state = answered(state, response("old 2", sequence=2), "first")
    state = grown(state, delta("cut short", 0, "He"), "first", 5.0)
    state = composed(state, message("mine"))
    state = merged(state, ChatSnapshot("s", "second", 1, messages=(message("new 1", sequence=1),)))
    assert ids(state) == ["old 1", "old 2", "cut short", "new 1", "mine"]
    assert not any(entry.is_growing for entry in state.timeline)
    state = acknowledged(state, MessageReceived("mine", reply={"sequence": 2}), "second")
    assert ids(state) == ["old 1", "old 2", "cut short", "new 1", "mine"]


def test_a_failed_message_keeps_its_place_and_says_why() -> None:
    state = composed(Conversation(), message("mine"))
    state = advanced(state, "mine", SENT, None, is_final=False)
    assert statuses(state) == [("mine", SENT)]
    state = advanced(state, "mine", FAILED, "refused", is_final=True)
    state = answered(state, response("theirs", sequence=1), None)
    assert statuses(state) == [("mine", FAILED), ("theirs", None)]
    assert state.timeline.settled[0].reason == "refused"
    again = composed(state, message("mine"))
    assert statuses(again) == [("theirs", None), ("mine", QUEUED)]


def test_an_acknowledged_message_does_not_fail_any_more() -> None:
    state = composed(Conversation(), message("mine"))
    state = acknowledged(state, MessageReceived("mine", reply={"sequence": 1}), None)
    assert advanced(state, "mine", FAILED, "late", is_final=True) is state


def test_what_concerns_nobody_changes_nothing() -> None:
    state = answered(Conversation(), response("a", sequence=1), "e")
    assert acknowledged(state, MessageReceived("nobody", reply={"sequence": 1}), "e") is state
    assert advanced(state, "nobody", SENT, None, is_final=False) is state
    assert advanced(state, "a", SENT, None, is_final=False) is state
    assert at_epoch(state, "e") is state
    assert at_epoch(state, None) is state
    loaded = began(state)
    assert began(loaded) is loaded


def test_a_refused_message_goes_and_what_was_there_before_comes_back() -> None:
    state = composed(Conversation(), message("mine"))
    assert ids(withdrawn(state, "mine", None)) == []
    failed = advanced(state, "mine", FAILED, "why", is_final=True)
    before = failed.timeline.find("mine")
    restored = withdrawn(composed(failed, message("mine")), "mine", before)
    assert statuses(restored) == [("mine", FAILED)]


def test_two_messages_with_one_sequence_are_both_shown() -> None:
    state = answered(Conversation(), response("a", sequence=1), "e")
    state = answered(state, response("b", sequence=1), "e")
    state = answered(state, response("c", sequence=2), "e")
    assert ids(state) == ["a", "b", "c"]


def test_messages_without_sequence_stay_in_order_of_arrival() -> None:
    state = answered(Conversation(), response("a"), None)
    state = answered(state, response("b"), None)
    state = composed(state, message("mine"))
    state = advanced(state, "mine", SENT, None, is_final=True)
    state = answered(state, response("c"), None)
    assert ids(state) == ["a", "b", "mine", "c"]


def read_answer() -> Conversation:
    """An answer is complete and read before the server's copy gives it its number."""
    state = composed(Conversation(), message("mine"))
    state = acknowledged(state, MessageReceived("mine", reply={"sequence": 1}), None)
    state = grown(state, delta("a", 0, "hello", done=True), None, 5.0)
    return read_up_to(state, state.timeline.last_place)


def test_an_answer_that_was_read_stays_read_when_it_gets_its_number() -> None:
    state = read_answer()
    assert (state.unread, state.read) == (0, (0, 1, 1))
    state = answered(state, response("a", "hello", sequence=2), None)
    assert (state.unread, state.read) == (0, (0, 2, 0))


def test_an_answer_that_moves_past_an_unread_entry_leaves_that_unread() -> None:
    state = read_answer()
    state = answered(state, response("news", sequence=2), None)
    state = answered(state, response("a", "hello", sequence=3), None)
    assert ids(state) == ["mine", "news", "a"]
    assert state.unread == 2
