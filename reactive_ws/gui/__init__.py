"""Shows stores in user interfaces: any toolkit, any thread, one repaint a frame.

A `UiLoop` stands for the event loop of a toolkit. `ui.bind(stream, target, setter)` writes the newest value of a stream into a
widget, a variable or any other object. It does so on the UI thread, at most once a frame. Packages for toolkits add lists that keep
their selection and position, and widgets that show the connection.

It does not connect, send or decide: a service does, and this package reads the service's stores. Programs with a user
interface call it. Importing it imports no toolkit: the program hands in its root window or its toolkit's module. Only
`gui.textual` imports its toolkit, so import it where Textual is installed.

Modules in reading order:

    ui_thread      roles: what streams need of the thread of a user interface
    loop           `UiLoop`: the contract of an event loop
    frames         `FrameClock`: calls all painters together, a limited number of times a second
    scheduler      `UiScheduler`: a `reactivex` scheduler on the UI thread
    conflation     `conflate` for state, `batched` for events
    mirror         `Mirror`: a store that changes between frames only
    watching       `Watch`: calls functions when an object goes
    binding        `bind`: writes a stream into a target; what bindings, mirrors and lists take
    two_way        `bind_both`: a field of a form and a part of a store, each follows the other
    plain          `plain` and `isolated`: a text from a server, safe to show and in its own direction

Packages: `loops` (toolkits that need no more than a loop), `rows` (what lists of all toolkits share), `status` (what connection
widgets show), and the toolkits `tk`, `qt`, `textual`, `gtk` and `wx`.
"""

from .conflation import Events, batched, conflate
from .loop import UiLoop
from .loops import (
    AsyncioLoop,
    GLibLoop,
    JupyterLoop,
    KivyLoop,
    ManualLoop,
    NiceGuiLoop,
    TextualLoop,
)
from .mirror import Mirror
from .plain import isolated, plain
from .qt import QtLoop
from .status import ConnectionView, Theme, Words, connection_view
from .tk import TkLoop
from .two_way import Field, bind_both
from .wx import WxLoop

__all__ = [
    "AsyncioLoop",
    "ConnectionView",
    "Events",
    "Field",
    "GLibLoop",
    "JupyterLoop",
    "KivyLoop",
    "ManualLoop",
    "Mirror",
    "NiceGuiLoop",
    "QtLoop",
    "TextualLoop",
    "Theme",
    "TkLoop",
    "UiLoop",
    "Words",
    "WxLoop",
    "batched",
    "bind_both",
    "conflate",
    "connection_view",
    "isolated",
    "plain",
]
