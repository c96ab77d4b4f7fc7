"""Kivy: `KivyLoop` with the clock and the application."""

from counting import count, start
from kivy.app import App
from kivy.clock import Clock
from kivy.uix.label import Label

from reactive_ws.gui import KivyLoop


class Count(App):
    def build(self) -> Label:
        label = Label(font_size=60)
        ui = KivyLoop(Clock, self)
        ui.bind(count, label, lambda it, value: setattr(it, "text", f"{value:,}"))
        start()
        return label


Count().run()
