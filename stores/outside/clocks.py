"""The usual clocks, timers and ids; `Application` takes them when the user gives no others.

Tests give virtual ones instead. Nothing here knows a store.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["call_later", "new_id", "seconds", "utc_now"]


def utc_now() -> datetime:
    """Returns the wall clock's time, UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """Returns an id that nothing else has."""
    return str(uuid.uuid4())


def seconds() -> float:
    """Returns the time of the running loop; where there is none, that of the loop that the service will have."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def call_later(delay: float, function: Callable[[], None]) -> Callable[[], None]:
    """Starts a timer in the running loop, or a thread where there is none; returns the cancel.

    Args:
        delay: Seconds.
        function: Without arguments.
    """
    try:
        return asyncio.get_running_loop().call_later(delay, function).cancel
    except RuntimeError:
        timer = threading.Timer(delay, function)
        timer.daemon = True
        timer.start()
        return timer.cancel
