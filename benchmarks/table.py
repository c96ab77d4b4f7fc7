"""Prints the results as the table of `docs/performance.md`: `python benchmarks/table.py [RESULTS.json]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main", "table"]

_LATEST = Path(__file__).parent / "results/latest.json"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _peer(name: str, row: dict[str, Any]) -> str:
    target = row["target"].get(name)
    text = f"{name} {_number(row['peers'][name])}: {row['ratio'][name]:.2f}x"
    return text if target is None else f"**{text}** (must be {target:.2f}x)"


def table(results: dict[str, Any]) -> str:
    """Returns the table in Markdown."""
    lines = [
        "| row | ours | peers: how many times better ours is | target |",
        "| --- | --- | --- | --- |",
    ]
    for name, row in results["metrics"].items():
        peers = "; ".join(_peer(peer, row) for peer in row["peers"])
        verdict = {True: "met", False: "**missed**", None: ""}[row["met"]]
        lines.append(f"| `{name}` | {_number(row['ours'])} {row['unit']} | {peers} | {verdict} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the machine, the versions and the table."""
    results = json.loads(Path(sys.argv[1] if sys.argv[1:] else _LATEST).read_text())
    machine = results["machine"]
    print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}; load {machine['load']:.1f}"
    )
    print(", ".join(f"{name} {version}" for name, version in results["versions"].items()))
    print()
    print(table(results))


if __name__ == "__main__":
    main()
