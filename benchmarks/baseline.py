"""Notices a regression without a clock: counts of instructions, and ratios to the peers of the same run, beside a committed baseline.

    python benchmarks/baseline.py            counts, and compares with `baseline.json`
    python benchmarks/baseline.py --write    makes what is counted now the baseline

`make bench-quick` compares both. A count depends on the interpreter's version and on nothing else, so it may grow by 3 %. A ratio of a
quick run is rough: it may fall to half of what it was. Times are never compared, because machines differ.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import growth_cases as cases
from benchmarks import one_message
from benchmarks.operations import instructions
from benchmarks.timing import Metric
from reactive_ws import Domain, Store

__all__ = ["PATH", "compare", "counted", "main", "ratios", "regressions", "write"]

PATH = Path(__file__).resolve().parent / "baseline.json"
_MORE = 1.03
_LESS = 0.5
_BETTER = 0.9
"""A count below this share of the baseline is worth a new baseline."""

Act = Callable[[], object]


def _message_alone() -> Act:
    make, take = one_message.prepared(1, is_counted=True)
    make()
    take()
    make()
    return take


def _messages_together() -> Act:
    make, take = one_message.prepared(64, is_together=True, is_counted=True)
    make()
    take()
    make()
    return take


class _Here:
    """A home that is always where the caller is."""

    def post(self, function: Callable[[], None], /) -> None:
        function()

    def is_current(self) -> bool:
        return True


def _write_at_home() -> Act:
    store = Store(0, domain=Domain(home=_Here()))
    store.select().subscribe(lambda _: None)
    values = iter(range(1, 100))
    return lambda: store.set(next(values))


_ACTS: dict[str, Callable[[], Act]] = {
    "a write that one observer sees": lambda: cases.write_to_observers(1),
    "a write at home that one observer sees": _write_at_home,
    "a write that 100 observers see": lambda: cases.write_to_observers(100),
    "a write past 100 selectors": lambda: cases.write_past_selectors(100),
    "a write of one of 1 000 observed keys": lambda: cases.upsert_observed_key(1_000),
    "a row that moves in a view of 1 000": lambda: cases.move_in_view(1_000),
    "a new key": lambda: cases.upsert_new_key(1_000),
    "a batch of two stores": lambda: cases.batch_of_many(2),
    "a write below a chain of 50 derived values": lambda: cases.chain_of_derived(50),
    "a write below a derived value of 50 stores": lambda: cases.derived_of_many(50),
    "a message that comes alone": _message_alone,
    "64 messages that come together": _messages_together,
    "a message that is sent while 100 wait": lambda: cases.send_behind_waiting(100),
}


_ONCE = ("a message that comes alone", "64 messages that come together")
"""Acts that are warmed up already, and whose frames are used up."""


def counted() -> dict[str, int]:
    """Returns the instructions of Python that each act executes, after two that fill caches."""
    found: dict[str, int] = {}
    for name, make in _ACTS.items():
        act = make()
        if name not in _ONCE:
            act()
            act()
        # The collector would run finalizers in Python in the middle.
        gc.collect()
        gc.disable()
        try:
            found[name] = instructions(act)
        finally:
            gc.enable()
    return found


def ratios(rows: Iterable[Metric]) -> dict[str, dict[str, float]]:
    """Returns how many times better ours is than each peer that took turns with it in the same run."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        rounds = len(row.samples["ours"])
        there = {
            who: round(row.ratio(who), 3)
            for who in row.peers
            if row.unit in _JUDGED and len(row.samples[who]) == rounds and "(Node)" not in who
        }
        if there:
            found[row.name] = there
    return found


_JUDGED = ("us", "ms", "us/frame")
"""Units of rows that are timed in processor time; the others wait for sockets, or are counts."""


def regressions(
    before: Mapping[str, Any],
    counts: Mapping[str, int],
    now: Mapping[str, Mapping[str, float]],
) -> list[str]:
    """Returns a line for each count that grew and each ratio that fell.

    Args:
        before: The baseline.
        counts: As `counted` returns them.
        now: As `ratios` returns them.
    """
    found: list[str] = []
    for name, was in before["counts"].get(_version(), {}).items():
        count = counts.get(name, 0)
        if count > _MORE * was:
            found.append(f"{name}: {count} instructions, and it was {was}")
    for row, peers in before["ratios"].items():
        for who, was in peers.items():
            ratio = now.get(row, {}).get(who)
            if ratio is not None and ratio < _LESS * was:
                found.append(f"{row}: {ratio:.2f}x of {who}, and it was {was:.2f}x")
    return found


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def compare(rows: Iterable[Metric]) -> list[str]:
    """Counts, compares counts and rows with the baseline, and prints what is worse; returns those lines."""
    before = json.loads(PATH.read_text())
    counts = counted()
    worse = regressions(before, counts, ratios(rows))
    for line in worse:
        print(f"worse: {line}")
    known = before["counts"].get(_version())
    if known is None:
        print(f"(no counts of Python {_version()} are in {PATH.name})")
        return worse
    for name, count in counts.items():
        if count < _BETTER * known.get(name, 0):
            print(f"better: {name}: {count} instructions, and it was {known[name]}")
    print(f"{len(worse)} worse than {PATH.name}; {len(counts)} counts compared")
    return worse


def write(rows: Iterable[Metric]) -> None:
    """Makes counts and rows of now the baseline. Rows that were not measured keep theirs."""
    before: dict[str, Any] = {"counts": {}, "ratios": {}}
    if PATH.exists():
        before = json.loads(PATH.read_text())
    before["counts"][_version()] = counted()
    before["ratios"] |= ratios(rows)
    PATH.write_text(json.dumps(before, indent=1) + "\n")


def main() -> int:
    """Counts; returns the exit code."""
    if "--write" in sys.argv[1:]:
        write([])
        return 0
    return 1 if compare([]) else 0


if __name__ == "__main__":
    sys.exit(main())
