"""Who wants to know when a widget is gone: one hook into the toolkit per widget, however many ask.

Used by `UiLoop` for bindings and scopes. Holds widgets weakly.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Watch"]


class Watch:
    """The widgets that somebody watches. UI thread.

    Args:
        on_gone: Makes the toolkit call its second argument when the first, a widget, is destroyed.
    """

    def __init__(self, on_gone: Callable[[Any, Callable[[], None]], None]) -> None:
        self._on_gone = on_gone
        self._waiting: weakref.WeakKeyDictionary[Any, dict[object, Callable[[], object]]] = (
            weakref.WeakKeyDictionary()
        )

    def add(self, widget: Any, function: Callable[[], object]) -> Callable[[], None]:
        """Calls `function` once when `widget` is destroyed or collected; returns what takes it back."""
        waiting = self._waiting.get(widget)
        if waiting is None:
            waiting = self._waiting[widget] = {}
            gone = _teller(waiting)
            self._on_gone(widget, gone)
            weakref.finalize(widget, gone).atexit = False
        key = object()
        waiting[key] = function
        kept = waiting

        def forget() -> None:
            kept.pop(key, None)

        return forget


def _teller(waiting: dict[object, Callable[[], object]]) -> Callable[[], None]:
    # A function of its own, so that it holds the dictionary and not the widget.
    def tell() -> None:
        while waiting:
            _, function = waiting.popitem()
            function()

    return tell
