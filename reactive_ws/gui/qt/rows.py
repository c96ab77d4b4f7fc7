"""Rows below one index of a model, their change in few operations, views that keep their place, and roles of cells."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, TypeVar

from ...views import Change, Insert, Move, Remove, apply_changes
from ..loop import check_loop
from ..rows import Differ, End, check_row_functions, runs
from .loop import QtLoop
from .text import tooltip

__all__ = [
    "FlatRows",
    "Followers",
    "Roles",
    "RowsBelow",
    "check_model",
    "flat_rows",
    "number_of",
    "safe_roles",
    "subclass",
]

T = TypeVar("T")
Roles = Mapping[Any, Callable[[T], object]]


class Followers:
    """The views of a model: each keeps its top row in place, or stays at its end."""

    def __init__(self, ui: QtLoop, qt_core: ModuleType) -> None:
        self._ui = ui
        self._qt = qt_core
        self._all: list[tuple[weakref.ref[Any], End, bool]] = []

    def add(self, view: Any, *, follow_end: bool) -> End:
        bar = view.verticalScrollBar()
        end = End(self._ui.domain, view.scrollToBottom)
        self._all.append((weakref.ref(view), end, follow_end))
        set_value, maximum = bar.setValue, bar.maximum

        def moved(value: int) -> None:
            end.moved(is_at_end=value >= maximum())

        def grown(_: int, highest: int) -> None:
            if follow_end and end.is_there:
                set_value(highest)
            else:
                end.moved(is_at_end=bar_value() >= highest)

        bar_value = bar.value
        bar.valueChanged.connect(moved)
        bar.rangeChanged.connect(grown)
        end.moved(is_at_end=follow_end or bar.value() >= bar.maximum())
        return end

    def living(self) -> Iterator[tuple[Any, End, bool]]:
        for reference, end, follow_end in self._all:
            view = reference()
            if self._ui.is_alive(view):
                yield view, end, follow_end

    def hold(self, *, is_in_place: bool = False) -> list[Callable[[], None]]:
        """Remembers what each view shows at its top; returns functions that put this back.

        Args:
            is_in_place: Whether rows only change in place, so that a view moves by their heights or its proxy alone.
        """
        return [
            self._anchor(view)
            for view, end, follow_end in self.living()
            if not (follow_end and end.is_there) and not (is_in_place and self._is_still(view))
        ]

    def _is_still(self, view: Any) -> bool:
        """Whether the view keeps its place when rows change in place. An anchor lays out the whole view."""
        bar, proxy = view.verticalScrollBar(), self._qt.QAbstractProxyModel
        if isinstance(view.model(), proxy):
            return False
        has_equal_heights = getattr(view, "uniformItemSizes", bool)
        return bool(has_equal_heights()) or bar.value() == bar.minimum()

    def came(self, count: int) -> None:
        for _, end, _ in self.living():
            end.came(count)

    def _anchor(self, view: Any) -> Callable[[], None]:
        bar = view.verticalScrollBar()
        top = view.indexAt(self._qt.QPoint(1, 1))
        row = self._qt.QPersistentModelIndex(top)
        offset = view.visualRect(top).top()

        def put_back() -> None:
            if row.isValid():
                view.scrollTo(self._qt.QModelIndex(row), view.ScrollHint.PositionAtTop)
                if view.verticalScrollMode() == view.ScrollMode.ScrollPerPixel:
                    bar.setValue(bar.value() - offset)

        return put_back


class RowsBelow(Generic[T]):
    """One list of rows below one index of a model, and the calls that change it.

    Attributes:
        model: The model.
    """

    def __init__(
        self, qt_core: ModuleType, model: Any, parent: Callable[[], Any], columns: int = 1
    ) -> None:
        self._qt = qt_core
        self.model: Any = model
        self._parent = parent
        self._columns = columns
        self.items: list[T] = []
        self.operations = 0
        self.version = 0

    def change(self, changes: Sequence[Change[T]]) -> None:
        for run in runs(changes):
            self._do(run)

    def update(self, places: Sequence[range], rows: Sequence[T]) -> None:
        """Shows rows of the same keys, of which some changed in place."""
        self.items = list(rows)
        model, parent = self.model, self._parent()
        for place in places:
            self.operations += len(place)
            start = model.index(place.start, 0, parent)
            stop = model.index(place.stop - 1, self._columns - 1, parent)
            model.dataChanged.emit(start, stop)

    def replace(self, rows: Sequence[T]) -> None:
        """Shows other rows at once: Qt takes seconds for ten thousands of single operations."""
        self.model.beginResetModel()
        self.items = list(rows)
        self.version += 1
        self.operations += 1
        self.model.endResetModel()

    def _apply(self, run: tuple[Change[T], ...]) -> None:
        apply_changes(self.items, run)
        self.version += 1

    def _do(self, run: tuple[Change[T], ...]) -> None:
        self.operations += len(run)
        model, parent, count = self.model, self._parent(), len(run)
        match run[0]:
            case Insert(index, _):
                model.beginInsertRows(parent, index, index + count - 1)
                self._apply(run)
                model.endInsertRows()
            case Remove(index):
                model.beginRemoveRows(parent, index - count + 1, index)
                self._apply(run)
                model.endRemoveRows()
            case Move(source, target):
                # Qt counts the target among the rows before the move.
                below = target if target < source else target + 1
                model.beginMoveRows(parent, source, source, parent, below)
                self._apply(run)
                model.endMoveRows()
            case first:
                self._apply(run)
                start = model.index(first.index, 0, parent)
                stop = model.index(first.index + count - 1, self._columns - 1, parent)
                model.dataChanged.emit(start, stop)


def flat_rows(
    qt_core: ModuleType, base: Any, name: str, methods: Mapping[str, object], columns: int = 1
) -> RowsBelow[Any]:
    """Returns rows with a model of their own, which answers how many they are.

    Args:
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        base: The class of the model, such as `QAbstractListModel`.
        name: The name of its subclass.
        methods: The other methods of the subclass.
        columns: Number of columns.
    """

    def row_count(_: Any, parent: Any = None) -> int:
        # A layout asks once for each row.
        return 0 if parent is not None and parent.isValid() else len(rows.items)

    model = subclass(base, name, {"rowCount": row_count, **methods})
    rows: RowsBelow[Any] = RowsBelow(qt_core, model, qt_core.QModelIndex, columns)
    return rows


_MANY = 1_000
"""Fewer operations are always done one by one, so that views keep selection, place and open editors."""


def _is_other(changes: Sequence[object], rows: Sequence[object]) -> bool:
    """Whether so much changed that the model is filled again."""
    return len(changes) > _MANY and len(changes) * 4 > len(rows)


class FlatRows(Generic[T]):
    """The rows of a model without a tree and the views that show them.

    Args:
        ui: The loop.
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        rows: The rows, with the model that shows them.
        key: Returns the key of a row.

    Attributes:
        followers: The views.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_core: ModuleType,
        rows: RowsBelow[T],
        *,
        key: Callable[[T], Hashable],
    ) -> None:
        self._differ: Differ[T] = Differ(key)
        self._rows = rows
        self.followers = Followers(ui, qt_core)

    def show(self, rows: Sequence[T]) -> None:
        """Shows other rows with as few operations as they differ by. Views keep their place."""
        places = self._differ.changed_places(self._rows.items, rows)
        if places is not None:
            if places:
                anchors = self.followers.hold(is_in_place=True)
                self._rows.update(places, rows)
                for put_back in anchors:
                    put_back()
            return
        old = list(self._rows.items)
        changes, new = self._differ.changes(old, rows)
        if not changes:
            return
        anchors = self.followers.hold()
        if _is_other(changes, rows):
            self._rows.replace(rows)
        else:
            self._rows.change(changes)
        for put_back in anchors:
            put_back()
        self.followers.came(new)

    @property
    def items(self) -> list[T]:
        """The rows in order."""
        return self._rows.items

    @property
    def operations(self) -> int:
        """Number of row operations so far."""
        return self._rows.operations


