"""`Question`: the dialog that asks before messages are lost. It imports Textual."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

__all__ = ["Question"]


class Question(ModalScreen[bool]):
    """Asks before messages are lost; its result tells whether to leave."""

    AUTO_FOCUS = "Button"
    CSS = """
    Question { align: center middle; }
    Question > Vertical { width: 60; height: auto; padding: 1 2; border: round $warning; background: $surface; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        yield Vertical(
            Static(self._question, markup=False),
            Horizontal(Button("Stay", id="stay", compact=True), Button("Leave", compact=True)),
        )

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id != "stay")
