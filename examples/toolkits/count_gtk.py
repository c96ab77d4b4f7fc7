"""GTK 4: `GLibLoop`, with any widget as a target."""

import gi
from counting import count, start

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk  # noqa: E402 - GTK wants its version first

from reactive_ws.gui import GLibLoop  # noqa: E402


def activate(program: Gtk.Application) -> None:
    window = Gtk.ApplicationWindow(application=program, title="count")
    label = Gtk.Label(margin_top=40, margin_bottom=40, margin_start=60, margin_end=60)
    window.set_child(label)
    ui = GLibLoop(GLib)
    program.connect("shutdown", lambda _: ui.close())
    ui.bind(count, label, lambda it, value: it.set_text(f"{value:,}"))
    start()
    window.present()


program = Gtk.Application()
program.connect("activate", activate)
program.run()
