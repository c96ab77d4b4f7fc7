"""Programs that end while a thread still writes: with status 0, and without a word on stderr."""

from __future__ import annotations

import pytest

from .conftest import skip_or_fail
from .test_toolkits import missing, run

WRITER = """
import threading, time
from reactive_ws import Store
store = Store(0)
def write():
    while True:
        store.update(lambda value: value + 1)
        if store.get() % 100 == 0:
            time.sleep(0.0005)
threading.Thread(target=write, daemon=True).start()
"""

PROGRAMS = {
    "tk": """
import tkinter
from reactive_ws.gui import TkLoop
root = tkinter.Tk(); label = tkinter.Label(root); label.pack()
ui = TkLoop(root); ui.bind(store, label, lambda it, value: it.configure(text=value))
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
    "manual": """
import asyncio
from reactive_ws.gui import AsyncioLoop, conflate
shown = []
async def main():
    store.select().pipe(conflate(AsyncioLoop())).subscribe(shown.append)
    await asyncio.sleep(0.2)
asyncio.run(main())
""",
}


@pytest.mark.parametrize(
    ("toolkit", "end"),
    [
        ("tk", "quit"),
        ("tk", "destroy"),
        ("qt", "app.quit"),
        ("qt", "lambda: QtWidgets.QApplication.exit()"),
        ("glib", ""),
        ("manual", ""),
    ],
)
def test_a_program_ends_in_the_middle_of_a_flood(
    toolkit: str, end: str, display: str | None
) -> None:
    reason = missing(toolkit, display)
    if reason is not None:
        skip_or_fail(reason)
    done = run(["-c", WRITER + PROGRAMS[toolkit].replace("{end}", end)], display)
    assert (done.returncode, done.stderr) == (0, "")
