"""A chat with panels in a browser, with NiceGUI: chats, bubbles with names and times, search, panels, and the connection.

reactive-ws hub --port 8000 &
python examples/chat_nicegui.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[nicegui])

A file as third argument keeps what you write: `python examples/chat_nicegui.py URL 8080 outbox.db`. All pages show one user's
stores: the program is a desktop client whose window is a browser, and Quit ends it. NiceGUI is an asyncio program, so the service
runs in the same loop.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from nicegui import app as server
from nicegui import ui

from reactive_ws import OutboxOptions
from reactive_ws.gui import ConnectionView, NiceGuiLoop, connection_view
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatLine, ChatMessage, ChatView

url, port, outbox, *_ = *sys.argv[1:], None, None, None
stores = Application.at(url, outbox=OutboxOptions(path=outbox))

T = TypeVar("T", ChatLine, ChatMessage)

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#dbe1ea, #2b3750); --soft: light-dark(#eceff4, #1e293b); }
body, body.body--dark { background: light-dark(#f8fafc, #0b1220); color: light-dark(#0f172a, #e2e8f0); }
body { --q-primary: light-dark(#1d4ed8, #93b4ff) !important; } .q-badge { color: light-dark(#ffffff, #0b1220) !important; }
.nicegui-content { height: 100vh; } .all { flex: 1 1 0; min-height: 0; } .chats { overflow-y: auto; flex-wrap: nowrap; }
.card { background: light-dark(#ffffff, #111a2e); border: 1px solid var(--line); border-radius: 16px; }
.talk { display: flex; flex-direction: column-reverse; overflow-y: auto; padding: 14px; }
.bubble { max-width: 78%; width: fit-content; padding: 8px 14px; margin-top: 8px; border-radius: 18px; background: var(--soft); }
.bubble { border: 1.5px solid transparent; overflow-wrap: anywhere; white-space: pre-wrap; }
.own { margin-left: auto; background: #1d4ed8; color: #ffffff; }
.waiting { background: transparent; color: inherit; border: 1.5px dashed light-dark(#1d4ed8, #93b4ff); }
.head { font-size: 0.75rem; opacity: 0.85; } .chat.active { background: light-dark(#dbe6fd, #1e3a8a); }
.code { font: 0.85rem monospace; background: rgb(128 128 128 / 0.25); border-radius: 8px; padding: 6px 10px; margin: 4px 0; }
"""


def coloured(now: ConnectionView) -> str:
    """The colours of a view: the browser takes those of the light or of the dark palette."""
    light, dark = now.ink(is_dark=False), now.ink(is_dark=True)
    return (
        f"background: light-dark({light.tint}, {dark.tint}); color: light-dark({light.text}, {dark.text});"
        f"border: 1px solid light-dark({light.edge}, {dark.edge})"
    )


class Parts(Generic[T]):
    """The parts of a list on the page. A frame changes those that differ; a new order, as after a search, makes all again."""

    def __init__(self, parent: ui.element, draw: Callable[[T, ui.element], None]) -> None:
        self.parent = parent
        self.draw: Callable[[T, ui.element], None] = draw
        self.shown: dict[str, tuple[T, ui.element]] = {}

    def show(self, items: Sequence[T]) -> None:
        there = {it.id for it in items}
        for name in [it for it in self.shown if it not in there]:
            self.shown.pop(name)[1].delete()
        if [*self.shown] != [it.id for it in items[: len(self.shown)]]:
            self.parent.clear()
            self.shown.clear()
        for item in items:
            before, element = self.shown.get(item.id, (None, None))
            if before == item:
                continue
            if element is None:
                with self.parent:
                    element = ui.element("div")
            element.clear()
            self.shown[item.id] = (item, element)
            self.draw(item, element)


