"""Waits until a program that a test started listens on its port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["listening"]


async def listening(port: int, has_ended: Callable[[], bool], patience: float) -> None:
    """Returns when a program on this machine takes connections on a port.

    Args:
        port: On 127.0.0.1.
        has_ended: Whether the program is gone.
        patience: Seconds.

    Raises:
        AssertionError: the program ended first.
        TimeoutError: it does not listen in time.
    """
    async with asyncio.timeout(patience):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert not has_ended(), f"the program for port {port} ended"
                await asyncio.sleep(0.02)  # another program starts, and gives no signal
            else:
                writer.transport.abort()
                return
