"""The adapter for wxPython: event loop and connection widgets.

It shows streams; it neither connects nor sends. The program hands in the module `wx`; importing this package imports no toolkit.

Modules in reading order:

    loop     `WxLoop`
    parts    the parts of the widgets: a painted pill, a button
    widgets  `ConnectionStatus`, `ConnectionIndicator`, `ConnectionBanner`
"""

from .loop import WxLoop
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "WxLoop"]
