"""`latency_*`: a message goes to the server and back into a store. `send_*`: how many messages a second go out,
and what one costs the thread that sends it.

python benchmarks/round_trips.py                    both, printed
"""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.answering import answering
from benchmarks.timing import Metric
from reactive_ws import Domain, OutboxOptions, Store, WebSocketService
from reactive_ws.stores.wire import agent_chat
from reactive_ws.stores.wire.chat import Message, MessageSend

__all__ = ["latency_rows", "send_rows", "turns_rows"]

_PERCENTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def _connect(url: str) -> Any:
    from websockets.asyncio.client import connect

    return connect(url, compression=None, ping_interval=None, proxy=None)


async def _bare_trips(url: str, count: int) -> list[float]:
    took: list[float] = []
    async with _connect(url) as socket:
        for number in range(count):
            began = time.perf_counter()
            await socket.send(json.dumps({"type": "echo", "payload": {"number": number}}))
            message = json.loads(await socket.recv())
            took.append(time.perf_counter() - began)
            if message["payload"]["number"] != number:
                raise AssertionError(message)
    return took


async def _our_trips(url: str, count: int) -> list[float]:
    """Out through the outbox, back through codec, dispatcher, store and selection to an observer."""
    took: list[float] = []
    domain = Domain()
    store = Store(-1, domain=domain)
    service = WebSocketService(url, domain=domain, proxy=None, registry=agent_chat())
    back: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def see(number: int) -> None:
        if not back.done():
            back.set_result(number)

    service.on("echo", lambda envelope: store.set(envelope.payload["number"]))
    async with service:
        await service.wait_connected(10)
        store.select().subscribe(see)
        for number in range(count):
            back = asyncio.get_running_loop().create_future()
            began = time.perf_counter()
            service.send("echo", {"number": number})
            found = await back
            took.append(time.perf_counter() - began)
            if found != number:
                raise AssertionError(found)
        await service.disconnect()
    return took


def latency_rows(runs: int, *, count: int = 2_000) -> Iterator[Metric]:
    """Yields p50, p99 and p99.9 of the round trip, in microseconds."""
    samples: dict[str, dict[str, list[float]]] = {
        name: {"ours": [], "bare websockets": []} for name in _PERCENTILES
    }
    pooled: dict[str, list[float]] = {"ours": [], "bare websockets": []}
    both = (("ours", _our_trips), ("bare websockets", _bare_trips))
    with answering() as url:
        for run in range(runs):
            for who, trips in both if run % 2 else both[::-1]:
                took = sorted(asyncio.run(trips(url, count)))
                pooled[who] += took
                for name, part in _PERCENTILES.items():
                    samples[name][who].append(took[min(count - 1, int(count * part))] * 1e6)
    for name, found in samples.items():
        targets = {"bare websockets": 1 / 1.5} if name == "p99" else {}
        curves = {who: _distribution(took) for who, took in pooled.items()} if name == "p50" else {}
        yield Metric(f"latency_{name}", "us", found, targets, curves=curves)


def _distribution(took: list[float]) -> list[tuple[float, float]]:
    """Returns microseconds and the share of round trips that took longer."""
    ordered = sorted(took)
    size = len(ordered)
    shares = [10 ** (-step / 10) for step in range(41)]
    return [
        (round(ordered[size - 1 - int(size * share)] * 1e6, 1), share)
        for share in shares
        if 1 <= int(size * share) < size
    ]


async def _bare_sends(url: str, count: int) -> float:
    async with _connect(url) as socket:
        began = time.perf_counter()
        for number in range(count):
            frame = {
                "type": "count",
                "id": str(uuid.uuid4()),
                "timestamp": datetime.now(UTC).isoformat(),
                "payload": {"number": number, "last": number == count - 1},
            }
            await socket.send(json.dumps(frame))
        answer = json.loads(await socket.recv())
        took = time.perf_counter() - began
    if answer["payload"]["count"] != count:
        raise AssertionError(answer)
    return count / took


