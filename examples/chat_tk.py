"""A chat with panels in tkinter: sessions, messages with their delivery, panels, and the connection.

reactive-ws hub --port 8000 & python examples/chat_tk.py ws://127.0.0.1:8000/ws
A file as second argument keeps what you write: `python examples/chat_tk.py URL outbox.db`. Keys: Tab, arrows and Return choose a
chat, Control-n makes one, Control-Next and Control-Prior turn the panels.
"""

import sys
import tkinter as tk
from collections.abc import Sequence
from tkinter import messagebox, ttk
from typing import Any

from reactive_ws import OutboxOptions, ReactiveWSError
from reactive_ws.gui import TkLoop, connection_view
from reactive_ws.gui.status import ConnectionView
from reactive_ws.gui.tk import ConnectionBanner, ConnectionStatus, FollowEnd, TreeRows
from reactive_ws.stores import Application, Entry
from reactive_ws.stores.demo.chat_view import ChatView, is_waiting, text_of

BACK, SURFACE, TEXT, MUTED, OWN = "#0f172a", "#111c33", "#e2e8f0", "#94a3b8", "#7dd3fc"
FONT = ("DejaVu Sans", 10)
COLUMNS = (("CHATS", 2), ("MESSAGES", 6), ("PANELS", 3))
FOCUS: dict[str, Any] = {
    "highlightthickness": 1,
    "highlightbackground": "#334155",
    "highlightcolor": "#38bdf8",
}


class Talk:
    """A text widget that shows messages; it does not touch those that have not changed."""

    def __init__(self, ui: TkLoop, parent: tk.Misc) -> None:
        self.text = tk.Text(parent, wrap="word", background=SURFACE, relief="flat", padx=12)
        self.text.configure(FOCUS)
        self.text.tag_configure("own", justify="right", foreground=OWN)
        self.text.tag_configure("waiting", justify="right", foreground=MUTED)
        self.text.tag_configure("other", justify="left", rmargin=80)
        self.shown, self.starts = tuple[Entry, ...](), list[str]()
        self.following = FollowEnd(ui, self.text)

    def show(self, entries: Sequence[Entry]) -> None:
        text = self.text
        pairs = enumerate(zip(self.shown, entries, strict=False))
        shorter = min(len(self.shown), len(entries))
        same = next((number for number, (old, new) in pairs if old != new), shorter)
        text.configure(state="normal")
        if same < len(self.starts):
            text.delete(self.starts[same], "end-1c")
            del self.starts[same:]
        for entry in entries[same:]:
            self.starts.append(text.index("end-1c"))
            look = "waiting" if is_waiting(entry) else "own" if entry.is_own else "other"
            text.insert("end", f"{text_of(entry)}\n\n", look)
        text.configure(state="disabled")
        self.shown = tuple(entries)
        self.following.changed()


class Window:
    """Everything on the screen."""

    def __init__(self, root: tk.Tk, ui: TkLoop, app: Application, *, is_kept: bool = False) -> None:
        self.root, self.view, self.is_kept = root, ChatView(app), is_kept
        root.title("reactive-ws chat")
        root.configure(background=BACK)
        for option, value in (("background", BACK), ("foreground", TEXT), ("font", FONT)):
            root.option_add(f"*{option}", value)
        root.geometry("960x600")
        style = ttk.Style(root)
        style.theme_use("clam")
        colours = {"background": SURFACE, "fieldbackground": SURFACE, "foreground": TEXT}
        style.configure("Treeview", rowheight=30, borderwidth=0, font=FONT, **colours)
        style.layout("Treeview", [("Treeview.treearea", {"sticky": "nswe"})])
        style.map(
            "Treeview", background=[("selected", "focus", "#1d4ed8"), ("selected", "#1e3a8a")]
        )
        views = connection_view(ui, app.service)
        for column, (name, weight) in enumerate(COLUMNS):
            root.columnconfigure(column, weight=weight, uniform="columns")
            tk.Label(root, text=name, foreground=MUTED).grid(row=1, column=column, pady=6)
        root.rowconfigure(2, weight=1)
        ConnectionBanner(ui, root, views).widget.grid(row=0, columnspan=3, sticky="ew")
        self.sessions = ttk.Treeview(root, show="tree", selectmode="browse")
        self.talk = Talk(ui, root)
        panel = tk.Label(root, background=SURFACE, wraplength=220)
        panel.configure(anchor="nw", justify="left", padx=12, pady=8)
        for column, widget in enumerate((self.sessions, self.talk.text, panel)):
            widget.grid(row=2, column=column, sticky="nsew", padx=6)
        self.input = tk.Entry(root, background="#1e293b", relief="flat", insertbackground=TEXT)
        self.input.configure({"disabledbackground": BACK, **FOCUS})
        self.input.grid(row=3, column=0, columnspan=3, sticky="ew", padx=6, pady=8, ipady=8)
        self.input.bind("<Return>", self.send)
        self.input.focus()
        status = ConnectionStatus(ui, root, views)
        status.widget.grid(row=4, columnspan=2, sticky="w", padx=6, pady=6)
        self.notice = tk.Label(root, foreground="#fbbf24", wraplength=300)
        self.notice.grid(row=4, column=2, sticky="e", padx=6)
        self.rows = TreeRows(
            ui, self.sessions, self.view.chats, key=lambda it: it.id, text=lambda it: it.title
        )
        for event in ("<ButtonRelease-1>", "<Return>", "<space>"):
            self.sessions.bind(event, self.open)
        root.bind("<Control-n>", lambda _: self.view.new_chat())
        root.bind("<Control-Next>", lambda _: self.view.turn(1))
        root.bind("<Control-Prior>", lambda _: self.view.turn(-1))
        root.protocol("WM_DELETE_WINDOW", self.close)
        ui.bind(self.view.panel, panel, lambda it, text: it.configure(text=text))
        ui.bind(self.view.entries, self.talk.text, lambda _, them: self.talk.show(them))
        ui.bind(views, self.input, show_room)

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
        question = "" if self.is_kept else self.view.question_before_closing
        if not question or messagebox.askokcancel("reactive-ws chat", question):
            self.root.destroy()


def show_room(line: tk.Entry, view: ConnectionView) -> None:
    line.configure(state="normal" if view.can_send else "disabled")


def main(url: str | None, outbox: str | None) -> None:
    root = tk.Tk()
    app = Application.at(url, outbox=OutboxOptions(path=outbox))
    app.start()
    Window(root, TkLoop(root), app, is_kept=outbox is not None)
    root.mainloop()
    app.stop()


if __name__ == "__main__":
    try:
        url, outbox, *_ = *sys.argv[1:], None, None
        main(url, outbox)
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
