"""An event loop in its own daemon thread, for programs whose main thread belongs to a GUI.

It runs what is posted and knows nothing about connections; `service` starts one in `start()` and ends it in `stop()`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from .errors import UsageError

__all__ = ["BackgroundThread"]


class BackgroundThread:
    """The thread. Made running; ended by `stop`, after which nothing of it is left."""

    def __init__(self, name: str) -> None:
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._is_up.wait()

    def __repr__(self) -> str:
        return f"<BackgroundThread {self._thread.name!r}>"

    @property
    def is_current(self) -> bool:
        """Whether the caller is on this thread."""
        return threading.current_thread() is self._thread

    def post(self, function: Callable[[], None]) -> None:
        """Runs `function` in the loop, soon. Any thread."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Ends the loop and waits for the thread.

        Raises:
            UsageError: called on this very thread, which would wait for itself.
        """
        if self.is_current:
            raise UsageError(
                "stop() waits for the service's thread and was called on it; call disconnect() there"
            )
        self.post(self._finish)
        self._thread.join()

    def _finish(self) -> None:
        if self._end is not None:
            self._end.set()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._is_up.set()
        await self._end.wait()
        self._loop = None
