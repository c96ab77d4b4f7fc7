"""The client: `python -m todo.client ws://127.0.0.1:8000/live/` in `examples/`. The model knows no toolkit; `TodoApp` is the screen."""

from __future__ import annotations

import sys
import uuid
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer, Header, Input, OptionList
from textual.widgets.option_list import Option

from reactive_ws import Domain, ReadOnly, Store, WebSocketService
from reactive_ws.connection import ConnectionState
from reactive_ws.gui.textual import TextualLoop
from reactive_ws.outbox import Delivery
from reactive_ws.wire import JsonCodec

from .messages import (
    LIST,
    TodoAdd,
    TodoAdded,
    TodoList,
    TodoSnapshot,
    TodoTick,
    TodoTicked,
    added,
    registry,
    ticked,
)


class TodoClient:
    """The list as this client sees it, and what a user can do with it.

    Args:
        url: Where the server is.
        options: Passed to `WebSocketService`, such as `domain` or `backoff`.
    """

    def __init__(self, url: str, **options: Any) -> None:
        domain = options.setdefault("domain", Domain("todo"))
        self.service = WebSocketService(url, codec=JsonCodec(registry()), **options)
        self._todos = Store(TodoList(), domain=domain, name="todos")
        self.service.on(
            TodoAdded, lambda message: self._todos.update(lambda now: added(now, message))
        )
        self.service.on(
            TodoTicked, lambda message: self._todos.update(lambda now: ticked(now, message))
        )
        self.service.on(TodoSnapshot, self._replace)
        self._is_loaded = False
        self.service.connection.select(lambda now: now.state).subscribe(self._load)

    def _load(self, state: ConnectionState) -> None:
        """Asks for the list on the first connection; later ones resume."""
        if state is ConnectionState.CONNECTED and not self._is_loaded:
            self.service.sync(LIST)

    def _replace(self, found: TodoSnapshot) -> None:
        self._is_loaded = True
        self._todos.set(TodoList(found.items))

    @property
    def todos(self) -> ReadOnly[TodoList]:
        """The list."""
        return self._todos

    def add(self, title: str) -> Delivery:
        """Adds an entry; the delivery ends when the server has it."""
        return self.service.send(TodoAdd(uuid.uuid4().hex, title))

    def tick(self, item: str, *, is_done: bool) -> Delivery:
        """Ticks an entry off."""
        return self.service.send(TodoTick(item, is_done))


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
        self._ui.bind(self._client.todos.select(), view, show)
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


def show(view: OptionList, todos: TodoList) -> None:
    """Draws the list."""
    chosen = view.highlighted
    view.clear_options()
    for item in todos.items:
        view.add_option(Option(f"{'x' if item.is_done else ' '} {item.title}", id=item.id))
    view.highlighted = chosen


if __name__ == "__main__":
    TodoApp(TodoClient(sys.argv[1])).run()
