"""The session, frame by frame: greeting, tokens, rights, refusals, snapshots in parts, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_world import registry

from reactive_ws.errors import LogUnavailable
from reactive_ws.server.logs import PAGE_BYTES, CommandKey, Entry, Outcome
from reactive_ws.server.session import (
    Accepted,
    Ask,
    Authenticate,
    Close,
    EncodedPage,
    Failure,
    FindOutcomes,
    Hear,
    MakeMark,
    MakeState,
    ReadHeads,
    ReadPage,
    Rights,
    Run,
    ServerSession,
    SessionSettings,
    StateAt,
    Unhear,
    Write,
    encode_entry,
    snapshot_frames,
)
from reactive_ws.wire import JsonCodec, Position

E5 = Position("e", 5)
LATER = object()
"""An answer that a test gives itself."""
NOTE = '{"type":"note","id":"?","payload":{"streams":[]}}'


def session(**fields: Any) -> ServerSession:
    identity = fields.pop("identity", "ada")
    types = registry()
    return ServerSession(SessionSettings(**fields), types, JsonCodec(types), identity=identity)


def said(effects: Any) -> list[dict[str, Any]]:
    return [json.loads(effect.frame) for effect in effects if isinstance(effect, Write)]


def asked(effects: Any) -> list[Any]:
    return [effect.question for effect in effects if isinstance(effect, Ask)]


class Answers:
    """Answers every question at once, from a table, but those with `LATER`; what is said and asked is kept."""

    def __init__(self, one: ServerSession, **answers: Any) -> None:
        self.one = one
        self.said: list[dict[str, Any]] = []
        self.asked: list[Any] = []
        self.closed: Close | None = None
        self.open: list[int] = []
        self.answers = {
            "Rights": {},
            "MakeMark": "m1",
            "ReadHeads": {},
            "ReadPage": EncodedPage(Position("e", 0), ()),
            "FindOutcomes": {},
            "Authenticate": "ada",
            "MakeState": StateAt(E5, b"{}"),
            "Run": Accepted(),
            **answers,
        }

    def do(self, effects: Any) -> Answers:
        for effect in effects:
            if isinstance(effect, Write):
                self.said.append(json.loads(effect.frame))
            elif isinstance(effect, Close):
                self.closed = effect
            elif isinstance(effect, Ask):
                self.asked.append(effect.question)
                answer = self.answers[type(effect.question).__name__]
                if isinstance(answer, list):
                    answer = answer.pop(0)
                if answer is LATER:
                    self.open.append(effect.number)
                elif isinstance(answer, BaseException):
                    self.do(self.one.failed(effect.number, answer))
                else:
                    self.do(self.one.answered(effect.number, answer))
        return self

    def hear(self, kind: str, payload: Any = None, **fields: Any) -> Answers:
        return self.do(self.one.received(json.dumps({"type": kind, "payload": payload, **fields})))


def test_the_first_frame_says_what_the_server_can_and_allows() -> None:
    (hello,) = said(session(heartbeat=20.0, max_size=5000, dedup=60.0).opened(0.0))
    assert hello == {
        "type": "hello",
        "payload": {
            "heartbeat": 20.0,
            "maxSize": 5000,
            "resume": True,
            "features": ["cause", "more", "snapshot-parts"],
            "dedup": 60.0,
        },
    }


def test_a_ping_is_answered_while_a_handler_runs_and_before_auth() -> None:
    one = session()
    assert isinstance(
        asked(one.received('{"type":"note","id":"1","payload":{"streams":[]}}'))[0], Run
    )
    assert said(one.received('{"type":"ping","id":"p"}')) == [
        {"type": "pong", "id": "p", "payload": {}}
    ]
    assert said(session(identity=None).received('{"type":"ping"}')) == [
        {"type": "pong", "payload": {}}
    ]


def test_commands_run_one_at_a_time_in_order() -> None:
    one = session()
    frames = [NOTE.replace("?", str(n)) for n in range(2)]
    first = one.received(frames[0])
    assert one.received(frames[1]) == []
    (ask,) = [effect for effect in first if isinstance(effect, Ask)]
    second = one.answered(ask.number, Accepted({"s": E5}, b'{"n":1}'))
    assert said(second) == [
        {
            "type": "message.received",
            "payload": {"messageId": "0", "reply": {"n": 1}},
        }
    ]
    assert asked(second)[0].envelope.id == "1"


def test_commands_that_come_together_are_asked_for_together() -> None:
    one = session()
    ping = '{"type":"ping","id":"p"}'
    effects = one.burst([NOTE.replace("?", "1"), ping, NOTE.replace("?", "2"), "nonsense"])
    (run,) = asked(effects)
    assert [command.envelope.id for command in (run, *run.behind)] == ["1", "2"]
    assert [frame["type"] for frame in said(effects)] == ["pong", "error"]
    assert one.burst([]) == []


def test_a_command_waits_for_the_greeting_in_front_of_it() -> None:
    one = session(channels=("all",))
    answers = Answers(one, Rights=LATER, Run=LATER).do(one.opened(0.0))
    # The session still asks what the client may hear, so the greeting waits, and the command behind it.
    hello = '{"type":"hello","payload":{"client":"c7"}}'
    answers.do(one.burst([hello, NOTE.replace("?", "1")]))
    assert [type(question) for question in answers.asked] == [Rights]
    answers.do(one.answered(answers.open.pop(), {}))
    runs = [question for question in answers.asked if isinstance(question, Run)]
    assert [run.key.client for run in runs if run.key is not None] == ["c7"]


def test_a_client_that_takes_nothing_has_no_command_run() -> None:
    one = session()
    one.took(has_room=False)
    assert asked(one.received(NOTE.replace("?", "1"))) == []
    (run,) = asked(one.took(has_room=True))
    assert run.envelope.id == "1"


def test_the_room_for_a_burst_is_what_may_wait() -> None:
    one = session(max_waiting=3)
    rooms = [one.room]
    for number in range(4):
        one.received(NOTE.replace("?", str(number)))
        rooms.append(one.room)
    # The first one does not wait: it runs.
    assert rooms == [3, 3, 2, 1, 0]
    assert not one.wants_input


def test_positions_in_an_acknowledgement_are_those_of_streams_that_the_client_hears() -> None:
    result = Accepted({"s": E5, "secret": E5})
    answers = Answers(session(), Run=result).hear("subscribe", {"channel": "s"})
    answers.hear("note", {"streams": []}, id="1")
    assert answers.said[-1]["payload"]["positions"] == {"s": {"epoch": "e", "seq": 5}}


def test_a_refusal_and_a_failure_are_errors_that_name_the_message() -> None:
    failure = Failure("busy", "try again", is_retryable=True, after=2.0)
    answers = Answers(session(), Run=failure).hear("note", {"streams": []}, id="1")
    assert answers.said == [
        {
            "type": "error",
            "payload": {
                "code": "busy",
                "message": "try again",
                "replyTo": "1",
                "retryable": True,
                "after": 2.0,
            },
        }
    ]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no json", "bad_message"),
        ("[]", "bad_message"),
        ('{"type":1}', "bad_message"),
        ('{"type":"resume","payload":{"positions":5}}', None),
        ('{"type":"subscribe","payload":{}}', "bad_message"),
        ('{"type":"note","id":"1","payload":{"streams":7}}', "bad_message"),
        ('{"type":"note","payload":{"streams":[]}}', "no_id"),
        ('{"type":"note","id":"%s","payload":{"streams":[]}}' % ("x" * 201), "bad_id"),
    ],
)
def test_nonsense_is_answered_and_the_connection_lives(frame: str, code: str | None) -> None:
    answers = Answers(session())
    answers.do(answers.one.received(frame))
    if code is not None:
        assert [message["payload"]["code"] for message in answers.said] == [code]
    assert answers.closed is None
    assert said(answers.one.received('{"type":"ping"}')) != []


def test_a_binary_frame_is_answered() -> None:
    assert said(session().received(b"\x00"))[0]["payload"]["code"] == "bad_message"


@given(st.text() | st.binary())
def test_no_frame_breaks_a_session(frame: str | bytes) -> None:
    answers = Answers(session())
    answers.do(answers.one.received(frame))
    assert answers.closed is None


# --- tokens and rights ------------------------------------------------------------------------------------------------


def test_hello_auth_and_resume_in_one_go() -> None:
    answers = Answers(session(identity=None), ReadHeads={"s": E5})
    answers.hear("hello", {"client": "c", "maxSize": 9000}).hear("auth", {"token": "t"})
    answers.hear("resume", {"subscriptions": ["s"]})
    assert [message["type"] for message in answers.said] == ["auth.ok", "resumed"]
    assert answers.said[1]["payload"] == {
        "streams": {"s": {"recovered": False, "epoch": "e", "seq": 5, "new": True}},
        "mark": "m1",
    }
    assert answers.one.identity == "ada"


def test_a_bad_token_and_a_command_before_the_token_close() -> None:
    refused = Answers(session(identity=None), Authenticate=None).hear("auth", {"token": "t"})
    assert refused.closed == Close(4401, "the token was refused")
    early = Answers(session(identity=None)).hear("note", {"streams": []}, id="1")
    assert early.closed == Close(4401, "the first message must be auth")
    assert Answers(session(identity=None)).hear("sync", {"streams": []}).closed is not None


def test_a_client_without_token_is_closed_in_time() -> None:
    one = session(identity=None, auth_timeout=3.0)
    one.opened(100.0)
    assert one.tick(102.0) == []
    assert one.tick(103.5) == [Close(4401, "no auth message came in time")]


def test_a_token_is_in_no_repr() -> None:
    effects = session(identity=None).received('{"type":"auth","payload":{"token":"secret"}}')
    assert "secret" not in repr(effects)


def test_what_may_not_be_heard_is_refused_by_name() -> None:
    answers = Answers(session(), Rights={"b": "forbidden"}, ReadHeads={"a": E5})
    answers.hear("resume", {"subscriptions": ["a", "b", "bad*name"]})
    assert answers.said[0]["payload"]["refused"] == {
        "bad*name": {"code": "bad_channel"},
        "b": {"code": "forbidden"},
    }
    assert answers.one.channels == ("a",)
    answers.hear("subscribe", {"channel": "b"}, id="7")
    assert answers.said[1]["payload"] == {
        "code": "forbidden",
        "message": "channel 'b' is refused: forbidden",
        "replyTo": "7",
        "retryable": False,
    }


def test_a_right_that_is_lost_ends_the_subscription_with_a_fresh_token_or_at_once() -> None:
    answers = Answers(session(), Rights=[{}, {"a": "gone"}])
    answers.hear("subscribe", {"channel": "a"}).hear("auth", {"token": "new"})
    assert answers.said[-1] == {"type": "unsubscribed", "payload": {"channel": "a", "code": "gone"}}
    other = Answers(session()).hear("subscribe", {"channel": "a"})
    other.do(other.one.revoked("a", "banned"))
    assert other.said[-1]["payload"] == {"channel": "a", "code": "banned"}
    assert not other.one.hears("a")


def test_sync_of_a_stream_that_is_not_heard_is_refused() -> None:
    answers = Answers(session()).hear("sync", {"streams": ["secret"]})
    assert answers.said[0]["payload"]["code"] == "not_subscribed"
    assert not any(isinstance(question, MakeState) for question in answers.asked)


# --- resume -----------------------------------------------------------------------------------------------------------


def page(stream: str, *seqs: int, cause: Any = None, more: bool = False) -> EncodedPage:
    entries = [
        encode_entry(Entry(stream, Position("e", seq), [b'{"type":"noted"}'], cause))
        for seq in seqs
    ]
    return EncodedPage(Position("e", 9), entries, more)


def test_pending_commands_are_looked_up_after_the_heads_and_answered_before_the_replay() -> None:
    key = ("ada", "c", "x1")
    answers = Answers(session(), ReadHeads={"s": Position("e", 9)}, ReadPage=page("s", 8, 9))
    answers.answers["FindOutcomes"] = {}
    answers.hear("hello", {"client": "c"})
    from reactive_ws.server.logs import CommandKey

    answers.answers["FindOutcomes"] = {CommandKey(*key): Outcome(True, None, {"s": E5})}
    positions = {"s": {"epoch": "e", "seq": 7}}
    answers.hear("resume", {"subscriptions": ["s"], "positions": positions, "pending": ["x1"]})
    kinds = [type(question) for question in answers.asked]
    assert kinds.index(ReadHeads) < kinds.index(FindOutcomes)
    assert [message["type"] for message in answers.said] == [
        "resumed",
        "message.received",
        "noted",
        "noted",
    ]
    assert answers.said[0]["payload"]["streams"] == {
        "s": {"recovered": True, "epoch": "e", "seq": 9}
    }


def test_state_is_sent_at_once_where_the_client_asks_for_it_and_the_stream_is_lost() -> None:
    answers = Answers(
        session(), ReadHeads={"s": E5}, MakeState=StateAt(Position("e", 6), b'{"n":1}')
    ).hear("hello", {"client": "c"})
    old = {"s": {"epoch": "gone", "seq": 7}}
    answers.hear("resume", {"subscriptions": ["s"], "positions": old, "state": ["s"]})
    assert answers.said[-1] == {
        "type": "snapshot",
        "payload": {
            "stream": "s",
            "epoch": "e",
            "seq": 6,
            "part": 1,
            "parts": 1,
            "state": {"n": 1},
        },
    }


def test_cause_is_told_only_to_the_client_whose_command_it_was() -> None:
    from reactive_ws.server.logs import CommandKey

    for client, wanted in (("mine", "x1"), ("other", None)):
        cause = CommandKey("ada", "mine", "x1")
        answers = Answers(
            session(), ReadHeads={"s": Position("e", 8)}, ReadPage=page("s", 9, cause=cause)
        ).hear("hello", {"client": client})
        answers.hear("subscribe", {"channel": "s"})
        answers.do(answers.one.changed({"s"}))
        assert answers.said[-1].get("cause") == wanted


def test_an_entry_that_the_client_cannot_take_is_a_gap_that_is_told() -> None:
    large = encode_entry(
        Entry("s", Position("e", 9), [b'{"type":"noted","payload":"%s"}' % (b"x" * 3000)])
    )
    answers = Answers(
        session(),
        ReadHeads={"s": Position("e", 8)},
        ReadPage=EncodedPage(Position("e", 9), [large]),
    ).hear("hello", {"client": "c", "maxSize": 2000})
    answers.hear("subscribe", {"channel": "s"}).do(answers.one.changed({"s"}))
    assert answers.said[-1] == {
        "type": "resumed",
        "payload": {"streams": {"s": {"recovered": False, "epoch": "e", "seq": 9}}},
    }


def test_nothing_is_read_while_the_socket_has_no_room() -> None:
    answers = Answers(session(), ReadHeads={"s": Position("e", 8)}, ReadPage=page("s", 9))
    answers.hear("subscribe", {"channel": "s"}).do(answers.one.took(has_room=False))
    answers.do(answers.one.changed({"s"}))
    assert not any(isinstance(question, ReadPage) for question in answers.asked)
    answers.do(answers.one.took(has_room=True))
    assert answers.said[-1]["type"] == "noted"


def test_a_client_with_too_many_marked_streams_is_cut_off() -> None:
    heads = {f"s/{n}": E5 for n in range(5)}
    answers = Answers(session(max_marked=4), ReadHeads=heads).hear("subscribe", {"channel": "s/*"})
    answers.do(answers.one.took(has_room=False))
    answers.do(answers.one.changed(list(heads)))
    assert answers.closed == Close(1008, "more than 4 streams wait for this client", is_abort=True)


def test_a_mark_is_made_after_the_one_before_it_was_written() -> None:
    # A client drops positions of streams that it saw before its last two marks, so each of them is older than the last.
    marks = [f"m{number}" for number in range(1, 9)]
    answers = Answers(session(), MakeMark=marks, ReadPage=page("s/1", 1))
    answers.hear("resume", {"subscriptions": ["s/*"]})

    def pong() -> str:
        answers.hear("ping")
        (mark,) = [it["payload"]["mark"] for it in answers.said[-2:] if it["type"] == "pong"][-1:]
        return str(mark)

    # A stream begins and is not named, so that the next mark waits for it.
    answers.do(answers.one.took(has_room=False))
    answers.do(answers.one.changed({"s/1"}))
    assert [pong(), pong()] == ["m1", "m1"]
    # A mark is made, and the heads of the streams are read for a long time.
    answers.answers["ReadHeads"] = LATER
    assert pong() == "m1"
    made = len([one for one in answers.asked if isinstance(one, MakeMark)])
    answers.do(answers.one.took(has_room=True))
    written = pong()
    assert written == f"m{made - 1}"
    answers.do(answers.one.answered(answers.open.pop(0), {}))
    # The mark that was made before this pong is not the next one.
    assert pong() == written
    answers.do(answers.one.answered(answers.open.pop(0), {}))
    assert pong() == f"m{made + 1}"


LARGE = "\u20ac" * 1_000


def test_no_answer_to_a_command_is_larger_than_its_client_takes() -> None:
    many = {f"s/{number}": E5 for number in range(40)}
    answers = Answers(
        session(),
        ReadHeads=many,
        Run=[
            Accepted({"s/1": E5}, b'"small"'),
            Accepted({"s/1": E5}, json.dumps(LARGE).encode()),
            Accepted(many, b'"small"'),
            Failure(LARGE, LARGE),
        ],
        FindOutcomes={
            CommandKey("ada", "c", "old"): Outcome(False, json.dumps(["full", LARGE]).encode())
        },
    )
    answers.hear("hello", {"client": "c", "maxSize": 1024})
    answers.hear("resume", {"subscriptions": ["s/*"], "pending": ["old"]})
    refused = next(it["payload"] for it in answers.said if it["type"] == "error")
    assert refused["code"] == "full"
    assert LARGE.startswith(refused["message"])
    begin = len(answers.said)
    for name in ("1", "2", "3", "4"):
        answers.hear("note", {"streams": []}, id=name)
    place = {"epoch": "e", "seq": 5}
    said = [(it["type"], it["payload"]) for it in answers.said[begin:]]
    assert [kind for kind, _ in said] == [
        *("message.received", "message.received", "error", "message.received", "error", "error")
    ]
    assert said[0][1] == {"messageId": "1", "positions": {"s/1": place}, "reply": "small"}
    assert said[1][1] == {"messageId": "2", "positions": {"s/1": place}}
    assert (said[2][1]["code"], said[4][1]["code"]) == ("too_big", "too_big")
    assert "it came without its reply" in said[2][1]["message"]
    assert said[3][1] == {"messageId": "3"}
    assert said[5][1]["replyTo"] == "4"
    assert (
        max(len(json.dumps(it, ensure_ascii=False).encode()) for it in answers.said[begin:]) < 1024
    )


def test_an_entry_that_its_cause_makes_too_large_is_a_gap_for_its_own_client() -> None:
    text = json.dumps({"type": "noted", "payload": {"number": 1, "pad": "x" * 700}}).encode()
    key = CommandKey("ada", "c", "\u0001" * 200)
    entry = encode_entry(Entry("s", Position("e", 6), [text], key))
    answers = Answers(
        session(), ReadHeads={"s": E5}, ReadPage=EncodedPage(Position("e", 6), [entry])
    )
    answers.hear("hello", {"client": "c", "maxSize": 1024}).hear("subscribe", {"channel": "s"})
    answers.do(answers.one.changed({"s"}))
    assert answers.said[-1]["payload"] == {
        "streams": {"s": {"recovered": False, "epoch": "e", "seq": 6}}
    }


def test_a_log_that_is_away_closes_a_resume_and_only_delays_pages() -> None:
    away = LogUnavailable("log", "away")
    assert Answers(session(), MakeMark=away).hear("resume", {}).closed == Close(
        1013, "the log is not available"
    )
    answers = Answers(session(), ReadHeads={"s": E5}, ReadPage=[away, page("s", 6)])
    answers.hear("subscribe", {"channel": "s"}).do(answers.one.changed({"s"}))
    assert answers.closed is None
    answers.answers["ReadHeads"] = {"s": Position("e", 6)}
    answers.do(answers.one.tick(1.0))
    assert answers.said[-1]["seq"] == 6


def test_too_many_subscriptions_are_refused() -> None:
    answers = Answers(session(max_channels=1)).hear("subscribe", {"channel": "a"})
    answers.hear("subscribe", {"channel": "b"})
    assert answers.said[-1]["payload"]["code"] == "too_many"
    closed = Answers(session(max_channels=1)).hear("resume", {"subscriptions": ["a", "b"]}).closed
    assert closed is not None
    assert closed.code == 1008


def test_reading_stops_while_too_many_messages_wait() -> None:
    one = session(max_waiting=3)
    for number in range(4):
        assert one.wants_input
        one.received(NOTE.replace("?", str(number)))
    assert not one.wants_input


def test_every_client_hears_the_channels_of_the_server() -> None:
    answers = Answers(session(channels=("*",)), ReadHeads={"s": Position("e", 8)})
    answers.answers["ReadPage"] = page("s", 9)
    answers.do(answers.one.opened(10.0)).do(answers.one.tick(10.1))
    # What happens before the client's first word is held back, and not lost.
    answers.do(answers.one.changed({"s"}))
    assert [message["type"] for message in answers.said] == ["hello"]
    assert answers.one.due_at == 10.5
    answers.answers["ReadHeads"] = {"s": Position("e", 9)}
    answers.do(answers.one.tick(10.5))
    assert answers.said[-1]["seq"] == 9
    assert answers.one.due_at is None


def test_a_client_may_leave_out_names_of_the_servers_channels() -> None:
    answers = Answers(session(channels=("*",), max_channels=2), ReadHeads={"s": Position("e", 8)})
    answers.do(answers.one.opened(10.0)).hear("unsubscribe", {"channel": "s"})
    assert not answers.one.hears("s")
    assert answers.one.hears("t")
    answers.hear("subscribe", {"channel": "s"})
    assert answers.one.hears("s")
    answers.hear("unsubscribe", {"channel": "s"}).hear("unsubscribe", {"channel": "t"})
    answers.hear("unsubscribe", {"channel": "u"})
    assert answers.said[-1]["payload"]["code"] == "too_many"
    answers.hear("unsubscribe", {"channel": "*"})
    assert answers.said[-1]["payload"]["code"] == "too_many"


def test_no_client_hears_a_private_stream() -> None:
    heads = {"s": Position("e", 8), "_p": Position("e", 3)}
    answers = Answers(session(), ReadHeads=heads)
    answers.hear("subscribe", {"channel": "_p"}).hear("subscribe", {"channel": "_p/*"})
    assert [one["payload"]["code"] for one in answers.said] == ["bad_channel"] * 2
    answers.hear("subscribe", {"channel": "*"})
    assert set(answers.said[-1]["payload"]["streams"]) == {"s"}
    answers.hear("resume", {"subscriptions": ["*"], "positions": {"_p": {"epoch": "e", "seq": 1}}})
    assert set(answers.said[-1]["payload"]["streams"]) == {"s"}
    assert answers.one.changed({"_p"}) == []


def test_a_plain_client_gets_messages_without_positions_at_once() -> None:
    types = registry()
    settings = SessionSettings(channels=("*",))
    one = ServerSession(settings, types, JsonCodec(types), is_plain=True)
    answers = Answers(one, ReadHeads={"s": Position("e", 8)}, ReadPage=page("s", 9))
    answers.do(one.opened(10.0)).do(one.changed({"s"}))
    (message,) = answers.said
    assert not {"stream", "epoch", "seq"} & set(message)


def test_goaway_and_nothing_after_the_end() -> None:
    one = session()
    assert said(one.leaving(5.0)) == [{"type": "goaway", "payload": {"after": 5.0}}]
    one.ended()
    assert one.received('{"type":"ping"}') == []
    assert one.said('{"type":"noted"}') == []


# --- snapshots --------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=3000), st.integers(1100, 4000))
def test_the_parts_of_a_state_fit_and_join_to_its_text(text: str, max_size: int) -> None:
    state = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "replace")
    frames = list(snapshot_frames("s", E5, state, max_size, is_flat=False))
    assert max(len(frame.encode()) for frame in frames) <= max_size
    parts = [json.loads(frame)["payload"] for frame in frames]
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))
    assert {part["parts"] for part in parts} == {len(parts)}
    if len(parts) > 1:
        assert json.loads("".join(part["state"] for part in parts)) == json.loads(state)
    else:
        assert parts[0]["state"] == json.loads(state)


def test_a_client_without_hello_gets_the_fields_of_the_state_beside_its_position() -> None:
    (frame,) = snapshot_frames("s", E5, b'{"n":1}', 9000, is_flat=True)
    assert json.loads(frame)["payload"] == {"stream": "s", "epoch": "e", "seq": 5, "n": 1}


def test_questions_are_distinct() -> None:
    assert Rights(["a"]) != Rights(["b"])
    assert Authenticate("a") != Authenticate("b")
    assert MakeMark() == MakeMark()


def test_a_client_that_takes_nothing_cannot_make_the_server_hold_many_states() -> None:
    one = session(max_waiting=50)
    Answers(one).hear("subscribe", {"channel": "s"})
    one.took(has_room=False)
    frames = 0
    while one.wants_input:
        effects = one.received('{"type":"sync","payload":{"streams":["s"]}}')
        assert asked(effects) == []
        frames += 1
    assert frames == 50
    # A ping is answered all the same.
    assert [frame["type"] for frame in said(one.received('{"type":"ping"}'))] == ["pong"]
    (question,) = asked(one.took(has_room=True))
    assert question == MakeState("s")


def page_of(*entries: Entry) -> EncodedPage:
    return EncodedPage(entries[-1].position, [encode_entry(entry) for entry in entries])


def entry_at(seq: int, text: str = "1", cause: CommandKey | None = None) -> Entry:
    message = b'{"type":"noted","payload":{"number":%s}}' % text.encode()
    return Entry("s", Position("e", seq), (message,), cause)


def follower(hello: dict[str, Any] | None = None) -> ServerSession:
    """A session that has stream "s" up to number 5."""
    heads = {"s": E5}
    one = session()
    answers = Answers(one, Rights={}, ReadHeads=heads)
    answers.do(one.opened(0.0)).hear("hello", hello or {"client": "me"})
    answers.hear("subscribe", {"channel": "s"})
    return one


def test_an_offered_page_is_the_same_object_for_each_client_that_it_is_nothing_special_to() -> None:
    page = page_of(entry_at(6), entry_at(7))
    for _ in range(3):
        one = follower()
        assert one.offered("s", E5, page) is page.writes
        # It is at the end of the page now.
        assert one.offered("s", E5, page) is None
        assert one.offered("s", Position("e", 7), page_of(entry_at(8))) is not None
    assert [json.loads(write.frame)["seq"] for write in page.writes] == [6, 7]


def test_an_offered_page_names_the_command_of_the_client_itself_and_of_no_other() -> None:
    page = page_of(entry_at(6, cause=CommandKey("ada", "me", "c1")))
    own, other = follower(), follower({"client": "you"})
    assert [frame["cause"] for frame in said(own.offered("s", E5, page))] == ["c1"]
    assert [frame.get("cause") for frame in said(other.offered("s", E5, page))] == [None]


def test_an_offered_page_with_an_entry_that_is_too_large_for_a_client_is_a_gap_for_it() -> None:
    page = page_of(entry_at(6), entry_at(7, "1" * 3_000))
    small = follower({"client": "me", "maxSize": 2_000})
    frames = said(small.offered("s", E5, page))
    assert [frame["type"] for frame in frames] == ["noted", "resumed"]
    assert frames[1]["payload"]["streams"]["s"]["recovered"] is False


def test_what_is_behind_an_offered_page_is_asked_for() -> None:
    page = EncodedPage(Position("e", 9), [encode_entry(entry_at(6))], more=True)
    effects = follower().offered("s", E5, page)
    assert [frame["seq"] for frame in said(effects)] == [6]
    assert asked(effects) == [ReadPage("s", Position("e", 6), PAGE_BYTES)]


def test_a_session_says_which_channels_it_hears_before_it_reads_their_heads() -> None:
    one = session(channels=("d/*",))
    told: list[str] = []

    def do(effects: Any) -> None:
        for effect in effects:
            if isinstance(effect, Hear | Unhear):
                told.append(f"{type(effect).__name__} {effect.channel}")
            elif isinstance(effect, Ask):
                if isinstance(effect.question, ReadHeads):
                    told.append(f"ReadHeads {effect.question.pattern}")
                answer = {} if isinstance(effect.question, Rights | ReadHeads) else None
                do(one.answered(effect.number, answer))

    do(one.opened(0.0))
    do(one.received('{"type":"subscribe","payload":{"channel":"s/*"}}'))
    do(one.received('{"type":"unsubscribe","payload":{"channel":"s/*"}}'))
    do(one.received('{"type":"unsubscribe","payload":{"channel":"d/1"}}'))
    # The last one is a name that the pattern of the server means: only this client leaves it out.
    assert told == [
        "Hear d/*",
        "ReadHeads d/*",
        "ReadHeads d/*",
        "Hear s/*",
        "ReadHeads s/*",
        "Unhear s/*",
        "Unhear d/1",
    ]
