"""A chat with panels in tkinter: chats, bubbles with names and times, search, panels, and the connection, in light or dark.

reactive-ws hub --port 8000 & python examples/chat_tk.py ws://127.0.0.1:8000/ws
A file as second argument keeps what you write: `python examples/chat_tk.py URL outbox.db`; `light` or `dark` as last argument sets
the colours. Keys: Tab, arrows and Return choose a chat, Control-n makes one, Control-f searches, Control-Next and Control-Prior turn
the panels.
"""

import sys
import tkinter as tk
from collections.abc import Callable, Sequence
from functools import partial
from tkinter import messagebox, ttk

import attrs

from reactive_ws import OutboxOptions, ReactiveWSError
from reactive_ws.gui import TkLoop, connection_view
from reactive_ws.gui.status import ConnectionView
from reactive_ws.gui.tk import ConnectionBanner, ConnectionStatus, FollowEnd, TreeRows
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatMessage, ChatView

FONT, SMALL, MONO = ("DejaVu Sans", 10), ("DejaVu Sans", 8), ("DejaVu Sans Mono", 10)
INSET = 110
"""Pixels that stay free beside a bubble."""


@attrs.frozen
class Look:
    """The colours of a window; text on each of its grounds keeps a contrast of 4.5."""

    back: str
    surface: str
    text: str
    muted: str
    own: str
    own_text: str
    waits: str
    other: str
    code: str
    edge: str
    focus: str
    notice: str


LIGHT = Look(
    *("#eef1f5", "#ffffff", "#1b2330", "#566070", "#2563eb", "#ffffff", "#dbe6fd"),
    *("#e8ecf2", "#d8dee8", "#c3cad5", "#2563eb", "#92400e"),
)
DARK = Look(
    *("#0f172a", "#111c33", "#e2e8f0", "#94a3b8", "#1d4ed8", "#ffffff", "#17294f"),
    *("#1e293b", "#0b1222", "#334155", "#38bdf8", "#fbbf24"),
)


class Talk:
    """A text widget that shows messages as bubbles; it does not touch those that have not changed."""

    def __init__(self, ui: TkLoop, parent: tk.Misc, look: Look) -> None:
        self.text = tk.Text(parent, wrap="word", font=FONT, relief="flat", padx=10, pady=6)
        self.text.configure(background=look.surface, foreground=look.text, cursor="arrow")
        self.bubble("other", look.other, look.text, 10, INSET)
        self.bubble("own", look.own, look.own_text, INSET, 10)
        self.bubble("waiting", look.waits, look.text, INSET, 10)
        self.text.tag_configure("small", font=SMALL, spacing1=4)
        self.text.tag_configure("code", font=MONO, background=look.code, foreground=look.text)
        self.text.tag_configure("gap", font=("DejaVu Sans", 4))
        self.shown, self.starts = tuple[ChatMessage, ...](), list[str]()
        self.following = FollowEnd(ui, self.text)

    def bubble(self, name: str, ground: str, ink: str, left: int, right: int) -> None:
        it, tag = self.text, {"background": ground, "foreground": ink}
        it.tag_configure(name, tag, lmargin1=left, lmargin2=left, rmargin=right, spacing3=3)
        it.tag_configure(name, {f"{'l' if left > right else 'r'}margincolor": it["background"]})

    def show(self, messages: Sequence[ChatMessage]) -> None:
        text = self.text
        pairs = enumerate(zip(self.shown, messages, strict=False))
        shorter = min(len(self.shown), len(messages))
        same = next((number for number, (old, new) in pairs if old != new), shorter)
        text.configure(state="normal")
        if same < len(self.starts):
            text.delete(self.starts[same], "end-1c")
            del self.starts[same:]
        for message in messages[same:]:
            self.starts.append(text.index("end-1c"))
            side = "waiting" if message.is_waiting else "own" if message.is_own else "other"
            text.insert("end", f"{message.head}\n", (side, "small"))
            for words, is_code in (*message.blocks, *[("▌", False)] * message.is_growing):
                text.insert("end", f"{words}\n", (side, "code") if is_code else side)
            text.insert("end", "\n", "gap")
        text.configure(state="disabled")
        self.shown = tuple(messages)
        self.following.changed()


