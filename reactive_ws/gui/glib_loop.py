"""`GLibLoop`: the main loop of GLib, for GTK and other programs with PyGObject."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from .loop import UiLoop

__all__ = ["GLibLoop"]


class GLibLoop(UiLoop):
    """The default main context of GLib. Make it on the thread that runs this context.

    GLib does not tell when a program ends: connect `close` to the `shutdown` signal of your application.

    Args:
        glib: The module `gi.repository.GLib`.
        options: What `UiLoop` takes.
    """

    def __init__(self, glib: ModuleType, **options: Any) -> None:
        self._glib = glib
        super().__init__(**options)

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` at the `destroy` signal of a GTK widget; other objects go when Python collects them."""
        connect = getattr(thing, "connect", None)
        if connect is not None:
            with suppress(TypeError):
                connect("destroy", _ignoring(gone))

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


def _ignoring(function: Callable[[], None]) -> Callable[..., None]:
    def call(*_: object) -> None:
        function()

    return call
