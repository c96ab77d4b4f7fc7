"""The event loop that the async functions of resources and effects run on.

The program may name the loop. Else it is the loop that runs where the resource or effect begins. Where none runs, it is a loop
in a daemon thread that all of them share. `resource` and `effects` call this.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from reactivex import Observable

from ..errors import UsageError
from ..state import ReadOnly

__all__ = ["Runner", "check_stream"]


def check_stream(given: object, role: str) -> None:
    """Refuses what is not a stream or a value that can be observed.

    Raises:
        UsageError: it is neither.
    """
    if not isinstance(given, (Observable, ReadOnly)):
        raise UsageError(
            f"{role} is a store, a selection, a derived value or another stream; got {type(given).__name__} {given!r:.80}"
        )


class _Background:
    """The loop in a daemon thread, for programs without a loop. It begins with the first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """Returns the loop."""
        with self._lock:
            if self._loop is None:
                self._loop = loop = asyncio.new_event_loop()
                threading.Thread(
                    target=loop.run_forever, name="reactive_ws resources", daemon=True
                ).start()
            return self._loop


_background = _Background()


class Runner:
    """Calls functions on one event loop.

    Args:
        loop: The loop; None: see the top of this module.

    Raises:
        UsageError: it is not an event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and not isinstance(loop, asyncio.AbstractEventLoop):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"loop= takes an asyncio event loop; got {type(loop).__name__}")
        self._given = loop
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> bool:
        """Chooses the loop, unless the one chosen before is still open; returns whether it chose one."""
        if self._loop is not None and not self._loop.is_closed():
            return False
        self._loop = self._given or asyncio._get_running_loop() or _background.loop()
        return True

    def call(self, function: Callable[[], None]) -> bool:
        """Calls a function on the loop: now when this is its thread, else soon.

        Returns:
            Whether there is a loop that calls it; False when it is closed, or when none was chosen.
        """
        loop = self._loop
        if loop is None:
            return False
        if asyncio._get_running_loop() is loop:
            function()
            return True
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            return False
        return True
