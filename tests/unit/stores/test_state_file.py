"""The parts of a session that the state file keeps, and those that it drops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app_world import said

from reactive_ws.stores import Application
from reactive_ws.stores.wire.chat import SessionClosed, SessionCreated
from reactive_ws.wire.envelope import Envelope


def envelope(type_name: str, payload: object) -> Envelope[Any]:
    return Envelope(type_name, payload, epoch="epoch-1")


def test_the_read_marks_of_closed_sessions_do_not_gather_in_the_file(tmp_path: Path) -> None:
    def make() -> Application:
        return Application.at("ws://127.0.0.1:9/ws", state_file=tmp_path / "state.json")

    app = make()
    handlers = app.history.handlers
    for name in ("open", "over"):
        handlers["session.created"](envelope("session.created", SessionCreated(name)))
        handlers["message.response"](envelope("message.response", said(f"m-{name}", "hi", 1, name)))
        app.history.mark_read(name)
    handlers["session.closed"](envelope("session.closed", SessionClosed("over")))
    app.close()
    again = make()
    assert again.history.select_session_ids().get() == ("open",)
    assert again.history.get("open").read == (0, 1, 0)
    again.close()
