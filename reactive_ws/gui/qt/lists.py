"""`ListModel`, `TableModel` and `TreeModel`: item models of a stream of rows, for all views of Qt.

They change by few operations a frame, so views keep their selection, current row and scroll position. The program hands in the
module `PySide6.QtCore` or `PyQt6.QtCore`; this module imports no toolkit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, TypeVar

import attrs
from reactivex import Observable

from ...errors import UsageError
from ...state import ReadOnly
from ...views import list_changes
from ..binding import rows_of
from ..rows import End, count_new_at_end
from .held_texts import HeldTexts
from .loop import QtLoop
from .rows import (
    FlatRows,
    Followers,
    Roles,
    RowsBelow,
    check_model,
    flat_rows,
    number_of,
    safe_roles,
    subclass,
)

__all__ = ["Column", "ListModel", "TableModel", "TreeModel"]

T = TypeVar("T")
C = TypeVar("C")


class ListModel(Generic[T]):
    """Rows for a QListView, QComboBox or QML list. UI thread.

    Args:
        ui: The loop.
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        stream: The rows, as immutable sequences.
        key: Returns the key of a row.
        text: Returns what a row shows (`DisplayRole`).
        roles: Other roles, such as `{Qt.ItemDataRole.ForegroundRole: lambda row: ...}`. Tooltips show plain text.
        holds_texts: Whether Qt holds the texts. It then paints without a call to Python, and the model calls `text` for
            each row that changes instead of each row that is seen. For rows that show text only and change many times a second.

    Attributes:
        model: The QAbstractListModel.

    Raises:
        UsageError: an argument is of another kind, or `holds_texts` comes with `roles`.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_core: ModuleType,
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        text: Callable[[T], str],
        roles: Roles[T] | None = None,
        holds_texts: bool = False,
    ) -> None:
        check_model(ui, key)
        functions = safe_roles(qt_core, text, roles)
        if holds_texts and roles:
            raise UsageError(
                "a model with holds_texts=True shows texts only: leave out roles, or holds_texts"
            )

        def data(_: Any, index: Any, role: int = 0) -> object:
            # Without a KeyError: Qt asks for many roles of its own.
            function = functions.get(int(role))
            if function is None or not index.isValid():
                return None
            row: int = index.row()
            return function(rows.items[row])

        rows: RowsBelow[T]
        if holds_texts:
            rows = HeldTexts(ui, qt_core, text)
        else:
            rows = flat_rows(qt_core, qt_core.QAbstractListModel, "RowsModel", {"data": data})
        self.model: Any = rows.model
        self._rows: FlatRows[T] = FlatRows(ui, qt_core, rows, key=key)
        ui.bind(rows_of(stream), self.model, lambda _, rows: self._rows.show(rows))

    def __len__(self) -> int:
        return len(self._rows.items)

    def __getitem__(self, index: int) -> T:
        """Returns the item of a row."""
        return self._rows.items[index]

    @property
    def operations(self) -> int:
        """Number of row operations so far."""
        return self._rows.operations

    def show_in(self, view: Any, *, follow_end: bool = False, is_uniform: bool = False) -> End:
        """Makes a view show the rows and keeps its top row in place when others come and go.

        Args:
            view: A QListView or another item view; held weakly.
            follow_end: Whether a view at its end stays at the end, as in a chat.
            is_uniform: Whether all rows are equally high. Qt then measures one row instead of all of them.

        Returns:
            The end of the view, with its streams `at_end` and `unseen`.
        """
        view.setModel(self.model)
        if is_uniform:
            view.setUniformItemSizes(True)
        return self._rows.followers.add(view, follow_end=follow_end)


@attrs.frozen
class Column(Generic[T]):
    """One column of a `TableModel`.

    Attributes:
        title: The header.
        text: Returns what a cell shows.
        sort_by: Returns the value that the column sorts by, a number or a string; the text when None.
        roles: Other roles of its cells. Tooltips show plain text.
    """

    title: str
    text: Callable[[T], str]
    sort_by: Callable[[T], float | str] | None = None
    roles: Mapping[Any, Callable[[T], object]] | None = None


