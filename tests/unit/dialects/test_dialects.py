"""Each dialect alone: frames in, frames out, and nothing that a server sends makes a session raise."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.connection import Phase
from reactive_ws.dialects import (
    V1,
    Acknowledged,
    Alive,
    Control,
    Dialect,
    Ended,
    Fault,
    Following,
    Frame,
    GraphqlTransportWs,
    Handshaking,
    Hangup,
    JsonRpc,
    Leaving,
    Notice,
    Opening,
    Phoenix,
    PlainJson,
    Ready,
    Refused,
    Request,
    Session,
    SocketIo,
    State,
    Step,
    TokenWanted,
    unzipped,
)
from reactive_ws.errors import MessageRejected, UsageError
from reactive_ws.testing import wire_garbage
from reactive_ws.wire import Envelope, Guarantee, Position, Registry, Snapshot, protocol_v1

TYPES = protocol_v1()


@TYPES.message("order.add", guarantee=Guarantee.AT_LEAST_ONCE)
class OrderAdd(msgspec.Struct, frozen=True):
    item: str


class Point(msgspec.Struct, frozen=True):
    x: int


@TYPES.snapshot
class Orders(Snapshot, frozen=True):
    items: tuple[str, ...] = ()


ADD = Envelope("order.add", OrderAdd("tea"), "order.add", "m1")


def opened(dialect: Dialect, opening: Opening | None = None) -> Session:
    session = dialect.session()
    selected = next(iter(dialect.subprotocols), None)
    session.opened(attrs.evolve(opening or Opening(), subprotocol=selected), 0.0)
    return session


def sent(session: Session, message: Envelope[Any]) -> Step:
    step = session.send(message, 0.0)
    return step if isinstance(step, Step) else Step((Frame(step, message.id),))


def heard(session: Session, frame: str | bytes, now: float = 0.0) -> Step:
    step = session.received(frame, now)
    return step if isinstance(step, Step) else Step(events=(step,))


def texts(step: Step) -> list[Any]:
    """Returns the frames as JSON values, those of v1 without id and time."""
    found = [json.loads(frame.data) for frame in step.frames]
    for value in found:
        if value.pop("timestamp", None) is not None and value["type"] not in ("ping", "pong"):
            del value["id"]
    return found


def says(session: Session, value: Any, now: float = 0.0) -> Step:
    return heard(session, json.dumps(value), now)


# --- v1 ---------------------------------------------------------------------------------------------------------------


def hello(**more: Any) -> dict[str, Any]:
    return {"type": "hello", "payload": {"epoch": "e", "heartbeat": 20, "maxSize": 100, **more}}


def test_v1_is_ready_after_the_hello_when_there_is_nothing_to_resume() -> None:
    step = says(opened(V1(TYPES)), hello())
    assert step.frames == ()
    assert step.events[1:] == (Ready(beat=20.0, max_size=100),)


def test_v1_sends_the_token_and_resumes_before_it_is_ready() -> None:
    session = opened(V1(TYPES), Opening("secret", positions={"s": Position("e", 4)}))
    assert texts(says(session, hello(resume=True))) == [
        {"type": "auth", "payload": {"token": "secret"}}
    ]
    assert texts(says(session, {"type": "auth.ok"})) == [
        {"type": "resume", "payload": {"streams": {"s": {"epoch": "e", "seq": 4}}}}
    ]
    answer = {"streams": {"s": {"recovered": True, "epoch": "e", "seq": 9}}}
    step = says(session, {"type": "resumed", "payload": answer})
    assert step.events[1:] == (
        Following("s", "s", Position("e", 9), is_recovered=True),
        Ready(beat=20.0, max_size=100, is_recovered=True),
    )


def test_v1_names_itself_to_a_server_with_features_and_says_all_in_one_go() -> None:
    opening = Opening(
        "secret",
        subscriptions=("s",),
        positions={"s": Position("e", 4)},
        pending=("m1",),
        client="c",
    )
    session = opened(V1(TYPES), opening)
    assert texts(says(session, hello(features=["more"], maxSize=100_000))) == [
        {
            "type": "hello",
            "payload": {"features": ["cause", "more", "snapshot-parts"], "client": "c"},
        },
        {"type": "auth", "payload": {"token": "secret"}},
        {
            "type": "resume",
            "payload": {
                "subscriptions": ["s"],
                "positions": {"s": {"epoch": "e", "seq": 4}},
                "pending": ["m1"],
            },
        },
    ]
    assert says(session, {"type": "auth.ok"}).events[1:] == ()
    row = {"recovered": True, "epoch": "e", "seq": 4}
    step = says(session, {"type": "resumed", "payload": {"streams": {"s": row}, "mark": "m"}})
    ready = Ready(beat=20.0, max_size=100_000, is_recovered=True, is_subscribed=True)
    assert step.events[-1] == ready
    assert session.memory["mark"] == "m"


def test_v1_asks_a_server_that_cannot_replay_for_snapshots() -> None:
    session = opened(V1(TYPES), Opening(positions={"s": Position("e", 4)}))
    step = says(session, hello())
    assert texts(step) == [{"type": "sync", "payload": {"streams": ["s"]}}]
    assert isinstance(step.events[-1], Ready)


def test_v1_gives_messages_acknowledgements_refusals_and_states() -> None:
    session = opened(V1(TYPES))
    says(session, hello())
    frames = sent(session, ADD).frames
    assert frames[0].of == "m1"
    assert json.loads(frames[0].data) == {
        "type": "order.add",
        "id": "m1",
        "payload": {"item": "tea"},
    }
    (acknowledged,) = says(
        session, {"type": "message.received", "payload": {"messageId": "m1"}}
    ).events
    assert isinstance(acknowledged, Acknowledged)
    assert acknowledged.id == "m1"
    complaint = {"code": "full", "message": "no room", "replyTo": "m2", "retryable": True}
    (refused,) = says(session, {"type": "error", "payload": complaint}).events
    assert isinstance(refused, Refused)
    assert (refused.id, refused.code, refused.is_retryable) == ("m2", "full", True)
    (state,) = says(
        session,
        {"type": "snapshot", "payload": {"stream": "s", "epoch": "e", "seq": 7, "items": ["a"]}},
    ).events
    assert isinstance(state, State)
    assert (state.position, state.message.payload) == (
        Position("e", 7),
        Orders("s", "e", 7, ("a",)),
    )
    (message,) = says(session, {"type": "order.add", "payload": {"item": "milk"}}).events
    assert isinstance(message, Envelope)
    assert message.payload == OrderAdd("milk")


def test_v1_takes_an_answer_in_several_frames_with_what_the_server_refuses() -> None:
    session = opened(V1(TYPES), Opening(positions={"s": Position("e", 4)}))
    says(session, hello(resume=True))
    stream = {"recovered": False, "epoch": "f", "seq": 2}
    first = says(session, {"type": "resumed", "payload": {"streams": {"s": stream}, "more": True}})
    assert first.events[1:] == (Following("s", "s", Position("f", 2), is_recovered=False),)
    rest = {"streams": {}, "refused": {"t": {"code": "forbidden"}}}
    last = says(session, {"type": "resumed", "payload": rest})
    assert last.events[1:] == (
        Ended("t", "forbidden"),
        Ready(beat=20.0, max_size=100, is_recovered=False),
    )
    ended = says(session, {"type": "unsubscribed", "payload": {"channel": "s", "code": "revoked"}})
    assert ended.events[0] == Ended("s", "revoked")


def test_v1_does_not_take_the_answer_to_an_unsubscribe_for_the_end_of_a_later_subscription() -> (
    None
):
    session = opened(V1(TYPES))
    says(session, hello(resume=True))
    session.subscribe("s", 0.0)
    session.unsubscribe("s", 0.0)
    session.subscribe("s", 0.0)
    answer = {"type": "unsubscribed", "payload": {"channel": "s"}}
    assert [type(event) for event in says(session, answer).events] == [Control]
    says(session, {"type": "subscribed", "payload": {"channel": "s"}})
    session.unsubscribe("s", 0.0)
    assert says(session, answer).events[0] == Ended("s")


FEATURES = ["cause", "more", "snapshot-parts"]


def test_v1_keeps_no_mark_that_a_resume_could_not_carry_and_says_so_once() -> None:
    session = opened(V1(TYPES), Opening(memory={"mark": "m1"}))
    says(session, hello(features=FEATURES))
    step = says(session, {"type": "resumed", "payload": {"streams": {}, "mark": "m" * 201}})
    assert [str(event.error) for event in step.events if isinstance(event, Notice)] == [
        "a 'resumed' message was rejected: a mark of 201 characters was left out: a mark has at most 200"
    ]
    assert session.memory["mark"] == "m1"
    step = says(session, {"type": "pong", "payload": {"mark": "m" * 201}, "id": "p"})
    assert not [event for event in step.events if isinstance(event, Notice)]
    says(session, {"type": "pong", "payload": {"mark": "m" * 200}, "id": "p"})
    assert session.memory["mark"] == "m" * 200


@pytest.mark.parametrize("limit", [None, 30_000, 65_536])
def test_no_frame_of_a_resume_is_larger_than_the_server_takes(limit: int | None) -> None:
    mark, epoch = "\x01" * 200, "\x01" * 200
    names = tuple(f"{number:03}" + "\x01" * 197 for number in range(700))
    for count in (4, 700):
        opening = Opening(
            subscriptions=names[:count],
            positions={name: Position(epoch, 2**60) for name in names[:count]},
            pending=names[:count],
            memory={"mark": mark},
        )
        session = opened(V1(TYPES), opening)
        step = says(session, hello(features=FEATURES, maxSize=limit))
        sizes = [len(frame.data) for frame in step.frames]
        assert max(sizes) <= (limit or 524_288)
        resumes = [json.loads(frame.data)["payload"] for frame in step.frames][1:]
        assert [one.get("more", False) for one in resumes] == [True] * (len(resumes) - 1) + [False]
        named = [name for one in resumes for name in one.get("positions", ())]
        assert named == list(names[:count])


def test_no_sync_is_larger_than_the_server_takes() -> None:
    session = opened(V1(TYPES))
    says(session, hello(features=FEATURES, maxSize=10_000))
    says(session, {"type": "resumed", "payload": {"streams": {}}})
    streams = [f"stream-{number:04}" for number in range(1_000)]
    pending = [f"message-{number:04}" for number in range(1_000)]
    step = session.sync(streams, 0.0, pending)
    asked = [json.loads(frame.data)["payload"] for frame in step.frames]
    assert max(len(frame.data) for frame in step.frames) <= 10_000
    assert list(dict.fromkeys(name for one in asked for name in one["streams"])) == streams
    assert [name for one in asked for name in one.get("pending", ())] == pending


def test_a_resume_without_an_answer_is_tried_in_smaller_frames() -> None:
    positions = {f"stream-{number:06}": Position("epoch", 1) for number in range(10_000)}
    memory: Mapping[str, str] = {}
    largest: list[int] = []
    for _ in range(7):
        session = opened(V1(TYPES), Opening(positions=positions, memory=memory))
        frames = says(session, hello(features=FEATURES, maxSize=None)).frames
        largest.append(max(len(frame.data) for frame in frames))
        memory = session.memory
    limits = [524_288, 262_144, 131_072, 65_536, 32_768, 16_384, 16_384]
    assert all(limit / 2 < size <= limit for size, limit in zip(largest, limits, strict=True))
    # What was answered is what later connections try.
    says(session, {"type": "resumed", "payload": {"streams": {}}})
    assert session.memory["frame"] == "16384"
    session = opened(V1(TYPES), Opening(positions=positions))
    says(session, hello(features=FEATURES, maxSize=None))
    says(session, {"type": "resumed", "payload": {"streams": {}}})
    assert "frame" not in session.memory


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "0", "-5"])
@pytest.mark.parametrize("field", ["heartbeat", "maxSize", "window", "dedup"])
def test_a_number_out_of_range_in_a_hello_takes_its_default_and_is_reported(
    field: str, number: str
) -> None:
    session = opened(V1(TYPES))
    frame = f'{{"type":"hello","payload":{{"heartbeat":20,"maxSize":100,"window":50,"dedup":7,"{field}":{number}}}}}'
    step = heard(session, frame)
    ready = Ready(beat=20.0, max_size=100, window=50, keeps_outcomes=7.0)
    changed = {"heartbeat": "beat", "maxSize": "max_size", "dedup": "keeps_outcomes"}
    assert step.events[-1] == attrs.evolve(ready, **{changed.get(field, field): None})
    assert len([event for event in step.events if isinstance(event, Notice)]) == 1


def test_v1_says_where_the_effects_of_a_message_are_and_when_to_send_it_again() -> None:
    session = opened(V1(TYPES))
    says(session, hello())
    positions = {"s": {"epoch": "e", "seq": 5}}
    payload = {"messageId": "m1", "positions": positions, "reply": 7}
    (acknowledged,) = says(session, {"type": "message.received", "payload": payload}).events
    assert isinstance(acknowledged, Acknowledged)
    assert (acknowledged.reply, acknowledged.positions) == (7, {"s": Position("e", 5)})
    busy = {"code": "busy", "message": "", "replyTo": "m2", "retryable": True, "after": 2.5}
    (refused,) = says(session, {"type": "error", "payload": busy}).events
    assert isinstance(refused, Refused)
    assert (refused.is_retryable, refused.after) == (True, 2.5)


def test_v1_answers_pings_proves_life_and_hears_that_the_server_leaves() -> None:
    session = opened(V1(TYPES))
    (answer,) = texts(says(session, {"type": "ping", "id": "p"}))
    assert (answer["type"], answer["id"]) == ("pong", "p")
    asked = session.prove("q", 0.0)
    assert asked is not None
    (question,) = texts(asked)
    assert (question["type"], question["id"]) == ("ping", "q")
    assert says(session, {"type": "pong", "id": "q"}).events[0] == Alive("q", is_answer=True)
    assert says(session, {"type": "goaway", "payload": {"after": 3}}).events[0] == Leaving(3.0)


def test_a_bad_field_is_named_in_its_message_and_noticed_in_one_of_the_connection() -> None:
    session = opened(V1(TYPES))
    says(session, hello())
    (message,) = says(session, {"type": "order.add", "seq": "x", "payload": {"item": "tea"}}).events
    assert isinstance(message, Envelope)
    assert len(message.problems) == 1
    step = says(session, {"type": "ping", "seq": "x"})
    assert [type(event) for event in step.events] == [Notice, Alive, Control]


# --- plain ------------------------------------------------------------------------------------------------------------


def exchange() -> PlainJson:
    return PlainJson(
        TYPES,
        tag=lambda it: it.get("op"),
        payload=None,
        channel=lambda it: it["topic"],
        login=lambda token: {"op": "login", "key": token},
        is_ready=lambda it: it.get("op") == "welcome",
        subscribe=lambda name: {"op": "subscribe", "args": [name]},
        unsubscribe=lambda name, _: {"op": "unsubscribe", "args": [name]},
        ping=lambda: {"op": "ping"},
        is_pong=lambda it: it.get("op") == "pong",
        id="req",
    )


def test_plain_json_logs_in_and_is_ready_when_the_server_says_so() -> None:
    session = exchange().session()
    step = session.opened(Opening("key"), 0.0)
    waits = Handshaking(Phase.AUTHENTICATING, "answer to the login")
    assert (texts(step), step.events) == ([{"op": "login", "key": "key"}], (waits,))
    assert says(session, {"op": "welcome", "topic": "t"}).events[0] == Ready()


def test_plain_json_finds_several_messages_in_a_frame_and_a_bad_one_alone_is_a_fault() -> None:
    session = opened(exchange())
    step = says(session, [{"op": "a", "topic": "x"}, 7, {"op": "b"}, {"op": "c", "topic": "y"}])
    assert [type(event) for event in step.events] == [Envelope, Fault, Fault, Envelope]
    assert [it.channel for it in step.events if isinstance(it, Envelope)] == ["x", "y"]


def test_plain_json_subscribes_and_reads_answers_by_id() -> None:
    session = opened(exchange())
    assert texts(session.subscribe("book", 0.0)) == [{"op": "subscribe", "args": ["book"]}]
    assert [it["op"] for it in texts(session.sync(["book"], 0.0))] == ["unsubscribe", "subscribe"]
    assert texts(sent(session, ADD)) == [{"item": "tea", "req": "m1"}]
    step = says(session, {"op": "done", "req": "m1", "topic": "t"})
    assert isinstance(step.events[0], Acknowledged)
    sent(session, ADD)
    assert says(session, {"op": "done", "req": "m1", "error": "no", "topic": "t"}).events[
        0
    ] == Refused("m1", "refused", "no")
    assert exchange().capabilities.acknowledges
    assert not PlainJson().capabilities.acknowledges


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"order.add","item":"tea"}',
        '{"item":"tea","type":"order.add","more":[1,2]}',
        '{"type":"order.add","item":7}',
        '{"type":"unknown","item":7}',
        '{"type":7}',
        '{"item":"tea"}',
        '[{"type":"order.add","item":"tea"},{"type":"unknown"}]',
        "7",
        "no json",
    ],
)
def test_plain_json_reads_a_frame_in_one_pass_as_it_does_in_two(frame: str) -> None:
    """With `channel=` there is no short way, because its function wants the whole object."""
    short = opened(PlainJson(TYPES, payload=None))
    long = opened(PlainJson(TYPES, payload=None, channel=lambda it: it["type"]))
    found, wanted = heard(short, frame), heard(long, frame)
    assert repr(found) == repr(wanted)


def test_plain_json_keeps_every_digit_of_a_number_in_the_short_way() -> None:
    types = Registry()
    types.message("price")(msgspec.defstruct("Price", [("value", Decimal)]))
    (message,) = heard(
        opened(PlainJson(types, payload=None)), '{"type":"price","value":0.12345678901234567890}'
    ).events
    assert isinstance(message, Envelope)
    assert message.payload.value == Decimal("0.12345678901234567890")


def test_plain_json_says_what_it_cannot_write() -> None:
    session = opened(PlainJson(TYPES, payload=lambda it: it["data"]))
    with pytest.raises(MessageRejected, match="pass write="):
        session.send(ADD, 0.0)


def test_plain_json_writes_the_answer_that_an_element_wants() -> None:
    session = opened(PlainJson(answer=lambda it: {"pong": it["ping"]} if "ping" in it else None))
    step = says(session, {"ping": 7})
    assert (texts(step), step.events) == ([{"pong": 7}], ())


def test_plain_json_asks_for_life_in_the_words_of_the_server() -> None:
    session = opened(exchange())
    asked = session.prove("p", 0.0)
    assert asked is not None
    assert texts(asked) == [{"op": "ping"}]
    assert says(session, {"op": "pong"}).events == (Alive("p", is_answer=True),)
    assert opened(PlainJson()).prove("p", 0.0) is None


# --- graphql ----------------------------------------------------------------------------------------------------------


def test_graphql_subscribes_and_ends_what_was_subscribed() -> None:
    session = GraphqlTransportWs().session()
    assert texts(session.opened(Opening("t"), 0.0)) == [
        {"type": "connection_init", "payload": {"token": "t"}}
    ]
    assert says(session, {"type": "connection_ack"}).events == (Ready(),)
    assert says(session, {"type": "connection_ack"}).events == ()
    (request,) = texts(session.subscribe("subscription { a }", 0.0))
    assert request["payload"] == {"query": "subscription { a }"}
    (event,) = says(session, {"type": "next", "id": request["id"], "payload": 1}).events
    assert isinstance(event, Envelope)
    assert (event.type, event.channel, event.payload) == ("graphql.next", "subscription { a }", 1)
    failed = {"type": "error", "id": request["id"], "payload": [{"message": "no field"}]}
    assert says(session, failed).events == (Ended("subscription { a }", "graphql", "no field"),)
    assert says(session, {"type": "next", "id": request["id"], "payload": 2}).events == ()


def test_graphql_acknowledges_an_operation_with_its_result_and_refuses_errors() -> None:
    session = opened(GraphqlTransportWs())
    sent(session, ADD)
    assert says(session, {"type": "next", "id": "m1", "payload": {"data": 5}}).events == ()
    assert says(session, {"type": "complete", "id": "m1"}).events == (
        Acknowledged("m1", {"data": 5}),
    )
    sent(session, ADD)
    says(session, {"type": "next", "id": "m1", "payload": {"errors": [{"message": "bad"}]}})
    assert says(session, {"type": "complete", "id": "m1"}).events == (
        Refused("m1", "graphql", "bad"),
    )


# --- JSON-RPC ---------------------------------------------------------------------------------------------------------


def test_json_rpc_calls_is_called_and_reads_batches() -> None:
    session = opened(JsonRpc(TYPES))
    (call,) = texts(sent(session, ADD))
    assert call == {"jsonrpc": "2.0", "id": "m1", "method": "order.add", "params": {"item": "tea"}}
    step = says(
        session,
        [
            {"jsonrpc": "2.0", "id": "m1", "result": 5},
            {"jsonrpc": "2.0", "method": "order.add", "params": {"item": "milk"}},
            {"jsonrpc": "2.0", "method": "order.add", "params": {"item": "eggs"}, "id": 9},
            {"jsonrpc": "2.0", "id": "late", "result": 5},
            "noise",
        ],
    )
    acknowledged, message, request, fault = step.events
    assert acknowledged == Acknowledged("m1", 5)
    assert isinstance(message, Envelope)
    assert message.payload == OrderAdd("milk")
    assert isinstance(request, Request)
    assert isinstance(fault, Fault)
    assert texts(session.answer(request.reference, "ok", 0.0)) == [
        {"jsonrpc": "2.0", "id": 9, "result": "ok"}
    ]


def test_json_rpc_login_and_refusals() -> None:
    session = JsonRpc(login="rpc.login").session()
    (call,) = texts(session.opened(Opening("t"), 0.0))
    assert (call["method"], call["params"]) == ("rpc.login", ["t"])
    error = {"code": -1, "message": "who are you"}
    assert says(session, {"id": call["id"], "error": error}).events == (TokenWanted("who are you"),)
    sent(session, ADD)
    assert says(session, {"id": "m1", "error": error}).events == (
        Refused("m1", "-1", "who are you"),
    )
    (call,) = texts(session.subscribe("tick", 0.0))
    assert says(
        session, {"id": call["id"], "result": {"tick": "provided event invalid"}}
    ).events == (Ended("tick", "rpc", "provided event invalid"),)


# --- Socket.IO --------------------------------------------------------------------------------------------------------

OPEN = '0{"sid":"x","pingInterval":300,"pingTimeout":200,"maxPayload":1000}'


def joined() -> Session:
    session = opened(SocketIo(), Opening("t"))
    session.received(OPEN, 1.0)
    session.received('40{"sid":"s","pid":"p"}', 1.0)
    return session


def test_socket_io_joins_with_the_token_and_watches_the_silence() -> None:
    dialect = SocketIo()
    assert dialect.address("ws://h/socket.io/") == "ws://h/socket.io/?EIO=4&transport=websocket"
    session = opened(dialect, Opening("t"))
    (frame,) = heard(session, OPEN, 1.0).frames
    assert frame.data == '40{"token":"t"}'
    assert heard(session, '40{"sid":"s","pid":"p"}', 1.0).events == (
        Ready(silence=0.5, max_size=1000),
    )
    assert session.deadline == 1.5
    assert [frame.data for frame in session.received("2", 2.0).frames] == ["3"]
    assert session.deadline == 2.5
    assert isinstance(session.tick(2.5).events[0], Hangup)


def test_socket_io_resumes_from_the_last_offset() -> None:
    session = joined()
    (message,) = heard(session, '42["tick",5,"offset-1"]', 1.0).events
    assert isinstance(message, Envelope)
    assert message.payload == 5
    assert session.memory == {"pid": "p", "offset": "offset-1"}
    again = opened(SocketIo(), Opening(memory=session.memory))
    (frame,) = again.received(OPEN, 1.0).frames
    assert frame.data == '40{"pid":"p","offset":"offset-1"}'


def test_socket_io_sends_and_reads_binary_attachments() -> None:
    session = joined()
    photo = sent(session, Envelope("photo", ["cat", b"\x01\x02"], "photo", "m1"))
    head, part = photo.frames
    assert head.data == '451-1["photo","cat",{"_placeholder":true,"num":0}]'
    assert (head.of, part.data, part.of) == (None, b"\x01\x02", "m1")
    assert heard(session, '461-1[{"_placeholder":true,"num":0}]', 1.0).events == ()
    assert heard(session, b"\x03", 1.0).events == (Acknowledged("m1", [b"\x03"]),)
    bad = session.received('451-["x",{"_placeholder":true,"num":4}]', 1.0)
    assert bad.events == ()
    assert isinstance(heard(session, b"", 1.0).events[0], Fault)


def test_socket_io_answers_an_event_of_the_server() -> None:
    session = joined()
    (request,) = heard(session, '427["ask","why"]', 1.0).events
    assert isinstance(request, Request)
    (frame,) = session.answer(request.reference, ["because"], 1.0).frames
    assert frame.data == '437["because"]'


def test_socket_io_takes_no_packet_with_attachments_without_end() -> None:
    (event,) = joined().received('451001-["x"]', 1.0).events
    assert isinstance(event, Hangup)


# --- all --------------------------------------------------------------------------------------------------------------

DIALECTS: list[Callable[[], Dialect]] = [
    lambda: V1(TYPES),
    exchange,
    PlainJson,
    GraphqlTransportWs,
    JsonRpc,
    SocketIo,
    lambda: Phoenix(topic="room"),
]
WORDS = st.sampled_from(
    [
        "type",
        "id",
        "payload",
        "method",
        "params",
        "result",
        "error",
        "op",
        "topic",
        "req",
        "pid",
        "sid",
        "_placeholder",
        "num",
        "next",
        "ping",
        "status",
        "response",
        "reason",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS | st.just("m1") | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
SOCKET_IO = st.builds(str.__add__, st.text("0123456-", max_size=6), VALUES.map(json.dumps))
FRAMES = (
    VALUES.map(json.dumps)
    | SOCKET_IO
    | st.lists(
        VALUES | st.sampled_from(["1", "2", "room", "phx_reply"]), min_size=5, max_size=5
    ).map(json.dumps)
    | st.tuples(st.sampled_from([0, 1, 2]), st.binary(max_size=20)).map(
        lambda it: bytes([it[0]]) + it[1]
    )
    | st.binary(max_size=9)
    | st.text(max_size=9)
    | wire_garbage(TYPES).map(lambda it: it.frame)
)


@pytest.mark.parametrize("make", DIALECTS, ids=lambda make: type(make()).__name__)
@given(frames=st.lists(FRAMES, max_size=8))
@settings(max_examples=150, deadline=None)
def test_no_frame_makes_a_session_raise_and_ready_comes_once(
    make: Callable[[], Dialect], frames: list[str | bytes]
) -> None:
    session = opened(make(), Opening("t", positions={"s": Position("e", 1)}))
    sent(session, ADD)
    events = [event for frame in frames for event in heard(session, frame, 1.0).events]
    assert sum(isinstance(event, Ready) for event in events) <= 1
    assert json.dumps(dict(session.memory))


@pytest.mark.parametrize("make", DIALECTS, ids=lambda make: type(make()).__name__)
def test_a_payload_that_json_cannot_express_is_rejected(make: Callable[[], Dialect]) -> None:
    session = opened(make())
    with pytest.raises(MessageRejected):
        session.send(Envelope("order.add", {"item": object()}, "order.add", "m1"), 0.0)


@pytest.mark.parametrize("make", DIALECTS, ids=lambda make: type(make()).__name__)
def test_a_session_has_every_method_of_the_protocol(make: Callable[[], Dialect]) -> None:
    dialect = make()
    session = opened(dialect)
    steps = [
        session.subscribe("c", 0.0),
        session.unsubscribe("c", 0.0),
        session.sync(["c"], 0.0),
        session.authenticate("t", 0.0),
        session.tick(0.0),
    ]
    assert all(isinstance(step, Step) for step in steps)
    assert dialect.name
    assert dialect.address("ws://h/").startswith("ws://h/")
    assert set(dialect.closes) <= set(range(1000, 5000))


# --- plain JSON in other frames ---------------------------------------------------------------------------------------


def said(step: Any) -> list[Any]:
    """Returns the messages of a step, and the reasons of its faults."""
    return [it.payload if isinstance(it, Envelope) else str(it.error) for it in step.events]


def test_plain_json_reads_several_texts_of_one_frame_and_a_bad_one_harms_no_other() -> None:
    dialect = PlainJson(separator="\x1e")
    session = dialect.session()
    session.opened(Opening(), 0.0)
    frame = '{"type":"a","payload":1}\x1e{"type":\x1e\x1e[{"type":"b","payload":2}]\x1e'
    one, bad, two = said(session.received(frame, 0.0))
    assert (one, two) == (1, 2)
    assert "it is not JSON" in bad
    written = session.send(Envelope("c", 3, "c", "id"), 0.0)
    assert [it.data for it in written.frames] == ['{"type":"c","payload":3}\x1e']


def test_plain_json_reads_flat_messages_of_one_frame_into_their_classes() -> None:
    types = Registry()
    types.message("point")(Point)
    session = PlainJson(types, payload=None, separator="\n").session()
    session.opened(Opening(), 0.0)
    step = session.received('{"type":"point","x":1}\n{"type":"point","x":2}\n', 0.0)
    assert said(step) == [Point(1), Point(2)]


def test_plain_json_unpacks_binary_frames_and_says_what_unpacking_raised() -> None:
    session = PlainJson(unpack=lambda data: zlib.decompress(data).decode()).session()
    session.opened(Opening(), 0.0)
    packed = zlib.compress(b'{"type":"a","payload":1}')
    assert said(session.received(packed, 0.0)) == [1]
    fault = session.received(b"no zlib", 0.0)
    assert isinstance(fault, Fault)
    assert "unpack= of the dialect raised error" in str(fault.error)


def test_plain_json_answers_texts_that_are_not_json() -> None:
    dialect = PlainJson(
        ping=lambda: "ping",
        is_pong=lambda it: it == "pong",
        answer=lambda it: "pong" if it == "ping" else None,
    )
    session = dialect.session()
    session.opened(Opening(), 0.0)
    asked = session.prove("t1", 0.0)
    assert asked is not None
    assert [it.data for it in asked.frames] == ["ping"]
    assert session.received("pong", 0.0) == Step(events=(Alive("t1", is_answer=True),))
    step = session.received("ping", 0.0)
    assert isinstance(step, Step)
    assert [it.data for it in step.frames] == ["pong"]
    assert "it is not JSON" in said(session.received("pang", 0.0))[0]
    # A function that expects an object says no more about a text than that it is none.
    strict = PlainJson(is_pong=lambda it: it["type"] == "pong").session()
    strict.opened(Opening(), 0.0)
    assert "it is not JSON" in said(strict.received("pong", 0.0))[0]


def test_what_a_dialect_remembers_of_a_connection_has_a_bound_and_ends_with_it() -> None:
    seen: list[int] = []

    def read(it: Any, known: dict[Any, Any]) -> list[Any]:
        known[it["n"]] = it
        seen.append(len(known))
        return [it, it] if it["n"] == 1 else []

    dialect = PlainJson(read=read)
    session = dialect.session()
    session.opened(Opening(), 0.0)
    assert said(session.received('{"type":"a","payload":1,"n":1}', 0.0)) == [1, 1]
    for number in range(10_005):
        session.received(f'{{"n":{number}}}', 0.0)
    assert max(seen) == seen[-1] == 10_001
    dialect.session().received('{"n":1}', 0.0)
    assert seen[-1] == 1


def test_a_message_may_be_several_frames_and_is_acknowledged_by_the_last_one() -> None:
    dialect = PlainJson(id="id", write=lambda name, it: [{"op": name, "of": one} for one in it])
    session = dialect.session()
    session.opened(Opening(), 0.0)
    step = session.send(Envelope("watch", ["a", "b"], "watch", "w1"), 0.0)
    assert [(it.data, it.of) for it in step.frames] == [
        ('{"op":"watch","of":"a"}', None),
        ('{"op":"watch","of":"b","id":"w1"}', "w1"),
    ]
    answer = session.received('{"id":"w1"}', 0.0)
    assert isinstance(answer, Step)
    assert [it.id for it in answer.events if isinstance(it, Acknowledged)] == ["w1"]


def numbered(**more: Any) -> PlainJson:
    return PlainJson(
        id="id",
        numbers=True,
        subscribe=lambda name: {"sub": name},
        unsubscribe=lambda name, number: {"end": name, "of": number},
        **more,
    )


def test_a_subscription_ends_with_the_id_that_the_server_gave_it() -> None:
    session = opened(numbered(subscription_id="chan"))
    assert texts(session.subscribe("tea", 0.0)) == [{"sub": "tea", "id": 1}]
    assert says(session, {"id": 1, "chan": 17}) == Step()
    assert texts(session.unsubscribe("tea", 0.0)) == [{"end": "tea", "of": 17, "id": 2}]
    # Nothing is left to end.
    assert session.unsubscribe("tea", 0.0) == Step()


def test_a_subscription_without_an_answer_ends_when_the_answer_is_there() -> None:
    session = opened(numbered(subscription_id="chan"))
    session.subscribe("tea", 0.0)
    assert session.unsubscribe("tea", 0.0) == Step()
    assert texts(says(session, {"id": 1, "chan": "x1"})) == [{"end": "tea", "of": "x1", "id": 2}]
    # Asked again before the answer, it goes on.
    session.subscribe("tea", 0.0)
    session.unsubscribe("tea", 0.0)
    assert session.subscribe("tea", 0.0) == Step(events=(Following("tea"),))
    assert says(session, {"id": 3, "chan": 18}) == Step()
    assert texts(session.unsubscribe("tea", 0.0)) == [{"end": "tea", "of": 18, "id": 4}]


def test_a_refused_subscription_with_ids_of_the_server_is_over() -> None:
    session = opened(numbered(subscription_id="chan"))
    session.subscribe("tea", 0.0)
    assert says(session, {"id": 1, "error": "no tea"}).events == (
        Ended("tea", "refused", "no tea"),
    )
    assert session.unsubscribe("tea", 0.0) == Step()
    session.subscribe("tea", 0.0)
    session.unsubscribe("tea", 0.0)
    assert says(session, {"id": 2, "error": "no tea"}) == Step()
    session.subscribe("tea", 0.0)
    assert "has no 'chan'" in said(says(session, {"id": 3, "chan": None}))[0]


def test_a_late_refusal_of_a_subscription_does_not_end_the_next_one() -> None:
    session = opened(numbered())
    session.subscribe("tea", 0.0)
    session.unsubscribe("tea", 0.0)
    session.subscribe("tea", 0.0)
    assert says(session, {"id": 1, "error": "slow down"}) == Step()
    assert says(session, {"id": 3, "error": "no"}).events == (Ended("tea", "refused", "no"),)


def test_ids_of_subscriptions_need_the_numbers_that_they_are_answered_by() -> None:
    with pytest.raises(UsageError, match="numbers=True needs id="):
        PlainJson(numbers=True)
    with pytest.raises(UsageError, match="subscription_id= needs id= and numbers=True"):
        PlainJson(id="id", subscription_id="chan")


def test_answers_that_never_come_fill_no_memory_with_subscriptions() -> None:
    session = numbered(subscription_id="chan").session()
    session.opened(Opening(), 0.0)
    for number in range(10_005):
        session.subscribe(f"c{number}", 0.0)
        session.unsubscribe(f"c{number}", 0.0)
    held = (session._questions, session._given, session._leaving)
    assert [len(it) for it in held] == [10_000] * 3


def test_a_compressed_frame_is_unzipped_up_to_a_limit() -> None:
    text = json.dumps({"type": "a", "payload": "\u00e9" * 50})
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    assert unzipped(gzip.compress(text.encode())) == unzipped(zlib.compress(text.encode())) == text
    assert unzipped(raw.compress(text.encode()) + raw.flush(), is_raw=True) == text
    assert unzipped(gzip.compress(b"12345"), max_size=5) == "12345"
    with pytest.raises(ValueError, match="more than 4 bytes"):
        unzipped(gzip.compress(b"12345"), max_size=4)
    with pytest.raises(ValueError, match="more than 16777216 bytes"):
        unzipped(gzip.compress(bytes(2**25)))
    for bad in (b"", b"no gzip", gzip.compress(b"1")[:-9], gzip.compress(b"1") * 2, b"{}"):
        with pytest.raises(ValueError, match=r"unzipped|one whole"):
            unzipped(bad)
    session = opened(PlainJson(unpack=unzipped))
    assert said(heard(session, gzip.compress(b'{"type":"a","payload":1}'))) == [1]
    assert "it cannot be unzipped" in said(heard(session, b"no gzip"))[0]
