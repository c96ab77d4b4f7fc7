"""Event loops of toolkits that need no package of their own, and `ManualLoop`, which a program turns itself.

Each stands for the event loop of one toolkit; none connects, sends or paints. Programs make one and hand in what belongs to their
toolkit. Importing this package imports no toolkit. Tk, Qt, Textual, GTK and wx have packages of their own.

Modules in reading order:

    manual_loop   `ManualLoop`: for tests and games
    asyncio_loop  `AsyncioLoop`, `TextualLoop`
    jupyter_loop  `JupyterLoop`: notebooks with ipywidgets or anywidget
    nicegui_loop  `NiceGuiLoop`: one page of NiceGUI
    glib_loop     `GLibLoop`: GTK and other programs with PyGObject
    kivy_loop     `KivyLoop`
"""

from .asyncio_loop import AsyncioLoop, TextualLoop
from .glib_loop import GLibLoop
from .jupyter_loop import JupyterLoop
from .kivy_loop import KivyLoop
from .manual_loop import ManualLoop
from .nicegui_loop import NiceGuiLoop

__all__ = [
    "AsyncioLoop",
    "GLibLoop",
    "JupyterLoop",
    "KivyLoop",
    "ManualLoop",
    "NiceGuiLoop",
    "TextualLoop",
]