class TableModel(Generic[T]):
    """Rows with columns for a QTableView. UI thread.

    Args:
        ui: The loop.
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        stream: The rows, as immutable sequences.
        key: Returns the key of a row.
        columns: From left to right.

    Attributes:
        model: The QAbstractTableModel.
        proxy: A QSortFilterProxyModel over it, which sorts when the user clicks a header.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_core: ModuleType,
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        columns: Sequence[Column[T]],
    ) -> None:
        check_model(ui, key)
        if not columns:
            raise ValueError("a table needs at least one column: columns=[Column('Name', text)]")
        names = qt_core.Qt.ItemDataRole
        sort_role = number_of(names.UserRole)
        functions: list[dict[int, Callable[[T], object]]] = [
            safe_roles(qt_core, it.text, it.roles) for it in columns
        ]
        for mapping, column in zip(functions, columns, strict=True):
            mapping[sort_role] = column.sort_by or column.text
        display, horizontal = number_of(names.DisplayRole), qt_core.Qt.Orientation.Horizontal

        def column_count(_: Any, parent: Any = None) -> int:
            return 0 if parent is not None and parent.isValid() else len(columns)

        def data(_: Any, index: Any, role: int = 0) -> object:
            if not index.isValid():
                return None
            row: int = index.row()
            column: int = index.column()
            function = functions[column].get(int(role))
            return None if function is None else function(rows.items[row])

        def header(_: Any, section: int, orientation: Any, role: int = 0) -> object:
            is_title = orientation == horizontal and int(role) == display
            return columns[section].title if is_title else None

        methods = {"columnCount": column_count, "data": data, "headerData": header}
        rows: RowsBelow[T] = flat_rows(
            *(qt_core, qt_core.QAbstractTableModel, "TableModel", methods), len(columns)
        )
        self.model: Any = rows.model
        self.proxy: Any = qt_core.QSortFilterProxyModel()
        self.proxy.setSortRole(sort_role)
        self.proxy.setSourceModel(self.model)
        self._rows: FlatRows[T] = FlatRows(ui, qt_core, rows, key=key)
        ui.bind(rows_of(stream), self.model, lambda _, rows: self._rows.show(rows))

    def __len__(self) -> int:
        return len(self._rows.items)

    def __getitem__(self, index: int) -> T:
        """Returns the item of a row of `model`, in the order of the stream."""
        return self._rows.items[index]

    def item_at(self, index: Any) -> T:
        """Returns the item of an index of `model` or of `proxy`, such as one of a view's selection."""
        if index.model() is self.proxy:
            index = self.proxy.mapToSource(index)
        row: int = index.row()
        return self._rows.items[row]

    @property
    def operations(self) -> int:
        """Number of row operations so far."""
        return self._rows.operations

    def show_in(self, view: Any, *, follow_end: bool = False, is_sortable: bool = True) -> End:
        """Makes a QTableView show the rows; see `ListModel.show_in`.

        Args:
            view: Held weakly.
            follow_end: Whether a view at its end stays at the end.
            is_sortable: Whether the view shows `proxy`, and a click on a header sorts.
        """
        view.setModel(self.proxy if is_sortable else self.model)
        view.setSortingEnabled(is_sortable)
        return self._rows.followers.add(view, follow_end=follow_end)


