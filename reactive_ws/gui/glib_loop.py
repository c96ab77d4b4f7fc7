"""`GLibLoop`: GLib's main loop, for GTK and other programs with PyGObject."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from .loop import UiLoop

__all__ = ["GLibLoop"]


class GLibLoop(UiLoop):
    """The default main context of GLib. Make it on the thread that runs it.

    GLib does not say when a program ends: connect `close` to your application's `shutdown`.

    Args:
        glib: The module `gi.repository.GLib`.
        options: What `UiLoop` takes.
    """

    def __init__(self, glib: ModuleType, **options: Any) -> None:
        self._glib = glib
        super().__init__(**options)

    def _on_gone(self, widget: Any, gone: Callable[[], None]) -> None:
        try:
            widget.connect("destroy", _ignoring(gone))
        except TypeError:
            # No widget of GTK: it goes when it is collected.
            return

    def _wake(self) -> None:
        # The default priority of idle sources is below drawing, which may starve them.
        self._glib.idle_add(self._woken, priority=self._glib.PRIORITY_DEFAULT)

    def _woken(self) -> bool:
        self._run_posted()
        return False

    def _start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        is_over = False

        def fire() -> bool:
            nonlocal is_over
            is_over = True
            function()
            return False

        source = self._glib.timeout_add(max(1, round(delay * 1000.0)), fire)

        def cancel() -> None:
            # Taking back a source that is gone would print a warning.
            if not is_over:
                self._glib.source_remove(source)

        return cancel


def _ignoring(function: Callable[[], None]) -> Callable[..., None]:
    def call(*_: object) -> None:
        function()

    return call
