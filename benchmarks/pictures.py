"""Draws the pictures of `docs/performance.md` from the results: `python benchmarks/pictures.py [RESULTS.json] [FOLDER]`.

The same results give the same files. A picture whose rows are not among the results stays as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.table import LATEST

__all__ = ["draw", "draw_growth", "main"]

_FOLDER = Path(__file__).resolve().parent.parent / "docs/images"
_STYLE = {
    "svg.hashsalt": "reactive-ws",
    # Text stays text: small files, and the reader's own font.
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}
# Without a red, which is ours.
_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
    "#1a1a1a",
)
_OURS = {"color": "#c0392b", "linewidth": 2.2, "zorder": 3}

Rows = dict[str, Any]


def _many(row: Rows) -> dict[str, float]:
    return {"ours": row["ours"], **row["peers"]}


_OVERVIEW = {
    "store_write_10": "one write, ten observers see it",
    "keyed_10000": "one of 10 000 keys changes",
    "derived_kairo_broad": "100 derived values follow a write, 50 times",
    "pipeline": "one frame, from the socket to the store",
}
"""The rows of the first picture, with what they are."""


_NAMES = {
    "bare": "websockets and json.loads",
    "hand": "a loop by hand",
    "hand_msgspec": "a loop by hand with msgspec",
    "aiohttp_again": "aiohttp and json.loads",
    "receive": "websockets alone",
    "socketio": "python-socketio",
}


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _overview(figure: Any, rows: Rows) -> None:
    """How long one piece of work takes in Python: ours and the peers, shorter is better."""
    every = figure.subplots(2, 2).flat
    for axes, (name, title) in zip(every, _OVERVIEW.items(), strict=True):
        row = rows[name]
        found = {who: value for who, value in _many(row).items() if not who.endswith("(Node)")}
        ranked = sorted(found.items(), key=lambda item: -item[1])
        colours = ["#c0392b" if who == "ours" else "#b0b7bd" for who, _ in ranked]
        bars = axes.barh(
            [_NAMES.get(who, who) for who, _ in ranked],
            [value for _, value in ranked],
            color=colours,
        )
        axes.bar_label(bars, [_number(value) for _, value in ranked], padding=3, fontsize=7.5)
        axes.set_xscale("log")
        axes.set_xlim(ranked[-1][1] / 3, ranked[0][1] * 3)
        axes.grid(visible=False)
        axes.tick_params(which="both", bottom=False, labelbottom=False)
        axes.spines["bottom"].set_visible(False)
        axes.set_title(f"{title}, {row['unit'].partition('/')[0]}", loc="left", fontsize=9)


def _scaling(figure: Any, rows: Rows) -> None:
    panels = {
        "store_write": ("a write, by observers", "us"),
        "select": ("100 changes, by selectors", "us"),
        "keyed": ("a change of one key, by keys", "us"),
    }
    every = figure.subplots(1, len(panels))
    for axes, (group, (title, unit)) in zip(every, panels.items(), strict=True):
        points: dict[str, list[tuple[int, float]]] = {}
        for name, row in rows.items():
            head, _, size = name.rpartition("_")
            if head == group and size.isdigit():
                for who, value in _many(row).items():
                    points.setdefault(who, []).append((int(size), value))
        for who, line in points.items():
            if len(line) > 1:
                place = {} if who != "ours" else _OURS
                dashes = "--" if who.endswith("(Node)") else "-"
                axes.loglog(
                    *zip(*sorted(line), strict=True), dashes, marker=".", label=who, **place
                )
        axes.set_title(title)
        axes.set_ylabel(unit)
        # Below, where no line can be.
        axes.legend(
            fontsize=7.5, frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.1)
        )


def _latency(figure: Any, rows: Rows) -> None:
    axes = figure.subplots()
    for who, line in rows["latency_p50"]["curves"].items():
        place = _OURS if who == "ours" else {}
        axes.loglog(*zip(*line, strict=True), label=who, **place)
    for share, name in ((0.5, "p50"), (0.01, "p99"), (0.001, "p99.9")):
        axes.axhline(share, color="grey", linewidth=0.5)
        axes.annotate(name, (1, share), xycoords=("axes fraction", "data"), ha="right", va="bottom")
    axes.set_xlabel("round trip, us")
    axes.set_ylabel("share of round trips that took longer")
    axes.legend(frameon=False)


def _storm(figure: Any, rows: Rows) -> None:
    axes = figure.subplots()
    row = rows["storm_10k"]
    ideal = row["peers"]["ideal"]
    end = 4 * ideal
    for who, line in row["curves"].items():
        at, share = zip(*line, strict=True)
        if len(line) == 1:
            # The share stays the same after all clients gave up.
            at, share = (*at, end), (*share, *share)
        # Dashes, so that of two lines in one place both are seen.
        place = _OURS if who == "ours" else {"linestyle": "--", "zorder": 4}
        axes.plot(at, [100 * it for it in share], label=who, **place)
    axes.plot([10.0, ideal], [0, 99], ":", color="black", label="ideal")
    axes.set_xlim(0, end)
    axes.set_xlabel("seconds since 10 000 clients lost their server, which is down for 10")
    axes.set_ylabel("% back")
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _soak(figure: Any, rows: Rows) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(*zip(*rows["soak_p99"]["curves"]["p99"], strict=True), **_OURS)
    upper.set_ylabel("p99 of a round trip, us")
    lower.plot(*zip(*rows["soak_memory"]["curves"]["memory"], strict=True), **_OURS)
    lower.set_ylabel("resident memory, MB")
    lower.set_xlabel("seconds of mixed load, with a lost connection every 3")
    for axes in (upper, lower):
        axes.set_ylim(bottom=0)


def _growth(figure: Any, found: dict[str, dict[str, int]]) -> None:
    """Operations of each act by how much there is: flat is constant, the diagonal is linear."""
    axes = figure.subplots()
    dashes = ("-", "--", ":")
    for number, (what, line) in enumerate(found.items()):
        sizes = [int(size) for size in line]
        style = dashes[number // len(_COLOURS)]
        axes.loglog(sizes, list(line.values()), style, marker=".", label=what)
    axes.set_xlabel("how much there is")
    axes.set_ylabel("operations of one act")
    axes.legend(fontsize=7.5, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


_PICTURES: dict[str, tuple[Callable[[Any, Rows], None], tuple[float, float], tuple[str, ...]]] = {
    "performance_overview": (_overview, (9, 5.6), tuple(_OVERVIEW)),
    "performance_scaling": (_scaling, (11, 4.6), ("store_write_1", "select_100", "keyed_1000")),
    "performance_latency": (_latency, (6.5, 3.6), ("latency_p50",)),
    "performance_storm": (_storm, (8.5, 3.6), ("storm_10k",)),
    "performance_soak": (_soak, (6.5, 3.6), ("soak_p99", "soak_memory")),
}
_WITH_CURVES = ("latency_p50", "storm_10k", "soak_p99", "soak_memory")


def draw(results: Path = LATEST, folder: Path = _FOLDER) -> list[Path]:
    """Draws what can be drawn; returns the files."""
    rows: Rows = json.loads(results.read_text())["metrics"]
    drawn: list[Path] = []
    for name, (paint, size, needed) in _PICTURES.items():
        if not _has(rows, needed):
            print(f"({name}.svg stays as it is: run {', '.join(needed)})")
            continue
        drawn += _draw_one(folder / f"{name}.svg", paint, size, rows)
    return drawn


def draw_growth(found: dict[str, dict[str, int]], folder: Path = _FOLDER) -> list[Path]:
    """Draws how the operations of each act grow; returns the file."""
    return _draw_one(folder / "performance_growth.svg", _growth, (9, 6), found)


def _draw_one(
    path: Path, paint: Callable[[Any, Any], None], size: tuple[float, float], data: Any
) -> list[Path]:
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        print("(no pictures: matplotlib is not installed)")
        return []
    mpl.use("svg")
    from cycler import cycler
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE | {"axes.prop_cycle": cycler(color=_COLOURS)}):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure, data)
        figure.savefig(path, metadata={"Date": None})
    # Matplotlib leaves spaces at the ends of lines.
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n")
    return [path]


def _has(rows: Rows, needed: Iterable[str]) -> bool:
    return all(
        name in rows and (name not in _WITH_CURVES or "curves" in rows[name]) for name in needed
    )


def main() -> None:
    """Draws them and says which."""
    given = [Path(it) for it in sys.argv[1:3]]
    for path in draw(*given):
        print(path)


if __name__ == "__main__":
    main()
