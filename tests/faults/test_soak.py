"""One message a second each way and a fault every five minutes: memory, tasks, timers and descriptors stay as they are.

In virtual time. The server is a small one that remembers nothing but the newest messages, so that what grows is ours.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import sys
import tracemalloc
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from reactive_ws.engine.domain import Domain
from reactive_ws.service.service import WebSocketService
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import SessionClose, SessionClosed, agent_chat
from reactive_ws.testing import BlackHole, Hang, Latency, Refuse, Reset, Simulation, Stall


class ForgetfulServer:
    """Speaks protocol v1, keeps the last hundred messages of its one stream, and counts."""

    def __init__(self) -> None:
        self.seq = 0
        self.last: deque[dict[str, Any]] = deque(maxlen=100)
        self.sockets: set[ServerConnection] = set()
        self.acknowledged = 0
        self.is_silent = False
        self.server: Server | None = None

    async def start(self) -> None:
        self.server = await serve(
            self.handle,
            "server",
            80,
            subprotocols=["reactive-ws.v1"],  # type: ignore[list-item]
            ping_interval=None,
            compression=None,
            close_timeout=1,
        )

    async def stop(self, code: int) -> None:
        if self.server is not None:
            self.server.close(code=code)
            await self.server.wait_closed()

    async def handle(self, socket: ServerConnection) -> None:
        try:
            if self.is_silent:
                await socket.wait_closed()
            await say(socket, {"type": "hello", "payload": {"epoch": "e", "resume": True}})
            if not self.seq:
                self.sockets.add(socket)
            async for frame in socket:
                message = msgspec.json.decode(frame)
                for answer in self.answers(message):
                    await say(socket, answer)
                if message["type"] == "resume" and not self.is_silent:
                    # Before its resume a client gets nothing new: it would come before what it missed.
                    self.sockets.add(socket)
        except ConnectionClosed:
            pass
        finally:
            self.sockets.discard(socket)

    def answers(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        kind = message["type"]
        if self.is_silent:
            return []
        if kind == "ping":
            return [{"type": "pong", "id": message["id"]}]
        if kind == "resume":
            seen = message["payload"]["streams"]["app"]["seq"]
            recovery = {"recovered": True, "epoch": "e", "seq": self.seq}
            missed = [one for one in self.last if one["seq"] > seen]
            return [{"type": "resumed", "payload": {"streams": {"app": recovery}}}, *missed]
        if kind == "session.close":
            self.acknowledged += 1
            return [{"type": "message.received", "payload": {"messageId": message["id"]}}]
        return []

    async def publish(self) -> None:
        self.seq += 1
        payload = {"sessionId": str(self.seq)}
        message = {"type": "session.closed", "stream": "app", "epoch": "e", "seq": self.seq}
        message["payload"] = payload
        self.last.append(message)
        for socket in () if self.is_silent else tuple(self.sockets):
            try:
                await say(socket, message)
            except ConnectionClosed:
                continue


async def say(socket: ServerConnection, message: dict[str, Any]) -> None:
    await socket.send(msgspec.json.encode(message).decode())


@attrs.frozen
class Sample:
    """The resources in use at a moment when the service is connected and its outbox is empty.

    Attributes:
        memory: Bytes that Python has allocated.
    """

    memory: int
    tasks: int
    timers: int
    descriptors: int


def forget_names() -> None:
    """Empties the interpreter's cache of attribute look-ups, which holds up to 4 096 names and fills for hours.

    What is looked up by a C string (`tzinfo.dst` when `websockets` writes a `Date:`, `__match_args__` in `match`) is a new
    name each time, and stays in its slot: about 75 bytes an outage, with or without us.
    """
    clear = getattr(sys, "_clear_internal_caches", None) or getattr(sys, "_clear_type_cache", None)
    if clear is not None:
        clear()


async def take_sample(service: WebSocketService) -> Sample:
    """Waits until the service is connected and idle, and counts."""
    await service.wait_connected(600)
    while len(service.outbox.get()):
        await asyncio.sleep(0.1)
    # Reports that come at most once a second have come by then.
    await asyncio.sleep(2.5)
    # The simulation remembers every dial, for tests that ask; here that would grow and is not ours.
    Simulation.current().network.attempts.clear()
    forget_names()
    gc.collect()
    loop = asyncio.get_running_loop()
    return Sample(
        tracemalloc.get_traced_memory()[0],
        len(asyncio.all_tasks()),
        sum(not timer.cancelled() for timer in loop._scheduled),  # type: ignore[attr-defined]
        len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,
    )


async def disturb(server: ForgetfulServer, number: int) -> None:
    """Eight kinds of faults in turn, each over within a minute and a half."""
    network = Simulation.current().network
    match number % 8:
        case 0:
            network.apply(Reset())
        case 1:
            network.apply(BlackHole())
            await asyncio.sleep(60)
        case 2:
            await server.stop(1012)
            await asyncio.sleep(30)
            await server.start()
        case 3:
            network.apply(Stall(20.0))
        case 4:
            server.is_silent = True
            await asyncio.sleep(45)
            server.is_silent = False
        case 5:
            network.apply(Refuse(5))
            network.apply(Reset())
        case 6:
            network.apply(Hang(1))
            network.apply(Reset())
            await asyncio.sleep(30)
        case _:
            for socket in tuple(server.sockets):
                await socket.close(1013)
    network.heal()


async def soak(hours: float, early: float) -> tuple[Sample, Sample, dict[str, int]]:
    """Returns the sample after `early` hours, the one at the end, and some counts."""
    simulation = Simulation.current()
    simulation.network.apply(Latency(0.02, 0.01))
    server = ForgetfulServer()
    await server.start()
    domain = Domain("soak")
    count = Store(0, domain=domain)
    service = WebSocketService(
        "ws://server:80/ws",
        domain=domain,
        proxy=None,
        rng=simulation.random,
        clock=simulation.wall_clock,
        new_id=simulation.new_id,
        suspended=lambda: 0.0,
        registry=agent_chat(),
    )
    service.on(SessionClosed, lambda _: count.update(lambda n: n + 1))
    seen = service.metrics.select().subscribe(lambda _: None)
    await service.connect()
    await service.wait_connected()
    sent = faults = 0
    early_sample: Sample | None = None
    async with asyncio.TaskGroup() as group:
        for second in itertools.count():
            now = asyncio.get_running_loop().time()
            if early_sample is None and now >= early * 3600:
                early_sample = await take_sample(service)
            if now >= hours * 3600:
                break
            if second % 300 == 299:
                group.create_task(disturb(server, faults))
                faults += 1
            # The outbox of a program that goes on while it is offline is large enough for that.
            if len(service.outbox.get()) < 90:
                service.send(SessionClose(str(second)))
                sent += 1
            await server.publish()
            await asyncio.sleep(1.0 - asyncio.get_running_loop().time() % 1.0)
    last_sample = await take_sample(service)
    metrics = service.metrics.get()
    assert early_sample is not None
    counts = {
        "sent": sent,
        "heard": count.get(),
        "published": server.seq,
        "faults": faults,
        "reconnects": metrics.reconnects,
        "gaps": metrics.gaps,
    }
    seen.dispose()
    await service.disconnect()
    await server.stop(1001)
    return early_sample, last_sample, counts


def play(
    simulation: Simulation, hours: float, early: float
) -> tuple[Sample, Sample, dict[str, int]]:
    """Runs the soak in pieces: the simulation takes a run that does not end for a livelock."""

    async def begin() -> asyncio.Task[tuple[Sample, Sample, dict[str, int]]]:
        return asyncio.create_task(soak(hours, early))

    async def go_on() -> None:
        await asyncio.wait({task}, timeout=1800)

    task = simulation.run(begin())
    while not task.done():
        simulation.run(go_on())
    return task.result()


@pytest.mark.parametrize(
    ("hours", "early"),
    [(1.0, 0.4), pytest.param(24.0, 2.05, marks=pytest.mark.deep)],
    ids=["one-hour", "a-day"],
)
def test_hours_of_messages_and_faults_leave_nothing_behind(
    hours: float, early: float, say: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    # pytest keeps every record of the log, and that would be all that grows.
    for name in ("reactive_ws", "websockets"):
        caplog.set_level(logging.CRITICAL, name)
    tracemalloc.start()
    try:
        with Simulation(1) as simulation:
            first, last, counts = play(simulation, hours, early)
    finally:
        tracemalloc.stop()
    growth = last.memory / first.memory - 1
    say(
        f"soak of {hours:g} virtual hours: {counts}; memory {first.memory / 1e3:.0f} kB after {early:.2g} h, "
        f"{last.memory / 1e3:.0f} kB at the end ({growth:+.1%}, limit 5 %); tasks {first.tasks} -> {last.tasks}, "
        f"timers {first.timers} -> {last.timers}, descriptors {first.descriptors} -> {last.descriptors}"
    )
    assert (counts["heard"], counts["gaps"]) == (counts["published"], 0)
    assert counts["reconnects"] > 0.5 * counts["faults"]
    assert growth < 0.05
    assert (last.tasks, last.timers, last.descriptors) == (
        first.tasks,
        first.timers,
        first.descriptors,
    )
