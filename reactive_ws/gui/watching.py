"""`Watch`: calls functions when an object is destroyed by its toolkit or collected by Python.

One hook into the toolkit serves all functions of one object. `UiLoop` uses it for bindings and scopes. It holds objects weakly
and compares them by identity, because some toolkits make theirs unhashable.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

from ..errors import UsageError

__all__ = ["Watch", "check_watched", "weak_reference"]


def weak_reference(thing: Any) -> weakref.ref[Any] | None:
    """Returns a weak reference to `thing`, or None where Python has none for its class, such as `int` and `str`.

    Raises:
        UsageError: `thing` is a bound method, which Python makes again for each use and drops at once.
    """
    if thing.__class__ is MethodType:
        raise UsageError(
            f"Python drops a bound method at once: hand in its object and call {thing.__name__}() in the setter"
        )
    try:
        return weakref.ref(thing)
    except TypeError:
        return None


def check_watched(thing: Any) -> None:
    """Refuses an object of which Python cannot tell when it goes.

    Raises:
        UsageError: Python has no weak references to `thing`, or `thing` is a bound method.
    """
    if weak_reference(thing) is None:
        raise UsageError(
            f"nothing tells when {thing!r} goes: a {type(thing).__name__} has no weak references; "
            "name a widget that ends with it (until=widget)"
        )


class Watch:
    """The objects that functions wait for. UI thread.

    Args:
        on_gone: Makes the toolkit call its second argument when it destroys the first; does nothing for objects that the
            toolkit does not know.
        run: Calls a function on the UI thread and reports what it raises. Python collects objects on any thread.
    """

    def __init__(
        self,
        on_gone: Callable[[Any, Callable[[], None]], None],
        run: Callable[[Callable[[], object]], None],
    ) -> None:
        self._on_gone = on_gone
        self._run = run
        self._waiting: dict[int, dict[object, Callable[[], object]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, thing: Any, function: Callable[[], object]) -> Callable[[], None]:
        """Calls `function` once, when `thing` is destroyed or collected; returns a function that cancels this."""
        name = id(thing)
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = {}
            call_all = _caller(waiting, self._run)
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


def _caller(
    waiting: dict[object, Callable[[], object]], run: Callable[[Callable[[], object]], None]
) -> Callable[[], None]:
    # A function of its own holds the dictionary and not the object.
    def call_all() -> None:
        while waiting:
            _, function = waiting.popitem()
            run(function)

    return call_all
