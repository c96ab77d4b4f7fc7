"""Runs the cases of each toolkit in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ui_drivers import DEBIAN_PACKAGES

from .conftest import skip_or_fail

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("cases_*.py"))


def missing(toolkit: str, display: str | None) -> str | None:
    """Why the cases of a toolkit cannot run here."""
    if toolkit == "tk":
        if importlib.util.find_spec("_tkinter") is None:
            return "this Python has no tkinter (Debian: python3-tk; pyenv: tk-dev before the build)"
        if display is None:
            return "there is no Xvfb (Debian: xvfb)"
    if toolkit == "qt" and importlib.util.find_spec("PySide6") is None:
        return "PySide6 is not installed (pip install reactive-ws[qt])"
    if toolkit == "pyqt6" and None in map(importlib.util.find_spec, ("PyQt6", "qasync")):
        return "PyQt6 or qasync is not installed (pip install PyQt6 qasync)"
    if toolkit == "textual" and importlib.util.find_spec("textual") is None:
        return "textual is not installed (pip install reactive-ws[textual])"
    if toolkit == "glib":
        tried = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path.append({DEBIAN_PACKAGES!r}); import gi.repository.GLib",
            ],
            capture_output=True,
            check=False,
        )
        if tried.returncode:
            return "PyGObject is not installed for this Python (Debian: python3-gi)"
    return None


def run(arguments: list[str], display: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    if display is not None:
        environment["DISPLAY"] = display
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=HERE.parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        # A slow machine takes minutes for a thousand edits; a deadlock never ends.
        timeout=1_200.0,
        check=False,
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem.removeprefix("cases_"))
def test_the_cases_of_a_toolkit_pass_in_a_process_of_their_own(
    path: Path, display: str | None
) -> None:
    reason = missing(path.stem.split("_")[1], display)
    if path.stem == "cases_tk_chat" and shutil.which("xdotool") is None:
        reason = "there is no xdotool (Debian: xdotool)"
    if reason is not None:
        skip_or_fail(reason)
    done = run(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(path)], display)
    assert done.returncode == 0, f"\n{done.stdout}\n{done.stderr}"
    assert "skipped" not in done.stdout, done.stdout
    # A toolkit's own complaints, such as Qt's about timers of another thread, go there.
    assert done.stderr == ""
