"""The hub keeps its promises in memory and in its file, whatever clients send, in any order, any number of times."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from hub_core import HubCore, brief
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.errors import MessageRejected
from reactive_ws.server import SqliteLog
from reactive_ws.server.session import Accepted, Failure
from reactive_ws.stores.hub.chat import APP
from reactive_ws.stores.wire.chat import (
    MessageDelta,
    MessageResponse,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    SessionClose,
    SessionCreate,
    agent_chat,
)
from reactive_ws.wire.codec import JsonCodec

SESSIONS = st.sampled_from(["s1", "s2", APP])
CONTENTS = st.lists(
    st.sampled_from(
        [
            "panel create A",
            "panel create B",
            "panel update A: 1",
            "panel update B: 2",
            "panel close A",
            "notify N: n",
            "hello there",
            "refuse",
            "refuse it",
            "",
        ]
    ),
    max_size=3,
).map("\n".join)

# A resend has the id and the content of the first: content is drawn per id.
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["create", "close"]), SESSIONS, st.integers(0, 5)),
        st.tuples(st.just("answer"), SESSIONS),
    ),
    max_size=40,
)
TALK = st.lists(st.tuples(SESSIONS, CONTENTS), min_size=10, max_size=10)


@contextmanager
def core(**options: Any) -> Iterator[HubCore]:
    hub = HubCore(**options)
    try:
        yield hub
    finally:
        hub.close()


def perform(hub: HubCore, actions: list[tuple[Any, ...]], talk: list[tuple[str, str]]) -> None:
    for action in actions:
        if action[0] == "say":
            session, content = talk[action[1]]
            hub.say(f"m{action[1]}", content, session)
        elif action[0] == "create":
            hub.hear("session.create", SessionCreate(action[1]), f"c{action[2]}")
        elif action[0] == "close":
            hub.hear("session.close", SessionClose(action[1]), f"d{action[2]}")
        else:
            hub.advance(action[1])


def finish(hub: HubCore) -> None:
    for session in ("s1", "s2"):
        while hub.advance(session):
            pass


def by_stream(hub: HubCore) -> dict[str, list[tuple[int, str]]]:
    """The entries of each stream in their order, without times."""
    found: dict[str, list[tuple[int, str]]] = {}
    for stream, seq, payload in hub.entries:
        found.setdefault(stream, []).append((seq, repr(brief(msgspec.to_builtins(payload)))))
    return found


def payloads(hub: HubCore, kind: type) -> list[Any]:
    return [payload for _, _, payload in hub.entries if isinstance(payload, kind)]


@settings(max_examples=60, deadline=None)
@given(ACTIONS, TALK)
def test_every_stream_counts_from_one_and_every_accepted_message_has_one_answer(
    actions: list[tuple[Any, ...]], talk: list[tuple[str, str]]
) -> None:
    with core() as hub:
        accepted: set[str] = set()
        refused: set[str] = set()
        for action in actions:
            perform(hub, [action], talk)
            if action[0] == "say":
                answer = hub.answers[-1]
                (accepted if isinstance(answer, Accepted) else refused).add(f"m{action[1]}")
        finish(hub)
        for name in {stream for stream, _, _ in hub.entries}:
            numbers = sorted({seq for stream, seq, _ in hub.entries if stream == name})
            assert numbers == list(range(1, len(numbers) + 1))
        # An outcome is kept: no message is accepted once and refused another time.
        assert not accepted & refused
        responses = [response.message for response in payloads(hub, MessageResponse)]
        assert sorted(m.id for m in responses if m.role == "user") == sorted(accepted)
        assert sorted(m.id for m in responses if m.role == "assistant") == sorted(
            f"{identity}.reply" for identity in accepted
        )
        for session in ("s1", "s2"):
            places = [m.sequence for m in responses if m.session_id == session]
            assert places == list(range(1, len(places) + 1))
        texts: dict[str, str] = {}
        for delta in payloads(hub, MessageDelta):
            assert delta.offset == len(texts.get(delta.message_id, ""))
            texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
        assert texts == {m.id: m.content for m in responses if m.role == "assistant"}


@settings(max_examples=40, deadline=None)
@given(ACTIONS, TALK, st.data())
def test_a_snapshot_and_what_follows_it_are_as_good_as_having_been_there(
    actions: list[tuple[Any, ...]], talk: list[tuple[str, str]], data: st.DataObject
) -> None:
    with core() as hub:
        cut = data.draw(st.integers(0, len(actions)))
        perform(hub, actions[:cut], talk)
        seq, state = hub.snapshot(APP)
        perform(hub, actions[cut:], talk)
        panels = {panel["id"]: panel for panel in state["panels"]}
        for stream, number, payload in hub.entries:
            if stream != APP or number <= seq:
                continue
            if isinstance(payload, PanelCreated):
                panels[payload.panel.id] = msgspec.to_builtins(payload.panel)
            elif isinstance(payload, PanelUpdated):
                change = payload.panel
                panels[change.id] = {**panels[change.id], "data": change.data}
            elif isinstance(payload, PanelDeleted):
                del panels[payload.panel_id]
        assert list(panels.values()) == hub.snapshot(APP)[1]["panels"]


@settings(max_examples=15, deadline=None)
@given(ACTIONS, TALK)
def test_what_is_loaded_after_a_kill_goes_on_as_if_nothing_had_been(
    actions: list[tuple[Any, ...]], talk: list[tuple[str, str]]
) -> None:
    says = [action for action in actions if action[0] == "say"]
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "hub.db")
        with core(log=SqliteLog(file)) as hub:
            perform(hub, actions, talk)
            before = by_stream(hub)
            states = [hub.snapshot(name) for name in (APP, "s1", "s2")]
        with core(log=SqliteLog(file)) as loaded:
            loaded.news()
            assert by_stream(loaded) == before
            assert [loaded.snapshot(name) for name in (APP, "s1", "s2")] == states
            # Said once more, all of it: answered as before, without effect.
            perform(loaded, says, talk)
            assert by_stream(loaded) == before
            finish(loaded)
        with core() as whole:
            perform(whole, actions, talk)
            finish(whole)
            assert by_stream(loaded) == by_stream(whole)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = st.sampled_from(["s1", APP, "", "m1", "e", "\x00", "panel create \x00", "ü" * 50])
PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "sessionId": WORDS,
        "channel": WORDS,
        "notificationId": WORDS,
        "conversationId": WORDS,
        "userId": WORDS,
        "title": WORDS | JSON,
        "streams": st.lists(WORDS, max_size=3)
        | st.dictionaries(
            WORDS, st.fixed_dictionaries({"epoch": WORDS, "seq": st.integers()}), max_size=3
        ),
        "message": st.fixed_dictionaries(
            {
                "id": WORDS,
                "sessionId": WORDS,
                "role": WORDS,
                "content": WORDS,
                "timestamp": st.floats(),
            },
            optional={"panelId": WORDS | JSON, "sequence": JSON},
        ),
    },
)
FRAMES = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(row.name for row in agent_chat())) | st.text(max_size=5)},
    optional={"id": WORDS, "payload": PAYLOADS | JSON, "channel": JSON, "seq": JSON, "epoch": JSON},
).map(json.dumps)


@settings(max_examples=120, deadline=None)
@given(st.lists(FRAMES, max_size=8))
def test_no_frame_whatever_can_break_the_hub(frames: list[str]) -> None:
    codec = JsonCodec(agent_chat())
    with core() as hub:
        for number, frame in enumerate(frames):
            try:
                envelope = codec.decode(frame)
            except MessageRejected:
                continue
            hub.hear(envelope.type, envelope.payload, envelope.id or f"n{number}")
            answer = hub.answers[-1]
            assert not isinstance(answer, Failure) or answer.code != "internal", answer
        finish(hub)
        for stream in (APP, "s1"):
            msgspec.json.encode(hub.snapshot(stream)[1])
