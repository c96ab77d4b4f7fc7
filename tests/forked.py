"""Runs a function in a forked child."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["in_child"]


def in_child(work: Callable[[], Any]) -> Any:
    """Returns what `work` returns in a forked child; an alarm ends a child that hangs."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:  # pragma: no cover - another process
        text = '"failed"'
        try:
            import signal

            signal.alarm(10)
            text = json.dumps(work())
        finally:
            os.write(writing, text.encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else "hung"
