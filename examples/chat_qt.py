"""A chat with panels in Qt: chats, bubbles with names and times, search, panels, and the connection, in light or dark.

reactive-ws hub --port 8000 & python examples/chat_qt.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[qt])
A file as second argument keeps what you write: `python examples/chat_qt.py URL outbox.db`. Control-n makes a chat, Control-f
searches, Control-PageDown turns the panels, Control-c copies the chosen messages. The service lives in a thread of its own; stores
are shown through a `QtLoop`, so nothing here waits and nothing locks.
"""

import sys
from functools import lru_cache
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from reactive_ws import OutboxOptions, ReactiveWSError
from reactive_ws.gui import QtLoop, connection_view
from reactive_ws.gui.qt import ConnectionBanner, ConnectionStatus, ListModel
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatMessage, ChatView

# Only shapes: colours are those of the system, light or dark.
STYLE = """
QListView, QTextBrowser { border: 1px solid palette(mid); border-radius: 10px; padding: 6px; background: palette(base); }
QListView#chats::item { padding: 8px 10px; border-radius: 6px; }
QLineEdit, QPushButton#plain { border: 1px solid palette(mid); border-radius: 8px; padding: 8px 12px; }
QScrollBar:vertical { width: 10px; background: transparent; }
QScrollBar::handle:vertical { background: palette(mid); border-radius: 3px; margin: 2px; min-height: 30px; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
QListView:focus, QTextBrowser:focus, QLineEdit:focus, QPushButton#plain:focus { border: 2px solid palette(highlight); }
"""
SPACE = 10
Role = QtGui.QPalette.ColorRole


class Bubbles(QtWidgets.QStyledItemDelegate):
    """Paints each message as a bubble: author and time, its text, and its code in a box of fixed width."""

    def __init__(self, rows: ListModel[ChatMessage], view: QtWidgets.QListView) -> None:
        super().__init__(view)
        self.rows, self.view = rows, view
        # A message is laid out once for each width: documents are dear, and a list asks for all heights again and again.
        self.document = lru_cache(maxsize=1_000)(self.new_document)

    def room(self) -> int:
        return self.view.viewport().width() * 3 // 4 - 2 * SPACE

    def new_document(self, message: ChatMessage, width: int, ink: str) -> QtGui.QTextDocument:
        document = QtGui.QTextDocument(documentMargin=0)
        document.setDefaultFont(self.view.font())
        wrapping = QtGui.QTextOption()
        wrapping.setWrapMode(QtGui.QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        document.setDefaultTextOption(wrapping)
        cursor = QtGui.QTextCursor(document)
        small, code = QtGui.QTextCharFormat(), QtGui.QTextCharFormat()
        for style in (small, code):
            style.setForeground(QtGui.QColor(ink))
        small.setFontPointSize(self.view.font().pointSizeF() * 0.85)
        code.setFontFamilies(["monospace"])
        box, usual = QtGui.QTextBlockFormat(), QtGui.QTextBlockFormat()
        box.setBackground(QtGui.QColor(128, 128, 128, 60))
        cursor.insertText(message.head, small)
        plain = QtGui.QTextCharFormat(code)
        plain.setFontFamilies(self.view.font().families())
        for text, is_code in (*message.blocks, *[("▌", False)] * message.is_growing):
            cursor.insertBlock(box if is_code else usual)
            cursor.insertText(text, code if is_code else plain)
        document.setTextWidth(width)
        document.setTextWidth(min(width, document.idealWidth() + 1))
        return document

    def sizeHint(self, _: Any, index: Any) -> QtCore.QSize:  # noqa: N802 - Qt's name
        document = self.document(self.rows[index.row()], self.room(), "#000000")
        return QtCore.QSize(80, round(document.size().height()) + 3 * SPACE)

    def paint(self, painter: QtGui.QPainter, option: Any, index: Any) -> None:
        message, palette = self.rows[index.row()], self.view.palette()
        is_filled = message.is_own and not message.is_waiting
        ink = palette.color(Role.HighlightedText if is_filled else Role.Text)
        document = self.document(message, self.room(), ink.name())
        place, size = QtCore.QRectF(option.rect), document.size()
        box = QtCore.QRectF(0, 0, size.width() + 2 * SPACE, size.height() + 2 * SPACE)
        left = place.right() - box.width() - SPACE / 2 if message.is_own else place.left()
        box.moveTo(left, place.top() + SPACE / 2)
        painter.save()
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        # What waits is an outline: paler text would be hard to read.
        own, fill = palette.color(Role.Highlight).darker(130), palette.color(Role.Text)
        fill.setAlpha(22)
        is_chosen = option.state & QtWidgets.QStyle.StateFlag.State_Selected
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        if is_chosen:
            painter.setPen(QtGui.QPen(palette.color(Role.Text), 2.0))
        elif message.is_waiting:
            painter.setPen(QtGui.QPen(own, 1.5, QtCore.Qt.PenStyle.DashLine))
        brush = QtGui.QBrush(own if is_filled else fill)
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush if message.is_waiting else brush)
        painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 12, 12)
        painter.translate(box.topLeft() + QtCore.QPointF(SPACE, SPACE))
        document.drawContents(painter)
        painter.restore()


