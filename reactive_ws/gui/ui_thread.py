"""What streams need of a user interface's thread, as a role: `UiThread`. Every `UiLoop` has it.

The frame clock, the scheduler, conflation, mirrors and bindings ask for this role, so that they need not know `UiLoop`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Cancel", "UiThread"]

Cancel = Callable[[], None]
"""Takes back what was asked for."""


class UiThread(Protocol):
    """The thread of a user interface; the methods are those of `UiLoop`."""

    fps: float
    budget: float
    on_error: Callable[[Exception], object]

    @property
    def is_closed(self) -> bool:
        """Whether the user interface is gone."""
        ...

    def now(self) -> float:
        """Returns seconds of a clock that never goes back."""
        ...

    def is_ui_thread(self) -> bool:
        """Whether the caller may touch widgets."""
        ...

    def post(self, function: Callable[[], object]) -> bool:
        """Runs `function` on the UI thread, soon."""
        ...

    def later(self, delay: float, function: Callable[[], object]) -> Cancel:
        """Runs `function` after `delay` seconds."""
        ...

    def guard(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls `function`; an exception goes to `on_error`."""
        ...

    def on_close(self, function: Callable[[], object]) -> Cancel:
        """Calls `function` when the user interface ends."""
        ...

    def is_alive(self, widget: Any) -> bool:
        """Whether `widget` may still be written to."""
        ...

    def watch(self, widget: Any, on_gone: Callable[[], object]) -> Cancel:
        """Calls `on_gone` when `widget` is destroyed or collected."""
        ...
