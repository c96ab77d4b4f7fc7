"""`Watch`: calls functions when an object is destroyed by its toolkit or collected by Python.

One hook into the toolkit serves all functions of one object. `UiLoop` uses it for bindings and scopes. It holds objects weakly
and compares them by identity, because some toolkits make theirs unhashable.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ..errors import UsageError

__all__ = ["Watch", "weak_reference"]


def weak_reference(thing: Any) -> weakref.ref[Any] | None:
    """Returns a weak reference to `thing`, or None where Python has none for its class, such as `int` and `str`."""
    try:
        return weakref.ref(thing)
    except TypeError:
        return None


class Watch:
    """The objects that functions wait for. UI thread.

    Args:
        on_gone: Makes the toolkit call its second argument when it destroys the first; does nothing for objects that the
            toolkit does not know.
    """

    def __init__(self, on_gone: Callable[[Any, Callable[[], None]], None]) -> None:
        self._on_gone = on_gone
        self._waiting: dict[int, dict[object, Callable[[], object]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, thing: Any, function: Callable[[], object]) -> Callable[[], None]:
        """Calls `function` once, when `thing` is destroyed or collected; returns a function that cancels this.

        Raises:
            UsageError: Python cannot tell when `thing` goes.
        """
        name = id(thing)
        waiting = self._waiting.get(name)
        if waiting is None:
            if weak_reference(thing) is None:
                raise UsageError(
                    f"nothing tells when {thing!r} goes: a {type(thing).__name__} has no weak references; "
                    "name a widget that ends with it (until=widget)"
                )
            waiting = self._waiting[name] = {}
            call_all = _caller(waiting)
            weakref.finalize(thing, self._collected, name, call_all).atexit = False
            self._on_gone(thing, call_all)
        key = object()
        kept = waiting
        kept[key] = function

        def cancel() -> None:
            kept.pop(key, None)

        return cancel

    def _collected(self, name: int, call_all: Callable[[], None]) -> None:
        self._waiting.pop(name, None)
        call_all()


def _caller(waiting: dict[object, Callable[[], object]]) -> Callable[[], None]:
    # A function of its own holds the dictionary and not the object.
    def call_all() -> None:
        while waiting:
            _, function = waiting.popitem()
            function()

    return call_all
