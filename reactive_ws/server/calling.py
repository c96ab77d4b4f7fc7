"""Calls functions of the application, which are sync or async and may fail in any way.

Asyncio raises the same exception in a task that is cancelled and in a function that awaits such a task. The server has to tell them
apart: otherwise a handler that awaits a cancelled task ends the server's own task, and its client waits without an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar

__all__ = ["called", "cancel", "go_on", "resolve"]

T = TypeVar("T")


class called:  # noqa: N801 - a function for its callers
    """Runs code of the application: the cancellation of something else is an error of that code; that of this task passes.

    Raises:
        RuntimeError: the code awaited something that was cancelled.
    """

    __slots__ = ("_before", "_task")

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._before = 0 if self._task is None else self._task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is None or not isinstance(error, asyncio.CancelledError):
            return
        if self._task is not None and self._task.cancelling() > self._before:
            return
        raise RuntimeError(
            "the function awaited something that was cancelled; catch asyncio.CancelledError around it"
        ) from error


async def resolve(value: T | Awaitable[T]) -> T:
    """Returns what a sync or async function of the application returned."""
    if inspect.isawaitable(value):
        return await value
    return value


@types.coroutine
def go_on(coroutine: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Awaits a coroutine that has begun, and waits for something."""
    while True:
        error: BaseException | None = None
        sent: Any = None
        try:
            sent = yield waits_for
        except BaseException as raised:  # noqa: BLE001 - it goes to the coroutine, as `await` lets it
            error = raised
        try:
            waits_for = coroutine.send(sent) if error is None else coroutine.throw(error)
        except StopIteration as done:
            result: T = done.value
            return result


async def cancel(coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
    """Cancels a coroutine that has begun and waits for something, as the end of a task does, and waits for its end."""
    with contextlib.suppress(Exception), called():
        if not isinstance(waits_for, asyncio.Future):
            # It gave other tasks their turn, and waits for nothing.
            waits_for = coroutine.throw(asyncio.CancelledError())
        else:
            waits_for.cancel()
        await go_on(coroutine, waits_for)
