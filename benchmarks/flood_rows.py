"""`gui_flood_tk`, `gui_flood_qt`: a store that is written without end and one label; `gui_flood_cost`: what a write costs; see `gui_flood`.

Each way runs in a process of its own, on Xvfb where there is no display. The row is the age of the oldest value that the
label showed. The label must show the last value, and may change at most once a frame. The note says how often each way
wrote the label and how long it froze the window. It also says how long the writer took, and how long our longest wake was.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import gui_flood
from benchmarks.timing import Metric

__all__ = ["flood_rows"]

_WAYS = {"ours": "ours", "stock": "stock scheduler", "drain": "queue, emptied per frame"}
_NOTHING = "observer that does nothing"
_MOST = 1.1
"""How many times as much a write may cost."""
_PATIENCE = 300.0
_FRAME = 0.016


def _why_not(toolkit: str) -> str | None:
    module = {"tk": "tkinter", "qt": "PySide6"}[toolkit]
    if importlib.util.find_spec(module) is None:
        return f"{module} is not installed"
    if toolkit == "tk" and not os.environ.get("DISPLAY") and shutil.which("Xvfb") is None:
        return "no display and no Xvfb"
    return None


def _measured(toolkit: str, way: str, updates: int) -> dict[str, Any]:
    words = [sys.executable, str(Path(__file__)), toolkit, way, str(updates)]
    environment = dict(os.environ)
    if toolkit == "qt":
        environment.setdefault("QT_QPA_PLATFORM", "offscreen")
    elif "DISPLAY" not in environment:
        words = ["xvfb-run", "-a", *words]
    ran = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def flood_rows(*, is_quick: bool) -> Iterator[Metric]:
    """Yields the row of costs and one for each installed toolkit; prints the reason why a toolkit has none."""
    updates = 2_000 if is_quick else 100_000
    yield _cost(is_quick=is_quick)
    for toolkit in ("tk", "qt"):
        reason = _why_not(toolkit)
        if reason is not None:
            print(f"(no gui_flood_{toolkit}: {reason})")
            continue
        samples: dict[str, list[float]] = {}
        notes: list[str] = []
        for way, who in _WAYS.items():
            found = _measured(toolkit, way, updates)
            samples[who] = [max(found["worst_staleness"], 1e-6) * 1e3]
            late = ", never showed the last" if found["is_late"] else ""
            notes.append(
                f"{who}: {found['writes']:,} writes, froze {found['longest_freeze'] * 1e3:.0f} ms, "
                f"the writer took {found['produced_in']:.2f} s{late}"
            )
            if way == "ours":
                notes[-1] += f", longest wake {found['longest_wake'] * 1e3:.1f} ms"
                _check(toolkit, found, updates)
        yield Metric(
            f"gui_flood_{toolkit}",
            "ms",
            samples,
            note=f"({updates:,} updates; {'; '.join(notes)})",
        )


def _cost(*, is_quick: bool) -> Metric:
    nothing, ours = gui_flood.costs(3 if is_quick else 60, 2_000 if is_quick else 20_000)
    return Metric(
        "gui_flood_cost",
        "ns",
        {"ours": ours, _NOTHING: nothing},
        targets={_NOTHING: 1 / _MOST},
        note="(processor time of a write that is conflated for a frame)",
    )


def _check(toolkit: str, found: dict[str, Any], updates: int) -> None:
    if found["is_late"] or found["last"] != updates - 1:
        raise AssertionError(f"gui_flood_{toolkit}: the last value was not shown")
    if found["writes"] > found["shown_after"] / _FRAME + 2:
        raise AssertionError(
            f"gui_flood_{toolkit}: {found['writes']} writes, more than one a frame"
        )


def _child(toolkit: str, way: str, updates: int) -> None:
    program = gui_flood.tk() if toolkit == "tk" else gui_flood.qt()
    it = gui_flood.measure(program, way, gui_flood.Load("", updates, 0.0, 0.0))
    names = ("writes", "last", "is_late", "worst_staleness", "longest_freeze", "shown_after")
    names += ("produced_in", "longest_wake")
    print(json.dumps({name: getattr(it, name) for name in names}), flush=True)
    # The toolkit's own end is not what is measured.
    os._exit(0)


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
