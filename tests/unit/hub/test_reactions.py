"""The answer of the hub to each message, compared whole: for its sender and for the others, without sockets or files."""

from collections.abc import Iterator

import msgspec
import pytest
from hub_core import HubCore

from reactive_ws.stores.hub.chat import APP, Conversation, conversations
from reactive_ws.stores.hub.reactions import Rules
from reactive_ws.stores.wire.chat import (
    Message,
    MessageResponse,
    MessageSend,
    NotificationRead,
    PanelDeleted,
    SessionClose,
    SessionCreate,
    Typing,
    agent_chat,
)
from reactive_ws.wire.registry import Guarantee

NOW = 1_700_000_000_000.0


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    for hub in list(HubCore.opened):
        hub.close()


def test_a_message_is_acknowledged_first_then_told_to_all_then_answered_in_pieces() -> None:
    hub = HubCore()
    assert hub.say("m1", "hello  there") == [
        "me message.received ['m1', 1]",
        "all session.created app:1 ['s1', '']",
        "all message.response s1:1 ['s1', ['m1', 's1', 'user', 'hello  there', 1]]",
    ]
    assert hub.answer() == [
        "all message.delta s1:2 ['s1', 'm1.reply', 0, 'You', False]",
        "all message.delta s1:3 ['s1', 'm1.reply', 3, ' said:', False]",
        "all message.delta s1:4 ['s1', 'm1.reply', 9, ' hello', False]",
        "all message.delta s1:5 ['s1', 'm1.reply', 15, ' there', False]",
        "all message.delta s1:6 ['s1', 'm1.reply', 21, ' (2', False]",
        "all message.delta s1:7 ['s1', 'm1.reply', 24, ' words)', True]",
        (
            "all message.response s1:8 ['s1', ['m1.reply', 's1', 'assistant', "
            "'You said: hello there (2 words)', 2]]"
        ),
    ]
    assert hub.answer() == []


def test_a_resend_is_acknowledged_again_and_has_no_second_effect() -> None:
    hub = HubCore()
    hub.say("m1", "panel create A")
    before = list(hub.entries)
    assert hub.say("m1", "panel create A") == ["me message.received ['m1', 1]"]
    assert hub.entries == before


def test_answers_of_a_session_come_in_the_order_of_the_questions() -> None:
    hub = HubCore(Rules(reply=lambda message, outcomes: message.content.upper()))
    for number in (1, 2, 3):
        hub.say(f"m{number}", f"w{number}")
    said = [hub.answer()[-1] for _ in range(3)]
    assert said == [
        "all message.response s1:5 ['s1', ['m1.reply', 's1', 'assistant', 'W1', 4]]",
        "all message.response s1:7 ['s1', ['m2.reply', 's1', 'assistant', 'W2', 5]]",
        "all message.response s1:9 ['s1', ['m3.reply', 's1', 'assistant', 'W3', 6]]",
    ]


def test_an_empty_answer_is_still_one_response() -> None:
    hub = HubCore(Rules(reply=lambda message, outcomes: "  "))
    hub.say("m1", "hello")
    assert hub.answer() == [
        "all message.response s1:2 ['s1', ['m1.reply', 's1', 'assistant', '', 2]]"
    ]


def test_panels_are_created_updated_and_deleted_by_what_is_said() -> None:
    hub = HubCore()
    assert hub.say("m1", "panel create A\npanel create a\npanel update a: 1\npanel update B: 2")[
        2:4
    ] == [
        "all panel.created app:1 [['m1.1', 'A', ['']]]",
        "all panel.updated app:1 [['m1.1', ['1']]]",
    ]
    assert [panel.data for panel in hub.chat().panels.values()] == [{"text": "1"}]
    assert hub.answer()[-1].endswith(
        "'Created panel A. There is a panel a already. Updated panel A. There is no panel B.', 2]]"
    )
    assert hub.say("m2", "panel close A")[1:2] == ["all panel.deleted app:2 []"]
    assert dict(hub.chat().panels) == {}


def test_a_notification_is_told_to_all_and_so_is_that_it_was_read() -> None:
    hub = HubCore()
    assert hub.say("m1", "notify Lunch: at noon")[2:3] == [
        "all notification.new app:1 [['m1.1', 'Lunch', 'at noon', False]]"
    ]
    assert hub.hear("notification.read", NotificationRead("m1.1"), "r1") == [
        "me message.received ['r1']",
        "all notification.read app:2 ['m1.1']",
    ]
    assert hub.hear("notification.read", NotificationRead("m1.1"), "r1") == [
        "me message.received ['r1']"
    ]


def test_a_refused_message_changes_nothing_and_may_be_refused_again() -> None:
    hub = HubCore()
    before = hub.chat()
    for _ in range(2):
        assert hub.say("m1", "panel create A\nrefuse not today") == [
            "me error ['refused', 'not today', 'm1', False]"
        ]
    assert (hub.chat(), hub.entries) == (before, [])


