"""`reconnect`: a server comes back after an outage; how long until a thousand queued messages have arrived there?

All clients wait for the same server at the same time, so that they share one outage. They are ours, a hand-written queue
with the retry policy of each design that ours replaces, and the iterator of `websockets`. A policy that gave up before the
server's return has no number.

    python benchmarks/reconnecting.py [--runs 5] [--outage 2] [--count 1000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import socket as sockets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.storm import POLICIES, Policy
from benchmarks.timing import Metric
from reactive_ws import Domain, OutboxOptions, WebSocketService

__all__ = ["main", "reconnect_rows"]

_SEEDS = tuple(policy for policy in POLICIES if policy.name.startswith("seed"))
_PATIENCE = 60.0

Client = Callable[[str, int, "asyncio.Event"], Awaitable[float]]
"""Loses its connection at once, comes back by itself, sends so many messages; returns when the server had all."""


def _messages(count: int) -> list[str]:
    return [
        json.dumps({"type": "count", "payload": {"number": number, "last": number == count - 1}})
        for number in range(count)
    ]


async def _flush(socket: Any, queue: list[str]) -> float:
    for frame in queue:
        await socket.send(frame)
    answer = json.loads(await socket.recv())
    if answer["payload"]["count"] != len(queue):
        raise AssertionError(answer)
    return time.perf_counter()


async def _ours(url: str, count: int, is_down: asyncio.Event) -> float:
    outbox = OutboxOptions(limit=count)
    service = WebSocketService(url, domain=Domain(), proxy=None, outbox=outbox)
    counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    service.on("counted", lambda envelope: counted.set_result(envelope.payload["count"]))
    await is_down.wait()
    async with service:
        for number in range(count):
            service.send("count", {"number": number, "last": number == count - 1})
        found = await counted
        took = time.perf_counter()
        await service.disconnect()
    if found != count:
        raise AssertionError(found)
    return took


async def _iterator(url: str, count: int, is_down: asyncio.Event) -> float:
    from websockets.asyncio.client import connect

    queue = _messages(count)
    await is_down.wait()
    async for socket in connect(url, compression=None, ping_interval=None, proxy=None):
        took = await _flush(socket, queue)
        await socket.close()
        return took
    raise AssertionError


def _by(policy: Policy) -> Client:
    async def client(url: str, count: int, is_down: asyncio.Event) -> float:
        from websockets.asyncio.client import connect

        queue = _messages(count)
        delays = policy.source.delays(random.Random())
        await is_down.wait()
        for attempt in range((policy.max_attempts or 1_000) + 1):
            try:
                async with connect(url, compression=None, ping_interval=None, proxy=None) as socket:
                    return await _flush(socket, queue)
            except OSError:
                if attempt == policy.max_attempts:
                    break
                await asyncio.sleep(next(delays))
        return float("inf")

    return client


async def _outage(clients: dict[str, Client], count: int, outage: float) -> dict[str, float]:
    """Returns for each client the seconds from the server's return until it had everything."""
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    is_down = asyncio.Event()
    url = f"ws://127.0.0.1:{port}/"
    tasks = {who: asyncio.ensure_future(run(url, count, is_down)) for who, run in clients.items()}
    is_down.set()
    await asyncio.sleep(outage)
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "answering.py"),
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        await server.stdout.readline()
        is_up = time.perf_counter()
        async with asyncio.timeout(_PATIENCE):
            ended = await asyncio.gather(*tasks.values())
    finally:
        server.stdin.close()
        await server.wait()
    return {who: end - is_up for who, end in zip(tasks, ended, strict=True)}


def reconnect_rows(runs: int, *, outage: float = 2.0, count: int = 1_000) -> Iterator[Metric]:
    """Yields the row, in seconds."""
    clients: dict[str, Client] = {"ours": _ours, "websockets: async for connect": _iterator}
    clients |= {policy.name: _by(policy) for policy in _SEEDS}
    samples: dict[str, list[float]] = {who: [] for who in clients}
    for _ in range(runs):
        for who, seconds in asyncio.run(_outage(clients, count, outage)).items():
            if seconds != float("inf"):
                samples[who].append(seconds)
    found = {who: seconds for who, seconds in samples.items() if seconds}
    note = f"({count} messages queued in an outage of {outage:g} s)"
    yield Metric("reconnect", "s", found, note=note)


def main() -> None:
    """Prints the seconds of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--outage", type=float, default=2.0, help="seconds")
    parser.add_argument("--count", type=int, default=1_000, help="messages")
    given = parser.parse_args()
    logging.disable()
    for row in reconnect_rows(given.runs, outage=given.outage, count=given.count):
        for who, seconds in row.samples.items():
            print(
                f"{who:44} median {statistics.median(seconds):6.2f} s, worst {max(seconds):.2f} s"
            )


if __name__ == "__main__":
    main()
