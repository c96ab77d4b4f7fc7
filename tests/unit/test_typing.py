"""Both type checkers, strict, over `tests/typing`: the cases that must hold and the mistakes that must be refused."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from missing_parts import skip_or_fail

ROOT = Path(__file__).parents[2]

CHECKERS = {
    "mypy": ["--cache-dir=/dev/null", "tests/typing"],
    # With settings of its own: what silences mypy does not silence pyright, and a needless ignore is an error.
    "pyright": ["--pythonpath", sys.executable, "--project", "tests/typing"],
}


@pytest.mark.parametrize("checker", sorted(CHECKERS))
def test_a_checker_accepts_the_cases_and_needs_every_ignore(checker: str, tmp_path: Path) -> None:
    if find_spec(checker) is None:
        skip_or_fail(f"{checker} is not installed; `make check` installs it")
    command = [sys.executable, "-m", checker, *CHECKERS[checker]]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
