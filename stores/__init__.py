"""Ready-made stores for an agent-chat application with panels, and the model for your own.

    app             Application: builds the stores over one service and wires them; application(): the usual one
    connection      what a status line shows; status_line: it in words, ticking
    catching_up     what is asked for on a connection; clocks: the time, timers and ids when nobody gives others
    history         what was said: History over conversation (one session), timeline (order), entry (one line)
    incoming        what the server's messages make of it; answers: how an answer grows; doubts: what is strange
    outgoing        own messages on their way; own_messages: what becomes of one; calls: functions that the user gives
    older           pages of earlier messages
    sessions        which chats there are; session_list: the state; idle: in which nothing happens
    carousel        the panels beside the chat
    notifications   notices for the user
    channels        the last events and their streams; channel_events: their types
    offline         what waits in the outbox, and what failed
    typing          who types where
    errors          what went wrong, for people
    state_file      what survives the process
    facade          the vocabularies of other clients
    ports           what stores need from outside, as types
    vector, id_index, growing_text   the structures that keep long histories and long answers cheap
    demo            the command `reactive-ws demo`

Each store file has the same order: state, reducers, store, actions. UI code reads streams and calls actions.
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
