"""`FrameClock`: calls all painters together, a limited number of times a second.

It works like a browser's requestAnimationFrame, with keys: a key that requests a frame many times is called once. `conflation`
and `mirror` use it. No timer runs while no key has requested a frame.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from .ui_thread import UiThread

__all__ = ["FrameClock"]

_REST = 0.001
"""Least number of seconds between two frames, in which the toolkit paints."""

_ALWAYS = 1.0 / 60.0
"""Seconds after which a frame may begin whatever the thread has worked: one picture of a usual screen."""


class FrameClock:
    """Runs requested functions in frames. A `UiLoop` has one as its `frame`.

    After a rest a frame begins at once. The next one waits for `1 / fps` seconds. Above 60 frames a second it waits longer
    while the thread has worked for more than `share` of the time since the last one began. It never waits longer than 1/60 s.

    A frame pauses when the loop's budget is over, so that slow painters do not freeze the program. The rest of the frame
    runs before the clock calls any function a second time.
    """

    def __init__(self, ui: UiThread) -> None:
        self._ui = ui
        self._lock = threading.RLock()
        self._early: dict[object, Callable[[], object]] = {}
        self._wanted: dict[object, Callable[[], object]] = {}
        self._running: dict[object, Callable[[], object]] = {}
        self._is_due = False
        self._last = float("-inf")
        self._spent = 0.0
        self._number = 0

    def __repr__(self) -> str:
        return f"<FrameClock at frame {self._number}>"

    @property
    def number(self) -> int:
        """Number of frames so far. Any thread."""
        return self._number

    def request(self, key: object, function: Callable[[], object]) -> None:
        """Calls `function` in the next frame, in place of the earlier request of `key`. Any thread; never blocks.

        Functions run in the order of their first request. A request made inside a frame waits for the next frame.
        """
        self._request(self._wanted_now, key, function)

    def request_early(self, key: object, function: Callable[[], object]) -> None:
        """Like `request`, but before all other functions; what `function` requests runs in the same frame."""
        self._request(self._early_now, key, function)

    def cancel(self, key: object) -> None:
        """Drops what `key` has requested. Any thread."""
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
        self._ui.later(max(self._wait(), _REST), self._begin)

    def _wait(self) -> float:
        """Returns the number of seconds until a frame may begin."""
        interval = 1.0 / self._ui.fps
        if self._ui.fps * _ALWAYS > 1.0:
            # What the thread has worked since the last frame began has the painting of that frame in it.
            pause = (self._ui.spent() - self._spent) / self._ui.share
            interval = max(interval, min(_ALWAYS, pause))
        return self._last + interval - self._ui.now()

    def _begin(self) -> None:
        if self._ui.fps * _ALWAYS > 1.0 and self._wait() > _REST:
            # The toolkit has painted since the clock set its timer.
            self._arm()
            return
        self._last = self._ui.now()
        self._spent = self._ui.spent()
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
