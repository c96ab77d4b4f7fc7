"""A soak of the store engine: threads, signals every 2 ms, a collector at every allocation, and forks.

    python benchmarks/engine_soak.py --seconds 1800

It checks after each round: every observer saw the newest value, no value came twice in a row, no commit is stranded.
It prints one line a minute and ends with 1 when a check fails.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import random
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from typing import Any

from reactive_ws import Domain, KeyedStore, Store, batch, derived

__all__ = ["soak"]

_SIGNAL_EVERY = 0.002


class _World:
    """Stores, observers, and the acts of threads, handlers and finalizers on them."""

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.domain = domain = Domain("soak", on_error=self.reports.append)
        self.a, self.b = Store(0, domain=domain), Store(0, domain=domain)
        self.keyed: KeyedStore[int, int] = KeyedStore({0: 0, 1: 0}, domain=domain)
        self.pair = derived(self.a, self.b, lambda a, b: (a, b))
        self.selections: list[Any] = [
            self.a.select(),
            self.a.select(lambda value: value + 1),
            self.pair.select(),
            self.keyed.select(0),
            self.keyed.select_count(),
        ]
        self.watched: list[tuple[Any, list[Any]]] = []
        for selection in self.selections:
            log: list[Any] = []
            selection.subscribe(log.append)
            self.watched.append((selection, log))
        self.parts: list[tuple[Any, Any, list[Any]]] = []
        self.numbers = itertools.count(1)

    def act(self, rng: random.Random) -> None:
        """Does one thing."""
        number = next(self.numbers)
        what = rng.randrange(9)
        if what == 0:
            self.a.set(number)
        elif what == 1:
            self.b.update(lambda value: value + 1)
        elif what == 2:
            self.keyed.upsert(rng.randrange(3), number)
        elif what == 3:
            self.keyed.remove(2)
        elif what == 4:
            with batch(self.domain):
                self.a.set(number)
                self.b.set(number)
        elif what == 5:
            rng.choice(self.selections).subscribe(on_next=None).dispose()
        elif what == 6:
            seen: list[Any] = []
            link = (
                derived(self.pair, self.a, lambda pair, a: (pair[0], a))
                .select()
                .subscribe(seen.append)
            )
            link.dispose()
            if any(one != two for one, two in seen):
                raise AssertionError(f"a mix of versions: {seen}")
        elif what == 7:
            # The only observer of its part, which takes no lock when nothing is under way.
            part = self.a.select(lambda value: value + 1)
            log: list[Any] = []
            self.parts.append((part.subscribe(log.append), part, log))
            if len(self.parts) > 8:
                with suppress(IndexError):
                    self.parts.pop(0)[0].dispose()
        else:
            self.pair.get()

    def check(self) -> None:
        """Looks at everything, while nothing else runs.

        Raises:
            AssertionError: a promise is broken.
        """
        # An act that was interrupted leaves its work to the next one.
        self.a.set(-next(self.numbers))
        if not self.domain.settled(30):
            raise AssertionError("a commit is stranded")
        parts = [(part, log) for _, part, log in self.parts]
        for selection, log in (*self.watched, *parts):
            if log[-1] != selection.get():
                raise AssertionError(
                    f"an observer has {log[-1]!r} and the store {selection.get()!r}"
                )
            if any(one == two for one, two in itertools.pairwise(log)):
                raise AssertionError("an observer got one value twice in a row")
            del log[:-1]
        if self.reports:
            raise AssertionError(f"an error was reported: {self.reports[0]}")


class _Cycle:
    """Garbage that writes when it is collected."""

    def __init__(self, world: _World, rng: random.Random) -> None:
        self.me = self
        self.world, self.rng = world, rng

    def __del__(self) -> None:
        self.world.act(self.rng)


def _fork(world: _World, rng: random.Random) -> None:
    """Forks, and expects that the child delivers.

    Raises:
        AssertionError: it does not.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:  # pragma: no cover - another process
        code = 1
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            seen: list[Any] = []
            world.a.select().subscribe(seen.append)
            world.a.set(-1)
            world.act(rng)
            code = 0 if -1 in seen and world.domain.settled(5) else 1
        finally:
            os._exit(code)
    if os.waitpid(child, 0)[1]:
        raise AssertionError("a forked child did not deliver")


def soak(seconds: float, seed: int = 1, threads: int = 3) -> int:
    """Runs for so many seconds; returns how many rounds that were. On the main thread.

    Args:
        seconds: How long.
        seed: Of the choices.
        threads: How many threads act beside the main one.

    Raises:
        AssertionError: a promise of the engine is broken.
    """
    world, end, rounds, told = _World(), time.monotonic() + seconds, 0, time.monotonic()
    rng = random.Random(seed)
    failures: list[BaseException] = []

    def work(own: random.Random, acts: int) -> None:
        try:
            for _ in range(acts):
                world.act(own)
        except BaseException as error:
            failures.append(error)

    def handle(_: int, __: object) -> None:
        world.act(rng)

    before = signal.signal(signal.SIGALRM, handle)
    thresholds = gc.get_threshold()
    try:
        while time.monotonic() < end:
            others = [
                threading.Thread(target=work, args=(random.Random(rng.random()), 200))
                for _ in range(threads)
            ]
            signal.setitimer(signal.ITIMER_REAL, _SIGNAL_EVERY, _SIGNAL_EVERY)
            gc.set_threshold(1)
            for other in others:
                other.start()
            for number in range(200):
                _Cycle(world, rng)
                world.act(rng)
                if number == 100:
                    _fork(world, rng)
            for other in others:
                other.join()
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.set_threshold(*thresholds)
            if failures:
                raise failures[0]
            gc.collect()
            world.check()
            rounds += 1
            if time.monotonic() - told > 60:
                told = time.monotonic()
                print(f"{rounds} rounds, commit {world.domain.number}", flush=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.set_threshold(*thresholds)
    return rounds


def main() -> int:
    """Runs the soak; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description="A soak of the store engine.")
    parser.add_argument("--seconds", type=float, default=1800.0, help="how long (default: 1800)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        print(f"{soak(options.seconds, options.seed)} rounds without a broken promise")
    except AssertionError as error:
        print(f"FAIL: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
