from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import islice

import pytest

from reactive_ws.connection.backoff import Backoff, Jitter


def test_without_jitter_the_delays_grow_to_the_cap_and_stay() -> None:
    delays = Backoff(initial=1.0, factor=2.0, cap=10.0, jitter=Jitter.NONE).delays(random.Random(0))
    assert list(islice(delays, 6)) == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_equal_jitter_comes_after_the_cap_so_that_clients_at_the_cap_stay_spread() -> None:
    delays = Backoff().delays(random.Random(1))
    first = list(islice(delays, 40))
    ceilings = [min(60.0, 1.5**n) for n in range(40)]
    assert all(c / 2 <= d <= c for d, c in zip(first, ceilings, strict=True))
    assert len({round(d, 3) for d in first[20:]}) == 20


def test_full_and_decorrelated_delays_stay_within_their_formulas() -> None:
    full = list(islice(Backoff(jitter=Jitter.FULL).delays(random.Random(2)), 30))
    assert all(0 <= d <= min(60.0, 1.5**n) for n, d in enumerate(full))
    previous = 1.0
    for delay in islice(Backoff(jitter=Jitter.DECORRELATED).delays(random.Random(3)), 30):
        assert 1.0 <= delay <= min(60.0, 3 * previous)
        previous = delay


def test_ten_thousand_retries_do_not_overflow() -> None:
    delays = Backoff(jitter=Jitter.NONE).delays(random.Random(0))
    assert list(islice(delays, 9_999, 10_000)) == [60.0]


def test_an_own_function_gives_the_delays() -> None:
    delays = Backoff.of(lambda n: n - 1.0).delays(random.Random(0))
    assert list(islice(delays, 4)) == [0.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize("wrong", [{"initial": 0}, {"factor": 0.5}, {"cap": float("inf")}])
def test_wrong_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Backoff(**wrong)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_workers_do_not_come_back_at_the_same_moments() -> None:
    script = """
import os
from reactive_ws import Backoff, WebSocketService
service = WebSocketService("ws://localhost/ws")
for _ in range(4):
    worker = os.fork()
    if not worker:
        print(next(Backoff().delays(service._settings.rng)), flush=True)
        os._exit(0)
    os.waitpid(worker, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert len(set(done.stdout.split())) == 4
