"""Processor time of a window with everything bound while nothing happens, in seconds of processor time a minute, for each toolkit.

xvfb-run -a -s "-screen 0 1280x1024x24 -noreset" env QT_QPA_PLATFORM=offscreen GSK_RENDERER=cairo GDK_BACKEND=x11 \\
    python benchmarks/gui_idle.py [qt tk textual gtk wx]

Without -noreset the X server restarts after its first client and refuses others meanwhile.

Each window has the banner, three pills, the indicator, a list of 200 messages, a list of chats and an input line bound to
`can_send`. It is connected to a real hub in a process of its own, with heartbeats. The measurement begins when the connection is
older than a minute and lasts a minute; the processor time is that of the whole program, service and interpreter included. All toolkits
run side by side, each in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reactive_ws.gui import connection_view
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatView

AGE = 65.0
"""Seconds of the connection at which the measurement begins."""
SPAN = 60.0
"""Seconds of the measurement."""
DETAILS = ("full", "compact", "metrics")
MESSAGES = 100
"""Each gets an answer."""


class Meter:
    """Prints what the span cost, as JSON, and ends the program."""

    def __init__(self, ui: Any, app: Application, leave: Callable[[], object]) -> None:
        self.ui, self.app, self.leave = ui, app, leave
        self.since, self.seen = 0.0, 0.0
        ui.later(0.1, self.fill)

    def fill(self) -> None:
        """Writes messages when the connection is there, and waits for their answers."""
        if not self.app.service.is_connected:
            self.ui.later(0.1, self.fill)
            return
        chat = self.app.sessions.create("Idle")
        for number in range(MESSAGES // 2):
            self.app.history.send(chat.id, f"message {number}")
        self.ui.later(0.5, self.begin)

    def begin(self) -> None:
        """Begins when all answers came and the connection is old enough: a busy machine takes its time for both."""
        service, now = self.app.service, time.monotonic()
        since = service.connection.get().since
        if since != self.since or not service.is_connected or service.outbox.get().entries:
            self.since, self.seen = since, now
        if now - self.seen < AGE:
            self.ui.later(0.5, self.begin)
            return
        self.frames = self.ui.frame.number
        self.cpu, self.start = time.process_time(), time.monotonic()
        self.ui.later(SPAN, self.end)

    def end(self) -> None:
        spent = time.monotonic() - self.start
        found = {
            "cpu": (time.process_time() - self.cpu) * 60.0 / spent,
            "frames": self.ui.frame.number - self.frames,
        }
        if self.app.service.connection.get().since != self.since:
            # A connection that was lost meanwhile painted more than one at rest does.
            self.ui.later(0.5, self.begin)
            return
        print(json.dumps(found), flush=True)
        self.leave()


def qt(app: Application) -> None:
    from PySide6 import QtCore, QtWidgets

    from reactive_ws.gui.qt import (
        ConnectionBanner,
        ConnectionIndicator,
        ConnectionStatus,
        ListModel,
        QtLoop,
    )

    program = QtWidgets.QApplication([])
    ui, view = QtLoop(QtCore), ChatView(app)
    views = connection_view(ui, app.service)
    window = QtWidgets.QWidget()
    column = QtWidgets.QVBoxLayout(window)
    column.addWidget(ConnectionBanner(ui, QtWidgets, views).widget)
    for detail in DETAILS:
        column.addWidget(ConnectionStatus(ui, QtWidgets, views, detail=detail).widget)
    models = []
    for stream, text in ((view.chats, "title"), (view.messages, "text")):
        rows: ListModel[Any] = ListModel(
            *(ui, QtCore, stream),
            key=lambda it: it.id,
            text=lambda it, text=text: getattr(it, text),
        )
        models.append(rows)
        listing = QtWidgets.QListView()
        rows.show_in(listing, follow_end=True)
        column.addWidget(listing)
    line = QtWidgets.QLineEdit()
    column.addWidget(line)
    ui.bind(views, line, lambda it, now: it.setEnabled(now.can_send))
    ConnectionIndicator(ui, QtWidgets, window, views)
    window.show()
    meter = Meter(ui, app, program.quit)
    program.exec()
    del meter


def tkinter(app: Application) -> None:
    import tkinter as tk
    from tkinter import ttk

    from reactive_ws.gui.tk import (
        ConnectionBanner,
        ConnectionIndicator,
        ConnectionStatus,
        TkLoop,
        TreeRows,
    )

    root = tk.Tk()
    ui, view = TkLoop(root), ChatView(app)
    views = connection_view(ui, app.service)
    ConnectionBanner(ui, root, views).widget.pack(fill="x")
    for detail in DETAILS:
        ConnectionStatus(ui, root, views, detail=detail).widget.pack(anchor="w")
    for stream, text in ((view.chats, "title"), (view.messages, "text")):
        tree = ttk.Treeview(root, show="tree")
        tree.pack(fill="both", expand=True)
        TreeRows(
            *(ui, tree, stream),
            key=lambda it: it.id,
            text=lambda it, text=text: getattr(it, text),
            follow_end=True,
        )
    line = tk.Entry(root)
    line.pack(fill="x")
    ui.bind(
        views, line, lambda it, now: it.configure(state="normal" if now.can_send else "disabled")
    )
    ConnectionIndicator(ui, root, views)
    meter = Meter(ui, app, root.destroy)
    root.mainloop()
    del meter


def gtk(app: Application) -> None:
    see_debian()
    import gi

    gi.require_version("Gtk", "4.0")
    from gi.repository import GLib, Gtk

    from reactive_ws.gui import GLibLoop
    from reactive_ws.gui.gtk import ConnectionBanner, ConnectionIndicator, ConnectionStatus

    Gtk.init()
    ui, view, loop = GLibLoop(GLib), ChatView(app), GLib.MainLoop()
    views = connection_view(ui, app.service)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
    overlay = Gtk.Overlay(child=column)
    column.append(ConnectionBanner(ui, Gtk, views).widget)
    for detail in DETAILS:
        column.append(ConnectionStatus(ui, Gtk, views, detail=detail).widget)
    for stream, text in ((view.chats, "title"), (view.messages, "text")):
        words = Gtk.StringList()
        factory = Gtk.SignalListItemFactory()
        factory.connect("setup", lambda _, it: it.set_child(Gtk.Label(xalign=0.0)))
        factory.connect("bind", lambda _, it: it.get_child().set_text(it.get_item().get_string()))
        listing = Gtk.ListView(model=Gtk.NoSelection(model=words), factory=factory)
        column.append(Gtk.ScrolledWindow(child=listing, vexpand=True))

        def show(it: Any, rows: Any, text: str = text) -> None:
            it.splice(0, it.get_n_items(), [getattr(row, text) for row in rows])

        ui.bind(stream, words, show, until=column)
    line = Gtk.Entry()
    column.append(line)
    ui.bind(views, line, lambda it, now: it.set_sensitive(now.can_send))
    ConnectionIndicator(ui, Gtk, overlay, views)
    window = Gtk.Window(child=overlay)
    window.set_default_size(600, 700)
    window.present()
    meter = Meter(ui, app, loop.quit)
    loop.run()
    del meter


def wx(app: Application) -> None:
    see_debian()
    import wx

    from reactive_ws.gui.wx import (
        ConnectionBanner,
        ConnectionIndicator,
        ConnectionStatus,
        WxLoop,
    )

    program = wx.App()
    frame = wx.Frame(None, size=(600, 700))
    ui, view = WxLoop(wx, frame), ChatView(app)
    views = connection_view(ui, app.service)
    column = wx.BoxSizer(wx.VERTICAL)
    column.Add(ConnectionBanner(ui, wx, frame, views).widget, 0, wx.EXPAND)
    for detail in DETAILS:
        column.Add(ConnectionStatus(ui, wx, frame, views, detail=detail).widget)
    for stream, text in ((view.chats, "title"), (view.messages, "text")):
        listing = wx.ListBox(frame)
        column.Add(listing, 1, wx.EXPAND)
        ui.bind(
            stream,
            listing,
            lambda it, rows, text=text: it.Set([getattr(row, text) for row in rows]),
        )
    line = wx.TextCtrl(frame)
    column.Add(line, 0, wx.EXPAND)
    ui.bind(views, line, lambda it, now: it.Enable(now.can_send))
    ConnectionIndicator(ui, wx, frame, views)
    frame.SetSizer(column)
    frame.Show()
    meter = Meter(ui, app, frame.Destroy)
    program.MainLoop()
    del meter


def textual(app: Application) -> None:
    from textual.app import App, ComposeResult
    from textual.widgets import Input

    from reactive_ws.gui import TextualLoop
    from reactive_ws.gui.textual import (
        ConnectionBanner,
        ConnectionIndicator,
        ConnectionStatus,
        ListRows,
    )

    class Window(App[None]):
        CSS = "ListRows { height: 1fr; }"

        def compose(self) -> ComposeResult:
            ui, view = TextualLoop(self), ChatView(app)
            views = connection_view(ui, app.service)
            yield ConnectionBanner(ui, views)
            for detail in DETAILS:
                yield ConnectionStatus(ui, views, detail=detail)
            for stream, text in ((view.chats, "title"), (view.messages, "text")):
                yield ListRows(
                    *(ui, stream),
                    key=lambda it: it.id,
                    render=lambda it, text=text: getattr(it, text),
                    follow_end=True,
                )
            line = Input()
            # A blinking cursor is the input line's own.
            line.cursor_blink = False
            yield line
            yield ConnectionIndicator(ui, views)
            ui.bind(views, line, lambda it, now: setattr(it, "disabled", not now.can_send))
            self.over = asyncio.Event()
            self.meter = Meter(ui, app, self.over.set)

    async def main() -> None:
        window = Window()
        async with window.run_test(size=(100, 40)):
            await window.over.wait()

    app.start()
    asyncio.run(main())


def see_debian() -> None:
    """Makes Debian's packages importable: PyGObject and wxPython have no wheels."""
    sys.path.append("/usr/lib/python3/dist-packages")


