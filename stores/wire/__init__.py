"""The message types of the agent chat.

They are an application's; the framework does not know them.

    command_center  the event types of a command center, in their families, as message types
"""

from .command_center import CHANNEL_EVENTS, AiToolCall, command_center

__all__ = [
    "CHANNEL_EVENTS",
    "AiToolCall",
    "command_center",
]
