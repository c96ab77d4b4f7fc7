"""Connection widgets for GTK 4: `ConnectionStatus`, `ConnectionIndicator` and `ConnectionBanner`.

Each copies a `ConnectionView` into its `widget`. The program hands in the module `gi.repository.Gtk`. All texts are shown as plain
text. Screen readers get the name of the state as label and all words as description.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from reactivex import Observable

from ..loop import check_toolkit
from ..loops import GLibLoop
from ..status import ConnectionView, Corner, Detail, check_corner, check_detail
from .parts import Symbol, kit_for

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "Corner"]

_MARGIN = 8


class ConnectionStatus:
    """The connection as a pill: symbol, words, number of waiting messages, and a button that dials at once.

    Style classes: `connection-status`, and in it `connection-text`, `connection-badge` and `connection-retry`; the panel of numbers
    has `connection-metrics`. The pill also has the class of its tone: `good`, `busy`, `bad` or `idle`.

    Args:
        ui: The loop.
        gtk: The module `gi.repository.Gtk`, of version 4.
        views: From `connection_view`.
        detail: "full" for symbol, words and badge; "compact" for symbol and badge, with the words in a tooltip; "metrics"
            for a pill with a panel of numbers below it.
        corner: The corner of `overlay` over whose content the pill floats; None to lay it out yourself.
        overlay: The Gtk.Overlay that `corner` belongs to; None without `corner`.

    Attributes:
        widget: A Gtk.Box. Put it into a container, unless `corner` is given.

    Raises:
        ValueError: one of `corner` and `overlay` without the other.
        UsageError: there is no such corner or detail, `overlay` is not a Gtk.Overlay, or `ui` is the loop of another toolkit.
    """

    def __init__(
        self,
        ui: GLibLoop,
        gtk: ModuleType,
        views: Observable[ConnectionView],
        *,
        detail: Detail = "full",
        corner: Corner | None = None,
        overlay: Any = None,
    ) -> None:
        check_detail(detail)
        check_corner("corner", corner)
        if (corner is None) != (overlay is None):
            raise ValueError(
                "corner needs overlay=, the Gtk.Overlay over which the pill floats; give both or none"
            )
        if overlay is not None:
            form = 'ConnectionStatus(ui, Gtk, views, corner="top-right", overlay=overlay)'
            check_toolkit(overlay, "add_overlay", f"{form}, with a Gtk.Overlay")
        self._kit = kit = kit_for(ui, gtk)
        self._detail = detail
        self._view: ConnectionView | None = None
        start = kit.gtk.Align.START
        self.pill: Any = kit.gtk.Box(spacing=7, halign=start, valign=start)
        self.pill.add_css_class("connection-status")
        self._symbol = Symbol(ui, kit)
        self._text = kit.label("connection-text")
        self._badge = kit.label("connection-badge")
        self._retry = kit.retry_button(self._dial)
        for part in (self._symbol.widget, self._text, self._badge, self._retry):
            self.pill.append(part)
        self._text.set_visible(detail != "compact")
        self.widget: Any = self.pill
        self._numbers: list[tuple[Any, Any]] = []
        self._panel: Any = None
        if detail == "metrics":
            self._make_panel()
        ui.bind(views, self.widget, lambda _, view: self._show(view))
        kit.on_palette(self.pill, self._paint)
        if corner is not None:
            _float(kit.gtk.Align, self.widget, overlay, corner)

    @property
    def texts(self) -> tuple[str, ...]:
        """The words, the badge and the button, as far as they are shown."""
        shown = [it.get_text() for it in (self._text, self._badge) if it.get_visible()]
        return (*shown, *([self._retry.get_label()] if self._retry.get_visible() else ()))

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        self._paint()
        self._text.set_text(view.text)
        self._badge.set_text(view.badge)
        self._badge.set_visible(bool(view.badge))
        self._retry.set_label(view.theme.words.retry)
        self._retry.set_visible(view.retry is not None and self._detail != "compact")
        for (name, value), number in zip(self._numbers, view.numbers, strict=bool(self._numbers)):
            name.set_text(number.name)
            value.set_text(number.value)
        self._kit.describe(self.pill, view.live, view.full)

    def _paint(self) -> None:
        view = self._view
        if view is None:
            return
        is_dark = self._kit.is_dark(self.widget)
        ink = view.ink(is_dark=is_dark)
        self._kit.set_ink(self.pill, view, ink)
        self._symbol.show(view, ink.symbol)
        if self._panel is not None:
            palette = view.theme.dark if is_dark else view.theme.light
            self._kit.set_ink(self._panel, view, palette.idle)

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()

    def _make_panel(self) -> None:
        gtk = self._kit.gtk
        self.widget = gtk.Box(orientation=gtk.Orientation.VERTICAL, spacing=6)
        self._panel = gtk.Grid(column_spacing=24, row_spacing=3, halign=gtk.Align.START)
        self._panel.add_css_class("connection-metrics")
        for row in range(5):
            name, value = (self._kit.label("connection-number") for _ in range(2))
            value.set_xalign(1.0)
            self._panel.attach(name, 0, row, 1, 1)
            self._panel.attach(value, 1, row, 1, 1)
            self._numbers.append((name, value))
        self.widget.append(self.pill)
        self.widget.append(self._panel)


class ConnectionIndicator:
    """A small symbol in a corner of an overlay, with the words in a tooltip.

    Args:
        ui: The loop.
        gtk: The module `gi.repository.Gtk`, of version 4.
        overlay: The Gtk.Overlay in whose corner the indicator floats.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether the indicator shows only in outages that last longer than the grace period.

    Attributes:
        widget: A Gtk.Box with the style class `connection-status`.
    """

    def __init__(
        self,
        ui: GLibLoop,
        gtk: ModuleType,
        overlay: Any,
        views: Observable[ConnectionView],
        *,
        position: Corner = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        check_corner("position", position)
        status = ConnectionStatus(
            ui, gtk, views, detail="compact", corner=position, overlay=overlay
        )
        self.widget: Any = status.widget

        def show(widget: Any, view: ConnectionView) -> None:
            widget.set_visible(not (hide_when_connected and view.is_calm))

        ui.bind(views, self.widget, show)


class ConnectionBanner:
    """A line across the window while the connection is lost or the outbox is full: two texts, the queue, and Retry.

    Style classes: `connection-banner`, and in it `connection-title`, `connection-text`, `connection-queue` and `connection-retry`.

    Args:
        ui: The loop.
        gtk: The module `gi.repository.Gtk`, of version 4.
        views: From `connection_view`.

    Attributes:
        widget: A Gtk.Revealer. Put it where the banner should appear. Its text wraps.
    """

    def __init__(self, ui: GLibLoop, gtk: ModuleType, views: Observable[ConnectionView]) -> None:
        self._kit = kit = kit_for(ui, gtk)
        self._view: ConnectionView | None = None
        self.widget: Any = kit.gtk.Revealer()
        self._box = kit.gtk.Box(spacing=9)
        self._box.add_css_class("connection-banner")
        self._symbol = Symbol(ui, kit)
        self._symbol.widget.set_valign(kit.gtk.Align.START)
        self._labels = [kit.label(f"connection-{it}", wraps=True) for it in _PLACES]
        words = kit.gtk.Box(orientation=kit.gtk.Orientation.VERTICAL, spacing=1, hexpand=True)
        for label in self._labels:
            words.append(label)
        self._retry = kit.retry_button(self._dial)
        for part in (self._symbol.widget, words, self._retry):
            self._box.append(part)
        self.widget.set_child(self._box)
        ui.bind(views, self.widget, lambda _, view: self._show(view))
        kit.on_palette(self._box, self._paint)

    @property
    def texts(self) -> tuple[str, ...]:
        """Its title, text and queue; empty while it is hidden."""
        if not self.widget.get_reveal_child():
            return ()
        return tuple(it.get_text() for it in self._labels if it.get_visible())

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        title = view.banner_title
        if title is not None:
            # While it goes it keeps its words.
            texts = (title, view.banner_text, view.queue_text)
            for label, text in zip(self._labels, texts, strict=True):
                label.set_text(text)
                label.set_visible(bool(text))
            self._retry.set_label(view.theme.words.retry)
            self._retry.set_visible(view.retry is not None)
            self._paint()
            self._kit.describe(self._box, view.banner or "", view.full)
        self.widget.set_transition_duration(150 if view.theme.has_motion else 0)
        self.widget.set_reveal_child(title is not None)

    def _paint(self) -> None:
        if self._view is not None:
            ink = self._view.ink(is_dark=self._kit.is_dark(self.widget))
            self._kit.set_ink(self._box, self._view, ink)
            self._symbol.show(self._view, ink.symbol)

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()


_PLACES = ("title", "text", "queue")


def _float(align: Any, widget: Any, overlay: Any, corner: Corner) -> None:
    """Keeps a widget in a corner of an overlay, which places it again when its size changes."""
    vertical, horizontal = corner.split("-")
    widget.set_halign(align.START if horizontal == "left" else align.END)
    widget.set_valign(align.START if vertical == "top" else align.END)
    for side in ("top", "bottom", "start", "end"):
        widget.set_property(f"margin-{side}", _MARGIN)
    overlay.add_overlay(widget)
