"""What type checkers see of the application stores. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

from reactive_ws.delivery import Delivery
from reactive_ws.messages import Panel, Session
from reactive_ws.selection import Selection
from reactive_ws.store import ReadOnly
from stores import (
    AppError,
    Application,
    CarouselState,
    ConnectionStatus,
    Conversation,
    Entry,
    SessionsState,
    application,
)


def cases(app: Application) -> None:
    assert_type(application(), Application)
    assert_type(Application.at("ws://localhost/ws"), Application)
    assert_type(app.history.send("s", "hello"), Delivery)
    assert_type(app.history.select("s"), Selection[Conversation | None])
    assert_type(app.history.select_last("s", 50), Selection[tuple[Entry, ...]])
    assert_type(app.history.get_entries("s"), tuple[Entry, ...])
    assert_type(app.sessions.create("title"), Session)
    assert_type(app.sessions.state, ReadOnly[SessionsState])
    assert_type(app.sessions.active, Selection[Session | None])
    assert_type(app.carousel.state, ReadOnly[CarouselState])
    assert_type(app.carousel.panels, Selection[tuple[Panel, ...]])
    assert_type(app.connection.status, ReadOnly[ConnectionStatus])
    assert_type(app.connection.is_connected, Selection[bool])
    assert_type(app.connection.queue_length, Selection[int])
    assert_type(app.notifications.unread, Selection[int])
    assert_type(app.typing.users("room"), Selection[tuple[str, ...]])
    assert_type(app.errors.latest, Selection[AppError | None])
