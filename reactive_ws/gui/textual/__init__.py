"""The adapter for Textual: event loop, lists and connection widgets, as widgets of Textual.

It shows streams; it neither connects nor sends. Importing this package imports Textual: `pip install 'reactive-ws[textual]'`.

Modules in reading order:

    lists    `ListRows`: a list that draws only what is seen
    widgets  `ConnectionStatus`, `ConnectionIndicator`, `ConnectionBanner`
"""

from ..loops import TextualLoop
from .lists import Box, ListRows
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = [
    "Box",
    "ConnectionBanner",
    "ConnectionIndicator",
    "ConnectionStatus",
    "ListRows",
    "TextualLoop",
]
