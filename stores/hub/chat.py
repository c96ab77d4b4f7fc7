"""The state of the chat, folded from its entries: sessions, panels and notices, conversations, and the answers that are owed. Pure.

`reactions` decides what happens; the server half keeps these states, and gives clients their views as snapshots. The stream
`app` has everything that belongs to no session. Each session has a stream with its name, and a private stream for its answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from ..wire import (
    Message,
    MessageDelta,
    MessageResponse,
    Notification,
    NotificationNew,
    NotificationRead,
    Panel,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    Session,
    SessionClosed,
    SessionCreated,
)

__all__ = [
    "APP",
    "CHAT",
    "CONVERSATION",
    "OWED",
    "Answered",
    "Chat",
    "Conversation",
    "Owed",
    "Owing",
    "chat_view",
    "conversation_view",
    "conversations",
    "owed_stream",
]

APP: Final = "app"
"""The stream of everything that belongs to no session."""

_MAX_CLOSED: Final = 10_000
"""Closed sessions that are remembered; the oldest can be written to again."""
_MAX_NOTICES: Final = 200
"""Notices that are kept; the oldest go."""
_MESSAGE_OVERHEAD: Final = 250
"""Bytes of a message on the wire besides its content, about."""


# --- sessions, panels and notices ------------------------------------------------------------------------------------------------


class Chat(Struct, frozen=True):
    """Sessions, panels and notices, each by id and in the order of their age."""

    sessions: dict[str, Session] = {}
    closed: dict[str, bool] = {}
    panels: dict[str, Panel] = {}
    notices: dict[str, Notification] = {}


def _session_created(state: Chat, message: SessionCreated) -> Chat:
    session = Session(message.session_id, message.title, message.created_at)
    closed = {name: True for name in state.closed if name != message.session_id}
    return msgspec.structs.replace(
        state, sessions={**state.sessions, message.session_id: session}, closed=closed
    )


def _session_closed(state: Chat, message: SessionClosed) -> Chat:
    sessions = {name: one for name, one in state.sessions.items() if name != message.session_id}
    closed = {**state.closed, message.session_id: True}
    while len(closed) > _MAX_CLOSED:
        del closed[next(iter(closed))]
    return msgspec.structs.replace(state, sessions=sessions, closed=closed)


def _panel_created(state: Chat, message: PanelCreated) -> Chat:
    return msgspec.structs.replace(state, panels={**state.panels, message.panel.id: message.panel})


def _panel_updated(state: Chat, message: PanelUpdated) -> Chat:
    change = message.panel
    panel = state.panels.get(change.id)
    if panel is None or isinstance(change.data, msgspec.UnsetType):
        return state
    changed = msgspec.structs.replace(panel, data=change.data)
    return msgspec.structs.replace(state, panels={**state.panels, change.id: changed})


def _panel_deleted(state: Chat, message: PanelDeleted) -> Chat:
    panels = {name: one for name, one in state.panels.items() if name != message.panel_id}
    return msgspec.structs.replace(state, panels=panels)


def _notice_arrived(state: Chat, message: NotificationNew) -> Chat:
    notice = message.notification
    notices = {name: one for name, one in state.notices.items() if name != notice.id}
    notices[notice.id] = notice
    while len(notices) > _MAX_NOTICES:
        del notices[next(iter(notices))]
    return msgspec.structs.replace(state, notices=notices)


def _notice_read(state: Chat, message: NotificationRead) -> Chat:
    notice = state.notices.get(message.notification_id)
    if notice is None or notice.is_read:
        return state
    seen = msgspec.structs.replace(notice, is_read=True)
    return msgspec.structs.replace(state, notices={**state.notices, notice.id: seen})


CHAT: Final[Mapping[type[Any], Callable[[Chat, Any], Chat]]] = {
    SessionCreated: _session_created,
    SessionClosed: _session_closed,
    PanelCreated: _panel_created,
    PanelUpdated: _panel_updated,
    PanelDeleted: _panel_deleted,
    NotificationNew: _notice_arrived,
    NotificationRead: _notice_read,
}
"""The reducers of `Chat`."""


def chat_view(state: Chat) -> dict[str, object]:
    """Returns the fields of a snapshot of the stream `app`."""
    return {
        "sessions": sorted(state.sessions.values(), key=_age),
        "panels": list(state.panels.values()),
        "notifications": list(state.notices.values()),
    }


def _age(session: Session) -> tuple[float, str]:
    return (session.created_at if isinstance(session.created_at, float) else 0.0, session.id)


# --- one conversation ---------------------------------------------------------------------------------------------------


class Conversation(Struct, frozen=True):
    """The newest messages of a session.

    Attributes:
        messages: Complete messages in their order.
        length: How many there were; the sequence of the newest one.
        size: Bytes of the messages that are here, about.
        growing: What was said of an answer that is not complete.
    """

    messages: tuple[Message, ...] = ()
    length: int = 0
    size: int = 0
    growing: Message | None = None


def conversations(
    max_history: int, max_size: int
) -> Mapping[type[Any], Callable[[Conversation, Any], Conversation]]:
    """Returns the reducers of `Conversation`.

    Args:
        max_history: Messages that are kept.
        max_size: Bytes after which no older message is kept, so that clients can take a snapshot.
    """

    def response(state: Conversation, payload: MessageResponse) -> Conversation:
        message = payload.message
        messages = (*state.messages, message)
        size = state.size + _size(message)
        while len(messages) > max(max_history, 1) or (
            len(messages) > 1 and size - _size(messages[0]) >= max_size
        ):
            size -= _size(messages[0])
            messages = messages[1:]
        growing = state.growing
        if growing is not None and growing.id == message.id:
            growing = None
        return Conversation(messages, message.sequence or state.length + 1, size, growing)

    def delta(state: Conversation, payload: MessageDelta) -> Conversation:
        before = state.growing
        text = before.content if before is not None and before.id == payload.message_id else ""
        at = state.messages[-1].timestamp if state.messages else 0.0
        growing = Message(
            payload.message_id, payload.session_id, "assistant", text + payload.text, at
        )
        return msgspec.structs.replace(state, growing=growing)

    return {MessageResponse: response, MessageDelta: delta}


def conversation_view(state: Conversation) -> dict[str, object]:
    """Returns the fields of a snapshot of a session's stream: its messages, with the answer as far as it is given."""
    growing = () if state.growing is None else (state.growing,)
    return {"messages": (*state.messages, *growing)}


