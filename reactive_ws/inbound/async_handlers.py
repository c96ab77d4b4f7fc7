"""Slow handlers: each `on_async` handler has an ordered, bounded queue and one task that lives while it has work.

The dispatcher calls `give` like any handler, which never waits. A handler that falls 1 000 messages behind loses the new
one; that is reported, because the alternative is a reader that stops reading, and then the connection dies.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Awaitable, Callable
from typing import Any

from ..engine import refuse_copy
from ..errors import UsageError

__all__ = ["AsyncHandler"]

_MAX_WAITING = 1000


class AsyncHandler:
    """One async handler with its queue. Loop only."""

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        name: str,
        handler: Callable[[Any], Awaitable[Any]],
        on_failed: Callable[[str, Exception], None],
    ) -> None:
        self.name = name
        self._handler = handler
        self._on_failed = on_failed
        self._waiting: collections.deque[Any] = collections.deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that works the queue off; None while it is empty."""
        return self._task

    def give(self, what: Any) -> None:
        """Queues one call."""
        if len(self._waiting) >= _MAX_WAITING:
            text = f"it is {_MAX_WAITING} messages behind, and this one was dropped; make it faster"
            self._on_failed(self.name, UsageError(text))
            return
        self._waiting.append(what)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._work(), name=f"reactive_ws-{self.name}"
            )

    def close(self) -> None:
        """Drops what waits and cancels the call that is under way."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                try:
                    await self._handler(self._waiting.popleft())
                except Exception as error:  # noqa: BLE001 - foreign code: isolated and reported by name
                    self._on_failed(self.name, error)
        finally:
            self._task = None
