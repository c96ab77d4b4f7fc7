"""The step that the hub's core returns for each message, compared whole, without sockets, files or clocks."""

from typing import Any

import msgspec
import pytest

from reactive_ws.stores.hub.draft import Rules
from reactive_ws.stores.hub.reactions import advance, apply
from reactive_ws.stores.hub.state import APP, Broadcast, Only, Replay, State, Step, Subscription
from reactive_ws.stores.wire.chat import (
    Message,
    MessageSend,
    NotificationRead,
    SessionClose,
    SessionCreate,
    Typing,
    agent_chat,
)
from reactive_ws.wire.control import Hello, Ping, Position, Resume, Subscribe, Sync, Unsubscribe
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import Guarantee

NOW = 1_700_000_000_000.0
ME = 7


class Conversation:
    """A hub's core with one client, remembering every step."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.state = State(epoch="e1")

    def hear(self, type_: str, payload: Any = None, identity: str | None = None) -> list[str]:
        """Applies a message; returns what goes out, one line each."""
        return self.take(
            apply(self.state, Envelope(type_, payload, type_, identity), ME, self.rules, NOW)
        )

    def say(self, identity: str, content: str, session: str = "s1") -> list[str]:
        message = Message(identity, session, "user", content, NOW)
        return self.hear("message.send", MessageSend(session, message), identity)

    def answer(self, session: str = "s1") -> list[str]:
        """Gives the next whole answer."""
        lines: list[str] = []
        while (step := advance(self.state, session, self.rules, NOW)) is not None:
            lines += self.take(step)
            if any("message.response" in line for line in lines):
                break
        return lines

    def take(self, step: Step) -> list[str]:
        self.state = step.state
        return [line(output) for output in step.outputs]


def line(output: Any) -> str:
    if isinstance(output, Subscription):
        return f"{'hears' if output.is_wanted else 'hears not'} {output.channel}"
    if isinstance(output, Replay):
        missed = [f"{one.stream}:{one.seq}" for one in output.entries]
        return f"replay {summary(output.envelope)} {missed}"
    to = "all" if isinstance(output, Broadcast) and output.but is None else "others"
    return f"{'me' if isinstance(output, Only) else to} {summary(output.envelope)}"


def summary(envelope: Envelope[Any]) -> str:
    where = f" {envelope.stream}:{envelope.seq}" if envelope.stream else ""
    payload = msgspec.to_builtins(envelope.payload)
    return f"{envelope.type}{where} {brief(payload)}"


def brief(value: Any) -> Any:
    """The values of an object without those that never matter here."""
    if isinstance(value, dict):
        skip = ("timestamp", "createdAt", "epoch", "panelId", "kind")
        return [brief(v) for k, v in value.items() if k not in skip and v is not None]
    return [brief(v) for v in value] if isinstance(value, (list, tuple)) else value


def test_a_message_is_acknowledged_first_then_told_to_all_then_answered_in_pieces() -> None:
    hub = Conversation()
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
    hub = Conversation()
    hub.say("m1", "panel create A")
    before = hub.state
    assert hub.say("m1", "panel create A") == ["me message.received ['m1', 1]"]
    assert hub.state == before


def test_answers_of_a_session_come_in_the_order_of_the_questions() -> None:
    hub = Conversation(Rules(reply=lambda message, outcomes: message.content.upper()))
    for number in (1, 2, 3):
        hub.say(f"m{number}", f"w{number}")
    said = [hub.answer()[-1] for _ in range(3)]
    assert said == [
        "all message.response s1:5 ['s1', ['m1.reply', 's1', 'assistant', 'W1', 4]]",
        "all message.response s1:7 ['s1', ['m2.reply', 's1', 'assistant', 'W2', 5]]",
        "all message.response s1:9 ['s1', ['m3.reply', 's1', 'assistant', 'W3', 6]]",
    ]


def test_an_empty_answer_is_still_one_response() -> None:
    hub = Conversation(Rules(reply=lambda message, outcomes: "  "))
    hub.say("m1", "hello")
    assert hub.answer() == [
        "all message.response s1:2 ['s1', ['m1.reply', 's1', 'assistant', '', 2]]"
    ]


def test_panels_are_created_updated_and_deleted_by_what_is_said() -> None:
    hub = Conversation()
    assert hub.say("m1", "panel create A\npanel create a\npanel update a: 1\npanel update B: 2")[
        3:
    ] == [
        "all panel.created app:2 [['m1.1', 'A', ['']]]",
        "all panel.updated app:3 [['m1.1', ['1']]]",
    ]
    assert [panel.data for panel in hub.state.panels.values()] == [{"text": "1"}]
    assert hub.answer()[-1].endswith(
        "'Created panel A. There is a panel a already. Updated panel A. There is no panel B.', 2]]"
    )
    assert hub.say("m2", "panel close A")[2:] == ["all panel.deleted app:4 []"]
    assert dict(hub.state.panels) == {}


def test_a_notification_is_told_to_all_and_so_is_that_it_was_read() -> None:
    hub = Conversation()
    assert hub.say("m1", "notify Lunch: at noon")[3:] == [
        "all notification.new app:2 [['m1.1', 'Lunch', 'at noon', False]]"
    ]
    assert hub.hear("notification.read", NotificationRead("m1.1"), "r1") == [
        "me message.received ['r1']",
        "all notification.read app:3 ['m1.1']",
    ]
    assert hub.hear("notification.read", NotificationRead("m1.1"), "r1") == [
        "me message.received ['r1']"
    ]


def test_a_refused_message_changes_nothing_and_may_be_refused_again() -> None:
    hub = Conversation()
    before = hub.state
    for _ in range(2):
        assert hub.say("m1", "panel create A\nrefuse not today") == [
            "me error ['refused', 'not today', 'm1', False]"
        ]
    assert hub.state == before


def test_sessions_are_created_once_closed_once_and_can_be_created_again() -> None:
    hub = Conversation()
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
    assert hub.say("m1", "hello")[0] == "me message.received ['m1', 1]"


def test_an_answer_that_was_promised_comes_even_when_the_session_is_closed_before() -> None:
    hub = Conversation(Rules(reply=lambda message, outcomes: "yes"))
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
    hub = Conversation()
    (error,) = hub.hear("message.send", payload, "m1")
    assert error.startswith(f"me error ['{code}'")


def test_what_is_not_for_clients_or_not_known_is_refused() -> None:
    hub = Conversation()
    assert hub.hear("hello", Hello("e9"), "x1") == [
        "me error ['unexpected_type', \"'hello' is not for clients to send\", 'x1', False]"
    ]
    assert hub.hear("my.type", {"a": 1}, "x2") == [
        "me error ['unknown_type', \"this hub knows no message type 'my.type'\", 'x2', False]"
    ]


def test_a_type_of_the_users_own_is_relayed_and_acknowledged_as_it_was_registered() -> None:
    registry = agent_chat()

    @registry.message("my.vote", guarantee=Guarantee.AT_LEAST_ONCE)
    class Vote(msgspec.Struct, frozen=True):
        choice: str

    hub = Conversation(Rules(registry))
    assert hub.hear("my.vote", Vote("yes"), "v1") == [
        "me message.received ['v1', 1]",
        "all my.vote app:1 ['yes']",
    ]
    assert hub.hear("my.vote", Vote("yes"), "v1") == ["me message.received ['v1', 1]"]


def test_typing_goes_to_the_others_and_a_ping_comes_back() -> None:
    hub = Conversation()
    assert hub.hear("typing", Typing("s1", "ann")) == ["others typing ['s1', 'ann']"]
    step = apply(hub.state, Envelope("ping", Ping(), "ping", "p1"), ME, hub.rules, NOW)
    (pong,) = step.outputs
    assert isinstance(pong, Only)
    assert (pong.to, pong.envelope.type, pong.envelope.id) == (ME, "pong", "p1")


def test_a_resume_replays_what_followed_each_position() -> None:
    hub = Conversation(Rules(reply=lambda message, outcomes: "yes"))
    hub.say("m1", "panel create A")
    hub.answer()
    positions = {"s1": Position("e1", 1), APP: Position("e1", 2), "s2": Position("e1", 0)}
    assert hub.hear("resume", Resume(positions)) == [
        "replay resumed [[[True, 3], [True, 2], [True, 0]]] ['s1:2', 's1:3']"
    ]


@pytest.mark.parametrize(
    "position",
    [Position("another", 1), Position("e1", 99), Position("e1", -1)],
    ids=["of another epoch", "ahead of the hub", "below zero"],
)
def test_a_position_that_means_nothing_is_not_recovered(position: Position) -> None:
    hub = Conversation()
    hub.say("m1", "hello")
    assert hub.hear("resume", Resume({"s1": position})) == ["replay resumed [[[False, 1]]] []"]


def test_the_log_is_bounded_and_a_position_that_was_trimmed_is_not_recovered() -> None:
    hub = Conversation(Rules(max_log=3))
    for number in range(5):
        hub.hear("session.create", SessionCreate(f"s{number}"), f"c{number}")
    log = hub.state.stream(APP)
    assert (log.first, log.seq, sorted(log.entries)) == (3, 5, [3, 4, 5])
    assert hub.hear("resume", Resume({APP: Position("e1", 2)})) == [
        "replay resumed [[[True, 5]]] ['app:3', 'app:4', 'app:5']"
    ]
    assert hub.hear("resume", Resume({APP: Position("e1", 1)})) == [
        "replay resumed [[[False, 5]]] []"
    ]


def test_a_snapshot_holds_the_state_at_a_position_with_the_answer_as_far_as_it_is_given() -> None:
    hub = Conversation(Rules(reply=lambda message, outcomes: "yes indeed", max_history=1))
    hub.say("m1", "panel create B\npanel create A")
    step = advance(hub.state, "s1", hub.rules, NOW)
    assert step is not None
    hub.take(step)
    assert hub.hear("sync", Sync(("s1", APP, "s1", "nowhere"))) == [
        (
            "me snapshot ['s1', 2, [['m1', 's1', 'user', 'panel create B\\npanel create A', 1], "
            "['m1.reply', 's1', 'assistant', 'yes']]]"
        ),
        "me snapshot ['app', 3, [['s1', '']], [['m1.1', 'B', ['']], ['m1.2', 'A', ['']]]]",
        "me snapshot ['nowhere', 0, []]",
    ]


def test_a_snapshot_goes_back_only_so_far_that_clients_can_take_it() -> None:
    hub = Conversation(Rules(reply=lambda message, outcomes: "", max_snapshot_size=1_000))
    for number in range(1, 6):
        hub.say(f"m{number}", "é" * 200)
        hub.answer()
    assert [m.id for m in hub.state.conversation("s1").last(99, 1_000)] == [
        "m4.reply",
        "m5",
        "m5.reply",
    ]
    hub.say("m6", "x" * 5_000)
    assert [m.id for m in hub.state.conversation("s1").last(99, 1_000)] == ["m6"]


def test_a_subscription_tells_the_position_when_the_channel_is_a_stream() -> None:
    hub = Conversation()
    hub.say("m1", "hello")
    assert hub.hear("subscribe", Subscribe("s1")) == ["hears s1", "me subscribed ['s1', 's1', 1]"]
    assert hub.hear("subscribe", Subscribe("typing")) == [
        "hears typing",
        "me subscribed ['typing']",
    ]
    assert hub.hear("unsubscribe", Unsubscribe("s1")) == ["hears not s1"]
