"""`storm_N`: N clients lose their server at once; seconds until 99 in 100 are back, by retry policy. See `storm`.

The server is down for 10 s and then lets a twentieth of the clients in per second.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.storm import POLICIES, Policy, storm
from benchmarks.timing import Metric

__all__ = ["storm_rows"]

_OUTAGE = 10.0
_NEVER = 3600.0


class _Phoenix:
    """The table of phoenix.js."""

    def delays(self, _: random.Random) -> Iterator[float]:
        yield from (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0)
        while True:
            yield 5.0


class _SocketIo:
    """min(5, 2**n * U(0.5, 1.5)): the cap comes after the jitter."""

    def delays(self, rng: random.Random) -> Iterator[float]:
        delay = 1.0
        while True:
            yield min(5.0, delay * rng.uniform(0.5, 1.5))
            delay = min(64.0, delay * 2.0)


_ALL = (*POLICIES, Policy("phoenix", _Phoenix()), Policy("socket.io", _SocketIo()))


def storm_rows(*, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows; a policy whose 99th percentile never comes back shows the end of the simulation, an hour."""
    for label, clients in (("10k", 10_000),) if is_quick else (("10k", 10_000), ("100k", 100_000)):
        samples: dict[str, list[float]] = {}
        stranded: list[str] = []
        curves: dict[str, list[tuple[float, float]]] = {}
        for policy in _ALL:
            who = "ours" if policy is POLICIES[0] else policy.name
            outcomes = [
                storm(policy, clients=clients, outage=_OUTAGE, rate=clients / 20, seed=seed)
                for seed in range(1 if is_quick or clients > 10_000 else 3)
            ]
            samples[who] = [_NEVER if it.p99 is None else it.p99 for it in outcomes]
            curves[who] = [(round(at, 2), share) for at, share in outcomes[0].curve]
            lost = max(it.stranded for it in outcomes)
            if lost:
                stranded.append(f"{policy.name}: {lost / clients:.0%} gave up")
            if lost and who == "ours":
                raise AssertionError(f"{lost} clients never came back")
            samples["ideal"] = [outcomes[0].ideal]
        note = f"({'; '.join(stranded)})"
        yield Metric(f"storm_{label}", "s", samples, {"ideal": 1 / 1.6}, note=note, curves=curves)
