"""The adapter for Tk: event loop, lists and connection widgets.

It shows streams; it neither connects nor sends. The program hands in its root window and its widgets; importing this package
imports no toolkit.

Modules in reading order:

    loop       `TkLoop`
    scrolling  `FollowEnd`: keeps a widget at its end
    lists      `TreeRows`
    parts      the parts of the widgets
    widgets    `ConnectionStatus`, `ConnectionIndicator`, `ConnectionBanner`
"""

from .lists import TreeRows
from .loop import TkLoop
from .scrolling import FollowEnd
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = [
    "ConnectionBanner",
    "ConnectionIndicator",
    "ConnectionStatus",
    "FollowEnd",
    "TkLoop",
    "TreeRows",
]
