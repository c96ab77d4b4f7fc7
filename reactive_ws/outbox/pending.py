"""A result that comes later, from whatever thread: awaitable in any event loop, or waited for by a plain thread.

It runs nothing. `service` hands one out where a method both starts something and can be waited for; not waiting is fine.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from ..engine import refuse_copy

__all__ = ["Pending"]

T = TypeVar("T")


class Pending(Generic[T]):
    """A result that is settled once; later settlements are ignored. Every method may be called from any thread."""

    __slots__ = ("_future",)

    __reduce_ex__ = refuse_copy

    def __init__(self) -> None:
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()

    def __repr__(self) -> str:
        return f"<Pending {'done' if self._future.done() else 'waiting'}>"

    def __await__(self) -> Generator[Any, None, T]:
        """Waits in the running loop; cancelling the waiter does not cancel what it waits for."""
        return asyncio.shield(asyncio.wrap_future(self._future)).__await__()

    def result(self, timeout: float | None = None) -> T:
        """Blocks the calling thread. Never call it on the service's own thread: it would wait for itself.

        Raises:
            TimeoutError: nothing happened within `timeout` seconds.
            Exception: whatever it was failed with.
        """
        return self._future.result(timeout)

    def then(self, function: Callable[[], None]) -> None:
        """Calls a function when it is settled, on the thread that settles it; at once when it is."""
        self._future.add_done_callback(lambda _: function())

    def settle(self, value: T) -> None:
        """Gives it its value."""
        if not self._future.done():
            self._future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Makes every waiter raise this."""
        if not self._future.done():
            self._future.set_exception(error)
