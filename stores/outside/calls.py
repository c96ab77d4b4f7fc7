"""Calls functions that a user gives, sync or async, and reports their results; for a REST client, for example.

It calls a plain function at once, on the calling thread. It awaits an async one in the running loop. Without a loop it uses
a thread of its own, so that a click handler never waits. It retries nothing and reports nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

__all__ = ["call"]

T = TypeVar("T")

_tasks: set[asyncio.Task[None]] = set()


def call(
    function: Callable[[], T | Awaitable[T]],
    done: Callable[[T], object],
    failed: Callable[[BaseException], object],
) -> None:
    """Calls a function; later one of the two callbacks, once, on the thread on which the result came.

    Args:
        function: Without arguments; what it returns may be awaitable.
        done: Gets the result. What it raises goes to `failed`.
        failed: Gets what was raised, a cancellation included.
    """
    try:
        result: Any = function()
        if not inspect.isawaitable(result):
            done(result)
            return
    except Exception as error:  # noqa: BLE001 - foreign code; the caller receives it
        failed(error)
        return

    async def wait() -> None:
        try:
            done(await result)
        except asyncio.CancelledError as error:
            failed(error)
            raise
        except Exception as error:  # noqa: BLE001 - foreign code; the caller receives it
            failed(error)

    try:
        task = asyncio.get_running_loop().create_task(wait(), name="stores-call")
    except RuntimeError:
        name = "stores call"
        threading.Thread(target=asyncio.run, args=(wait(),), name=name, daemon=True).start()
    else:
        # A loop holds its tasks weakly.
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
