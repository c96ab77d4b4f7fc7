"""GTK 4: the contract with windows, and the connection widgets. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import functools
import gc
from typing import Any

import pytest
import ui_drivers
from fake_service import FakeService

from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import Theme, connection_view
from reactive_ws.gui.gtk import ConnectionBanner, ConnectionIndicator, ConnectionStatus
from reactive_ws.state import Store
from reactive_ws.testing import Turning, check_ui_loop

Gtk = ui_drivers.import_gtk()


def test_the_loop_keeps_the_contract_with_windows() -> None:
    check_ui_loop(ui_drivers.gtk)


@pytest.fixture
def turning() -> Any:
    it = ui_drivers.gtk()
    yield it
    it.loop.close()


def shown(turning: Turning, *widgets: Any, width: int = 420) -> Any:
    window = Gtk.Window(default_width=width, default_height=300)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
    for widget in widgets:
        column.append(widget)
    window.set_child(column)
    window.present()
    ui_drivers.until(turning, lambda: window.get_mapped() and column.get_width() > 0)
    ui_drivers.settle(turning, 0.05)
    return window


def test_the_connection_widgets_show_an_outage(turning: Turning, domain: Domain) -> None:
    ui: Any = turning.loop
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - 18_030.0)
    views = connection_view(ui, service)
    banner = ConnectionBanner(ui, Gtk, views)
    full, compact = (
        ConnectionStatus(ui, Gtk, views),
        ConnectionStatus(ui, Gtk, views, detail="compact"),
    )
    metrics = ConnectionStatus(ui, Gtk, views, detail="metrics")
    overlay = Gtk.Overlay(hexpand=True, vexpand=True)
    overlay.set_child(Gtk.Label(label="content"))
    corner = ConnectionIndicator(
        ui, Gtk, overlay, views, position="bottom-right", hide_when_connected=True
    )
    window = shown(turning, banner.widget, full.widget, compact.widget, metrics.widget, overlay)
    comes, until = (functools.partial(it, turning) for it in (ui_drivers.comes, ui_drivers.until))
    comes(lambda: (full.texts, compact.texts, banner.texts), (("Connected (5h 00m)",), (), ()))
    comes(compact.widget.get_tooltip_text, "Connected (5h 00m)")
    until(lambda: "good" in full.pill.get_css_classes())
    assert not corner.widget.get_visible()
    service.queue(120)
    service.become(ConnectionState.RECONNECTING, since=ui.now(), attempt=2)
    comes(lambda: full.texts, ("Reconnecting (attempt 2)", "99+"))
    said = ("Connection lost, reconnecting.", "What you write is sent when it is back.")
    comes(lambda: banner.texts, (*said, "120 messages wait to be sent"))
    until(lambda: full._symbol.spinner.is_turning)
    until(corner.widget.get_visible)
    service.become(ConnectionState.DISCONNECTED, since=ui.now())
    comes(lambda: full.texts, ("Disconnected", "99+", "Retry now"))
    (button,) = [it for it in children(full.pill) if isinstance(it, Gtk.Button)]
    assert button.get_focusable()
    button.emit("clicked")
    comes(lambda: service.dials, 1)
    window.set_visible(False)
    service.become(ConnectionState.CONNECTING, since=ui.now())
    until(lambda: full.texts[:1] != ("Disconnected",))
    until(lambda: not full._symbol.spinner.is_turning)
    service.become(ConnectionState.CONNECTED, since=ui.now())
    # No age counts where no user sees it.
    until(lambda: full.texts[0].startswith("Connected"))
    comes(lambda: (ui.is_seen(), ui._timers), (False, {}))
    window.set_visible(True)
    comes(lambda: (ui.is_seen(), len(ui._timers)), (True, 1))
    window.destroy()


def children(widget: Any) -> list[Any]:
    found, child = [], widget.get_first_child()
    while child is not None:
        found.append(child)
        child = child.get_next_sibling()
    return found


def test_a_binding_lasts_as_long_as_its_widget_is_in_a_window(
    turning: Turning, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    selection = store.select()

    def make() -> Any:
        # The program keeps no Python object of the label, as most programs do.
        label = Gtk.Label()
        turning.loop.bind(selection, label, lambda it, value: it.set_text(str(value)))
        return shown(turning, label)

    window = make()
    gc.collect()
    store.set(7)
    ui_drivers.comes(turning, window.get_child().get_first_child().get_text, "7")
    window.destroy()
    assert selection.observer_count == 0


def test_a_view_model_keeps_its_own_methods_to_itself(turning: Turning, domain: Domain) -> None:
    class Model:
        """Has a `connect`, as objects of GLib have."""

        value = 0

        def __init__(self) -> None:
            self.calls: list[object] = []

        def connect(self, *arguments: object) -> None:
            self.calls.append(arguments)

    model = Model()
    turning.loop.bind(Store(7, domain=domain), model, lambda it, value: setattr(it, "value", value))
    assert (model.value, model.calls) == (7, [])


def test_a_binding_of_a_widget_in_a_destroyed_window_has_ended(
    turning: Turning, domain: Domain
) -> None:
    # No binding has met this window.
    window, label = Gtk.Window(), Gtk.Label()
    window.set_child(label)
    window.destroy()
    selection = Store(0, domain=domain).select()
    turning.loop.bind(selection, window, lambda it, value: it.set_title(str(value)))
    turning.loop.bind(selection, [], lambda _, __: None, until=window)
    assert selection.observer_count == 0


def test_a_strangers_text_is_text_in_every_sink(turning: Turning, domain: Domain) -> None:
    ui: Any = turning.loop
    cause = "<b>locked</b> <a href='http://evil.example'>log in</a> &amp;"
    service = FakeService(domain)
    service.become(ConnectionState.ERROR, since=ui.now() - 5.0, cause=cause)
    views = connection_view(ui, service, theme=Theme())
    status, banner = ConnectionStatus(ui, Gtk, views), ConnectionBanner(ui, Gtk, views)
    window = shown(turning, banner.widget, status.widget)
    ui_drivers.until(turning, lambda: cause in (status.widget.get_tooltip_text() or ""))
    # GTK has read no markup in the tooltip: escaped, it is the same text.
    assert "&lt;b&gt;" in status.widget.get_tooltip_markup()
    label = Gtk.Label()
    ui.bind(Store(cause, domain=domain), label, lambda it, text: it.set_text(text))
    assert (label.get_text(), label.get_use_markup()) == (cause, False)
    window.destroy()


def test_colours_follow_the_window_and_the_window_keeps_its_width(
    turning: Turning, domain: Domain
) -> None:
    ui: Any = turning.loop
    service = FakeService(domain)
    service.become(ConnectionState.RECONNECTING, since=ui.now() - 5.0, attempt=10**30)
    views = connection_view(ui, service)
    status, banner = ConnectionStatus(ui, Gtk, views), ConnectionBanner(ui, Gtk, views)
    window = shown(turning, banner.widget, status.widget, width=260)
    ui_drivers.until(turning, lambda: any("fef3c7" in it for it in status.pill.get_css_classes()))
    ui_drivers.until(turning, lambda: banner.texts)
    assert window.get_width() == 260
    Gtk.Settings.get_default().set_property("gtk-application-prefer-dark-theme", True)
    ui_drivers.until(turning, lambda: any("3d2408" in it for it in status.pill.get_css_classes()))
    Gtk.Settings.get_default().set_property("gtk-application-prefer-dark-theme", False)
    window.destroy()


@pytest.mark.parametrize(("detail", "corner", "is_left", "is_top"), ui_drivers.CORNERS)
def test_a_status_stays_in_its_corner_when_its_window_or_its_words_change(
    turning: Turning, corner: Any, detail: Any, is_left: bool, is_top: bool, domain: Domain
) -> None:
    ui: Any = turning.loop
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - 18_030.0)
    overlay = Gtk.Overlay(hexpand=True, vexpand=True)
    overlay.set_child(Gtk.Label(label="content"))
    views = connection_view(ui, service)
    status = ConnectionStatus(ui, Gtk, views, detail=detail, corner=corner, overlay=overlay)
    window = shown(turning, overlay)

    def place() -> tuple[float, float]:
        """The distances from the two edges of its corner."""
        _, it = status.widget.compute_bounds(overlay)
        x, y, width, height = it.get_x(), it.get_y(), it.get_width(), it.get_height()
        return (
            x if is_left else overlay.get_width() - x - width,
            y if is_top else overlay.get_height() - y - height,
        )

    comes = functools.partial(ui_drivers.comes, turning)
    comes(place, (8, 8))
    for width, height in ((600, 400), (360, 300)):
        window.set_default_size(width, height)
        comes(lambda: (overlay.get_width(), overlay.get_height()), (width, height))
        comes(place, (8, 8))
    narrow = status.widget.get_width()
    service.queue(120)
    service.become(ConnectionState.DISCONNECTED, since=ui.now())
    ui_drivers.until(turning, lambda: status.widget.get_width() > narrow)
    comes(place, (8, 8))
    window.destroy()


def test_a_wrong_corner_is_named_with_the_right_ones_and_needs_an_overlay(
    turning: Turning, domain: Domain
) -> None:
    ui: Any = turning.loop
    views = connection_view(ui, FakeService(domain))
    wrong: Any = "topright"
    with pytest.raises(UsageError, match=r"corner is one of .*did you mean 'top-right'"):
        ConnectionStatus(ui, Gtk, views, corner=wrong, overlay=Gtk.Overlay())
    with pytest.raises(UsageError, match=r"position is one of .*did you mean 'top-right'"):
        ConnectionIndicator(ui, Gtk, Gtk.Overlay(), views, position=wrong)
    with pytest.raises(ValueError, match="corner needs overlay="):
        ConnectionStatus(ui, Gtk, views, corner="top-left")
    with pytest.raises(ValueError, match="give both or none"):
        ConnectionStatus(ui, Gtk, views, overlay=Gtk.Overlay())
    with pytest.raises(UsageError, match=r"with a Gtk\.Overlay; got Box"):
        ConnectionStatus(ui, Gtk, views, corner="top-left", overlay=Gtk.Box())
