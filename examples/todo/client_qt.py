"""The client in Qt: `python -m todo.client_qt ws://127.0.0.1:8000/live/` in `examples/`."""

from __future__ import annotations

import sys

from PySide6 import QtCore, QtWidgets

from reactive_ws.gui import QtLoop, connection_view
from reactive_ws.gui.qt import ConnectionStatus, ListModel

from .model import Row, TodoClient


class Window(QtWidgets.QWidget):
    """An entry field, the list, and the connection. Enter adds; a click ticks an entry off.

    Args:
        ui: The loop of the window.
        client: The model.
    """

    def __init__(self, ui: QtLoop, client: TodoClient) -> None:
        super().__init__(windowTitle="Todos")
        self._client = client
        rows = client.rows.select()
        self.model = ListModel(ui, QtCore, rows, key=lambda it: it.todo.id, text=line)
        self.rows = QtWidgets.QListView()
        self.rows.setModel(self.model.model)
        self.rows.clicked.connect(self.toggle)
        self.input = QtWidgets.QLineEdit(placeholderText="what is to be done?")
        self.input.returnPressed.connect(self.add)
        status = ConnectionStatus(ui, QtWidgets, connection_view(ui, client.service)).widget
        layout = QtWidgets.QVBoxLayout(self)
        for widget in (self.input, self.rows, status):
            layout.addWidget(widget)

    def add(self) -> None:
        """Adds what the user typed."""
        if self.input.text().strip():
            self._client.add(self.input.text())
            self.input.clear()

    def toggle(self, at: QtCore.QModelIndex) -> None:
        """Ticks an entry off, or takes the tick back."""
        row = self.model[at.row()]
        self._client.tick(row.todo.id, is_done=not row.todo.is_done)


def line(row: Row) -> str:
    """Returns the text of an entry; what the server has not confirmed ends in dots."""
    mark = "☑" if row.todo.is_done else "☐"
    return f"{mark}  {row.todo.title}{' ...' if row.is_pending else ''}"


if __name__ == "__main__":
    application = QtWidgets.QApplication([])
    todos = TodoClient(sys.argv[1])
    window = Window(QtLoop(QtCore), todos)
    window.show()
    todos.service.start()
    application.exec()
    todos.service.stop()
