"""A chat with panels in Qt: sessions, messages with their delivery, panels, and the connection.

reactive-ws hub --port 8000 & python examples/chat_qt.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[qt])
The service lives in a thread of its own; stores are shown through a `QtLoop`, so nothing here waits and nothing locks.
"""

import sys
from typing import Any

import reactivex as rx
from PySide6 import QtCore, QtGui, QtWidgets
from reactivex import operators as ops

from reactive_ws import DeliveryStatus, ReactiveWSError, Selection
from reactive_ws.gui import QtLoop, connection_view
from reactive_ws.gui.qt import ConnectionBanner, ConnectionStatus, ListModel
from reactive_ws.stores import Application, Entry
from reactive_ws.stores.wire import Panel, Session

STYLE = """
* { font-family: 'DejaVu Sans'; font-size: 13px; color: #e2e8f0; background: #0f172a; }
QListView { background: #111c33; border: 1px solid #1e293b; border-radius: 8px; padding: 6px; outline: 0; }
QListView::item { padding: 7px 10px; border-radius: 6px; }
QListView::item:selected { background: #1e3a8a; }
QLabel { color: #94a3b8; }
QLineEdit { background: #1e293b; border: 1px solid #334155; border-radius: 8px; padding: 9px 12px; }
QPushButton { background: #0284c7; border: 0; border-radius: 8px; padding: 9px 18px; font-weight: 600; }
QScrollBar:vertical { background: transparent; width: 8px; }
QScrollBar::handle:vertical { background: #334155; border-radius: 4px; min-height: 30px; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
"""
# In the order of DeliveryStatus.
WORDS = ("◷ queued", "◷ queued", "✓ sent", "✓✓ delivered", "✕ failed", "? uncertain")
MARKS = dict(zip(DeliveryStatus, WORDS, strict=True))


def line(entry: Entry) -> str:
    """A message as it is shown."""
    if entry.status is not None:
        return f"{entry.content}\n{MARKS[entry.status]}"
    return f"{entry.content}{' ▌' if entry.is_growing else ''}"


def colour(entry: Entry) -> QtGui.QColor:
    """Own messages are blue, and grey until they are sent."""
    if not entry.is_own:
        return QtGui.QColor("#e2e8f0")
    is_waiting = entry.status in (DeliveryStatus.QUEUED, DeliveryStatus.STORED)
    return QtGui.QColor("#94a3b8" if is_waiting else "#7dd3fc")


def panel_text(panel: Panel) -> str:
    return f"▣ {panel.title}\n{panel.data.get('text') or '…'}"


def rows_of(app: Application) -> Selection[tuple[tuple[Session, bool], ...]]:
    state = app.sessions.state
    return state.select(lambda now: tuple((it, it.id == now.active_id) for it in now.sessions))


def title(row: tuple[Session, bool]) -> str:
    return f"{'▸' if row[1] else ' '} {row[0].title or 'Chat'}"


def entries_of(app: Application) -> rx.Observable[tuple[Entry, ...]]:
    def of(session_id: str | None) -> rx.Observable[tuple[Entry, ...]]:
        return rx.of(()) if session_id is None else app.history.select_last(session_id, 200)

    active_id = app.sessions.state.select(lambda state: state.active_id)
    return active_id.pipe(ops.map(of), ops.switch_latest())


class Window(QtWidgets.QWidget):
    """Everything on the screen."""

    def __init__(self, ui: QtLoop, app: Application) -> None:
        super().__init__()
        self.app = app
        self.setWindowTitle("reactive-ws chat")
        self.setStyleSheet(STYLE)
        self.resize(960, 600)
        views = connection_view(ui, app.service)
        at, role = QtCore.Qt.AlignmentFlag, QtCore.Qt.ItemDataRole
        self.session_rows = ListModel(ui, QtCore, rows_of(app), key=lambda it: it[0].id, text=title)
        roles = {
            role.ForegroundRole: colour,
            role.TextAlignmentRole: lambda it: at.AlignRight if it.is_own else at.AlignLeft,
        }
        self.entry_rows = ListModel(
            ui, QtCore, entries_of(app), key=lambda it: it.id, text=line, roles=roles
        )
        panels = app.carousel.panels
        self.panel_rows = ListModel(ui, QtCore, panels, key=lambda it: it.id, text=panel_text)

        self.sessions = self.list_of(self.session_rows)
        self.sessions.clicked.connect(
            lambda row: app.sessions.activate(self.session_rows[row.row()][0].id)
        )
        self.entries = self.list_of(self.entry_rows, follow_end=True)
        self.entries.setSelectionMode(QtWidgets.QListView.SelectionMode.NoSelection)
        self.panels = self.list_of(self.panel_rows)
        self.input = QtWidgets.QLineEdit(placeholderText="Write a message, or: panel create Plan")
        self.input.returnPressed.connect(self.send)
        new = QtWidgets.QPushButton("New chat")
        new.clicked.connect(lambda: app.sessions.create("New chat"))

        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(14, 14, 14, 14)
        grid.addWidget(ConnectionBanner(ui, QtWidgets, views).widget, 0, 0, 1, 3)
        for column, widget in enumerate((self.sessions, self.entries, self.panels)):
            grid.addWidget(QtWidgets.QLabel(("CHATS", "MESSAGES", "PANELS")[column]), 1, column)
            grid.addWidget(widget, 2, column)
            grid.setColumnStretch(column, (2, 6, 3)[column])
        grid.addWidget(new, 3, 0)
        grid.addWidget(self.input, 3, 1, 1, 2)
        grid.addWidget(ConnectionStatus(ui, QtWidgets, views).widget, 4, 0, 1, 3)
        self.input.setFocus()

    def list_of(self, rows: ListModel[Any], *, follow_end: bool = False) -> QtWidgets.QListView:
        view = QtWidgets.QListView(wordWrap=True)
        view.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        view.setVerticalScrollMode(QtWidgets.QListView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows.show_in(view, follow_end=follow_end)
        return view

    def send(self) -> None:
        if text := self.input.text().strip():
            active = self.app.sessions.state.get().active or self.app.sessions.create("First chat")
            self.app.history.send(active.id, text)
            self.input.clear()


def main(url: str | None) -> None:
    program = QtWidgets.QApplication(sys.argv[:1])
    app = Application.at(url)
    app.start()
    window = Window(QtLoop(QtCore), app)
    window.show()
    program.exec()
    app.stop()


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else None)
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
