"""The client: `python -m todo.client ws://127.0.0.1:8000/live/` in `examples/`. The model knows no toolkit; `TodoApp` is the screen."""

from __future__ import annotations

import sys
import uuid
from typing import Any, ClassVar

import attrs
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer, Header, Input, OptionList
from textual.widgets.option_list import Option

from reactive_ws import Domain, ReadOnly, WebSocketService, derived
from reactive_ws.connection import ErrorEvent
from reactive_ws.errors import RequestFailed
from reactive_ws.gui.textual import TextualLoop
from reactive_ws.outbox import Delivery
from reactive_ws.replicas import PendingCommand, Replica, ReplicaStatus
from reactive_ws.wire import JsonCodec

from .messages import (
    LIST,
    Todo,
    TodoAdd,
    TodoAdded,
    TodoList,
    TodoTick,
    TodoTicked,
    added,
    registry,
    ticked,
)


@attrs.frozen
class Row:
    """An entry on the screen, and whether a command of this client for it waits for the server."""

    todo: Todo
    is_pending: bool


class TodoClient:
    """The list as this client sees it, and what a user can do with it.

    Args:
        url: Where the server is.
        options: Passed to `WebSocketService`, such as `domain` or `backoff`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        options.setdefault("domain", Domain("todo"))
        self.service = WebSocketService(url, codec=JsonCodec(registry()), **options)
        self._todos = self.service.replica(
            LIST,
            TodoList(),
            {TodoAdded: added, TodoTicked: ticked},
            optimistic={TodoAdd: added, TodoTick: ticked},
        )
        self.rows = derived(self._todos, self._todos.pending, rows)

    @property
    def todos(self) -> Replica[TodoList]:
        """The list, with the commands that are under way."""
        return self._todos

    @property
    def status(self) -> ReadOnly[ReplicaStatus]:
        """How far the list is."""
        return self._todos.status

    def add(self, title: str) -> Delivery:
        """Adds an entry; it shows at once, and the delivery ends when the server has it."""
        return self._todos.send(TodoAdd(uuid.uuid4().hex, title))

    def tick(self, item: str, *, is_done: bool) -> Delivery:
        """Ticks an entry off."""
        return self._todos.send(TodoTick(item, is_done))


def rows(todos: TodoList, pending: tuple[PendingCommand, ...]) -> tuple[Row, ...]:
    """Returns the entries, with those marked that a pending command is about."""
    waiting = {command.payload.id for command in pending}
    return tuple(Row(item, item.id in waiting) for item in todos.items)


class TodoApp(App[None]):
    """The screen: an entry field, and the list. Enter adds, or ticks the chosen entry."""

    BINDINGS: ClassVar[list[BindingType]] = [("ctrl+q", "quit", "Quit")]
    TITLE = "todo"

    def __init__(self, client: TodoClient) -> None:
        super().__init__()
        self._client = client

    def compose(self) -> ComposeResult:
        """Makes the widgets."""
        yield Header()
        yield Input(placeholder="what is to be done?")
        yield OptionList()
        yield Footer()

    async def on_mount(self) -> None:
        """Connects, and shows the list whenever it changes."""
        self._ui = TextualLoop(self)
        view = self.query_one(OptionList)
        self._ui.bind(self._client.rows.select(), view, show)
        self._ui.bind(self._client.status.select(), self, show_status)
        self._ui.bind(self._client.service.errors, self, show_refusal)
        await self._client.service.__aenter__()

    async def on_unmount(self) -> None:
        """Disconnects."""
        await self._client.service.__aexit__(None, None, None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Adds an entry."""
        if event.value.strip():
            self._client.add(event.value)
            event.input.clear()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Ticks an entry off, or takes the tick back."""
        item = next(item for item in self._client.todos.get().items if item.id == event.option_id)
        self._client.tick(item.id, is_done=not item.is_done)


def show(view: OptionList, shown: tuple[Row, ...]) -> None:
    """Draws the list; what the server has not confirmed is dim and ends in dots."""
    chosen = view.highlighted
    view.clear_options()
    for row in shown:
        text = (
            f"{'x' if row.todo.is_done else ' '} {row.todo.title}{' ...' if row.is_pending else ''}"
        )
        style = "dim italic" if row.is_pending else ""
        view.add_option(Option(Text(text, style), id=row.todo.id))
    view.highlighted = chosen


def show_status(app: TodoApp, status: ReplicaStatus) -> None:
    """Says in the header how far the list is."""
    app.sub_title = status.value


def show_refusal(app: TodoApp, event: ErrorEvent) -> None:
    """Says which entry the server refused; it is taken back already."""
    refusal = event.exception
    if isinstance(refusal, RequestFailed) and isinstance(refusal.payload, TodoAdd):
        app.notify(
            f"{refusal.payload.title!r}: {refusal.message}", severity="warning", markup=False
        )


if __name__ == "__main__":
    TodoApp(TodoClient(sys.argv[1])).run()
