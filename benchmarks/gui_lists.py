"""A list of 200 rows in Qt that a WebSocket changes 12 000 times a second: how old its rows are, and how smooth the program stays.

QT_QPA_PLATFORM=offscreen python benchmarks/gui_lists.py [--rounds 5] [--seconds 4] [--rate 12000] [--rows 200] [--ways ours signals]

Ways from a socket in a background thread to a QListView. Each runs in a process of its own; the ways take turns, and a server
in a process of its own sends the same messages to each. All decode with msgspec and format a row in the same way.

    ours       `WebSocketService`, a `KeyedStore`, and a `ListModel` whose texts Qt holds; a second time at up to 240 frames a
               second, of which those above 60 take half of the UI thread at most; a third time over picows, the extra `fast`
    in python  the first of them with texts that the model asks for, row by row
    signals    a queued signal of Qt for each message, and one `dataChanged` for each
    psygnal    psygnal's queue for the main thread, and a `dataChanged` that superqt throttles to 60 a second
    stock      a queued signal for each message, and reactivex `buffer_with_time` on its stock `QtScheduler`, 60 times a second

Age: when the list paints, how long ago the server sent the newest message that it paints. On a screen: the age of the newest message
of the last picture, as the mean over all moments; a screen that takes a picture at any moment of its own shows this. Backlog: how many messages the server has
sent since. Freeze: how much later than planned a timer of 10 ms runs. The processor time is that of the whole client, in seconds a
second. "ours" paints at most 60 times a second; signals paint whenever Qt has time.
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
"""Seconds after the first paint before the others count."""
WAYS = ("ours", "ours, 240", "ours, picows", "ours, in python", "signals", "psygnal", "stock")


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


def ours_picows(url: str, view: Any, rows: int) -> Client:
    from reactive_ws.transport.picows import connect

    return ours(url, view, rows, connect=connect)


def ours_240(url: str, view: Any, rows: int) -> Client:
    return ours(url, view, rows, fps=240.0)


def ours_in_python(url: str, view: Any, rows: int) -> Client:
    return ours(url, view, rows, holds_texts=False)


def ours(
    url: str,
    view: Any,
    rows: int,
    *,
    fps: float = 60.0,
    holds_texts: bool = True,
    **options: Any,
) -> Client:
    from PySide6 import QtCore

    from reactive_ws import (
        Domain,
        Envelope,
        JsonCodec,
        KeyedStore,
        Registry,
        WebSocketService,
    )
    from reactive_ws.gui import QtLoop
    from reactive_ws.gui.qt import ListModel

    registry = Registry()
    registry.message("quote")(Quote)
    domain = Domain("lists")
    service = WebSocketService(
        url, domain=domain, codec=JsonCodec(registry), heartbeat=None, **options
    )
    quotes = KeyedStore({key: Quote(key, 0, 0.0) for key in range(rows)}, domain=domain)

    def take(quote: Quote) -> None:
        quotes.upsert(quote.key, quote)

    def take_run(run: Sequence[Envelope[Quote]]) -> None:
        quotes.set_many({it.payload.key: it.payload for it in run})

    service.on(Quote, take, run=take_run)
    ui = QtLoop(QtCore, fps=fps)
    # A mirror changes once a frame, so the rows are gathered once a frame too.
    stream = ui.mirror(quotes).select(lambda them: tuple(them.values()))
    model = ListModel(
        ui, QtCore, stream, key=lambda it: it.key, text=text_of, holds_texts=holds_texts
    )
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


CLIENTS = {
    "ours": ours,
    "ours, 240": ours_240,
    "ours, picows": ours_picows,
    "ours, in python": ours_in_python,
    "signals": signals,
    "psygnal": psygnal,
    "stock": stock,
}


def age_on_a_screen(paints: Sequence[tuple[float, float]]) -> float:
    """Returns the mean age of the newest message of the last picture, over all moments between the first and the last paint.

    Args:
        paints: When the list painted, and when the server had sent the newest message of that picture, in seconds.
    """
    total = 0.0
    for (since, sent), (until, _) in itertools.pairwise(paints):
        total += (until - since) * ((since + until) / 2.0 - sent)
    return total / (paints[-1][0] - paints[0][0])


def run_client(way: str, port: int, seconds: float, rows: int) -> None:
    """Shows the list for some seconds and prints what was measured, as JSON."""
    from PySide6 import QtCore, QtWidgets

    paints: list[tuple[float, float]] = []
    ages: list[float] = []
    freezes: list[float] = []
    first: dict[str, float] = {}
    client: Client | None = None
    program = QtWidgets.QApplication([])

    class View(QtWidgets.QListView):
        def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
            super().paintEvent(event)
            newest = None if client is None else client.newest()
            if newest is None or not newest.number:
                return
            now = time.monotonic()
            if not first:
                first.update(now=now, number=newest.number, cpu=time.process_time())
            elif now - first["now"] > WARM_UP + seconds:
                first["last"] = newest.number
                program.quit()
            elif now - first["now"] > WARM_UP:
                ages.append(now - newest.sent)
                paints.append((now, newest.sent))

    view = View()
    view.resize(300, 600)
    view.show()
    client = CLIENTS[way](f"ws://127.0.0.1:{port}/", view, rows)
    planned = time.monotonic() + 0.01

    def beat() -> None:
        nonlocal planned
        now = time.monotonic()
        if ages:
            freezes.append(max(0.0, now - planned))
        planned = now + 0.01
        timer.start(10)

    timer = QtCore.QTimer()
    timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
    timer.setSingleShot(True)
    timer.timeout.connect(beat)
    timer.start(10)
    program.exec()
    cpu, spent = time.process_time() - first["cpu"], time.monotonic() - first["now"]
    client.stop()
    found = {
        "age": statistics.median(ages),
        "screen": age_on_a_screen(paints),
        "oldest": max(ages),
        "freeze": statistics.quantiles(freezes, n=100, method="inclusive")[98],
        "longest": max(freezes),
        "shown": (first["last"] - first["number"]) / spent,
        "paints": len(ages) / seconds,
        "cpu": cpu / spent,
    }
    print(json.dumps(found), flush=True)
    # What waits in Qt's queue must not be delivered to a program that has ended.
    sys.stdout.flush()
    os._exit(0)


# --- the table --------------------------------------------------------------------------------------------------------


def measure(
    ways: Sequence[str], rounds: int, seconds: float, rate: float, rows: int
) -> dict[str, dict[str, float]]:
    """Returns the medians of all rounds for each way."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    command = [sys.executable, __file__, "--rate", str(rate), "--rows", str(rows)]
    with subprocess.Popen([*command, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            for number in range(rounds):
                # Each way begins a round in turn.
                for way in itertools.islice(itertools.cycle(ways), number, number + len(ways)):
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
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
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
            "| way | messages a second | paints a second | age | on a screen | oldest | backlog | freeze, 99 % | longest | processor |"
        )
        print("| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |")
        for way, row in measure(it.ways, it.rounds, it.seconds, it.rate, it.rows).items():
            print(
                f"| {way} | {row['shown']:,.0f} | {row['paints']:.0f} | {row['age'] * 1e3:,.1f} ms "
                f"| {row['screen'] * 1e3:,.1f} ms | {row['oldest'] * 1e3:,.0f} ms "
                f"| {row['age'] * it.rate:,.0f} | {row['freeze'] * 1e3:,.1f} ms | {row['longest'] * 1e3:,.0f} ms "
                f"| {row['cpu']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
