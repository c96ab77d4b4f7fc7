"""A client with a durable outbox delivers every stored message, although SIGKILL ends it at random times again and again.

Real processes, a real file, a real socket. The server leaves and returns while clients die. They die while they store,
send, receive acknowledgements and read the file again. A message counts as stored when the client has written so to a
pipe that this process holds.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from reactive_ws.stores.wire.chat import agent_chat
from reactive_ws.testing import ScriptedServer

_CHILD = Path(__file__).with_name("mortal_client.py")
_STORED = 1000
_MAX_KILLS = 5
_PATIENCE = 60.0


@attrs.define
class Outcome:
    """The counts of one run."""

    stored: set[int] = attrs.field(factory=set[int])
    kills: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    resends: int = 0

    def __str__(self) -> str:
        return (
            f"SIGKILL: {len(self.stored)} messages stored by {self.kills} processes that were killed; "
            f"{self.lost} lost, {self.duplicated} duplicated, {self.reordered} out of order, "
            f"{self.resends} sent more than once"
        )


async def start(url: str, path: Path, first: int, count: int) -> Process:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", str(_CHILD), url, str(path)),
        *(str(first), str(count)),
        stdout=PIPE,
        env=environment,
    )


async def read(child: Process, stored: set[int], until: str | None = None) -> str | None:
    """Reads what a client says, up to a line or to its end."""
    assert child.stdout is not None
    while line := (await child.stdout.readline()).decode().strip():
        if line.startswith("stored "):
            stored.add(int(line.split()[1]))
        if line == until:
            return line
    return None


async def run(path: Path, chance: random.Random) -> Outcome:
    outcome = Outcome()
    async with ScriptedServer("ws://127.0.0.1:0/ws", registry=agent_chat()) as server:
        url = server.url
        # The same port after every restart.
        server._url = server._url._replace(netloc=url.split("/")[2])
        first = 0
        while len(outcome.stored) < _STORED:
            if not server.is_listening:
                await server.start()
            child = await start(url, path, first, _STORED)
            first += _STORED
            assert await read(child, outcome.stored, "open") == "open"
            reading = asyncio.create_task(read(child, outcome.stored))
            if chance.random() < 0.5:
                await asyncio.sleep(chance.uniform(0.0, 0.1))
                await server.stop(1012)
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            # On a slow machine a process stores little before it dies: the last one may live long enough.
            while outcome.kills >= _MAX_KILLS and len(outcome.stored) < _STORED:
                await asyncio.sleep(0.01)
            child.kill()
            await child.wait()
            # What is on the pipe was said before the kill.
            await reading
            outcome.kills += 1
        if not server.is_listening:
            await server.start()
        last = await start(url, path, first, 0)
        async with asyncio.timeout(_PATIENCE):
            assert await read(last, outcome.stored, "done") == "done"
        assert await last.wait() == 0
        arrived = [int(message.id or "-1") for message in server.effects]
        outcome.lost = len(outcome.stored - set(arrived))
        outcome.duplicated = len(arrived) - len(set(arrived))
        outcome.reordered = sum(b < a for a, b in itertools.pairwise(arrived))
        sent = [message.id for message in server.received if message.type == "message.send"]
        outcome.resends = len(sent) - len(set(sent))
    return outcome


@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(n, marks=pytest.mark.deep) for n in range(5, 100))]
)
def test_what_was_stored_survives_sigkill_at_any_time(
    seed: int, tmp_path: Path, say: Callable[[str], None]
) -> None:
    outcome = asyncio.run(run(tmp_path / "outbox.db", random.Random(seed)))
    say(f"{outcome} (seed {seed})")
    assert len(outcome.stored) >= _STORED
    assert (outcome.lost, outcome.duplicated, outcome.reordered) == (0, 0, 0)
