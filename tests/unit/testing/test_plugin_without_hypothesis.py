"""A profile of the pytest plugin without Hypothesis: one line that says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from raw_client import ROOT

PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hypothesis":
            raise ModuleNotFoundError("No module named 'hypothesis'", name="hypothesis")

sys.meta_path.insert(0, Missing())
import pytest

sys.exit(pytest.main(["-q", "--rws-profile", "quick", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]))
"""


def test_a_profile_without_hypothesis_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 4, said
    assert "the profile 'quick' needs hypothesis: pip install 'reactive-ws[testing]'" in said
    assert "INTERNALERROR" not in said
