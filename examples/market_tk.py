"""Live order books of an exchange in tkinter: a table, and the depth of the chosen book, drawn at most 60 times a second.

reactive-ws replay tests/data/coinbase-2021-04-17.jsonl.gz --port 8000 --speed max &
python examples/market_tk.py ws://127.0.0.1:8000/ws

Arrow keys in the table choose a book. Whatever the feed sends, a frame draws the newest state once: thousands of updates a second
keep the window smooth. Messages, dialect and stores are those of `market.py`; here is only what is on the screen.
"""

import sys
import tkinter as tk
from decimal import Decimal
from tkinter import ttk

import attrs
from market import PRODUCTS, Book, Level, Market, Subscribe, dialect
from reactivex import operators as ops

from reactive_ws import (
    ClosePolicy,
    ConnectionState,
    Derived,
    Domain,
    ReactiveWSError,
    Selection,
    Store,
    WebSocketService,
    derived,
    derived_all,
)
from reactive_ws.gui import TkLoop, connection_view
from reactive_ws.gui.tk import ConnectionStatus, TreeRows

BACK, SURFACE, TEXT, MUTED = "#0f172a", "#111c33", "#e2e8f0", "#94a3b8"
FONT = ("DejaVu Sans Mono", 11)
BUYERS, SELLERS, LINE = "#34d399", "#f87171", "#334155"
COLUMNS = ("bid", "ask", "spread", "trades/s")
LEVELS = 40
"""Levels of each side that the chart shows."""


@attrs.frozen
class Row:
    """One product as it is shown."""

    product: str
    bid: Decimal | None
    ask: Decimal | None
    spread: Decimal | None
    rate: float

    @property
    def cells(self) -> tuple[str, ...]:
        prices = ("-" if it is None else f"{it:.8f}"[:10] for it in (self.bid, self.ask))
        spread = "-" if not self.spread or not self.ask else f"{self.spread / self.ask:.2%}"
        return (*prices, spread, f"{self.rate:.1f}")

    @property
    def look(self) -> str:
        return "quiet" if self.bid is None else "busy" if self.rate >= 0.5 else "usual"


class Depth:
    """The depth of a book as two areas: how much is bid and asked up to each price."""

    def __init__(self, parent: tk.Misc) -> None:
        self.canvas = tk.Canvas(parent, height=200, background=SURFACE, highlightthickness=0)
        self.areas = [
            self.canvas.create_polygon(0, 0, 0, 0, fill=mixed(it), outline=it, width=1.5)
            for it in (BUYERS, SELLERS)
        ]
        self.middle = self.canvas.create_line(0, 0, 0, 0, fill=LINE, dash=(4, 4))
        self.title = self.canvas.create_text(12, 10, anchor="nw", fill=TEXT, font=FONT)
        self.ends = [
            self.canvas.create_text(0, 0, anchor=anchor, fill=MUTED, font=FONT)
            for anchor in ("sw", "se")
        ]
        self.shown: tuple[str, Book] = ("", Book())
        self.canvas.bind("<Configure>", lambda _: self.draw(self.shown))

    def draw(self, shown: tuple[str, Book]) -> None:
        """Moves the items of the canvas; none is made or deleted."""
        self.shown, canvas = shown, self.canvas
        name, book = shown
        width, height = canvas.winfo_width(), canvas.winfo_height()
        sides = [steps(book.bids), steps(book.asks)]
        canvas.itemconfigure(self.title, text=name if all(sides) else f"{name}  no orders yet")
        if not all(sides):
            sides = [[(0.0, 0.0)], [(1.0, 0.0)]]
        low, high = sides[0][-1][0], sides[1][-1][0]
        most = max(side[-1][1] for side in sides) or 1.0

        def point(price: float, size: float) -> tuple[float, float]:
            x = (price - low) / ((high - low) or 1.0) * width
            return x, height - 24 - size / most * (height - 64)

        for area, side in zip(self.areas, sides, strict=True):
            corners = [point(side[0][0], 0.0)]
            before = 0.0
            for price, size in side:
                corners += [point(price, before), point(price, size)]
                before = size
            canvas.coords(area, *(it for xy in (*corners, point(side[-1][0], 0.0)) for it in xy))
        x, _ = point((sides[0][0][0] + sides[1][0][0]) / 2, 0.0)
        canvas.coords(self.middle, x, 36, x, height - 24)
        for end, at, price in zip(self.ends, (12, width - 12), (low, high), strict=True):
            canvas.coords(end, at, height - 4)
            canvas.itemconfigure(end, text=f"{price:.8g}")


