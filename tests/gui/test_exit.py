"""Programs that end while a thread still writes: with status 0, and without a word on stderr."""

from __future__ import annotations

import pytest
from missing_parts import skip_or_fail

from .test_toolkits import missing, run

WRITER = """
import threading, time
from reactive_ws import Store
store = Store(0)
done = threading.Event()
def write():
    while not done.is_set():
        store.update(lambda value: value + 1)
        if store.get() % 100 == 0:
            time.sleep(0.0005)
writer = threading.Thread(target=write, daemon=True)
writer.start()
"""

PROGRAMS = {
    "tk": """
import tkinter
from reactive_ws.gui import TkLoop
root = tkinter.Tk(); label = tkinter.Label(root); label.pack()
ui = TkLoop(root, is_polling={is_polling})
ui.bind(store, label, lambda it, value: it.configure(text=value))
root.after(200, root.{end}); root.mainloop()
""",
    "qt": """
from PySide6 import QtCore, QtWidgets
from reactive_ws.gui import QtLoop
app = QtWidgets.QApplication([]); label = QtWidgets.QLabel(); label.show()
ui = QtLoop(QtCore); ui.bind(store, label, lambda it, value: it.setText(str(value)))
QtCore.QTimer.singleShot(200, {end}); app.exec()
""",
    "glib": """
import sys, warnings; sys.path.append("/usr/lib/python3/dist-packages"); warnings.simplefilter("ignore")
from gi.repository import GLib
from reactive_ws.gui import GLibLoop, conflate
ui = GLibLoop(GLib); shown = []; store.select().pipe(conflate(ui)).subscribe(shown.append)
loop = GLib.MainLoop(); GLib.timeout_add(200, loop.quit); loop.run()
""",
    "textual": """
from textual.app import App
from textual.widgets import Static
from reactive_ws.gui import TextualLoop
class Label(App):
    def compose(self):
        yield Static()
    def on_mount(self):
        ui = TextualLoop(self)
        ui.bind(store, self.query_one(Static), lambda it, value: it.update(str(value)))
        self.set_timer(0.2, self.{end})
    def join(self):
        done.set(); writer.join(); self.exit()
    def interrupt(self):
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)
try:
    Label().run(headless=True)
except KeyboardInterrupt:
    pass
""",
    "asyncio": """
import asyncio
from reactive_ws.gui import AsyncioLoop, conflate
shown = []
async def main():
    store.select().pipe(conflate(AsyncioLoop())).subscribe(shown.append)
    await asyncio.sleep(0.2)
asyncio.run(main())
""",
    "manual": """
from reactive_ws.gui import ManualLoop, conflate
ui = ManualLoop(clock=time.monotonic); shown = []
store.select().pipe(conflate(ui)).subscribe(shown.append)
end = time.monotonic() + 0.2
while time.monotonic() < end:
    ui.run_until_now(); time.sleep(0.01)
{end}
""",
}
PROGRAMS["tk, polling"] = PROGRAMS["tk"].replace("{is_polling}", "True")
PROGRAMS["tk"] = PROGRAMS["tk"].replace("{is_polling}", "False")


@pytest.mark.parametrize(
    ("toolkit", "end"),
    [
        ("tk", "quit"),
        ("tk", "destroy"),
        ("tk, polling", "quit"),
        ("tk, polling", "destroy"),
        ("qt", "app.quit"),
        ("qt", "lambda: QtWidgets.QApplication.exit()"),
        ("textual", "exit"),
        ("textual", "join"),
        ("textual", "interrupt"),
        ("glib", ""),
        ("asyncio", ""),
        ("manual", ""),
        ("manual", "ui.close()"),
    ],
)
def test_a_program_ends_in_the_middle_of_a_flood(
    toolkit: str, end: str, display: str | None
) -> None:
    reason = missing(toolkit.split(",")[0], display)
    if reason is not None:
        skip_or_fail(reason)
    done = run(["-c", WRITER + PROGRAMS[toolkit].replace("{end}", end)], display)
    assert (done.returncode, done.stderr) == (0, "")
