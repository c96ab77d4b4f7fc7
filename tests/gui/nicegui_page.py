"""The program of `cases_nicegui`: a page with a count and the connection, and an answer to what the test asks on stdin."""

from __future__ import annotations

import sys
import threading
from typing import Any

from fake_service import FakeService
from nicegui import app, ui

from reactive_ws import Store
from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.gui import NiceGuiLoop, connection_view

count = Store(0)
selection = count.select()
service = FakeService(Domain("nicegui"))
service.become(ConnectionState.CONNECTED, since=0.0)
loops: list[NiceGuiLoop] = []
entered: list[str] = []


class Note:
    """A view model, whose names are its own."""

    is_deleted = True
    value = 0


note = Note()
stranger = "<b id='injected'>bold</b>"


def show(label: ui.label, value: int) -> None:
    label.set_text(f"count {value}")
    if value == 100_000:
        ui.notify("all came")


@ui.page("/", reconnect_timeout=0.5)
def page() -> None:
    loop = NiceGuiLoop(ui.context.client)
    loops.append(loop)
    number, line, removed = ui.label(), ui.label(), ui.label()
    ui.label(stranger)
    loop.bind(selection, number, show)
    loop.bind(selection, note, lambda it, value: setattr(it, "value", value))
    loop.bind(selection, removed, lambda it, value: it.set_text(f"removed {value}"))
    loop.bind(connection_view(loop, service), line, lambda it, view: it.set_text(view.live))
    field = ui.input("Line")
    loop.on_entered(field, entered.append)
    # The program changes the field while its user types, as one that binds whether it can send does.
    loop.bind(selection, field, lambda it, value: it.set_enabled(value >= 0))
    ui.button("remove", on_click=removed.delete)


def answer() -> None:
    for line in sys.stdin:
        match line.split():
            case ["flood"]:
                for number in range(100_001):
                    count.set(number)
                print("done", flush=True)
            case ["note"]:
                print(note.value, flush=True)
            case ["entered"]:
                print(*entered, flush=True)
            case ["state"]:
                open_loops = sum(not loop.is_closed for loop in loops)
                print(len(loops), open_loops, selection.observer_count, flush=True)
            case _:
                app.shutdown()


def started() -> None:
    threading.Thread(target=answer, daemon=True).start()
    print("ready", flush=True)


app.on_startup(started)
options: dict[str, Any] = {"show": False, "reload": False, "show_welcome_message": False}
# NiceGUI deletes a client that answers no ping within two fifths of this time; a browser on a busy machine answers late.
ui.run(host="127.0.0.1", port=int(sys.argv[1]), reconnect_timeout=60.0, **options)
