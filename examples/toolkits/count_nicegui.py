"""NiceGUI: a `NiceGuiLoop` for each page, whose bindings end with the client."""

import sys

from counting import count, start
from nicegui import app, ui

from reactive_ws.gui import NiceGuiLoop


@ui.page("/")
def page() -> None:
    loop = NiceGuiLoop(ui.context.client)
    label = ui.label().classes("text-4xl m-8")
    loop.bind(count, label, lambda it, value: it.set_text(f"{value:,}"))


app.on_startup(start)
ui.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8080, show=False, reload=False)
