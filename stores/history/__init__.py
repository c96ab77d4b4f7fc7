"""The messages of each chat session: own messages, answers of the server, older pages.

It renders nothing and owns no connection. `Application` makes one `History` and gives it the functions to send and to sync.

    entry         `Entry`: one line of a session
    timeline      `Timeline`: the entries of one session in order, each id once, as an immutable value
    conversation  `Conversation`: the state of one session, and its reducers
    answers       how an answer grows word by word
    doubts        faults of messages that are taken nevertheless
    own_messages  the changes of an own message, from `queued` to `acknowledged` or `failed`
    incoming      the server's messages as changes of conversations
    older         `OlderRequest`: pages of earlier messages
    outgoing      own messages on their way
    history       `History`: the store
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
