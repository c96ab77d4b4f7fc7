"""`AsyncioLoop` and `TextualLoop`: user interfaces that run in an asyncio loop.

The service can run in the same loop (`async with service:`). Jupyter, prompt_toolkit and urwid are asyncio programs too. A
program with qasync uses `QtLoop`, because its widgets are those of Qt.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from ...errors import UsageError
from ..loop import UiLoop, check_toolkit, without_arguments

__all__ = ["AsyncioLoop", "TextualLoop"]


class AsyncioLoop(UiLoop):
    """A user interface in an asyncio loop.

    Its UI thread is the thread that runs the loop. Before the loop runs, the thread that made this object counts as the UI
    thread. This object closes when a wake finds the loop closed; a program that outlives its user interface calls `close`.

    Args:
        loop: The loop; the running one when None.
        options: What `UiLoop` takes.

    Raises:
        RuntimeError: `loop` is None and no loop runs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, **options: Any) -> None:
        self._loop = asyncio.get_running_loop() if loop is None else loop
        super().__init__(**options)

    def now(self) -> float:
        """Returns the loop's time in seconds. Any thread."""
        return self._loop.time()

    def is_ui_thread(self) -> bool:
        """Whether the loop runs this code, or the caller builds the user interface before the loop runs."""
        if self._loop.is_running():
            return asyncio._get_running_loop() is self._loop
        return super().is_ui_thread()

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` at the `destroyed` signal of a Qt object, for programs with qasync; others go when Python collects them."""
        connect = getattr(getattr(thing, "destroyed", None), "connect", None)
        if callable(connect):
            connect(without_arguments(gone))

    def wake(self) -> None:
        self._loop.call_soon_threadsafe(self.run_posted)

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        return self._loop.call_later(delay, function).cancel


class _App(Protocol):
    """The part of a `textual.app.App` that `TextualLoop` needs."""

    @property
    def is_running(self) -> bool: ...


class TextualLoop(AsyncioLoop):
    """The loop of a Textual application. Make it in the application's `compose` or `on_mount`, or later.

    It closes when the application has ended. Call `close` in `on_unmount` to close it at once.

    Args:
        app: The application.
        options: What `UiLoop` takes.
    """

    def __init__(self, app: _App, **options: Any) -> None:
        check_toolkit(app, "is_running", "TextualLoop(self) in the App")
        super().__init__(None, **options)
        self._app = weakref.ref(app)
        self._attached: weakref.WeakSet[Any] = weakref.WeakSet()

    def wake(self) -> None:
        if self._has_ended():
            # The asyncio loop may outlive the application by hours, and bindings end on its thread.
            self._loop.call_soon_threadsafe(self.close)
            raise UsageError("the Textual application has ended")
        super().wake()

    def run_posted(self) -> None:
        """Closes the loop when the application has ended, and runs posted functions otherwise."""
        if self._has_ended():
            self.close()
        super().run_posted()

    def _has_ended(self) -> bool:
        app = self._app()
        return app is None or not app.is_running

    def is_alive(self, thing: Any) -> bool:
        """Whether the application runs and has not removed the widget. One that is not mounted yet counts as alive."""
        if thing is None or self._has_ended():
            return False
        if not _is_widget(thing):
            return True
        if thing.is_attached and not thing._pruning:
            self._attached.add(thing)
            return True
        return thing not in self._attached and not thing._pruning

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` when the widget's message pump ends, which `remove` waits for."""
        if not _is_widget(thing):
            return
        reference = weakref.ref(thing)

        def hook() -> None:
            widget = reference()
            task = None if widget is None else widget._task
            if task is None:
                # Removed before it was ever mounted.
                gone()
            else:
                task.add_done_callback(without_arguments(gone))

        if thing._task is None:
            # Its pump starts when it is mounted; this is the first message that the pump reads.
            thing.call_later(hook)
        else:
            hook()


def _is_widget(thing: Any) -> bool:
    return hasattr(thing, "is_attached") and hasattr(thing, "_task")
