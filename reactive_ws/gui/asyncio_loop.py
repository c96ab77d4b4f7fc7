"""`AsyncioLoop` and `TextualLoop`: user interfaces that live in an asyncio loop.

There the service can live too (`async with service:`), in the same loop. qasync, NiceGUI and prompt_toolkit are asyncio
loops as well.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from .loop import UiLoop

__all__ = ["AsyncioLoop", "TextualLoop"]


class AsyncioLoop(UiLoop):
    """A user interface in an asyncio loop.

    Its UI thread is whatever code that loop runs. Closes when a wake finds the loop closed; a program that goes on
    after its user interface ended calls `close`.

    Args:
        loop: The loop; the running one when None.
        options: What `UiLoop` takes.

    Raises:
        RuntimeError: no loop is given and none is running.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, **options: Any) -> None:
        self._loop = asyncio.get_running_loop() if loop is None else loop
        super().__init__(**options)

    def now(self) -> float:
        """Returns the loop's time in seconds. Any thread."""
        return self._loop.time()

    def is_ui_thread(self) -> bool:
        """Whether this loop is running this code."""
        return asyncio._get_running_loop() is self._loop

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._run_posted)

    def _start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        return self._loop.call_later(delay, function).cancel


class _App(Protocol):
    """What is needed of a `textual.app.App`."""

    @property
    def is_running(self) -> bool: ...


class TextualLoop(AsyncioLoop):
    """The loop of a Textual application. Make it in the application's `on_mount`, or later.

    Closes when the application has ended; call `close` in `on_unmount` to have it at once.

    Args:
        app: The application.
        options: What `UiLoop` takes.
    """

    def __init__(self, app: _App, **options: Any) -> None:
        super().__init__(None, **options)
        self._app = weakref.ref(app)
        self._attached: weakref.WeakSet[Any] = weakref.WeakSet()

    def _run_posted(self) -> None:
        app = self._app()
        if app is None or not app.is_running:
            self.close()
        super()._run_posted()

    def is_alive(self, widget: Any) -> bool:
        """Whether a widget was not removed. One that is not mounted yet counts as alive."""
        if widget.is_attached and not widget._pruning:
            self._attached.add(widget)
            return True
        return widget not in self._attached and not widget._pruning
