"""Counts how the cost of an act grows with what is there, draws it, and writes the table of `docs/performance.md`.

    python benchmarks/growth.py            10, 1 000, 100 000 and a million, as far as a case goes; half an hour
    python benchmarks/growth.py 100000     up to this size; what was counted before for larger ones stays
    python benchmarks/growth.py 100000 sessions replicas    only the cases that begin with these words; the others stay

Operations are counted (`operations.py`), so the machine does not matter. The cases and their stated orders are in `growth_cases.py`.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.growth_cases import CASES, cost
from benchmarks.pictures import draw_growth
from benchmarks.table import PAGE, put_between

__all__ = ["BEGIN", "END", "PAGE", "RESULTS", "SIZES", "counted", "main", "written"]

SIZES = (10, 1_000, 100_000, 1_000_000)
RESULTS = Path(__file__).resolve().parent / "results/growth.json"
BEGIN = "<!-- growth: written by `python benchmarks/growth.py` -->"
END = "<!-- the end of growth -->"


def counted(most: int, starts: tuple[str, ...] = ("",)) -> dict[str, dict[str, int]]:
    """Returns the operations of each case by size.

    Args:
        most: The largest size.
        starts: The first words of the cases that are counted.
    """
    found: dict[str, dict[str, int]] = {}
    for case in CASES:
        if not case.what.startswith(starts):
            continue
        line = found[case.what] = {}
        for size in SIZES:
            if size <= min(most, case.most):
                line[str(size)] = cost(case.make, size)
                gc.collect()
        print(f"{case.what:44} {case.order.value:12} {line}", flush=True)
    return found


def written(found: dict[str, dict[str, int]]) -> str:
    """Returns the table in Markdown."""
    lines = [
        f"| what there is, and the act | stated order | {' | '.join(f'{size:,}' for size in SIZES)} |",
        f"|{' --- |' * (2 + len(SIZES))}",
    ]
    for case in CASES:
        cells = [found[case.what].get(str(size)) for size in SIZES]
        shown = " | ".join("" if cell is None else f"{cell:,}" for cell in cells)
        lines.append(f"| {case.what} | {case.order.value} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Counts; renews results, picture and page."""
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = counted(int(sys.argv[1]) if sys.argv[1:] else SIZES[-1], tuple(sys.argv[2:]) or ("",))
    names = [case.what for case in CASES]
    found = {what: before.get(what, {}) | found.get(what, {}) for what in names}
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    put_between(PAGE, BEGIN, END, written(found))
    draw_growth(found)


if __name__ == "__main__":
    main()