def wait_for_display() -> None:
    """Waits until the X server takes connections: `xvfb-run` goes on after three seconds, and a busy machine needs more."""
    found = re.fullmatch(r":(\d+)(?:\.\d+)?", os.environ.get("DISPLAY", ""))
    end = time.monotonic() + 60.0
    while found and time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(f"/tmp/.X11-unix/X{found[1]}")
            except OSError:
                time.sleep(0.1)
            else:
                return


TOOLKITS: dict[str, Callable[[Application], None]] = {
    "qt": qt,
    "tk": tkinter,
    "textual": textual,
    "gtk": gtk,
    "wx": wx,
}


def run_one(name: str, url: str) -> None:
    app = Application.at(url)
    if name != "textual":
        app.start()
    TOOLKITS[name](app)
    app.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("toolkits", nargs="*", default=list(TOOLKITS))
    parser.add_argument("--url", help=argparse.SUPPRESS)
    it = parser.parse_args()
    if it.url:
        run_one(it.toolkits[0], it.url)
        return
    wait_for_display()
    has_failed = False
    with tempfile.TemporaryDirectory() as folder:
        hub = [sys.executable, "-m", "reactive_ws", "hub", "--port", "0"]
        with subprocess.Popen(hub, stdout=subprocess.PIPE, text=True, cwd=Path(folder)) as server:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            command = [sys.executable, __file__, "--url", url]
            running = {
                name: subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True)
                for name in it.toolkits
            }
            print("| toolkit | processor time a minute | frames a minute |")
            print("| --- | --: | --: |")
            for name, process in running.items():
                out, _ = process.communicate()
                if process.returncode:
                    print(f"| {name} | ended with {process.returncode}, see above | |", flush=True)
                    has_failed = True
                    continue
                found = json.loads(out.splitlines()[-1])
                print(f"| {name} | {found['cpu']:.2f} s | {found['frames']} |", flush=True)
            server.terminate()
    sys.exit(has_failed)


if __name__ == "__main__":
    main()
