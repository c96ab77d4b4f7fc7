"""Ready-made stores for an agent-chat application with panels, and the model for your own.

    app             Application: builds the stores over one service and wires them; application(): the usual one
    connection      what a status line shows
    history         what was said: History over conversation (one session), timeline (order), entry (one line)
    sessions        which chats there are
    carousel        the panels beside the chat
    notifications   notices for the user
    typing          who types where
    errors          what went wrong, for people
    ports           what stores need from outside, as types
    vector, growing_text   the two structures that keep long histories and long answers cheap
    demo            the command `reactive-ws demo`

Each store file has the same order: state, reducers, store, actions. UI code reads streams and calls actions.
"""

from .app import Application, application
from .carousel import Carousel, CarouselState
from .connection import ConnectionStatus, ConnectionStore, status_text
from .conversation import Conversation
from .entry import Entry
from .errors import AppError, Errors, ErrorsState
from .history import History
from .notifications import Notifications, NotificationsState
from .sessions import Sessions, SessionsState
from .timeline import Timeline
from .typing import TypingState, TypingUsers

__all__ = [
    "AppError",
    "Application",
    "Carousel",
    "CarouselState",
    "ConnectionStatus",
    "ConnectionStore",
    "Conversation",
    "Entry",
    "Errors",
    "ErrorsState",
    "History",
    "Notifications",
    "NotificationsState",
    "Sessions",
    "SessionsState",
    "Timeline",
    "TypingState",
    "TypingUsers",
    "application",
    "status_text",
]
