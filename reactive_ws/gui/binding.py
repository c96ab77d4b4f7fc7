"""`bind`: a stream shown in a widget, for as long as there is a widget.

Called by `UiLoop.bind`. Knows no toolkit: whether a widget is alive and when it goes is the adapter's answer.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable

from ..state import ReadOnly
from .conflation import conflate
from .frames import Framed

__all__ = ["bind"]

T = TypeVar("T")
W = TypeVar("W")


def bind(
    ui: Framed,
    stream: Observable[T] | ReadOnly[T],
    widget: W,
    setter: Callable[[W, T], object],
) -> abc.DisposableBase:
    """Calls `setter(widget, value)` with the newest value of `stream`, at most once a frame; see `UiLoop.bind`."""
    source = stream.select() if isinstance(stream, ReadOnly) else stream
    reference = weakref.ref(widget)
    subscription = SingleAssignmentDisposable()

    def show(value: T) -> None:
        living = reference()
        if living is None or not ui.is_alive(living):
            subscription.dispose()
        else:
            setter(living, value)

    forget = ui.watch(widget, subscription.dispose)
    subscription.disposable = source.pipe(conflate(ui)).subscribe(show)
    return _Binding(subscription, forget)


class _Binding(abc.DisposableBase):
    def __init__(self, subscription: abc.DisposableBase, forget: Callable[[], None]) -> None:
        self._subscription = subscription
        self._forget = forget

    def dispose(self) -> None:
        self._subscription.dispose()
        self._forget()
