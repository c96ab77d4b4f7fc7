"""The parts of the GTK widgets: style classes for colours, a symbol that turns, a label that elides, a button.

Colours are CSS of a lower priority than that of the application, so a style sheet of the program wins.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from ..loop import check_loop, check_toolkit, without_arguments
from ..loops import GLibLoop
from ..status import ConnectionView, Ink, Tone, TurningMark, is_dark

__all__ = ["Kit", "Symbol", "kit_for", "kit_of"]

_PRIORITY = 500
"""Above the theme and the settings of GTK (400), below the application (600)."""
_SIDE = 16
"""Pixels of each side of a symbol, at 100 %."""
_SHAPES = """
.connection-status { border: 1px solid transparent; border-radius: 999px; padding: 3px 10px; }
.connection-banner { border: 1px solid transparent; border-radius: 8px; padding: 8px 12px; }
.connection-metrics { border: 1px solid transparent; border-radius: 8px; padding: 8px 12px; }
.connection-badge { border-radius: 999px; padding: 0 6px; font-weight: bold; }
.connection-title { font-weight: bold; }
.connection-retry { padding: 0 4px; min-height: 0; }
.connection-retry label { text-decoration: underline; }
"""
_TONES = tuple(tone.value for tone in Tone)


class Kit:
    """The modules of one version of GTK, and the style sheets that it has got.

    Args:
        gtk: The module `gi.repository.Gtk`, of version 4.
    """

    def __init__(self, gtk: ModuleType) -> None:
        self.gtk: Any = gtk
        # Importing Gtk has imported what it depends on.
        self.gdk: Any = sys.modules["gi.repository.Gdk"]
        self.glib: Any = sys.modules["gi.repository.GLib"]
        self.pango: Any = sys.modules["gi.repository.Pango"]
        self._known: set[str] = set()
        self._add(_SHAPES)

    def _add(self, css: str) -> None:
        provider = self.gtk.CssProvider()
        if hasattr(provider, "load_from_string"):
            provider.load_from_string(css)
        else:
            provider.load_from_data(css.encode())
        display = self.gdk.Display.get_default()
        self.gtk.StyleContext.add_provider_for_display(display, provider, _PRIORITY)

    def set_ink(self, widget: Any, view: ConnectionView, ink: Ink) -> None:
        """Gives a widget the colours of a view, and the classes that style sheets name: the tone."""
        name = "connection-ink-" + "".join(it[1:] for it in (ink.text, ink.tint, ink.edge))
        if name not in self._known:
            self._known.add(name)
            self._add(
                f".{name} {{ background-color: {ink.tint}; color: {ink.text}; border-color: {ink.edge}; }}\n"
                f".{name} button {{ color: {ink.text}; }}\n"
                f".{name} .connection-badge {{ background-color: {ink.text}; color: {ink.tint}; }}"
            )
        for old in widget.get_css_classes():
            if old.startswith("connection-ink-") or old in _TONES:
                widget.remove_css_class(old)
        widget.add_css_class(name)
        widget.add_css_class(view.tone.value)

    def is_dark(self, widget: Any) -> bool:
        """Whether the window of a widget is dark, which the colour of its text tells."""
        window = widget.get_root() or widget
        colour = (
            window.get_color()
            if hasattr(window, "get_color")
            else window.get_style_context().get_color()
        )
        parts = (colour.red, colour.green, colour.blue)
        return not is_dark("#" + "".join(f"{round(255 * it):02x}" for it in parts))

    def has_motion(self) -> bool:
        """Whether the user's settings allow animations."""
        settings = self.gtk.Settings.get_default()
        return settings is None or bool(settings.get_property("gtk-enable-animations"))

    def label(self, name: str, *, wraps: bool = False) -> Any:
        """Returns a label for plain text, which wraps or ends in "…"."""
        label = self.gtk.Label(xalign=0.0)
        label.add_css_class(name)
        label.set_use_markup(False)
        if wraps:
            label.set_wrap(True)
            label.set_wrap_mode(self.pango.WrapMode.WORD_CHAR)
            # A label asks for the width of its whole text in one line, which would make the window wider.
            label.set_max_width_chars(40)
        else:
            label.set_ellipsize(self.pango.EllipsizeMode.END)
        return label

    def retry_button(self, press: Callable[[], None]) -> Any:
        """Returns a flat button that Tab reaches; hidden."""
        button = self.gtk.Button(has_frame=False, visible=False, valign=self.gtk.Align.CENTER)
        button.add_css_class("connection-retry")
        button.connect("clicked", without_arguments(press))
        return button

    def on_palette(self, widget: Any, paint: Callable[[], None]) -> None:
        """Calls `paint` when the widget gets a window and when the settings change between light and dark."""
        widget.connect("realize", without_arguments(paint))
        settings = self.gtk.Settings.get_default()
        reference = weakref.WeakMethod(paint)

        def changed(*_: object) -> None:
            living = reference()
            if living is not None:
                # GTK computes the new colours after this signal.
                self.glib.idle_add(_once(living))

        if settings is not None:
            for name in ("gtk-application-prefer-dark-theme", "gtk-theme-name"):
                settings.connect(f"notify::{name}", changed)

    def describe(self, widget: Any, name: str, text: str) -> None:
        """Gives a widget its tooltip, and its name and description for screen readers."""
        widget.set_tooltip_text(text)
        kinds = self.gtk.AccessibleProperty
        widget.update_property([kinds.LABEL, kinds.DESCRIPTION], [name, text])


def _once(function: Callable[[], None]) -> Callable[[], bool]:
    def call() -> bool:
        function()
        return False

    return call


def kit_for(ui: object, gtk: ModuleType) -> Kit:
    """Returns the kit of GTK for a widget of this loop.

    Raises:
        UsageError: `ui` is the loop of another toolkit, or `gtk` is another module.
    """
    check_loop(ui, GLibLoop, "ConnectionStatus(ui, Gtk, views)")
    check_toolkit(gtk, "CssProvider", "ConnectionStatus(ui, Gtk, views), with the module Gtk")
    return kit_of(gtk)


@cache
def kit_of(gtk: ModuleType) -> Kit:
    """Returns the kit of GTK, made once."""
    return Kit(gtk)


class Symbol:
    """The symbol of a state. It turns while the service is busy.

    Args:
        ui: The loop.
        kit: The modules.

    Attributes:
        widget: A Gtk.Image.
        show: Shows a view's symbol in a colour.
        spinner: Turns it.
    """

    def __init__(self, ui: GLibLoop, kit: Kit) -> None:
        self._kit = kit
        self.widget: Any = kit.gtk.Image(pixel_size=_SIDE)
        mark = TurningMark(
            ui, self.widget, pixels=self._pixels, draw=self._draw, can_move=self._can_move
        )
        self.show = mark.show
        self.spinner = mark.spinner

        def check() -> None:
            ui.post(ui.seen_changed)

        for signal in ("map", "unmap"):
            self.widget.connect(signal, without_arguments(check))

    def _pixels(self) -> int:
        return _SIDE * int(self.widget.get_scale_factor())

    def _draw(self, png: bytes) -> None:
        data = self._kit.glib.Bytes.new(png)
        self.widget.set_from_paintable(self._kit.gdk.Texture.new_from_bytes(data))

    def _can_move(self) -> bool:
        return bool(self.widget.get_mapped()) and self._kit.has_motion()
