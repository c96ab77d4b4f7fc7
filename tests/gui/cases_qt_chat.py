"""The Qt chat, driven by its user through an outage of the real hub. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ui_drivers
from hub_in_thread import HubInThread
from PySide6 import QtCore, QtTest, QtWidgets

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
        return [model.data(model.index(row)) for row in range(model.rowCount())]

    def type_in(text: str) -> None:
        QtTest.QTest.keyClicks(window.input, text)
        QtTest.QTest.keyClick(window.input, QtCore.Qt.Key.Key_Return)

    labels = window.findChildren(QtWidgets.QLabel)

    def says(text: str) -> bool:
        return any(text in label.text() and label.isVisible() for label in labels)

    until(lambda: says("Connected ("))
    type_in("hello")
    until(lambda: shown() == ["hello\n✓✓ delivered", "You said: hello (1 word)"])

    hub.stop()
    until(lambda: says("Connection lost, reconnecting."))
    type_in("are you there")
    until(lambda: shown()[2:] == ["are you there\n◷ queued"])
    assert says("1 message waits to be sent")

    hub.start()
    until(
        lambda: shown()[2:] == ["are you there\n✓✓ delivered", "You said: are you there (3 words)"]
    )
    until(lambda: says("Connected (") and not says("Connection lost"))
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
    turning.turn(0.1)
    assert window.notice.text().startswith("Not sent: too many messages wait.")
    assert window.input.text() == "m102"
    assert errors == []
    # Closing would lose them, so the window asks.
    asked: list[str] = []
    window.may_lose = lambda question: asked.append(question) or False
    assert not window.close()
    assert asked[0].endswith(
        "messages wait to be sent. Close the window and lose what was not sent?"
    )
    window.is_kept = True
    assert window.close()
    turning.loop.close()


def test_a_chat_is_chosen_with_keys_alone(offline: Application) -> None:
    import chat_qt

    turning = ui_drivers.qt()
    window: Any = chat_qt.Window(turning.loop, offline)
    window.show()
    first, second = offline.sessions.create("A"), offline.sessions.create("B")
    turning.turn(0.1)
    assert offline.sessions.state.get().active_id == second.id
    window.sessions.setFocus()
    for key in (QtCore.Qt.Key.Key_Home, QtCore.Qt.Key.Key_Return):
        QtTest.QTest.keyClick(window.sessions, key)
    assert offline.sessions.state.get().active_id == first.id
    names = [it.accessibleName() for it in (window.sessions, window.entries, window.input)]
    assert names == ["Chats", "Messages", "Message"]
    window.is_kept = True
    window.close()
    turning.loop.close()
