"""Ends a server that runs as a program: SIGTERM is a normal end; Ctrl-C is quiet and left to asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Generator

__all__ = ["termination"]


@contextlib.contextmanager
def termination() -> Generator[asyncio.Event, None, None]:
    """Gives an event that SIGTERM sets. Enter it before the server reports that it runs.

    On Windows, and outside of the main thread, the event is never set: there is no such signal to handle.
    """
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    try:
        loop.add_signal_handler(signal.SIGTERM, told.set)
    except (NotImplementedError, RuntimeError, ValueError):
        yield told
        return
    try:
        yield told
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
