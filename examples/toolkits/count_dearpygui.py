"""DearPyGui: the program's own loop turns a `ManualLoop` once a picture; a target is the tag of an item."""

import time

import dearpygui.dearpygui as dpg
from counting import count, start

from reactive_ws.gui import ManualLoop


class Window:
    """Ends the binding: a tag is a number, which nothing tells when it goes."""


dpg.create_context()
dpg.create_viewport(title="count", width=360, height=140)
with dpg.window(tag="main"):
    tag = dpg.add_text()
dpg.setup_dearpygui()
dpg.set_primary_window("main", True)
dpg.show_viewport()
ui, window = ManualLoop(clock=time.monotonic), Window()
ui.bind(count, tag, lambda it, value: dpg.set_value(it, f"{value:,}"), until=window)
start()
while dpg.is_dearpygui_running():
    ui.run_until_now()
    dpg.render_dearpygui_frame()
ui.close()
dpg.destroy_context()
