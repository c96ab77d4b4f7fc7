"""`fan_out`: what one more client costs when a server tells a message to all, in memory, without sockets.

Ours encodes a message once and hands the same text to the session of each client. Each connection is an ASGI one, as under uvicorn; the
peer by hand has a queue and a task for each client, as tutorials of FastAPI do. The limit is a loop that appends the text to a list.

    python benchmarks/fan_out.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import attrs

from benchmarks.timing import Case, Metric, metric
from reactive_ws.server import MemoryLog, Server, SessionSettings
from reactive_ws.wire import protocol_v1

__all__ = ["Crowd", "rows"]

_TEXT = "x" * 200


@attrs.frozen
class Said:
    """A client said this."""

    text: str


@attrs.frozen
class Ready:
    """Every client hears its stream, and nothing that came before is on its way."""


class Crowd:
    """A server of ours with clients that hear one stream, or each a stream of its own. Their sockets count.

    Args:
        count: How many clients.
        is_apart: Each client hears its own stream, and no other.
        has_clock: The server looks at each client once a second. A count does not, because it must not depend on the time.

    Attributes:
        heard: How many messages each client has got.
    """

    def __init__(self, count: int, *, is_apart: bool = False, has_clock: bool = True) -> None:
        types = protocol_v1()
        types.message("said")(Said)
        types.message("ready")(Ready)
        channels = () if is_apart else ("all",)
        settings = SessionSettings(channels=channels, first_word=0.01)
        self._server = Server(types, log=MemoryLog(), settings=settings)
        self._loop = asyncio.new_event_loop()
        self.heard = [0] * count
        self._missing = 0
        self._unready = count
        self._told = asyncio.Event()
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._loop.run_until_complete(self._open(count, is_apart=is_apart))
        if not has_clock:
            for task in asyncio.all_tasks(self._loop):
                if task.get_name() == "reactive-ws server: clock":
                    task.cancel()

    async def _open(self, count: int, *, is_apart: bool) -> None:
        await self._server.start()
        for number in range(count):
            self._tasks.append(self._loop.create_task(self._serve(number, is_apart=is_apart)))
        # A client hears the stream once its handshake is over.
        self._missing = sys.maxsize
        streams = [f"c{number}" for number in range(count)] if is_apart else ["all"]
        while not all(self.heard):
            for stream in streams:
                await self._server.publish(stream, Said(_TEXT))
            await asyncio.sleep(0.05)
        for stream in streams:
            await self._server.publish(stream, Ready())
        await self._told.wait()
        self.heard[:] = [0] * count

    def _serve(self, number: int, *, is_apart: bool) -> Any:
        words = [
            {"type": "websocket.connect"},
            _received("hello", {"client": f"c{number}"}),
        ]
        if is_apart:
            words.append(_received("subscribe", {"channel": f"c{number}"}))

        async def receive() -> MutableMapping[str, Any]:
            if words:
                return words.pop(0)
            await self._over.wait()
            return {"type": "websocket.disconnect"}

        async def send(event: MutableMapping[str, Any]) -> None:
            text = event.get("text")
            if text is not None and text.startswith('{"type":"said"'):
                self.heard[number] += 1
                self._missing -= 1
                if not self._missing:
                    self._told.set()
            elif text is not None and text.startswith('{"type":"ready"'):
                self._unready -= 1
                if not self._unready:
                    self._told.set()

        scope = {
            "type": "websocket",
            "path": "/",
            "headers": [],
            "subprotocols": ["reactive-ws.v1"],
            "query_string": b"",
        }
        return self._server(scope, receive, send)

    async def _tell(self, stream: str, listeners: int, count: int) -> None:
        for _ in range(count):
            self._missing = listeners
            self._told.clear()
            await self._server.publish(stream, Said(_TEXT))
            await self._told.wait()

    def tell(self, count: int = 1) -> None:
        """Tells so many messages to all clients, one after the other, each when all have the one before."""
        self._loop.run_until_complete(self._tell("all", len(self.heard), count))

    def tell_first(self, count: int = 1) -> None:
        """Tells so many messages to the first of clients that are apart."""
        self._loop.run_until_complete(self._tell("c0", 1, count))

    def close(self) -> None:
        """Ends the server and its clients."""
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _close(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)
        await self._server.stop(leave_after=0.0)


def _received(kind: str, payload: dict[str, str]) -> dict[str, str]:
    return {"type": "websocket.receive", "text": json.dumps({"type": kind, "payload": payload})}


class _ByHand:
    """A queue and a task for each client."""

    def __init__(self, count: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._queues: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in range(count)]
        self._missing = 0
        self._told = asyncio.Event()
        self._tasks = [self._loop.create_task(self._write(queue)) for queue in self._queues]

    async def _send(self, event: MutableMapping[str, Any]) -> None:
        if event["text"]:
            self._missing -= 1
            if not self._missing:
                self._told.set()

    async def _write(self, queue: asyncio.Queue[str]) -> None:
        while True:
            await self._send({"type": "websocket.send", "text": await queue.get()})

    async def _tell(self, count: int) -> None:
        for number in range(count):
            self._missing = len(self._queues)
            self._told.clear()
            frame = json.dumps({"type": "said", "seq": number, "payload": {"text": _TEXT}})
            for queue in self._queues:
                queue.put_nowait(frame)
            await self._told.wait()

    def tell(self, count: int = 1) -> None:
        self._loop.run_until_complete(self._tell(count))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()


def rows(rounds: int, *, clients: int = 1_000, count: int = 20) -> Iterator[Metric]:
    """Yields the row, in microseconds a client and message."""
    crowd, by_hand = Crowd(clients), _ByHand(clients)
    lists: list[list[str]] = [[] for _ in range(clients)]

    def loop() -> None:
        for number in range(count):
            frame = json.dumps({"type": "said", "seq": number, "payload": {"text": _TEXT}})
            for one in lists:
                one.append(frame)

    def told(tell: Callable[[int], None]) -> Callable[[], Callable[[], None]]:
        return lambda: lambda: tell(count)

    def check() -> None:
        if len(set(crowd.heard)) != 1:
            raise AssertionError("a client missed a message")

    try:
        cases = [
            Case("ours", told(crowd.tell), clients * count, check),
            Case("queue and task by hand", told(by_hand.tell), clients * count),
            Case("plain loop", lambda: loop, clients * count, refresh=lambda: lists[0].clear()),
        ]
        targets = {"queue and task by hand": 0.9}
        yield metric("fan_out", cases, rounds=rounds, targets=targets, unit="us/client")
    finally:
        crowd.close()
        by_hand.close()


def main() -> None:
    for row in rows(5):
        print({who: round(row.median(who), 2) for who in row.samples})


if __name__ == "__main__":
    main()
