"""`JupyterLoop`: the kernel of a notebook, with ipywidgets or anywidget. The kernel is an asyncio program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .asyncio_loop import AsyncioLoop

__all__ = ["JupyterLoop"]


class JupyterLoop(AsyncioLoop):
    """The loop of a kernel. Make it in a cell.

    Widgets change while no cell runs: a long cell stops them, and the heartbeats of a service that shares the loop. A binding ends
    when the program closes its widget. A cell that runs again makes new widgets, so close the old ones or the loop.

    Args:
        fps: Most frames a second. Each frame that changes something is a message to the browser.
        options: What `UiLoop` takes.

    Raises:
        RuntimeError: no asyncio loop runs: call it in a cell.
    """

    def __init__(self, *, fps: float = 20.0, **options: Any) -> None:
        super().__init__(None, fps=fps, **options)

    def is_alive(self, thing: Any) -> bool:
        """Whether the widget has not been closed; True for other objects."""
        if not _is_widget(thing):
            return thing is not None
        return thing.comm is not None

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` when the program closes a widget; other objects go when Python collects them."""
        if not _is_widget(thing):
            return

        def changed(change: Any) -> None:
            if change["new"] is None:
                gone()

        thing.observe(changed, "comm")


def _is_widget(thing: Any) -> bool:
    return hasattr(thing, "comm") and hasattr(thing, "observe")
