"""Acts between two instructions of the package, wherever the interpreter may, for the tests of interrupts and threads."""

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["LOOKS_FOR_SIGNALS", "MAY_COLLECT", "is_reached", "places_of"]

LOOKS_FOR_SIGNALS = ("CALL", "RESUME", "JUMP_BACKWARD")
"""After these the interpreter switches threads, runs signal handlers and, from 3.12 on, collects garbage."""
RETURNS_QUIETLY = frozenset({"_rest", "_keep_busy", "_leave_section"})
"""Functions of the package after whose return there is no place.

The interpreter looks for signals when a Python function begins and when a C function returned. It does not look when a
Python function returns to another one. The last step of these three lets direct writes pass again, and the next step of
the caller releases the lock.
"""
MAY_COLLECT = (*LOOKS_FOR_SIGNALS, "BUILD_", "MAKE_FUNCTION")
"""After these CPython 3.11 may collect, because they make an object."""


def is_reached(
    act: Callable[[], object],
    place: int,
    meanwhile: Callable[[], object],
    *,
    after: tuple[str, ...] = LOOKS_FOR_SIGNALS,
    within: Callable[[str], bool] = lambda _: True,
) -> bool:
    """Runs `act`, and `meanwhile` at the place of this number in the package; False beyond the last place.

    Args:
        act: The function whose instructions count.
        place: Counted from 1.
        meanwhile: Runs on the same thread; its own instructions do not count.
        after: Beginnings of the names of instructions after which there is a place.
        within: Of which functions the instructions count, by name.
    """
    return _left(act, place, meanwhile, after, within) <= 0


def places_of(act: Callable[[], object], *, after: tuple[str, ...] = LOOKS_FOR_SIGNALS) -> int:
    """Returns how many places `act` has."""
    many = 10**9
    return many - _left(act, many, lambda: None, after, lambda _: True)


def _left(
    act: Callable[[], object],
    place: int,
    meanwhile: Callable[[], object],
    after: tuple[str, ...],
    within: Callable[[str], bool],
) -> int:
    left = place
    latest: dict[FrameType, str] = {}
    is_entry = "RESUME".startswith(after)

    def look(frame: FrameType) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            sys.settrace(None)
            try:
                meanwhile()
            finally:
                sys.settrace(enter)

    def step(frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            before = latest.get(frame, "")
            latest[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]]
            if before and before.startswith(after):
                look(frame)
        elif (
            event == "return"
            and frame.f_back is not None
            and frame.f_code.co_name in RETURNS_QUIETLY
        ):
            latest[frame.f_back] = ""
        return step

    def enter(frame: FrameType, _: str, __: object) -> Any:
        code = frame.f_code
        if "reactive_ws" not in code.co_filename or not within(code.co_name):
            return None
        frame.f_trace_opcodes = True
        if is_entry:
            look(frame)
        return step

    outer, collects = sys.gettrace(), gc.isenabled()
    # The collector would run finalizers of older tests in the middle, and their instructions would count.
    gc.disable()
    sys.settrace(enter)
    try:
        act()
    finally:
        sys.settrace(outer)
        if collects:
            gc.enable()
    return left
