"""`KivyLoop`: the clock of Kivy. Kivy's own fonts have few symbols, so hand `ASCII_SYMBOLS` to the theme of a connection view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..loop import UiLoop

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
        super().__init__(**options)
        self._clock = clock
        if app is not None:
            app.bind(on_stop=_ignoring(self.close))

    def wake(self) -> None:
        # The clock holds methods weakly, and this function strongly. Kivy allows the call on any thread.
        self._clock.schedule_once(_ignoring(self.run_posted), 0)

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        event = self._clock.schedule_once(_ignoring(function), delay)

        def cancel() -> None:
            event.cancel()

        return cancel


def _ignoring(function: Callable[[], None]) -> Callable[..., None]:
    def call(*_: object) -> None:
        function()

    return call
