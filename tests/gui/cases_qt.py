"""Qt: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import functools
import gc
import html
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import shiboken6
import ui_drivers
from fake_service import FakeService
from PySide6 import QtCore, QtGui, QtTest, QtWidgets
from random_edits import key, random_edits

from reactive_ws.connection import ConnectionState, Metrics
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import QtLoop, isolated
from reactive_ws.gui.qt import (
    Column,
    ConnectionBanner,
    ConnectionIndicator,
    ConnectionStatus,
    ListModel,
    TableModel,
    TreeModel,
    tooltip,
)
from reactive_ws.gui.status import DARK, LIGHT, Theme, Words, connection_view
from reactive_ws.state.store import Store
from reactive_ws.testing import Turning, check_ui_loop

FIVE_HOURS = 5 * 3_600.0 + 30.0
"""Seconds; such an age is shown in minutes, so a slow test does not see it change."""


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
    ui_drivers.comes(turning, label.text, str(store.get()))


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
    ui_drivers.until(turning, lambda: joined)
    # It was joined, and while the dialog was open the label behind it went on.
    assert len(joined) == 1
    assert int(joined[0]) > 0
    ui_drivers.comes(turning, label.text, str(store.get()))


def test_no_timer_is_left_while_nothing_is_to_be_done(turning: Turning, domain: Domain) -> None:
    assert isinstance(turning.loop, QtLoop)
    store = Store(0, domain=domain)
    label = QtWidgets.QLabel()
    turning.loop.bind(store, label, lambda it, value: it.setText(str(value)))
    store.set(1)
    ui_drivers.comes(turning, label.text, "1")
    receiver = turning.loop._receiver
    ui_drivers.comes(turning, lambda: receiver.findChildren(QtCore.QTimer), [])


# --- connection widgets ---


def words(widget: QtWidgets.QWidget) -> list[str]:
    """The texts of the visible labels and buttons of a widget, from left to right and top to bottom."""
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
    comes = functools.partial(ui_drivers.comes, turning)
    comes(lambda: words(full), ["Connected (5h 00m)"])
    comes(lambda: (words(compact), compact.toolTip()), ([], "<qt>Connected (5h 00m)</qt>"))
    comes(lambda: words(metrics)[:5], ["Connected (5h 00m)", "Received", "0", "Sent", "0"])
    assert (indicator.isVisible(), banner.isVisible()) == (False, False)

    service.become(ConnectionState.DISCONNECTED)
    service.queue(2)
    comes(lambda: words(full), ["Disconnected", "2", "Retry now"])
    comes(
        lambda: (full.accessibleName(), full.accessibleDescription()),
        ("Disconnected", "Disconnected\n2 messages wait to be sent"),
    )
    comes(lambda: words(compact), ["2"])
    comes(lambda: (indicator.isVisible(), banner.isVisible()), (True, True))
    said = ["Connection lost.", "What you write is sent when it is back."]
    comes(lambda: words(banner), [*said, "2 messages wait to be sent", "Retry now"])

    service.become(ConnectionState.CONNECTED, since=ui.now())
    comes(lambda: (indicator.isVisible(), banner.isVisible()), (False, False))
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

        def place(width: int = width, height: int = height) -> tuple[int, int]:
            """The distances from the two edges of its corner."""
            return (
                label.x() if is_left else width - label.width() - label.x(),
                label.y() if is_top else height - label.height() - label.y(),
            )

        ui_drivers.comes(turning, place, (8, 8))


def test_a_banner_that_is_made_in_an_outage_shows_in_its_window_and_nowhere_else(
    turning: Turning, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED)
    banner = ConnectionBanner(ui, QtWidgets, connection_view(ui, service, grace=0.0)).widget
    # Without a parent it would be a window of its own.
    assert not banner.isVisible()
    window = QtWidgets.QWidget()
    QtWidgets.QVBoxLayout(window).addWidget(banner)
    window.show()
    ui_drivers.until(turning, banner.isVisible)


# --- lists ---


def show_a_frame(turning: Turning) -> None:
    number = turning.loop.frame.number
    while turning.loop.frame.number == number:
        QtCore.QCoreApplication.processEvents()


def rows_in(view: QtWidgets.QListView) -> list[str]:
    model = view.model()
    return [model.data(model.index(row, 0)) for row in range(model.rowCount())]


@pytest.mark.parametrize(
    ("mode", "holds_texts", "edits"),
    [
        ("ScrollPerItem", False, 1_000),
        ("ScrollPerPixel", False, 1_000),
        ("ScrollPerPixel", True, 300),
    ],
)
def test_selection_current_row_and_scroll_position_survive_random_edits(
    turning: Turning,
    mode: str,
    edits: int,
    domain: Domain,
    *,
    holds_texts: bool,
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    ui.fps = 10_000.0
    start = [(number, f"row {number}") for number in range(100)]
    store = Store(tuple(start), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=lambda row: row[1], holds_texts=holds_texts)
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
    for now in random_edits(start, {7, 40, 41}, edits, seed=1):
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
    assert rows.operations - before <= 2 * 3 * edits
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
    bar = view.verticalScrollBar()
    ui_drivers.until(turning, lambda: bar.maximum() > 0)
    view.scrollToBottom()
    store.update(lambda now: (*now, (50, "row 50")))
    ui_drivers.until(turning, lambda: len(rows) == 51 and bar.value() == bar.maximum())
    before = bar.maximum()
    view.resize(200, 60)
    ui_drivers.until(turning, lambda: bar.value() == bar.maximum() > before)
    bar.setValue(3)
    before = bar.maximum()
    store.update(lambda now: (*now, (51, "row 51")))
    ui_drivers.until(turning, lambda: len(rows) == 52 and bar.maximum() > before)
    assert bar.value() == 3


@pytest.mark.parametrize("holds_texts", [False, True])
def test_all_changed_rows_of_a_frame_are_one_signal(
    turning: Turning, domain: Domain, *, holds_texts: bool
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    store = Store(tuple((number, "old") for number in range(1_000)), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=lambda row: row[1], holds_texts=holds_texts)
    signals: list[tuple[int, int]] = []
    rows.model.dataChanged.connect(lambda top, end: signals.append((top.row(), end.row())))
    rows.model.rowsInserted.connect(lambda _, first, last: signals.append((first, last)))
    store.set(tuple((number, "new") for number in range(1_000)))
    show_a_frame(turning)
    store.update(lambda now: (*now, *((number, "more") for number in range(1_000, 1_050))))
    show_a_frame(turning)
    assert signals == [(0, 999), (1_000, 1_049)]


class _CountingList(QtWidgets.QListView):
    """Counts how often it paints."""

    paints = 0

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802 - Qt's name
        super().paintEvent(event)
        self.paints += 1


def test_a_view_of_held_texts_asks_python_for_no_text_when_it_paints(
    turning: Turning, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    asked: list[int] = []

    def text(row: tuple[int, str]) -> str:
        asked.append(row[0])
        return row[1]

    store = Store(tuple((number, f"row {number}") for number in range(50)), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=text, holds_texts=True)
    view = _CountingList()
    rows.show_in(view, is_uniform=True)
    view.show()
    ui_drivers.until(turning, lambda: view.paints > 0)
    assert sorted(asked) == list(range(50))
    asked.clear()
    store.update(lambda now: (*now[:7], (7, "other"), *now[8:]))
    ui_drivers.until(turning, lambda: rows_in(view)[7] == "other")
    before = view.paints
    view.viewport().update()
    ui_drivers.until(turning, lambda: view.paints > before)
    assert asked == [7]
    assert not rows.model.flags(rows.model.index(7)) & QtCore.Qt.ItemFlag.ItemIsEditable


def test_a_slot_finds_the_texts_of_rows_that_came(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    store = Store(((1, "one"), (2, "two"), (3, "three")), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=lambda row: row[1], holds_texts=True)
    view = QtWidgets.QListView()
    rows.show_in(view)
    seen: list[tuple[str, list[str], list[str]]] = []

    def note(name: str) -> None:
        seen.append((name, rows_in(view), [rows[at][1] for at in range(len(rows))]))

    rows.model.rowsInserted.connect(lambda *_: note("came"))
    rows.model.rowsRemoved.connect(lambda *_: note("went"))
    rows.model.rowsMoved.connect(lambda *_: note("moved"))
    for now in (
        ((1, "one"), (4, "four"), (2, "two"), (3, "three")),
        ((1, "one"), (2, "two"), (3, "three")),
        ((3, "three"), (1, "one"), (2, "two")),
    ):
        store.set(now)
        show_a_frame(turning)
    assert seen == [
        ("came", ["one", "four", "two", "three"], ["one", "four", "two", "three"]),
        ("went", ["one", "two", "three"], ["one", "two", "three"]),
        ("moved", ["three", "one", "two"], ["three", "one", "two"]),
    ]


def test_a_text_that_raises_leaves_the_other_held_rows(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    errors: list[Exception] = []
    ui.on_error = errors.append

    def text(row: tuple[int, str]) -> str:
        if row[1] == "broken":
            raise LookupError(row[1])
        return row[1]

    store = Store(((1, "one"), (2, "two")), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=text, holds_texts=True)
    view = QtWidgets.QListView()
    rows.show_in(view)
    store.set(((1, "broken"), (2, "three")))
    show_a_frame(turning)
    assert rows_in(view) == ["", "three"]
    assert [str(it) for it in errors] == ["broken"]
    store.set(((1, "mended"), (2, "three")))
    show_a_frame(turning)
    assert rows_in(view) == ["mended", "three"]


def test_held_texts_with_other_roles_are_refused(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    store = Store(((1, "one"),), domain=domain)
    role = QtCore.Qt.ItemDataRole.ForegroundRole
    with pytest.raises(UsageError, match="leave out roles"):
        ListModel(
            ui,
            QtCore,
            store,
            key=key,
            text=lambda row: row[1],
            roles={role: lambda row: row[1]},
            holds_texts=True,
        )


def test_a_view_knows_its_end_and_what_came_since(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    store = Store(tuple((number, f"row {number}") for number in range(50)), domain=domain)
    rows = ListModel(ui, QtCore, store, key=key, text=lambda row: row[1])
    view = QtWidgets.QListView()
    end = rows.show_in(view, follow_end=True, is_uniform=True)
    unseen = QtWidgets.QLabel()
    ui.bind(end.unseen, unseen, lambda it, count: it.setText(f"{count} new"))
    view.resize(200, 100)
    view.show()
    bar = view.verticalScrollBar()
    ui_drivers.until(turning, lambda: bar.maximum() > 3 and end.is_there)
    bar.setValue(3)
    store.update(lambda now: (*now, (50, "a"), (51, "b")))
    ui_drivers.comes(turning, lambda: (end.is_there, unseen.text()), (False, "2 new"))
    end.go()
    ui_drivers.comes(turning, lambda: (end.is_there, unseen.text()), (True, "0 new"))


def test_a_table_has_columns_sorts_and_keeps_its_selection(
    turning: Turning, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    align = QtCore.Qt.ItemDataRole.TextAlignmentRole
    store = Store(((1, "ten"), (2, "two"), (3, "nine")), domain=domain)
    sizes = {"ten": 10.0, "two": 2.0, "nine": 9.0, "one": 1.0}
    table = TableModel(
        ui,
        QtCore,
        store,
        key=key,
        columns=[
            Column("Name", lambda row: row[1]),
            Column(
                "Size",
                lambda row: str(sizes[row[1]]),
                lambda row: sizes[row[1]],
                {align: lambda _: 2},
            ),
        ],
    )
    tester = QtTest.QAbstractItemModelTester(
        table.model, QtTest.QAbstractItemModelTester.FailureReportingMode.Fatal
    )
    view = QtWidgets.QTableView()
    table.show_in(view)
    view.sortByColumn(1, QtCore.Qt.SortOrder.AscendingOrder)

    def shown() -> list[str]:
        model = view.model()
        return [model.data(model.index(row, 0)) for row in range(model.rowCount())]

    # As numbers: as text, 10.0 comes before 2.0.
    assert shown() == ["two", "nine", "ten"]
    assert view.model().headerData(1, QtCore.Qt.Orientation.Horizontal) == "Size"
    view.selectRow(1)
    store.set(((1, "ten"), (2, "one"), (3, "nine"), (4, "two")))
    ui_drivers.comes(turning, shown, ["one", "two", "nine", "ten"])
    (selected,) = view.selectionModel().selectedRows()
    assert (table.item_at(selected), len(table)) == ((3, "nine"), 4)
    del tester


def test_a_tree_of_two_levels_follows_its_stream(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    Branch = tuple[str, tuple[str, ...]]  # noqa: N806 - a type
    store: Store[tuple[Branch, ...]] = Store(
        (("a", ("a1", "a2")), ("b", ("b1",)), ("c", ())), domain=domain
    )
    tree: TreeModel[Branch, str] = TreeModel(
        ui,
        QtCore,
        store,
        key=lambda row: row[0],
        text=lambda row: row[0].upper(),
        children=lambda row: row[1],
        child_key=lambda row: row,
        child_text=lambda row: row,
    )
    tester = QtTest.QAbstractItemModelTester(
        tree.model, QtTest.QAbstractItemModelTester.FailureReportingMode.Fatal
    )
    view = QtWidgets.QTreeView()
    tree.show_in(view, is_uniform=True)
    view.expandAll()

    def shown() -> list[Any]:
        model = tree.model
        found: list[Any] = []
        for row in range(model.rowCount()):
            upper = model.index(row, 0)
            below = [model.data(model.index(it, 0, upper)) for it in range(model.rowCount(upper))]
            assert all(model.parent(model.index(it, 0, upper)) == upper for it in range(len(below)))
            found.append((model.data(upper), below))
        return found

    assert shown() == [("A", ["a1", "a2"]), ("B", ["b1"]), ("C", [])]
    b1 = tree.model.index(0, 0, tree.model.index(1, 0))
    view.setCurrentIndex(b1)
    store.set((("c", ("c1",)), ("b", ("b0", "b1")), ("d", ("d1",))))
    ui_drivers.comes(turning, shown, [("C", ["c1"]), ("B", ["b0", "b1"]), ("D", ["d1"])])
    assert tree.item_at(view.currentIndex()) == "b1"
    del tester


# --- a stranger's text ---

MARKUP = "<h1>Locked</h1><a href='http://evil.example'>log in</a> &amp; <img src='x'>"


def plain_of(tip: str) -> str:
    """Returns the text that a reader sees of a tooltip, which Qt takes for HTML."""
    document = QtGui.QTextDocument()
    document.setHtml(tip)
    return document.toPlainText()


def test_a_strangers_text_is_text_in_every_sink(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    service.become(ConnectionState.ERROR, cause=MARKUP)
    service.counts.set(Metrics(hint=MARKUP))
    store = Store(((1, MARKUP),), domain=domain)
    names = {**Words().names, ConnectionState.ERROR: MARKUP}
    said = Words(names=names, failed=MARKUP, banner_failed=MARKUP, waits=MARKUP, retry=MARKUP)
    theme = Theme(words=said)
    views = connection_view(ui, service, grace=0.0, theme=theme)
    role = QtCore.Qt.ItemDataRole.ToolTipRole
    rows = ListModel(
        ui, QtCore, store, key=key, text=lambda row: row[1], roles={role: lambda row: row[1]}
    )
    window = QtWidgets.QWidget()
    layout = QtWidgets.QVBoxLayout(window)
    made = [
        ConnectionStatus(ui, QtWidgets, views).widget,
        ConnectionStatus(ui, QtWidgets, views, detail="metrics").widget,
        ConnectionBanner(ui, QtWidgets, views).widget,
    ]
    for widget in made:
        layout.addWidget(widget)
    indicator = ConnectionIndicator(ui, QtWidgets, window, views).widget
    labels = window.findChildren(QtWidgets.QLabel)
    ui_drivers.until(turning, lambda: any(MARKUP in label.text() for label in labels))
    ui_drivers.until(turning, lambda: MARKUP in plain_of(indicator.toolTip()))
    plain = QtCore.Qt.TextFormat.PlainText
    assert [it.text() for it in labels if it.text() and it.textFormat() != plain] == []
    tips = [it.toolTip() for it in window.findChildren(QtWidgets.QWidget) if it.toolTip()]
    tips += [rows.model.data(rows.model.index(0), role), indicator.toolTip()]
    assert len(tips) >= 4
    for tip in tips:
        assert MARKUP in plain_of(tip)
        assert "href" not in tip.replace(html.escape(MARKUP), "")
        assert "<h1>" not in tip
    assert tooltip("") == ""


def test_the_window_keeps_its_width_and_the_style_sheet_of_its_program(
    turning: Turning, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    views = connection_view(ui, service, grace=0.0)
    window = QtWidgets.QWidget()
    window.resize(300, 100)
    layout = QtWidgets.QVBoxLayout(window)
    status, banner = (
        ConnectionStatus(ui, QtWidgets, views).widget,
        ConnectionBanner(ui, QtWidgets, views).widget,
    )
    layout.addWidget(banner)
    layout.addWidget(status)
    status.setStyleSheet("#connectionStatus[tone='bad'] { background: #00ff00; }")
    window.show()
    service.become(
        ConnectionState.RECONNECTING,
        attempt=4_000,
        max_attempts=10_000,
        next_retry_at=ui.now() + 99,
    )
    service.queue(120)
    ui_drivers.until(turning, lambda: "99+" in words(status) and banner.isVisible())
    assert window.width() == 300
    assert window.minimumSizeHint().width() <= 300
    service.become(ConnectionState.DISCONNECTED)
    ui_drivers.comes(turning, lambda: status.property("tone"), "bad")
    assert "#00ff00" in status.styleSheet()

    def middle() -> str:
        return status.grab().toImage().pixelColor(status.width() // 2, 3).name()

    ui_drivers.comes(turning, middle, "#00ff00")


@pytest.mark.parametrize("width", [300, 500])
def test_a_banner_is_as_high_as_its_words_and_no_higher(
    turning: Turning, domain: Domain, width: int
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED)
    service.queue(3)
    window = QtWidgets.QWidget()
    banner = ConnectionBanner(ui, QtWidgets, connection_view(ui, service, grace=0.0)).widget
    QtWidgets.QVBoxLayout(window).addWidget(banner)
    window.resize(width, 400)
    window.show()
    labels = [banner.findChild(QtWidgets.QLabel, f"connection{it}") for it in ("Title", "Text")]

    def spare() -> list[int]:
        return [it.height() - it.heightForWidth(it.width()) for it in labels]

    ui_drivers.until(turning, banner.isVisible)
    ui_drivers.comes(turning, spare, [0, 0])
    # The words of a narrow window take more lines.
    window.resize(800 - width, 400)
    ui_drivers.until(turning, lambda: window.width() == 800 - width)
    ui_drivers.comes(turning, spare, [0, 0])
    window.close()


def test_words_keep_their_colours_below_a_style_sheet(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED)
    service.queue(5)
    window = QtWidgets.QWidget()
    window.setStyleSheet("QLineEdit { padding: 3px; }")
    status = ConnectionStatus(ui, QtWidgets, connection_view(ui, service)).widget
    QtWidgets.QVBoxLayout(window).addWidget(status)
    window.show()

    def colours() -> dict[str, str]:
        return {
            name: status.findChild(QtWidgets.QWidget, name).palette().windowText().color().name()
            for name in ("connectionText", "connectionBadge")
        }

    wanted = {"connectionText": LIGHT.bad.text, "connectionBadge": LIGHT.bad.tint}
    ui_drivers.comes(turning, colours, wanted)


def test_colours_follow_the_palette_of_the_application(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    window = QtWidgets.QWidget()
    status = ConnectionStatus(ui, QtWidgets, connection_view(ui, FakeService(domain))).widget
    QtWidgets.QVBoxLayout(window).addWidget(status)
    window.show()
    ui_drivers.comes(turning, lambda: status.property("fill"), LIGHT.idle.tint)
    application = QtWidgets.QApplication.instance()
    assert isinstance(application, QtWidgets.QApplication)
    light = application.palette()
    dark = QtGui.QPalette(light)
    dark.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor("#202020"))
    try:
        application.setPalette(dark)
        ui_drivers.comes(turning, lambda: status.property("fill"), DARK.idle.tint)
    finally:
        application.setPalette(light)


def test_retry_is_a_button_that_keys_reach_and_a_screen_reader_hears_the_outage(
    turning: Turning, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    banner = ConnectionBanner(ui, QtWidgets, connection_view(ui, service, grace=0.0)).widget
    window = QtWidgets.QWidget()
    QtWidgets.QVBoxLayout(window).addWidget(banner)
    window.show()
    service.become(ConnectionState.DISCONNECTED)
    ui_drivers.until(turning, banner.isVisible)
    read = QtGui.QAccessible.queryAccessibleInterface(banner)
    said = "Connection lost. What you write is sent when it is back."
    ui_drivers.comes(turning, lambda: read.text(QtGui.QAccessible.Text.Name), said)
    retry = banner.findChild(QtWidgets.QPushButton)
    assert isinstance(retry, QtWidgets.QPushButton)
    assert retry.focusPolicy() & QtCore.Qt.FocusPolicy.TabFocus
    QtTest.QTest.keyClick(retry, QtCore.Qt.Key.Key_Space)
    assert service.dials == 1


def test_nothing_turns_in_a_window_that_is_hidden(turning: Turning, domain: Domain) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTING)
    status = ConnectionStatus(ui, QtWidgets, connection_view(ui, service)).widget
    window = QtWidgets.QWidget()
    QtWidgets.QVBoxLayout(window).addWidget(status)
    spinner = status.controller._symbol.spinner
    window.show()
    ui_drivers.until(turning, lambda: spinner.is_turning)
    window.hide()
    ui_drivers.until(turning, lambda: not spinner.is_turning)


def test_no_age_counts_in_a_window_that_is_hidden_or_minimized(
    turning: Turning, domain: Domain
) -> None:
    ui = turning.loop
    assert isinstance(ui, QtLoop)
    for other in QtWidgets.QApplication.topLevelWidgets():
        # Those of other tests.
        other.hide()
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now())
    window = QtWidgets.QWidget()
    views = connection_view(ui, service)
    QtWidgets.QVBoxLayout(window).addWidget(ConnectionStatus(ui, QtWidgets, views).widget)
    window.show()
    for go, come in ((window.hide, window.show), (window.showMinimized, window.showNormal)):
        ui_drivers.comes(turning, lambda: len(ui._timers), 1)
        go()
        ui_drivers.comes(turning, lambda: (ui.is_seen(), ui._timers), (False, {}))
        come()
    ui_drivers.comes(turning, lambda: len(ui._timers), 1)
    window.close()


# --- bindings to other objects ---


def test_a_binding_writes_items_actions_and_view_models(turning: Turning, domain: Domain) -> None:
    class Plain:
        price = 0

    store = Store(1, domain=domain)
    selection = store.select()
    ui = turning.loop
    table = QtWidgets.QTableWidget(1, 1)
    cell, action, plain = QtWidgets.QTableWidgetItem(), QtGui.QAction(), Plain()
    table.setItem(0, 0, cell)
    row = QtGui.QStandardItem()
    for target in (cell, action, row):
        ui.bind(selection, target, lambda it, value: it.setText(str(value)), until=table)
    ui.bind(selection, plain, lambda it, value: setattr(it, "price", value))
    store.set(2)
    ui_drivers.comes(
        turning,
        lambda plain=plain: (cell.text(), action.text(), row.text(), plain.price),
        ("2", "2", "2", 2),
    )
    assert selection.observer_count == 4
    shiboken6.delete(table)
    assert selection.observer_count == 1
    del plain
    gc.collect()
    assert selection.observer_count == 0
    with pytest.raises(UsageError, match="until=widget"):
        ui.watch(7, lambda: None)


def test_the_question_mark_of_a_hebrew_sentence_is_at_its_end(turning: Turning) -> None:
    # What Qt does with the characters: the position of the last character in the line, from the left.
    def place_of_mark(text: str) -> tuple[float, float]:
        layout = QtGui.QTextLayout(text, QtGui.QFont("DejaVu Sans"))
        option = QtGui.QTextOption()
        option.setTextDirection(QtCore.Qt.LayoutDirection.LeftToRight)
        layout.setTextOption(option)
        layout.beginLayout()
        line = layout.createLine()
        layout.endLayout()
        left, right = (line.cursorToX(text.index("?") + it) for it in (0, 1))
        return min(_first(left), _first(right)), line.naturalTextWidth()

    hebrew = "\u05e9\u05dc\u05d5\u05dd?"
    wrong, _ = place_of_mark(hebrew)
    own, width = place_of_mark(isolated(hebrew))
    assert wrong > width / 2
    assert own < width / 4


def _first(place: Any) -> float:
    return float(place[0] if isinstance(place, tuple) else place)
