"""A client or a server that SIGSTOP pauses loses no message, fails none, and sends none twice on a living connection.

Real processes and real sockets. The heartbeat is 0.4 s + 1 s. A pause of the client may be longer than that: the server's
answers wait in the kernel, and the client reads them before it judges. A server that pauses for long is dead to the
client, which comes back when the server does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest
from faults.mortal_server import registry
from integration.paused_process import numbers, send

from reactive_ws.testing import ScriptedServer

_CHILD = Path(__file__).with_name("paused_process.py")
_COUNT = 300
_PATIENCE = 120.0


async def start(*arguments: str) -> tuple[Process, str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, str(_CHILD), *arguments), stdin=PIPE, stdout=PIPE, env=environment
    )
    assert child.stdout is not None
    return child, (await child.stdout.readline()).decode().strip()


async def pause(child: Process, *seconds: float) -> None:
    """Pauses a process for so long, several times."""
    for duration in seconds:
        await asyncio.sleep(0.05)
        child.send_signal(signal.SIGSTOP)
        await asyncio.sleep(duration)
        child.send_signal(signal.SIGCONT)


async def result(child: Process) -> dict[str, Any]:
    output, _ = await child.communicate(b"")
    assert child.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


def check(seen: dict[str, Any], outcome: dict[str, Any]) -> None:
    assert outcome["statuses"] == {"acknowledged": _COUNT}
    assert seen["effects"] == list(range(_COUNT))
    for one in seen["connections"]:
        assert len(one) == len(set(one))


@pytest.mark.parametrize(
    "pauses",
    [(1.6,), *(pytest.param(it, marks=pytest.mark.deep) for it in ((0.3,) * 5, (3.0, 2.0)))],
)
async def test_a_paused_client_keeps_its_connection(pauses: tuple[float, ...]) -> None:
    async with (
        asyncio.timeout(_PATIENCE),
        ScriptedServer("ws://127.0.0.1:0/ws", registry=registry()) as server,
    ):
        child, line = await start("client", server.url, str(_COUNT))
        assert line == "open"
        await pause(child, *pauses)
        outcome = await result(child)
        check(numbers(server), outcome)
        # The server lived all the time: the client has no reason to leave it.
        assert (len(server.connections), outcome["losses"]) == (1, [])


@pytest.mark.parametrize(
    "pauses", [(1.6,), *(pytest.param(it, marks=pytest.mark.deep) for it in ((0.3,) * 5, (20.0,)))]
)
async def test_a_paused_server_costs_no_message(pauses: tuple[float, ...]) -> None:
    async with asyncio.timeout(_PATIENCE):
        child, line = await start("server")
        sending = asyncio.create_task(send(line.removeprefix("open "), _COUNT))
        await asyncio.sleep(0.2)
        await pause(child, *pauses)
        outcome = await sending
        seen = await result(child)
        check(seen, outcome)
        # The unconfirmed bytes of the client may need 10 s on the slowest link that it grants.
        assert (len(seen["connections"]) > 1) is bool(outcome["losses"]) is (pauses == (20.0,))
