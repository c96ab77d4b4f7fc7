"""The parts of the wx widgets: rounded boxes, a pill with symbol, words and badge, and a flat button."""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from typing import Any

from ..status import ConnectionView, Ink, Spinner, is_dark, mark
from .loop import WxLoop

__all__ = [
    "Box",
    "Pill",
    "colour_button",
    "has_dark_window",
    "label_button",
    "retry_button",
    "sharp_symbol_of",
    "symbol_of",
]


def has_dark_window(widget: Any) -> bool:
    """Whether the window of a widget has a dark background."""
    return is_dark(widget.GetBackgroundColour().GetAsString(_HTML))


_RADIUS = 8.0
"""Pixels of the corners of a box."""
_HTML = 4
"""`wx.C2S_HTML_SYNTAX`: a colour as `#rrggbb`."""


def symbol_of(wx: Any, view: ConnectionView, size: int, colour: str, step: int) -> Any:
    """Returns the symbol of a view as a wx.Bitmap."""
    return wx.Bitmap(wx.Image(io.BytesIO(mark(view.state, size, colour, step)), wx.BITMAP_TYPE_PNG))


def sharp_symbol_of(wx: Any, view: ConnectionView, size: int, colour: str) -> Any:
    """Returns the symbol of a view for a widget of wx, which takes the picture that fits the scale of its screen."""
    sizes = (symbol_of(wx, view, scale * size, colour, 0) for scale in (1, 2))
    return wx.BitmapBundle.FromBitmaps(*sizes)


def retry_button(wx: Any, parent: Any, press: Callable[[], None]) -> Any:
    """Returns a flat button that Tab reaches; hidden."""
    button = wx.Button(parent, style=wx.BORDER_NONE | wx.BU_EXACTFIT)
    font = button.GetFont()
    font.SetUnderlined(True)
    button.SetFont(font)

    def pressed(_: object) -> None:
        press()

    button.Bind(wx.EVT_BUTTON, pressed)
    button.Hide()
    return button


def label_button(button: Any, text: str) -> None:
    """Shows a text underlined. Some ports of wx ignore the font of a button, and read markup instead."""
    if button.GetLabelText() != text and not button.SetLabelMarkup(f"<u>{html.escape(text)}</u>"):
        button.SetLabelText(text)


def colour_button(button: Any, background: str, text: str) -> None:
    """Paints a button for its background."""
    button.SetBackgroundColour(background)
    button.SetForegroundColour(text)


class Box:
    """A panel that paints a rounded box below its children.

    Args:
        wx: The module.
        parent: Where the panel belongs; its colour is that of the corners.

    Attributes:
        widget: The wx.Panel.
        ink: The colours that it paints.
    """

    def __init__(self, wx: Any, parent: Any) -> None:
        self._wx = wx
        self.ink: Ink | None = None
        self.widget: Any = wx.Panel(parent, style=wx.BORDER_NONE)
        self.widget.SetBackgroundStyle(wx.BG_STYLE_PAINT)
        self.widget.Bind(wx.EVT_PAINT, self._paint)

    def show(self, ink: Ink) -> None:
        """Paints other colours, also those of all labels on it."""
        self.ink = ink
        for child in self.widget.GetChildren():
            if isinstance(child, self._wx.StaticText):
                child.SetForegroundColour(ink.text)
        self.widget.Refresh()

    def _paint(self, _: Any) -> None:
        wx, panel = self._wx, self.widget
        canvas = wx.AutoBufferedPaintDC(panel)
        canvas.SetBackground(wx.Brush(panel.GetParent().GetBackgroundColour()))
        canvas.Clear()
        if self.ink is not None:
            size = panel.GetSize()
            graphics = wx.GraphicsContext.Create(canvas)
            box = (0.5, 0.5, size.width - 1.0, size.height - 1.0)
            _round(wx, graphics, box, self.ink.tint, self.ink.edge, _RADIUS)


