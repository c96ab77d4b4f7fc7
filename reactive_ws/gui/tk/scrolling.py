"""`FollowEnd`: keeps a scrolled widget of Tk at its end, also when the window shrinks or rows come.

Tk keeps the top of a view in place. A banner that appears above a chat then pushes the newest message out of sight. It works
for a Treeview, Text, Listbox and Canvas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..rows import End
from .loop import TkLoop

if TYPE_CHECKING:
    import tkinter as tk

__all__ = ["FollowEnd"]

_HOOKED: WeakValueDictionary[str, FollowEnd] = WeakValueDictionary()
"""The one that follows, by the name of its command in Tk. UI thread."""


class FollowEnd:
    """Keeps a widget at its end while the user has it there. UI thread.

    Args:
        ui: The loop.
        widget: A widget with `yview`. A scrollbar that the program connects to it goes on working.
        is_on: Whether to follow; without it only `end` is kept.

    Attributes:
        end: Whether the widget is at its end, and how many rows came since.
    """

    def __init__(self, ui: TkLoop, widget: tk.Widget, *, is_on: bool = True) -> None:
        self._ui = ui
        self._widget: Any = widget
        self._is_on = is_on
        self._size: object = None
        self._top: tuple[float, ...] = (0.0,)
        self._is_moving = False
        self._next = ""
        self.end = End(ui.domain, self._go)
        self._hook()
        widget.bind("<Configure>", lambda _: self._hook(), add="+")
        if widget.winfo_class() == "Text":
            # A Text measures its lines later and says when it has.
            widget.bind("<<WidgetViewSync>>", lambda _: self._settle(), add="+")

    def _hook(self) -> None:
        """Puts itself before the scrollbar that the program may have connected meanwhile."""
        now = str(self._widget.cget("yscrollcommand"))
        # Another one that follows the same widget may stand before this one. Two that put themselves before each other would
        # call each other without end.
        before = now
        while (other := _HOOKED.get(before)) is not None:
            if other is self:
                return
            before = other._next
        self._next = now
        self._widget.configure(yscrollcommand=self._moved)
        _HOOKED[str(self._widget.cget("yscrollcommand"))] = self

    def changed(self) -> None:
        """Follows the end after the program has changed the contents."""
        self._hook()
        self._settle()

    def _go(self) -> None:
        self.end.moved(is_at_end=True)
        self._widget.yview_moveto(1.0)

    def _settle(self) -> None:
        if self._is_on and self.end.is_there and self._ui.is_alive(self._widget):
            self._widget.yview_moveto(1.0)

    def _moved(self, first: str, last: str) -> None:
        if self._next:
            self._widget.tk.call(*self._widget.tk.splitlist(self._next), first, last)
        top, bottom, size = self._top_of(float(first)), float(last), self._measure()
        has_grown, self._size = size != self._size, size
        was, self._top = self._top, top
        if bottom >= 1.0:
            self.end.moved(is_at_end=True)
        elif self._is_on and self.end.is_there and (has_grown or top >= was):
            # The window shrank or rows came: the user has not scrolled away.
            self._later(self._settle)
        else:
            self.end.moved(is_at_end=False)

    def _later(self, function: Callable[[], None]) -> None:
        if not self._is_moving:
            self._is_moving = True

            def run() -> None:
                self._is_moving = False
                function()

            self._ui.post(run)

    def _measure(self) -> object:
        """Returns what changes when the widget's height or its contents change."""
        widget = self._widget
        kind = widget.winfo_class()
        if kind == "Text":
            return widget.winfo_height(), widget.index("end")
        if kind == "Treeview":
            return widget.winfo_height(), len(widget.get_children())
        if kind == "Listbox":
            return widget.winfo_height(), widget.size()
        return widget.winfo_height(), str(widget.cget("scrollregion"))

    def _top_of(self, first: float) -> tuple[float, ...]:
        """Returns where the view begins, as numbers that become smaller when the user scrolls up."""
        if self._widget.winfo_class() != "Text":
            return (first,)
        # While a Text measures its lines, fractions change and the line at the top does not.
        line, character = str(self._widget.index("@0,0")).split(".")
        return int(line), int(character)
