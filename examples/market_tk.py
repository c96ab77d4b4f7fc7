"""Live order books of an exchange in tkinter: a table that shows tens of thousands of updates a second, and stays smooth.

reactive-ws replay tests/data/coinbase-2021-04-17.jsonl.gz --port 8000 --speed max &
python examples/market_tk.py ws://127.0.0.1:8000/ws

Messages, dialect and stores are those of `market.py`; here is only what is on the screen.
"""

import sys
import tkinter as tk
from decimal import Decimal
from tkinter import ttk

import attrs
from market import PRODUCTS, Market, Subscribe, dialect

from reactive_ws import (
    ClosePolicy,
    ConnectionState,
    Derived,
    Domain,
    ReactiveWSError,
    WebSocketService,
    derived,
    derived_all,
)
from reactive_ws.gui import TkLoop, connection_view
from reactive_ws.gui.tk import ConnectionStatus, TreeRows

BACK, SURFACE, TEXT, MUTED = "#0f172a", "#111c33", "#e2e8f0", "#94a3b8"
FONT = ("DejaVu Sans Mono", 11)
COLUMNS = ("bid", "ask", "spread", "trades/s", "depth")
BAR = 24


@attrs.frozen
class Row:
    """One product as it is shown."""

    product: str
    bid: Decimal | None
    ask: Decimal | None
    spread: Decimal | None
    rate: float
    depth: tuple[int, int]

    @property
    def cells(self) -> tuple[str, ...]:
        prices = ("-" if it is None else f"{it:.8f}"[:10] for it in (self.bid, self.ask))
        spread = "-" if not self.spread or not self.ask else f"{self.spread / self.ask:.2%}"
        buyers = round(BAR * self.depth[0] / max(1, sum(self.depth)))
        bar = "▰" * buyers + "▱" * (BAR - buyers)
        return (*prices, spread, f"{self.rate:.1f}", bar)

    @property
    def look(self) -> str:
        return "quiet" if self.bid is None else "busy" if self.rate >= 0.5 else "usual"


class Window:
    """Everything on the screen."""

    def __init__(self, root: tk.Tk, ui: TkLoop, service: WebSocketService, market: Market) -> None:
        root.title("reactive-ws market")
        root.configure(background=BACK)
        root.geometry("960x420")
        style = ttk.Style(root)
        style.theme_use("clam")
        style.configure("Treeview", rowheight=30, background=SURFACE, foreground=TEXT, font=FONT)
        style.configure("Treeview", fieldbackground=SURFACE, bordercolor=BACK, lightcolor=BACK)
        style.configure("Heading", background=BACK, foreground=MUTED, font=FONT, relief="flat")
        self.table = ttk.Treeview(root, columns=COLUMNS, selectmode="browse")
        self.table.heading("#0", text="product", anchor="w")
        for name in COLUMNS:
            width = 250 if name == "depth" else 120
            self.table.heading(name, text=name, anchor="e" if width == 120 else "w")
            self.table.column(name, width=width, anchor="e" if width == 120 else "w")
        self.table.tag_configure("busy", foreground="#34d399")
        self.table.tag_configure("quiet", foreground="#64748b")
        self.table.pack(fill="both", expand=True, padx=10, pady=(10, 0))
        root.option_add("*background", BACK)
        root.option_add("*font", FONT)
        status = ConnectionStatus(ui, root, connection_view(ui, service)).widget
        status.pack(side="left", padx=10, pady=8)
        count = tk.Label(root, foreground=MUTED)
        count.pack(side="right", padx=10)

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
        received = service.metrics.select(lambda now: now.messages_received)
        ui.bind(received, count, lambda it, number: it.configure(text=f"{number:,} messages"))


def row_of(market: Market, product: str) -> Derived[Row]:
    """The row of a product, computed once per commit that concerns it."""
    bid, ask, spread, rate = market.row(product)
    depth = market.books.select_part(
        lambda books: (
            (len(books[product].bids), len(books[product].asks)) if product in books else (0, 0)
        )
    )
    return derived(bid, ask, spread, rate, depth, lambda *cells: Row(product, *cells))


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
