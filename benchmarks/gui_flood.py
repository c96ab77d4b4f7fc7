"""One label and many updates: what reaches the screen, how late, and what it costs the program and the writer.

python benchmarks/gui_flood.py tk|qt [--updates 100000]      (needs a display; QT_QPA_PLATFORM=offscreen will do for Qt)
python benchmarks/gui_flood.py cost                         (what a write costs, beside one with an observer that does nothing)

Three ways to bring a store to a label: ours; `observe_on` with the toolkit's stock reactivex scheduler (for Qt, whose stock
scheduler delivers nothing from a plain thread, with one queued signal per value); and a queue that is emptied once a frame.
Three loads: as fast as possible, 100 000 a second, and 20 000 a second with a setter of 200 us. Each value carries its time.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
from reactivex import operators as ops

from reactive_ws.engine.domain import Domain
from reactive_ws.gui import ManualLoop, QtLoop, TkLoop, UiLoop, conflate
from reactive_ws.state.store import Store

Value = tuple[int, float]
_FRAME = 0.016
_GIVE_UP = 60.0


@attrs.frozen
class Program:
    """A toolkit with a label."""

    ui: UiLoop
    label: Any
    write: Callable[[Any, str], object]
    stock: Callable[[Store[Value], Callable[[Value], None]], object]
    later: Callable[[float, Callable[[], None]], object]
    run_until: Callable[[Callable[[], bool]], None]


@attrs.frozen
class Load:
    """How many values, how many a second (0: as fast as possible), and what a setter costs in seconds."""

    name: str
    updates: int
    rate: float
    cost: float


def tk() -> Program:
    from tkinter import Label, Tk

    from reactivex.scheduler.mainloop import TkinterScheduler

    root = Tk()
    label = Label(root)
    label.pack()

    def run_until(is_over: Callable[[], bool]) -> None:
        def look() -> None:
            if is_over():
                root.quit()
            else:
                root.after(10, look)

        look()
        root.mainloop()

    return Program(
        TkLoop(root),
        label,
        lambda it, text: it.configure(text=text),
        lambda store, show: (
            store.select().pipe(ops.observe_on(TkinterScheduler(root))).subscribe(show)
        ),
        lambda seconds, function: root.after(round(seconds * 1000), function),
        run_until,
    )


def qt() -> Program:
    from PySide6 import QtCore, QtWidgets

    application = QtWidgets.QApplication([])
    label = QtWidgets.QLabel()
    label.show()

    class Sender(QtCore.QObject):
        came = QtCore.Signal(object)

    senders: list[Sender] = []

    def stock(store: Store[Value], show: Callable[[Value], None]) -> object:
        sender = Sender()
        senders.append(sender)
        sender.came.connect(show, QtCore.Qt.ConnectionType.QueuedConnection)
        return store.select().subscribe(sender.came.emit)

    def later(seconds: float, function: Callable[[], None]) -> object:
        QtCore.QTimer.singleShot(round(seconds * 1000), function)
        return None

    def run_until(is_over: Callable[[], bool]) -> None:
        loop = QtCore.QEventLoop()
        timer = QtCore.QTimer()
        timer.timeout.connect(lambda: loop.quit() if is_over() else None)
        timer.start(10)
        loop.exec()

    assert application is not None
    return Program(
        QtLoop(QtCore), label, lambda it, text: it.setText(text), stock, later, run_until
    )


@attrs.define
class Measure:
    """Times and counts of one run, taken on the UI thread."""

    writes: int = 0
    last: int = -1
    is_late: bool = False
    worst_staleness: float = 0.0
    longest_freeze: float = 0.0
    shown_after: float = 0.0
    produced_in: float = 0.0
    wakes: list[float] = attrs.field(factory=list[float])

    @property
    def longest_wake(self) -> float:
        """Seconds of processor time of the UI thread in the longest wake, setters included."""
        return max(self.wakes, default=0.0)

    @property
    def typical_wake(self) -> float:
        """The same in the median wake."""
        return statistics.median(self.wakes) if self.wakes else 0.0


def measure(program: Program, way: str, load: Load) -> Measure:
    it = Measure()
    stop_timing = _time_wakes(program.ui, it.wakes)
    store: Store[Value] = Store((-1, time.monotonic()), domain=Domain("flood"))
    started = time.monotonic()

    def show(value: Value) -> None:
        number, written = value
        program.write(program.label, str(number))
        if load.cost:
            end = time.perf_counter() + load.cost
            while time.perf_counter() < end:
                pass
        now = time.monotonic()
        if number >= 0:
            it.writes += 1
            it.worst_staleness = max(it.worst_staleness, now - written)
        it.last = number
        it.shown_after = now - started

    def produce() -> None:
        begin = time.monotonic()
        for number in range(load.updates):
            if load.rate:
                while (ahead := begin + number / load.rate - time.monotonic()) > 0:
                    time.sleep(min(ahead, 0.001))
            store.set((number, time.monotonic()))
        it.produced_in = time.monotonic() - begin

    def beat(before: float) -> None:
        now = time.monotonic()
        it.longest_freeze = max(it.longest_freeze, now - before - 0.005)
        if is_on:
            program.later(0.005, lambda: beat(now))

    is_on = True
    thread = threading.Thread(target=produce, daemon=True)
    subscription = _connect(program, way, store, show)
    started = time.monotonic()
    beat(started)
    thread.start()
    over = started + _GIVE_UP
    program.run_until(
        lambda: (not thread.is_alive() and it.last == load.updates - 1) or time.monotonic() > over
    )
    is_on = False
    it.is_late = it.last != load.updates - 1
    if hasattr(subscription, "dispose"):
        subscription.dispose()
    store.close()
    stop_timing()
    return it


def _time_wakes(ui: UiLoop, wakes: list[float]) -> Callable[[], None]:
    """Notes the processor time of each time the toolkit calls the loop, until the returned function is called."""
    run_posted, start_timer = ui.run_posted, ui.start_timer

    def timed(function: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            begin = time.thread_time()
            function()
            wakes.append(time.thread_time() - begin)

        return call

    def start(delay: float, function: Callable[[], None]) -> Callable[[], None]:
        return start_timer(delay, timed(function))

    ui.run_posted = timed(run_posted)  # type: ignore[method-assign]
    ui.start_timer = start  # type: ignore[method-assign]

    def stop() -> None:
        del ui.run_posted, ui.start_timer

    return stop


def _connect(program: Program, way: str, store: Store[Value], show: Callable[[Value], None]) -> Any:
    if way == "ours":
        return program.ui.bind(store, program.label, lambda _, value: show(value))
    if way == "stock":
        return program.stock(store, show)
    waiting: queue.SimpleQueue[Value] = queue.SimpleQueue()

    def drain() -> None:
        while not waiting.empty():
            show(waiting.get())
        program.later(_FRAME, drain)

    drain()
    return store.select().subscribe(waiting.put)


WAYS = {"ours": "`ui.bind`", "stock": "stock", "drain": "queue, emptied per frame"}


def costs(rounds: int = 60, writes: int = 20_000) -> tuple[list[float], list[float]]:
    """Returns nanoseconds of processor time per write with a no-op observer and with ours, of each of the interleaved rounds."""

    def writer(connect: Callable[[Store[int], UiLoop], object]) -> Callable[[], float]:
        store, ui = Store(0, domain=Domain("cost")), ManualLoop()
        connect(store, ui)
        store.set(-1)

        def round_of() -> float:
            begin = time.process_time()
            for number in range(writes):
                store.set(number)
            return (time.process_time() - begin) / writes * 1e9

        return round_of

    nothing = writer(lambda store, _: store.select().subscribe(lambda _: None))
    ours = writer(lambda store, ui: store.select().pipe(conflate(ui)).subscribe(lambda _: None))
    times = [(nothing(), ours()) for _ in range(rounds)]
    return [it[0] for it in times], [it[1] for it in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("toolkit", choices=["tk", "qt", "cost"])
    parser.add_argument("--updates", type=int, default=100_000)
    arguments = parser.parse_args()
    if arguments.toolkit == "cost":
        no_op, conflated = map(min, costs())
        print(
            f"no-op observer {no_op:.0f} ns, conflate {conflated:.0f} ns: {conflated / no_op:.3f} times"
        )
        return
    program = tk() if arguments.toolkit == "tk" else qt()
    most = arguments.updates
    loads = [
        Load("as fast as possible", most, 0.0, 0.0),
        Load("100 000 a second", most, 100_000.0, 0.0),
        Load("20 000 a second, setter of 200 us", most // 5, 20_000.0, 0.0002),
    ]
    print(
        "| load | way | writes | last value after | oldest value shown | longest freeze | writer took "
        "| UI processor time a wake, longest |"
    )
    print("| --- | --- | --: | --: | --: | --: | --: | --: |")
    for load in loads:
        for way, name in WAYS.items():
            it = measure(program, way, load)
            shown = f"{it.shown_after:.2f} s" if not it.is_late else f"not in {_GIVE_UP:.0f} s"
            print(
                f"| {arguments.toolkit}, {load.name} | {name} | {it.writes:,} | {shown} "
                f"| {it.worst_staleness * 1000:,.0f} ms | {it.longest_freeze * 1000:,.0f} ms "
                f"| {it.produced_in:.2f} s | {it.longest_wake * 1000:.1f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
