"""The message types of the agent chat, which the framework does not know.

A service that speaks chat takes `agent_chat()` as its registry; `command_center()` adds the events of a command center.
The stores, the hub and the demo use these types.

    chat            entities and payloads of the chat, and the registry `agent_chat`
    command_center  event types of a command center, and the registry `command_center`
"""

from .chat import (
    ChatSnapshot,
    Message,
    MessageDelta,
    MessageResponse,
    MessageSend,
    Notification,
    NotificationNew,
    NotificationRead,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    Session,
    SessionClose,
    SessionClosed,
    SessionCreate,
    SessionCreated,
    Typing,
    agent_chat,
)
from .command_center import CHANNEL_EVENTS, AiToolCall, command_center

__all__ = [
    "CHANNEL_EVENTS",
    "AiToolCall",
    "ChatSnapshot",
    "Message",
    "MessageDelta",
    "MessageResponse",
    "MessageSend",
    "Notification",
    "NotificationNew",
    "NotificationRead",
    "Panel",
    "PanelChange",
    "PanelCreated",
    "PanelDeleted",
    "PanelUpdated",
    "Session",
    "SessionClose",
    "SessionClosed",
    "SessionCreate",
    "SessionCreated",
    "Typing",
    "agent_chat",
    "command_center",
]
