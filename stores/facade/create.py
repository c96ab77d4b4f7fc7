"""Makes messages without naming their classes: for `Client.send` and for tests."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from reactive_ws.wire import Ping

from ..wire import Message, MessageSend

__all__ = [
    "create_agent_message",
    "create_ping_message",
    "create_send_message",
    "create_user_message",
]


def create_user_message(session_id: str, panel_id: str | None, content: str) -> Message:
    """Returns a new chat message of the user, with an id of its own and the time now."""
    return _message(session_id, panel_id, content, "user")


def create_agent_message(session_id: str, panel_id: str | None, content: str) -> Message:
    """Returns a new chat message of the agent, with an id of its own and the time now."""
    return _message(session_id, panel_id, content, "assistant")


def create_send_message(session_id: str, message: Message) -> MessageSend:
    """Returns the command that says a message in a session."""
    return MessageSend(session_id, message)


def create_ping_message() -> Ping:
    """Returns a ping; the heartbeat sends its own ones."""
    return Ping()


def _message(session_id: str, panel_id: str | None, content: str, role: str) -> Message:
    return Message(str(uuid.uuid4()), session_id, role, content, datetime.now(UTC), panel_id)
