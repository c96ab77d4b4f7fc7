"""User interfaces on streams: any toolkit, any thread, one repaint per frame.

    loop            UiLoop: post, later, frame, scheduler, mirror, bind, scope; what every toolkit's loop can do
    tk_loop, qt_loop, glib_loop, asyncio_loop, manual_loop          the adapters: a wake and a timer each
    frames          the frame clock
    scheduler       a reactivex scheduler on the UI thread
    conflation      conflate, for state; batched, for events
    mirror          stores as the user interface sees them
    connection_view what a status line, an indicator and a banner show; theme: its symbols, colours and words
    tk_widgets, qt_widgets, textual_widgets     ConnectionStatus, ConnectionIndicator, ConnectionBanner for each toolkit
    tk_lists, qt_lists, textual_lists           lists on the screen that keep their selection and scroll position
    binding         a stream shown in a widget; watching: until the widget is gone

Nothing here imports a toolkit: you hand yours in.

Modules in reading order:

    asyncio_loop  `AsyncioLoop` and `TextualLoop`: user interfaces that live in an asyncio loop
    binding       `bind`: a stream shown in a widget, for as long as there is a widget
    conflation    `conflate`, for state, and `batched`, for events
    frames        the frame clock: what wants to be painted is painted together, a limited number of times a second
    glib_loop     `GLibLoop`: GLib's main loop, for GTK and other programs with PyGObject
    loop          `UiLoop`
    manual_loop   `ManualLoop`
    mirror        `Mirror`
    scheduler     A `reactivex` scheduler over a `UiLoop`
    ui_thread     what streams need of a user interface's thread, as a role: `UiThread`. Every `UiLoop` has it
    watching      who wants to know when a widget is gone: one hook into the toolkit per widget, however many ask
"""

from .asyncio_loop import AsyncioLoop, TextualLoop
from .conflation import Events, batched, conflate
from .glib_loop import GLibLoop
from .loop import UiLoop
from .manual_loop import ManualLoop
from .mirror import Mirror
from .qt import QtLoop
from .status import ConnectionView, Look, Theme, Words, connection_view
from .tk import TkLoop

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
