"""Messages that are well formed and make no sense make no handler raise.

Ids stay unique, and sessions that a message does not name keep their state.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from app_world import application
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.connection.record import ErrorKind
from reactive_ws.stores import command_center
from reactive_ws.stores.wire.chat import Panel, PanelCreated, SessionCreated
from reactive_ws.stores.wire.command_center import CHANNEL_EVENTS
from reactive_ws.testing import World
from reactive_ws.testing.generating.profiles import PROFILES

IDS = st.sampled_from(["a", "b", "own", ""])
SESSIONS = st.sampled_from(["s", "t", "unknown", ""])
NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 5, 2**53, 2**80])
TEXTS = st.sampled_from(["", "x", "hello", "\U0001f600" * 3])
TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 0, -1e15, 1e300, 5])


def message(session: st.SearchStrategy[str] = SESSIONS) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "id": IDS,
            "sessionId": session,
            "role": st.sampled_from(["user", "assistant", "nobody"]),
            "content": TEXTS,
            "timestamp": TIMES,
        },
        optional={"sequence": NUMBERS, "panelId": IDS},
    )


def rows(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


PANELS = st.fixed_dictionaries({"id": IDS, "kind": TEXTS, "title": TEXTS})
PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "message.response": rows(sessionId=SESSIONS, message=message()),
    "ai.response": rows(sessionId=SESSIONS, message=message()),
    "message.delta": rows(
        sessionId=SESSIONS, messageId=IDS, offset=NUMBERS, text=TEXTS, done=st.booleans()
    ),
    "ai.stream": rows(
        sessionId=SESSIONS, messageId=IDS, offset=st.integers(0, 6), text=TEXTS, done=st.booleans()
    ),
    "ai.tool_call": rows(sessionId=SESSIONS, messageId=IDS, callId=IDS, name=TEXTS),
    "message.received": st.fixed_dictionaries(
        {"messageId": IDS},
        optional={"reply": st.fixed_dictionaries({}, optional={"sequence": NUMBERS})},
    ),
    "session.created": rows(sessionId=SESSIONS, title=TEXTS),
    "session.closed": rows(sessionId=SESSIONS),
    "panel.created": rows(panel=PANELS),
    "panel.updated": rows(panel=st.fixed_dictionaries({"id": IDS}, optional={"title": TEXTS})),
    "panel.deleted": rows(panelId=IDS),
    "notification.new": rows(notification=rows(id=IDS, title=TEXTS, text=TEXTS)),
    "notification.read": rows(notificationId=IDS),
    "typing": rows(conversationId=SESSIONS, userId=IDS),
    "error": st.fixed_dictionaries({"code": TEXTS, "message": TEXTS}, optional={"replyTo": IDS}),
    "snapshot": st.fixed_dictionaries(
        {"stream": st.sampled_from(["s", "t", "unknown"]), "epoch": TEXTS, "seq": NUMBERS},
        optional={"messages": st.lists(message(), max_size=3)},
    ),
    "activity.completed": rows(activityId=IDS),
    "campaign.sent": rows(campaignId=IDS, count=NUMBERS),
    "system.maintenance": rows(message=TEXTS, startsAt=TIMES),
}

NONSENSE = st.sampled_from(sorted(PAYLOADS)).flatmap(
    lambda kind: st.tuples(st.just(kind), PAYLOADS[kind])
)


@pytest.fixture(autouse=True)
def no_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def withstand(frames: list[tuple[str, dict[str, Any]]]) -> None:
    with World() as world:
        server = world.run(world.server(registry=command_center()))
        app = application(world)
        world.call(app.service.connect)
        world.run(app.service.wait_connected(30))
        for session_id in ("s", "t", "calm"):
            server.publish(SessionCreated(session_id, session_id))
        server.publish(PanelCreated(Panel("calm", "text", "Plan")))
        world.run(world.settle())
        world.call(lambda: app.history.send("calm", "a quiet word"))
        world.run(world.settle())
        calm = app.history.get_entries("calm")
        for kind, payload in frames:
            server.send_frame(json.dumps({"type": kind, "payload": payload}))
        world.run(world.settle())
        world.run(world.advance(1.0))
        raised = [
            it
            for it in app.errors.state.get().errors
            if it.kind is ErrorKind.APPLICATION and it.source
        ]
        assert raised == []
        assert app.service.is_connected
        assert app.history.get_entries("calm") == calm
        assert app.carousel.state.get().get("calm") is not None
        assert app.sessions.state.get().get("calm") is not None
        for session_id in app.history.select_session_ids().get():
            state = app.history.get(session_id)
            ids = [entry.id for entry in state.timeline]
            assert len(ids) == len(set(ids))
            places = [entry.place for entry in state.timeline.settled]
            assert places == sorted(places)
            assert 0 <= state.unread <= len(ids)
        app.close()


@settings(PROFILES["quick"], max_examples=150)
@given(st.lists(NONSENSE, max_size=12))
def test_nonsense_harms_nobody_else(frames: list[tuple[str, dict[str, Any]]]) -> None:
    withstand(frames)


@pytest.mark.deep
@settings(PROFILES["deep"], max_examples=2000)
@given(st.lists(NONSENSE, max_size=60))
def test_a_lot_of_nonsense_harms_nobody_else(frames: list[tuple[str, dict[str, Any]]]) -> None:
    withstand(frames)


def test_every_type_of_the_server_has_its_nonsense() -> None:
    families = {"customer", "activity", "campaign", "system"}
    missing = {name for name in CHANNEL_EVENTS if name not in PAYLOADS}
    assert {name.partition(".")[0] for name in missing} <= families