class Window(QtWidgets.QWidget):
    """Everything on the screen."""

    def __init__(self, ui: QtLoop, app: Application, *, is_kept: bool = False) -> None:
        super().__init__()
        self.view = view = ChatView(app, is_kept=is_kept)
        self.setWindowTitle("reactive-ws chat")
        self.setStyleSheet(STYLE)
        self.resize(1000, 640)
        views = connection_view(ui, app.service)
        bold = self.font()
        bold.setBold(True)
        roles = {QtCore.Qt.ItemDataRole.FontRole: lambda it: bold if it.is_active else None}
        chats = ListModel(
            *(ui, QtCore, view.chats), key=lambda it: it.id, text=lambda it: it.title, roles=roles
        )
        rows = ListModel(ui, QtCore, view.messages, key=lambda it: it.id, text=spoken)
        self.session_rows, self.entry_rows = chats, rows
        self.sessions, self.entries = QtWidgets.QListView(), QtWidgets.QListView()
        self.sessions.setObjectName("chats")
        chats.show_in(self.sessions)
        self.entries.setItemDelegate(Bubbles(rows, self.entries))
        self.end = rows.show_in(self.entries, follow_end=True)
        for it in (self.sessions, self.entries):
            it.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
            it.setVerticalScrollMode(QtWidgets.QListView.ScrollMode.ScrollPerPixel)
            it.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.entries.setSelectionMode(QtWidgets.QListView.SelectionMode.ExtendedSelection)
        for signal in (self.sessions.clicked, self.sessions.activated):
            signal.connect(lambda row: view.open(chats[row.row()].id))
        self.panel = QtWidgets.QTextBrowser(openLinks=False)
        self.input = QtWidgets.QLineEdit(placeholderText="Write a message, or: panel create Plan")
        self.input.returnPressed.connect(self.send)
        self.search = QtWidgets.QLineEdit(placeholderText="Search")
        self.search.setClearButtonEnabled(True)
        names = {self.panel: "Panel", self.input: "Message", self.search: "Search"}
        for field, name in {**names, self.sessions: "Chats", self.entries: "Messages"}.items():
            field.setAccessibleName(name)
        self.search.textChanged.connect(view.find)
        self.notice = QtWidgets.QLabel(textFormat=QtCore.Qt.TextFormat.PlainText, wordWrap=True)
        self.unseen = self.button("", lambda: self.end.go())
        turns = QtWidgets.QHBoxLayout()
        for name, by in (("← Panel", -1), ("Panel →", 1)):
            turns.addWidget(self.button(name, lambda _=None, by=by: view.turn(by)))
        for keys, action in (
            *(("Ctrl+PgDown", lambda: view.turn(1)), ("Ctrl+PgUp", lambda: view.turn(-1))),
            *(("Ctrl+F", self.search.setFocus), ("Ctrl+N", view.new_chat)),
        ):
            QtGui.QShortcut(QtGui.QKeySequence(keys), self).activated.connect(action)
        copy = QtGui.QShortcut(QtGui.QKeySequence.StandardKey.Copy, self.entries)
        copy.setContext(QtCore.Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(self.copy)

        grid = QtWidgets.QGridLayout(self)
        grid.setContentsMargins(14, 14, 14, 14)
        grid.setSpacing(10)
        grid.addWidget(ConnectionBanner(ui, QtWidgets, views).widget, 0, 0, 1, 3)
        grid.addWidget(self.button("&New chat", view.new_chat), 1, 0)
        grid.addWidget(self.search, 1, 1)
        grid.addLayout(turns, 1, 2)
        for column, widget in enumerate((self.sessions, self.entries, self.panel)):
            grid.addWidget(widget, 2, column)
            grid.setColumnStretch(column, (2, 6, 3)[column])
        grid.addWidget(self.unseen, 3, 0)
        grid.addWidget(self.input, 3, 1, 1, 2)
        grid.addWidget(ConnectionStatus(ui, QtWidgets, views).widget, 4, 0, 1, 2)
        grid.addWidget(self.notice, 4, 2)
        ui.bind(view.panel, self.panel, lambda it, text: it.setPlainText(text))
        ui.bind(views, self.input, lambda it, now: it.setEnabled(now.can_send))
        ui.bind(self.end.unseen, self.unseen, show_unseen)
        self.input.setFocus()

    def button(self, name: str, action: Any) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(name)
        button.setObjectName("plain")
        button.clicked.connect(action)
        return button

    def send(self) -> None:
        if text := self.input.text().strip():
            complaint = self.view.send(text)
            self.notice.setText(complaint)
            if not complaint:
                self.input.clear()

    def copy(self) -> None:
        chosen = sorted(it.row() for it in self.entries.selectedIndexes())
        text = "\n".join(self.entry_rows[row].text for row in chosen)
        QtWidgets.QApplication.clipboard().setText(text)

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:  # noqa: N802 - Qt's name
        question = self.view.question_before_closing
        event.setAccepted(not question or self.may_lose(question))

    def may_lose(self, question: str) -> bool:
        buttons = QtWidgets.QMessageBox.StandardButton
        box = QtWidgets.QMessageBox(self, text=question, textFormat=QtCore.Qt.TextFormat.PlainText)
        box.setStandardButtons(buttons.Close | buttons.Cancel)
        return box.exec() == buttons.Close


def spoken(message: ChatMessage) -> str:
    """The words of a message for screen readers, which read the model and not the painting."""
    return f"{message.head}\n{message.text}"


def show_unseen(button: QtWidgets.QPushButton, count: int) -> None:
    button.setText(f"{count} new below" if count else "")
    button.setVisible(bool(count))


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
