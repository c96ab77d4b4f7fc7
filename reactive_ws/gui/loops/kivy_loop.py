"""`KivyLoop`: the clock of Kivy. Kivy's own fonts have few symbols, so hand `ASCII_SYMBOLS` to the theme of a connection view."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..loop import UiLoop, check_toolkit, without_arguments

__all__ = ["KivyLoop"]


class KivyLoop(UiLoop):
    """The clock of a Kivy application. Make it on the thread that runs the application, such as in `build`.

    It closes when the application stops. Kivy does not destroy widgets: a binding ends when Python collects its widget, or name
    a widget or screen with `until=` and dispose the binding yourself.

    Args:
        clock: `kivy.clock.Clock`.
        app: The `App`, which says when it stops; None when the program calls `close` itself.
        options: What `UiLoop` takes.
    """

    def __init__(self, clock: Any, app: Any = None, **options: Any) -> None:
        check_toolkit(clock, "schedule_once", "KivyLoop(Clock, app), with the Clock of kivy.clock")
        super().__init__(**options)
        self._clock = clock
        self._is_seen = True
        # A program without a window has no such module.
        window = getattr(sys.modules.get("kivy.core.window"), "Window", None)
        if window is not None:
            window.bind(on_minimize=self._hidden, on_hide=self._hidden)
            window.bind(on_restore=self._shown, on_show=self._shown)
        if app is not None:
            app.bind(on_stop=without_arguments(self.close))

    def is_seen(self) -> bool:
        """Whether the window of Kivy is neither hidden nor minimized. UI thread."""
        return self._is_seen

    def _hidden(self, *_: object) -> None:
        self._is_seen = False
        self.seen_changed()

    def _shown(self, *_: object) -> None:
        self._is_seen = True
        self.seen_changed()

    def wake(self) -> None:
        # The clock holds methods weakly, and this function strongly. Kivy allows the call on any thread.
        self._clock.schedule_once(without_arguments(self.run_posted), 0)

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        event = self._clock.schedule_once(without_arguments(function), delay)

        def cancel() -> None:
            event.cancel()

        return cancel
