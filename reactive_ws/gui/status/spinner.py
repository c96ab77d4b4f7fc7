"""`Spinner`: the timer of a symbol that turns while a connection is under way. `TurningMark` draws that symbol as a picture.

The timer runs only while the service is busy, the user can see the widget, and the theme and the toolkit allow motion. A hidden or
minimized window costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ui_thread import UiThread
from .connection_view import ConnectionView
from .marks import SPINNER_STEPS, mark

__all__ = ["Spinner", "TurningMark"]

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
        forget = ui.on_seen(self.check)

        def end() -> None:
            forget()
            self.stop()

        ui.watch(owner, end)

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
        may_turn = view is not None and view.is_busy and view.theme.has_motion
        if not (may_turn and self._ui.is_seen() and self._can_move()):
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


class TurningMark:
    """The symbol of a state as a PNG, drawn again when the state or the colour differs and for each step of a turn. UI thread.

    Args:
        ui: The loop.
        owner: The widget that shows the picture; the symbol ends with it.
        pixels: Returns how many pixels each side of the picture has on the screen of the widget.
        draw: Shows a PNG.
        can_move: Whether the widget is visible and its toolkit allows motion.

    Attributes:
        spinner: Turns it. Call `spinner.check` when the widget appears or disappears.
    """

    def __init__(
        self,
        ui: UiThread,
        owner: Any,
        *,
        pixels: Callable[[], int],
        draw: Callable[[bytes], object],
        can_move: Callable[[], bool],
    ) -> None:
        self._pixels = pixels
        self._draw = draw
        self._view: ConnectionView | None = None
        self._colour = ""
        self.spinner = Spinner(ui, owner, can_move=can_move, paint=lambda _: self._paint())

    def show(self, view: ConnectionView, colour: str) -> None:
        """Shows a view's symbol in a colour, as `#rrggbb`."""
        was = self._view
        is_new = was is None or was.state is not view.state or self._colour != colour
        self._view, self._colour = view, colour
        if is_new:
            self._paint()
        self.spinner.show(view)

    def _paint(self) -> None:
        if self._view is not None:
            self._draw(mark(self._view.state, self._pixels(), self._colour, self.spinner.step))