async def _our_sends(url: str, count: int) -> float:
    """As fast as the outbox takes them: a hundred at a time, so that none is dropped."""
    service = WebSocketService(url, domain=Domain(), proxy=None, registry=agent_chat())
    counted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    service.on("counted", lambda envelope: counted.set_result(envelope.payload["count"]))
    async with service:
        await service.wait_connected(10)
        began = time.perf_counter()
        for start in range(0, count, 100):
            end = min(count, start + 100)
            sent = [
                service.send("count", {"number": number, "last": number == count - 1})
                for number in range(start, end)
            ]
            await sent[-1]
        found = await counted
        took = time.perf_counter() - began
        await service.disconnect()
    if found != count:
        raise AssertionError(found)
    return count / took


async def _acknowledged(url: str, count: int, path: Path | None) -> float:
    """At-least-once messages: sent a hundred at a time, done when each is acknowledged."""
    service = WebSocketService(
        url, domain=Domain(), proxy=None, outbox=OutboxOptions(path=path), registry=agent_chat()
    )
    async with service:
        await service.wait_connected(10)
        began = time.perf_counter()
        for start in range(0, count, 100):
            await asyncio.gather(
                *[
                    service.send(MessageSend("s", Message(f"m{number}", "s", "user", "text", 0.0)))
                    for number in range(start, min(count, start + 100))
                ]
            )
        took = time.perf_counter() - began
        await service.disconnect()
    return count / took


def _with_cpu(sends: Coroutine[Any, Any, float]) -> tuple[float, float]:
    """Returns what the sends return, and the CPU seconds of this thread that they took."""
    gc.collect()
    began = time.thread_time()
    return asyncio.run(sends), time.thread_time() - began


class _CountingLoop(asyncio.SelectorEventLoop):
    """A loop that counts its turns."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]


def turns_rows(*, count: int = 300) -> Iterator[Metric]:
    """Yields how many turns of the loop a round trip takes, connecting included. A count, which no other program disturbs."""
    samples: dict[str, list[float]] = {}
    with answering() as url:
        for who, trips in (("ours", _our_trips), ("bare websockets", _bare_trips)):
            loop = _CountingLoop()
            try:
                loop.run_until_complete(trips(url, count))
            finally:
                loop.close()
            samples[who] = [loop.turns / count]
    # At most 3.2 turns where the bare socket needs two.
    yield Metric("turns", "turns/trip", samples, {"bare websockets": 0.64})


def send_rows(runs: int, *, count: int = 10_000) -> Iterator[Metric]:
    """Yields the messages a second: at most once, also in CPU time of the sending thread; at least once, durable."""
    plain: dict[str, list[float]] = {"ours": [], "json.dumps and ws.send": []}
    cpu: dict[str, list[float]] = {"ours": [], "json.dumps and ws.send": []}
    at_least: dict[str, list[float]] = {"ours": []}
    durable: dict[str, list[float]] = {"ours": []}
    with answering() as url, tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            for who, sends in (("ours", _our_sends), ("json.dumps and ws.send", _bare_sends)):
                rate, seconds = _with_cpu(sends(url, count))
                plain[who].append(rate)
                cpu[who].append(seconds / count * 1e6)
            at_least["ours"].append(asyncio.run(_acknowledged(url, count // 5, None)))
            path = Path(folder) / f"outbox-{run}.db"
            durable["ours"].append(asyncio.run(_acknowledged(url, count // 5, path)))
    targets = {"json.dumps and ws.send": 0.7}
    yield Metric("send_at_most", "messages/s", plain, targets, is_rate=True)
    yield Metric("send_cpu", "us/message", cpu, {"json.dumps and ws.send": 0.9})
    yield Metric("send_at_least", "messages/s", at_least, is_rate=True)
    yield Metric("send_durable", "messages/s", durable, is_rate=True)
