"""`WxLoop`: the event loop of wxPython. The program hands in the module `wx`; this module imports no toolkit."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from ..loop import UiLoop, check_toolkit

__all__ = ["WxLoop"]


class WxLoop(UiLoop):
    """The loop of a `wx.App`. Make it on the thread that made the application.

    Args:
        wx: The module `wx`.
        frame: The window that ends the loop when wx destroys it; None when the program calls `close` itself.
        options: What `UiLoop` takes.
    """

    def __init__(self, wx: ModuleType, frame: Any = None, **options: Any) -> None:
        check_toolkit(wx, "GetTopLevelWindows", "WxLoop(wx, frame), with the module wx")
        super().__init__(**options)
        self._wx: Any = wx
        self._followed: weakref.WeakSet[Any] = weakref.WeakSet()
        if frame is not None:
            self.watch(frame, self.close)
            self.follow(frame)

    def is_seen(self) -> bool:
        """Whether a window is shown and not minimized; True without windows. UI thread."""
        windows = list(self._wx.GetTopLevelWindows())
        return not windows or any(it.IsShown() and not it.IsIconized() for it in windows)

    def follow(self, window: Any) -> None:
        """Notes when the window of `window` appears, goes, or is minimized. Connection widgets call it. UI thread."""
        top = self._wx.GetTopLevelParent(window)
        if top is None or top in self._followed:
            return
        self._followed.add(top)

        def changed(event: Any) -> None:
            # wx changes what a window says after its events.
            self.post(self.seen_changed)
            event.Skip()

        for kind in (self._wx.EVT_SHOW, self._wx.EVT_ICONIZE):
            top.Bind(kind, changed)

    def is_alive(self, thing: Any) -> bool:
        """Whether the window still exists; True for other objects, because wx does not tell when a menu item or a sizer goes."""
        if thing is None:
            return False
        return bool(thing) if isinstance(thing, self._wx.Window) else True

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` at the destroy event of a window; other objects go when Python collects them."""
        if not isinstance(thing, self._wx.Window):
            return
        reference = weakref.ref(thing)
        top = self._wx.TopLevelWindow
        name = thing.GetId() if isinstance(thing, top) else None
        # Python drops its object of a window that wx made, such as a status bar, while the window lives.
        kept = [] if self._wx.siplib.ispycreated(thing) else [thing]

        def destroyed(event: Any) -> None:
            # A window also gets the events of its children. In the event of a frame, wx hands in another object for it.
            source = event.GetEventObject()
            if source is reference() or (isinstance(source, top) and source.GetId() == name):
                gone()
                kept.clear()
            event.Skip()

        window: Any = thing
        window.Bind(self._wx.EVT_WINDOW_DESTROY, destroyed)

    def on_palette(self, widget: Any, paint: Callable[[], None]) -> None:
        """Calls `paint` when the system changes its colours, such as from light to dark. UI thread."""

        def changed(event: Any) -> None:
            # wx gives the windows their new colours after this event.
            self.post(paint)
            event.Skip()

        widget.Bind(self._wx.EVT_SYS_COLOUR_CHANGED, changed)

    def wake(self) -> None:
        # Posts an event; raises when the application has ended.
        self._wx.CallAfter(self.run_posted)

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        timer = self._wx.CallLater(max(1, round(delay * 1000.0)), function)

        def cancel() -> None:
            # The application may have ended before its loop.
            with suppress(RuntimeError):
                timer.Stop()

        return cancel
