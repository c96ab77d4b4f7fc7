"""What was said in each session: own messages, answers, older pages.

It renders nothing.

    answers       how an answer grows
    conversation  what was said in one session
    doubts        what is strange about a message that is taken all the same: each is one line for the error store
    entry         `Entry`
    history       the history store: what was said, session by session
    id_index      `IdIndex`: which entry has an id, for the newest entries of a session, as an immutable value
    incoming      what the server's messages make of the histories
    older         older messages of a session
    outgoing      own messages on their way
    own_messages  what becomes of an own message
    timeline      `Timeline`: the entries of one session in order, each id once, as an immutable value
"""

from .conversation import Conversation
from .entry import Entry, ToolCall
from .history import History
from .older import OlderRequest
from .outgoing import Post
from .timeline import Timeline

__all__ = [
    "Conversation",
    "Entry",
    "History",
    "OlderRequest",
    "Post",
    "Timeline",
    "ToolCall",
]
