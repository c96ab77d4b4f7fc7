"""`Spinner`: the timer of a symbol that turns while a connection is under way.

It runs only while the service is busy, the widget is visible, and the theme and the toolkit allow motion. A hidden or minimized
window costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ui_thread import UiThread
from .connection_view import ConnectionView
from .marks import SPINNER_STEPS

__all__ = ["Spinner"]

_TURN = 1.0
"""Seconds of one turn."""


class Spinner:
    """Calls `paint(step)` for each picture of a turn. UI thread.

    Args:
        ui: The loop.
        owner: The widget; the spinner ends with it.
        can_move: Whether the widget is visible and its toolkit allows motion.
        paint: Shows the picture of a step, from 0 to `SPINNER_STEPS` - 1.
    """

    def __init__(
        self,
        ui: UiThread,
        owner: Any,
        *,
        can_move: Callable[[], bool],
        paint: Callable[[int], object],
    ) -> None:
        self._ui = ui
        self._can_move = can_move
        self._paint = paint
        self._view: ConnectionView | None = None
        self._cancel: Callable[[], None] | None = None
        self._step = 0
        ui.watch(owner, self.stop)

    @property
    def step(self) -> int:
        """The step that is shown."""
        return self._step

    @property
    def is_turning(self) -> bool:
        """Whether a timer runs."""
        return self._cancel is not None

    def show(self, view: ConnectionView) -> None:
        """Turns while this view is busy."""
        self._view = view
        self.check()

    def check(self) -> None:
        """Starts or stops the timer. Adapters call it when the widget appears or disappears."""
        view = self._view
        if view is None or not (view.is_busy and view.theme.has_motion and self._can_move()):
            self.stop()
        elif self._cancel is None:
            self._cancel = self._ui.later(_TURN / SPINNER_STEPS, self._next)

    def stop(self) -> None:
        """Stops the timer."""
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()

    def _next(self) -> None:
        self._cancel = None
        self._step = (self._step + 1) % SPINNER_STEPS
        self._paint(self._step)
        self.check()
