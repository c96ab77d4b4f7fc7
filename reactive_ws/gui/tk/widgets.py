"""Connection widgets for tkinter: painters of `ConnectionView`. Each has a `widget` that you place as you like.

tkinter itself is taken from the parent widget's program; nothing is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from reactivex import Observable

from ..status import ConnectionView, Theme
from .loop import TkLoop

if TYPE_CHECKING:
    import tkinter as tk

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus"]

_CORNERS = {
    "top-left": (0.0, 0.0, "nw"),
    "top-right": (1.0, 0.0, "ne"),
    "bottom-left": (0.0, 1.0, "sw"),
    "bottom-right": (1.0, 1.0, "se"),
}
_MARGIN = 8
_TOOLTIP_DELAY = 0.5


def _tkinter() -> Any:
    # Whoever has a parent widget has imported it.
    return sys.modules["tkinter"]


class ConnectionStatus:
    """The connection in a line.

    Args:
        ui: The loop.
        parent: Where the widget belongs.
        views: From `connection_view`.
        detail: "full" for symbol, words and queue; "compact" for symbol and queue, with the words in a tooltip; "metrics"
            for a line and the numbers below.

    Attributes:
        widget: The label. Lay it out as you like.
    """

    def __init__(
        self,
        ui: TkLoop,
        parent: tk.Misc,
        views: Observable[ConnectionView],
        *,
        detail: Literal["full", "compact", "metrics"] = "full",
    ) -> None:
        self.widget: tk.Label = _tkinter().Label(parent, anchor="w", justify="left")
        tooltip = _Tooltip(ui, self.widget)

        def paint(label: tk.Label, view: ConnectionView) -> None:
            lines = {
                "full": view.line,
                "compact": view.short,
                "metrics": "\n".join((view.line, *view.metrics)),
            }
            label.configure(text=lines[detail], foreground=view.colour)
            tooltip.text = view.full

        ui.bind(views, self.widget, paint)


class ConnectionIndicator:
    """A small sign in a corner of a window, with the words in a tooltip.

    Args:
        ui: The loop.
        parent: In whose corner; the indicator places itself.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether it is there only in outages that last longer than the grace period.

    Attributes:
        widget: The label.
    """

    def __init__(
        self,
        ui: TkLoop,
        parent: tk.Misc,
        views: Observable[ConnectionView],
        *,
        position: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        self.widget: tk.Label = _tkinter().Label(parent)
        tooltip = _Tooltip(ui, self.widget)
        x, y, anchor = _CORNERS[position]
        offsets = {"x": _MARGIN if x == 0.0 else -_MARGIN, "y": _MARGIN if y == 0.0 else -_MARGIN}

        def paint(label: Any, view: ConnectionView) -> None:
            label.configure(text=view.short, foreground=view.colour)
            tooltip.text = view.full
            if hide_when_connected and view.is_calm:
                label.place_forget()
            elif not label.winfo_manager():
                label.place(relx=x, rely=y, anchor=anchor, **offsets)
                label.lift()

        ui.bind(views, self.widget, paint)


class ConnectionBanner:
    """A line across the window while the connection is lost; of no height otherwise.

    Args:
        ui: The loop.
        parent: Where the widget belongs.
        views: From `connection_view`.
        theme: For the banner's colours; the usual one when None.

    Attributes:
        widget: The frame. Lay it out where the banner should appear, filling the width.
    """

    def __init__(
        self,
        ui: TkLoop,
        parent: tk.Misc,
        views: Observable[ConnectionView],
        *,
        theme: Theme | None = None,
    ) -> None:
        look = theme or Theme()
        tkinter = _tkinter()
        self.widget: tk.Frame = tkinter.Frame(parent, height=1, background=look.banner_colour)
        self.label: tk.Label = tkinter.Label(
            self.widget,
            background=look.banner_colour,
            foreground=look.banner_text_colour,
            padx=12,
            pady=6,
        )

        def paint(frame: tk.Frame, view: ConnectionView) -> None:
            label = self.label
            if view.banner is None:
                label.pack_forget()
                # A frame keeps its size when its last child goes.
                frame.configure(height=1)
            else:
                label.configure(text=f"{view.symbol}  {view.banner}")
                label.pack(fill="x")

        ui.bind(views, self.widget, paint)


class _Tooltip:
    """A text that appears when the pointer rests on a widget."""

    def __init__(self, ui: TkLoop, widget: tk.Widget) -> None:
        self._ui = ui
        self._widget = widget
        self._window: Any = None
        self._cancel: Callable[[], None] | None = None
        self._text = ""
        self._label: Any = None
        widget.bind("<Enter>", self._enter, add="+")
        widget.bind("<Leave>", self._leave, add="+")
        widget.bind("<Destroy>", self._leave, add="+")

    @property
    def text(self) -> str:
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        self._text = value
        if self._label is not None:
            self._label.configure(text=value)

    def _enter(self, _: object) -> None:
        self._leave(None)
        self._cancel = self._ui.later(_TOOLTIP_DELAY, self._show)

    def _show(self) -> None:
        tkinter = _tkinter()
        self._window = tkinter.Toplevel(self._widget)
        self._window.wm_overrideredirect(True)
        below = self._widget.winfo_rooty() + self._widget.winfo_height() + 4
        self._window.wm_geometry(f"+{self._widget.winfo_rootx()}+{below}")
        self._label = tkinter.Label(
            self._window, text=self._text, justify="left", relief="solid", borderwidth=1, padx=6
        )
        self._label.pack()

    def _leave(self, _: object) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        if self._window is not None:
            self._window.destroy()
            self._window = self._label = None
