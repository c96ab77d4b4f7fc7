"""Qt: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import shiboken6
import ui_drivers
from fake_service import FakeService
from PySide6 import QtCore, QtTest, QtWidgets
from random_edits import key, random_edits

from reactive_ws.connection.record import ConnectionState
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import QtLoop
from reactive_ws.gui.qt import (
    ConnectionBanner,
    ConnectionIndicator,
    ConnectionStatus,
    ListModel,
)
from reactive_ws.gui.status import connection_view
from reactive_ws.state.store import Store
from reactive_ws.testing import Turning, check_ui_loop

FIVE_HOURS = 5 * 3_600.0 + 30.0
"""Seconds; the age of such a connection is told in minutes, and a slow test does not see it change."""


def test_a_loop_before_the_application_is_refused_with_the_order() -> None:
    if QtCore.QCoreApplication.instance() is None:
        with pytest.raises(UsageError, match="make the QApplication first"):
            QtLoop(QtCore)


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.qt)


@pytest.fixture
def turning() -> Iterator[Turning]:
    it = ui_drivers.qt()
    yield it
    it.loop.close()


def test_a_label_shows_the_last_value_of_a_flood(turning: Turning, domain: Domain) -> None:
    store = Store(0, domain=domain)
    label = QtWidgets.QLabel()
    label.show()
    turning.loop.bind(store, label, lambda it, value: it.setText(str(value)))
    stop = ui_drivers.flood(store)
    ui_drivers.settle(turning, 0.1)
    stop()
    ui_drivers.settle(turning, 0.05)
    assert label.text() == str(store.get())


def test_a_binding_ends_when_its_widget_is_deleted_in_cpp(turning: Turning, domain: Domain) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    window = QtWidgets.QWidget()
    label = QtWidgets.QLabel(window)
    errors: list[Exception] = []
    turning.loop.on_error = errors.append
    turning.loop.bind(selection, label, lambda it, value: it.setText(str(value)))
    store.set(1)
    shiboken6.delete(window)
    assert selection.observer_count == 0
    store.set(2)
    ui_drivers.settle(turning, 0.05)
    assert errors == []


def test_a_binding_does_not_keep_its_widget_alive(turning: Turning, domain: Domain) -> None:
    selection = Store(0, domain=domain).select()
    label = QtWidgets.QLabel()
    gone = weakref.ref(label)
    turning.loop.bind(selection, label, lambda it, value: it.setText(str(value)))
    del label
    gc.collect()
    assert gone() is None
    assert selection.observer_count == 0


def test_closing_the_loop_in_a_flood_leaks_nothing_and_raises_nothing(
    turning: Turning, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    errors: list[Exception] = []
    turning.loop.on_error = errors.append
    labels = [QtWidgets.QLabel() for _ in range(20)]
    for label in labels:
        turning.loop.bind(selection, label, lambda it, value: it.setText(str(value)))
    stop = ui_drivers.flood(store)
    ui_drivers.settle(turning, 0.05)
    for label in labels[:10]:
        shiboken6.delete(label)
    ui_drivers.settle(turning, 0.02)
    assert selection.observer_count == 10
    turning.loop.close()
    stop()
    assert turning.loop.post(lambda: None) is False
    assert selection.observer_count == 0
    assert errors == []


def test_a_thread_may_be_joined_by_the_ui_while_it_floods_also_in_a_modal_dialog(
    turning: Turning, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    label = QtWidgets.QLabel()
    turning.loop.bind(store, label, lambda it, value: it.setText(str(value)))
    joined: list[str] = []

    def modal() -> None:
        dialog = QtWidgets.QDialog()
        stop = ui_drivers.flood(store)

        def close() -> None:
            if label.text() == "0":
                QtCore.QTimer.singleShot(50, close)
                return
            stop()
            joined.append(label.text())
            dialog.accept()

        QtCore.QTimer.singleShot(50, close)
        dialog.exec()

    turning.loop.post(modal)
    ui_drivers.settle(turning, 0.2)
    # It was joined, and while the dialog was open the label behind it went on.
    assert len(joined) == 1
    assert int(joined[0]) > 0
    assert label.text() == str(store.get())


def test_no_timer_is_left_while_nothing_is_to_be_done(turning: Turning, domain: Domain) -> None:
    assert isinstance(turning.loop, QtLoop)
    store = Store(0, domain=domain)
    label = QtWidgets.QLabel()
    turning.loop.bind(store, label, lambda it, value: it.setText(str(value)))
    store.set(1)
    ui_drivers.settle(turning, 0.1)
    assert turning.loop._receiver.findChildren(QtCore.QTimer) == []


# --- connection widgets ---


def words(widget: QtWidgets.QWidget) -> list[str]:
    """What the visible labels and buttons of a widget say, from left to right and top to bottom."""
    kinds = (QtWidgets.QLabel, QtWidgets.QPushButton)
    found = [it for kind in kinds for it in widget.findChildren(kind) if it.isVisible()]
    origin = QtCore.QPoint(0, 0)
    found.sort(key=lambda it: (it.mapTo(widget, origin).y() // 12, it.mapTo(widget, origin).x()))
    labels = [it for it in found if isinstance(it, QtWidgets.QLabel) and it.text()]
    buttons = [it for it in found if isinstance(it, QtWidgets.QPushButton)]
    return [it.text() for it in labels] + [it.text() for it in buttons]


def test_the_connection_widgets_show_an_outage(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - FIVE_HOURS)
    views = connection_view(ui, service, grace=0.05)
    window = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(window)
    full = ConnectionStatus(ui, QtWidgets, views).widget
    compact = ConnectionStatus(ui, QtWidgets, views, detail="compact").widget
    metrics = ConnectionStatus(ui, QtWidgets, views, detail="metrics").widget
    indicator = ConnectionIndicator(ui, QtWidgets, window, views, hide_when_connected=True).widget
    banner = ConnectionBanner(ui, QtWidgets, views).widget
    for widget in (banner, full, compact, metrics):
        layout.addWidget(widget)
    window.show()
    ui_drivers.settle(turning, 0.05)
    assert words(full) == ["Connected (5h 00m)"]
    assert (words(compact), compact.toolTip()) == ([], "<qt>Connected (5h 00m)</qt>")
    assert words(metrics)[:5] == ["Connected (5h 00m)", "Received", "0", "Sent", "0"]
    assert (indicator.isVisible(), banner.isVisible()) == (False, False)

    service.become(ConnectionState.DISCONNECTED)
    service.queue(2)
    ui_drivers.settle(turning, 0.2)
    assert words(full) == ["Disconnected", "2", "Retry now"]
    assert (full.accessibleName(), full.accessibleDescription()) == (
        "Disconnected",
        "Disconnected\n2 messages wait to be sent",
    )
    assert words(compact) == ["2"]
    assert indicator.isVisible()
    assert banner.isVisible()
    assert words(banner) == [
        "Connection lost.",
        "What you write is sent when it is back.",
        "2 messages wait to be sent",
        "Retry now",
    ]

    service.become(ConnectionState.CONNECTED, since=ui.now())
    ui_drivers.settle(turning, 0.4)
    assert (indicator.isVisible(), banner.isVisible()) == (False, False)
    shiboken6.delete(window)
    assert service.connections.select().observer_count == 0


@pytest.mark.parametrize(
    ("position", "is_left", "is_top"),
    [
        ("top-left", True, True),
        ("top-right", False, True),
        ("bottom-left", True, False),
        ("bottom-right", False, False),
    ],
)
def test_an_indicator_stays_in_its_corner_when_the_window_changes(
    turning: Turning, position: Any, is_left: bool, is_top: bool, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    window = QtWidgets.QWidget()
    views = connection_view(ui, FakeService(domain))
    label = ConnectionIndicator(ui, QtWidgets, window, views, position=position).widget
    window.show()
    for width, height in ((300, 200), (500, 400)):
        window.resize(width, height)
        ui_drivers.settle(turning, 0.05)
        assert label.x() == (8 if is_left else width - label.width() - 8)
        assert label.y() == (8 if is_top else height - label.height() - 8)


# --- lists ---


def show_a_frame(turning: Turning) -> None:
    number = turning.loop.frame.number
    while turning.loop.frame.number == number:
        QtCore.QCoreApplication.processEvents()


def rows_in(view: QtWidgets.QListView) -> list[str]:
    model = view.model()
    return [model.data(model.index(row, 0)) for row in range(model.rowCount())]


@pytest.mark.parametrize("mode", ["ScrollPerItem", "ScrollPerPixel"])
def test_selection_current_row_and_scroll_position_survive_a_thousand_random_edits(
    turning: Turning, mode: str, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    ui.fps = 10_000.0
    start = [(number, f"row {number}") for number in range(100)]
    store = Store(tuple(start), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=lambda row: row[1])
    view = QtWidgets.QListView()
    view.setVerticalScrollMode(getattr(QtWidgets.QListView.ScrollMode, mode))
    view.setSelectionMode(QtWidgets.QListView.SelectionMode.ExtendedSelection)
    rows.show_in(view)
    view.resize(200, 200)
    view.show()
    ui_drivers.settle(turning, 0.05)
    selection = view.selectionModel()
    flag = QtCore.QItemSelectionModel.SelectionFlag.Select
    for number in (7, 40):
        selection.select(rows.model.index(number), flag)
    selection.setCurrentIndex(
        rows.model.index(41), QtCore.QItemSelectionModel.SelectionFlag.NoUpdate
    )
    view.scrollTo(rows.model.index(50), QtWidgets.QListView.ScrollHint.PositionAtTop)
    tester = QtTest.QAbstractItemModelTester(
        rows.model, QtTest.QAbstractItemModelTester.FailureReportingMode.Fatal
    )

    def top() -> int:
        return key(rows[view.indexAt(QtCore.QPoint(1, 1)).row()])

    before = rows.operations
    for now in random_edits(start, {7, 40, 41}, 1_000, seed=1):
        was = top()
        store.set(tuple(now))
        show_a_frame(turning)
        # QListView lays out in an event of its own.
        QtCore.QCoreApplication.processEvents()
        assert rows_in(view) == [text for _, text in now]
        assert sorted(key(rows[it.row()]) for it in selection.selectedIndexes()) == [7, 40]
        assert key(rows[view.currentIndex().row()]) == 41
        if (
            was in dict(now)
            and view.verticalScrollBar().value() < view.verticalScrollBar().maximum()
        ):
            assert top() == was
    assert rows.operations - before <= 2 * 3 * 1_000
    del tester


def test_a_list_that_follows_its_end_stays_there(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    store = Store(tuple((number, f"row {number}") for number in range(50)), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=lambda row: row[1])
    view = QtWidgets.QListView()
    rows.show_in(view, follow_end=True)
    view.resize(200, 100)
    view.show()
    ui_drivers.settle(turning, 0.05)
    bar = view.verticalScrollBar()
    view.scrollToBottom()
    store.update(lambda now: (*now, (50, "row 50")))
    ui_drivers.settle(turning, 0.05)
    assert bar.value() == bar.maximum()
    view.resize(200, 60)
    ui_drivers.settle(turning, 0.05)
    assert bar.value() == bar.maximum()
    bar.setValue(3)
    store.update(lambda now: (*now, (51, "row 51")))
    ui_drivers.settle(turning, 0.05)
    assert bar.value() == 3
