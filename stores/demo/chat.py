"""A chat with panels in a terminal, with Textual: sessions, messages with their delivery, panels, and the connection.

`examples/chat_textual.py` runs it, and the demo's screen is made of it. It imports Textual: import it late, where there may be
none. Textual is an asyncio program, so the service lives in the same loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

import reactivex as rx
from reactivex import operators as ops
from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from reactive_ws import DeliveryStatus, Selection
from reactive_ws.gui import TextualLoop
from reactive_ws.gui.status import connection_view
from reactive_ws.gui.textual import ConnectionBanner, ConnectionStatus, ListRows

from ..app import Application
from ..history import Entry
from ..wire import Panel, Session

__all__ = ["MARKS", "Chat"]

R = TypeVar("R")

# In the order of DeliveryStatus.
_WORDS = ("◷ queued", "◷ queued", "✓ sent", "✓✓ delivered", "✕ failed", "? uncertain")
MARKS = dict(zip(DeliveryStatus, _WORDS, strict=True))


class Chat(App[R], Generic[R]):
    """Everything on the screen.

    Args:
        app: The stores.
    """

    TITLE = "reactive-ws chat"
    AUTO_FOCUS: ClassVar[str | None] = "Input"
    # Whatever the size of the terminal, the messages keep most of the room.
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (64, "-narrow"), (100, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-tall")]
    CSS = """
    Screen { background: #0f172a; color: #e2e8f0; }
    ListRows, #panels { background: #111c33; border: round #334155; border-title-color: #94a3b8; padding: 0 1; }
    ListRows:focus, Input:focus { border: round #38bdf8; }
    #sessions > .list-rows--highlight { background: #1e3a8a; color: #e2e8f0; }
    #entries > .list-rows--highlight { background: #1e293b; color: #e2e8f0; }
    #sessions { width: 2fr; }
    #entries { width: 6fr; }
    #panels { width: 3fr; height: 100%; padding: 0 1; }
    .-tiny #sessions, .-tiny #panels { display: none; }
    ListRows { scrollbar-size-vertical: 1; scrollbar-background: #111c33; scrollbar-color: #334155; }
    Input { background: #1e293b; border: round #334155; }
    """

    def __init__(self, app: Application) -> None:
        super().__init__()
        self.stores = app
        self.panels = Static(id="panels", markup=False)
        self.input = Input(placeholder="Write a message, or: panel create Plan")
        self.panels.border_title = "Panels"

    def body(self) -> Widget:
        """The part between the banner and the input line."""
        return Horizontal(self.sessions, self.entries, self.panels)

    def compose(self) -> ComposeResult:
        self.ui = ui = TextualLoop(self)
        app = self.stores
        views = connection_view(ui, app.service)
        self.sessions = ListRows(
            ui, _rows(app), key=lambda it: it[0].id, render=_title, id="sessions"
        )
        self.entries = ListRows(
            ui,
            _entries(app),
            key=lambda it: it.id,
            render=_line,
            follow_end=True,
            gap=1,
            id="entries",
        )
        self.sessions.border_title = "Chats"
        self.entries.border_title = "Messages"
        yield ConnectionBanner(ui, views)
        yield self.body()
        yield self.input
        yield ConnectionStatus(ui, views)

    def on_mount(self) -> None:
        app, ui = self.stores, self.ui
        ui.bind(app.carousel.panels, self.panels, lambda it, them: it.update(_panel_text(them)))

    def say(self, text: str) -> bool:
        """Sends what was typed, in the active session; returns whether it did."""
        sessions = self.stores.sessions
        active = sessions.state.get().active or sessions.create("First chat")
        self.stores.history.send(active.id, text)
        return True

    def on_list_rows_selected(self, event: ListRows.Selected) -> None:
        if event.list_rows is self.sessions:
            self.stores.sessions.activate(event.item[0].id)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text and self.say(text):
            self.input.clear()

    def on_unmount(self) -> None:
        self.ui.close()


def _rows(app: Application) -> Selection[tuple[tuple[Session, bool], ...]]:
    state = app.sessions.state
    return state.select(lambda now: tuple((it, it.id == now.active_id) for it in now.sessions))


def _title(row: tuple[Session, bool]) -> str:
    return f"{'▸' if row[1] else ' '} {row[0].title or 'Chat'}"


def _entries(app: Application) -> rx.Observable[tuple[Entry, ...]]:
    def of(session_id: str | None) -> rx.Observable[tuple[Entry, ...]]:
        return rx.of(()) if session_id is None else app.history.select_last(session_id, 200)

    active_id = app.sessions.state.select(lambda state: state.active_id)
    return active_id.pipe(ops.map(of), ops.switch_latest())


def _line(entry: Entry) -> Text:
    # Own messages are blue, and grey until they are sent.
    if entry.status is None:
        return Text(f"{entry.content}{' ▌' if entry.is_growing else ''}")
    is_waiting = entry.status in (DeliveryStatus.QUEUED, DeliveryStatus.STORED)
    colour = "#94a3b8" if is_waiting else "#7dd3fc"
    return Text(f"{entry.content}\n{MARKS[entry.status]}", style=colour)


def _panel_text(panels: Sequence[Panel]) -> str:
    return "\n\n".join(f"▣ {it.title}\n{it.data.get('text') or '…'}" for it in panels)
