"""Every block of docs/testing.md runs as printed, and its tests pass."""

from __future__ import annotations

import re
import sys
import types
import unittest
from pathlib import Path

import pytest
from hypothesis import settings

from reactive_ws.testing.generating.profiles import PROFILES

PAGE = Path(__file__).parents[3] / "docs" / "testing.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_page_has_blocks() -> None:
    assert len(BLOCKS) >= 9


TYPES = BLOCKS[next(at for at, block in enumerate(BLOCKS) if "types = protocol_v1()" in block)]
"""The block that declares the message types, which later blocks use."""


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_runs(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"block_{number}"
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    padding = "\n" * PAGE.read_text()[: PAGE.read_text().index(BLOCKS[number])].count("\n")
    before = settings.get_current_profile_name()
    settings.register_profile("page", PROFILES["quick"], max_examples=15)
    settings.load_profile("page")
    try:
        if BLOCKS[number] != TYPES:
            exec(TYPES.partition("@simulate")[0], module.__dict__)
        exec(compile(padding + BLOCKS[number], str(PAGE), "exec"), module.__dict__)
        tests = [value for key, value in vars(module).items() if key.startswith("test_")]
        cases = [value for key, value in vars(module).items() if key.startswith("Test")]
        assert tests or cases
        for test in tests:
            test()
        for case in cases:
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
            assert result.testsRun == 1
            assert result.failures + result.errors == []
    finally:
        settings.load_profile(before)
