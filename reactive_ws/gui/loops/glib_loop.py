"""`GLibLoop`: the main loop of GLib, for GTK and other programs with PyGObject."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from ..loop import UiLoop, check_toolkit, without_arguments

__all__ = ["GLibLoop"]


class GLibLoop(UiLoop):
    """The default main context of GLib. Make it on the thread that runs this context.

    GLib does not tell when a program ends: connect `close` to the `shutdown` signal of your application.

    Args:
        glib: The module `gi.repository.GLib`.
        options: What `UiLoop` takes.
    """

    def __init__(self, glib: ModuleType, **options: Any) -> None:
        check_toolkit(glib, "MainLoop", "GLibLoop(GLib), with the module of gi.repository")
        self._glib = glib
        self._windows: _Windows | None = None
        super().__init__(**options)

    def is_alive(self, thing: Any) -> bool:
        """Whether the window of a GTK widget has not been destroyed; True for other objects."""
        return thing is not None and (
            self._windows is None or not self._windows.is_destroyed(thing)
        )

    def is_seen(self) -> bool:
        """Whether a window of GTK 4 is on the screen, not minimized and not suspended; True without windows. UI thread."""
        return self._windows is None or self._windows.is_any_seen()

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` at the `destroy` signal of a widget, or when GTK 4 destroys its window; others go when Python collects them."""
        gtk = sys.modules.get("gi.repository.Gtk")
        if (
            gtk is not None
            and hasattr(gtk.Window, "get_toplevels")
            and isinstance(thing, gtk.Widget)
        ):
            if self._windows is None:
                self._windows = _Windows(gtk, self._seen_changed)
            if self._windows.add(thing, gone):
                return
        gobject = sys.modules.get("gi.repository.GObject")
        # A view model may have a `connect` of its own.
        if gobject is not None and isinstance(thing, gobject.Object):
            with suppress(AttributeError):
                # PyGObject drops the Python object of a living widget, unless the object has attributes of its own.
                thing.is_watched = True
            with suppress(TypeError):
                thing.connect("destroy", without_arguments(gone))

    def _seen_changed(self) -> None:
        # GTK changes what a window says after some of its signals.
        self.post(self.seen_changed)

    def wake(self) -> None:
        # Idle sources have a lower priority than drawing by default, so drawing could starve them.
        self._glib.idle_add(self._woken, priority=self._glib.PRIORITY_DEFAULT)

    def _woken(self) -> bool:
        self.run_posted()
        return False

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        is_over = False

        def fire() -> bool:
            nonlocal is_over
            is_over = True
            function()
            return False

        source = self._glib.timeout_add(max(1, round(delay * 1000.0)), fire)

        def cancel() -> None:
            # GLib prints a warning for a source that has ended.
            if not is_over:
                self._glib.source_remove(source)

        return cancel

    def release(self) -> None:
        if self._windows is not None:
            self._windows.release()


class _Windows:
    """The windows of GTK 4. Their `destroy` signal waits until Python drops its references, so this watches the list of windows.

    Args:
        gtk: The module `gi.repository.Gtk`.
        seen_changed: It is called when a window appears, goes, or is minimized.
    """

    def __init__(self, gtk: Any, seen_changed: Callable[[], None]) -> None:
        self._gtk = gtk
        self._gdk: Any = sys.modules["gi.repository.Gdk"]
        self._seen_changed = seen_changed
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()
        self._list = gtk.Window.get_toplevels()
        self._waiting: list[tuple[weakref.ref[Any], Callable[[], None]]] = []
        self._destroyed: weakref.WeakSet[Any] = weakref.WeakSet()
        self._handler = self._list.connect("items-changed", self._changed)
        self._meet()

    def add(self, widget: Any, gone: Callable[[], None]) -> bool:
        """Calls `gone` when the window of a widget goes; at once, and returns True, when it has gone before."""
        root = self._root_of(widget)
        if root is not None and root not in self._all():
            self._destroyed.add(widget)
            gone()
            return True
        self._waiting.append((weakref.ref(widget), gone))
        return False

    def _root_of(self, widget: Any) -> Any:
        return widget if isinstance(widget, self._gtk.Window) else widget.get_root()

    def is_destroyed(self, thing: Any) -> bool:
        return isinstance(thing, self._gtk.Widget) and thing in self._destroyed

    def release(self) -> None:
        self._list.disconnect(self._handler)

    def is_any_seen(self) -> bool:
        windows = self._all()
        return not windows or any(self._is_seen(it) for it in windows)

    def _is_seen(self, window: Any) -> bool:
        if not window.get_mapped():
            return False
        states, surface = self._gdk.ToplevelState, window.get_surface()
        state = surface.get_state() if hasattr(surface, "get_state") else states(0)
        # GTK says since 4.12 that another window covers this one.
        hidden = states.MINIMIZED | getattr(states, "SUSPENDED", states(0))
        return not state & hidden

    def _all(self) -> list[Any]:
        return [self._list.get_item(place) for place in range(self._list.get_n_items())]

    def _meet(self) -> None:
        """Follows the windows that are new."""
        for window in self._all():
            if window in self._known:
                continue
            self._known.add(window)
            for signal in ("map", "unmap"):
                window.connect(signal, without_arguments(self._seen_changed))
            window.connect("realize", self._realized)
            if window.get_realized():
                self._realized(window)

    def _realized(self, window: Any) -> None:
        surface = window.get_surface()
        if hasattr(surface, "get_state"):
            surface.connect("notify::state", without_arguments(self._seen_changed))

    def _changed(self, windows: Any, _place: int, removed: int, _added: int) -> None:
        self._meet()
        self._seen_changed()
        if not removed:
            return
        living = {windows.get_item(place) for place in range(windows.get_n_items())}
        waiting, self._waiting = self._waiting, []
        for reference, gone in waiting:
            widget = reference()
            if widget is None:
                continue
            root = self._root_of(widget)
            if root is None or root in living:
                self._waiting.append((reference, gone))
            else:
                self._destroyed.add(widget)
                gone()
