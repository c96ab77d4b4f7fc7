"""Runs a program of a page in a process of its own, and compares what it prints with what the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def check_printed(program: str, output: str, folder: Path) -> None:
    """Fails when the program prints something else than `output`, warns, or does not end well.

    Args:
        program: The source.
        output: What the page shows.
        folder: Where the program runs.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")
