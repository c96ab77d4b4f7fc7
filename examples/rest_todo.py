"""A todo list with a REST backend: fetched, shown before the server agrees, taken back when it refuses a long title.

python examples/rest_todo.py          (pip install reactive-ws[qt])
"""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import attrs
from PySide6 import QtCore, QtWidgets

from reactive_ws import Store
from reactive_ws.editing import OptimisticStore
from reactive_ws.gui import QtLoop
from reactive_ws.gui.qt import ListModel
from reactive_ws.resources import Failed, Ready, ResourceState, effect, resource


@attrs.frozen
class Todo:
    id: str
    title: str
    is_done: bool = False

    def __str__(self) -> str:
        return f"{'☑' if self.is_done else '☐'}  {self.title}"


class Backend(BaseHTTPRequestHandler):
    todos: dict[str, Any] = {"1": {"id": "1", "title": "Buy milk", "is_done": False}}

    def do_GET(self, status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(list(self.todos.values())).encode())

    def do_PUT(self) -> None:
        todo = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(todo["title"]) <= 40:
            self.todos[todo["id"]] = todo
        self.do_GET(200 if len(todo["title"]) <= 40 else 422)


class Todos:
    """The state: what the server has, and on top of it what it has not answered yet."""

    def __init__(self, url: str) -> None:
        self.list: OptimisticStore[dict[str, Todo]] = OptimisticStore({}, name="todos")
        self.url, self.calls, self.problem = url, ThreadPoolExecutor(1), Store("", name="problem")
        self.fetched = resource(None, lambda: self.call("GET", "/todos"), stale_after=30.0)
        self.following = effect(self.fetched, self.take)

    def take(self, state: ResourceState[Any]) -> None:
        if isinstance(state, Ready):
            self.list.set({it["id"]: Todo(**it) for it in state.value})
        elif isinstance(state, Failed):
            self.problem.set(f"No list: {state.error}")

    def put(self, todo: Todo) -> None:
        """Shows a new or changed todo now, and keeps it when the server accepts it."""
        patch = self.list.apply(lambda now: {**now, todo.id: todo})

        def send() -> None:
            try:
                self.call("PUT", f"/todos/{todo.id}", attrs.asdict(todo))
                patch.confirm()
                self.fetched.invalidate()  # a list that is under way may be older
                self.problem.set("")
            except OSError as error:
                patch.discard()
                self.problem.set(f"{todo.title[:12]}...: {error}")

        self.calls.submit(send)

    def call(self, method: str, path: str, body: object = None) -> Any:
        content = json.dumps(body).encode() if body else None
        with urlopen(Request(self.url + path, content, method=method), timeout=5) as answer:
            return json.load(answer)


class Window(QtWidgets.QWidget):
    def __init__(self, ui: QtLoop, todos: Todos) -> None:
        super().__init__(windowTitle="Todos")
        self.todos, self.rows, layout = todos, QtWidgets.QListView(), QtWidgets.QVBoxLayout(self)
        rows = todos.list.select(lambda now: tuple(now.values()))
        self.model = ListModel(ui, QtCore, rows, key=lambda it: it.id, text=str)
        self.rows.setModel(self.model.model)
        self.rows.clicked.connect(self.toggle)
        self.input = QtWidgets.QLineEdit(placeholderText="What is to be done?")
        self.input.returnPressed.connect(self.add)
        self.problem = QtWidgets.QLabel()
        ui.bind(todos.problem, self.problem, QtWidgets.QLabel.setText)
        for widget in (self.input, self.rows, self.problem):
            layout.addWidget(widget)

    def add(self) -> None:
        self.todos.put(Todo(uuid.uuid4().hex, self.input.text()))
        self.input.clear()

    def toggle(self, at: QtCore.QModelIndex) -> None:
        todo = self.model[at.row()]
        self.todos.put(attrs.evolve(todo, is_done=not todo.is_done))


def serve() -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


if __name__ == "__main__":
    application, window = QtWidgets.QApplication([]), Window(QtLoop(QtCore), Todos(serve()))
    window.show()
    application.exec()
