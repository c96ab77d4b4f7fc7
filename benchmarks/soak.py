"""`soak_*`: minutes of mixed load with faults; memory and the 99th percentile of a round trip must stay as they were.

A service echoes through a server, writes stores that are observed, observers come and go, and every few seconds the
connection is dropped. The first fifth warms up; what is compared is the last fifth with the second one.
A round trip that a fault took is repeated and not counted.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.answering import answering
from benchmarks.timing import Metric
from reactive_ws import Backoff, Domain, KeyedStore, Store, WebSocketService

__all__ = ["rows"]

_FAULT_EVERY = 3.0
_SLICES = 50


def _resident() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(it for it in status.read_text().splitlines() if it.startswith("VmRSS"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _soak(url: str, seconds: float) -> tuple[list[array[float]], list[float]]:
    """Returns for each slice of the time its round trips in microseconds, and the megabytes at its end."""
    domain = Domain()
    last = Store(-1, domain=domain)
    entities: KeyedStore[int, int] = KeyedStore(domain=domain)
    service = WebSocketService(url, domain=domain, proxy=None, backoff=Backoff(initial=0.05))
    # Eight bytes a trip: what the measuring keeps must not look like a leak.
    trips = [array("d") for _ in range(_SLICES)]
    memory = [0.0] * _SLICES
    back: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def arrived(number: int) -> None:
        entities.upsert(number % 500, number)
        last.set(number)

    def see(number: int) -> None:
        if not back.done():
            back.set_result(number)

    service.on("echo", lambda envelope: arrived(envelope.payload["number"]))
    last.select().subscribe(see)
    began = time.perf_counter()
    faults = 0
    number = 0
    megabytes = _resident()
    async with service:
        await service.wait_connected(10)
        while (now := time.perf_counter() - began) < seconds:
            if now > (faults + 1) * _FAULT_EVERY:
                faults += 1
                service.reconnect()
                await service.wait_connected(10)
                gc.collect()
                megabytes = _resident()
            number += 1
            back = asyncio.get_running_loop().create_future()
            with entities.select(number % 500).subscribe(lambda _: None):
                sent = time.perf_counter()
                service.send("echo", {"number": number})
                try:
                    found = await asyncio.wait_for(back, 5)
                except TimeoutError:
                    continue
            at = min(_SLICES - 1, int(now / seconds * _SLICES))
            trips[at].append((time.perf_counter() - sent) * 1e6)
            memory[at] = megabytes
            if found != number:
                raise AssertionError(f"{found} came back for {number}")
        await service.disconnect()
    return trips, memory


def rows(seconds: float) -> Iterator[Metric]:
    """Yields the row of the round trip's p99, in microseconds, and of memory, in megabytes.

    The p99 of a part is the median over its seconds, so that one pause of the whole machine does not count as drift.
    """
    with answering() as url:
        trips, megabytes = asyncio.run(_soak(url, seconds))
    p99 = [_p99(part) for part in trips if part]
    memory = [at_end for part, at_end in zip(trips, megabytes, strict=True) if part]
    fifth = len(p99) // 5
    early, late = slice(fifth, 2 * fifth), slice(4 * fifth, 5 * fifth)
    where = [seconds * (number + 1) / len(p99) for number in range(len(p99))]
    start = "itself at the start"
    note = f"({seconds:.0f} s, a lost connection every {_FAULT_EVERY:.0f} s)"
    yield Metric(
        "soak_p99",
        "us",
        {"ours": p99[late], start: p99[early]},
        {start: 1 / 1.5},
        note=note,
        curves={"p99": list(zip(where, p99, strict=True))},
    )
    yield Metric(
        "soak_memory",
        "MB",
        {"ours": memory[late], start: memory[early]},
        {start: 1 / 1.1},
        note=note,
        curves={"memory": list(zip(where, memory, strict=True))},
    )


def _p99(trips: Iterable[float]) -> float:
    ordered = sorted(trips)
    return ordered[len(ordered) * 99 // 100]
