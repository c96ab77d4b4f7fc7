"""A chat with panels in tkinter: sessions, messages with their delivery, panels, and the connection.

reactive-ws hub --port 8000 & python examples/chat_tk.py ws://127.0.0.1:8000/ws
The service lives in a thread of its own; a `TkLoop` shows its stores, so nothing here waits or locks.
"""

import sys
import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

import reactivex as rx
from reactivex import operators as ops

from reactive_ws import DeliveryStatus, ReactiveWSError, Selection
from reactive_ws.gui import TkLoop, connection_view
from reactive_ws.gui.tk import ConnectionBanner, ConnectionStatus, TreeRows
from reactive_ws.stores import Application, Entry
from reactive_ws.stores.wire import Panel, Session

BACK, SURFACE, TEXT, MUTED, OWN = "#0f172a", "#111c33", "#e2e8f0", "#94a3b8", "#7dd3fc"
FONT = ("DejaVu Sans", 10)
COLUMNS = (("CHATS", 2), ("MESSAGES", 6), ("PANELS", 3))
WORDS = ("◷ queued", "◷ queued", "✓ sent", "✓✓ delivered", "✕ failed", "? uncertain")
MARKS = dict(zip(DeliveryStatus, WORDS, strict=True))  # in the order of DeliveryStatus


class Talk:
    """A text widget that shows messages; what did not change since the last frame is not touched."""

    def __init__(self, parent: tk.Misc) -> None:
        self.text = tk.Text(parent, wrap="word", background=SURFACE, relief="flat", padx=12)
        self.text.tag_configure("own", justify="right", foreground=OWN)
        self.text.tag_configure("waiting", justify="right", foreground=MUTED)
        self.text.tag_configure("other", justify="left", rmargin=80)
        self.shown, self.starts = tuple[Entry, ...](), list[str]()

    def show(self, entries: Sequence[Entry]) -> None:
        text = self.text
        is_at_end = text.yview()[1] >= 1.0
        pairs = enumerate(zip(self.shown, entries, strict=False))
        shorter = min(len(self.shown), len(entries))
        same = next((number for number, (old, new) in pairs if old != new), shorter)
        text.configure(state="normal", highlightthickness=0)
        if same < len(self.starts):
            text.delete(self.starts[same], "end-1c")
            del self.starts[same:]
        for entry in entries[same:]:
            self.starts.append(text.index("end-1c"))
            text.insert("end", *line(entry))
        text.configure(state="disabled")
        self.shown = tuple(entries)
        text.see("end" if is_at_end else "@0,0")


def line(entry: Entry) -> tuple[str, str]:
    """A message as it is shown, and its look."""
    if entry.status is None:
        return f"{entry.content}{' ▌' if entry.is_growing else ''}\n\n", "other"
    is_waiting = entry.status in (DeliveryStatus.QUEUED, DeliveryStatus.STORED)
    return f"{entry.content}\n{MARKS[entry.status]}\n\n", "waiting" if is_waiting else "own"


def rows_of(app: Application) -> Selection[tuple[tuple[Session, bool], ...]]:
    state = app.sessions.state
    return state.select(lambda now: tuple((it, it.id == now.active_id) for it in now.sessions))


def title(row: tuple[Session, bool]) -> str:
    return f"{'▸' if row[1] else ' '} {row[0].title or 'Chat'}"


def entries_of(app: Application) -> rx.Observable[tuple[Entry, ...]]:
    def of(session_id: str | None) -> rx.Observable[tuple[Entry, ...]]:
        return rx.of(()) if session_id is None else app.history.select_last(session_id, 200)

    active_id = app.sessions.state.select(lambda state: state.active_id)
    return active_id.pipe(ops.map(of), ops.switch_latest())


class Window:
    """Everything on the screen."""

    def __init__(self, root: tk.Tk, ui: TkLoop, app: Application) -> None:
        self.app = app
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
        style.map("Treeview", background=[("selected", "#1e3a8a")])
        views = connection_view(ui, app.service)
        for column, (name, weight) in enumerate(COLUMNS):
            root.columnconfigure(column, weight=weight, uniform="columns")
            tk.Label(root, text=name, foreground=MUTED).grid(row=1, column=column, pady=6)
        root.rowconfigure(2, weight=1)
        ConnectionBanner(ui, root, views).widget.grid(row=0, columnspan=3, sticky="ew")
        self.sessions = ttk.Treeview(root, show="tree", selectmode="browse")
        self.talk = Talk(root)
        panels = tk.Label(root, background=SURFACE, wraplength=220)
        panels.configure(anchor="nw", justify="left", padx=12, pady=8)
        for column, widget in enumerate((self.sessions, self.talk.text, panels)):
            widget.grid(row=2, column=column, sticky="nsew", padx=6)
        self.input = tk.Entry(root, background="#1e293b", relief="flat", insertbackground=TEXT)
        self.input.configure(highlightthickness=1, highlightcolor="#38bdf8")
        self.input.grid(row=3, column=0, columnspan=3, sticky="ew", padx=6, pady=8, ipady=8)
        self.input.bind("<Return>", self.send)
        self.input.focus()
        ConnectionStatus(ui, root, views).widget.grid(row=4, columnspan=3, sticky="w", pady=6)
        self.rows = TreeRows(ui, self.sessions, rows_of(app), key=lambda it: it[0].id, text=title)
        self.sessions.bind("<ButtonRelease-1>", self.activate)
        ui.bind(app.carousel.panels, panels, lambda it, them: it.configure(text=_panel_text(them)))
        ui.bind(entries_of(app), self.talk.text, lambda _, them: self.talk.show(them))

    def activate(self, _: object) -> None:
        if row := self.sessions.focus():
            self.app.sessions.activate(self.rows.item_of(row)[0].id)

    def send(self, _: object) -> None:
        if text := self.input.get().strip():
            active = self.app.sessions.state.get().active or self.app.sessions.create("First chat")
            self.app.history.send(active.id, text)
            self.input.delete(0, "end")


def _panel_text(panels: Sequence[Panel]) -> str:
    return "\n\n".join(f"▣ {it.title}\n{it.data.get('text') or '…'}" for it in panels)


def main(url: str | None) -> None:
    root = tk.Tk()
    app = Application.at(url)
    app.start()
    Window(root, TkLoop(root), app)
    root.mainloop()
    app.stop()


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else None)
    except ReactiveWSError as mistake:
        sys.exit(f"chat: {mistake}")
