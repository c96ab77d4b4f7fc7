"""A plain `websockets` server in a process of its own: what the benchmarks of sending and of round trips talk to.

    python benchmarks/answering.py [PORT]

It prints its port and runs until its standard input ends. By the type of a message: `echo` comes back as it is;
`message.send` is acknowledged and `ping` answered as protocol v1 says; `count` is counted, and
`{"type": "counted", "count": n}` says so when the payload's `last` is true. A client that offers the subprotocol gets it
and a `hello`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["answering"]


@contextlib.contextmanager
def answering(port: int = 0) -> Iterator[str]:
    """Runs the server; gives its URL."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(10)


async def _answer(socket: Any) -> None:
    from websockets.exceptions import ConnectionClosed

    with contextlib.suppress(ConnectionClosed):
        await _answer_all(socket)


async def _answer_all(socket: Any) -> None:
    count = 0
    if socket.subprotocol:
        await socket.send('{"type":"hello","payload":{"epoch":"e1","resume":false}}')
    async for frame in socket:
        message = json.loads(frame)
        kind = message["type"]
        if kind == "echo":
            await socket.send(frame)
        elif kind == "message.send":
            received = {"type": "message.received", "payload": {"messageId": message["id"]}}
            await socket.send(json.dumps(received))
        elif kind == "ping":
            await socket.send(json.dumps({"type": "pong", "id": message["id"]}))
        elif kind == "count":
            count += 1
            if message["payload"]["last"]:
                await socket.send(json.dumps({"type": "counted", "payload": {"count": count}}))


async def _serve(port: int) -> None:
    from websockets.asyncio.server import serve

    async with serve(
        _answer,
        "127.0.0.1",
        port,
        compression=None,
        ping_interval=None,
        subprotocols=["reactive-ws.v1"],
        select_subprotocol=lambda _, offered: next(iter(offered), None),
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) if sys.argv[1:] else 0))
