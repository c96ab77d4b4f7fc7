"""A client that knows nothing but JSON and `websockets`, to look at servers from outside; and programs to look at."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
"""Seconds after which a test gives up on something that should come at once."""


class RawClient:
    """One connection. Everything that arrived is in `seen`, in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def send(self, kind: str, payload: Any = None, identity: str | None = None) -> None:
        frame = {"type": kind, "payload": payload, "id": identity}
        await self.socket.send(json.dumps({k: v for k, v in frame.items() if v is not None}))

    async def say(self, identity: str, content: str, session: str = "s1") -> None:
        message = {
            "id": identity,
            "sessionId": session,
            "role": "user",
            "content": content,
            "timestamp": "2026-01-01T00:00:00Z",
        }
        await self.send("message.send", {"sessionId": session, "message": message}, identity)

    async def until(self, is_wanted: Callable[[dict[str, Any]], bool] | str) -> dict[str, Any]:
        """Receives until a message is wanted (or has this type) and returns it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                message = json.loads(await self.socket.recv())
                self.seen.append(message)
                if is_wanted == message["type"] or (callable(is_wanted) and is_wanted(message)):
                    return message

    async def settled(self) -> None:
        """Returns when everything that the server said before it heard this was received."""
        identity = f"settled-{len(self.seen)}"
        await self.send("ping", identity=identity)
        await self.until(lambda message: message.get("id") == identity)

    def types(self) -> list[str]:
        return [message["type"] for message in self.seen]

    def answers(self) -> list[str]:
        """Ids of the complete messages of the assistant."""
        return [
            message["payload"]["message"]["id"]
            for message in self.seen
            if message["type"] == "message.response"
            and message["payload"]["message"]["role"] == "assistant"
        ]


def answer_to(identity: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: (
        message["type"] == "message.response"
        and message["payload"]["message"]["id"] == f"{identity}.reply"
    )


@contextlib.asynccontextmanager
async def raw_client(url: str, *, plain: bool = False, **options: Any) -> AsyncIterator[RawClient]:
    subprotocols = None if plain else ["reactive-ws.v1"]
    async with connect(
        url, subprotocols=subprotocols, compression=None, proxy=None, max_queue=None, **options
    ) as socket:
        yield RawClient(socket)


def command(*words: str, **options: Any) -> subprocess.Popen[str]:
    """Starts `reactive-ws` in a process of its own."""
    options.setdefault("cwd", ROOT)
    return subprocess.Popen(
        [sys.executable, "-m", "reactive_ws", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})},
        **options,
    )


@contextlib.contextmanager
def serving(*words: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Starts a command that serves; gives the process and the URL that it printed. Killed at the end if it still runs."""
    with command(*words, **options) as program:
        try:
            assert program.stdout is not None
            line = program.stdout.readline()
            assert " at ws://" in line, (line, program.stderr and program.stderr.read())
            yield program, line.split(" at ")[1].strip()
        finally:
            if program.poll() is None:
                program.kill()


def outcome(*words: str, **options: Any) -> tuple[int, str, str]:
    """Runs a command to its end; returns exit code, stdout, stderr."""
    with command(*words, **options) as program:
        try:
            out, err = program.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
    return program.returncode, out, err
