"""Tells a regression from noise: `python benchmarks/compare.py OLD.json NEW.json`; exit code 1 when something got worse.

Two runs may come from machines of different speed, so times alone say nothing. A row is judged by how much better ours is
than each peer in the same round. The row is worse when its best new round is worse than its worst old round, and better
the other way round; otherwise it is the same. Of several peers, the one with the smallest change decides. A row without a
peer that both runs have, and a row of counts or bytes, is judged by its own samples.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["judge", "main"]

_SAME_EVERYWHERE = ("bytes", "calls", "turns")
"""Units that do not depend on the speed of the machine."""


def judge(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, float]:
    """Returns "worse", "better" or "same" for two entries of `metrics`, and how many times as good the new one is."""
    verdicts = [
        _verdict(_goodness(old, peer), _goodness(new, peer)) for peer in _peers(old, new) or [None]
    ]
    # A peer that became slower itself must not hide or make a regression.
    return min(verdicts, key=lambda found: abs(found[1] - 1))


def _peers(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    if new.get("unit") in _SAME_EVERYWHERE:
        return []
    rounds = len(new["samples"]["ours"])
    return [
        who
        for who, samples in new["samples"].items()
        # What was timed for itself, such as Node, or is a row of this table again, took no turns with ours.
        if who != "ours" and who in old["samples"] and len(samples) == rounds
    ]


def _goodness(row: dict[str, Any], peer: str | None) -> list[float]:
    """Returns how good each round is; larger is better."""
    own = row["samples"]["ours"]
    if peer is None:
        return [it if row["is_rate"] else 1 / it for it in own]
    other = row["samples"][peer]
    pairs = zip(own, other, strict=False)
    return [mine / theirs if row["is_rate"] else theirs / mine for mine, theirs in pairs]


def _verdict(before: list[float], after: list[float]) -> tuple[str, float]:
    change = _median(after) / _median(before)
    if max(after) < min(before):
        return "worse", change
    return ("better" if min(after) > max(before) else "same"), change


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> int:
    """Prints what changed; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()
    old, new = (json.loads(path.read_text())["metrics"] for path in (given.old, given.new))
    verdicts = {name: judge(old[name], new[name]) for name in old if name in new}
    for name, (verdict, change) in verdicts.items():
        if verdict != "same":
            print(f"{verdict:7} {name:28} {change:.2f}x as good as before")
    for name in old:
        if name not in new:
            print(f"missing {name}")
    count = sum(verdict == "worse" for verdict, _ in verdicts.values())
    print(f"{count} worse of {len(verdicts)}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