def steps(levels: tuple[Level, ...]) -> list[tuple[float, float]]:
    """Prices from the best on, each with the amount up to it."""
    found: list[tuple[float, float]] = []
    amount = 0.0
    for price, size in levels[:LEVELS]:
        amount += float(size)
        found.append((float(price), amount))
    return found


def mixed(colour: str) -> str:
    """A colour mixed with three parts of the surface, because areas of a canvas are not transparent."""
    parts = zip(bytes.fromhex(colour[1:]), bytes.fromhex(SURFACE[1:]), strict=True)
    return "#" + bytes((a + 3 * b) // 4 for a, b in parts).hex()


class Window:
    """Everything on the screen."""

    def __init__(self, root: tk.Tk, ui: TkLoop, service: WebSocketService, market: Market) -> None:
        root.title("reactive-ws market")
        root.configure(background=BACK)
        root.geometry("900x640")
        style = ttk.Style(root)
        style.theme_use("clam")
        style.configure("Treeview", rowheight=30, background=SURFACE, foreground=TEXT, font=FONT)
        style.map("Treeview", background=[("selected", "#1e3a8a")])
        style.configure("Treeview", fieldbackground=SURFACE, bordercolor=BACK, lightcolor=BACK)
        style.configure("Heading", background=BACK, foreground=MUTED, font=FONT, relief="flat")
        # Without the arrow of a tree, names stand below their heading.
        style.layout("Treeview.Item", [("Treeitem.text", {"side": "left", "sticky": "w"})])
        self.table = ttk.Treeview(root, columns=COLUMNS, selectmode="browse")
        self.table.heading("#0", text="product", anchor="w")
        for name in COLUMNS:
            self.table.heading(name, text=name, anchor="e")
            self.table.column(name, width=130, minwidth=110, anchor="e")
        self.table.tag_configure("busy", foreground=BUYERS)
        self.table.tag_configure("quiet", foreground=MUTED)
        root.option_add("*background", BACK)
        root.option_add("*font", FONT)
        # What is packed first keeps its room in a small window.
        foot = tk.Frame(root)
        foot.pack(side="bottom", fill="x", padx=10, pady=8)
        status = ConnectionStatus(ui, foot, connection_view(ui, service)).widget
        status.pack(side="left")
        count = tk.Label(foot, foreground=MUTED)
        count.pack(side="right")
        self.depth = Depth(root)
        self.depth.canvas.pack(side="bottom", fill="both", expand=True, padx=10, pady=(8, 0))
        self.table.pack(fill="both", padx=10, pady=(10, 0))
        self.chosen = Store(PRODUCTS[0], domain=market.books.domain)
        self.table.bind("<<TreeviewSelect>>", self.choose)

        rows = derived_all([row_of(market, product) for product in PRODUCTS], tuple)
        self.rows = TreeRows(
            ui,
            self.table,
            ui.mirror(rows).select(),
            key=lambda row: row.product,
            text=lambda row: row.product,
            values=lambda row: row.cells,
            tags=lambda row: (row.look,),
        )

        def book_of(product: str) -> Selection[tuple[str, Book]]:
            return market.books.select_part(lambda them: (product, them.get(product) or Book()))

        book = self.chosen.select().pipe(ops.map(book_of), ops.switch_latest())
        ui.bind(book, self.depth, lambda it, shown: it.draw(shown), until=self.depth.canvas)
        # Arrow keys move from the row that has the focus.
        first = self.table.get_children()[0]
        self.table.selection_set(first)
        self.table.focus(first)
        self.table.focus_set()
        received = service.metrics.select(lambda now: now.messages_received)
        ui.bind(received, count, lambda it, number: it.configure(text=f"{number:,} messages"))

    def choose(self, _: object) -> None:
        if chosen := self.table.selection():
            self.chosen.set(self.table.item(chosen[0], "text"))


def row_of(market: Market, product: str) -> Derived[Row]:
    """The row of a product, computed once per commit that concerns it."""
    bid, ask, spread, rate = market.row(product)
    return derived(bid, ask, spread, rate, lambda *cells: Row(product, *cells))


def main(url: str) -> None:
    domain = Domain("market")
    policy = ClosePolicy(stop_on_normal_close=True)
    service = WebSocketService(url, domain=domain, dialect=dialect, policy=policy, heartbeat=None)
    market = Market(service, domain)

    def connection_changed(state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            service.send(Subscribe(PRODUCTS))

    service.connection.select(lambda now: now.state).subscribe(connection_changed)
    root = tk.Tk()
    Window(root, TkLoop(root), service, market)
    service.start()
    root.mainloop()
    service.stop()


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8000/ws")
    except ReactiveWSError as mistake:
        sys.exit(f"market: {mistake}")