def _size(message: Message) -> int:
    return len(message.content.encode()) + _MESSAGE_OVERHEAD


CONVERSATION: Final = Conversation()
"""A conversation in which nothing was said."""


# --- answers that are owed ----------------------------------------------------------------------------------------------


class Owed(Struct, frozen=True, gc=False, rename="camel"):
    """An answer that was promised with the acknowledgement.

    Attributes:
        reply_id: Id of the answer, made from the id of the message.
        text: All of it.
        timestamp: Epoch milliseconds at which the message was accepted.
    """

    reply_id: str
    text: str
    timestamp: float


class Answered(Struct, frozen=True, gc=False, rename="camel"):
    """An answer was given completely."""

    reply_id: str


class Owing(Struct, frozen=True):
    """The answers to come in a session; the first one is being given."""

    answers: tuple[Owed, ...] = ()


def _promised(state: Owing, message: Owed) -> Owing:
    return Owing((*state.answers, message))


def _kept(state: Owing, message: Answered) -> Owing:
    return Owing(tuple(one for one in state.answers if one.reply_id != message.reply_id))


OWED: Final[Mapping[type[Any], Callable[[Owing, Any], Owing]]] = {Owed: _promised, Answered: _kept}
"""The reducers of `Owing`."""


def owed_stream(session_id: str) -> str:
    """Returns the private stream with the answers of a session."""
    return f"_owed/{session_id}"
