"""Where chance and the date come from in a simulation: one seed, for everything that runs in its thread.

While a simulation is open, in its thread only: `random` (also `random.Random()` without a seed), `secrets`, `os.urandom` and with
them `uuid.uuid4` and the masks and keys of `websockets` follow the seed; `time.time`, `time.monotonic` and
`time.clock_gettime` follow the virtual loop, and with them the `Date` header of the server; starting threads, sleeping in
`time.sleep` and connecting real sockets are refused; `reactivex` operators that would fall back to a timer thread get the
scheduler of the loop.

Not covered: `datetime.now()` is compiled code that reads the real clock, `time.perf_counter` stays real for
measurements, and the order of sets of objects follows their addresses. Called by `simulation` only.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol
from unittest.mock import patch

import reactivex.scheduler.scheduler
from reactivex.internal.basic import default_now
from reactivex.scheduler import TimeoutScheduler

from .scheduler import LoopScheduler

__all__ = ["EPOCH", "one_seed", "seeded"]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The date of virtual second 0, wherever a date is needed."""


def seeded(seed: int, purpose: str) -> Random:
    """Returns the random numbers of one purpose; using one more of them changes no other purpose."""
    return Random(f"reactive-ws {seed} {purpose}")


class Timekeeper(Protocol):
    """The role of the loop for the clocks; `VirtualLoop` has it."""

    def time(self) -> float:
        """Returns the loop's time in seconds."""
        ...

    def refuse(self, what: str, instead: str) -> Exception:
        """Returns the error for something that is not simulated."""
        ...


@contextmanager
def one_seed(loop: Timekeeper, seed: int, scheduler: LoopScheduler) -> Generator[None, None, None]:
    """Makes chance, clocks and the default scheduler of this thread follow the seed and the loop while it is open."""
    state = random.getstate()
    patches = _patches(loop, seeded(seed, "entropy"), scheduler)
    random.seed(f"reactive-ws {seed} random")
    with ExitStack() as stack:
        for target, name, replacement in patches:
            stack.enter_context(patch.object(target, name, replacement))
        try:
            yield
        finally:
            random.setstate(state)


def _patches(
    loop: Timekeeper, entropy: Random, scheduler: LoopScheduler
) -> Iterator[tuple[Any, str, Any]]:
    owner = threading.get_ident()
    start = EPOCH.timestamp()

    def here(simulated: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
        def choose(*args: Any, **kwargs: Any) -> Any:
            chosen = simulated if threading.get_ident() == owner else real
            return chosen(*args, **kwargs)

        return choose

    def refused(what: str, instead: str) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise loop.refuse(what, instead)

        return refuse

    def seed_generator(generator: Random, a: Any = None, version: int = 2) -> None:
        real_seed(generator, entropy.getrandbits(64) if a is None else a, version)

    def clock_gettime(clock: int) -> float:
        return start + loop.time() if clock == time.CLOCK_REALTIME else loop.time()

    def default_scheduler(_: type[Any]) -> LoopScheduler:
        return scheduler

    real_seed = Random.seed
    for module, name in ((os, "urandom"), (random, "_urandom")):
        yield module, name, here(entropy.randbytes, getattr(module, name))
    yield Random, "seed", here(seed_generator, real_seed)
    yield time, "time", here(lambda: start + loop.time(), time.time)
    yield time, "time_ns", here(lambda: int((start + loop.time()) * 1e9), time.time_ns)
    yield time, "monotonic", here(loop.time, time.monotonic)
    yield time, "monotonic_ns", here(lambda: int(loop.time() * 1e9), time.monotonic_ns)
    if hasattr(time, "clock_gettime"):
        yield time, "clock_gettime", here(clock_gettime, time.clock_gettime)
    no_sleep = refused("time.sleep()", "it stops the whole program; use `await asyncio.sleep()`")
    yield time, "sleep", here(no_sleep, time.sleep)
    no_thread = refused(
        "a thread",
        "threads run in another order every time; give the code under test a loop, a scheduler or a function instead",
    )
    yield threading.Thread, "start", here(no_thread, threading.Thread.start)
    for name in ("connect", "connect_ex", "bind"):
        no_socket = refused(
            f"socket.{name}()", "use the network of the simulation, or a test with real sockets"
        )
        yield socket.socket, name, here(no_socket, getattr(socket.socket, name))
    # The immediate and trampoline schedulers of reactivex run at once, but answer `now` with this.
    yield reactivex.scheduler.scheduler, "default_now", here(lambda: scheduler.now, default_now)
    # `singleton` is a class method of a base class; the real one is called with the class that was asked.
    real_singleton = TimeoutScheduler.singleton.__func__  # type: ignore[attr-defined]
    yield TimeoutScheduler, "singleton", classmethod(here(default_scheduler, real_singleton))
