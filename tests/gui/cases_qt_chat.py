"""The Qt chat, driven by its user through an outage of the real hub. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ui_drivers
from hub_in_thread import HubInThread
from PySide6 import QtCore, QtGui, QtTest, QtWidgets

from reactive_ws.connection.backoff import Backoff
from reactive_ws.stores import Application

sys.path.append(str(Path(__file__).parents[2] / "examples"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubInThread]:
    with HubInThread(tmp_path / "hub.db") as it:
        yield it


def test_what_is_typed_in_an_outage_is_queued_and_then_delivered(hub: HubInThread) -> None:
    import chat_qt

    turning = ui_drivers.qt()
    app = Application.at(hub.url, backoff=Backoff(initial=0.2, cap=0.2))
    app.start()
    window: Any = chat_qt.Window(turning.loop, app)
    window.show()

    def until(condition: Any) -> None:
        for _ in range(6_000):
            if condition():
                return
            turning.turn(0.01)
        pytest.fail(f"shown at last: {shown()}")

    def shown() -> list[str]:
        model = window.entry_rows.model
        rows = [model.data(model.index(row)) for row in range(model.rowCount())]
        return [re.sub(r" · \d\d:\d\d", "", it) for it in rows]

    def type_in(text: str) -> None:
        QtTest.QTest.keyClicks(window.input, text)
        QtTest.QTest.keyClick(window.input, QtCore.Qt.Key.Key_Return)

    labels = window.findChildren(QtWidgets.QLabel)

    def says(text: str) -> bool:
        return any(text in label.text() and label.isVisible() for label in labels)

    until(lambda: says("Connected ("))
    type_in("hello")
    until(lambda: shown() == ["You · ✓✓ delivered\nhello", "Assistant\nYou said: hello (1 word)"])

    hub.stop()
    until(lambda: says("Connection lost, reconnecting."))
    type_in("are you there")
    until(lambda: shown()[2:] == ["You · ◷ queued\nare you there"])
    until(lambda: says("1 message waits to be sent"))

    hub.start()
    answer = "Assistant\nYou said: are you there (3 words)"
    until(lambda: shown()[2:] == ["You · ✓✓ delivered\nare you there", answer])
    until(lambda: says("Connected (") and not says("Connection lost"))

    # A bubble is as wide as its words, and what the user wrote is on the right.
    view, bubbles = window.entries, window.entries.itemDelegate()
    picture = view.viewport().grab().toImage()
    back = view.palette().color(QtGui.QPalette.ColorRole.Base)

    def has_bubble(row: int, *, at_right: bool) -> bool:
        box = view.visualRect(window.entry_rows.model.index(row))
        ratio = picture.devicePixelRatio()
        x = box.right() - 30 if at_right else box.left() + 30
        column = [
            picture.pixelColor(int(x * ratio), int(y * ratio))
            for y in range(box.top(), box.bottom())
        ]
        return any(it != back for it in column)

    assert [has_bubble(row, at_right=side) for row in (2, 3) for side in (True, False)] == [
        *(True, False),
        *(False, True),
    ]
    made = bubbles.document.cache_info().misses
    view.viewport().grab()
    assert bubbles.document.cache_info().misses == made

    keys = QtCore.Qt.Key
    ctrl = QtCore.Qt.KeyboardModifier.ControlModifier

    def finds() -> bool:
        # A display without a window manager activates a window late.
        window.activateWindow()
        QtTest.QTest.keyClick(window, keys.Key_F, ctrl)
        return window.focusWidget() is window.search

    until(finds)
    QtTest.QTest.keyClicks(window.search, "THERE")
    until(lambda: len(shown()) == 2)
    window.search.clear()
    until(lambda: len(shown()) == 4)
    for name in ("Plan", "Budget"):
        type_in(f"panel create {name}")
    until(lambda: "Plan  (1 of 2)" in window.panel.toPlainText())
    QtTest.QTest.keyClick(window, keys.Key_PageDown, ctrl)
    until(lambda: "Budget  (2 of 2)" in window.panel.toPlainText())
    until(lambda: len(shown()) == 8)

    # The chat that the user leaves counts what it gets.
    type_in("the last one")
    QtTest.QTest.keyClick(window, keys.Key_N, ctrl)
    until(lambda: shown() == [])
    chats = window.session_rows.model
    until(lambda: "First chat  (1)" in chats.data(chats.index(0)))
    window.close()
    app.stop()
    turning.loop.close()


OFFLINE = "ws://127.0.0.1:9/ws"
"""No program listens there."""


@pytest.fixture
def offline() -> Iterator[Application]:
    app = Application.at(OFFLINE)
    app.start()
    yield app
    app.service.disconnect()
    app.stop()


def test_a_full_outbox_is_said_and_keeps_the_text(offline: Application) -> None:
    import chat_qt

    turning = ui_drivers.qt()
    errors: list[Exception] = []
    turning.loop.on_error = errors.append
    window: Any = chat_qt.Window(turning.loop, offline)
    window.show()
    for number in range(103):
        window.input.setText(f"m{number}")
        window.send()
    ui_drivers.until(
        turning, lambda: window.notice.text().startswith("Not sent: too many messages wait.")
    )
    assert window.input.text() == "m102"
    assert errors == []
    # Closing would lose them, so the window asks.
    ui_drivers.until(turning, lambda: "100 messages" in window.view.question_before_closing)
    asked: list[str] = []
    window.may_lose = lambda question: asked.append(question) or False
    assert not window.close()
    assert asked[0].endswith(
        "messages wait to be sent. Close the window and lose what was not sent?"
    )
    window.view.is_kept = True
    assert window.close()
    turning.loop.close()


def test_a_chat_is_chosen_with_keys_alone(offline: Application) -> None:
    import chat_qt

    turning = ui_drivers.qt()
    window: Any = chat_qt.Window(turning.loop, offline)
    window.show()
    first, second = offline.sessions.create("A"), offline.sessions.create("B")
    ui_drivers.until(turning, lambda: window.session_rows.model.rowCount() == 2)
    assert offline.sessions.state.get().active_id == second.id
    window.sessions.setFocus()
    for key in (QtCore.Qt.Key.Key_Home, QtCore.Qt.Key.Key_Return):
        QtTest.QTest.keyClick(window.sessions, key)
    ui_drivers.comes(turning, lambda: offline.sessions.state.get().active_id, first.id)
    names = [it.accessibleName() for it in (window.sessions, window.entries, window.input)]
    assert names == ["Chats", "Messages", "Message"]
    window.view.is_kept = True
    window.close()
    turning.loop.close()


def test_chosen_messages_are_copied_and_long_words_wrap(offline: Application) -> None:
    import chat_qt

    turning = ui_drivers.qt()
    window: Any = chat_qt.Window(turning.loop, offline)
    window.show()
    long = "https://example.org/" + "x" * 400
    for text in ("first", long, "last"):
        window.view.send(text)
    model = window.entry_rows.model
    ui_drivers.until(turning, lambda: model.rowCount() == 3)
    heights = [window.entries.visualRect(model.index(row)).height() for row in range(3)]
    assert heights[1] > 3 * heights[0] / 2
    window.entries.setFocus()
    keys, modifiers = QtCore.Qt.Key, QtCore.Qt.KeyboardModifier
    QtTest.QTest.keyClick(window.entries, keys.Key_Home)
    QtTest.QTest.keyClick(window.entries, keys.Key_Down, modifiers.ShiftModifier)
    clipboard = QtWidgets.QApplication.clipboard()

    def copies() -> bool:
        # A display without a window manager activates a window late.
        window.activateWindow()
        QtTest.QTest.keyClick(window.entries, keys.Key_C, modifiers.ControlModifier)
        return clipboard.text() == f"first\n{long}"

    ui_drivers.until(turning, copies)
    window.view.is_kept = True
    window.close()
    turning.loop.close()
