"""The hub keeps its promises in memory and in its file, whatever clients send, in any order, any number of times."""

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.errors import MessageRejected
from reactive_ws.stores.hub.draft import Rules
from reactive_ws.stores.hub.reactions import advance, apply
from reactive_ws.stores.hub.state import APP, Broadcast, Only, Replay, State, Step
from reactive_ws.stores.hub.storage import Storage
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    Message,
    MessageDelta,
    MessageResponse,
    MessageSend,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    SessionClose,
    SessionCreate,
    agent_chat,
)
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.control import MessageReceived, Position, Resume, ServerError, Sync
from reactive_ws.wire.envelope import Envelope

RULES = Rules(max_log=1_000)
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


class Run:
    """A hub's core with every step that it took."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.steps: list[Step] = []

    def hear(self, type_: str, payload: Any, identity: str) -> None:
        self.take(apply(self.state, Envelope(type_, payload, type_, identity), 1, RULES, 1.0))

    def take(self, step: Step) -> None:
        self.state = step.state
        self.steps.append(step)

    def perform(self, actions: list[tuple[Any, ...]], talk: list[tuple[str, str]]) -> None:
        for action in actions:
            if action[0] == "say":
                session, content = talk[action[1]]
                identity = f"m{action[1]}"
                message = Message(identity, session, "user", content, 1.0)
                self.hear("message.send", MessageSend(session, message), identity)
            elif action[0] == "create":
                self.hear("session.create", SessionCreate(action[1]), f"c{action[2]}")
            elif action[0] == "close":
                self.hear("session.close", SessionClose(action[1]), f"d{action[2]}")
            elif (step := advance(self.state, action[1], RULES, 2.0)) is not None:
                self.take(step)

    def finish(self) -> None:
        while owing := list(self.state.owing()):
            step = advance(self.state, owing[0], RULES, 3.0)
            assert step is not None
            self.take(step)

    def payloads(self, kind: type) -> list[Any]:
        return [
            output.envelope.payload
            for step in self.steps
            for output in step.outputs
            if isinstance(output, (Only, Broadcast)) and isinstance(output.envelope.payload, kind)
        ]

    def entries(self) -> list[Envelope[Any]]:
        return [
            output.envelope
            for step in self.steps
            for output in step.outputs
            if isinstance(output, Broadcast)
        ]


@settings(max_examples=100, deadline=None)
@given(ACTIONS, TALK)
def test_every_stream_counts_from_one_and_every_accepted_message_has_one_answer(
    actions: list[tuple[Any, ...]], talk: list[tuple[str, str]]
) -> None:
    run = Run(State(epoch="e"))
    run.perform(actions, talk)
    run.finish()
    for name in {entry.stream for entry in run.entries()}:
        numbers = [entry.seq for entry in run.entries() if entry.stream == name]
        assert numbers == list(range(1, len(numbers) + 1))
    accepted = {r.message_id for r in run.payloads(MessageReceived) if r.message_id[0] == "m"}
    refused = {e.reply_to for e in run.payloads(ServerError) if (e.reply_to or " ")[0] == "m"}
    said = {f"m{action[1]}" for action in actions if action[0] == "say"}
    assert accepted | refused == said
    responses = [response.message for response in run.payloads(MessageResponse)]
    assert sorted(m.id for m in responses if m.role == "user") == sorted(accepted)
    assert sorted(m.id for m in responses if m.role == "assistant") == sorted(
        f"{identity}.reply" for identity in accepted
    )
    texts: dict[str, str] = {}
    for delta in run.payloads(MessageDelta):
        assert delta.offset == len(texts.get(delta.message_id, ""))
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
    assert texts == {m.id: m.content for m in responses if m.role == "assistant"}


@settings(max_examples=60, deadline=None)
@given(ACTIONS, TALK, st.data())
def test_a_snapshot_and_what_follows_it_are_as_good_as_having_been_there(
    actions: list[tuple[Any, ...]], talk: list[tuple[str, str]], data: st.DataObject
) -> None:
    run = Run(State(epoch="e"))
    cut = data.draw(st.integers(0, len(actions)))
    run.perform(actions[:cut], talk)
    run.hear("sync", Sync((APP,)), "y1")
    snapshot: ChatSnapshot = run.payloads(ChatSnapshot)[-1]
    run.perform(actions[cut:], talk)
    run.hear("resume", Resume({APP: Position("e", snapshot.seq)}), "r1")
    (replay,) = run.steps[-1].outputs
    assert isinstance(replay, Replay)
    panels = {panel.id: panel for panel in snapshot.panels or ()}
    for entry in replay.entries:
        payload = entry.payload
        if isinstance(payload, PanelCreated):
            panels[payload.panel.id] = payload.panel
        elif isinstance(payload, PanelUpdated):
            change = payload.panel
            panels[change.id] = msgspec.structs.replace(panels[change.id], data=change.data)
        elif isinstance(payload, PanelDeleted):
            del panels[payload.panel_id]
    assert sorted(panels.values(), key=lambda p: p.id) == sorted(
        run.state.panels.values(), key=lambda p: p.id
    )


@settings(max_examples=25, deadline=None)
@given(ACTIONS, TALK)
def test_what_is_loaded_after_a_kill_goes_on_as_if_nothing_had_been(
    actions: list[tuple[Any, ...]], talk: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder) / "hub.db", JsonCodec(agent_chat()))
        run = Run(storage.load())
        run.perform(actions, talk)
        storage.commit(change for step in run.steps for change in step.changes)
        storage.close()
        again = Storage(Path(folder) / "hub.db", JsonCodec(agent_chat()))
        loaded = Run(again.load())
        again.close()
    # Said once more, all of it: acknowledged where it was, without effect.
    for one in (run, loaded):
        one.steps.clear()
        one.perform([action for action in actions if action[0] == "say"], talk)
        one.finish()
    assert loaded.entries() == run.entries()
    assert loaded.payloads(MessageReceived) == run.payloads(MessageReceived)


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
    {"type": st.sampled_from(sorted(row.name for row in RULES.registry)) | st.text(max_size=5)},
    optional={"id": WORDS, "payload": PAYLOADS | JSON, "channel": JSON, "seq": JSON, "epoch": JSON},
).map(json.dumps)


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAMES, max_size=8))
def test_no_frame_whatever_can_break_the_hub(frames: list[str]) -> None:
    codec = JsonCodec(agent_chat())
    run = Run(State(epoch="e"))
    for frame in frames:
        try:
            envelope = codec.decode(frame)
        except MessageRejected:
            continue
        run.take(apply(run.state, envelope, 1, RULES, 1.0))
    run.finish()
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder) / "hub.db", codec)
        storage.commit(change for step in run.steps for change in step.changes)
        loaded = storage.load()
        storage.close()
    assert loaded.panels == run.state.panels
    assert loaded.sessions == run.state.sessions
    for step in run.steps:
        for output in step.outputs:
            if isinstance(output, (Only, Broadcast, Replay)):
                codec.encode(output.envelope)
