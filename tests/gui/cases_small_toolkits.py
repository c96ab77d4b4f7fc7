"""The small programs of `examples/toolkits`: each shows the last number and ends when its window is closed.

Run by `test_toolkits.py` in a process of its own, with a display.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_browser import Page
from ui_drivers import DEBIAN_PACKAGES

EXAMPLES = Path(__file__).parents[2] / "examples" / "toolkits"
LAST = "20,000"

WATCHES = {
    "customtkinter": """
import customtkinter
def mainloop(window, *_):
    def look():
        text = window.winfo_children()[-1].cget("text")
        if text == LAST:
            print(text)
            window.destroy()
        else:
            window.after(20, look)
    window.after(20, look)
    import tkinter
    tkinter.Misc.mainloop(window)
customtkinter.CTk.mainloop = mainloop
""",
    "pygame": """
import pygame
render = pygame.font.Font.render
class Font(pygame.font.Font):
    def render(self, text, *rest):
        if text == LAST:
            print(text)
            pygame.event.post(pygame.event.Event(pygame.QUIT))
        return super().render(text, *rest)
pygame.font.Font = Font
""",
    "dearpygui": """
import dearpygui.dearpygui as dpg
set_value = dpg.set_value
def watched(tag, value):
    set_value(tag, value)
    if dpg.get_value(tag) == LAST:
        print(dpg.get_value(tag))
        dpg.stop_dearpygui()
dpg.set_value = watched
""",
    "gtk": """
import gi
gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk
present = Gtk.Window.present
def watched(window):
    present(window)
    def look():
        text = window.get_child().get_text()
        if text == LAST:
            print(text)
            window.destroy()
        return text != LAST
    GLib.timeout_add(20, look)
Gtk.ApplicationWindow.present = watched
""",
    "wx": """
import wx
show = wx.Frame.Show
def watched(frame):
    show(frame)
    def look():
        text = frame.GetChildren()[0].GetLabel()
        if text == LAST:
            print(text)
            frame.Destroy()
        else:
            wx.CallLater(20, look)
    wx.CallLater(20, look)
wx.Frame.Show = watched
""",
    "kivy": """
from kivy.app import App
from kivy.clock import Clock
def on_start(app):
    def look(_):
        if app.root.text == LAST:
            print(app.root.text)
            app.stop()
    Clock.schedule_interval(look, 0.02)
App.on_start = on_start
""",
}
"""Code that does a user's part: reads the last number and closes the window."""


def start(name: str, watch: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    program = EXAMPLES / f"count_{name}.py"
    code = (
        f"import sys, warnings; warnings.simplefilter('ignore'); sys.path.insert(0, {str(EXAMPLES)!r})\n"
        f"sys.path.append({DEBIAN_PACKAGES!r}); LAST = {LAST!r}\n"
        f"{watch}\nimport runpy\nrunpy.run_path({str(program)!r}, run_name='__main__')"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(EXAMPLES.parents[1]), "TERM": "xterm"}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, **options)


@pytest.mark.parametrize("name", WATCHES)
def test_a_window_shows_the_last_number_and_its_program_ends(name: str) -> None:
    pipe = subprocess.PIPE
    process = start(name, WATCHES[name], stdout=pipe, stderr=pipe, text=True)
    try:
        out, err = process.communicate(timeout=60.0)
    finally:
        process.kill()
    assert (out.split()[-1:], process.returncode) == ([LAST], 0), err


CUSTOM = """
import sys, time, tkinter, warnings
warnings.simplefilter("ignore")
import customtkinter
from fake_service import FakeService
from reactive_ws import Store
from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.gui import TkLoop, connection_view
from reactive_ws.gui.tk import ConnectionBanner, ConnectionStatus

customtkinter.set_appearance_mode(sys.argv[1])
window = customtkinter.CTk()
ui = TkLoop(window)
for kind in (customtkinter.CTkLabel, customtkinter.CTkButton, customtkinter.CTkFrame, customtkinter.CTkToplevel):
    selection = Store(0).select()
    widget = kind(window)
    ui.bind(selection, widget, lambda it, value: None)
    widget.destroy()
    print(kind.__name__, selection.observer_count)
frame = customtkinter.CTkFrame(window)
below = customtkinter.CTkFrame(frame, fg_color="transparent")
service = FakeService(Domain("custom"))
service.become(ConnectionState.CONNECTED, since=ui.now())
views = connection_view(ui, service)
colour = frame.cget("fg_color")[sys.argv[1] == "Dark"]
for parent in (frame, below):
    for kind in (ConnectionStatus, ConnectionBanner):
        background = kind(ui, parent, views).widget.cget("background")
        print(kind.__name__, window.winfo_rgb(background) == window.winfo_rgb(colour))
window.destroy()
"""
"""Bindings and connection widgets in windows of CustomTkinter, whose widgets have a `bind` and a `cget` of their own."""


@pytest.mark.parametrize("mode", ["Light", "Dark"])
def test_bindings_end_and_the_connection_has_the_colours_of_customtkinter(mode: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CUSTOM, mode],
        env={**os.environ, "PYTHONPATH": f"{EXAMPLES.parents[1]}:{EXAMPLES.parents[1] / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    kinds = ("CTkLabel", "CTkButton", "CTkFrame", "CTkToplevel")
    wanted = [f"{kind} 0" for kind in kinds]
    wanted += ["ConnectionStatus True", "ConnectionBanner True"] * 2
    assert (done.stdout.splitlines(), done.returncode) == (wanted, 0), done.stderr


@pytest.mark.parametrize(("name", "key"), [("prompt_toolkit", b"\x03"), ("urwid", b"q")])
def test_a_terminal_shows_the_last_number_and_its_program_ends(name: str, key: bytes) -> None:
    ours, its = pty.openpty()
    process = start(name, "", stdin=its, stdout=its, stderr=subprocess.PIPE)
    os.close(its)
    seen, width = b"", 80
    end = time.monotonic() + 60.0
    while LAST.encode() not in seen:
        assert time.monotonic() < end, seen[-500:]
        # After a change of the size a program draws everything, not only the digits that changed.
        width = 161 - width
        termios.tcsetwinsize(ours, (24, width))
        process.send_signal(signal.SIGWINCH)
        seen = b"".join(chunks(ours))
        if b"\x1b[6n" in seen:
            # The program asks where the cursor is.
            os.write(ours, b"\x1b[1;1R")
    os.write(ours, key)
    while process.poll() is None:
        assert time.monotonic() < end
        list(chunks(ours))
    os.close(ours)
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == (b"", 0)
    process.stderr.close()


def chunks(terminal: int) -> Iterator[bytes]:
    """Yields what comes until nothing has come for a moment."""
    while select.select([terminal], [], [], 0.3)[0]:
        try:
            yield os.read(terminal, 65_536)
        except OSError:
            # Linux says so when the other end has closed.
            return


def test_a_page_shows_the_last_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    watch = "from nicegui import app\napp.on_startup(lambda: print('ready', flush=True))"
    process = start("nicegui", watch, str(port), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        while "ready" not in (line := process.stdout.readline()):
            assert line, "the program ended"
        with Page(f"http://127.0.0.1:{port}/") as page:
            page.until(f"document.body.innerText.includes('{LAST}')", True)
    finally:
        process.terminate()
        process.communicate(timeout=30.0)
