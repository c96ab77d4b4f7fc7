"""Kivy: the contract, and a window with a label. Run by `test_toolkits.py` in a process of its own.

Run by hand, set KIVY_NO_ARGS=1: Kivy reads the arguments of the program.
"""

from __future__ import annotations

import ui_drivers
from fake_service import FakeService

from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.gui import KivyLoop, Theme, connection_view
from reactive_ws.gui.status import ASCII_SYMBOLS
from reactive_ws.state import Store
from reactive_ws.testing import check_ui_loop


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.kivy)


def test_no_age_counts_while_the_window_is_minimized(domain: Domain) -> None:
    from kivy.core.window import Window

    turning = ui_drivers.kivy()
    ui: KivyLoop = turning.loop
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now())
    connection_view(ui, service).subscribe(lambda _: None)
    for go, come in (("on_minimize", "on_restore"), ("on_hide", "on_show")):
        assert len(ui._timers) == 1
        Window.dispatch(go)
        assert (ui.is_seen(), ui._timers) == (False, {})
        Window.dispatch(come)
    assert len(ui._timers) == 1
    turning.clean_up()


def test_a_window_shows_a_flood_and_the_connection_and_closes_its_loop(domain: Domain) -> None:
    from kivy.app import App
    from kivy.clock import Clock
    from kivy.uix.label import Label

    store, service = Store(0, domain=domain), FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=0.0)
    loops: list[KivyLoop] = []
    shown: list[str] = []

    class Counter(App):  # type: ignore[misc]
        def build(self) -> Label:
            ui = KivyLoop(Clock, self)
            loops.append(ui)
            self.label, self.line = Label(), Label()
            ui.bind(store, self.label, lambda it, value: setattr(it, "text", str(value)))
            views = connection_view(ui, service, theme=Theme(symbols=ASCII_SYMBOLS))
            ui.bind(views, self.line, lambda it, view: setattr(it, "text", view.line))
            shown.append(self.label.text)
            stop = ui_drivers.flood(store)

            def end() -> None:
                stop()
                self.wait(ui)

            ui.later(0.3, end)
            return self.label

        def wait(self, ui: KivyLoop) -> None:
            if self.label.text == str(store.get()):
                self.stop()
            else:
                ui.later(0.02, lambda: self.wait(ui))

        def on_stop(self) -> None:
            shown.extend([self.label.text, self.line.text])

    Counter().run()
    assert shown[0] == "0"
    assert shown[1] == str(store.get()) != "0"
    assert shown[2].startswith("* Connected (")
    assert loops[0].is_closed
    assert loops[0].post(lambda: None) is False
    assert store.select().observer_count == 0
