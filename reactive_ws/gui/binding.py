"""`bind`: writes the newest value of a stream into a target, once a frame, for as long as the target lives.

`UiLoop.bind` calls it. It knows no toolkit: the adapter says whether an object is alive and when it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable

from ..state import ReadOnly
from .conflation import conflate
from .ui_thread import FramedUi
from .watching import weak_reference

__all__ = ["bind"]

T = TypeVar("T")
W = TypeVar("W")


def bind(
    ui: FramedUi,
    stream: Observable[T] | ReadOnly[T],
    target: W,
    setter: Callable[[W, T], object],
    until: Any = None,
) -> abc.DisposableBase:
    """Calls `setter(target, value)` with the newest value of `stream`, at most once a frame; see `UiLoop.bind`."""
    source = stream.select() if isinstance(stream, ReadOnly) else stream
    reference = weak_reference(target) if until is None else None
    find: Callable[[], Any] = _holding(target) if reference is None else reference
    owner_reference = None if until is None else weak_reference(until)
    subscription = SingleAssignmentDisposable()
    end = CompositeDisposable(subscription)

    def show(value: T) -> None:
        living = find()
        is_owned = owner_reference is None or ui.is_alive(owner_reference())
        if living is None or not is_owned or not ui.is_alive(living):
            end.dispose()
        else:
            setter(living, value)

    if until is not None:
        end.add(Disposable(ui.watch(until, end.dispose)))
    if weak_reference(target) is not None:
        end.add(Disposable(ui.watch(target, end.dispose)))
    subscription.disposable = source.pipe(conflate(ui)).subscribe(show)
    return end


def _holding(thing: Any) -> Callable[[], Any]:
    # A function of its own, so that `show` reaches a weakly held target by its reference only.
    return lambda: thing
