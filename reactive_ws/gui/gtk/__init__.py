"""The adapter for GTK 4, with PyGObject: event loop and connection widgets.

It shows streams; it neither connects nor sends. The program hands in the modules `GLib` and `Gtk`; importing this package imports no
toolkit. Lists of GTK take `reactive_ws.views.list_changes`; `examples/chat_gtk.py` shows one.

Modules in reading order:

    parts    the parts of the widgets: style classes, symbols, buttons
    widgets  `ConnectionStatus`, `ConnectionIndicator`, `ConnectionBanner`

`GLibLoop` is in `gui.loops`, because programs without windows take it too.
"""

from ..loops import GLibLoop
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "GLibLoop"]