class Pill:
    """A rounded label with a symbol, words that elide, and a badge, painted on a panel.

    Args:
        ui: The loop.
        wx: The module.
        parent: Where the panel belongs.
        has_text: Whether it shows words.

    Attributes:
        widget: The wx.Panel. It asks for the width of its words, and elides them where it gets less.
        text: The words as painted last.
    """

    def __init__(self, ui: WxLoop, wx: Any, parent: Any, *, has_text: bool) -> None:
        self._ui = ui
        self._wx = wx
        self._has_text = has_text
        self._view: ConnectionView | None = None
        self.text = ""
        self.widget: Any = wx.Panel(parent, style=wx.BORDER_NONE)
        self.widget.SetBackgroundStyle(wx.BG_STYLE_PAINT)
        self._font = self.widget.GetFont()
        self._bold = self.widget.GetFont()
        self._bold.MakeBold()
        self._line = int(self.widget.GetCharHeight())
        self.height = self._line + 8
        self.spinner = Spinner(
            ui, self.widget, can_move=self._can_move, paint=lambda _: self.widget.Refresh()
        )
        self.widget.Bind(wx.EVT_PAINT, self._paint)
        self.widget.Bind(wx.EVT_SHOW, self._shown)
        ui.follow(self.widget)
        self.widget.Bind(wx.EVT_SIZE, self._resized)

    def show(self, view: ConnectionView) -> None:
        """Paints a view."""
        self._view = view
        self.widget.SetToolTip(view.full)
        self.widget.Refresh()
        self.spinner.show(view)

    def fit(self, room: int) -> bool:
        """Asks for the width of its words, at most `room` pixels; returns whether that is another width than before."""
        wanted = 0 if self._view is None else min(self._wanted(self._view), max(room, self.height))
        if self.widget.GetMinSize().width == wanted:
            return False
        self.widget.SetMinSize((wanted, self.height))
        self.widget.SetMaxSize((wanted, self.height))
        return True

    def _wanted(self, view: ConnectionView) -> int:
        gap, badge = self._line // 2, self._badge_width(view)
        words = self._width(view.text, self._font) + gap if self._has_text else 0
        return 2 * gap + self._line + words + (badge + gap if badge else 0)

    def _width(self, text: str, font: Any) -> int:
        width, *_ = self.widget.GetFullTextExtent(text, font)
        return int(width)

    def _badge_width(self, view: ConnectionView) -> int:
        return self._width(view.badge, self._bold) + self._line if view.badge else 0

    def _ink(self, view: ConnectionView) -> Ink:
        return view.ink(is_dark=has_dark_window(self.widget.GetParent()))

    def _paint(self, _: Any) -> None:
        wx, panel, view = self._wx, self.widget, self._view
        canvas = wx.AutoBufferedPaintDC(panel)
        canvas.SetBackground(wx.Brush(panel.GetParent().GetBackgroundColour()))
        canvas.Clear()
        if view is None:
            return
        ink, width = self._ink(view), panel.GetSize().width
        graphics = wx.GraphicsContext.Create(canvas)
        _round(wx, graphics, (0.5, 0.5, width - 1.0, self.height - 1.0), ink.tint, ink.edge)
        gap, badge = self._line // 2, self._badge_width(view)
        top = (self.height - self._line) / 2
        # A pixel of wx has several of the screen where the desktop is scaled.
        pixels = round(self._line * panel.GetContentScaleFactor())
        symbol = symbol_of(wx, view, pixels, ink.symbol, self.spinner.step)
        graphics.DrawBitmap(symbol, gap, top, self._line, self._line)
        if self._has_text:
            start = 2 * gap + self._line
            room = max(0, width - start - gap - (badge + gap if badge else 0))
            canvas.SetFont(self._font)
            self.text = wx.Control.Ellipsize(view.text, canvas, wx.ELLIPSIZE_END, room, 0)
            graphics.SetFont(self._font, wx.Colour(ink.text))
            graphics.DrawText(self.text, start, top)
        if badge:
            left = width - gap - badge
            _round(wx, graphics, (left, top, badge, self._line), ink.text, ink.text)
            graphics.SetFont(self._bold, wx.Colour(ink.tint))
            graphics.DrawText(view.badge, left + self._line / 2, top)

    def _shown(self, event: Any) -> None:
        self._ui.post(self.spinner.check)
        event.Skip()

    def _resized(self, event: Any) -> None:
        self.widget.Refresh()
        event.Skip()

    def _can_move(self) -> bool:
        return self._ui.is_alive(self.widget) and bool(self.widget.IsShownOnScreen())


def _round(
    wx: Any,
    graphics: Any,
    box: tuple[float, ...],
    fill: str,
    edge: str,
    radius: float | None = None,
) -> None:
    graphics.SetBrush(wx.Brush(fill))
    graphics.SetPen(wx.Pen(edge))
    graphics.DrawRoundedRectangle(*box, box[3] / 2 if radius is None else radius)
