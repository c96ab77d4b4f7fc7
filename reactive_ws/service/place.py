"""Where a service runs at the moment: its thread, the loop, and the shell in that loop.

It starts and ends nothing; `runtime` does. The other parts ask it for the time and post work to the loop.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from ..errors import UsageError
from .loop import BackgroundThread
from .shell import Shell

__all__ = ["ServicePlace"]


class ServicePlace:
    """The place. Any thread may ask it; only `runtime` changes it.

    Attributes:
        thread: The thread of `start()`; None when the service has none of its own.
        shell: The connection in its loop; None while the service does not run.
        process: The process that made the service.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.thread: BackgroundThread | None = None
        self.shell: Shell | None = None

    def now(self) -> float:
        """Returns seconds of the service's clock."""
        shell = self.shell
        loop = shell.loop if shell is not None else asyncio._get_running_loop()
        # Without any loop this is the clock that the loop will have.
        return loop.time() if loop is not None else time.monotonic()

    @property
    def is_forked(self) -> bool:
        """Whether this process is a child, forked after the service was made. Loop, thread and socket stay with the parent."""
        return os.getpid() != self.process

    def check_process(self) -> None:
        """Raises when this process is not the one that made the service.

        Raises:
            UsageError: in a child that was forked after the service was made.
        """
        if self.is_forked:
            raise UsageError(
                "this service was made before the fork, and its connection stays with the parent process; "
                "make another WebSocketService in the child"
            )

    def is_idle(self) -> bool:
        """Whether the service does not run."""
        return self.shell is None

    def post(self, function: Callable[[], None]) -> None:
        """Calls a function in the service's loop: at once when the caller is in it, or when there is none.

        In a forked child it calls nothing, because the loop and the file stay with the parent.
        """
        if self.is_forked:
            return
        thread = self.thread
        if thread is not None and not thread.is_current and thread.post(function):
            # The thread runs what it accepts, however near its end is.
            return
        shell = self.shell
        if shell is not None and shell.loop.is_closed():
            shell.leave_closed_loop()
            shell = None
        if shell is None or asyncio._get_running_loop() is shell.loop:
            function()
            return
        try:
            shell.loop.call_soon_threadsafe(function)
        except RuntimeError:
            # The loop was closed between the look and the call.
            self.post(function)
