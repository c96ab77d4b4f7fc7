"""The adapter for Qt: event loop, lists and connection widgets."""

from .lists import ListModel
from .loop import QtLoop
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = [
    "ConnectionBanner",
    "ConnectionIndicator",
    "ConnectionStatus",
    "ListModel",
    "QtLoop",
]
