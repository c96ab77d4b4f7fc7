"""Prints the rows as a table and writes the file that `compare.py` reads."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.timing import Metric

__all__ = [
    "as_json",
    "interpreter",
    "machine",
    "print_head",
    "print_row",
    "save",
    "versions",
    "write",
]

_PACKAGES = (
    "reactive-ws", "attrs", "immutables", "msgspec", "reactivex", "websockets",
    "picows", "eventkit", "fynx", "nervio", "observ", "pandas", "psygnal", "PySide6-Essentials",
    "python-socketio", "reaktiv", "sortedcontainers", "traitlets",
)  # fmt: skip


def interpreter() -> str:
    """Returns how Python was built, which moves the rows of the stores by up to 1.8 times."""
    flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
    built = [
        name
        for flag, name in (
            ("--enable-optimizations", "profile-guided"),
            ("--with-lto", "link-time optimised"),
            ("--disable-gil", "free-threaded"),
        )
        if flag in flags
    ]
    how = ", ".join(built) or "without profile-guided optimisation"
    return f"{platform.python_implementation()} {platform.python_version()} ({how})"


def machine() -> dict[str, Any]:
    """Returns what the numbers depend on."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "cpu": model,
        "interpreter": interpreter(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """Returns the versions of everything that was measured."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    lock = Path(__file__).parent / "peers_node/package.json"
    if lock.exists():
        found |= json.loads(lock.read_text())["dependencies"]
    return found


def as_json(row: Metric) -> dict[str, Any]:
    """Returns one entry of `metrics`."""
    shown = {
        "ours": row.median("ours"),
        "peers": {peer: row.median(peer) for peer in row.peers},
        "unit": row.unit,
        "ratio": {peer: row.ratio(peer) for peer in row.peers},
        "target": row.targets,
        "met": row.is_met is not False,
        "is_rate": row.is_rate,
        "note": row.note,
        "samples": row.samples,
    }
    if row.curves:
        shown["curves"] = row.curves
    return shown


def write(rows: Iterable[Metric], path: Path, *, is_partial: bool) -> None:
    """Writes the results; those of a part of the groups join what is there."""
    before: dict[str, Any] = {"versions": {}, "metrics": {}}
    if path.exists():
        found = json.loads(path.read_text())
        before = found if is_partial else before | {"promises": found.get("promises", {})}
    results = {
        **{name: part for name, part in before.items() if name == "promises"},
        "machine": machine(),
        "versions": before["versions"] | versions(),
        "metrics": before["metrics"] | {row.name: as_json(row) for row in rows},
    }
    save(results, path)


def save(results: dict[str, Any], path: Path) -> None:
    """Writes results as JSON, a list of numbers on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    # A row of numbers is read as one, and a curve need not fill a thousand lines.
    text = re.sub(r"\[\s+([-\d.eE+,\s]+?)\s+\]", lambda found: _on_one_line(found[1]), text)
    text = re.sub(
        r"\[\s+(\[[^\]]*\](?:,\s+\[[^\]]*\])*)\s+\]", lambda found: _on_one_line(found[1]), text
    )
    path.write_text(text + "\n")


def _on_one_line(inside: str) -> str:
    return "[" + re.sub(r",\s+", ", ", inside.strip()) + "]"


def print_head() -> None:
    print(f"{'':24} {'ours':>16}   peers, and how many times better ours is (what it must be)")


def print_row(row: Metric) -> None:
    """Prints one row at once, so that a long run shows where it is."""
    peers: list[str] = []
    for peer in row.peers:
        target = row.targets.get(peer)
        text = f"{peer} {_number(row.median(peer))}: {row.ratio(peer):.2f}x"
        if target is not None:
            mark = "" if row.ratio(peer) >= target else " MISSED"
            text += f" ({target:.2f}x{mark})"
        peers.append(text)
    shown = f"{_number(row.median('ours'))} {row.unit}"
    print(
        f"{row.name:24} {shown:>16}   {'; '.join(peers)}{' ' + row.note if row.note else ''}",
        flush=True,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
