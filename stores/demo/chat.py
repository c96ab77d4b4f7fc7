"""A chat with panels in a terminal, with Textual: sessions, messages with their delivery, panels, and the connection.

`examples/chat_textual.py` runs it, and the demo's screen is a subclass. It imports Textual, so a program imports it late.
Textual is an asyncio program, so the service runs in the same loop.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from reactivex import operators as ops
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from reactive_ws.gui import TextualLoop
from reactive_ws.gui.status import ConnectionView, connection_view
from reactive_ws.gui.textual import Box, ConnectionBanner, ConnectionStatus, ListRows

from ..app import Application
from .chat_view import MARKS, ChatMessage, ChatView
from .question import Question

__all__ = ["MARKS", "Chat"]

R = TypeVar("R")


class Chat(App[R], Generic[R]):
    """Everything on the screen. It follows the theme of the application, dark or light.

    Args:
        app: The stores.
        is_kept: Whether a file keeps what was not sent, so that leaving asks nothing.
    """

    TITLE = "reactive-ws chat"
    AUTO_FOCUS: ClassVar[str | None] = "#line"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("ctrl+n", "new_chat", "New chat"),
        ("ctrl+f", "search", "Search"),
        ("ctrl+t", "turn_light", "Light or dark"),
        # Containers of Textual scroll sideways with these keys.
        Binding("ctrl+pageup", "turn(-1)", "Panel before", priority=True),
        Binding("ctrl+pagedown", "turn(1)", "Next panel", priority=True),
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
    #search { display: none; }
    #search.-open { display: block; }
    """

    def __init__(self, app: Application, *, is_kept: bool = False) -> None:
        super().__init__()
        self.stores = app
        self.view = ChatView(app, is_kept=is_kept)
        self.panels = Static(id="panels", markup=False)
        self.input = Input(placeholder="Write a message, or: panel create Plan", id="line")
        self.search = Input(placeholder="Search; Escape shows all messages", id="search")
        self.panels.border_title = "Panels"

    def body(self) -> Widget:
        """Returns the widgets between the banner and the input line."""
        return Horizontal(self.sessions, self.entries, self.panels)

    def compose(self) -> ComposeResult:
        self.ui = ui = TextualLoop(self)
        self.connection = connection_view(ui, self.stores.service)
        chats, messages = self.view.chats, self.view.messages
        self.sessions = ListRows(
            ui, chats, key=lambda it: it.id, render=lambda it: it.title, id="sessions"
        )
        self.entries = ListRows(
            *(ui, messages),
            key=lambda it: it.id,
            render=_text,
            box=_box,
            follow_end=True,
            gap=1,
            id="entries",
        )
        self.sessions.border_title = "Chats"
        self.entries.border_title = "Messages"
        yield ConnectionBanner(ui, self.connection)
        yield self.search
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

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input is self.search:
            self.view.find(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input is self.search:
            self.entries.focus()
            return
        text = event.value.strip()
        if text and self.say(text):
            self.input.clear()

    def action_new_chat(self) -> None:
        self.view.new_chat()

    def action_search(self) -> None:
        """Opens the line for a search, or closes it and shows all messages."""
        is_open = not self.search.has_class("-open")
        self.search.set_class(is_open, "-open")
        self.search.clear()
        (self.search if is_open else self.input).focus()

    def key_escape(self) -> None:
        """Ends a search."""
        if self.search.has_class("-open"):
            self.action_search()

    def action_turn_light(self) -> None:
        """Changes between the light and the dark theme of Textual."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_turn(self, by: int) -> None:
        self.view.turn(by)

    async def action_quit(self) -> None:
        if question := self.view.question_before_closing:
            await self.push_screen(Question(question), lambda leave: self.exit() if leave else None)
        else:
            self.exit()

    def on_unmount(self) -> None:
        self.ui.close()


def _text(message: ChatMessage) -> Content:
    # The words of a message are not markup, and code has a colour of its own.
    lines = [Content.styled(message.head, "$foreground 60%")]
    lines += [
        Content.styled(text, "$text-secondary") if is_code else Content(text)
        for text, is_code in message.blocks
    ]
    return Content("\n").join(lines) + (" ▌" if message.is_growing else "")


def _box(message: ChatMessage) -> Box:
    if message.is_own:
        return Box(
            12, 0, "$foreground 60% on $primary 12%" if message.is_waiting else "on $primary 30%"
        )
    return Box(0, 12, "on $foreground 8%")


def _show_unseen(entries: ListRows[ChatMessage], count: int) -> None:
    entries.border_subtitle = f"{count} new, End shows them" if count else ""


def _can_send(view: ConnectionView) -> bool:
    return view.can_send
