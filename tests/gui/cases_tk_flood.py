"""Floods on a real label, judged by counts. Run by `test_toolkits.py` in a process of its own.

Seconds are not judged here: `benchmarks/gui_flood.py` reports them beside those of other ways.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import gui_flood


@pytest.fixture(scope="module")
def program() -> gui_flood.Program:
    return gui_flood.tk()


@pytest.mark.parametrize(
    "load",
    [
        gui_flood.Load("as fast as possible", 100_000, 0.0, 0.0),
        gui_flood.Load("paced", 50_000, 100_000.0, 0.0),
        gui_flood.Load("slow setter", 10_000, 20_000.0, 0.0002),
    ],
    ids=lambda load: load.name,
)
def test_a_flood_costs_at_most_one_write_a_frame_and_ends_on_the_last_value(
    program: gui_flood.Program, load: gui_flood.Load
) -> None:
    before = program.ui.frame.number
    it = gui_flood.measure(program, "ours", load)
    frames = program.ui.frame.number - before
    assert it.last == load.updates - 1
    assert 1 <= it.writes <= frames + 1
    # At most 60 frames a second, however long the machine took.
    assert frames <= it.shown_after * 60.0 + 2
