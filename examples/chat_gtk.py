"""A chat with panels in GTK 4: chats, bubbles with names and times, search, panels, and the connection, in light or dark.

reactive-ws hub --port 8000 & python examples/chat_gtk.py ws://127.0.0.1:8000/ws        (Debian: python3-gi gir1.2-gtk-4.0)
A file as second argument keeps what you write. Control-f searches, Control-n makes a chat.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import gi

gi.require_version("Gdk", "4.0")
gi.require_version("Gtk", "4.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402 - GTK wants its version first

from reactive_ws import OutboxOptions, ReactiveWSError  # noqa: E402
from reactive_ws.gui import GLibLoop, connection_view  # noqa: E402
from reactive_ws.gui.gtk import ConnectionBanner, ConnectionStatus  # noqa: E402
from reactive_ws.stores import Application  # noqa: E402
from reactive_ws.stores.demo.chat_view import ChatLine, ChatMessage, ChatView  # noqa: E402
from reactive_ws.views import Insert, Move, Remove, list_changes  # noqa: E402

STYLE = """
.bubble { border-radius: 14px; padding: 7px 12px; background: alpha(@theme_fg_color, 0.08); }
.bubble.own { background: shade(@theme_selected_bg_color, 0.8); color: @theme_selected_fg_color; }
.bubble.waiting { background: transparent; color: @theme_fg_color; border: 1px dashed @theme_selected_bg_color; }
.small { font-size: 80%; opacity: 0.75; }
.code { font-family: monospace; background: alpha(@theme_fg_color, 0.1); border-radius: 6px; padding: 6px; }
.card { border: 1px solid alpha(@theme_fg_color, 0.18); border-radius: 12px; background: @theme_base_color; }
.active { font-weight: bold; }
.count { font-size: 80%; border-radius: 9px; padding: 1px 7px; background: @theme_selected_bg_color; color: @theme_selected_fg_color; }
list, .panel { background: transparent; }
.panel { padding: 10px; }
row.plain:hover { background: transparent; }
"""


class Rows:
    """The rows of a Gtk.ListBox. A frame changes the rows that differ, and no others."""

    def __init__(self, box: Any, make: Callable[[Any], Any]) -> None:
        self.box, self.make, self.items = box, make, list[Any]()

    def show(self, items: Sequence[Any]) -> None:
        for change in list_changes(self.items, items, lambda it: it.id):
            match change:
                case Insert(index, item):
                    self.box.insert(self.make(item), index)
                case Remove(index):
                    self.box.remove(self.box.get_row_at_index(index))
                case Move(source, target):
                    row = self.box.get_row_at_index(source)
                    self.box.remove(row)
                    self.box.insert(row, target)
                case _:
                    self.box.get_row_at_index(change.index).set_child(self.make(change.item))
        self.items = list(items)


class FollowEnd:
    """Keeps a scrolled view at its end while the user has it there, also when a banner makes it smaller."""

    def __init__(self, adjustment: Any) -> None:
        self.is_there, self.last = True, 0.0
        adjustment.connect("value-changed", self.moved)
        adjustment.connect("changed", self.grown)

    def moved(self, it: Any) -> None:
        value = it.get_value()
        is_at_end = value >= it.get_upper() - it.get_page_size() - 1.0
        # Rows that come while the view moves down leave it above the end; only the user moves it up.
        if is_at_end or value < self.last:
            self.is_there = is_at_end
        self.last = value

    def grown(self, it: Any) -> None:
        if self.is_there:
            # GTK gives the view its new size after this signal.
            GLib.idle_add(lambda: it.set_value(it.get_upper() - it.get_page_size()))


def text_label(text: str, *classes: str) -> Any:
    """A label of text that the user can select; GTK reads no markup in it."""
    label = Gtk.Label(label=text, xalign=0.0, wrap=True, selectable=True, css_classes=classes)
    label.set_wrap_mode(2)
    return label


def bubble(message: ChatMessage) -> Any:
    """A message with its author, time and text; code has a box of its own."""
    side = Gtk.Align.END if message.is_own else Gtk.Align.START
    classes = ["bubble", *["own"] * message.is_own, *["waiting"] * message.is_waiting]
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=3, halign=side, css_classes=classes)
    head = "   ".join(part for part in (message.name, message.time, message.mark) if part)
    box.append(Gtk.Label(label=head, xalign=0.0, css_classes=["small"]))
    for text, is_code in message.blocks or (("…", False),):
        box.append(text_label(text, *["code"] * is_code))
    box.set_margin_start(60 if message.is_own else 6)
    box.set_margin_end(6 if message.is_own else 60)
    return box


def chat_row(chat: ChatLine) -> Any:
    """The name of a chat, and how many messages the user has not read."""
    row = Gtk.Box(spacing=8, margin_top=6, margin_bottom=6, margin_start=12, margin_end=12)
    classes = ["active"] * chat.is_active
    row.append(Gtk.Label(label=chat.name, xalign=0.0, hexpand=True, css_classes=classes))
    if chat.unread:
        row.append(Gtk.Label(label=str(chat.unread), css_classes=["count"]))
    return row


class Window:
    """Everything on the screen."""

    def __init__(
        self, program: Any, ui: GLibLoop, app: Application, *, is_kept: bool = False
    ) -> None:
        self.view = view = ChatView(app, is_kept=is_kept)
        self.question: Any = None
        self.window = Gtk.ApplicationWindow(application=program, title="reactive-ws chat")
        self.window.set_default_size(960, 600)
        views = connection_view(ui, app.service)
        self.banner = ConnectionBanner(ui, Gtk, views)
        self.chats = Gtk.ListBox()
        self.talk = Gtk.ListBox(selection_mode=Gtk.SelectionMode.NONE)
        self.search = Gtk.SearchEntry(placeholder_text="Search", tooltip_text="Search")
        self.panel = text_label("", "panel")
        self.panel.set_valign(Gtk.Align.START)
        self.input = Gtk.Entry(
            placeholder_text="Write a message, or: panel create Plan", hexpand=True
        )
        self.notice = text_label("")
        self.status = ConnectionStatus(ui, Gtk, views)
        self.scroll = Gtk.ScrolledWindow(child=self.talk, hexpand=True, vexpand=True)
        self.end = FollowEnd(self.scroll.get_vadjustment())
        turn = Gtk.Box(spacing=6)
        for name, by in (("← Panel", -1), ("Panel →", 1)):
            button = Gtk.Button(label=name)
            button.connect("clicked", lambda _, by=by: view.turn(by))
            turn.append(button)
        new = Gtk.Button(label="New chat")
        new.connect("clicked", lambda _: view.new_chat())
        grid = Gtk.Grid(row_spacing=8, column_spacing=12, margin_start=14, margin_end=14)
        grid.set_margin_top(14)
        grid.set_margin_bottom(14)
        side = Gtk.ScrolledWindow(child=self.chats, width_request=170)
        right = Gtk.ScrolledWindow(child=self.panel, width_request=220)
        for it in (side, self.scroll, right):
            it.add_css_class("card")
        for column, row, width, widget in (
            (0, 0, 3, self.banner.widget),
            *((0, 1, 1, new), (1, 1, 1, self.search), (2, 1, 1, turn)),
            *((0, 2, 1, side), (1, 2, 1, self.scroll), (2, 2, 1, right)),
            *((1, 3, 2, self.input), (0, 4, 2, self.status.widget), (2, 4, 1, self.notice)),
        ):
            grid.attach(widget, column, row, width, 1)
        self.window.set_child(grid)
        chats, rows = Rows(self.chats, chat_row), Rows(self.talk, bubble)
        self.chats.connect("row-activated", lambda _, it: view.open(chats.items[it.get_index()].id))
        self.search.connect("search-changed", lambda it: view.find(it.get_text()))
        self.search.set_key_capture_widget(None)
        self.input.connect("activate", self.send)
        self.window.connect("close-request", self.close)
        ui.bind(view.chats, self.chats, lambda _, them: chats.show(them))
        ui.bind(view.messages, self.talk, lambda _, them: rows.show(them))
        ui.bind(view.panel, self.panel, lambda it, text: it.set_text(text))
        ui.bind(views, self.input, lambda it, now: it.set_sensitive(now.can_send))
        self.input.grab_focus()

    def send(self, _: Any) -> None:
        if text := self.input.get_text().strip():
            complaint = self.view.send(text)
            self.notice.set_text(complaint)
            if not complaint:
                self.input.set_text("")

    def close(self, _: Any) -> bool:
        """Asks before messages are lost; returns whether the window stays."""
        question = self.view.question_before_closing
        if not question:
            return False
        self.question = ask(self.window, question)
        return True


def ask(window: Any, question: str) -> Any:
    """Opens a dialog that closes the window, or goes away."""
    dialog = Gtk.Window(title="reactive-ws chat", transient_for=window, modal=True)
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=16, margin_start=20, margin_end=20)
    box.set_margin_top(20)
    box.set_margin_bottom(20)
    buttons = Gtk.Box(spacing=8, halign=Gtk.Align.END)
    for name, act in (("Stay", dialog.destroy), ("Close", window.destroy)):
        button = Gtk.Button(label=name)
        button.connect("clicked", lambda _, act=act: act())
        buttons.append(button)
    for part in (text_label(question), buttons):
        box.append(part)
    dialog.set_child(box)
    buttons.get_first_child().grab_focus()
    dialog.present()
    return dialog


def main(url: str | None, outbox: str | None) -> None:
    app = Application.at(url, outbox=OutboxOptions(path=outbox))
    app.start()
    program = Gtk.Application()

    def activate(_: Any) -> None:
        provider = Gtk.CssProvider()
        provider.load_from_data(STYLE.encode())
        Gtk.StyleContext.add_provider_for_display(Gdk.Display.get_default(), provider, 600)
        ui = GLibLoop(GLib)
        program.connect("shutdown", lambda _: ui.close())
        window = Window(program, ui, app, is_kept=outbox is not None)
        for keys, act in (("f", window.search.grab_focus), ("n", window.view.new_chat)):
            shortcut = Gtk.Shortcut.new(
                Gtk.ShortcutTrigger.parse_string(f"<Control>{keys}"),
                Gtk.CallbackAction.new(lambda *_, act=act: bool(act() or True)),
            )
            keyboard = Gtk.ShortcutController()
            keyboard.add_shortcut(shortcut)
            window.window.add_controller(keyboard)
        window.window.present()

    program.connect("activate", activate)
    program.run()
    app.stop()


if __name__ == "__main__":
    try:
        url, outbox, *_ = *sys.argv[1:], None, None
        main(url, outbox)
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
