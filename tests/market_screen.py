"""The last screen that a program for a recorded market feed prints."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from raw_client import PATIENCE, serving

ROOT = Path(__file__).parents[1]


def last_screen(program: Path, recording: Path, directory: Path) -> dict[str, list[Decimal]]:
    """Runs a program against a replay to its end; returns its numbers by product."""
    with serving("replay", str(recording), "--speed", "max", "--port", "0") as (_, url):
        done = subprocess.run(
            [sys.executable, "-W", "error", str(program), url],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    # A machine may pause in any handler, so the report of a slow one says nothing about the program.
    reports = [
        line for line in done.stderr.splitlines() if "use on_async for slow work" not in line
    ]
    assert (done.returncode, reports) == (0, [])
    lines = done.stdout.rpartition("\x1b[J")[2].splitlines()
    return {line.split()[0]: [Decimal(text) for text in line.split()[1:4]] for line in lines[1:]}
