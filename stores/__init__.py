"""Ready-made stores for a chat with an agent and its panels, and the model for stores of your own.

The framework does not know this layer. A user interface reads its streams and calls its actions. Each store file has the same
order: state, reducers, store, actions. The packages and modules, from the ground up:

    wire           message types of the chat, and registries with them
    collections    immutable collections for long histories
    outside        functions and clocks that stores need from outside, as types
    history        messages of each session
    sessions       sessions, their order, and which of them are idle
    connection     the connection, for a status line
    status_line    the connection in words, ticking
    carousel       panels beside the chat
    notifications  notices for the user
    channels       the last event of each type, and streams of events
    offline        messages that wait in the outbox, and messages that failed
    typing         which users type in which session
    errors         errors in words for users
    catching_up    requests for snapshots on a new connection
    state_file     state that survives the process
    app            `Application`: builds the stores over one service; `application()` returns the usual one
    hub            a small server that speaks chat, for demos and tests
    facade         the same stores under the names of other clients
    demo           the command `reactive-ws demo`
"""

from .app import Application, application
from .carousel import Carousel, CarouselState
from .channels import Channels, ChannelsState
from .connection import ConnectionStore, ConnectionSummary
from .errors import AppError, Errors, ErrorsState
from .history import Conversation, Entry, History, OlderRequest, Timeline, ToolCall
from .notifications import Notifications, NotificationsState
from .offline import FailedMessage, Offline, OfflineState, WaitingMessage
from .sessions import Sessions, SessionsState
from .status_line import status_text
from .typing import TypingState, TypingUsers
from .wire import command_center

__all__ = [
    "AppError",
    "Application",
    "Carousel",
    "CarouselState",
    "Channels",
    "ChannelsState",
    "ConnectionStore",
    "ConnectionSummary",
    "Conversation",
    "Entry",
    "Errors",
    "ErrorsState",
    "FailedMessage",
    "History",
    "Notifications",
    "NotificationsState",
    "Offline",
    "OfflineState",
    "OlderRequest",
    "Sessions",
    "SessionsState",
    "Timeline",
    "ToolCall",
    "TypingState",
    "TypingUsers",
    "WaitingMessage",
    "application",
    "command_center",
    "status_text",
]
