"""The benchmarks still do their work and find their results right; how fast they are is asked by nobody here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_client import ROOT

from benchmarks import table

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
        ("import", ["import_time", "import_everything"]),
        ("latency", ["latency_p50", "latency_p99", "latency_p999"]),
        ("market", ["pipeline_market"]),
        ("memory", ["memory_observer", "memory_key", "memory_message", "memory_idle_service"]),
        ("pipeline", ["pipeline"]),
        ("reconnect", ["reconnect"]),
        ("select", ["select_100", "select_1000"]),
        ("send", ["send_at_most", "send_at_least", "send_durable"]),
        ("soak", ["soak_p99", "soak_memory"]),
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


def test_the_page_shows_the_results_that_are_in_the_file() -> None:
    results = json.loads(table.LATEST.read_text())
    shown = table.PAGE.read_text().partition(table.BEGIN)[2].partition(table.END)[0]
    assert shown.strip() == table.written(results).strip()


def test_the_results_are_written_between_the_marks_of_the_page_and_nowhere_else(
    tmp_path: Path,
) -> None:
    row = {
        "ours": 2.0,
        "peers": {"other": 5.0},
        "unit": "us",
        "ratio": {"other": 2.5},
        "target": {"other": 3.0},
        "met": False,
        "note": "",
    }
    machine = {"cpu": "a", "cores": 2, "system": "b", "load": 0.5}
    results = {"machine": machine, "versions": {"python": "3"}, "metrics": {"work": row}}
    file, page = tmp_path / "results.json", tmp_path / "page.md"
    file.write_text(json.dumps(results))
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    for _ in range(2):
        table.renew(file, page)
        assert page.read_text().splitlines() == [
            "before",
            table.BEGIN,
            "",
            "a, 2 cores, b; load 0.5  ",
            "python 3",
            "",
            "| row | ours | peers: how many times better ours is | target |",
            "| --- | --- | --- | --- |",
            "| `work` | 2 us | **other 5: 2.50x** (must be 3.00x) | **missed** |",
            "",
            table.END,
            "after",
        ]
