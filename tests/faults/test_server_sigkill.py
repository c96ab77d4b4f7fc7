"""A server with a log takes every message once and in order, although SIGKILL ends its process again and again.

Real processes, a real file, a real socket. The client has the default options, except for a short backoff. The server dies
while it reads, writes its log and acknowledges.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from faults.mortal_server import Add, registry

from reactive_ws.connection import Backoff
from reactive_ws.engine import Domain
from reactive_ws.errors import OutboxFull
from reactive_ws.outbox import Delivery, DeliveryStatus
from reactive_ws.service import WebSocketService

_SERVER = Path(__file__).with_name("mortal_server.py")
_PATIENCE = 120.0


async def start(port: int, path: Path) -> Process:
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(_SERVER), str(port), str(path), stdout=PIPE
    )
    assert server.stdout is not None
    assert await server.stdout.readline() == b"open\n"
    return server


async def send_until(
    service: WebSocketService, sent: list[Delivery], is_over: asyncio.Event
) -> None:
    while not is_over.is_set():
        delivery = service.send(Add(len(sent)))
        if isinstance(delivery.failure, OutboxFull):
            await asyncio.sleep(0.01)
            continue
        sent.append(delivery)
        if len(sent) % 10 == 0:
            await asyncio.sleep(0.01)


async def run(path: Path, kills: int, chance: random.Random) -> tuple[int, list[int]]:
    """Kills the server so often; returns how many messages were promised, and what the log has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    service = WebSocketService(
        f"ws://127.0.0.1:{port}/",
        domain=Domain("server-sigkill"),
        proxy=None,
        registry=registry(),
        backoff=Backoff(initial=0.05, factor=1.0),
        rng=random.Random(chance.random()),
    )
    sent: list[Delivery] = []
    is_over = asyncio.Event()
    server = await start(port, path)
    try:
        async with service:
            sending = asyncio.create_task(send_until(service, sent, is_over))
            for _ in range(kills):
                await service.wait_connected(_PATIENCE)
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                server.kill()
                await server.wait()
                server = await start(port, path)
            is_over.set()
            await sending
            async with asyncio.timeout(_PATIENCE):
                ends = await asyncio.gather(*sent)
    finally:
        server.kill()
        await server.wait()
    assert set(ends) == {DeliveryStatus.ACKNOWLEDGED}
    return len(sent), numbers_in(path)


def numbers_in(path: Path) -> list[int]:
    """Returns the numbers of the notes in a log, read without the code that wrote it."""
    with sqlite3.connect(path) as file:
        rows = file.execute("SELECT messages FROM entries WHERE stream = 'notes' ORDER BY seq")
        notes = [json.loads(note) for (entry,) in rows for note in msgspec.msgpack.decode(entry)]
    return [note["payload"]["number"] for note in notes]


@pytest.mark.parametrize(
    ("seed", "kills"),
    [(0, 2), *(pytest.param(seed, 20, marks=pytest.mark.deep) for seed in range(1, 6))],
)
def test_what_was_promised_survives_sigkill_of_the_server(
    seed: int, kills: int, tmp_path: Path, say: Callable[[str], None]
) -> None:
    promised, kept = asyncio.run(run(tmp_path / "log.db", kills, random.Random(seed)))
    lost = len(set(range(promised)) - set(kept))
    doubled = len(kept) - len(set(kept))
    reordered = sum(later < earlier for earlier, later in itertools.pairwise(kept))
    say(
        f"SIGKILL of the server, seed {seed}: {kills} kills, {promised} messages: {lost} lost, {doubled} doubled, "
        f"{reordered} out of order"
    )
    assert promised > 0
    assert (lost, doubled, reordered) == (0, 0, 0)
