"""The benchmarks still do their work and check their results. These tests do not measure speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_client import ROOT

from benchmarks import compare, table

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


ROWS = (
    "store_write_1 store_write_10 store_write_100 select_100 select_1000 select_10000 "
    "keyed_1000 keyed_10000 keyed_100000 keyed_scaling "
    "derived_kairo_avoidable derived_kairo_broad derived_kairo_deep derived_kairo_diamond "
    "derived_kairo_mux derived_kairo_triangle "
    "derived_cellx_10 derived_cellx_16 derived_cellx_1000 derived_cellx_2500 "
    "derived_static_1000x5 derived_static_500x3 "
    "history_append_1k history_append_100k history_append_1m history_window history_cut history_prepend "
    "pipeline pipeline_picows pipeline_market latency_p50 latency_p99 latency_p999 "
    "send_at_most send_cpu send_at_least send_durable reconnect storm_10k storm_100k "
    "gui_flood_cost gui_flood_tk gui_flood_qt "
    "memory_observer memory_key memory_message memory_idle_service "
    "import_time import_everything soak_p99 soak_memory"
)


@pytest.mark.parametrize(
    ("group", "rows"),
    [
        (
            "derived",
            [
                *("derived_kairo_avoidable", "derived_kairo_broad", "derived_kairo_deep"),
                *("derived_kairo_diamond", "derived_kairo_mux", "derived_kairo_triangle"),
                *("derived_cellx_10", "derived_static_1000x5", "derived_static_500x3"),
            ],
        ),
        ("come_and_go", ["come_and_go_part"]),
        # The windows are flooded where there are toolkits and a display.
        ("gui_flood", ["gui_flood_cost"]),
        ("fill_keys", ["fill_keys"]),
        ("one_message", ["one_message"]),
        ("turns", ["turns"]),
        ("history", ["history_append_1k", "history_window", "history_cut", "history_prepend"]),
        ("import", ["import_time", "import_everything"]),
        ("keyed", ["keyed_1000"]),
        ("view", ["view_1000", "view_in_place_1000"]),
        ("fetch_params", ["fetch_params"]),
        ("latency", ["latency_p50", "latency_p99", "latency_p999"]),
        ("market", ["pipeline_market"]),
        ("memory", ["memory_observer", "memory_key", "memory_message", "memory_idle_service"]),
        ("pair", ["batch_2", "chain_2"]),
        ("pipeline", ["pipeline"]),
        ("reconnect", ["reconnect"]),
        ("select", ["select_100", "select_1000"]),
        ("send", ["send_at_most", "send_cpu", "send_at_least", "send_durable"]),
        ("soak", ["soak_p99", "soak_memory"]),
        ("store_write", ["store_write_1", "store_write_10", "store_write_100"]),
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
        ["worse", "a", "0.83x", "as", "good", "as", "before"],
        ["better", "c", "3.00x", "as", "good", "as", "before"],
        ["missing", "d"],
        ["1", "worse", "of", "3"],
    ]


def beside(ours: list[float], **peers: list[float]) -> dict[str, Any]:
    return {"is_rate": False, "unit": "us", "samples": {"ours": ours, **peers}}


def test_a_slower_machine_is_no_regression_and_a_slower_peer_hides_none() -> None:
    old = beside([1.0, 1.1], peer=[2.0, 2.1], other=[3.0, 3.1])
    slower_machine = beside([3.0, 3.1], peer=[6.0, 6.2], other=[9.0, 9.1])
    assert compare.judge(old, slower_machine)[0] == "same"
    slower = beside([1.5, 1.6], peer=[2.0, 2.1], other=[3.0, 3.1])
    assert compare.judge(old, slower)[0] == "worse"
    assert compare.judge(old, beside([0.5, 0.6], peer=[2.0, 2.1], other=[3.0, 3.1]))[0] == "better"
    # One peer became slower in its new release: the other one says that nothing changed.
    assert compare.judge(old, beside([1.0, 1.1], peer=[9.0, 9.1], other=[3.0, 3.1]))[0] == "same"
    # Node takes no turns with ours.
    foreign = beside([1.0, 1.1], node=[1.0])
    assert compare.judge(foreign, beside([2.0, 2.1], node=[2.0]))[0] == "worse"


def test_no_row_is_missing_in_the_results() -> None:
    results = json.loads(table.LATEST.read_text())
    assert set(results) == {"machine", "versions", "metrics", "promises"}
    assert set(ROWS.split()) - set(results["metrics"]) == set()
    fields = {"ours", "peers", "unit", "ratio", "target", "met"}
    assert [name for name, row in results["metrics"].items() if not fields <= set(row)] == []


def test_the_page_shows_the_results_that_are_in_the_file() -> None:
    results = json.loads(table.LATEST.read_text())
    shown = table.PAGE.read_text().partition(table.BEGIN)[2].partition(table.END)[0]
    assert shown.strip() == table.written(results).strip()


def test_the_page_says_of_every_missed_target_why() -> None:
    missed = table.missed(json.loads(table.LATEST.read_text()))
    why = table.PAGE.read_text().partition("## What misses its target, and why")[2]
    assert [name for name in missed if f"`{name}`" not in why] == []


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
    machine = {"interpreter": "CPython 3", "cpu": "a", "cores": 2, "system": "b", "load": 0.5}
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
            "CPython 3; a, 2 cores, b; load 0.5.  ",
            "`python 3`.",
            "",
            "| row | ours | peers: how many times better ours is | target | the limit, and ours beside it | what peers do not promise |",
            "| --- | --- | --- | --- | --- | --- |",
            "| `work` | 2 us | **other 5: 2.50x** (must be 3.00x) | **missed** |  |  |",
            "",
            table.END,
            "after",
        ]