class TreeModel(Generic[T, C]):
    """Rows with rows below them for a QTreeView: a tree of two levels. UI thread.

    Args:
        ui: The loop.
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        stream: The upper rows, as immutable sequences.
        key, text, roles: Of an upper row, as in `ListModel`.
        children: Returns the lower rows of an upper row, as an immutable sequence.
        child_key, child_text, child_roles: Of a lower row.

    Attributes:
        model: The QAbstractItemModel.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_core: ModuleType,
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        text: Callable[[T], str],
        children: Callable[[T], Sequence[C]],
        child_key: Callable[[C], Hashable],
        child_text: Callable[[C], str],
        roles: Roles[T] | None = None,
        child_roles: Roles[C] | None = None,
    ) -> None:
        self._qt = qt_core
        self._key = key
        self._children = children
        self._child_key = child_key
        self._followers = Followers(ui, qt_core)
        # A branch has a number for life, by which the indices of its rows name it.
        self._branches: dict[Hashable, tuple[int, RowsBelow[C]]] = {}
        self._names: dict[int, Hashable] = {}
        self._places: dict[Hashable, int] = {}
        self._places_version = 0
        upper = safe_roles(qt_core, text, roles)
        lower = safe_roles(qt_core, child_text, child_roles)
        nowhere = qt_core.QModelIndex

        def index(model: Any, row: int, column: int, parent: Any = None) -> Any:
            if parent is None or not parent.isValid():
                is_there = column == 0 and 0 <= row < len(self._rows.items)
                return model.createIndex(row, column, 0) if is_there else nowhere()
            number, rows = self._branch_at(parent.row())
            is_there = not parent.internalId() and column == 0 and 0 <= row < len(rows.items)
            return model.createIndex(row, column, number) if is_there else nowhere()

        def parent_of(model: Any, child: Any = None) -> Any:
            if child is None or not child.isValid() or not child.internalId():
                return nowhere()
            place = self._place_of(self._names.get(child.internalId()))
            return nowhere() if place is None else model.createIndex(place, 0, 0)

        def row_count(_: Any, parent: Any = None) -> int:
            if parent is None or not parent.isValid():
                return len(self._rows.items)
            return 0 if parent.internalId() else len(self._branch_at(parent.row())[1].items)

        def column_count(_: Any, parent: Any = None) -> int:
            del parent
            return 1

        def data(_: Any, it: Any, role: int = 0) -> object:
            if not it.isValid():
                return None
            row: int = it.row()
            if not it.internalId():
                function = upper.get(int(role))
                return None if function is None else function(self._rows.items[row])
            below = lower.get(int(role))
            rows = self._branches[self._names[it.internalId()]][1]
            return None if below is None else below(rows.items[row])

        self.model: Any = subclass(
            qt_core.QAbstractItemModel,
            "TreeModel",
            {
                "index": index,
                "parent": parent_of,
                "rowCount": row_count,
                "columnCount": column_count,
                "data": data,
            },
        )
        self._rows: RowsBelow[T] = RowsBelow(qt_core, self.model, nowhere)
        self._last_number = 0
        ui.bind(rows_of(stream), self.model, lambda _, rows: self._show(rows))

    def __len__(self) -> int:
        return len(self._rows.items)

    def item_at(self, index: Any) -> T | C:
        """Returns the item of an index of `model`, an upper or a lower row."""
        row: int = index.row()
        if not index.internalId():
            return self._rows.items[row]
        return self._branches[self._names[index.internalId()]][1].items[row]

    @property
    def operations(self) -> int:
        """Number of row operations so far, in both levels; a branch takes its own along when it goes."""
        return self._rows.operations + sum(rows.operations for _, rows in self._branches.values())

    def show_in(self, view: Any, *, follow_end: bool = False, is_uniform: bool = False) -> End:
        """Makes a QTreeView show the rows; see `ListModel.show_in`."""
        view.setModel(self.model)
        if is_uniform:
            view.setUniformRowHeights(True)
        return self._followers.add(view, follow_end=follow_end)

    def _place_of(self, name: Hashable) -> int | None:
        # Qt asks for parents in the middle of a change, after the rows have moved.
        if self._places_version != self._rows.version:
            self._places_version = self._rows.version
            self._places = {self._key(row): at for at, row in enumerate(self._rows.items)}
        return self._places.get(name)

    def _branch_at(self, row: int) -> tuple[int, RowsBelow[C]]:
        return self._branches[self._key(self._rows.items[row])]

    def _show(self, rows: Sequence[T]) -> None:
        old = list(self._rows.items)
        changes = list_changes(old, rows, self._key)
        if not changes:
            return
        anchors = self._followers.hold()
        for row in rows:
            name = self._key(row)
            if name not in self._branches:
                self._branches[name] = self._new_branch(name, row)
        self._rows.change(changes)
        there = {self._key(row) for row in rows}
        for name in [name for name in self._branches if name not in there]:
            del self._names[self._branches.pop(name)[0]]
        for row in rows:
            branch = self._branches[self._key(row)][1]
            below = list_changes(branch.items, self._children(row), self._child_key)
            if below:
                branch.change(below)
        for put_back in anchors:
            put_back()
        self._followers.came(count_new_at_end(old, rows, self._key))

    def _new_branch(self, name: Hashable, row: T) -> tuple[int, RowsBelow[C]]:
        self._last_number += 1
        self._names[self._last_number] = name
        branch: RowsBelow[C] = RowsBelow(
            self._qt, self.model, lambda: self.model.index(self._place_of(name), 0)
        )
        # The upper row is not in the model yet, so nothing is announced.
        branch.items.extend(self._children(row))
        return self._last_number, branch