class Window:
    """Everything on the screen."""

    def __init__(
        self, root: tk.Tk, ui: TkLoop, app: Application, *, is_kept: bool = False, look: Look = DARK
    ) -> None:
        self.root, self.look, self.view = root, look, ChatView(app, is_kept=is_kept)
        root.title("reactive-ws chat")
        root.geometry("1000x640")
        root.configure(background=look.back)
        for option, value in (("background", look.back), ("foreground", look.text), ("font", FONT)):
            root.option_add(f"*{option}", value)
        for option in ("highlightThickness", "highlightBackground", "highlightColor"):
            value = {"highlightThickness": "2", "highlightColor": look.focus}.get(option, look.edge)
            for kind in ("Entry", "Text", "Button"):
                root.option_add(f"*{kind}.{option}", value)
        style = ttk.Style(root)
        style.theme_use("clam")
        colours = {"background": look.surface, "fieldbackground": look.surface}
        style.configure("Treeview", rowheight=32, font=FONT, foreground=look.text, **colours)
        style.layout("Treeview", [("Treeview.treearea", {"sticky": "nswe"})])
        style.map(
            "Treeview", background=[("selected", "focus", look.focus), ("selected", look.other)]
        )
        style.map("Treeview", foreground=[("selected", "focus", look.back)])
        views = connection_view(ui, app.service)
        for column, weight in enumerate((2, 6, 3)):
            root.columnconfigure(column, weight=weight, uniform="columns")
        root.rowconfigure(2, weight=1)
        ConnectionBanner(ui, root, views).widget.grid(row=0, columnspan=3, sticky="ew")
        self.sessions = ttk.Treeview(root, show="tree", selectmode="browse")
        self.talk = Talk(ui, root, look)
        panel = tk.Label(root, background=look.surface, anchor="nw", justify="left", wraplength=230)
        panel.configure(padx=12, pady=10, highlightthickness=1, highlightbackground=look.edge)
        for column, widget in enumerate((self.sessions, self.talk.text, panel)):
            widget.grid(row=2, column=column, sticky="nsew", padx=6)
        self.search, self.input = self.line(root), self.line(root)
        search, turns = tk.Frame(root), tk.Frame(root)
        tk.Label(search, text="Search", foreground=look.muted).pack(side="left", padx=(0, 8))
        self.search.pack(in_=search, side="left", fill="x", expand=True, ipady=4)
        self.search.lift(search)
        self.button(root, "New chat", self.view.new_chat).grid(
            row=1, column=0, sticky="ew", padx=6, pady=8
        )
        search.grid(row=1, column=1, sticky="ew", padx=6)
        turns.grid(row=1, column=2, sticky="ew", padx=6)
        for name, by in (("← Panel", -1), ("Panel →", 1)):
            turn = self.button(turns, name, partial(self.view.turn, by))
            turn.pack(side="left", fill="x", expand=True, padx=2)
        self.input.grid(row=3, column=0, columnspan=3, sticky="ew", padx=6, pady=8, ipady=7)
        self.input.bind("<Return>", self.send)
        self.input.focus()
        status = ConnectionStatus(ui, root, views)
        status.widget.grid(row=4, columnspan=2, sticky="w", padx=6, pady=(0, 8))
        self.notice = tk.Label(root, foreground=look.notice, wraplength=300)
        self.notice.grid(row=4, column=2, sticky="e", padx=6)
        self.rows = TreeRows(
            ui, self.sessions, self.view.chats, key=lambda it: it.id, text=lambda it: it.title
        )
        for event in ("<ButtonRelease-1>", "<Return>", "<space>"):
            self.sessions.bind(event, self.open)
        self.search.bind("<KeyRelease>", lambda _: self.view.find(self.search.get()))
        root.bind("<Control-n>", lambda _: self.view.new_chat())
        root.bind("<Control-f>", lambda _: self.search.focus())
        root.bind("<Control-Next>", lambda _: self.view.turn(1))
        root.bind("<Control-Prior>", lambda _: self.view.turn(-1))
        root.protocol("WM_DELETE_WINDOW", self.close)
        ui.bind(self.view.panel, panel, lambda it, text: it.configure(text=text))
        ui.bind(self.view.messages, self.talk.text, lambda _, them: self.talk.show(them))
        ui.bind(views, self.input, show_room)

    def line(self, parent: tk.Misc) -> tk.Entry:
        line = tk.Entry(parent, relief="flat", insertbackground=self.look.text)
        line.configure(background=self.look.surface, disabledbackground=self.look.back)
        return line

    def button(self, parent: tk.Misc, name: str, act: Callable[[], object]) -> tk.Button:
        button = tk.Button(
            parent, text=name, command=act, relief="flat", background=self.look.other
        )
        button.configure(activebackground=self.look.edge, activeforeground=self.look.text)
        button.bind("<Return>", lambda _: button.invoke())
        return button

    def open(self, _: object) -> None:
        if row := self.sessions.focus():
            self.view.open(self.rows.item_of(row).id)

    def send(self, _: object) -> None:
        if text := self.input.get().strip():
            complaint = self.view.send(text)
            self.notice.configure(text=complaint)
            if not complaint:
                self.input.delete(0, "end")

    def close(self) -> None:
        question = self.view.question_before_closing
        if not question or messagebox.askokcancel("reactive-ws chat", question):
            self.root.destroy()


def show_room(line: tk.Entry, view: ConnectionView) -> None:
    line.configure(state="normal" if view.can_send else "disabled")


def main(arguments: list[str]) -> None:
    look = {"light": LIGHT, "dark": DARK}.get(arguments[-1] if arguments else "")
    url, outbox, *_ = *(arguments[:-1] if look else arguments), None, None
    root = tk.Tk()
    app = Application.at(url, outbox=OutboxOptions(path=outbox))
    app.start()
    Window(root, TkLoop(root), app, is_kept=outbox is not None, look=look or DARK)
    root.mainloop()
    app.stop()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
