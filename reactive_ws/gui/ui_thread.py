"""Roles: what streams need of the thread of a user interface. Every `UiLoop` plays both.

The frame clock and the scheduler ask for a `UiThread`; conflation, mirrors and bindings ask for a `FramedUi`. None of them
imports `UiLoop`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Cancel", "FramedUi", "Frames", "UiThread"]

Cancel = Callable[[], None]
"""Cancels what the call that returned it has started."""


class UiThread(Protocol):
    """The thread of a user interface; `UiLoop` documents the methods."""

    fps: float
    share: float
    budget: float
    on_error: Callable[[Exception], object]

    @property
    def is_closed(self) -> bool:
        """Whether the user interface has ended."""
        ...

    def now(self) -> float:
        """Returns seconds of a clock that never goes back."""
        ...

    def spent(self) -> float:
        """Returns seconds of processor time that the calling thread has used."""
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
        """Calls `function` and gives its exception to `on_error`."""
        ...

    def on_close(self, function: Callable[[], object]) -> Cancel:
        """Calls `function` when the user interface ends."""
        ...

    def is_seen(self) -> bool:
        """Whether the user can see a window of the program."""
        ...

    def on_seen(self, function: Callable[[], object]) -> Cancel:
        """Calls `function` whenever `is_seen` may have changed."""
        ...

    def is_alive(self, thing: Any) -> bool:
        """Whether `thing` may still be written to."""
        ...

    def watch(self, thing: Any, on_gone: Callable[[], object]) -> Cancel:
        """Calls `on_gone` when `thing` is destroyed or collected."""
        ...


class Frames(Protocol):
    """Requests for the next frame; `FrameClock` documents the methods."""

    def request(self, key: object, function: Callable[[], object]) -> None:
        """Calls `function` in the next frame."""
        ...

    def request_early(self, key: object, function: Callable[[], object]) -> None:
        """Calls `function` in the next frame, before the functions of `request`."""
        ...

    def cancel(self, key: object) -> None:
        """Drops what `key` has requested."""
        ...


class FramedUi(UiThread, Protocol):
    """The thread of a user interface that has frames."""

    @property
    def frame(self) -> Frames:
        """The frame clock."""
        ...
