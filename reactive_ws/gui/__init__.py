"""User interfaces on streams: any toolkit, any thread, one repaint per frame.

    loop            UiLoop: post, later, frame, scheduler, mirror, bind, scope; what every toolkit's loop can do
    tk_loop, qt_loop, glib_loop, asyncio_loop, manual_loop          the adapters: a wake and a timer each
    frames          the frame clock
    scheduler       a reactivex scheduler on the UI thread
    conflation      conflate, for state; batched, for events
    mirror          stores as the user interface sees them
    connection_view what a status line, an indicator and a banner show; theme: its symbols, colours and words
    tk_widgets, qt_widgets, textual_widgets     ConnectionStatus, ConnectionIndicator, ConnectionBanner for each toolkit
    list_changes    the row operations between two lists, by key
    tk_lists, qt_lists, textual_lists           lists on the screen that keep their selection and scroll position
    binding         a stream shown in a widget; watching: until the widget is gone

Nothing here imports a toolkit: you hand yours in.
"""

from .asyncio_loop import AsyncioLoop, TextualLoop
from .conflation import Events, batched, conflate
from .connection_view import ConnectionView, connection_view
from .glib_loop import GLibLoop
from .loop import UiLoop
from .manual_loop import ManualLoop
from .mirror import Mirror
from .qt_loop import QtLoop
from .theme import Look, Theme, Words
from .tk_loop import TkLoop

__all__ = [
    "AsyncioLoop",
    "ConnectionView",
    "Events",
    "GLibLoop",
    "Look",
    "ManualLoop",
    "Mirror",
    "QtLoop",
    "TextualLoop",
    "Theme",
    "TkLoop",
    "UiLoop",
    "Words",
    "batched",
    "conflate",
    "connection_view",
]
