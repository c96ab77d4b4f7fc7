"""A chat with panels in a browser, with NiceGUI: chats, bubbles with names and times, search, panels, and the connection.

reactive-ws hub --port 8000 &
python examples/chat_nicegui.py ws://127.0.0.1:8000/ws        (pip install reactive-ws[nicegui])

A file as third argument keeps what you write: `python examples/chat_nicegui.py URL 8080 outbox.db`. All pages show one user's
stores: the program is a desktop client whose window is a browser, and Quit ends it. NiceGUI is an asyncio program, so the service
runs in the same loop.
"""

import sys
from collections.abc import Sequence

from nicegui import app as server
from nicegui import ui

from reactive_ws import OutboxOptions
from reactive_ws.gui import ConnectionView, NiceGuiLoop, connection_view
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatLine, ChatMessage, ChatView

url, port, outbox, *_ = *sys.argv[1:], None, None, None
stores = Application.at(url, outbox=OutboxOptions(path=outbox))


class Page:
    """The contents of one browser window."""

    def __init__(self) -> None:
        self.view = ChatView(stores, is_kept=outbox is not None)
        loop = NiceGuiLoop(ui.context.client)
        views = connection_view(loop, stores.service)
        ui.dark_mode(None)
        self.banner = ui.label().classes("w-full rounded p-2 bg-amber-100 text-amber-900")
        with ui.row().classes("w-full no-wrap"):
            with ui.column().classes("w-48"):
                ui.button("New chat", on_click=self.view.new_chat).props("outline")
                self.chats = ui.column().classes("gap-1 w-full")
            with ui.column().classes("grow"):
                search = ui.input("Search", on_change=lambda it: self.view.find(it.value or ""))
                search.classes("w-full").props("dense clearable")
                self.talk = ui.scroll_area().classes(
                    "w-full h-[60vh] border border-gray-300 rounded"
                )
                self.shown: dict[str, tuple[ChatMessage, ui.chat_message]] = {}
                self.input = ui.input("Message").classes("w-full")
                self.input.on("keydown.enter", self.send)
            with ui.column().classes("w-60"):
                with ui.row():
                    for name, by in (("chevron_left", -1), ("chevron_right", 1)):
                        button = ui.button(icon=name, on_click=lambda by=by: self.view.turn(by))
                        button.props(f'flat round aria-label="Turn the panels by {by}"')
                self.panel = ui.label().classes("whitespace-pre-wrap")
        with ui.row().classes("items-center"):
            self.status = ui.label().classes("rounded-full px-3 py-1 text-sm")
            self.retry = ui.button("Retry now", on_click=stores.service.connect).props("flat dense")
            ui.button("Quit", on_click=self.quit).props("flat dense")
        loop.bind(views, self.status, lambda _, now: self.show_connection(now))
        loop.bind(self.view.chats, self.chats, lambda _, them: self.show_chats(them))
        loop.bind(self.view.messages, self.talk, lambda _, them: self.show_messages(them))
        loop.bind(self.view.panel, self.panel, lambda it, text: it.set_text(text))

    def show_connection(self, now: ConnectionView) -> None:
        self.banner.set_text(now.banner or "")
        self.banner.set_visibility(now.banner is not None)
        self.status.set_text(now.line)
        ink = now.ink(is_dark=False)
        self.status.style(f"background: {ink.tint}; color: {ink.text}")
        self.retry.set_visibility(now.retry is not None)
        self.input.set_enabled(now.can_send)

    def show_chats(self, chats: Sequence[ChatLine]) -> None:
        self.chats.clear()
        with self.chats:
            for chat in chats:
                button = ui.button(chat.title, on_click=lambda it=chat: self.view.open(it.id))
                button.props("flat no-caps align=left").classes("w-full")

    def show_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Changes the bubbles that differ; a new order, as after a search, makes all of them again."""
        if [*self.shown] != [it.id for it in messages[: len(self.shown)]]:
            self.talk.clear()
            self.shown.clear()
        for message in messages:
            if message.id in self.shown:
                before, element = self.shown[message.id]
                if before == message:
                    continue
                element.clear()
            else:
                with self.talk:
                    element = ui.chat_message(sent=message.is_own).classes("w-full")
            self.shown[message.id] = (message, element)
            look = "blue-9 text-color=white" if message.is_own else "grey-4 text-color=black"
            element.props(f"bg-color={look}")
            element.props["name"] = message.name
            element.props["stamp"] = f"{message.time} {message.mark}"
            with element:
                for text, is_code in message.blocks or (("…", False),):
                    words = ui.label(text).classes("whitespace-pre-wrap").props("dir=auto")
                    words.classes("font-mono text-sm" if is_code else "")
        self.talk.scroll_to(percent=1.0)

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

    def send(self) -> None:
        if text := (self.input.value or "").strip():
            complaint = self.view.send(text)
            if complaint:
                ui.notify(complaint, type="warning")
            else:
                self.input.set_value("")


@ui.page("/", title="reactive-ws chat")
def page() -> None:
    Page()


async def end() -> None:
    await stores.__aexit__(None, None, None)


server.on_startup(stores.__aenter__)
server.on_shutdown(end)
ui.run(port=int(port or 8080), show=False, reload=False)
