"""The adapter for Tk: event loop, lists and connection widgets."""

from .lists import TreeRows
from .loop import TkLoop
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = [
    "ConnectionBanner",
    "ConnectionIndicator",
    "ConnectionStatus",
    "TkLoop",
    "TreeRows",
]
