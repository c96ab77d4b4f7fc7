"""Plays the storm after an outage: all clients lose their connection together, and each dials until it is back or gives up.

    python benchmarks/storm.py [--clients 10000] [--rate 500] [--outages 10 120]

Pure arithmetic, no sockets and no clock. All clients lose their connection at second 0. The server refuses every client
during the outage and then accepts `rate` clients per second, a twentieth of that in each slot of 50 ms. It refuses the
clients that come when a slot is full. Each client dials again after the delays of its policy until the server accepts it
or the policy gives up. The ideal server is busy from its return to the last client. Its 99th percentile is outage + 0.99 *
clients / rate.

Not modelled: how long a dial takes, and clients that are thrown out again.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from reactive_ws.connection.backoff import Backoff, DelaySource, Jitter

__all__ = ["POLICIES", "Outcome", "Policy", "main", "storm"]

_SLOT = 0.05
_MAX_SECONDS = 3600.0
"""A client that is not back after this many seconds is stranded, even if its policy would dial again."""


@dataclass(frozen=True)
class Policy:
    """A retry policy: a source of delays, and the most attempts, or None for no limit."""

    name: str
    source: DelaySource
    max_attempts: int | None = None


class Growing:
    """The delays of `websockets`' `async for connect(...)`: U(0, 5), then 3.1 * 1.618**k up to 90, without jitter."""

    def delays(self, rng: random.Random) -> Iterator[float]:
        """Yields the delays of one outage."""
        yield rng.uniform(0.0, 5.0)
        delay = 3.1
        while True:
            yield min(90.0, delay)
            delay = min(90.0, delay * 1.618)


def _plain(initial: float, factor: float = 2.0) -> Backoff:
    return Backoff(initial, factor, cap=1e9, jitter=Jitter.NONE)


POLICIES: tuple[Policy, ...] = (
    Policy("reactive-ws", Backoff()),
    Policy("seed 1: 1 s * 2**n, 10 attempts", _plain(1.0), 10),
    Policy("seed 2: 1 s * 2**n, 5 attempts", _plain(1.0), 5),
    Policy("seed 3: 1 s * 1.5**n * U(0.5, 1), 10 attempts", Backoff(), 10),
    Policy("seed 4: 3 s * 2**n, 5 attempts", _plain(3.0), 5),
    Policy("websockets 17: async for connect", Growing()),
)
"""Ours first, then the policies of the designs that it replaces, and the one that `websockets` brings along."""


@dataclass(frozen=True)
class Outcome:
    """The result of one storm for one policy.

    Attributes:
        clients, outage, rate: As given: seconds, clients per second.
        stranded: Clients that gave up, or were not back within an hour.
        median, p99: Seconds from the loss until so many of all clients were back; None when they never were.
        peak: Most dials in 100 ms after the server's return.
        attempts: Dials per client.
        ideal: What `p99` would be if the server had never waited.
        curve: Seconds since the loss, and which share of all clients was back.
    """

    policy: str
    clients: int
    outage: float
    rate: float
    stranded: int
    median: float | None
    p99: float | None
    peak: int
    attempts: float
    ideal: float
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def ratio(self) -> float | None:
        """`p99` over the ideal."""
        return None if self.p99 is None else self.p99 / self.ideal

    def __str__(self) -> str:
        def seconds(value: float | None) -> str:
            return "never" if value is None else f"{value:.0f} s"

        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return (
            f"{self.clients} clients, {self.outage:g} s outage, {self.policy}: "
            f"stranded {self.stranded} ({self.stranded / self.clients:.0%}), half back {seconds(self.median)}, "
            f"99 % back {seconds(self.p99)} (ideal {self.ideal:.0f} s, ratio {ratio}), "
            f"peak {self.peak} dials in 100 ms, {self.attempts:.1f} dials a client"
        )


def storm(policy: Policy, *, clients: int, outage: float, rate: float, seed: int = 0) -> Outcome:
    """Plays one storm and returns its result."""
    rng = random.Random(seed)
    capacity = max(1, round(rate * _SLOT))
    slots: dict[int, list[Callable[[], float | None]]] = {}
    dials = 0
    back: list[float] = []
    peak = before = 0
    for _ in range(clients):
        wait = _waits(policy, rng)
        _put(slots, 0.0, wait)
    last = int(_MAX_SECONDS / _SLOT)
    opens = int(outage / _SLOT)
    for number in range(last):
        arrived = slots.pop(number, None)
        if arrived is None:
            before = 0
            continue
        now = number * _SLOT
        dials += len(arrived)
        room = 0
        if number >= opens:
            room = capacity
            peak = max(peak, len(arrived) + before)
            before = len(arrived)
            # Chance decides the order within a slot, and not the order in which this list keeps the clients.
            rng.shuffle(arrived)
        back += [now + _SLOT] * min(room, len(arrived))
        for wait in arrived[room:]:
            _put(slots, now, wait)
        if not slots:
            break
    back.sort()
    return Outcome(
        policy.name,
        clients,
        outage,
        rate,
        clients - len(back),
        _percentile(back, clients, 0.5),
        _percentile(back, clients, 0.99),
        peak,
        dials / clients,
        outage + 0.99 * clients / rate,
        tuple((back[at], (at + 1) / clients) for at in range(0, len(back), max(1, clients // 50))),
    )


def _waits(policy: Policy, rng: random.Random) -> Callable[[], float | None]:
    delays = policy.source.delays(rng)
    left = policy.max_attempts

    def wait() -> float | None:
        nonlocal left
        if left is not None:
            if not left:
                return None
            left -= 1
        return next(delays)

    return wait


def _put(
    slots: dict[int, list[Callable[[], float | None]]],
    now: float,
    wait: Callable[[], float | None],
) -> None:
    delay = wait()
    if delay is not None:
        # A refusal is known at once, but never in the slot in which it was dialled.
        slots.setdefault(int((now + delay) / _SLOT) + 1, []).append(wait)


def _percentile(back: Sequence[float], clients: int, share: float) -> float | None:
    place = int(clients * share) - 1
    return back[place] if place < len(back) else None


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=500.0, help="clients let in per second")
    parser.add_argument("--outages", type=float, nargs="+", default=[10.0, 120.0], help="seconds")
    options = parser.parse_args()
    for outage in options.outages:
        for policy in POLICIES:
            print(storm(policy, clients=options.clients, outage=outage, rate=options.rate))


if __name__ == "__main__":
    main()