def check_model(ui: object, key: object) -> None:
    """Refuses another object in place of a `QtLoop`, and a key that cannot be called.

    Raises:
        UsageError: an argument is of another kind.
    """
    check_loop(ui, QtLoop, "the model with (ui, QtCore, stream, key=...)")
    check_row_functions(key=key)


def safe_roles(
    qt_core: ModuleType, text: Callable[[T], str], roles: Roles[T] | None
) -> dict[int, Callable[[T], object]]:
    """Returns the functions of all roles. Qt reads HTML in tooltips and What's This, so those get escaped text."""
    check_row_functions(text=text, **{f"roles[{role}]": it for role, it in (roles or {}).items()})
    names = qt_core.Qt.ItemDataRole
    rich = {number_of(names.ToolTipRole), number_of(names.WhatsThisRole)}
    found: dict[int, Callable[[T], object]] = {number_of(names.DisplayRole): text}
    for role, function in (roles or {}).items():
        number = number_of(role)
        found[number] = _escaping(function) if number in rich else function
    return found


def _escaping(function: Callable[[T], object]) -> Callable[[T], object]:
    def escaped(row: T) -> object:
        value = function(row)
        return tooltip(value) if isinstance(value, str) else value

    return escaped


def number_of(role: Any) -> int:
    """Returns a role as the integer that Qt asks with."""
    # PySide6's roles are integers, PyQt6's have one.
    return int(getattr(role, "value", role))


def subclass(base: Any, name: str, methods: Mapping[str, object]) -> Any:
    """Returns an object of a new subclass of a class of Qt, with these methods."""
    return type(base)(name, (base,), dict(methods))()
