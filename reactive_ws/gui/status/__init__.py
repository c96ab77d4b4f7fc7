"""What a status line, an indicator and a banner show of a connection, for every toolkit.

It paints nothing: the toolkits' widgets do.

    connection_view  what a status line, an indicator and a banner show about the connection
    theme            how a connection looks and what is said about it
"""

from .connection_view import ConnectionView, connection_text, connection_view, next_text_change
from .theme import Look, Theme, Words

__all__ = [
    "ConnectionView",
    "Look",
    "Theme",
    "Words",
    "connection_text",
    "connection_view",
    "next_text_change",
]
