"""Which chats there are and which one is active.

The sessions are a replica of the server's. This package knows no messages of a chat; `history` does.

    idle          waits for sessions in which nothing happens for a while
    session_list  the parts of the list, and the state that is made of them
    sessions      the sessions store
"""

from .session_list import Known, Listed, Made, Own, SessionsState, Times
from .sessions import Sessions

__all__ = [
    "Known",
    "Listed",
    "Made",
    "Own",
    "Sessions",
    "SessionsState",
    "Times",
]
