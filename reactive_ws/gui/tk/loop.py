"""`TkLoop`: tkinter. A pipe wakes the main loop, because each call of tkinter itself blocks on another thread.

`root.after` on another thread waits for the UI thread. It fails after a second when the UI thread is busy or has not started.
Tk on Windows cannot wait for a pipe; there the loop polls 125 times a second.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..loop import UiLoop, check_toolkit, without_arguments

if TYPE_CHECKING:
    import tkinter as tk

__all__ = ["TkLoop"]

_READABLE = 2
"""`tkinter.READABLE`."""
_POLL_INTERVAL = 8
"""Milliseconds between two polls."""
_interpreters: list[object] = []
"""References that are never dropped: Tcl aborts the process when another thread frees an interpreter, and the garbage
collector of Python runs on each thread that allocates."""


class TkLoop(UiLoop):
    """The loop of a `tkinter.Tk`. Make it on the thread that made the root. It closes with the root window.

    Args:
        root: The root window.
        is_polling: Whether to poll every 8 ms instead of waiting for a pipe; None: only where Tk cannot wait for one.
        options: What `UiLoop` takes.
    """

    def __init__(self, root: tk.Tk, *, is_polling: bool | None = None, **options: Any) -> None:
        check_toolkit(root, "winfo_toplevel", "TkLoop(root), with the tkinter.Tk of the program")
        super().__init__(**options)
        self._root = root
        _interpreters.append(root.tk)
        self._pipe: tuple[int, int] | None = None
        self._next_poll: str | None = None
        self._painters: dict[str, Callable[[], None]] = {}
        self._is_repainting = False
        can_wait = os.name == "posix" and hasattr(root, "createfilehandler")
        if is_polling or not can_wait:
            self._poll()
        else:
            self._pipe = reading, writing = os.pipe()
            os.set_blocking(reading, False)
            os.set_blocking(writing, False)
            root.createfilehandler(reading, _READABLE, self._woken)
        self.watch(root, self.close)
        for event in ("<Map>", "<Unmap>"):
            root.bind(event, self._mapped, add="+")

    @property
    def is_polling(self) -> bool:
        """Whether the loop polls."""
        return self._pipe is None

    def is_seen(self) -> bool:
        """Whether the root window or another one is on the screen, and not minimized. UI thread."""
        if self.is_closed:
            return False
        windows: list[Any] = [self._root, *self._root.winfo_children()]
        return any(it.winfo_viewable() and it.winfo_toplevel() is it for it in windows)

    def _mapped(self, event: Any) -> None:
        # A window also gets the events of its children.
        if event.widget is self._root and not self.is_closed:
            self.seen_changed()

    def on_palette(self, widget: Any, paint: Callable[[], None]) -> None:
        """Calls `paint` when colours change: at the `<<ThemeChanged>>` of ttk, and after `tk_setPalette`. UI thread.

        Tk does not tell when a program configures the colours of a window. Such a program can generate `<<ThemeChanged>>`.
        """
        if not self._painters:
            # Tk notes the palette in this variable when all widgets have their new colours.
            command = self._root.register(self._palette_changed)
            self._root.tk.call("trace", "add", "variable", "::tk::Palette", "write", command)
        name = str(widget)
        self._painters[name] = paint
        widget.bind("<<ThemeChanged>>", without_arguments(paint), add="+")
        self.watch(widget, lambda: self._painters.pop(name, None))

    def _palette_changed(self, *_: object) -> None:
        # Tk writes the variable once for each colour.
        if not self._is_repainting:
            self._is_repainting = self.post(self._repaint)

    def _repaint(self) -> None:
        self._is_repainting = False
        for paint in list(self._painters.values()):
            self.guard(paint)

    def is_alive(self, thing: Any) -> bool:
        """Whether Tk still has the widget; True for variables and for objects that are none of Tk's. UI thread."""
        if not hasattr(thing, "winfo_exists"):
            return thing is not None
        try:
            return bool(thing.winfo_exists())
        except Exception:  # noqa: BLE001 - TclError: the whole application has ended
            return False

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` at the `<Destroy>` event of a widget; variables go when Python collects them."""
        if not hasattr(thing, "winfo_exists"):
            return
        path = str(thing)

        def destroyed(event: Any) -> None:
            # A window also gets the events of its children.
            if str(event.widget) == path:
                gone()

        # Widgets of CustomTkinter have a `bind` of their own, which binds to their parts.
        misc: Any = sys.modules["tkinter"].Misc
        misc.bind(thing, "<Destroy>", destroyed, add="+")

    def wake(self) -> None:
        if self._pipe is not None:
            # A full pipe wakes the loop too.
            with suppress(BlockingIOError):
                os.write(self._pipe[1], b"w")

    def _woken(self, file: Any, mask: int) -> None:
        del mask
        with suppress(BlockingIOError):
            os.read(file, 4096)
        self.run_posted()

    def _poll(self) -> None:
        if not self.is_closed:
            # First the timer: the work may open a modal dialog.
            self._next_poll = self._root.after(_POLL_INTERVAL, self._poll)
            if self._posted:
                self.run_posted()

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        root = weakref.ref(self._root)
        timer = self._root.after(max(1, round(delay * 1000.0)), function)

        def cancel() -> None:
            living = root()
            if living is not None:
                living.after_cancel(timer)

        return cancel

    def release(self) -> None:
        # Inside <Destroy> the interpreter still answers; after its end it has no timers.
        with suppress(Exception):
            if self._next_poll is not None:
                self._root.after_cancel(self._next_poll)
        if self._pipe is not None:
            with suppress(Exception):
                self._root.deletefilehandler(self._pipe[0])
            # Under the lock of `post`: another file may get this number once the pipe is closed.
            with self._lock:
                for end in self._pipe:
                    os.close(end)
                self._pipe = None
