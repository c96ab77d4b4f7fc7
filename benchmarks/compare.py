"""Tells a regression from noise: `python benchmarks/compare.py OLD.json NEW.json`; exit code 1 when something got worse.

A row is worse when the best new round is worse than the worst old one, and better the other way round; anything else is
noise.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["judge", "main"]


def judge(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Returns "worse", "better" or "same" for two entries of `metrics`."""
    before, after = old["samples"]["ours"], new["samples"]["ours"]
    if new["is_rate"]:
        before, after = [-it for it in before], [-it for it in after]
    if min(after) > max(before):
        return "worse"
    return "better" if max(after) < min(before) else "same"


def main() -> int:
    """Prints what changed; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()
    old, new = (json.loads(path.read_text())["metrics"] for path in (given.old, given.new))
    verdicts = {name: judge(old[name], new[name]) for name in old if name in new}
    for name, verdict in verdicts.items():
        if verdict != "same":
            change = new[name]["ours"] / old[name]["ours"]
            print(f"{verdict:7} {name:28} {change:.2f}x of before")
    for name in old:
        if name not in new:
            print(f"missing {name}")
    count = sum(verdict == "worse" for verdict in verdicts.values())
    print(f"{count} worse of {len(verdicts)}")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
