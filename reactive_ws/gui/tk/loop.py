"""`TkLoop`: tkinter. A pipe wakes the main loop, because every call of tkinter's own from another thread blocks.

`root.after` from a thread waits for the UI thread, for a second and then with an error when that is busy or has not started
yet. Where Tk cannot wait for a pipe (Windows) the loop looks for work 125 times a second instead.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..loop import UiLoop

if TYPE_CHECKING:
    import tkinter as tk

__all__ = ["TkLoop"]

_READABLE = 2
"""`tkinter.READABLE`."""
_POLL_INTERVAL = 8
"""Milliseconds between two looks."""
_interpreters: list[object] = []
"""Kept for ever: Tcl aborts the process when an interpreter is freed on another thread, and Python's garbage collector runs
on whichever thread allocates, such as one that floods."""


class TkLoop(UiLoop):
    """The loop of a `tkinter.Tk`. Make it on the thread that made the root. Closes with the root window.

    Args:
        root: The root window.
        is_polling: Looks for work every 8 ms instead of being woken; None: only where Tk cannot wait for a pipe.
        options: What `UiLoop` takes.
    """

    def __init__(self, root: tk.Tk, *, is_polling: bool | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._root = root
        _interpreters.append(root.tk)
        self._pipe: tuple[int, int] | None = None
        self._next_look: str | None = None
        can_wait = os.name == "posix" and hasattr(root, "createfilehandler")
        if is_polling or not can_wait:
            self._look()
        else:
            self._pipe = reading, writing = os.pipe()
            os.set_blocking(reading, False)
            os.set_blocking(writing, False)
            root.createfilehandler(reading, _READABLE, self._woken)
        self.watch(root, self.close)

    @property
    def is_polling(self) -> bool:
        """Whether it looks for work instead of being woken."""
        return self._pipe is None

    def is_alive(self, widget: Any) -> bool:
        """Whether Tk still has the widget. UI thread."""
        try:
            return bool(widget.winfo_exists())
        except Exception:  # noqa: BLE001 - TclError: the whole application is gone
            return False

    def _on_gone(self, widget: Any, gone: Callable[[], None]) -> None:
        path = str(widget)

        def destroyed(event: Any) -> None:
            # A window also hears of its children.
            if str(event.widget) == path:
                gone()

        widget.bind("<Destroy>", destroyed, add="+")

    def _wake(self) -> None:
        if self._pipe is not None:
            # A full pipe wakes as well.
            with suppress(BlockingIOError):
                os.write(self._pipe[1], b"w")

    def _woken(self, file: Any, mask: int) -> None:
        del mask
        with suppress(BlockingIOError):
            os.read(file, 4096)
        self._run_posted()

    def _look(self) -> None:
        if not self.is_closed:
            # Before the work, which may open a modal dialog.
            self._next_look = self._root.after(_POLL_INTERVAL, self._look)
            if self._posted:
                self._run_posted()

    def _start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        root = weakref.ref(self._root)
        timer = self._root.after(max(1, round(delay * 1000.0)), function)

        def cancel() -> None:
            living = root()
            if living is not None:
                living.after_cancel(timer)

        return cancel

    def _release(self) -> None:
        # Inside <Destroy> the interpreter still answers; when it is gone already, there is nothing to take back.
        with suppress(Exception):
            if self._next_look is not None:
                self._root.after_cancel(self._next_look)
        if self._pipe is not None:
            with suppress(Exception):
                self._root.deletefilehandler(self._pipe[0])
            # Under the lock of `post`, so that nobody writes into a number that another file has got meanwhile.
            with self._lock:
                for end in self._pipe:
                    os.close(end)
                self._pipe = None
