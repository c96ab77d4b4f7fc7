"""`bind`: writes the newest value of a stream into a target, once a frame, for as long as the target lives.

`UiLoop.bind` calls it. It knows no toolkit: the adapter says whether an object is alive and when it goes. `stream_of`, `rows_of` and
`value_of` take what programs hand to bindings, lists and mirrors. A keyed store counts as its snapshot, a mapping. Anything else
gets an error that says what to write.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any, TypeGuard, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable, SingleAssignmentDisposable

from ..engine import check_function
from ..errors import UsageError
from ..state import KeyedStore, ReadOnly, ReadOnlyKeyed, Selection, derived
from .conflation import conflate
from .ui_thread import FramedUi
from .watching import weak_reference

__all__ = ["bind", "rows_of", "stream_of", "value_of"]

T = TypeVar("T")
W = TypeVar("W")


def bind(
    ui: FramedUi,
    stream: Observable[T] | ReadOnly[T] | KeyedStore[Any, Any] | ReadOnlyKeyed[Any, Any],
    target: W,
    setter: Callable[[W, T], object],
    until: Any = None,
) -> abc.DisposableBase:
    """Calls `setter(target, value)` with the newest value of `stream`, at most once a frame; see `UiLoop.bind`."""
    source = stream_of(stream)
    check_function(setter, "a setter", "start what takes long elsewhere")
    if target is None:
        raise UsageError(
            "a binding writes to an object, and this target is None. A call such as label.pack() returns None: make the widget"
            " in one line and lay it out in the next"
        )
    own_reference = weak_reference(target)
    # A proxy, such as those in `ids` of Kivy, has no weak references.
    may_be_proxy = own_reference is None
    reference = own_reference if until is None else None
    find: Callable[[], Any] = _holding(target) if reference is None else reference
    owner_reference = None if until is None else weak_reference(until)
    subscription = SingleAssignmentDisposable()
    end = CompositeDisposable(subscription)

    def show(value: T) -> None:
        living = find()
        is_owned = owner_reference is None or ui.is_alive(owner_reference())
        if (
            living is None
            or (may_be_proxy and _is_empty_proxy(living))
            or not is_owned
            or not ui.is_alive(living)
        ):
            end.dispose()
        else:
            _check_done(setter(living, value))

    def failed(error: Exception) -> None:
        end.dispose()
        raise error

    if until is not None:
        end.add(Disposable(ui.watch(until, end.dispose)))
    if own_reference is not None:
        end.add(Disposable(ui.watch(target, end.dispose)))
    # One of the two may have gone before.
    if not end.is_disposed:
        # A stream that ends leaves nothing at its target, which may live much longer.
        subscription.disposable = source.pipe(conflate(ui)).subscribe(show, failed, end.dispose)
    return end


def _holding(thing: Any) -> Callable[[], Any]:
    # A function of its own, so that `show` reaches a weakly held target by its reference only.
    return lambda: thing


def _check_done(result: object) -> None:
    """Refuses the coroutine that a setter returned, such as a lambda that calls an `async def`."""
    if isinstance(result, CoroutineType):
        result.close()
        raise UsageError(
            f"a setter returned a coroutine, {result.__qualname__}(), which would never run; start a task in the setter"
        )


def _is_empty_proxy(thing: Any) -> bool:
    """Whether `thing` is a proxy whose object Python has collected."""
    try:
        # A proxy asks its object.
        hasattr(thing, "__self__")
    except ReferenceError:
        return True
    except Exception:  # noqa: BLE001 - an object may answer as it likes
        return False
    return False


def stream_of(source: object) -> Observable[Any]:
    """Returns the stream of a store, a keyed store or an Observable.

    Raises:
        UsageError: it is something else.
    """
    if _is_value(source):
        return source.select()
    if _is_keyed(source):
        return source.select_all()
    if _is_stream(source):
        return source
    raise UsageError(
        f"a binding shows a store, a keyed store, a selection or another Observable, not {_named(source)}"
    )


def rows_of(source: object) -> Observable[Any]:
    """Returns the stream of the rows that a list shows.

    Raises:
        UsageError: it has no rows, or rows in no order.
    """
    if _is_keyed(source):
        raise UsageError(
            "a list shows a stream of sequences, not a keyed store: write view(store) with an order, or"
            " store.select_part(lambda them: tuple(them.values()))"
        )
    return stream_of(source)


def value_of(source: object) -> ReadOnly[Any]:
    """Returns a value to read and observe: a store or a derived value as it is, a keyed store's snapshot, a selection's part.

    Raises:
        UsageError: it has no current value.
    """
    if _is_value(source):
        return source
    if _is_keyed(source):
        return derived(source.select_all(), _itself)
    if _is_selection(source):
        return derived(source, _itself)
    raise UsageError(
        f"mirror() takes a store, a derived value, a keyed store or a selection, not {_named(source)}; a stream without a"
        " current value goes through conflate(ui)"
    )


def _named(thing: object) -> str:
    return f"{type(thing).__name__} {thing!r:.80}"


def _itself(value: Any) -> Any:
    return value


def _is_value(source: object) -> TypeGuard[ReadOnly[Any]]:
    return isinstance(source, ReadOnly)


def _is_keyed(source: object) -> TypeGuard[KeyedStore[Any, Any] | ReadOnlyKeyed[Any, Any]]:
    return isinstance(source, (KeyedStore, ReadOnlyKeyed))


def _is_stream(source: object) -> TypeGuard[Observable[Any]]:
    return isinstance(source, Observable)


def _is_selection(source: object) -> TypeGuard[Selection[Any]]:
    return isinstance(source, Selection)
