"""The frame clock: what wants to be painted is painted together, a limited number of times a second.

Like a browser's requestAnimationFrame, with keys: however often a key asks between two frames, it is called once. Used by
`conflation` and `mirror`; no timer runs while nobody asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from .ui_thread import UiThread

__all__ = ["FrameClock", "Framed"]

_REST = 0.001
"""Seconds that lie at least between two frames, however slow they are: room for the toolkit to paint."""


class FrameClock:
    """Runs requested functions in frames. Belongs to a `UiLoop`, as its `frame`.

    A frame stops for a moment when the loop's budget is over, so that one full of slow painters does not freeze the
    program; the rest of it follows before any function is called a second time.
    """

    def __init__(self, ui: UiThread) -> None:
        self._ui = ui
        self._lock = threading.RLock()
        self._early: dict[object, Callable[[], object]] = {}
        self._wanted: dict[object, Callable[[], object]] = {}
        self._running: dict[object, Callable[[], object]] = {}
        self._is_due = False
        self._last = float("-inf")
        self._number = 0

    def __repr__(self) -> str:
        return f"<FrameClock at frame {self._number}>"

    @property
    def number(self) -> int:
        """How many frames there were. Any thread."""
        return self._number

    def request(self, key: object, function: Callable[[], object]) -> None:
        """Calls `function` in the next frame, instead of what `key` asked for before. Any thread; never blocks.

        Functions run in the order of their first request. A request made inside a frame is for the next one.
        """
        self._request(self._wanted_now, key, function)

    def request_early(self, key: object, function: Callable[[], object]) -> None:
        """As `request`, but before all others of that frame; what it requests is still painted in the same frame."""
        self._request(self._early_now, key, function)

    def cancel(self, key: object) -> None:
        """Forgets what `key` asked for. Any thread."""
        with self._lock:
            for requests in (self._early, self._wanted, self._running):
                requests.pop(key, None)

    def _wanted_now(self) -> dict[object, Callable[[], object]]:
        return self._wanted

    def _early_now(self) -> dict[object, Callable[[], object]]:
        return self._early

    def _request(
        self,
        requests: Callable[[], dict[object, Callable[[], object]]],
        key: object,
        function: Callable[[], object],
    ) -> None:
        if self._ui.is_closed:
            return
        with self._lock:
            requests()[key] = function
            is_first, self._is_due = not self._is_due, True
        if is_first:
            self._ui.post(self._arm)

    def _arm(self) -> None:
        wait = self._last + 1.0 / self._ui.fps - self._ui.now()
        self._ui.later(max(wait, _REST), self._begin)

    def _begin(self) -> None:
        self._last = self._ui.now()
        self._number += 1
        end = self._last + self._ui.budget
        with self._lock:
            early, self._early = self._early, {}
        for function in early.values():
            self._ui.guard(function)
        with self._lock:
            wanted, self._wanted = self._wanted, {}
            self._is_due = bool(self._early)
            is_due = self._is_due
            self._running.update(wanted)
        if is_due:
            self._ui.post(self._arm)
        self._run(end)

    def _run(self, end: float) -> None:
        while True:
            with self._lock:
                if not self._running:
                    return
                key = next(iter(self._running))
                function = self._running.pop(key)
            self._ui.guard(function)
            if self._ui.is_closed:
                return
            if self._ui.now() >= end:
                break
        if self._running:
            self._ui.later(_REST, self._go_on)

    def _go_on(self) -> None:
        self._run(self._ui.now() + self._ui.budget)


class Framed(UiThread, Protocol):
    """A user interface's thread that has a frame clock."""

    frame: FrameClock
