"""The adapter for Textual: event loop, lists and connection widgets."""

from .lists import ListRows
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = [
    "ConnectionBanner",
    "ConnectionIndicator",
    "ConnectionStatus",
    "ListRows",
]
