"""A chat with panels in a terminal, with Textual: sessions, messages with their delivery, panels, and the connection.

`examples/chat_textual.py` runs it, and the demo's screen is a subclass. It imports Textual, so a program imports it late.
Textual is an asyncio program, so the service runs in the same loop.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from reactivex import operators as ops
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from reactive_ws.gui import TextualLoop
from reactive_ws.gui.status import ConnectionView, connection_view
from reactive_ws.gui.textual import ConnectionBanner, ConnectionStatus, ListRows

from ..app import Application
from ..history import Entry
from .chat_view import MARKS, ChatView, is_waiting, text_of
from .question import Question

__all__ = ["MARKS", "Chat"]

R = TypeVar("R")


class Chat(App[R], Generic[R]):
    """Everything on the screen. It follows the theme of the application, dark or light.

    Args:
        app: The stores.
    """

    TITLE = "reactive-ws chat"
    AUTO_FOCUS: ClassVar[str | None] = "Input"
    BINDINGS = [
        ("ctrl+n", "new_chat", "New chat"),
        ("ctrl+pageup", "turn(-1)", "Panel before"),
        ("ctrl+pagedown", "turn(1)", "Next panel"),
    ]
    # Whatever the size of the terminal, the messages keep most of the room.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (64, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-tall")]
    CSS = """
    ListRows, #panels { border: round $panel-lighten-2; border-title-color: $text-muted; padding: 0 1; background: $surface; }
    ListRows:focus, Input:focus { border: round $accent; }
    #entries > .list-rows--highlight { background: $boost; color: $foreground; }
    #sessions { width: 2fr; }
    #entries { width: 6fr; }
    #panels { width: 3fr; height: 100%; padding: 0 1; }
    .-tiny #sessions, .-tiny #panels { display: none; }
    ListRows { scrollbar-size-vertical: 1; }
    Input { border: round $panel-lighten-2; background: $panel; }
    """

    def __init__(self, app: Application) -> None:
        super().__init__()
        self.stores = app
        self.view = ChatView(app)
        self.panels = Static(id="panels", markup=False)
        self.input = Input(placeholder="Write a message, or: panel create Plan")
        self.panels.border_title = "Panels"

    def body(self) -> Widget:
        """Returns the widgets between the banner and the input line."""
        return Horizontal(self.sessions, self.entries, self.panels)

    def compose(self) -> ComposeResult:
        self.ui = ui = TextualLoop(self)
        self.connection = connection_view(ui, self.stores.service)
        chats, entries = self.view.chats, self.view.entries
        self.sessions = ListRows(
            ui, chats, key=lambda it: it.id, render=lambda it: it.title, id="sessions"
        )
        self.entries = ListRows(
            ui, entries, key=lambda it: it.id, render=_line, follow_end=True, gap=1, id="entries"
        )
        self.sessions.border_title = "Chats"
        self.entries.border_title = "Messages"
        yield ConnectionBanner(ui, self.connection)
        yield self.body()
        yield self.input
        yield ConnectionStatus(ui, self.connection)

    def on_mount(self) -> None:
        self.ui.bind(self.view.panel, self.panels, lambda it, text: it.update(Content(text)))
        self.ui.bind(self.entries.end.unseen, self.entries, _show_unseen)
        rooms = self.connection.pipe(ops.map(_can_send)).pipe(ops.distinct_until_changed(bool))
        self.ui.bind(rooms, self.input, lambda it, is_on: setattr(it, "disabled", not is_on))

    def say(self, text: str) -> bool:
        """Sends a text in the active chat; shows why when it was not sent. Returns whether it was."""
        complaint = self.view.send(text)
        if complaint:
            self.notify(complaint, severity="warning", markup=False)
        return not complaint

    def on_list_rows_selected(self, event: ListRows.Selected) -> None:
        if event.list_rows is self.sessions:
            self.view.open(event.item.id)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text and self.say(text):
            self.input.clear()

    def action_new_chat(self) -> None:
        self.view.new_chat()

    def action_turn(self, by: int) -> None:
        self.view.turn(by)

    async def action_quit(self) -> None:
        if question := self.view.question_before_closing:
            await self.push_screen(Question(question), lambda leave: self.exit() if leave else None)
        else:
            self.exit()

    def on_unmount(self) -> None:
        self.ui.close()


def _line(entry: Entry) -> Content:
    # Own messages have a colour, and are muted until they are sent.
    if entry.status is None:
        return Content(text_of(entry))
    return Content.styled(
        text_of(entry), "$foreground 60%" if is_waiting(entry) else "$text-accent"
    )


def _show_unseen(entries: ListRows[Entry], count: int) -> None:
    entries.border_subtitle = f"{count} new, End shows them" if count else ""


def _can_send(view: ConnectionView) -> bool:
    return view.can_send
