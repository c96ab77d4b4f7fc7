"""User interfaces on streams: any toolkit, any thread, one repaint per frame.

    loop            UiLoop: post, later, frame, scheduler, mirror, bind, scope; what every toolkit's loop can do
    tk_loop, qt_loop, glib_loop, asyncio_loop, manual_loop          the adapters: a wake and a timer each
    frames          the frame clock
    scheduler       a reactivex scheduler on the UI thread
    conflation      conflate, for state; batched, for events
    mirror          stores as the user interface sees them
    binding         a stream shown in a widget; watching: until the widget is gone

Nothing here imports a toolkit: you hand yours in.
"""

from .asyncio_loop import AsyncioLoop, TextualLoop
from .conflation import Events, batched, conflate
from .glib_loop import GLibLoop
from .loop import UiLoop
from .manual_loop import ManualLoop
from .mirror import Mirror
from .qt_loop import QtLoop
from .tk_loop import TkLoop

__all__ = [
    "AsyncioLoop",
    "Events",
    "GLibLoop",
    "ManualLoop",
    "Mirror",
    "QtLoop",
    "TextualLoop",
    "TkLoop",
    "UiLoop",
    "batched",
    "conflate",
]
