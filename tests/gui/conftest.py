"""Every toolkit in its own process: a toolkit that aborts must not take the run with it.

The files `cases_*.py` are ordinary tests of one toolkit each. `test_toolkits.py` runs each in a process of its own, with a
display. A toolkit that is not installed skips its file with the reason, except in CI (environment variable CI), where it
fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SIZE = "1280x900x24"


@contextmanager
def x_display() -> Iterator[str | None]:
    """The name of an X display of our own; None where Xvfb is missing."""
    if shutil.which("Xvfb") is None:
        yield None
        return
    reading, writing = os.pipe()
    # Without -noreset the server restarts when its last client goes, and refuses a client that comes meanwhile.
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", SIZE, "-noreset", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    try:
        yield f":{number}" if number else None
    finally:
        server.terminate()
        server.wait(10.0)


@pytest.fixture(scope="session")
def display() -> Iterator[str | None]:
    """A display for all tests of a session that need one; see `x_display`."""
    with x_display() as name:
        yield name
