"""The clock of all benchmarks: cases that do the same work take turns, round after round.

A case is prepared and warmed up before the first round. Every round runs every case once, after a garbage collection. The
order rotates, so that other programs of the machine disturb all cases alike. Work of one thread is timed in CPU seconds of
that thread; work that waits for sockets or other processes is timed by the wall.
"""

from __future__ import annotations

import gc
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

__all__ = ["Case", "Metric", "interleave", "metric"]

Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One way to do the work.

    Attributes:
        name: "ours", or the name of the peer.
        prepare: Builds everything; returns the function that is timed, which may be called again and again.
        operations: How many operations one call does.
        check: Called once after the last round; raises when the results are wrong.
        refresh: Called before every round, apart from timing; makes new data.
    """

    name: str
    prepare: Callable[[], Run]
    operations: int
    check: Callable[[], None] = lambda: None
    refresh: Callable[[], None] = lambda: None

    @property
    def is_there(self) -> bool:
        """Whether the library that the case is named after is installed."""
        return _is_there(self.name)


_MODULES = frozenset(
    {"eventkit", "fynx", "nervio", "observ", "pandas", "psygnal", "reaktiv", "traitlets"}
)
"""Cases that bear the name of the module which they need; left out where it is missing, as in the tests."""


@cache
def _is_there(library: str) -> bool:
    if library not in _MODULES:
        return True
    found = importlib.util.find_spec(library) is not None
    if not found:
        print(f"(without {library}, which is not installed)")
    return found


def interleave(
    cases: Iterable[Case], rounds: int, clock: Callable[[], float] = time.thread_time
) -> dict[str, list[float]]:
    """Returns for every case the seconds of one operation in each round."""
    every = tuple(case for case in cases if case.is_there)
    runs = {case.name: case.prepare() for case in every}
    for case in every:
        case.refresh()
        runs[case.name]()
    samples: dict[str, list[float]] = {case.name: [] for case in every}
    for number in range(rounds):
        turn = number % len(every)
        for case in every[turn:] + every[:turn]:
            run = runs[case.name]
            case.refresh()
            gc.collect()
            began = clock()
            run()
            samples[case.name].append((clock() - began) / case.operations)
    for case in every:
        case.check()
    return samples


@dataclass
class Metric:
    """One row of the table.

    Attributes:
        name: Such as "store_write_100".
        unit: Of all numbers; smaller is better unless `is_rate`.
        samples: What each round measured, ours and the peers'.
        targets: By peer, how many times better than it ours must be.
        is_rate: Whether larger is better.
        note: What else a reader must know.
        curves: By name, the points of a picture.
    """

    name: str
    unit: str
    samples: dict[str, list[float]]
    targets: dict[str, float] = field(default_factory=dict[str, float])
    is_rate: bool = False
    note: str = ""
    curves: dict[str, list[tuple[float, float]]] = field(
        default_factory=dict[str, list[tuple[float, float]]]
    )

    def median(self, who: str) -> float:
        return statistics.median(self.samples[who])

    @property
    def peers(self) -> list[str]:
        return [who for who in self.samples if who != "ours"]

    def ratio(self, peer: str) -> float:
        """How many times better than the peer ours is."""
        own, other = self.median("ours"), self.median(peer)
        return own / other if self.is_rate else other / own

    @property
    def is_met(self) -> bool | None:
        """Whether every target is met; None when there is none to judge by."""
        judged = [peer for peer in self.targets if peer in self.samples]
        return all(self.ratio(peer) >= self.targets[peer] for peer in judged) if judged else None


def metric(
    name: str,
    cases: Iterable[Case],
    *,
    rounds: int,
    targets: dict[str, float] | None = None,
    scale: float = 1e6,
    unit: str = "us",
    note: str = "",
) -> Metric:
    """Runs the cases and returns their row; `scale` turns seconds into the unit."""
    samples = {
        who: [seconds * scale for seconds in took]
        for who, took in interleave(cases, rounds).items()
    }
    return Metric(name, unit, samples, dict(targets or {}), note=note)
