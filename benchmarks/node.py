"""Asks Node for the times of its stores, once, and joins them to the rows that do the same work."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from benchmarks.timing import Metric

__all__ = ["Results"]

_FOLDER = Path(__file__).parent / "peers_node"
_TARGETS = {("keyed_10000", "zustand"): 500.0, ("keyed_10000", "nanostores"): 500.0}


class Results:
    """The samples that Node measured. Without Node or its packages the rows have no such peers, and say so.

    Args:
        is_quick: Whether a smoke run is enough.
    """

    def __init__(self, *, is_quick: bool) -> None:
        self._is_quick = is_quick
        self._samples: dict[str, list[float]] | None = None

    def join(self, row: Metric) -> None:
        """Adds Node's peers to a row that has some."""
        if not row.name.startswith(("store_write", "select", "keyed", "derived", "view", "fetch")):
            return
        if self._samples is None:
            self._samples = self._measure()
        scale = {"us": 1.0, "ms": 1e-3}[row.unit]
        for label, samples in self._samples.items():
            peer, _, name = label.rpartition(" ")
            if name == row.name:
                row.samples[f"{peer} (Node)"] = [took * scale for took in samples]
                if (name, peer) in _TARGETS:
                    row.targets[f"{peer} (Node)"] = _TARGETS[name, peer]

    def _measure(self) -> dict[str, list[float]]:
        node = shutil.which("node")
        if node is None or not (_FOLDER / "node_modules").is_dir():
            print(
                "(without Node's stores: no node, or `npm ci` was not run in benchmarks/peers_node)"
            )
            return {}
        words = [node, "stores.mjs", *(["--quick"] if self._is_quick else [])]
        ran = subprocess.run(words, cwd=_FOLDER, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, list[float]] = json.loads(ran.stdout)
        return found
