"""Runs the benchmarks, prints the table, writes `benchmarks/results/latest.json`.

    python benchmarks/run.py                    everything, with two minutes of soak
    python benchmarks/run.py --quick            a smoke run in about a minute: does all of it still work, and is nothing worse than
                                                `baseline.json`? Counts and ratios are compared, never times
    python benchmarks/run.py --quick --rebase   makes what this run found the baseline
    python benchmarks/run.py --deep             with ten minutes of soak
    python benchmarks/run.py --only keyed       the groups whose name begins so; joins the results that are there

Run it with `make bench`, which makes the environment with the peers in it.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import (
    baseline,
    fan_out,
    flood_rows,
    market,
    memory,
    node,
    one_message,
    pictures,
    pipeline,
    reconnecting,
    report,
    round_trips,
    soak,
    storm_rows,
    table,
)
from benchmarks.stores import fetching, graphs, histories, keys, live_views, writing
from benchmarks.timing import Metric

__all__ = ["main"]

Group = Callable[[bool], Iterable[Metric]]
"""The rows of a group; the argument says whether it is only a smoke run."""

_GROUPS: dict[str, Group] = {
    "store_write": lambda quick: writing.write_rows(2 if quick else 15, is_quick=quick),
    "pair": lambda quick: writing.pair_rows(2 if quick else 15, is_quick=quick),
    "select": lambda quick: writing.select_rows(2 if quick else 11, is_quick=quick),
    "come_and_go": lambda quick: writing.come_and_go_rows(2 if quick else 11, is_quick=quick),
    "keyed": lambda quick: keys.keyed_rows(3 if quick else 11, is_quick=quick),
    "fill_keys": lambda quick: keys.fill_rows(1 if quick else 5, is_quick=quick),
    "view": lambda quick: live_views.view_rows(3 if quick else 11, is_quick=quick),
    "fetch_params": lambda quick: fetching.fetch_rows(2 if quick else 11),
    "derived_kairo": lambda quick: graphs.kairo_rows(1 if quick else 9),
    "derived_cellx": lambda quick: graphs.cellx_rows(1 if quick else 9, is_quick=quick),
    "derived_static": lambda quick: graphs.static_rows(1 if quick else 5),
    "pipeline": lambda quick: pipeline.rows(1 if quick else 3, count=5_000 if quick else 200_000),
    "one_message": lambda quick: one_message.rows(1 if quick else 9, count=200 if quick else 2_000),
    "market": lambda quick: market.rows(1 if quick else 5),
    "latency": lambda quick: round_trips.latency_rows(
        1 if quick else 9, count=200 if quick else 2_000
    ),
    "turns": lambda quick: round_trips.turns_rows(count=50 if quick else 300),
    "send": lambda quick: round_trips.send_rows(1 if quick else 5, count=500 if quick else 10_000),
    "reconnect": lambda quick: reconnecting.reconnect_rows(
        1 if quick else 5, outage=0.3 if quick else 2.0, count=100 if quick else 1_000
    ),
    "fan_out": lambda quick: fan_out.rows(
        1 if quick else 7, clients=100 if quick else 1_000, count=5 if quick else 20
    ),
    "storm": lambda quick: storm_rows.storm_rows(is_quick=quick),
    "memory": lambda quick: memory.memory_rows(is_quick=quick),
    "import": lambda quick: memory.import_rows(1 if quick else 15),
    "gui_flood": lambda quick: flood_rows.flood_rows(is_quick=quick),
    "history": lambda quick: histories.history_rows(1 if quick else 9, is_quick=quick),
}


def main() -> int:
    """Runs what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--deep", action="store_true", help="with the long soak")
    parser.add_argument("--only", nargs="+", metavar="GROUP", help=", ".join(_GROUPS))
    parser.add_argument("--rebase", action="store_true", help="write benchmarks/baseline.json")
    parser.add_argument("--output", type=Path, default=table.LATEST)
    given = parser.parse_args()
    logging.disable()
    groups = dict(_GROUPS)
    seconds = 600.0 if given.deep else 120.0
    groups["soak"] = lambda quick: soak.rows(5.0 if quick else seconds)
    chosen = [name for name in groups if not given.only or any(map(name.startswith, given.only))]
    began = time.monotonic()
    rows: list[Metric] = []
    peers_of_node = node.Results(is_quick=given.quick)
    failed: list[str] = []
    report.print_head()
    for name in chosen:
        try:
            for row in groups[name](given.quick):
                peers_of_node.join(row)
                rows.append(row)
                report.print_row(row)
        except Exception:
            # The other groups of a long run are worth having; the exit code tells.
            traceback.print_exc()
            failed.append(name)
        if not given.quick:
            # After every group, so that a run that is ended early leaves what it has.
            report.write(rows, given.output, is_partial=bool(given.only) or name != chosen[0])
    print(f"{len(rows)} rows in {time.monotonic() - began:.0f} s")
    if not given.quick:
        print(f"written to {given.output}")
        if given.output == table.LATEST:
            table.renew()
            pictures.draw()
    # A part of the groups is run to look at it, also by tests on a busy machine; the whole is the one that judges.
    is_judged = given.quick and not (given.only or given.rebase)
    worse = baseline.compare(rows) if is_judged else []
    if given.rebase:
        baseline.write(rows)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed or worse else 0


if __name__ == "__main__":
    sys.exit(main())
