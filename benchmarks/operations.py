"""Counts what an act costs without a clock: instructions of Python, and the words of memory that it needs at once.

A copy in C executes no instruction but needs memory, so both together tell the order of growth on any machine.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["instructions", "operations"]

_WORD = 8


def operations(act: Callable[[], object]) -> int:
    """Returns the instructions that `act` executes in Python code, plus the words of memory that it holds at its peak."""
    return instructions(act) + _words(act)


def instructions(act: Callable[[], object]) -> int:
    """Returns the instructions that `act` executes in Python code."""
    count = 0

    def step(_frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if event == "opcode":
            count += 1
        return step

    def enter(frame: FrameType, _: str, __: object) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return step

    outer = sys.gettrace()
    sys.settrace(enter)
    try:
        act()
    finally:
        sys.settrace(outer)
    return count


def _words(act: Callable[[], object]) -> int:
    gc.collect()
    is_on = tracemalloc.is_tracing()
    if not is_on:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        act()
        return max(0, tracemalloc.get_traced_memory()[1] - before) // _WORD
    finally:
        if not is_on:
            tracemalloc.stop()
