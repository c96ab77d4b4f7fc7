"""A table of 100 000 rows in Qt, sorted and filtered, that a WebSocket changes all the time.

python examples/table_qt.py          (pip install reactive-ws[qt])
"""

import asyncio
import random
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Any

from msgspec import Struct, json
from PySide6 import QtCore, QtWidgets
from reactivex import operators as ops
from websockets.asyncio import server as sockets
from websockets.exceptions import ConnectionClosed

from reactive_ws import Envelope, JsonCodec, KeyedStore, Registry, Store, WebSocketService
from reactive_ws.gui import QtLoop
from reactive_ws.gui.qt import Column, TableModel
from reactive_ws.views import view

ROWS = 100_000
feed = Registry()


@feed.message("prices")
class Prices(Struct, frozen=True):
    changes: tuple[tuple[int, int], ...]  # key and price in cents


class Share(Struct, frozen=True):
    key: int
    price: int

    @property
    def name(self) -> str:
        return f"SHARE {self.key:06}"


async def send_prices(socket: sockets.ServerConnection, rate: int = 2_000) -> None:
    """Sends `rate` changes a second, twenty times a second."""
    rng = random.Random(1)
    with suppress(ConnectionClosed):
        while True:
            changes = [(rng.randrange(ROWS), rng.randrange(1_000_000)) for _ in range(rate // 20)]
            prices = {"type": "prices", "payload": {"changes": changes}}
            await socket.send(json.encode(prices).decode())
            await asyncio.sleep(0.05)


def serve() -> int:
    """Runs the feed in a thread; returns its port."""
    port: Future[int] = Future()

    async def run() -> None:
        async with sockets.serve(send_prices, "127.0.0.1", 0) as server:
            port.set_result(next(iter(server.sockets)).getsockname()[1])
            await server.wait_closed()

    Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    return port.result()


class Shares:
    """The state: the shares, what the user looks for, and the rows that show it."""

    def __init__(self, service: WebSocketService) -> None:
        self.all = KeyedStore({key: Share(key, key) for key in range(ROWS)}, domain=service.domain)
        self.text = Store("", name="text", domain=service.domain)
        by_price = view(self.all).sorted_by(lambda it: it.price, reverse=True)

        def rows(text: str) -> Any:
            return (by_price.where(lambda it: text in it.name) if text else by_price).select()

        self.rows = self.text.select().pipe(
            ops.map(rows), ops.switch_latest(), ops.replay(1), ops.ref_count()
        )
        service.on("prices", self.take)

    def take(self, message: Envelope[Any]) -> None:
        self.all.set_many({key: Share(key, price) for key, price in message.payload.changes})


class Window(QtWidgets.QWidget):
    def __init__(self, ui: QtLoop, shares: Shares) -> None:
        super().__init__(windowTitle=f"{ROWS:,} shares")
        self.resize(420, 480)
        columns = [
            Column[Share]("Share", lambda it: it.name),
            Column[Share]("Price", lambda it: f"{it.price / 100:,.2f}"),
        ]
        self.rows = TableModel(ui, QtCore, shares.rows, key=lambda it: it.key, columns=columns)
        self.table = QtWidgets.QTableView()
        self.table.setModel(self.rows.model)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.search = QtWidgets.QLineEdit(placeholderText="Search, such as 777")
        self.search.textEdited.connect(shares.text.set)
        self.count = QtWidgets.QLabel()
        counts = shares.rows.pipe(ops.map(len))
        ui.bind(counts, self.count, lambda label, count: label.setText(f"{count:,} rows"))
        layout = QtWidgets.QVBoxLayout(self)
        for widget in (self.search, self.table, self.count):
            layout.addWidget(widget)


if __name__ == "__main__":
    application = QtWidgets.QApplication([])
    service = WebSocketService(f"ws://127.0.0.1:{serve()}", codec=JsonCodec(feed))
    window = Window(QtLoop(QtCore), Shares(service))
    window.show()
    service.start()
    application.exec()
    service.stop()
