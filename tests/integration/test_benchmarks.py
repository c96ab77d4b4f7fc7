"""The benchmarks still do their work and find their results right; how fast they are is asked by nobody here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_client import ROOT

PATIENCE = 120.0


def metrics(**samples: list[float]) -> dict[str, Any]:
    return {
        "metrics": {
            name: {
                "ours": sorted(them)[len(them) // 2],
                "is_rate": False,
                "samples": {"ours": them},
            }
            for name, them in samples.items()
        }
    }


@pytest.mark.parametrize(
    ("group", "rows"),
    [
        ("history", ["history_append_1k", "history_window", "history_cut", "history_prepend"]),
        ("latency", ["latency_p50", "latency_p99", "latency_p999"]),
        ("market", ["pipeline_market"]),
        ("memory", ["memory_observer", "memory_key", "memory_message", "memory_idle_service"]),
        ("pipeline", ["pipeline"]),
        ("select", ["select_100", "select_1000"]),
        ("send", ["send_at_most", "send_at_least", "send_durable"]),
        ("storm", ["storm_10k"]),
    ],
)
def test_a_smoke_run_of_a_group_finds_every_result_right(group: str, rows: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/run.py", "--quick", "--only", group],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = [line.split()[0] for line in done.stdout.splitlines()]
    assert [name for name in shown if name in rows] == rows


def test_what_is_worse_in_every_round_is_a_regression_and_the_rest_is_noise(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(metrics(a=[1.0, 1.1], b=[1.0, 2.0], c=[3.0, 4.0], d=[1.0])))
    new.write_text(json.dumps(metrics(a=[1.2, 1.3], b=[1.9, 3.0], c=[1.0, 2.0])))
    done = subprocess.run(
        [sys.executable, "benchmarks/compare.py", str(old), str(new)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["worse", "a", "1.18x", "of", "before"],
        ["better", "c", "0.50x", "of", "before"],
        ["missing", "d"],
        ["1", "worse", "of", "3"],
    ]
