"""Floods on a real label, judged by counts, for `cases_qt_flood` and `cases_tk_flood`.

Seconds are not judged here: `benchmarks/gui_flood.py` reports them beside those of other ways. Own time is processor time of the UI
thread, so that what other programs do in between does not count; the bound has room for a machine ten times slower.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import gui_flood

__all__ = ["check_flood", "each_load", "gui_flood"]

each_load = pytest.mark.parametrize(
    "load",
    [
        gui_flood.Load("as fast as possible", 100_000, 0.0, 0.0),
        gui_flood.Load("paced", 100_000, 100_000.0, 0.0),
        gui_flood.Load("slow setter", 10_000, 20_000.0, 0.0002),
    ],
    ids=lambda load: load.name,
)


def check_flood(program: gui_flood.Program, load: gui_flood.Load) -> None:
    """One write a frame at most, the last value at the end, and short wakes."""
    before = program.ui.frame.number
    it = gui_flood.measure(program, "ours", load)
    frames = program.ui.frame.number - before
    assert it.last == load.updates - 1
    assert 1 <= it.writes <= frames + 1
    # At most 60 frames a second, however long the machine took.
    assert frames <= it.shown_after * 60.0 + 2
    assert 0.0 < it.typical_wake <= 0.008 + load.cost
