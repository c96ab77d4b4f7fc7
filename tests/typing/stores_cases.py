"""The types of the application stores. mypy and pyright read this file; nothing runs it."""

from __future__ import annotations

from typing import Any, assert_type

from reactive_ws.outbox.delivery import Delivery
from reactive_ws.outbox.pending import Pending
from reactive_ws.state.selection import Selection
from reactive_ws.state.store import ReadOnly
from reactive_ws.stores import (
    AppError,
    Application,
    CarouselState,
    ChannelsState,
    ConnectionSummary,
    Conversation,
    Entry,
    FailedMessage,
    OlderRequest,
    SessionsState,
    WaitingMessage,
    application,
)
from reactive_ws.stores.facade import Client, FiveState
from reactive_ws.stores.wire.chat import Message, MessageResponse, Panel, PanelCreated, Session
from reactive_ws.wire.envelope import Envelope


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
    assert_type(app.connection.status, ReadOnly[ConnectionSummary])
    assert_type(app.connection.is_connected, Selection[bool])
    assert_type(app.connection.queue_length, Selection[int])
    assert_type(app.notifications.unread, Selection[int])
    assert_type(app.typing.users("room"), Selection[tuple[str, ...]])
    assert_type(app.errors.latest, Selection[AppError | None])


def on_response(response: MessageResponse) -> None: ...


def on_envelope(envelope: Envelope[Any]) -> None: ...


def on_panel(panel: PanelCreated) -> None: ...


def page(request: OlderRequest) -> list[Message]:
    return []


async def async_page(request: OlderRequest) -> list[Message]:
    return []


def more_cases(app: Application, client: Client) -> None:
    assert_type(app.history.load_older("s", page), Pending[int])
    assert_type(app.history.load_older("s", async_page), Pending[int])
    assert_type(app.history.select_unread("s"), Selection[int])
    assert_type(app.history.select_entry("s", "m"), Selection[Entry | None])
    assert_type(app.connection.status_text, Selection[str])
    assert_type(app.sessions.by_activity, Selection[tuple[Session, ...]])
    assert_type(app.offline.waiting, Selection[tuple[WaitingMessage, ...]])
    assert_type(app.offline.failed, Selection[tuple[FailedMessage, ...]])
    assert_type(app.channels.state, ReadOnly[ChannelsState])
    client.on(MessageResponse, on_response)
    client.on(MessageResponse, lambda response: response.message.content.upper())
    client.on("message.response", on_envelope)
    app.service.on(MessageResponse, lambda response: response.message.content.upper())
    client.on(MessageResponse, on_panel)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    client.on(MessageResponse, lambda response: response.panel)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownLambdaType]
    assert_type(client.send("a", {}), Delivery)
    assert_type(client.send("a", "b", {}), Delivery)
    assert_type(client.get_state(), FiveState)
