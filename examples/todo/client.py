"""The client in a terminal: `python -m todo.client ws://127.0.0.1:8000/live/` in `examples/`."""

from __future__ import annotations

import sys
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer, Header, Input, OptionList
from textual.widgets.option_list import Option

from reactive_ws.connection import ErrorEvent
from reactive_ws.errors import RequestFailed
from reactive_ws.gui.textual import TextualLoop
from reactive_ws.replicas import ReplicaStatus

from .messages import TodoAdd
from .model import Row, TodoClient


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
