"""Calls functions of the application, which are sync or async and may fail in any way.

Asyncio raises the same exception in a task that is cancelled and in a function that awaits such a task. The server has to tell them
apart: otherwise a handler that awaits a cancelled task ends the server's own task, and its client waits without an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Generator
from typing import TypeVar

__all__ = ["called", "resolve"]

T = TypeVar("T")


@contextlib.contextmanager
def called() -> Generator[None]:
    """Runs code of the application: the cancellation of something else is an error of that code; that of this task passes.

    Raises:
        RuntimeError: the code awaited something that was cancelled.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        yield
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling() > before:
            raise
        raise RuntimeError(
            "the function awaited something that was cancelled; catch asyncio.CancelledError around it"
        ) from error


async def resolve(value: T | Awaitable[T]) -> T:
    """Returns what a sync or async function of the application returned."""
    if inspect.isawaitable(value):
        return await value
    return value
