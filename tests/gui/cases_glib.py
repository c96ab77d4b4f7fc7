"""GLib: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import ui_drivers

from reactive_ws.engine.domain import Domain
from reactive_ws.state.store import Store
from reactive_ws.testing import check_ui_loop


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.glib)


def widget_class() -> Any:
    """A class with the signal that GTK's widgets have."""
    GObject = ui_drivers.import_glib("GObject")  # noqa: N806 - its name

    class Widget(GObject.Object):
        __gtype_name__ = "Widget"
        __gsignals__ = {"destroy": (GObject.SignalFlags.RUN_FIRST, None, ())}
        text = ""

    return Widget


def test_a_binding_ends_with_the_destroy_signal_or_when_the_widget_is_collected(
    domain: Domain,
) -> None:
    turning = ui_drivers.glib()
    store = Store(0, domain=domain)
    selection = store.select()
    kind = widget_class()
    destroyed, collected = kind(), kind()
    for widget in (destroyed, collected):
        turning.loop.bind(selection, widget, lambda it, value: setattr(it, "text", str(value)))
    store.set(1)
    ui_drivers.until(turning, lambda it=collected: (destroyed.text, it.text) == ("1", "1"))
    destroyed.emit("destroy")
    assert selection.observer_count == 1
    gone = weakref.ref(collected)
    del collected, widget
    gc.collect()
    assert gone() is None
    assert selection.observer_count == 0
    turning.loop.close()
