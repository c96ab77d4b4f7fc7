"""Takes the pictures of the connection widgets in docs/images: all states, light and dark, at 100 % and 200 %.

`make screenshots` runs it under a display; `python tests/gui/status_pictures.py qt light 1` takes one picture.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "gui")]

from fake_service import FakeService  # noqa: E402 - found only now

from reactive_ws.connection import ConnectionState  # noqa: E402
from reactive_ws.engine import Domain  # noqa: E402
from reactive_ws.errors import Unauthorized  # noqa: E402
from reactive_ws.gui import UiLoop, connection_view  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WINDOWS = {"light": "#f4f4f5", "dark": "#1f2430"}
TEXTS = {"light": "#18181b", "dark": "#e5e7eb"}


def views_of(ui: UiLoop) -> list[Any]:
    """Returns the views of a service in each of the six states, and of outboxes that are nearly full and full."""
    state, now = ConnectionState, ui.now()
    connected = {"since": now - 3 * 3_600.0 - 30.0}
    scenes: list[tuple[ConnectionState, dict[str, Any], int, bool]] = [
        (state.CONNECTED, connected, 0, True),
        (state.CONNECTING, {}, 0, True),
        (state.RECONNECTING, {"attempt": 3, "next_retry_at": now + 60.5}, 2, True),
        (state.DISCONNECTED, {}, 7, True),
        (state.ERROR, {"error": Unauthorized()}, 12, True),
        (state.CLOSED, {}, 1, True),
        (state.CONNECTED, connected, 85, True),
        (state.CONNECTED, connected, 100, False),
    ]
    views = []
    for number, (name, changes, queued, can_send) in enumerate(scenes):
        service = FakeService(Domain(f"scene {number}"))
        service.become(name, **changes)
        service.queue(queued)
        service.room.set(can_send)
        service.filling.set(queued > 80)
        views.append(connection_view(ui, service, grace=0.0))
    return views


def qt(look: str, scale: int) -> None:
    from PySide6 import QtCore, QtGui, QtWidgets

    from reactive_ws.gui.qt import ConnectionBanner, ConnectionIndicator, ConnectionStatus, QtLoop

    program = QtWidgets.QApplication([])
    program.setStyle("Fusion")
    program.setFont(QtGui.QFont("DejaVu Sans", 10))
    palette = QtGui.QPalette(QtGui.QColor(WINDOWS[look]))
    palette.setColor(QtGui.QPalette.ColorRole.WindowText, QtGui.QColor(TEXTS[look]))
    program.setPalette(palette)
    ui = QtLoop(QtCore)
    window = QtWidgets.QWidget()
    window.resize(980, 680)
    grid = QtWidgets.QGridLayout(window)
    grid.setColumnStretch(2, 1)
    for row, views in enumerate(views_of(ui)):
        grid.addWidget(ConnectionStatus(ui, QtWidgets, views).widget, row, 0)
        grid.addWidget(ConnectionStatus(ui, QtWidgets, views, detail="compact").widget, row, 1)
        grid.addWidget(ConnectionBanner(ui, QtWidgets, views).widget, row, 2)
        if row == 2:
            panel = ConnectionStatus(ui, QtWidgets, views, detail="metrics").widget
            grid.addWidget(panel, 8, 0, 1, 2)
            ConnectionIndicator(ui, QtWidgets, window, views, position="bottom-right")
    window.show()

    def take() -> None:
        window.grab().save(str(IMAGES / f"status_qt_{look}_{scale}.png"))
        program.quit()

    QtCore.QTimer.singleShot(900, take)
    program.exec()


def tk(look: str, scale: int) -> None:
    import tkinter as tk
    from tkinter import font

    from reactive_ws.gui.tk import ConnectionBanner, ConnectionIndicator, ConnectionStatus, TkLoop

    root = tk.Tk()
    root.tk.call("tk", "scaling", 96 / 72 * scale)
    font.nametofont("TkDefaultFont").configure(family="DejaVu Sans", size=10)
    root.geometry(f"{980 * scale}x{740 if scale == 1 else 1_280}+0+0")
    root.configure(background=WINDOWS[look], padx=6 * scale, pady=6 * scale)
    ui = TkLoop(root)
    root.columnconfigure(2, weight=1)
    pad = 4 * scale
    banners: list[ConnectionBanner] = []
    for row, views in enumerate(views_of(ui)):
        widgets = (
            ConnectionStatus(ui, root, views),
            ConnectionStatus(ui, root, views, detail="compact"),
            ConnectionBanner(ui, root, views),
        )
        banners.append(widgets[2])
        for column, widget in enumerate(widgets):
            sticky = "ew" if column == 2 else "w"
            widget.widget.grid(row=row, column=column, sticky=sticky, padx=2 * pad, pady=pad)
        if row == 2:
            panel = ConnectionStatus(ui, root, views, detail="metrics")
            panel.widget.grid(row=8, columnspan=2, sticky="w", padx=2 * pad, pady=pad)
            ConnectionIndicator(ui, root, views, position="bottom-right")

    def take() -> None:
        # A slow machine fades late.
        if any(it.texts and it._part < 1.0 for it in banners):
            root.after(100, take)
            return
        root.update()
        name = str(IMAGES / f"status_tk_{look}_{scale}.png")
        subprocess.run(["import", "-window", str(root.winfo_id()), "-strip", name], check=True)
        root.destroy()

    root.after(1_200, take)
    root.mainloop()


def textual(look: str, scale: int) -> None:
    del scale  # an SVG has no pixels
    from screenshots import keep
    from textual.app import App, ComposeResult
    from textual.containers import Horizontal

    from reactive_ws.gui.textual import (
        ConnectionBanner,
        ConnectionIndicator,
        ConnectionStatus,
        TextualLoop,
    )

    class Gallery(App[None]):
        TITLE = "Connection widgets"
        CSS = (
            "Horizontal { height: auto; } .row { height: 2; } ConnectionStatus { margin: 0 1 0 0; }"
        )

        def compose(self) -> ComposeResult:
            ui = TextualLoop(self)
            for row, views in enumerate(views_of(ui)):
                with Horizontal(classes="row"):
                    yield ConnectionStatus(ui, views)
                    yield ConnectionStatus(ui, views, detail="compact")
                yield ConnectionBanner(ui, views)
                if row == 2:
                    yield ConnectionStatus(ui, views, detail="metrics")
                    yield ConnectionIndicator(ui, views, position="bottom-right")

    async def show() -> None:
        gallery = Gallery()
        async with gallery.run_test(size=(100, 31)) as pilot:
            gallery.theme = f"textual-{look}"
            await pilot.pause(0.5)
            keep(gallery.export_screenshot(), f"status_textual_{look}.svg")

    asyncio.run(show())


def gtk(look: str, scale: int) -> None:
    import ui_drivers

    kit = ui_drivers.import_gtk()
    from reactive_ws.gui.gtk import ConnectionBanner, ConnectionIndicator, ConnectionStatus

    turning = ui_drivers.gtk()
    ui: Any = turning.loop
    settings = kit.Settings.get_default()
    settings.set_property("gtk-application-prefer-dark-theme", look == "dark")
    settings.set_property("gtk-font-name", "DejaVu Sans 10")
    window = kit.Window(title="Connection widgets", decorated=False)
    window.set_default_size(980, 680)
    grid = kit.Grid(column_spacing=8, row_spacing=6)
    for side in ("top", "bottom", "start", "end"):
        grid.set_property(f"margin-{side}", 10)
    overlay = kit.Overlay(child=grid)
    for row, views in enumerate(views_of(ui)):
        grid.attach(ConnectionStatus(ui, kit, views).widget, 0, row, 1, 1)
        grid.attach(ConnectionStatus(ui, kit, views, detail="compact").widget, 1, row, 1, 1)
        banner = ConnectionBanner(ui, kit, views).widget
        banner.set_hexpand(True)
        banner.set_size_request(480, -1)
        grid.attach(banner, 2, row, 1, 1)
        if row == 2:
            grid.attach(ConnectionStatus(ui, kit, views, detail="metrics").widget, 0, 8, 2, 1)
            ConnectionIndicator(ui, kit, overlay, views, position="bottom-right")
    window.set_child(overlay)
    window.present()
    turning.turn(1.5)
    # Without a window manager the window is in the corner of the screen.
    size = (window.get_width() * scale, window.get_height() * scale)
    _crop_screen(f"status_gtk_{look}_{scale}.png", *size)
    window.destroy()


def wx(look: str, scale: int) -> None:
    import ui_drivers

    kit = ui_drivers.import_wx()
    from reactive_ws.gui.wx import ConnectionBanner, ConnectionIndicator, ConnectionStatus

    turning = ui_drivers.wx()
    ui: Any = turning.loop
    clean_up: Any = turning.clean_up
    frame = clean_up.__self__
    frame.SetWindowStyle(kit.BORDER_NONE)
    frame.SetBackgroundColour(WINDOWS[look])
    frame.SetForegroundColour(TEXTS[look])
    frame.SetFont(kit.Font(kit.FontInfo(10).FaceName("DejaVu Sans")))
    frame.SetSize(0, 0, 980, 680)
    grid = kit.FlexGridSizer(3, 8, 8)
    grid.AddGrowableCol(2)
    for row, views in enumerate(views_of(ui)):
        grid.Add(ConnectionStatus(ui, kit, frame, views).widget)
        grid.Add(ConnectionStatus(ui, kit, frame, views, detail="compact").widget)
        grid.Add(ConnectionBanner(ui, kit, frame, views).widget, 1, kit.EXPAND)
        if row == 2:
            panel = ConnectionStatus(ui, kit, frame, views, detail="metrics").widget
            ConnectionIndicator(ui, kit, frame, views, position="bottom-right")
    grid.Add(panel)
    outer = kit.BoxSizer(kit.VERTICAL)
    outer.Add(grid, 1, kit.EXPAND | kit.ALL, 10)
    frame.SetSizer(outer)
    frame.Show()
    frame.Layout()
    turning.turn(1.5)
    _crop_screen(f"status_wx_{look}_{scale}.png", 980 * scale, 680 * scale)
    frame.Destroy()


def _crop_screen(name: str, width: int, height: int) -> None:
    area = ("-crop", f"{width}x{height}+0+0", "+repage", "-strip")
    subprocess.run(["import", "-window", "root", *area, str(IMAGES / name)], check=True)


TOOLKITS = {"qt": qt, "tk": tk, "textual": textual, "gtk": gtk, "wx": wx}


def main(arguments: list[str]) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    if arguments:
        TOOLKITS[arguments[0]](arguments[1], int(arguments[2]))
        return
    # In the middle of the screen the pointer would rest on a widget, which then shows its tooltip.
    subprocess.run(["xdotool", "mousemove", "9999", "9999"], check=True)
    for toolkit in TOOLKITS:
        for look in WINDOWS:
            for scale in (1, 2) if toolkit != "textual" else (1,):
                environment = {**os.environ, "QT_SCALE_FACTOR": str(scale)}
                environment |= {
                    "GDK_SCALE": str(scale),
                    "GDK_BACKEND": "x11",
                    "GSK_RENDERER": "cairo",
                }
                words = [sys.executable, __file__, toolkit, look, str(scale)]
                subprocess.run(words, check=True, cwd=ROOT, env=environment)


if __name__ == "__main__":
    main(sys.argv[1:])
