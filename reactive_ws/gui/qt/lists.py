"""`ListModel`: a `QAbstractListModel` of a stream of rows, changed by few operations per frame.

Views keep their selection, current row and scroll position, because Qt is told what came, went, moved and changed. You hand
in the module `PySide6.QtCore`; nothing is imported here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, TypeVar

from reactivex import Observable

from ...state import ReadOnly
from ...views import Change, Insert, Move, Remove, apply_changes, list_changes
from .loop import QtLoop

__all__ = ["ListModel"]

T = TypeVar("T")


class ListModel(Generic[T]):
    """Rows for a QListView, QComboBox or QML list. UI thread.

    Args:
        ui: The loop.
        qt_core: The module `PySide6.QtCore`.
        stream: The rows, as immutable sequences.
        key: What a row is known by.
        text: What a row shows (`DisplayRole`).
        roles: Other roles, such as `{Qt.ItemDataRole.ToolTipRole: lambda row: ...}`.

    Attributes:
        model: The QAbstractListModel.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_core: ModuleType,
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        text: Callable[[T], str],
        roles: Mapping[Any, Callable[[T], object]] | None = None,
    ) -> None:
        self._qt = qt_core
        self._ui = ui
        self._key = key
        self._rows: list[T] = []
        self._operations = 0
        self._followers: list[tuple[weakref.ref[Any], _End | None]] = []
        role_of = {int(qt_core.Qt.ItemDataRole.DisplayRole): text}
        self._roles: dict[int, Callable[[T], object]] = {
            **role_of,
            **{int(role): function for role, function in (roles or {}).items()},
        }
        self.model: Any = self._make_model()
        ui.bind(stream, self.model, lambda _, rows: self._show(rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> T:
        """Returns the item of a row."""
        return self._rows[index]

    @property
    def operations(self) -> int:
        """How many row operations there were so far."""
        return self._operations

    def show_in(self, view: Any, *, follow_end: bool = False) -> None:
        """Makes a QListView show the rows and keeps its top row in place when others come and go.

        Args:
            view: Held weakly.
            follow_end: Whether a view that is scrolled to its end stays at the end, as a chat does.
        """
        view.setModel(self.model)
        self._followers.append((weakref.ref(view), _End(view) if follow_end else None))

    def _make_model(self) -> Any:
        rows, roles = self._rows, self._roles

        def row_count(_: Any, parent: Any = None) -> int:
            return 0 if parent is not None and parent.isValid() else len(rows)

        def data(_: Any, index: Any, role: int = 0) -> object:
            # Without a key error: Qt asks for roles of its own all the time.
            function = roles.get(int(role))
            if function is None or not index.isValid():
                return None
            row: int = index.row()
            return function(rows[row])

        base = self._qt.QAbstractListModel
        return type(base)("RowsModel", (base,), {"rowCount": row_count, "data": data})()

    def _show(self, rows: Sequence[T]) -> None:
        changes = list_changes(self._rows, rows, self._key)
        if not changes:
            return
        anchors = [
            self._anchor(view) for view, end in self._living() if end is None or not end.is_there
        ]
        for change in changes:
            self._do(change)
        for put_back in anchors:
            put_back()

    def _living(self) -> Iterator[tuple[Any, _End | None]]:
        for reference, end in self._followers:
            view = reference()
            if self._ui.is_alive(view):
                yield view, end

    def _do(self, change: Change[T]) -> None:
        self._operations += 1
        model, nowhere = self.model, self._qt.QModelIndex()
        match change:
            case Insert(index, _):
                model.beginInsertRows(nowhere, index, index)
                apply_changes(self._rows, (change,))
                model.endInsertRows()
            case Remove(index):
                model.beginRemoveRows(nowhere, index, index)
                apply_changes(self._rows, (change,))
                model.endRemoveRows()
            case Move(source, target):
                # Qt counts the target among the rows as they are before the move.
                below = target if target < source else target + 1
                model.beginMoveRows(nowhere, source, source, nowhere, below)
                apply_changes(self._rows, (change,))
                model.endMoveRows()
            case _:
                apply_changes(self._rows, (change,))
                index = model.index(change.index)
                model.dataChanged.emit(index, index)

    def _anchor(self, view: Any) -> Callable[[], None]:
        """Remembers what a view shows at its top, and returns what puts it back."""
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


class _End:
    """Keeps a view that is at its end there, also when it is resized; ends with the view's scroll bar."""

    def __init__(self, view: Any) -> None:
        self.is_there = True
        bar = view.verticalScrollBar()
        self._set = bar.setValue
        self._maximum = bar.maximum
        bar.valueChanged.connect(self._moved)
        bar.rangeChanged.connect(self._grown)

    def _moved(self, value: int) -> None:
        self.is_there = value >= self._maximum()

    def _grown(self, _: int, maximum: int) -> None:
        if self.is_there:
            self._set(maximum)
