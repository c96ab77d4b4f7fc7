"""Runs the cases of each toolkit in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from missing_parts import skip_or_fail
from ui_drivers import DEBIAN_PACKAGES

from .conftest import x_display

HERE = Path(__file__).parent
CASES = sorted(HERE.glob("cases_*.py"))
ENVIRONMENT = {
    "QT_QPA_PLATFORM": "offscreen",
    # Kivy reads the arguments of the program and logs to files; GTK here has no session bus, no graphics card, no bus for screen readers.
    "KIVY_NO_ARGS": "1",
    "KIVY_NO_CONSOLELOG": "1",
    "KIVY_NO_FILELOG": "1",
    "GDK_BACKEND": "x11",
    "GSK_RENDERER": "cairo",
    "GTK_A11Y": "none",
    "NO_AT_BRIDGE": "1",
    "GIO_USE_VFS": "local",
    "GSETTINGS_BACKEND": "memory",
}
KNOWN_NOISE = ("session bus", "dconf", "Fontconfig")
"""Complaints of toolkits on a machine without a desktop."""


MODULES = {
    "tk": (
        "_tkinter",
        "this Python has no tkinter (Debian: python3-tk; pyenv: tk-dev before the build)",
    ),
    "qt": ("PySide6", "PySide6 is not installed (pip install reactive-ws[qt])"),
    "pyqt6": ("PyQt6 qasync", "PyQt6 or qasync is not installed (pip install PyQt6 qasync)"),
    "textual": ("textual", "textual is not installed (pip install reactive-ws[textual])"),
    "kivy": ("kivy", "Kivy is not installed (pip install kivy)"),
    "nicegui": ("nicegui", "NiceGUI is not installed (pip install nicegui)"),
    "jupyter": (
        "ipykernel ipywidgets anywidget",
        "a kernel or its widgets are not installed (pip install ipykernel ipywidgets anywidget)",
    ),
    "small": (
        "customtkinter pygame dearpygui prompt_toolkit urwid",
        "a toolkit is not installed (pip install customtkinter pygame-ce dearpygui prompt_toolkit urwid)",
    ),
}
"""Modules that the cases of a toolkit need, and what to do about it."""

DEBIAN = {
    "glib": (
        "import gi.repository.GLib",
        "PyGObject is not installed for this Python (Debian: python3-gi)",
    ),
    "gtk": (
        "import gi; gi.require_version('Gtk', '4.0'); import gi.repository.Gtk",
        "GTK 4 is not installed for this Python (Debian: python3-gi, gir1.2-gtk-4.0)",
    ),
    "wx": ("import wx", "wxPython is not installed for this Python (Debian: python3-wxgtk4.0)"),
}
"""Toolkits without wheels: PyGObject and wxPython are built against the libraries of the system."""


def missing(toolkit: str, display: str | None) -> str | None:
    """Why the cases of a toolkit cannot run here."""
    modules, advice = MODULES.get(toolkit, ("", ""))
    if None in map(importlib.util.find_spec, modules.split()):
        return advice
    if toolkit in ("tk", "gtk", "wx", "kivy", "small") and display is None:
        return "there is no Xvfb (Debian: xvfb)"
    if toolkit == "nicegui" and shutil.which("chromium") is None:
        return "there is no chromium (Debian: chromium)"
    code, advice = DEBIAN.get(toolkit, ("", ""))
    if code:
        tried = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.append({DEBIAN_PACKAGES!r}); {code}"],
            capture_output=True,
            check=False,
        )
        if tried.returncode:
            return advice
    return None


def run(arguments: list[str], display: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **ENVIRONMENT}
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


def run_cases(path: Path) -> str:
    """Runs the cases of a file with a display of their own; returns what is wrong."""
    toolkit = path.stem.split("_")[1]
    with x_display() as display:
        reason = missing(toolkit, display)
        if path.stem == "cases_tk_chat" and shutil.which("xdotool") is None:
            reason = "there is no xdotool (Debian: xdotool)"
        if reason is not None:
            return f"skip: {reason}"
        done = run(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(path)], display)
    # A toolkit's own complaints, such as Qt's about timers of another thread, go to stderr.
    noise = [it for it in done.stderr.splitlines() if not any(part in it for part in KNOWN_NOISE)]
    if done.returncode or "skipped" in done.stdout or any(noise):
        return f"\n{done.stdout}\n{done.stderr}"
    return ""


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[str]]]:
    """Runs the files that were asked for, two at a time: a toolkit's tests wait more than they work."""
    wanted = [
        item.callspec.params["path"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
        if "path" in getattr(getattr(item, "callspec", None), "params", {})
    ]
    with ThreadPoolExecutor(max_workers=2) as workers:
        yield {path: workers.submit(run_cases, path) for path in wanted}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem.removeprefix("cases_"))
def test_the_cases_of_a_toolkit_pass_in_a_process_of_their_own(
    path: Path, results: dict[Path, Future[str]]
) -> None:
    complaint = results[path].result()
    if complaint.startswith("skip: "):
        skip_or_fail(complaint.removeprefix("skip: "))
    assert complaint == ""
