"""Connection widgets for wxPython: `ConnectionStatus`, `ConnectionIndicator` and `ConnectionBanner`.

Each copies a `ConnectionView` into its `widget`. The program hands in the module `wx`. All texts are shown as plain text. wx tells
screen readers of painted widgets on Windows only, so a program for their users hands `view.live` to a speech program.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from reactivex import Observable

from ..loop import check_loop, check_toolkit
from ..status import ConnectionView, Corner, Detail, check_corner, check_detail
from .loop import WxLoop
from .parts import (
    Box,
    Pill,
    colour_button,
    has_dark_window,
    label_button,
    retry_button,
    sharp_symbol_of,
)

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "Corner"]

_MARGIN = 8


def _check(ui: object, wx: object, form: str) -> None:
    check_loop(ui, WxLoop, form)
    check_toolkit(wx, "GetTopLevelWindows", f"{form}, with the module wx")


class ConnectionStatus:
    """The connection as a pill: symbol, words, number of waiting messages, and a button that dials at once.

    Args:
        ui: The loop.
        wx: The module `wx`.
        parent: Where the widget belongs.
        views: From `connection_view`.
        detail: "full" for symbol, words and badge; "compact" for symbol and badge, with the words in a tooltip; "metrics"
            for a pill with the numbers below it.
        corner: The corner of `parent` over whose content the pill floats; None to lay it out yourself.

    Attributes:
        widget: A wx.Panel. Add it to a sizer, unless `corner` is given.
        pill: Its pill, with the `text` that it shows.

    Raises:
        UsageError: there is no such corner or detail, or `ui` is the loop of another toolkit.
    """

    def __init__(
        self,
        ui: WxLoop,
        wx: ModuleType,
        parent: Any,
        views: Observable[ConnectionView],
        *,
        detail: Detail = "full",
        corner: Corner | None = None,
    ) -> None:
        check_detail(detail)
        check_corner("corner", corner)
        _check(ui, wx, "ConnectionStatus(ui, wx, parent, views)")
        kit: Any = wx
        self._view: ConnectionView | None = None
        self._has_retry = detail != "compact"
        self._corner: Corner | None = corner
        self.widget: Any = kit.Panel(parent)
        self.pill = Pill(ui, kit, self.widget, has_text=detail != "compact")
        self._retry = retry_button(kit, self.widget, self._dial)
        row = kit.BoxSizer(kit.HORIZONTAL)
        row.Add(self.pill.widget, 0, kit.ALIGN_CENTER_VERTICAL)
        row.Add(self._retry, 0, kit.ALIGN_CENTER_VERTICAL | kit.LEFT, 8)
        column = kit.BoxSizer(kit.VERTICAL)
        column.Add(row, 0, kit.EXPAND)
        self._numbers: list[tuple[Any, Any]] = []
        self._panel: Box | None = None
        if detail == "metrics":
            self._panel = Box(kit, self.widget)
            panel, grid = self._panel.widget, kit.FlexGridSizer(2, 3, 24)
            for _ in range(5):
                pair = kit.StaticText(panel), kit.StaticText(panel)
                grid.Add(pair[0])
                grid.Add(pair[1], 0, kit.ALIGN_RIGHT)
                self._numbers.append(pair)
            around = kit.BoxSizer()
            around.Add(grid, 0, kit.ALL, 10)
            panel.SetSizer(around)
            column.Add(panel, 0, kit.TOP, 6)
        self.widget.SetSizer(column)
        ui.on_palette(self.widget, self._repaint)
        ui.bind(views, self.widget, lambda _, view: self._show(view))

        def resized(event: Any) -> None:
            if ui.is_alive(self.widget):
                ui.post(self._fit)
            event.Skip()

        parent.Bind(kit.EVT_SIZE, resized)

    @property
    def texts(self) -> tuple[str, ...]:
        """The words, the badge, the button and the numbers, as far as they are shown."""
        view = self._view
        if view is None:
            return ()
        words = (view.text,) if self._has_retry else ()
        badge = (view.badge,) if view.badge else ()
        button = (self._retry.GetLabel(),) if self._retry.IsShown() else ()
        return (*words, *badge, *button, *(it.GetLabel() for pair in self._numbers for it in pair))

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        has_retry = view.retry is not None and self._has_retry
        label_button(self._retry, view.theme.words.retry)
        # A panel does not take the colour of its window by itself.
        self.widget.SetBackgroundColour(self.widget.GetParent().GetBackgroundColour())
        is_dark = has_dark_window(self.widget)
        ink = view.ink(is_dark=is_dark)
        if self._panel is not None:
            self._panel.show((view.theme.dark if is_dark else view.theme.light).idle)
        colour_button(self._retry, self.widget.GetBackgroundColour(), ink.text)
        has_moved = self._retry.IsShown() != has_retry
        self._retry.Show(has_retry)
        for (name, value), number in zip(self._numbers, view.numbers, strict=bool(self._numbers)):
            name.SetLabelText(number.name)
            value.SetLabelText(number.value)
        self.pill.show(view)
        self._fit(has_moved=has_moved or bool(self._numbers))

    def _repaint(self) -> None:
        if self._view is not None and self.widget:
            self._show(self._view)

    def _fit(self, *, has_moved: bool = False) -> None:
        if not self.widget:
            # wx has destroyed it since its window changed its size.
            return
        parent = self.widget.GetParent()
        button = self._retry.GetBestSize().width + 8 if self._retry.IsShown() else 0
        room = parent.GetClientSize().width - button - 2 * _MARGIN
        has_moved = self.pill.fit(room) or has_moved
        if self._corner is not None:
            _place(self.widget, parent, self._corner)
        if has_moved:
            self.widget.Layout()
            parent.Layout()

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()


class ConnectionIndicator:
    """A small symbol in a corner of a window, with the words in a tooltip.

    Args:
        ui: The loop.
        wx: The module `wx`.
        parent: The window in whose corner the indicator floats. A sizer of it does not move the indicator.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether the indicator shows only in outages that last longer than the grace period.

    Attributes:
        widget: A wx.Panel.
    """

    def __init__(
        self,
        ui: WxLoop,
        wx: ModuleType,
        parent: Any,
        views: Observable[ConnectionView],
        *,
        position: Corner = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        check_corner("position", position)
        self.status = ConnectionStatus(ui, wx, parent, views, detail="compact", corner=position)
        self.widget: Any = self.status.widget

        def show(widget: Any, view: ConnectionView) -> None:
            widget.Show(not (hide_when_connected and view.is_calm))

        ui.bind(views, self.widget, show)


class ConnectionBanner:
    """A line across the window while the connection is lost or the outbox is full: two texts, the queue, and Retry.

    Args:
        ui: The loop.
        wx: The module `wx`.
        parent: Where the widget belongs.
        views: From `connection_view`.

    Attributes:
        widget: A wx.Panel. Add it to a sizer where the banner should appear, filling the width. Its text wraps.
    """

    def __init__(
        self, ui: WxLoop, wx: ModuleType, parent: Any, views: Observable[ConnectionView]
    ) -> None:
        _check(ui, wx, "ConnectionBanner(ui, wx, parent, views)")
        self._wx: Any = wx
        self._ui = ui
        kit = self._wx
        self._view: ConnectionView | None = None
        self._box = Box(kit, parent)
        self.widget: Any = self._box.widget
        self._symbol = kit.StaticBitmap(self.widget)
        self._labels = [kit.StaticText(self.widget) for _ in range(3)]
        bold = self.widget.GetFont()
        bold.MakeBold()
        self._labels[0].SetFont(bold)
        self._retry = retry_button(kit, self.widget, self._dial)
        words = kit.BoxSizer(kit.VERTICAL)
        for label in self._labels:
            words.Add(label, 0, kit.EXPAND)
        row = kit.BoxSizer(kit.HORIZONTAL)
        row.Add(self._symbol, 0, kit.ALL, 10)
        row.Add(words, 1, kit.TOP | kit.BOTTOM, 8)
        row.Add(self._retry, 0, kit.ALIGN_CENTER_VERTICAL | kit.ALL, 10)
        self.widget.SetSizer(row)
        self.widget.Hide()
        self.widget.Bind(kit.EVT_SIZE, self._resized)
        ui.on_palette(self.widget, self._repaint)
        ui.bind(views, self.widget, lambda _, view: self._show(view))

    @property
    def texts(self) -> tuple[str, ...]:
        """Its title, text and queue; empty while it is hidden."""
        if not self.widget.IsShown() or self._view is None:
            return ()
        return tuple(text for text in self._texts(self._view) if text)

    def _texts(self, view: ConnectionView) -> tuple[str, ...]:
        return (view.banner_title or "", view.banner_text, view.queue_text)

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        is_shown = view.banner_title is not None
        if is_shown:
            ink = view.ink(is_dark=has_dark_window(self.widget.GetParent()))
            self._box.show(ink)
            line = self.widget.GetCharHeight()
            self._symbol.SetBitmap(sharp_symbol_of(self._wx, view, line, ink.symbol))
            label_button(self._retry, view.theme.words.retry)
            self._retry.Show(view.retry is not None)
            colour_button(self._retry, ink.tint, ink.text)
            self._wrap()
        if is_shown or self.widget.IsShown():
            self.widget.Show(is_shown)
            self.widget.GetParent().Layout()

    def _repaint(self) -> None:
        if self._view is not None and self.widget:
            self._show(self._view)

    def _wrap(self) -> None:
        if self._view is None or not self.widget:
            return
        button = self._retry.GetBestSize().width + 20 if self._retry.IsShown() else 0
        room = self.widget.GetParent().GetClientSize().width - 60 - button
        for label, text in zip(self._labels, self._texts(self._view), strict=True):
            label.SetLabelText(text)
            label.Wrap(max(80, room))
            label.Show(bool(text))
        self.widget.Layout()

    def _resized(self, event: Any) -> None:
        if self.widget.IsShown():
            self._ui.post(self._wrap)
        event.Skip()

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()


def _place(widget: Any, parent: Any, corner: Corner) -> None:
    """Moves a widget into a corner of its parent, above the other children. No sizer has it."""
    vertical, horizontal = corner.split("-")
    size, room = widget.GetBestSize(), parent.GetClientSize()
    left = _MARGIN if horizontal == "left" else room.width - size.width - _MARGIN
    top = _MARGIN if vertical == "top" else room.height - size.height - _MARGIN
    widget.SetSize(left, top, size.width, size.height)
    widget.Raise()
