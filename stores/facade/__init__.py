"""The vocabularies of other WebSocket clients, over an `Application` or a bare service.

    status          three-state and five-state names of the connection
    client          Client: connect, send in three forms, on_open, on_close, on_error, on_state_change, ...
    create          create_user_message, create_agent_message, create_send_message, create_ping_message
    scopes          use_websocket and use_channel: subscriptions that end with their owner
    conversations   one connection per conversation, and switching it

Nothing here holds state of its own: the stores and the service do.
"""

from .client import Client, ConnectionMetrics, get_client
from .conversations import ConversationConnection, conversation_url
from .create import (
    create_agent_message,
    create_ping_message,
    create_send_message,
    create_user_message,
)
from .scopes import ChannelScope, WebSocketScope, use_channel, use_websocket
from .status import FiveState, ThreeState, five_state, three_state

__all__ = [
    "ChannelScope",
    "Client",
    "ConnectionMetrics",
    "ConversationConnection",
    "FiveState",
    "ThreeState",
    "WebSocketScope",
    "conversation_url",
    "create_agent_message",
    "create_ping_message",
    "create_send_message",
    "create_user_message",
    "five_state",
    "get_client",
    "three_state",
    "use_channel",
    "use_websocket",
]
