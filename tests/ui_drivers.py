"""How the tests turn each toolkit's event loop: one function per toolkit, for `check_ui_loop` and for test code."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import itertools
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from reactive_ws.gui import (
    AsyncioLoop,
    GLibLoop,
    KivyLoop,
    ManualLoop,
    QtLoop,
    TextualLoop,
    TkLoop,
    WxLoop,
)
from reactive_ws.state.store import Store
from reactive_ws.testing import Turning

DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
CORNERS = [
    ("full", "top-left", True, True),
    ("full", "top-right", False, True),
    ("full", "bottom-left", True, False),
    ("full", "bottom-right", False, False),
    ("metrics", "bottom-right", False, False),
]
"""Kinds of a status pill with a corner: detail, corner, whether it is at the left, and at the top."""


def manual() -> Turning:
    ui = ManualLoop(clock=time.monotonic)

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        ui.run_until_now()
        while time.monotonic() < end:
            time.sleep(0.0005)
            ui.run_until_now()

    return Turning(ui, turn)


def on_asyncio() -> Turning:
    loop = asyncio.new_event_loop()

    def turn(seconds: float) -> None:
        loop.run_until_complete(asyncio.sleep(seconds))

    return Turning(AsyncioLoop(loop), turn, can_nest=False, clean_up=loop.close)


def tk(*, is_polling: bool = False) -> Turning:
    import tkinter as tk

    root = tk.Tk()
    turns = itertools.count()

    def turn(seconds: float) -> None:
        # No tkinter.Variable: collected on another thread, it would wait for this one.
        over = f"turn{next(turns)}"
        root.after(max(1, round(seconds * 1000)), root.tk.globalsetvar, over, 1)
        root.tk.call("vwait", over)

    return Turning(
        TkLoop(root, is_polling=is_polling),
        turn,
        clean_up=root.destroy,
        make_widget=lambda: tk.Label(root),
        destroy=lambda label: label.destroy(),
    )


def qt() -> Turning:
    from PySide6 import QtCore, QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])

    def turn(seconds: float) -> None:
        loop = QtCore.QEventLoop()
        timer = QtCore.QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(loop.quit)
        timer.start(round(seconds * 1000))
        loop.exec()

    return Turning(
        QtLoop(QtCore),
        turn,
        clean_up=lambda: application,
        make_widget=QtWidgets.QLabel,
        destroy=lambda label: label.deleteLater(),
    )


def settle(turning: Turning, seconds: float) -> None:
    """Turns for so long, and on until nothing is left to be painted: a slow machine may be behind.

    In a flood there is always something; after a while that is enough.
    """
    turning.turn(seconds)
    ui = turning.loop
    for _ in range(100):
        if not (ui._posted or ui.frame._is_due or ui.frame._running):
            return
        turning.turn(0.01)


def until(turning: Turning, condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Turns until the condition holds: a display, a timer or another thread takes its time on a slow machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        turning.turn(0.01)


def comes(turning: Turning, look: Callable[[], object], wanted: object) -> None:
    """Turns until `look` returns what is wanted. Its last answer is in the error when that never comes."""
    end = time.monotonic() + 60.0
    while (found := look()) != wanted and time.monotonic() < end:
        turning.turn(0.01)
    assert found == wanted, f"{found!r} is not {wanted!r}"


def see_debian() -> None:
    """Makes Debian's packages importable: PyGObject and wxPython have no wheels, and an environment does not see them."""
    if DEBIAN_PACKAGES not in sys.path:
        # At the end: what the environment has itself must not come from there.
        sys.path.append(DEBIAN_PACKAGES)


def import_glib(name: str = "GLib") -> Any:
    see_debian()
    with warnings.catch_warnings():
        # Debian's version says that its importer is old-fashioned.
        warnings.simplefilter("ignore", ImportWarning)
        return importlib.import_module(f"gi.repository.{name}")


def glib() -> Turning:
    glib = import_glib()

    def turn(seconds: float) -> None:
        loop = glib.MainLoop()
        glib.timeout_add(max(1, round(seconds * 1000)), loop.quit)
        loop.run()

    return Turning(GLibLoop(glib), turn)


def import_gtk() -> Any:
    import_glib().set_prgname("tests")
    gi = importlib.import_module("gi")
    gi.require_version("Gtk", "4.0")
    gtk = import_glib("Gtk")
    assert gtk.init_check()
    return gtk


def gtk() -> Turning:
    glib, kit = import_glib(), import_gtk()

    def turn(seconds: float) -> None:
        loop = glib.MainLoop()
        glib.timeout_add(max(1, round(seconds * 1000)), loop.quit)
        loop.run()

    def make() -> Any:
        return kit.Window()

    return Turning(GLibLoop(glib), turn, make_widget=make, destroy=lambda window: window.destroy())


def import_wx() -> Any:
    see_debian()
    with warnings.catch_warnings():
        # Debian's build is older than the deprecations of Python 3.11.
        warnings.simplefilter("ignore")
        return importlib.import_module("wx")


_wx_applications: list[Any] = []


def wx() -> Turning:
    kit = import_wx()
    if not _wx_applications:
        _wx_applications.append(kit.App())
    frame = kit.Frame(None, size=(480, 320))

    def turn(seconds: float) -> None:
        loop = kit.GUIEventLoop()
        timer = kit.CallLater(max(1, round(seconds * 1000)), loop.ScheduleExit)
        loop.Run()
        timer.Stop()

    return Turning(
        WxLoop(kit, frame),
        turn,
        clean_up=frame.Destroy,
        make_widget=lambda: kit.StaticText(frame),
        destroy=lambda label: label.Destroy(),
    )


def kivy() -> Turning:
    from kivy.clock import Clock

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        Clock.tick()
        while time.monotonic() < end:
            Clock.tick()

    return Turning(KivyLoop(Clock), turn, can_nest=False)


def textual() -> Turning:
    from textual.app import App

    loop = asyncio.new_event_loop()
    app: App[None] = App()
    test = app.run_test()
    # Both ends of the test in one context: Textual keeps its application in a context variable.
    context = contextvars.copy_context()

    def run(coroutine: Any) -> None:
        loop.run_until_complete(loop.create_task(coroutine, context=context))

    run(test.__aenter__())

    async def make() -> TextualLoop:
        return TextualLoop(app)

    def turn(seconds: float) -> None:
        loop.run_until_complete(asyncio.sleep(seconds))

    def clean_up() -> None:
        run(test.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    return Turning(loop.run_until_complete(make()), turn, can_nest=False, clean_up=clean_up)


def flood(store: Store[int]) -> Callable[[], None]:
    """Writes as fast as possible until the returned function is called."""
    is_on = True

    def write() -> None:
        value = 0
        while is_on:
            value += 1
            store.set(value)
            if value % 100 == 0:
                time.sleep(0.001)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()

    def stop() -> None:
        nonlocal is_on
        is_on = False
        thread.join()

    return stop
