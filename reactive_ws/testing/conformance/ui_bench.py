"""The rules of a UI loop by name, and the bench on which `ui_loops` checks a loop.

The bench turns the loop, calls things on other threads, and collects what is broken. It knows no single check.
"""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from ...gui import UiLoop

__all__ = ["BrokenUiLoop", "BrokenUiRule", "Turning", "UiBench", "UiRule"]

T = TypeVar("T")


class UiRule(enum.Enum):
    """The rules of a UI loop."""

    KEEPS_WHAT_COMES_EARLY = "what is posted before the loop turns runs when it turns"
    NEVER_BLOCKS = "post() and scheduling return at once, also while the UI thread is busy"
    UI_THREAD_ONLY = "everything runs on the thread of the user interface"
    IN_ORDER = "what one thread posts runs in the order in which it was posted"
    SURVIVES_ERRORS = "a function that raises is reported, and the next one runs"
    YIELDS = "work that posts itself again leaves the toolkit its turn"
    NESTS = "a function may turn the loop, as a modal dialog does, and what is posted then runs"
    TIMERS = "timers run once, not early, in order of time; one that was taken back never runs"
    SCHEDULES_FROM_THREADS = "the scheduler works from other threads and from other asyncio loops"
    DISPOSES_FROM_THREADS = (
        "what is disposed on another thread does not run, and dispose() returns at once"
    )
    PERIODIC = "periodic work runs again and again until it is disposed"
    FRAMES = "a key is called once a frame, at most fps times a second, and the last request always"
    CONFLATES = (
        "a flood shows few values, in order, the last one included, and none after dispose()"
    )
    WIDGETS = "a binding ends when the toolkit destroys its widget, and is_alive() says so"
    CLOSES = "after close() nothing runs, and post() says False at once on every thread"


@attrs.frozen
class BrokenUiRule:
    """A rule that was broken, and how."""

    rule: UiRule
    text: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.text} (the rule: {self.rule.value})"


class BrokenUiLoop(AssertionError):
    """A UI loop broke rules.

    Attributes:
        name: Of its class.
        broken: Each broken rule, with its case.
    """

    def __init__(self, name: str, broken: tuple[BrokenUiRule, ...]) -> None:
        super().__init__(name, broken)
        self.name = name
        self.broken = broken

    def __str__(self) -> str:
        return f"{self.name} broke rules:" + "".join(f"\n  - {each}" for each in self.broken)


@attrs.frozen
class Turning:
    """A loop under test, and how to turn it.

    Attributes:
        loop: Fresh, never turned.
        turn: Runs the toolkit's event loop for that many seconds, and returns. Also called from inside itself when
            `can_nest`.
        can_nest: Whether the toolkit lets its loop be turned inside one of its callbacks.
        clean_up: Ends what belongs to the loop, after the check.
        make_widget: Returns a widget of the toolkit; None where the toolkit has none, or tells nothing of their end.
        destroy: Makes the toolkit destroy such a widget.
    """

    loop: UiLoop
    turn: Callable[[float], None]
    can_nest: bool = True
    clean_up: Callable[[], object] = lambda: None
    make_widget: Callable[[], Any] | None = None
    destroy: Callable[[Any], object] = lambda _: None


class UiBench:
    """A loop under test, what it broke so far, and what the steps of the check need."""

    def __init__(self, under_test: Turning, patience: float) -> None:
        self.patience = patience
        self.ui = under_test.loop
        self.turn = under_test.turn
        self.can_nest = under_test.can_nest
        self.make_widget = under_test.make_widget
        self.destroy = under_test.destroy
        self.thread = threading.get_ident()
        self.broken: dict[UiRule, BrokenUiRule] = {}
        self.errors: list[Exception] = []
        self.ui.on_error = self.errors.append

    def expect(self, rule: UiRule, is_kept: object, text: str) -> None:
        """Notes that a rule was broken, unless it was kept."""
        if not is_kept:
            self.broken.setdefault(rule, BrokenUiRule(rule, text))

    def until(self, condition: Callable[[], object], patience: float | None = None) -> bool:
        """Turns the loop until the condition holds."""
        end = time.monotonic() + (self.patience if patience is None else patience)
        while not condition():
            if time.monotonic() >= end:
                return False
            self.turn(0.01)
        return True

    def on_ui_thread(self) -> None:
        """Called by what the loop runs: notes when that is on another thread."""
        here = threading.get_ident() == self.thread and self.ui.is_ui_thread()
        self.expect(UiRule.UI_THREAD_ONLY, here, "a function ran on another thread")

    def elsewhere(self, function: Callable[[], T], what: str) -> T | None:
        """Calls on another thread while this one does not turn; that must return soon."""
        results: list[T] = []
        thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
        thread.start()
        thread.join(self.patience)
        self.expect(
            UiRule.NEVER_BLOCKS,
            not thread.is_alive(),
            f"{what} on another thread waited for the UI thread for over {self.patience} s",
        )
        # A loop that blocks must be turned, or its thread never ends.
        self.until(lambda: not thread.is_alive())
        return results[0] if results else None
