"""The small Qt programs of `examples`, driven by their user. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import ui_drivers
from PySide6 import QtCore, QtTest, QtWidgets

from reactive_ws import JsonCodec, Store, WebSocketService
from reactive_ws.errors import Refused
from reactive_ws.middleware import undo
from reactive_ws.server import Context, Server, SessionSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.append(str(EXAMPLES))


class Stage:
    """Turns the loop of Qt until a condition holds."""

    def __init__(self) -> None:
        self.turning = ui_drivers.qt()
        self.ui: Any = self.turning.loop

    def until(self, condition: Callable[[], object]) -> None:
        for _ in range(12_000):
            if condition():
                return
            self.turning.turn(0.01)
        pytest.fail("the scene did not come about")


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    # A window that outlives the application crashes the program while it ends.
    for window in QtWidgets.QApplication.topLevelWidgets():
        window.close()
        window.deleteLater()
    stage.turning.turn(0.05)
    gc.collect()


def type_in(field: Any, text: str) -> None:
    field.selectAll()
    QtTest.QTest.keyClicks(field, text)


def test_the_todo_program_shows_early_and_takes_back_what_the_server_refuses(stage: Stage) -> None:
    import rest_todo

    todos = rest_todo.Todos(rest_todo.serve())
    window = rest_todo.Window(stage.ui, todos)
    window.show()

    def shown() -> list[str]:
        model = window.model.model
        return [model.data(model.index(row)) for row in range(model.rowCount())]

    def enter(text: str) -> None:
        type_in(window.input, text)
        QtTest.QTest.keyClick(window.input, QtCore.Qt.Key.Key_Return)

    stage.until(lambda: shown() == ["☐  Buy milk"])
    enter("Call the bank")
    # In the list at once, whatever the server says later.
    assert [it.title for it in todos.list.get().values()] == ["Buy milk", "Call the bank"]
    stage.until(lambda: not todos.list.pending.get())
    window.toggle(window.model.model.index(0))
    stage.until(lambda: shown() == ["☑  Buy milk", "☐  Call the bank"])
    enter("x" * 41)
    stage.until(lambda: "422" in window.problem.text())
    stage.until(lambda: shown() == ["☑  Buy milk", "☐  Call the bank"])
    # The thread of the backend answers when it likes.
    stage.until(lambda: [it["is_done"] for it in rest_todo.Backend.todos.values()] == [True, False])
    stage.until(lambda: todos.list.confirmed.get() == todos.list.get())
    todos.following.dispose()
    todos.calls.shutdown()
    window.close()


def test_the_table_stays_sorted_and_filtered_while_the_socket_changes_it(stage: Stage) -> None:
    import table_qt

    service = WebSocketService(f"ws://127.0.0.1:{table_qt.serve()}", codec=JsonCodec(table_qt.feed))
    shares = table_qt.Shares(service)
    window = table_qt.Window(stage.ui, shares)
    window.show()
    model = window.rows.model
    stage.until(lambda: model.rowCount() == 100_000)
    assert model.data(model.index(0, 0)) == "SHARE 099999"
    service.start()
    try:
        stage.until(lambda: shares.all.domain.number > 3)
        window.search.setText("777")
        window.search.textEdited.emit("777")
        stage.until(lambda: model.rowCount() == 280)
        stage.until(lambda: "280 rows" in window.count.text())
        before = shares.all.domain.number
        stage.until(lambda: shares.all.domain.number > before + 3)
    finally:
        service.stop()
    rows = [row for row in shares.all.get_all().values() if "777" in row.name]
    expected = [f"{row.price / 100:,.2f}" for row in sorted(rows, key=lambda it: -it.price)]

    def prices() -> list[str]:
        return [model.data(model.index(row, 1)) for row in range(280)]

    ui_drivers.comes(stage.turning, prices, expected)
    window.close()


def test_the_editor_refuses_undoes_cancels_and_saves(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import editor_qt

    # What a slow machine does within an hour is one step, as what a user does within a second is.
    monkeypatch.setattr(editor_qt, "undo", lambda store, **_: undo(store, group_within=3_600.0))
    ada = editor_qt.Person("Ada", 36, editor_qt.Address("Square 1", "London"))
    saved = Store(ada, name="person")
    editor = editor_qt.Editor(saved)
    window = editor_qt.Window(stage.ui, editor)
    window.show()
    fields = window.fields

    comes = functools.partial(ui_drivers.comes, stage.turning)

    def enabled() -> list[str]:
        return [name for name in ("Undo", "Redo", "Cancel", "Save") if fields[name].isEnabled()]

    comes(lambda: (fields["Name"].text(), fields["Age"].value(), enabled()), ("Ada", 36, []))
    type_in(fields["City"], "Paris 7")
    comes(window.problem.text, "A city has no digits")
    # The last good value is in the store, and what the user wrote is in the field.
    assert (editor.form.get().address.city, fields["City"].text()) == ("Paris ", "Paris 7")
    # Another field does not hide it, and what is wrong cannot be saved.
    type_in(fields["Street"], "Square 2")
    comes(enabled, ["Undo", "Cancel"])
    assert (window.problem.text(), fields["City"].text()) == ("A city has no digits", "Paris 7")
    fields["Cancel"].click()
    comes(
        lambda: (editor.form.get(), fields["City"].text(), window.problem.text()),
        (ada, "London", ""),
    )
    fields["Age"].setValue(200)
    comes(
        lambda: (editor.form.get().age, window.problem.text()), (36, "An age is between 0 and 150")
    )
    fields["Age"].setValue(37)
    type_in(fields["Name"], "Ada King")
    comes(enabled, ["Undo", "Cancel", "Save"])
    fields["City"].setText("")
    type_in(fields["City"], "Rome 7")
    comes(window.problem.text, "A city has no digits")
    fields["Undo"].click()
    comes(enabled, ["Redo"])
    # The field shows the value of the store again, so its message is gone.
    comes(lambda: (window.problem.text(), fields["City"].text()), ("", "London"))
    comes(
        lambda: (editor.form.get(), fields["Name"].text(), fields["Age"].value()), (ada, "Ada", 36)
    )
    fields["Redo"].click()
    comes(enabled, ["Undo", "Cancel", "Save"])
    fields["Save"].click()
    comes(saved.get, editor_qt.Person("Ada King", 37, editor_qt.Address("Square 1", "Rome ")))
    window.close()


@pytest.mark.parametrize("name", ["rest_todo", "table_qt", "editor_qt"])
def test_the_program_is_shorter_than_120_lines(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()) < 120


def test_a_window_that_goes_takes_its_bindings_with_it(stage: Stage) -> None:
    import editor_qt

    person = editor_qt.Person("Ada", 36, editor_qt.Address("", ""))
    editor = editor_qt.Editor(Store(person))
    window = editor_qt.Window(stage.ui, editor)
    stage.turning.turn(0.05)
    before = editor.form.observer_count
    assert before > 0
    window.deleteLater()
    del window
    stage.until(lambda: editor.form.observer_count < before)
    assert QtWidgets.QApplication.instance() is not None


def test_the_todo_window_shows_at_once_what_the_user_adds_and_what_others_do(stage: Stage) -> None:
    from todo import client_qt
    from todo.messages import (
        LIST,
        TodoAdd,
        TodoAdded,
        TodoList,
        TodoTick,
        TodoTicked,
        added,
        registry,
        ticked,
    )
    from todo.model import TodoClient

    backend = Server(registry(), settings=SessionSettings(channels=(LIST,)))
    backend.state(LIST, TodoList(), {TodoAdded: added, TodoTicked: ticked})
    may_answer = asyncio.Event()

    @backend.command(TodoAdd)
    async def add(command: TodoAdd, context: Context) -> None:
        await may_answer.wait()
        if command.title == "no":
            raise Refused("no", "not this one")
        context.publish(LIST, TodoAdded(command.id, command.title))

    @backend.command(TodoTick)
    async def tick(command: TodoTick, context: Context) -> None:
        context.publish(LIST, TodoTicked(command.id, command.is_done))

    url, ended = Future[str](), asyncio.Event()

    async def serve() -> None:
        async with backend.serve(port=0) as where:
            url.set_result(where)
            await ended.wait()

    loop = asyncio.new_event_loop()
    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    client = TodoClient(url.result(10))
    window = client_qt.Window(stage.ui, client)
    window.show()
    client.service.start()

    def shown() -> list[str]:
        model = window.model.model
        return [model.data(model.index(row)) for row in range(model.rowCount())]

    try:
        stage.until(lambda: client.service.connection.get().is_connected)
        for title in ("milk", "no"):
            type_in(window.input, title)
            QtTest.QTest.keyClick(window.input, QtCore.Qt.Key.Key_Return)
        stage.until(lambda: shown() == ["☐  milk ...", "☐  no ..."])
        assert client.todos.confirmed.get().items == ()
        loop.call_soon_threadsafe(may_answer.set)
        stage.until(lambda: shown() == ["☐  milk"])
        window.toggle(window.model.model.index(0))
        stage.until(lambda: shown() == ["☑  milk"])
        asyncio.run_coroutine_threadsafe(backend.publish(LIST, TodoAdded("t", "tea")), loop)
        stage.until(lambda: shown() == ["☑  milk", "☐  tea"])
    finally:
        client.service.stop()
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
        window.close()
