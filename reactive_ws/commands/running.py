"""Runs a server until the user or the system ends it: Ctrl-C is quiet, SIGTERM is a normal end."""

from __future__ import annotations

import asyncio
import signal

__all__ = ["stopped"]


async def stopped() -> None:
    """Waits for SIGTERM. Ctrl-C cancels the caller as always."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    try:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    except (NotImplementedError, RuntimeError):
        # Windows has no such handler, and only the main thread may set one: there it ends like any other process.
        await loop.create_future()
    try:
        await stop.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