class Page:
    """The contents of one browser window."""

    def __init__(self) -> None:
        self.view = view = ChatView(stores, is_kept=outbox is not None)
        loop = NiceGuiLoop(ui.context.client)
        views = connection_view(loop, stores.service)
        ui.dark_mode(None)
        ui.add_css(STYLE)
        self.banner = ui.label().classes("w-full px-4 py-3").style("border-radius: 16px")
        with ui.row().classes("all w-full no-wrap gap-4 items-stretch"):
            with ui.column().classes("card chats w-52 p-3"):
                new = ui.button("New chat", icon="add", on_click=view.new_chat).classes("w-full")
                new.props("no-caps outline rounded")
                self.chats = ui.column().classes("gap-1 w-full")
            with ui.column().classes("grow gap-3"):
                search = ui.input("Search", on_change=lambda it: view.find(it.value or ""))
                search.classes("w-full").props("dense outlined rounded clearable")
                # The browser keeps a column in reverse order at its end, while its user has it there.
                with ui.element("div").classes("all card talk w-full"):
                    self.talk = ui.element("div").props('role="log" aria-label="Messages"')
                self.input = ui.input("Message").classes("w-full").props("outlined rounded")
                loop.on_entered(self.input, self.send)
            with ui.column().classes("card w-64 p-3"):
                with ui.row().classes("items-center w-full no-wrap"):
                    self.title = ui.label().classes("grow font-bold")
                    for name, by in (("Panel before", -1), ("Next panel", 1)):
                        icon = "chevron_left" if by < 0 else "chevron_right"
                        button = ui.button(icon=icon, on_click=lambda by=by: view.turn(by))
                        button.props(f'flat round dense aria-label="{name}"')
                self.panel = ui.label().classes("whitespace-pre-wrap")
        with ui.row().classes("items-center"):
            self.status = ui.label().classes("rounded-full px-4 py-1 text-sm")
            self.retry = ui.button("Retry now", on_click=stores.service.connect)
            for button in (self.retry, ui.button("Quit", on_click=self.quit)):
                button.props("flat dense no-caps")
        loop.bind(views, self.status, lambda _, now: self.show_connection(now))
        chats, bubbles = Parts(self.chats, self.draw_chat), Parts(self.talk, self.draw_message)
        loop.bind(view.chats, self.chats, lambda _, them: chats.show(them))
        loop.bind(view.messages, self.talk, lambda _, them: bubbles.show(them))
        loop.bind(view.panel, self.panel, lambda _, text: self.show_panel(text))

    def show_connection(self, now: ConnectionView) -> None:
        self.banner.set_text(f"{now.banner or ''} {now.queue_text}".strip())
        self.banner.set_visibility(now.banner is not None)
        self.status.set_text(now.line)
        for label in (self.banner, self.status):
            label.style(coloured(now))
        self.retry.set_visibility(now.retry is not None)
        self.input.set_enabled(now.can_send)

    def show_panel(self, text: str) -> None:
        title, _, words = text.partition("\n")
        self.title.set_text(title or "No panels")
        self.panel.set_text(words)

    def draw_chat(self, chat: ChatLine, row: ui.element) -> None:
        row.classes("w-full")
        with row:
            button = ui.button(chat.name, color=None)
        button.on_click(lambda: self.view.open(chat.id))
        button.props("flat no-caps align=left").classes("chat w-full rounded-xl")
        button.classes("active" if chat.is_active else "")
        button.props('aria-current="true"' if chat.is_active else "")
        if chat.unread:
            with button:
                ui.badge(str(chat.unread)).props("rounded").classes("ml-2")

    def draw_message(self, message: ChatMessage, bubble: ui.element) -> None:
        kinds = ("own" * message.is_own, "waiting" * message.is_waiting)
        bubble.classes(replace=" ".join(("bubble", *kinds)))
        with bubble:
            ui.label(message.head).classes("head")
            for text, is_code in message.blocks or (("…", False),):
                ui.label(text).props("dir=auto").classes("code" if is_code else "")

    async def quit(self) -> None:
        """Ends the program, after a question where messages would be lost."""
        if question := self.view.question_before_closing:
            with ui.dialog() as dialog, ui.card():
                ui.label(question)
                with ui.row().classes("self-end"):
                    ui.button("Stay", on_click=lambda: dialog.submit(False)).props("autofocus")
                    ui.button("Lose them and quit", on_click=lambda: dialog.submit(True))
            if not await dialog:
                return
        server.shutdown()

    def send(self, text: str) -> None:
        complaint = self.view.send(text.strip())
        if complaint:
            with self.input:
                ui.notify(complaint, type="warning")
            # The browser has emptied the line; the words come back in front of what was typed since.
            self.input.set_value(f"{text} {self.input.value or ''}".strip())


@ui.page("/", title="reactive-ws chat")
def page() -> None:
    Page()


async def end() -> None:
    await stores.__aexit__(None, None, None)


server.on_startup(stores.__aenter__)
server.on_shutdown(end)
# A page that was away for less than this many seconds goes on, with what its user was writing; a busy browser is away, too.
ui.run(port=int(port or 8080), show=False, reload=False, reconnect_timeout=60.0)
