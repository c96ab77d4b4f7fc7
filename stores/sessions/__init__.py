"""Which chats there are and which one is active.

It knows no messages of a chat; `history` does.

    idle          waits for sessions in which nothing happens for a while
    session_list  the list of sessions
    sessions      the sessions store
"""

from .session_list import SessionsState
from .sessions import Sessions

__all__ = [
    "Sessions",
    "SessionsState",
]
