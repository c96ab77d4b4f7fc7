"""Floods on a real Tk label. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from flood_cases import check_flood, each_load, gui_flood


@pytest.fixture(scope="module")
def program() -> gui_flood.Program:
    return gui_flood.tk()


@each_load
def test_a_flood_costs_at_most_one_write_a_frame_and_ends_on_the_last_value(
    program: gui_flood.Program, load: gui_flood.Load
) -> None:
    check_flood(program, load)
