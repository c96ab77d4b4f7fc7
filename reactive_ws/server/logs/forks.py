"""Logs that are open when the process forks: they stay with the parent. The child gets an error, and can open a log of its own.

Threads, loops and connections do not survive a fork. A child that used those of its parent would wait without end, or break what the
parent does.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet

from ...errors import LogError, LogUnavailable, LogUnusable

__all__ = ["CLOSED", "LEFT", "Forkable", "closed", "keep", "leave"]

CLOSED: Final = "it is closed; call open() first"
"""The reason why a program cannot use a log that is not open."""
LEFT: Final = "it was opened before the fork, and stays with the parent process; make another log in the child"
"""The reason why a child cannot use a log."""


class Forkable(Protocol):
    """A log that can be open while the process forks."""

    def leave_to_parent(self) -> None:
        """Closes the log in a forked child, and closes nothing that the parent uses."""
        ...


_open: WeakSet[Forkable] = WeakSet()
_left: list[object] = []
"""Connections and tasks of the parent process. A child ends none of them, and nothing collects them."""


def keep(log: Forkable) -> None:
    """The log is open from now on. One that was closed since then is left to the parent, too."""
    _open.add(log)


def leave(*parts: object) -> None:
    """Leaves connections and tasks to the parent, in a forked child."""
    _left.extend(parts)


def closed(name: str, reason: str) -> LogError:
    """Returns the error of a log that is not open: `LEFT` cannot be cured by another attempt."""
    return LogUnusable(name, reason) if reason is LEFT else LogUnavailable(name, reason)


def _leave_to_parent() -> None:
    for log in list(_open):
        log.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
