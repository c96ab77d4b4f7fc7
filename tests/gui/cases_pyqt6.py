"""PyQt6: the contract, the widgets and the models, and a window under qasync. Run by `test_toolkits.py` in its own process."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
import qasync
import ui_drivers
from fake_service import FakeService
from PyQt6 import QtCore, QtWidgets, sip

from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import AsyncioLoop, QtLoop, connection_view
from reactive_ws.gui.qt import Column, ConnectionBanner, ConnectionStatus, ListModel, TableModel
from reactive_ws.state import Store
from reactive_ws.testing import Turning, check_ui_loop

application = QtWidgets.QApplication([])


def make() -> Turning:
    def turn(seconds: float) -> None:
        loop = QtCore.QEventLoop()
        QtCore.QTimer.singleShot(round(seconds * 1000), loop.quit)
        loop.exec()

    return Turning(
        QtLoop(QtCore),
        turn,
        make_widget=QtWidgets.QLabel,
        destroy=lambda label: label.deleteLater(),
    )


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(make)


def test_the_widgets_and_the_models_work_with_pyqt6(domain: Domain) -> None:
    turning = make()
    ui: Any = turning.loop
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED)
    views = connection_view(ui, service, grace=0.0)
    window = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(window)
    banner = ConnectionBanner(ui, QtWidgets, views).widget
    layout.addWidget(banner)
    layout.addWidget(ConnectionStatus(ui, QtWidgets, views, detail="metrics").widget)
    window.show()
    store = Store(((1, "one"), (2, "two")), domain=domain)
    rows = ListModel(ui, QtCore, store, key=lambda row: row[0], text=lambda row: row[1])
    table: TableModel[tuple[int, str]] = TableModel(
        ui, QtCore, store, key=lambda row: row[0], columns=[Column("Name", lambda row: row[1])]
    )
    store.update(lambda now: (*now, (3, "three")))
    ui_drivers.until(turning, banner.isVisible)
    ui_drivers.comes(turning, lambda: rows.model.data(rows.model.index(2)), "three")
    ui_drivers.comes(turning, lambda: table.model.data(table.model.index(2, 0)), "three")
    sip.delete(window)
    assert service.connections.select().observer_count == 0
    ui.close()


def test_a_binding_of_an_object_that_qt_made_lasts_as_long_as_that(domain: Domain) -> None:
    turning = make()
    store = Store(0, domain=domain)
    selection = store.select()
    table = QtWidgets.QTableView()

    def bind() -> None:
        # The program keeps no Python object of the header.
        turning.loop.bind(
            selection, table.horizontalHeader(), lambda it, value: it.setToolTip(str(value))
        )

    bind()
    gc.collect()
    store.set(7)
    ui_drivers.comes(turning, lambda: table.horizontalHeader().toolTip(), "7")
    sip.delete(table)
    assert selection.observer_count == 0
    turning.loop.close()


def test_a_window_of_qasync_is_built_before_its_loop_runs(domain: Domain) -> None:
    loop = qasync.QEventLoop(application)
    asyncio.set_event_loop(loop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=0.0)
    store = Store(0, domain=domain)
    shown: list[int] = []
    errors: list[Exception] = []
    # Both kinds of loop show the first value at once, also while nothing runs.
    on_qt = QtLoop(QtCore, on_error=errors.append)
    on_asyncio = AsyncioLoop(loop, on_error=errors.append)
    label = QtWidgets.QLabel()
    status = ConnectionStatus(on_qt, QtWidgets, connection_view(on_qt, service)).widget
    on_asyncio.bind(store, label, lambda it, value: (it.setText(str(value)), shown.append(value)))
    assert label.text() == "0"
    words = status.findChild(QtWidgets.QLabel, "connectionText")
    assert words.text().startswith("Connected (")

    async def main() -> None:
        store.set(1)
        while shown[-1] != 1:
            await asyncio.sleep(0.01)

    with loop:
        loop.run_until_complete(main())
    assert (shown, errors) == ([0, 1], [])


def test_a_binding_of_an_asyncio_loop_ends_with_its_qt_widget_and_qt_widgets_refuse_that_loop(
    domain: Domain,
) -> None:
    loop = qasync.QEventLoop(application)
    asyncio.set_event_loop(loop)
    errors: list[Exception] = []
    ui = AsyncioLoop(loop, on_error=errors.append)
    selection = Store(0, domain=domain).select()
    label = QtWidgets.QLabel()
    ui.bind(selection, label, lambda it, value: it.setText(str(value)))
    assert selection.observer_count == 1

    async def main() -> None:
        label.deleteLater()
        while selection.observer_count:
            await asyncio.sleep(0.01)

    views = connection_view(ui, FakeService(domain))
    wrong: Any = ui
    for make in (ConnectionStatus, ConnectionBanner):
        with pytest.raises(UsageError, match=r"not AsyncioLoop: write QtLoop\(QtCore\)"):
            make(wrong, QtWidgets, views)
    with loop:
        loop.run_until_complete(main())
    assert errors == []
