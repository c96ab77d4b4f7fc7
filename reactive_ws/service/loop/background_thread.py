"""An event loop in its own daemon thread, for programs whose main thread belongs to a GUI.

It runs what other threads post and knows nothing about connections. `runtime` starts one in `start()` and ends it in
`stop()`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from ...outbox import Pending

__all__ = ["BackgroundThread"]


class BackgroundThread:
    """The thread. It runs from the moment it is made until `stop`, which leaves nothing behind."""

    def __init__(self, name: str) -> None:
        self._is_up = threading.Event()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._accepted = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._is_up.wait()

    def __repr__(self) -> str:
        return f"<BackgroundThread {self._thread.name!r}{' over' if self._is_over else ''}>"

    @property
    def is_current(self) -> bool:
        """Whether the caller is on this thread."""
        return threading.current_thread() is self._thread

    @property
    def is_over(self) -> bool:
        """Whether it ends or has ended."""
        return self._is_over

    def post(self, function: Callable[[], None]) -> bool:
        """Runs `function` in the loop, soon. Any thread.

        Returns:
            False when the thread ends: the function will not run.
        """
        with self._lock:
            if self._loop is None:
                return False
            self._accepted += 1
            self._loop.call_soon_threadsafe(self._run_accepted, function)
            return True

    def _run_accepted(self, function: Callable[[], None]) -> None:
        with self._lock:
            self._accepted -= 1
        function()

    def stop(self, is_idle: Callable[[], bool]) -> None:
        """Ends the loop and waits for the thread. On this very thread it only begins to end.

        Args:
            is_idle: Called in the loop after everything accepted has run, while no thread can post. When it returns
                False, because a `connect()` came in time, the thread goes on.
        """
        decided: Pending[bool] = Pending()
        is_posted = self.post(lambda: self._decide(is_idle, decided))
        if not self.is_current and (not is_posted or decided.result()):
            self._thread.join()

    def _decide(self, is_idle: Callable[[], bool], decided: Pending[bool]) -> None:
        with self._lock:
            if self._loop is not None and self._accepted:
                self._loop.call_soon(self._decide, is_idle, decided)
                return
            if self._loop is not None and self._end is not None and is_idle():
                self._loop = None
                self._is_over = True
                self._end.set()
        decided.settle(self._is_over)

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._is_up.set()
        await self._end.wait()