def test_sessions_are_created_once_closed_once_and_can_be_created_again() -> None:
    hub = HubCore()
    assert hub.hear("session.create", SessionCreate("s1", "First"), "c1") == [
        "me message.received ['c1']",
        "all session.created app:1 ['s1', 'First']",
    ]
    assert hub.hear("session.create", SessionCreate("s1", "Again"), "c2") == [
        "me message.received ['c2']"
    ]
    assert hub.hear("session.close", SessionClose("s1"), "c3") == [
        "me message.received ['c3']",
        "all session.closed app:2 ['s1']",
    ]
    assert hub.hear("session.close", SessionClose("s1"), "c4") == ["me message.received ['c4']"]
    assert hub.say("m1", "hello") == [
        "me error ['session_closed', \"session 's1' is closed; create it again\", 'm1', False]"
    ]
    assert hub.hear("session.create", SessionCreate("s1"), "c5")[1:] == [
        "all session.created app:3 ['s1', '']"
    ]
    # The refusal of m1 is kept: a resend of it gets the same answer.
    assert hub.say("m1", "hello")[0].startswith("me error ['session_closed'")
    assert hub.say("m2", "hello")[0] == "me message.received ['m2', 1]"


def test_an_answer_that_was_promised_comes_even_when_the_session_is_closed_before() -> None:
    hub = HubCore(Rules(reply=lambda message, outcomes: "yes"))
    hub.say("m1", "hello")
    hub.hear("session.close", SessionClose("s1"), "c1")
    assert (
        hub.answer()[-1]
        == "all message.response s1:3 ['s1', ['m1.reply', 's1', 'assistant', 'yes', 2]]"
    )


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (MessageSend("s1", Message("other", "s1", "user", "x", NOW)), "bad_id"),
        (MessageSend("s1", Message("m1", "s2", "user", "x", NOW)), "bad_session"),
        (MessageSend(APP, Message("m1", APP, "user", "x", NOW)), "bad_session"),
        (MessageSend("", Message("m1", "", "user", "x", NOW)), "bad_session"),
    ],
)
def test_a_message_that_contradicts_itself_is_refused(payload: MessageSend, code: str) -> None:
    hub = HubCore()
    (error,) = hub.hear("message.send", payload, "m1")
    assert error.startswith(f"me error ['{code}'")


def test_what_is_not_for_clients_or_not_known_is_refused() -> None:
    hub = HubCore()
    assert hub.hear("panel.deleted", PanelDeleted("p"), "x1") == [
        "me error ['unexpected_type', \"'panel.deleted' is not for clients to send\", 'x1', False]"
    ]
    assert hub.hear("my.type", {"a": 1}, "x2") == [
        "me error ['unknown_type', \"'my.type' is unknown\", 'x2', False]"
    ]


def test_a_type_of_the_users_own_is_relayed_and_acknowledged_as_it_was_registered() -> None:
    registry = agent_chat()

    @registry.message("my.vote", guarantee=Guarantee.AT_LEAST_ONCE)
    class Vote(msgspec.Struct, frozen=True):
        choice: str

    hub = HubCore(registry=registry)
    assert hub.hear("my.vote", Vote("yes"), "v1") == [
        "me message.received ['v1']",
        "all my.vote app:1 ['yes']",
    ]
    assert hub.hear("my.vote", Vote("yes"), "v1") == ["me message.received ['v1']"]


def test_typing_goes_to_the_others_and_into_no_stream() -> None:
    hub = HubCore()
    assert hub.hear("typing", Typing("s1", "ann")) == ["others typing ['s1', 'ann']"]
    assert hub.entries == []


def test_a_snapshot_holds_the_state_at_a_position_with_the_answer_as_far_as_it_is_given() -> None:
    rules = Rules(lambda message, outcomes: "yes indeed", max_history=1, clock=lambda: NOW)
    hub = HubCore(rules)
    hub.say("m1", "panel create B\npanel create A")
    hub.advance()
    seq, state = hub.snapshot("s1")
    assert seq == 2
    assert [(m["id"], m["content"], m["sequence"]) for m in state["messages"]] == [
        ("m1", "panel create B\npanel create A", 1),
        ("m1.reply", "yes", None),
    ]
    seq, state = hub.snapshot(APP)
    assert (seq, [one["id"] for one in state["sessions"]]) == (1, ["s1"])
    assert [(p["id"], p["title"]) for p in state["panels"]] == [("m1.1", "B"), ("m1.2", "A")]
    assert hub.snapshot("nowhere") == (0, {"messages": []})


def test_a_snapshot_goes_back_only_so_far_that_clients_can_take_it() -> None:
    reducers = conversations(99, 1_000)
    state = Conversation()
    for number in range(1, 6):
        for name, text in ((f"m{number}", "é" * 200), (f"m{number}.reply", "")):
            message = Message(name, "s1", "user", text, NOW)
            state = reducers[MessageResponse](state, MessageResponse("s1", message))
    assert [m.id for m in state.messages] == ["m4.reply", "m5", "m5.reply"]
    long = Message("m6", "s1", "user", "x" * 5_000, NOW)
    state = reducers[MessageResponse](state, MessageResponse("s1", long))
    assert [m.id for m in state.messages] == ["m6"]
    assert state.length == 11


def test_a_message_that_cannot_be_answered_has_no_effect(caplog: pytest.LogCaptureFixture) -> None:
    def broken(message: Message, outcomes: tuple[str, ...]) -> str:
        raise LookupError("in the reply")

    hub = HubCore(Rules(broken))
    assert hub.say("m1", "hello") == [
        "me error ['hub_failed', 'the hub failed on this message; its log says why', 'm1', False]"
    ]
    assert hub.entries == []
    assert "in the reply" in caplog.text
