"""A client of protocol v1 for a to-do list, written from docs/protocol.md alone. It imports nothing of the project.

`Client.run` keeps a connection until its task ends. `add` sends a command, which survives every cut; `titles` is the list as the server
has it. A stream is followed from a snapshot; entries that come before it are kept.
"""

import asyncio
import contextlib
import json
import secrets
import uuid
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

STREAM = "todos"
FEATURES = ["cause", "more", "snapshot-parts"]
SIZE = 2000
PATIENCE = 10.0


class Client:
    """One client with the state of one stream."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self.url, self.token, self.name = url, token, secrets.token_hex(16)
        self.titles: list[str] = []
        self.at: Any = None  # the last entry that took effect; None as long as there is no state
        self.mark: str | None = None
        self.commands: dict[str, Any] = {}  # without an answer, in the order of sending
        self.written: set[str] = set()
        self.answers: dict[str, Any] = {}
        self.causes: list[str] = []
        self.connections = self.snapshots = 0
        self._out: asyncio.Queue[str] | None = None  # None: not ready for commands
        self._entry: list[Any] = []
        self._early: list[Any] = []
        self._parts: list[str] = []
        self._pings: dict[str, float] = {}

    def add(self, *titles: str) -> str:
        """Sends a command; returns its id."""
        id_ = str(uuid.uuid4())
        kind, payload = "todo.add", {"title": titles[0]}
        if len(titles) > 1:
            kind, payload = "todo.import", {"titles": titles}
        self.commands[id_] = {"type": kind, "payload": payload, "id": id_}
        self._send(id_)
        return id_

    async def run(self) -> None:
        """Connects, again and again."""
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    self.url, subprotocols=[Subprotocol("reactive-ws.v1")], ping_interval=None
                ) as socket:
                    self.connections += 1
                    await self._talk(socket)
            self._out = None
            await asyncio.sleep(0.02)

    async def _talk(self, socket: ClientConnection) -> None:
        hello = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
        if hello["type"] != "hello" or not hello["payload"].get("features"):
            raise TimeoutError
        self._entry, self._early, self._parts, self._pings = [], [], [], {}
        out: asyncio.Queue[str] = asyncio.Queue()
        self._say(out, "hello", {"client": self.name, "maxSize": SIZE, "features": FEATURES})
        if self.token is not None:
            self._say(out, "auth", {"token": self.token})
        pending = [id_ for id_ in self.commands if id_ in self.written]
        step = max(1, (hello["payload"].get("maxSize", 1 << 20) - 1000) // 220)
        for start in range(0, len(pending), step):
            self._say(out, "resume", {"pending": pending[start : start + step], "more": True})
        resume: Any = {"subscriptions": [STREAM]}
        resume |= {"positions": {STREAM: self.at}} if self.at else {}
        self._say(out, "resume", resume | ({"mark": self.mark} if self.mark else {}))
        tasks = [
            asyncio.create_task(self._write(socket, out)),
            asyncio.create_task(self._beat(out, hello["payload"].get("heartbeat", 30.0))),
            asyncio.create_task(self._read(socket, out)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, socket: ClientConnection, out: asyncio.Queue[str]) -> None:
        while True:
            await socket.send(await out.get())

    async def _beat(self, out: asyncio.Queue[str], interval: float) -> None:
        """Pings, and returns when a ping has no answer."""
        while True:
            self._say(out, "ping", id_=(id_ := str(uuid.uuid4())))
            self._pings[id_] = 0.0
            await asyncio.sleep(min(interval, PATIENCE))
            if id_ in self._pings:
                return

    async def _read(self, socket: ClientConnection, out: asyncio.Queue[str]) -> None:
        async for frame in socket:
            it = json.loads(frame)
            kind, payload = it["type"], it.get("payload") or {}
            if it.get("stream") == STREAM:
                self._entry.append((kind, payload, it.get("cause")))
                if not it.get("more"):
                    whole, self._entry = self._entry, []
                    self._take(out, {"epoch": it["epoch"], "seq": it["seq"]}, whole)
            elif kind == "ping":
                self._say(out, "pong", id_=it.get("id"))
            elif kind == "pong":
                self._pings.pop(it["id"], None)
                self.mark = payload.get("mark", self.mark)
            elif kind == "resumed":
                self._resumed(out, payload)
            elif kind == "snapshot":
                self._snapshot(out, payload)
            elif kind == "message.received":
                self._answered(payload["messageId"], payload)
            elif kind == "error" and payload.get("retryable"):
                delay = payload.get("after", 1.0)
                asyncio.get_running_loop().call_later(delay, self._send, payload.get("replyTo"))
            elif kind == "error":
                self._answered(payload.get("replyTo"), payload)

    def _answered(self, id_: str | None, payload: Any) -> None:
        if id_ is not None and self.commands.pop(id_, None) is not None:
            self.answers[id_] = payload

    def _say(self, out: Any, kind: str, payload: Any = None, id_: str | None = None) -> None:
        id_ = str(uuid.uuid4()) if id_ is None else id_
        out.put_nowait(json.dumps({"type": kind, "payload": payload or {}, "id": id_}))

    def _send(self, id_: str) -> None:
        """Writes a command that has no answer yet, if the connection is ready."""
        if self._out is not None and id_ in self.commands:
            again = {"redelivered": True} if id_ in self.written else {}
            self.written.add(id_)
            self._out.put_nowait(json.dumps(self.commands[id_] | again))

    def _resumed(self, out: asyncio.Queue[str], payload: Any) -> None:
        row = payload["streams"].get(STREAM)
        if row is not None and not row["recovered"]:
            self.at = None
        elif row is not None and row.get("new"):
            self.titles, self.at = [], {"epoch": row["epoch"], "seq": 0}
        self.mark = payload.get("mark", self.mark)
        if payload.get("more"):
            return
        if self.at is None:
            self._ask(out)
        if self._out is None:
            self._out = out
            for id_ in list(self.commands):
                self._send(id_)

    def _ask(self, out: asyncio.Queue[str]) -> None:
        self.at = None
        self._say(out, "sync", {"streams": [STREAM]})

    def _take(self, out: asyncio.Queue[str], at: Any, messages: list[Any]) -> None:
        """Takes an entry that is whole."""
        if self.at is None:
            self._early.append((at, messages))
        elif at["epoch"] != self.at["epoch"] or at["seq"] > self.at["seq"] + 1:
            self._early.append((at, messages))
            self._ask(out)
        elif at["seq"] == self.at["seq"] + 1:
            self.at = at
            self.titles += [
                payload["title"] for kind, payload, _ in messages if kind == "todo.added"
            ]
            self.causes += {cause for _, _, cause in messages if cause in self.written}

    def _snapshot(self, out: asyncio.Queue[str], it: Any) -> None:
        state, at = it["state"], {"epoch": it["epoch"], "seq": it["seq"]}
        if it["parts"] > 1:
            self._parts = [*(self._parts if it["part"] > 1 else []), state]
            if it["part"] < it["parts"]:
                return
            state = json.loads("".join(self._parts))
        if self.at and self.at["epoch"] == at["epoch"] and self.at["seq"] >= at["seq"]:
            return
        self.snapshots += 1
        self.titles, self.at = list(state.get("titles", ())), at
        early, self._early = self._early, []
        for one in early:
            self._take(out, *one)
