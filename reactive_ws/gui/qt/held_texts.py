"""`HeldTexts`: rows whose texts Qt holds itself, so that layout and painting of a view call no Python function for a text.

A model in Python answers seven calls for each row that Qt paints and one for each row that it lays out. Each of them waits
for the interpreter, which the thread of the connection uses too. `ListModel` uses this with `holds_texts=True`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeVar

from ...views import Change, Insert, Move, Remove
from ..loop import UiLoop
from .rows import RowsBelow, subclass

__all__ = ["HeldTexts"]

T = TypeVar("T")


class HeldTexts(RowsBelow[T]):
    """The rows of a QStringListModel. The texts change with their rows, before another object hears of the change. UI thread.

    Args:
        ui: The loop. It reports what `text` raises, and the row then shows an empty text.
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        text: Returns what a row shows.

    Attributes:
        model: The model. A view cannot edit it.
    """

    def __init__(self, ui: UiLoop, qt_core: ModuleType, text: Callable[[T], str]) -> None:
        kinds = qt_core.Qt.ItemFlag
        of_rows = kinds.ItemIsEnabled | kinds.ItemIsSelectable | kinds.ItemNeverHasChildren
        of_none = kinds.NoItemFlags

        def flags(_: Any, index: Any) -> Any:
            return of_rows if index.isValid() else of_none

        model = subclass(qt_core.QStringListModel, "HeldTextsModel", {"flags": flags})
        super().__init__(qt_core, model, qt_core.QModelIndex)
        self._ui = ui
        self._function = text
        self._run: tuple[Change[T], ...] = ()
        # Qt calls slots in the order in which they were connected, and views connect later.
        for signal in (self.model.rowsInserted, self.model.rowsRemoved, self.model.rowsMoved):
            signal.connect(self._settle)

    def update(self, places: Sequence[range], rows: Sequence[T]) -> None:
        """Shows rows of the same keys, of which some changed in place."""
        self.items = list(rows)
        for place in places:
            self.operations += len(place)
            self._hold(place)
            self._tell(place)

    def replace(self, rows: Sequence[T]) -> None:
        """Shows other rows at once."""
        self.items = list(rows)
        self.version += 1
        self.operations += 1
        self.model.setStringList([self._text(row) for row in self.items])

    def _do(self, run: tuple[Change[T], ...]) -> None:
        self.operations += len(run)
        model, count = self.model, len(run)
        self._run = run
        match run[0]:
            case Insert(index, _):
                model.insertRows(index, count)
            case Remove(index):
                model.removeRows(index - count + 1, count)
            case Move(source, target):
                below = target if target < source else target + 1
                nowhere = self._qt.QModelIndex()
                model.moveRows(nowhere, source, 1, nowhere, below)
            case first:
                self._settle()
                place = range(first.index, first.index + count)
                self._hold(place)
                self._tell(place)

    def _settle(self, *_: object) -> None:
        """Applies the change that the model has just made, before views and other slots hear of it."""
        run, self._run = self._run, ()
        if not run:
            return
        self._apply(run)
        if isinstance(run[0], Insert):
            self._hold(range(run[0].index, run[0].index + len(run)))

    def _hold(self, place: range) -> None:
        """Gives Qt the texts of some rows, without its signal for each row."""
        model, items, text = self.model, self.items, self._text
        set_data, index = model.setData, model.index
        model.blockSignals(True)
        try:
            for row in place:
                set_data(index(row), text(items[row]))
        finally:
            model.blockSignals(False)

    def _tell(self, place: range) -> None:
        model = self.model
        model.dataChanged.emit(model.index(place.start), model.index(place.stop - 1))

    def _text(self, row: T) -> str:
        try:
            return self._function(row)
        except Exception as error:  # noqa: BLE001 - one broken row must not stop the others
            self._ui.on_error(error)
            return ""
