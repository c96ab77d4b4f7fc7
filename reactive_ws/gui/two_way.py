"""`bind_both`: a field of a form and a part of a store, each of which follows the other.

It joins `bind` with a writable part. What a wrong value is, the store says with `validate=`.
"""

# The class and the function of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable, Disposable

from ..editing import Part
from ..engine import check_function, refuse_copy, same
from ..errors import UsageError
from ..state import Store
from .loop import UiLoop
from .watching import weak_reference

__all__ = ["Field", "bind_both"]

_OnRefused: TypeAlias = "Callable[[Exception | None], object] | None"

T = TypeVar("T")
W = TypeVar("W")

_NOTHING: Final = object()


class Field(DisposableBase, Generic[T]):
    """A widget and a value, bound both ways. Made by `bind_both`. UI thread."""

    __reduce_ex__ = refuse_copy

    def __init__(self, ui: UiLoop, value: Store[T] | Part[T], on_refused: _OnRefused) -> None:
        self._ui = ui
        self._value = value
        self._on_refused = on_refused
        self._setter: Callable[[T], object] | None = None
        # What the user entered last and the store accepted: the widget shows it already.
        self._entered: Any = _NOTHING
        # Whether the widget shows what the store refused.
        self._is_refused = False
        # Whether the program sets the widget now. The user did not enter what many widgets report then.
        self._is_setting = False
        self._ending = CompositeDisposable()
        self._is_over = False

    def restore(self) -> None:
        """Shows the value of the store again, in place of what the user entered and the store refused."""
        self._entered = _NOTHING
        if self._setter is not None and not self._is_over:
            self._set(self._setter, self._value.get())

    def dispose(self) -> None:
        """Ends the binding both ways."""
        self._is_over = True
        self._ending.dispose()

    def _show(self, setter: Callable[[T], object], now: T) -> None:
        if self._entered is _NOTHING or not same(self._entered, now):
            self._entered = _NOTHING
            self._set(setter, now)

    def _set(self, setter: Callable[[T], object], now: T) -> None:
        self._is_setting = True
        try:
            setter(now)
        finally:
            self._is_setting = False
        self._note_shown()

    def _note_shown(self) -> None:
        """Notes that the widget shows the value of the store."""
        if self._is_refused:
            self._is_refused = False
            if self._on_refused is not None:
                self._on_refused(None)

    def _write(self, new: T) -> None:
        if self._is_over or self._is_setting:
            return
        try:
            self._value.set(new)
        except Exception as error:
            # The widget keeps what the user wrote, until the value changes or `restore` is called.
            if self._on_refused is None:
                raise
            self._is_refused = True
            self._on_refused(error)
        else:
            self._entered = new
            self._is_refused = False
            if not same(self._value.get(), new):
                # The store counts it as no change, or a part put something else in. No value may come that says so.
                self._ui.post(self._show_stored)
            if self._on_refused is not None:
                self._on_refused(None)

    def _show_stored(self) -> None:
        """Shows the value of the store, if the widget still shows another one that the store took."""
        is_shown = self._entered is _NOTHING or same(self._entered, self._value.get())
        if not (is_shown or self._is_refused):
            self.restore()


def bind_both(
    ui: UiLoop,
    value: Store[T] | Part[T],
    target: W,
    setter: Callable[[W, T], object],
    connect: Callable[[W, Callable[[T], None]], object],
    *,
    on_refused: _OnRefused = None,
) -> Field[T]:
    """Shows a store, or a part of one, in a widget, and writes what the user enters. UI thread.

    What the user enters is written at once. The binding does not set the widget to the value that the user has just entered, so
    the cursor stays where it is. When the store keeps another value than the entered one, the widget shows that. Many widgets report
    a change also when the program sets them. The user did not enter that, so it is not written: a field that shows `1.234` as `1.23`
    changes nothing.

    Args:
        ui: The loop of the toolkit.
        value: A store, or a part of one: `at(store, "user", "name")`.
        target: The widget; as for `UiLoop.bind`.
        setter: Shows a value: `QLineEdit.setText`.
        connect: Makes the widget call a function with each value that the user enters:
            `lambda edit, changed: edit.textEdited.connect(changed)`. When it returns a function or a disposable, `dispose`
            calls it or disposes it.
        on_refused: Called with the exception of a write that the store refused. Called with None after one that it accepted, and
            when the widget shows the value of the store in place of a refused one. None: the exception leaves through the toolkit's handler of events.

    Returns:
        The binding; `dispose()` it to end both ways. It ends with the widget by itself.

    Raises:
        UsageError: `value` is not a store or a part of one, `target` is None or a bound method, or an argument is not a
            function. Or another thread called this.
    """
    if not isinstance(value, (Store, Part)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f"bind_both() writes to a store or to a part of one, such as at(store, 'name'); got {type(value).__name__}"
        )
    check_function(setter, "setter", "set the widget at once")
    check_function(connect, "connect", "connect the signal at once")
    if on_refused is not None:
        check_function(on_refused, "on_refused=", "show the error at once")
    field = Field(ui, value, on_refused)

    def show(widget: W, now: T) -> None:
        field._show(lambda it: setter(widget, it), now)

    reference = weak_reference(target)

    def put_back(now: T) -> None:
        widget = target_of()
        if widget is not None and ui.is_alive(widget):
            setter(widget, now)

    target_of: Callable[[], W | None] = reference if reference is not None else (lambda: target)
    field._setter = put_back
    field._ending.add(ui.bind(value, target, show))
    try:
        disconnect = connect(target, field._write)
    except BaseException:
        # The caller gets no binding to dispose.
        field.dispose()
        raise
    if isinstance(disconnect, DisposableBase):
        field._ending.add(disconnect)
    elif callable(disconnect):
        field._ending.add(Disposable(cast("Callable[[], None]", disconnect)))
    return field
