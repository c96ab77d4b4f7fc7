"""A message whose type comes first is decoded in one pass; it must be what the long way makes of the same message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.errors import MessageRejected
from reactive_ws.stores.wire.chat import SessionClosed, agent_chat
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.control import GoAway
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import protocol_v1

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)
payloads = json_values | st.fixed_dictionaries({}, optional={
    "sessionId": json_values | st.text(max_size=3),
    "messageId": st.text(max_size=3),
    "title": json_values,
    "createdAt": json_values,
    "offset": st.integers(0, 3),
    "text": st.text(max_size=3),
    "done": st.booleans() | st.none(),
})  # fmt: skip
fields = st.fixed_dictionaries({}, optional={
    "payload": payloads,
    "channel": json_values | st.text(max_size=3),
    "id": json_values | st.text(max_size=3),
    "stream": json_values | st.just("s"),
    "epoch": st.none() | st.just("e"),
    "seq": json_values | st.integers(1, 9),
    "timestamp": json_values | st.just("2026-01-01T00:00:00Z"),
    "redelivered": st.booleans() | st.none(),
    "problems": st.just(["made up"]) | st.none(),
    "other": json_values,
})  # fmt: skip
types = st.sampled_from(["session.created", "session.closed", "message.delta", "pong", "nobody's"])


def outcome(codec: JsonCodec, frame: str) -> Any:
    try:
        return codec.decode(frame)
    except MessageRejected as error:
        return str(error)


@given(kind=types, rest=fields, separators=st.sampled_from([(",", ":"), (", ", ": ")]))
def test_one_pass_and_the_long_way_agree(
    kind: str, rest: dict[str, Any], separators: tuple[str, str]
) -> None:
    codec = JsonCodec(agent_chat())
    first = json.dumps({"type": kind, **rest}, separators=separators)
    last = json.dumps({**rest, "type": kind}, separators=separators)
    expected = outcome(codec, last)
    # The first one of a type goes the long way too; the second is the one that counts.
    assert [outcome(codec, first), outcome(codec, first)] == [expected, expected]


@given(st.lists(st.tuples(types, fields), min_size=1, max_size=5), st.sampled_from([1, 2]))
def test_a_run_is_read_as_its_frames_are(
    rows: list[tuple[str, dict[str, Any]]], times: int
) -> None:
    codec = JsonCodec(agent_chat())
    frames = [json.dumps({"type": kind, **rest}) for kind, rest in rows for _ in range(times)]
    for frame in frames:
        expected = [outcome(codec, it) for it in frames]
        outcome(codec, frame)
        found = codec.decode_run(iter(frames))
        assert found == expected[: len(found)]


def test_a_run_ends_before_the_first_frame_that_one_pass_does_not_read() -> None:
    codec = JsonCodec(agent_chat())
    frame = '{"type":"session.closed","payload":{"sessionId":"a"}}'
    assert codec.decode_run([frame]) == []
    codec.decode(frame)
    assert codec.decode_run([frame]) == []
    codec.decode(frame)
    others = ['{"type":"session.closed"', '{"type":"pong"}', b"binary", frame.replace('"a"', "1")]
    for other in others:
        found = codec.decode_run([frame, frame, other, frame])
        assert found == [codec.decode(frame)] * 2


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"session.closed","payload":{"sessionId":"a"},"type":"pong"}',
        '{"type":"session.closed","payload":{"sessionId":"a"},"payload":null,"type":"pong"}',
        '{"type":"session.closed',
        '{"type":"session.closed"',
        '{"type":"session.closed","payload":{"sessionId":"a"}} ',
        '{"type":"session.closed","payload":{"sessionId":"a"}}x',
    ],
)
def test_odd_frames_of_a_known_type_are_read_the_long_way(frame: str) -> None:
    warm = JsonCodec(agent_chat())
    for kind in ("session.closed", "pong"):
        outcome(warm, json.dumps({"type": kind, "payload": {"sessionId": "a"}}))
    assert outcome(warm, frame) == outcome(JsonCodec(agent_chat()), frame)


def test_the_channel_of_a_message_without_one_is_its_type() -> None:
    codec = JsonCodec(agent_chat())
    frame = '{"type":"session.closed","payload":{"sessionId":"a"}}'
    closed = Envelope("session.closed", SessionClosed("a"), "session.closed")
    assert [codec.decode(frame), codec.decode(frame)] == [closed, closed]


# --- numbers that no float holds ------------------------------------------------------------------------------------------

WORDS = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400 + ".5"]


@pytest.mark.parametrize("word", WORDS)
def test_a_number_that_no_float_holds_counts_as_null_where_that_loses_nothing(word: str) -> None:
    codec = JsonCodec(protocol_v1())
    frame = f'{{"type":"goaway","payload":{{"after":{word}}},"id":"a"}}'
    for _ in range(2):
        message = codec.decode(frame)
        assert (message.type, message.id, message.payload) == ("goaway", "a", GoAway(0.0))
        assert message.problems
        assert max(map(len, message.problems)) < 200


@pytest.mark.parametrize("word", WORDS)
def test_a_required_number_that_no_float_holds_rejects_the_message_at_its_place(word: str) -> None:
    codec = JsonCodec(protocol_v1())
    frame = (
        f'{{"type":"snapshot","payload":{{"stream":"s","epoch":"e","seq":{word}}},'
        '"stream":"t","epoch":"f","seq":7}'
    )
    with pytest.raises(MessageRejected) as caught:
        codec.decode(frame)
    error = caught.value
    assert (error.type, error.stream, error.epoch, error.seq) == ("snapshot", "t", "f", 7)


@pytest.mark.parametrize("word", WORDS)
def test_a_message_of_no_known_type_keeps_its_other_values(word: str) -> None:
    codec = JsonCodec(protocol_v1())
    message = codec.decode(f'{{"type":"x","payload":{{"a":{word},"b":1.5}},"channel":4}}')
    assert message.payload == {"a": None, "b": 1.5}
    assert message.channel == "x"


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"x","payload":NaN',
        '{"type":"x","payload":[NaN,\'\']}',
        '{"type":"x","payload":"\\ud800","seq":NaN}',
        "NaN",
        "[NaN]",
        '{"type":NaN}',
        "[" * 100_000 + "NaN",
    ],
)
def test_a_frame_that_is_wrong_in_another_way_is_rejected(frame: str) -> None:
    with pytest.raises(MessageRejected):
        JsonCodec(protocol_v1()).decode(frame)


def test_a_flood_of_bad_numbers_is_reported_in_a_few_lines() -> None:
    frame = '{"type":"x","payload":[' + ",".join(["NaN"] * 10_000) + "]}"
    message = JsonCodec(protocol_v1()).decode(frame)
    assert message.payload == [None] * 10_000
    assert len(message.problems) <= 32
