"""Compares the cost of a message that a server tells to all: ours beside what people run, by processor time, in turns.

    python benchmarks/servers.py [ROUNDS] [MESSAGES]         (needs redis-server, and pip install redis python-socketio fastapi uvicorn)

Four clients send 200 bytes each, one at a time, and wait for the acknowledgement; six clients hear everything. The cost is the
processor time of the server and, where there is one, of Redis. The clients' own is not in it, so a busy machine changes it little.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("memory", "sqlite", "fastapi", "socketio")
SENDERS, LISTENERS = 4, 2
TEXT = "x" * 200
_TICKS = os.sysconf("SC_CLK_TCK")

__all__ = ["measure"]


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """Returns the processor time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def free_port() -> int:
    """Returns a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def running(command: list[str], port: int) -> AsyncGenerator[subprocess.Popen[bytes]]:
    """Runs a program that listens on a port."""
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        command,
        cwd=tempfile.gettempdir(),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        async with asyncio.timeout(120):
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 0.2).close()
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended")
                await asyncio.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(30)


class RawClient:
    """A client on a plain socket, of our protocol or of FastAPI by hand."""

    def __init__(self, url: str) -> None:
        self.url, self.heard = url, 0
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def open(self) -> None:
        """Connects."""
        self._socket = await connect(self.url, subprotocols=["reactive-ws.v1"], proxy=None)  # type: ignore[list-item]
        if self._socket.subprotocol is not None:
            await self._socket.send(
                json.dumps({"type": "hello", "payload": {"client": str(id(self))}})
            )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame)
            if message["type"] == "said":
                self.heard += 1
            elif message["type"] == "message.received":
                name = message.get("id") or message["payload"]["messageId"]
                self._waiting.pop(name).set_result(None)

    async def say(self, name: str) -> None:
        """Sends, and waits for the acknowledgement."""
        answer = self._waiting[name] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"type": "say", "id": name, "payload": {"text": TEXT}}))
        await answer

    async def close(self) -> None:
        """Disconnects."""
        await self._socket.close()
        await self._reading


class SocketIoClient:
    """A client of python-socketio."""

    def __init__(self, url: str) -> None:
        import socketio

        self.url, self.heard = url, 0
        self._client: Any = socketio.AsyncClient()
        self._client.on("said", self._hear)

    async def _hear(self, _: Any) -> None:
        self.heard += 1

    async def open(self) -> None:
        """Connects."""
        await self._client.connect(self.url, transports=["websocket"])

    async def say(self, _: str) -> None:
        """Sends, and waits for the acknowledgement."""
        await self._client.call("say", {"text": TEXT})

    async def close(self) -> None:
        """Disconnects."""
        await self._client.disconnect()


async def measure(
    kind: str, redis: subprocess.Popen[bytes], redis_url: str, count: int
) -> dict[str, float]:
    """Returns microseconds of processor time a message, and milliseconds to the acknowledgement."""
    port = free_port()
    program = str(ROOT / "benchmarks" / "server_peers.py")
    async with running([sys.executable, program, kind, str(port), redis_url], port) as server:
        make: Any = SocketIoClient if kind == "socketio" else RawClient
        clients = [make(f"ws://127.0.0.1:{port}/") for _ in range(SENDERS + LISTENERS)]
        for client in clients:
            await client.open()
        took: list[float] = []

        async def send(client: Any, number: int, count: int) -> None:
            for index in range(count):
                began = time.perf_counter()
                await client.say(f"{number}-{index}-{count}")
                took.append(time.perf_counter() - began)

        async def all_send(count: int) -> None:
            before = [client.heard for client in clients]
            each = count // SENDERS
            await asyncio.gather(*(send(c, n, each) for n, c in enumerate(clients[:SENDERS])))
            async with asyncio.timeout(60):
                while any(  # noqa: ASYNC110 - the clients are of several libraries
                    c.heard < b + each * SENDERS for c, b in zip(clients, before, strict=True)
                ):
                    await asyncio.sleep(0.01)

        await asyncio.sleep(0.2)
        await all_send(80)  # warms up
        took.clear()
        parts = [server] if kind in ("memory", "sqlite") else [server, redis]
        used = sum(map(processor_seconds, parts))
        await all_send(count)
        used = sum(map(processor_seconds, parts)) - used
        for client in clients:
            await client.close()
    took.sort()
    return {
        "processor": used / count * 1e6,
        "p50": took[len(took) // 2] * 1e3,
        "p99": took[int(len(took) * 0.99)] * 1e3,
    }


async def main(rounds: int, count: int) -> None:
    """Measures all in turns, and prints medians and ratios."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed: apt-get install redis-server")
    port = free_port()
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    async with running([program, "--port", str(port), "--save", ""], port) as redis:
        for turn in range(rounds):
            for kind in KINDS if turn % 2 else KINDS[::-1]:
                found[kind].append(await measure(kind, redis, f"redis://127.0.0.1:{port}", count))
    print(f"{'server':10} {'us a message':>12} {'of fastapi':>10} {'p50 ms':>8} {'p99 ms':>8}")
    for kind, rows in found.items():
        ratio = statistics.median(
            own["processor"] / peer["processor"]
            for own, peer in zip(rows, found["fastapi"], strict=True)
        )
        cost, p50, p99 = (
            statistics.median(row[part] for row in rows) for part in ("processor", "p50", "p99")
        )
        print(f"{kind:10} {cost:12.0f} {ratio:10.2f} {p50:8.1f} {p99:8.1f}")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    asyncio.run(main(*(numbers + [5, 2_000][len(numbers) :])))
