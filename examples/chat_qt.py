"""A chat with panels in Qt: sessions, messages with their delivery, panels, and the connection, in light or dark.

reactive-ws hub --port 8000 & python examples/chat_qt.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[qt])
A file as second argument keeps what you write: `python examples/chat_qt.py URL outbox.db`. The service lives in a thread of its
own; stores are shown through a `QtLoop`, so nothing here waits and nothing locks.
"""

import sys
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from reactive_ws import OutboxOptions, ReactiveWSError
from reactive_ws.gui import QtLoop, connection_view, isolated
from reactive_ws.gui.qt import ConnectionBanner, ConnectionStatus, ListModel
from reactive_ws.gui.status import ConnectionView
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatView, is_waiting, text_of

# Only shapes: colours are those of the system, light or dark.
STYLE = """
QListView, QTextBrowser { border: 1px solid palette(mid); border-radius: 8px; padding: 6px; background: palette(base); }
QListView::item { padding: 7px 10px; border-radius: 6px; }
QLineEdit { border: 1px solid palette(mid); border-radius: 8px; padding: 9px 12px; }
QPushButton#new { border: 1px solid palette(mid); border-radius: 8px; padding: 9px 18px; font-weight: 600; }
QListView:focus, QTextBrowser:focus, QLineEdit:focus, QPushButton#new:focus { border: 2px solid palette(highlight); }
"""


class Window(QtWidgets.QWidget):
    """Everything on the screen."""

    def __init__(self, ui: QtLoop, app: Application, *, is_kept: bool = False) -> None:
        super().__init__()
        self.view, self.is_kept = ChatView(app), is_kept
        self.setWindowTitle("reactive-ws chat")
        self.setStyleSheet(STYLE)
        self.resize(960, 600)
        views = connection_view(ui, app.service)
        at, role = QtCore.Qt.AlignmentFlag, QtCore.Qt.ItemDataRole
        self.session_rows = ListModel(
            ui, QtCore, self.view.chats, key=lambda it: it.id, text=lambda it: it.title
        )
        roles = {
            role.ForegroundRole: self.colour,
            role.TextAlignmentRole: lambda it: at.AlignRight if it.is_own else at.AlignLeft,
        }
        entries, text = self.view.entries, lambda it: isolated(text_of(it))
        self.entry_rows = ListModel(
            ui, QtCore, entries, key=lambda it: it.id, text=text, roles=roles
        )
        self.sessions = self.list_of("Chats", self.session_rows)
        for signal in (self.sessions.clicked, self.sessions.activated):
            signal.connect(lambda row: self.view.open(self.session_rows[row.row()].id))
        self.entries = self.list_of("Messages", self.entry_rows, follow_end=True)
        self.panel = QtWidgets.QTextBrowser(openLinks=False)
        self.panel.setAccessibleName("Panel")
        self.input = QtWidgets.QLineEdit()
        self.input.setAccessibleName("Message")
        self.input.setPlaceholderText("Write a message, or: panel create Plan")
        self.input.returnPressed.connect(self.send)
        self.notice = QtWidgets.QLabel(textFormat=QtCore.Qt.TextFormat.PlainText, wordWrap=True)
        new = QtWidgets.QPushButton("&New chat")
        new.setObjectName("new")
        new.clicked.connect(self.view.new_chat)
        for keys, action in (("Ctrl+PgDown", 1), ("Ctrl+PgUp", -1)):
            shortcut = QtGui.QShortcut(QtGui.QKeySequence(keys), self)
            shortcut.activated.connect(lambda by=action: self.view.turn(by))
        copy = QtGui.QShortcut(QtGui.QKeySequence.StandardKey.Copy, self.entries)
        copy.setContext(QtCore.Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)

        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(14, 14, 14, 14)
        grid.addWidget(ConnectionBanner(ui, QtWidgets, views).widget, 0, 0, 1, 3)
        for column, widget in enumerate((self.sessions, self.entries, self.panel)):
            grid.addWidget(QtWidgets.QLabel(("CHATS", "MESSAGES", "PANELS")[column]), 1, column)
            grid.addWidget(widget, 2, column)
            grid.setColumnStretch(column, (2, 6, 3)[column])
        grid.addWidget(new, 3, 0)
        grid.addWidget(self.input, 3, 1, 1, 2)
        grid.addWidget(ConnectionStatus(ui, QtWidgets, views).widget, 4, 0, 1, 2)
        grid.addWidget(self.notice, 4, 2)
        ui.bind(self.view.panel, self.panel, lambda it, text: it.setPlainText(text))
        ui.bind(views, self.input, show_room)
        self.input.setFocus()

    def list_of(
        self, name: str, rows: ListModel[Any], *, follow_end: bool = False
    ) -> QtWidgets.QListView:
        view = QtWidgets.QListView(wordWrap=True)
        view.setAccessibleName(name)
        view.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        view.setSelectionMode(QtWidgets.QListView.SelectionMode.ExtendedSelection)
        view.setVerticalScrollMode(QtWidgets.QListView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        rows.show_in(view, follow_end=follow_end)
        return view

    def colour(self, entry: Any) -> QtGui.QBrush | None:
        """Own messages have the colour of links, and are muted until they are sent."""
        roles = QtGui.QPalette.ColorRole
        if not entry.is_own:
            return None
        return self.palette().brush(roles.PlaceholderText if is_waiting(entry) else roles.Link)

    def send(self) -> None:
        if text := self.input.text().strip():
            complaint = self.view.send(text)
            self.notice.setText(complaint)
            if not complaint:
                self.input.clear()

    def copy(self) -> None:
        chosen = sorted(it.row() for it in self.entries.selectedIndexes())
        text = "\n".join(self.entry_rows[row].content for row in chosen)
        QtWidgets.QApplication.clipboard().setText(text)

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:  # noqa: N802 - Qt's name
        question = "" if self.is_kept else self.view.question_before_closing
        event.setAccepted(not question or self.may_lose(question))

    def may_lose(self, question: str) -> bool:
        buttons = QtWidgets.QMessageBox.StandardButton
        box = QtWidgets.QMessageBox(self, text=question, textFormat=QtCore.Qt.TextFormat.PlainText)
        box.setStandardButtons(buttons.Close | buttons.Cancel)
        return box.exec() == buttons.Close


def show_room(line: QtWidgets.QLineEdit, view: ConnectionView) -> None:
    line.setEnabled(view.can_send)


def main(url: str | None, outbox: str | None) -> None:
    program = QtWidgets.QApplication(sys.argv[:1])
    app = Application.at(url, outbox=OutboxOptions(path=outbox))
    app.start()
    window = Window(QtLoop(QtCore), app, is_kept=outbox is not None)
    window.show()
    program.exec()
    app.stop()


if __name__ == "__main__":
    try:
        url, outbox, *_ = *sys.argv[1:], None, None
        main(url, outbox)
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
