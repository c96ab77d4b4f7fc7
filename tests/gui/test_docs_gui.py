"""Every python block of docs/gui.md is a program and runs as printed, with a display, ended after a moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from missing_parts import skip_or_fail
from ui_drivers import DEBIAN_PACKAGES

from .test_toolkits import missing, run

PAGE = Path(__file__).parents[2] / "docs" / "gui.md"

# What a reader does with the mouse: close the window.
ENDINGS = {
    # Debian's packages are not on the path of an environment, and their importer is old-fashioned.
    "gi.repository": f"""
import sys, warnings
sys.path.append({DEBIAN_PACKAGES!r})
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)
    import gi.repository.GLib
""",
    "tkinter": """
import tkinter
_mainloop = tkinter.Misc.mainloop
def mainloop(root, n=0):
    root.after(700, root.destroy)
    _mainloop(root, n)
tkinter.Misc.mainloop = mainloop
""",
    "PySide6": """
from PySide6 import QtCore, QtWidgets
_exec = QtWidgets.QApplication.exec
def execute(self=None):
    QtCore.QTimer.singleShot(700, QtWidgets.QApplication.quit)
    return _exec()
QtWidgets.QApplication.exec = execute
""",
    "textual": """
import asyncio
from textual.app import App
async def run_async(self):
    async with self.run_test() as pilot:
        await pilot.press("up", "up", "down")
        await pilot.pause(0.1)
App.run = lambda self: asyncio.run(self.run_async())
App.run_async = run_async
""",
}
TOOLKITS = {"tkinter": "tk", "PySide6": "qt", "textual": "textual", "gi.repository": "glib"}


def blocks() -> list[str]:
    parts = PAGE.read_text("utf-8").split("```python\n")[1:]
    return [part.split("```")[0] for part in parts]


@pytest.mark.parametrize("code", blocks(), ids=lambda code: code.strip().splitlines()[0])
def test_a_block_of_the_page_runs_as_printed(code: str, display: str | None) -> None:
    kits = [name for name in TOOLKITS if name in code]
    for kit in kits:
        reason = missing(TOOLKITS[kit], display)
        if reason is not None:
            skip_or_fail(reason)
    prelude = "".join(ENDINGS[kit] for kit in kits)
    done = run(["-W", "error", "-c", prelude + code], display)
    # Qt says that a plugin does not support hints, and the service that there is no server here.
    known = ("does not support", "cannot reach ws://localhost")
    noise = [it for it in done.stderr.splitlines() if not any(part in it for part in known)]
    assert (done.returncode, noise) == (0, []), done.stderr


def test_the_pictures_of_the_page_exist() -> None:
    names = (
        "chat_qt.png",
        "chat_tk.png",
        "chat_gtk.png",
        "chat_nicegui.png",
        "chat_textual.svg",
        "market_tk.png",
        "demo.svg",
        "demo_verdict.svg",
        *(
            f"status_{toolkit}_{look}_{scale}.png"
            for toolkit in ("qt", "tk")
            for look in ("light", "dark")
            for scale in (1, 2)
        ),
        *(f"status_textual_{look}.svg" for look in ("light", "dark")),
    )
    text = PAGE.read_text("utf-8")
    assert [name for name in names if f"images/{name}" not in text] == []
    images = PAGE.parent / "images"
    assert [name for name in names if not (images / name).exists()] == []
    loading = [it.name for it in images.glob("*.svg") if 'url("http' in it.read_text("utf-8")]
    assert loading == [], "a picture loads nothing from elsewhere"


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("examples/chat_qt.py", 240),
        ("examples/chat_tk.py", 335),
        ("examples/chat_gtk.py", 250),
        ("examples/chat_nicegui.py", 190),
        ("examples/chat_textual.py", 50),
        ("stores/demo/chat.py", 230),
        ("examples/market_tk.py", 230),
    ],
)
def test_an_example_program_is_short(name: str, limit: int) -> None:
    source = (PAGE.parent.parent / name).read_text("utf-8")
    assert len(source.splitlines()) < limit
