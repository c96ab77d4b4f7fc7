"""Finds why a commit is made: the function that wrote, the messages behind it, the thread, the line of the program.

The tracer runs on the thread that writes, and only in a domain that is traced. `ProgramRecorder` installs it.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from types import FrameType

from ..engine import Cause

__all__ = ["StackTracer"]

_PACKAGE = __name__.partition(".")[0]
_SERVICE = tuple(
    f"{_PACKAGE}.{it}" for it in ("service", "connection", "inbound", "outbox", "transport")
)
_WRITERS = (
    *_SERVICE,
    *(f"{_PACKAGE}.{it}" for it in ("engine", "state", "editing", "replicas", "devtools")),
    "asyncio",
    "attr",
    "websockets",
)
"""Packages that write for others: what called them is the action."""
_NOT_THE_PROGRAM = sys.stdlib_module_names | {_PACKAGE, "reactivex", "attr", "websockets", ""}
"""Roots of modules that are not code of the program."""
_LOOPS = ("asyncio.events", "asyncio.base_events", "asyncio.runners")
"""Modules that run callbacks. What called them started the loop, and did not cause the commit."""
_DEPTH = 60
"""Frames that are looked at; a deeper program has no call site."""


class StackTracer:
    """Reads the stack of the writing thread.

    Args:
        call_sites: Whether to look for the line of the program's own code; costs some microseconds a commit.
    """

    def __init__(self, *, call_sites: bool) -> None:
        self._call_sites = call_sites
        self._of_thread = threading.local()

    def handling(self, types: tuple[str, ...]) -> None:
        """Notes the types of the messages whose effects this thread commits next."""
        self._of_thread.types = types

    def acting(self, action: str | None) -> None:
        """Names what this thread does from now on; None lets the stack say it."""
        self._of_thread.action = action

    def cause(self, parent: int) -> Cause:
        """Returns why this thread commits now."""
        mine = self._of_thread
        types: tuple[str, ...] = getattr(mine, "types", ())
        if parent:
            # An observer of the burst writes; the messages caused the commit that it observes.
            types = ()
        else:
            mine.types = ()
        action: str | None = getattr(mine, "action", None)
        found, site = _look(inspect.currentframe(), with_site=self._call_sites)
        if action is None:
            action = f"messages {', '.join(types)}" if types else found
        return Cause(action, types, threading.current_thread().name, parent, site)


def _look(frame: FrameType | None, *, with_site: bool) -> tuple[str, str | None]:
    """Returns the action, and the first line outside this package.

    The action is the first function outside `_WRITERS`. The search ends at the event loop that runs the writer.
    """
    action: str | None = None
    is_service = False
    for _ in range(_DEPTH):
        if frame is None:
            break
        module: str = frame.f_globals.get("__name__", "")
        code = frame.f_code
        if module in _LOOPS or (module == "tkinter" and code.co_name == "mainloop"):
            break
        is_service = is_service or module.startswith(_SERVICE)
        if action is None and not module.startswith(_WRITERS):
            action = f"{module}.{code.co_qualname}"
            if not with_site:
                break
        if action is not None and module.partition(".")[0] not in _NOT_THE_PROGRAM:
            name = os.path.basename(code.co_filename)
            return action, f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return action or ("the connection" if is_service else "the event loop"), None
