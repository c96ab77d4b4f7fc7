"""A list of 200 rows in Qt that a WebSocket changes 12 000 times a second: how old its rows are, and how smooth the program stays.

QT_QPA_PLATFORM=offscreen python benchmarks/gui_lists.py [--rounds 5] [--seconds 4] [--rate 12000] [--rows 200]

Four ways from a socket in a background thread to a QListView. Each runs in a process of its own; the ways take turns, and a server
in a process of its own sends the same messages to each. All decode with msgspec and format a row in the same way.

    ours       `WebSocketService`, a `KeyedStore`, and a `ListModel`
    signals    a queued signal of Qt for each message, and one `dataChanged` for each
    psygnal    psygnal's queue for the main thread, and a `dataChanged` that superqt throttles to 60 a second
    stock      a queued signal for each message, and reactivex `buffer_with_time` on its stock `QtScheduler`, 60 times a second

Age: every 10 ms the UI thread looks at the model; the age is the time since the server sent the newest message that the model shows.
Backlog: how many messages the server had sent by then and the model did not show. Freeze: how much later than planned the timer
of these looks ran. The processor time is that of the whole client.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import msgspec

ROWS = 200
WARM_UP = 1.0
"""Seconds before the first look counts."""
WAYS = ("ours", "signals", "psygnal", "stock")


class Quote(msgspec.Struct, frozen=True):
    """One message: the row, its number from the start on, and when the server sent it."""

    key: int
    number: int
    sent: float


class Frame(msgspec.Struct, frozen=True):
    """The envelope."""

    type: str
    payload: Quote


def text_of(quote: Quote) -> str:
    return f"row {quote.key:03}   {quote.number:>9,}"


# --- the server -------------------------------------------------------------------------------------------------------


def serve(rate: float, rows: int) -> None:
    """Sends `rate` messages a second to each client, a thousand times a second, until it is killed."""
    from websockets.asyncio.server import ServerConnection, serve

    async def feed(connection: ServerConnection) -> None:
        transport = connection.transport
        began = time.monotonic()
        number = 0
        while not transport.is_closing():
            now = time.monotonic()
            wanted = int((now - began) * rate)
            frames: list[bytes] = []
            for at in range(number, wanted):
                payload = f'{{"key":{at % rows},"number":{at},"sent":{now:.6f}}}'
                text = f'{{"type":"quote","payload":{payload}}}'.encode()
                # One unmasked text frame, RFC 6455, section 5.2; a text of these is shorter than 126 bytes.
                frames.append(bytes((0x81, len(text))) + text)
            number = wanted
            try:
                transport.write(b"".join(frames))
            except RuntimeError:
                # The client is closing the connection.
                return
            await asyncio.sleep(0.001)

    async def main() -> None:
        async with serve(feed, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
            print(next(iter(server.sockets)).getsockname()[1], flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())


# --- the clients ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Client:
    """A list on the screen: the rows as the model has them, and what ends it."""

    newest: Callable[[], Quote | None]
    stop: Callable[[], None]


def ours(url: str, view: Any, rows: int) -> Client:
    from PySide6 import QtCore

    from reactive_ws import Domain, Envelope, JsonCodec, KeyedStore, Registry, WebSocketService
    from reactive_ws.gui import QtLoop
    from reactive_ws.gui.qt import ListModel

    registry = Registry()
    registry.message("quote")(Quote)
    domain = Domain("lists")
    service = WebSocketService(url, domain=domain, codec=JsonCodec(registry), heartbeat=None)
    quotes = KeyedStore({key: Quote(key, 0, 0.0) for key in range(rows)}, domain=domain)

    def take(quote: Quote) -> None:
        quotes.upsert(quote.key, quote)

    def take_run(run: Sequence[Envelope[Quote]]) -> None:
        quotes.set_many({it.payload.key: it.payload for it in run})

    service.on(Quote, take, run=take_run)
    stream = quotes.select_part(lambda them: tuple(them.values()))
    model = ListModel(QtLoop(QtCore), QtCore, stream, key=lambda it: it.key, text=text_of)
    model.show_in(view, is_uniform=True)
    service.start()
    return Client(lambda: max(model, key=lambda it: it.number), service.stop)


def _receive(url: str, take: Callable[[Quote], object]) -> Callable[[], None]:
    """Calls `take` with each message, in a thread of its own, until the returned function is called."""
    from websockets.asyncio.client import connect

    decoder = msgspec.json.Decoder(Frame)
    is_over = threading.Event()

    async def run() -> None:
        async with connect(url, ping_interval=None, compression=None) as connection:
            async for text in connection:
                take(decoder.decode(text).payload)
                if is_over.is_set():
                    return

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()

    def stop() -> None:
        is_over.set()
        thread.join(5.0)

    return stop


def _plain_model(view: Any, rows: int) -> tuple[Any, list[Quote]]:
    """Returns a list model as one writes it by hand, and its rows."""
    from PySide6 import QtCore

    quotes = [Quote(key, 0, 0.0) for key in range(rows)]

    class Model(QtCore.QAbstractListModel):
        def rowCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt's name
            del parent
            return len(quotes)

        def data(self, index: Any, role: int = 0) -> object:
            return text_of(quotes[index.row()]) if role == 0 else None

    model = Model()
    view.setUniformItemSizes(True)
    view.setModel(model)
    return model, quotes


def _newest(quotes: list[Quote]) -> Quote:
    return max(quotes, key=lambda it: it.number)


def signals(url: str, view: Any, rows: int) -> Client:
    from PySide6 import QtCore

    model, quotes = _plain_model(view, rows)

    class Sender(QtCore.QObject):
        came = QtCore.Signal(object)

    def show(quote: Quote) -> None:
        quotes[quote.key] = quote
        index = model.index(quote.key)
        model.dataChanged.emit(index, index)

    sender = Sender(view)
    sender.came.connect(show, QtCore.Qt.ConnectionType.QueuedConnection)
    return Client(lambda: _newest(quotes), _receive(url, sender.came.emit))


def psygnal(url: str, view: Any, rows: int) -> Client:
    from psygnal import Signal
    from psygnal.qt import start_emitting_from_queue
    from superqt.utils import qthrottled

    model, quotes = _plain_model(view, rows)

    class Feed:
        came = Signal(object)

    @qthrottled(timeout=16)
    def paint() -> None:
        model.dataChanged.emit(model.index(0), model.index(rows - 1))

    def show(quote: Quote) -> None:
        quotes[quote.key] = quote
        paint()

    feed = Feed()
    feed.came.connect(show, thread="main")
    start_emitting_from_queue()
    return Client(lambda: _newest(quotes), _receive(url, feed.came.emit))


def stock(url: str, view: Any, rows: int) -> Client:
    from PySide6 import QtCore
    from reactivex import Subject
    from reactivex import operators as ops
    from reactivex.scheduler.mainloop import QtScheduler

    model, quotes = _plain_model(view, rows)
    # From another thread this scheduler delivers nothing, so a signal brings each message to it.
    came: Subject[Quote] = Subject()

    class Sender(QtCore.QObject):
        came = QtCore.Signal(object)

    def show(batch: list[Quote]) -> None:
        for quote in batch:
            quotes[quote.key] = quote
        if batch:
            model.dataChanged.emit(model.index(0), model.index(rows - 1))

    sender = Sender(view)
    sender.came.connect(came.on_next, QtCore.Qt.ConnectionType.QueuedConnection)
    came.pipe(ops.buffer_with_time(1 / 60, scheduler=QtScheduler(QtCore))).subscribe(show)
    return Client(lambda: _newest(quotes), _receive(url, sender.came.emit))


CLIENTS = {"ours": ours, "signals": signals, "psygnal": psygnal, "stock": stock}


def run_client(way: str, port: int, seconds: float, rows: int) -> None:
    """Shows the list for some seconds and prints what was measured, as JSON."""
    from PySide6 import QtCore, QtWidgets

    program = QtWidgets.QApplication([])
    view = QtWidgets.QListView()
    view.resize(300, 600)
    view.show()
    client = CLIENTS[way](f"ws://127.0.0.1:{port}/", view, rows)
    ages: list[float] = []
    freezes: list[float] = []
    state: dict[str, float] = {"planned": time.monotonic() + WARM_UP, "number": 0, "cpu": 0.0}

    def look() -> None:
        now = time.monotonic()
        newest = client.newest()
        if newest is not None and newest.number:
            if not ages:
                state["cpu"] = time.process_time()
                state["began"] = now
                state["number"] = newest.number
            freezes.append(max(0.0, now - state["planned"]))
            ages.append(now - newest.sent)
        state["planned"] = now + 0.01
        if ages and now - state["began"] > seconds:
            state["shown"] = (newest.number if newest else 0) - state["number"]
            program.quit()
        else:
            timer.start(10)

    timer = QtCore.QTimer()
    timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
    timer.setSingleShot(True)
    timer.timeout.connect(look)
    timer.start(round(1_000 * WARM_UP))
    program.exec()
    cpu, spent = time.process_time() - state["cpu"], time.monotonic() - state["began"]
    client.stop()
    found = {
        "age": statistics.median(ages),
        "oldest": max(ages),
        "freeze": statistics.quantiles(freezes, n=100, method="inclusive")[98],
        "longest": max(freezes),
        "shown": state["shown"] / spent,
        "cpu": cpu / spent,
    }
    print(json.dumps(found), flush=True)
    # What waits in Qt's queue must not be delivered to a program that has ended.
    sys.stdout.flush()
    os._exit(0)


# --- the table --------------------------------------------------------------------------------------------------------


def measure(rounds: int, seconds: float, rate: float, rows: int) -> dict[str, dict[str, float]]:
    """Returns the medians of all rounds for each way."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    command = [sys.executable, __file__, "--rate", str(rate), "--rows", str(rows)]
    with subprocess.Popen([*command, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            for number in range(rounds):
                # Each way begins a round in turn.
                for way in itertools.islice(itertools.cycle(WAYS), number, number + len(WAYS)):
                    done = subprocess.run(
                        [*command, "--client", way, "--port", port, "--seconds", str(seconds)],
                        capture_output=True,
                        text=True,
                        check=False,
                    )
                    if done.returncode:
                        sys.exit(f"{way} ended with {done.returncode}:\n{done.stderr[-2_000:]}")
                    found[way].append(json.loads(done.stdout.splitlines()[-1]))
        finally:
            server.kill()
    return {
        way: {name: statistics.median(it[name] for it in them) for name in them[0]}
        for way, them in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=float, default=12_000.0)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    it = parser.parse_args()
    if it.serve:
        serve(it.rate, it.rows)
    elif it.client:
        run_client(it.client, it.port, it.seconds, it.rows)
    else:
        print(
            "| way | messages a second | age | oldest | backlog | freeze, 99 % | longest | processor |"
        )
        print("| --- | --: | --: | --: | --: | --: | --: | --: |")
        for way, row in measure(it.rounds, it.seconds, it.rate, it.rows).items():
            print(
                f"| {way} | {row['shown']:,.0f} | {row['age'] * 1e3:,.0f} ms | {row['oldest'] * 1e3:,.0f} ms "
                f"| {row['age'] * it.rate:,.0f} | {row['freeze'] * 1e3:,.1f} ms | {row['longest'] * 1e3:,.0f} ms "
                f"| {row['cpu']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
