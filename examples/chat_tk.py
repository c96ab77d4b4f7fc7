"""A chat with panels in tkinter: chats, bubbles with names and times, search, panels, and the connection, in light or dark.

reactive-ws hub --port 8000 & python examples/chat_tk.py ws://127.0.0.1:8000/ws
A file as second argument keeps what you write: `python examples/chat_tk.py URL outbox.db`; `light` or `dark` as last argument sets
the colours. Keys: Tab, arrows and Return choose a chat, Control-n makes one, Control-f searches. Control-Next and Control-Prior turn
the panels. Arrows choose a message, and Control-c copies it.
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
PAD, GAP, RADIUS = 12, 10, 14
"""Pixels: around the text of a bubble, between two bubbles, and of its corners."""


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
    """A canvas that shows messages as bubbles. It draws those again that have changed, and what is below them.

    What leaves at the top is deleted, and the others stay where they are: the region that scrolls begins lower.

    Arrow keys and clicks choose a message, Control-c copies its text, Next and Prior turn pages.
    """

    def __init__(self, ui: TkLoop, parent: tk.Misc, look: Look) -> None:
        self.look, self.chosen = look, ""
        self.canvas = canvas = tk.Canvas(parent, background=look.surface, takefocus=True)
        canvas.configure(highlightbackground=look.edge, highlightcolor=look.focus)
        canvas.configure(highlightthickness=1, yscrollincrement=4)
        self.shown, self.bottoms = tuple[ChatMessage, ...](), list[int]()
        self.top, self.gone = 0, 0
        self.following = FollowEnd(ui, canvas)
        canvas.bind("<Configure>", lambda _: self.draw(self.shown, 0), add="+")
        canvas.bind("<Button-1>", self.click)
        for keys, by in (("<Up>", -1), ("<Down>", 1)):
            canvas.bind(keys, partial(self.step, by))
        wheel = ("<Button-4>", -12), ("<Button-5>", 12)
        for keys, by in (("<Prior>", -100), ("<Next>", 100), *wheel):
            canvas.bind(keys, partial(self.scroll, by))
        canvas.bind("<MouseWheel>", lambda it: canvas.yview_scroll(-it.delta // 10, "units"))
        canvas.bind("<Control-c>", self.copy)

    @property
    def place(self) -> int:
        names = [it.id for it in self.shown]
        return names.index(self.chosen) if self.chosen in names else len(names)

    def tag(self, place: int) -> str:
        return f"message{self.gone + place}"

    def show(self, messages: Sequence[ChatMessage]) -> None:
        first = messages[0].id if messages else ""
        left = next((at for at, it in enumerate(self.shown) if it.id == first), 0)
        for place in range(left):
            self.canvas.delete(self.tag(place))
        if left:
            self.top, self.gone = self.bottoms[left - 1], self.gone + left
            self.shown, self.bottoms = self.shown[left:], self.bottoms[left:]
        pairs = enumerate(zip(self.shown, messages, strict=False))
        shorter = min(len(self.shown), len(messages))
        self.draw(messages, next((at for at, (old, new) in pairs if old != new), shorter))

    def draw(self, messages: Sequence[ChatMessage], same: int) -> None:
        """Draws the messages from the place `same` on."""
        for place in range(same, len(self.bottoms)):
            self.canvas.delete(self.tag(place))
        del self.bottoms[same:]
        self.shown = tuple(messages)
        for place in range(same, len(messages)):
            top = self.bottoms[-1] if self.bottoms else self.top + GAP
            self.bottoms.append(self.bubble(messages[place], self.tag(place), top) + GAP)
        end = self.bottoms[-1] if self.bottoms else self.top
        self.canvas.configure(scrollregion=(0, self.top, self.canvas.winfo_width(), end))
        self.following.changed()

    def bubble(self, message: ChatMessage, tag: str, top: int) -> int:
        """Draws one message below `top`; returns where it ends."""
        canvas, look, width = self.canvas, self.look, self.canvas.winfo_width()
        is_filled = message.is_own and not message.is_waiting
        ink = look.own_text if is_filled else look.text
        bottom, right = top + PAD // 2, 0
        pieces = [
            (message.head, SMALL),
            *((it, MONO if code else FONT) for it, code in message.blocks),
        ]
        for text, font in (*pieces, *[("▌", FONT)] * message.is_growing):
            inset = PAD if font is MONO else 0
            item = canvas.create_text(PAD + inset, bottom + inset // 2, text=text, font=font)
            canvas.itemconfigure(
                item, anchor="nw", fill=ink, tags=tag, width=width * 3 // 4 - 2 * PAD
            )
            _, upper, end, bottom = canvas.bbox(item)
            right = max(right, end + inset)
            if font is MONO:
                bottom += inset
                box = canvas.create_rectangle(
                    PAD, upper - inset // 2, end + inset, bottom - 2, width=0
                )
                canvas.itemconfigure(box, fill=look.code, tags=tag)
                canvas.itemconfigure(item, fill=look.text)
                canvas.tag_lower(box, item)
        ground = look.own if is_filled else look.waits if message.is_own else look.other
        edge = look.focus if message.id == self.chosen else look.own if message.is_own else ground
        dash = (5, 3) if message.is_waiting else ()
        box = canvas.create_polygon(*rounded(0, top, right + PAD, bottom + PAD // 2), smooth=True)
        canvas.itemconfigure(box, fill=ground, outline=edge, dash=dash, width=1.5, tags=tag)
        canvas.tag_lower(box, tag)
        canvas.move(tag, width - right - PAD - 14 if message.is_own else 14, 0)
        return bottom + PAD // 2

    def step(self, by: int, _: object) -> None:
        self.choose(self.place + by)

    def scroll(self, by: int, _: object) -> None:
        self.canvas.yview_scroll(by, "units")

    def choose(self, place: int) -> None:
        if self.shown:
            before, place = self.place, max(0, min(place, len(self.shown) - 1))
            self.chosen = self.shown[place].id
            self.draw(self.shown, min(before, place))
            top = self.bottoms[place - 1] if place else self.top
            height = self.bottoms[-1] - self.top
            first, last = (float(it) for it in self.canvas.yview())
            if not first <= (top - self.top) / height < last:
                self.canvas.yview_moveto((top - self.top) / height)

    def click(self, event: tk.Event) -> None:
        self.canvas.focus_set()
        y = self.canvas.canvasy(event.y)
        self.choose(next((at for at, bottom in enumerate(self.bottoms) if y < bottom), 0))

    def copy(self, _: object) -> None:
        if self.place < len(self.shown):
            self.canvas.clipboard_clear()
            self.canvas.clipboard_append(self.shown[self.place].text)


def rounded(left: int, top: int, right: int, bottom: int) -> list[int]:
    """The corners of a smooth polygon: a point that comes twice makes a straight line."""
    xs = (left, left + RADIUS, right - RADIUS, right)
    ys = (top, top + RADIUS, bottom - RADIUS, bottom)
    corners = [divmod(it, 10) for it in (10, 20, 30, 31, 32, 33, 23, 13, 3, 2, 1, 0)]
    return [
        it
        for x, y in corners
        for it in (xs[x], ys[y]) * (1 if (x in (0, 3)) == (y in (0, 3)) else 2)
    ]


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
            value = {"highlightThickness": "1", "highlightColor": look.focus}.get(option, look.edge)
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
        self.sessions = ttk.Treeview(root, show="tree", selectmode="browse")
        self.sessions.tag_configure("active", background=look.waits, font=(*FONT, "bold"))
        views = connection_view(ui, app.service)
        for column, weight in enumerate((2, 6, 3)):
            root.columnconfigure(column, weight=weight, uniform="columns")
        root.rowconfigure(2, weight=1)
        ConnectionBanner(ui, root, views).widget.grid(row=0, columnspan=3, sticky="ew")
        self.talk = Talk(ui, root, look)
        panel = tk.Label(root, background=look.surface, anchor="nw", justify="left", wraplength=230)
        panel.configure(padx=12, pady=10, highlightthickness=1, highlightbackground=look.edge)
        for column, widget in enumerate((self.sessions, self.talk.canvas, panel)):
            widget.grid(row=2, column=column, sticky="nsew", padx=6)
        self.texts: list[tk.StringVar] = []
        self.search = self.line(root, "Search")
        self.input = self.line(root, "Write a message, or: panel create Plan")
        turns = tk.Frame(root)
        self.button(root, "New chat", self.view.new_chat).grid(
            row=1, column=0, sticky="ew", padx=6, pady=8
        )
        self.search.grid(row=1, column=1, sticky="ew", padx=6)
        turns.grid(row=1, column=2, sticky="ew", padx=6)
        for name, by in (("← Panel", -1), ("Panel →", 1)):
            turn = self.button(turns, name, partial(self.view.turn, by))
            turn.pack(side="left", fill="x", expand=True, padx=2)
        self.input.grid(row=3, column=0, columnspan=3, sticky="ew", padx=6, pady=8)
        self.input.bind("<Return>", self.send)
        self.input.focus()
        status = ConnectionStatus(ui, root, views)
        status.widget.grid(row=4, columnspan=2, sticky="w", padx=6, pady=(0, 8))
        self.notice = tk.Label(root, foreground=look.notice, wraplength=300)
        self.notice.grid(row=4, column=2, sticky="e", padx=6)
        self.rows = TreeRows(
            *(ui, self.sessions, self.view.chats),
            key=lambda it: it.id,
            text=lambda it: f"{it.name}  ({it.unread})" if it.unread else it.name,
            tags=lambda it: ("active",) if it.is_active else (),
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
        ui.bind(self.view.messages, self.talk.canvas, lambda _, them: self.talk.show(them))
        ui.bind(views, self.input, show_room)

    def line(self, parent: tk.Misc, name: str) -> tk.Entry:
        """A line to write in; it shows its name while it is empty."""
        line = tk.Entry(parent, relief="flat", insertbackground=self.look.text, borderwidth=8)
        line.configure(background=self.look.surface, disabledbackground=self.look.back)
        hint = tk.Label(line, text=name, foreground=self.look.muted, background=self.look.surface)
        hint.bind("<Button-1>", lambda _: line.focus())

        def show_hint(*_: object) -> None:
            if line.get():
                hint.place_forget()
            else:
                hint.place(x=10, rely=0.5, anchor="w")

        text = tk.StringVar(line)
        text.trace_add("write", show_hint)
        # Tk forgets a variable that Python collects.
        self.texts.append(text)
        line.configure(textvariable=text)
        show_hint()
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
