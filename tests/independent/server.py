"""A server of protocol v1 for a to-do list, written from docs/protocol.md alone: `python server.py PORT FILE`.

It imports nothing of the project. Clients send `todo.add {title}` and `todo.import {titles}`, and hear `todo.added {title}` on the stream
`todos`. Each step of the log is one line of FILE, which is on the disk before the answer.
"""

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

SIZE, FEATURES, REFUSED = 1 << 20, ["cause", "more", "snapshot-parts"], {"plans"}


class Log:
    """Streams as lists of entries `(titles, key)`, and the answer to each command by its key (client, id)."""

    def __init__(self, path: str) -> None:
        self.streams: dict[str, list[Any]] = {}
        self.born: dict[str, int] = {}
        self.answers: dict[Any, Any] = {}
        self.file = open(path, "a+b", buffering=0)  # noqa: SIM115 - open as long as the process
        self.file.seek(0)
        kept, end, _ = self.file.read().rpartition(b"\n")
        self.file.truncate(len(kept + end))
        records = [json.loads(line) for line in kept.splitlines()]
        self.epoch = (records or [self.write({"epoch": os.urandom(16).hex()})])[0]["epoch"]
        for record in records[1:]:
            self.apply(**record)

    def write(self, record: Any) -> Any:
        self.file.write(json.dumps(record).encode() + b"\n")
        os.fsync(self.file.fileno())
        return record

    def apply(self, stream: str, titles: list[str], key: list[str]) -> None:
        answer: Any = {"replyTo": key[1], "code": "empty", "message": "a title has text"}
        if all(titles):
            self.streams.setdefault(stream, []).append((titles, key))
            self.born.setdefault(stream, len(self.answers))
            at = {stream: {"epoch": self.epoch, "seq": len(self.streams[stream])}}
            answer = {"messageId": key[1], "positions": at}
        self.answers[tuple(key)] = answer


class Session:
    """One client: its channels, and the last entry of each stream that was written to it."""

    def __init__(self, log: Log, socket: ServerConnection) -> None:
        self.log, self.socket, self.client, self.size, self.mark = log, socket, "", SIZE, ""
        self.channels, self.at, self.asked = set[str](), dict[str, int](), dict[str, Any]()
        self.out: asyncio.Queue[str] = asyncio.Queue()
        self.say("hello", {"heartbeat": 30, "maxSize": SIZE, "features": FEATURES})

    def say(self, kind: str, payload: Any = None, **fields: Any) -> None:
        self.out.put_nowait(json.dumps({"type": kind, "payload": payload or {}, **fields}))

    async def write(self) -> None:
        while True:
            await self.socket.send(await self.out.get())

    def complain(self, code: str, about: str, to: str | None = None) -> None:
        self.say("error", {"code": code, "message": f"{code}: {about[:60]}", "replyTo": to})

    def hears(self, stream: str) -> bool:
        patterns = tuple(one[:-1] for one in self.channels if one[-1] == "*")
        return stream in self.channels or (stream.startswith(patterns) and stream[0] != "_")

    def follow(self, stream: str, given: Any, mark: str | None = None) -> Any:
        """Follows a stream from a position, from its first entry, or from now on; returns its row."""
        epoch, head, at = self.log.epoch, len(self.log.streams.get(stream, ())), given
        if at is None and mark is not None and self.log.born.get(stream, 0) >= int(mark):
            at = {"epoch": epoch, "seq": 0}
        recovered = at is not None and at["epoch"] == epoch and at["seq"] <= head
        self.at[stream] = at["seq"] if recovered else head
        return {"recovered": recovered, "epoch": epoch, "seq": head, "new": given is None}

    def answer(self, *pending: str) -> None:
        for one in pending:
            if payload := self.log.answers.get((self.client, one)):
                self.say("message.received" if "messageId" in payload else "error", payload)

    def push(self) -> None:
        """Writes the entries that this client did not get yet."""
        for stream in filter(self.hears, self.log.streams if self.mark else ()):
            self.at.setdefault(stream, 0)
        for stream, seq in self.at.items():
            entries = self.log.streams.get(stream, [])
            for number, (titles, (client, id_)) in enumerate(entries[seq:], seq + 1):
                place: Any = {"stream": stream, "epoch": self.log.epoch, "seq": number}
                place |= {"cause": id_} if client == self.client else {}
                for left, title in enumerate(titles, 1 - len(titles)):
                    self.say("todo.added", {"title": title}, **place, more=left < 0)
            self.at[stream] = len(entries)

    def resume(self, it: Any, id_: str) -> None:
        for name, value in it.items():
            old = self.asked.get(name, type(value)())
            self.asked[name] = old | value if isinstance(value, dict) else old + value
        if it.get("more"):
            return
        known, channels = self.asked.get("positions", {}), {*self.asked.get("subscriptions", ())}
        self.channels |= channels - REFUSED
        heard = [one for one in {**self.log.streams, **known} if self.hears(one)]
        rows = [(one, self.follow(one, known.get(one), it.get("mark"))) for one in heard]
        self.mark = str(len(self.log.answers))
        most = self.size // 1500 or 1  # JSON may write each of the 200 bytes of a name as six
        for at in range(0, len(rows), most):
            self.say("resumed", {"streams": dict(rows[at : at + most]), "more": True}, id=id_)
        codes = {one: {"code": "forbidden"} for one in channels & REFUSED}
        self.say("resumed", {"streams": {}, "refused": codes, "mark": self.mark}, id=id_)
        self.answer(*self.asked.get("pending", ()))

    def sync(self, streams: list[str], *pending: str) -> None:
        self.answer(*pending)
        for stream in streams:
            if not self.hears(stream):
                self.complain("not_subscribed", stream)
                continue
            entries = self.log.streams.get(stream, [])
            state = {"titles": [title for titles, _ in entries for title in titles]}
            # The text is ASCII, so each character takes at most two bytes in a text of JSON.
            text = json.dumps(state)
            step = max(50, (self.size - 900) // 2)
            pieces = [text[at : at + step] for at in range(0, len(text), step)]
            for part, piece in enumerate(pieces if len(pieces) > 1 else [state], 1):
                place = {"stream": stream, "epoch": self.log.epoch, "seq": len(entries)}
                self.say("snapshot", {**place, "state": piece, "part": part, "parts": len(pieces)})

    async def receive(self, it: Any) -> None:
        kind, payload, id_ = it["type"], it.get("payload") or {}, it.get("id")
        if kind == "hello":
            self.client, self.size = payload.get("client", "")[:200], payload.get("maxSize", SIZE)
        elif kind == "auth" and payload["token"] == "secret":
            self.say("auth.ok", id=id_)
        elif kind == "auth":
            await self.socket.close(4401)
        elif kind == "ping":
            self.say("pong", {"mark": self.mark} if self.mark else None, id=id_)
        elif kind == "resume":
            self.resume(payload.copy(), id_)
        elif kind == "sync":
            self.sync(payload["streams"], *payload.get("pending", ()))
        elif kind == "subscribe" and payload["channel"] in REFUSED:
            self.complain("forbidden", payload["channel"], id_)
        elif kind == "subscribe":
            self.channels.add(channel := payload["channel"])
            names = [*self.log.streams, *([] if "*" in channel else [channel])]
            new = {*filter(self.hears, names)} - {*self.at}
            at = {channel: payload.get("position")}
            rows = {one: self.follow(one, at.get(one)) for one in new}
            self.say("subscribed", {"channel": channel, "streams": rows}, id=id_)
        elif kind == "unsubscribe":
            self.channels.discard(payload["channel"])
            self.at = {one: seq for one, seq in self.at.items() if self.hears(one)}
            self.say("unsubscribed", {"channel": payload["channel"]}, id=id_)
        elif kind in ("todo.add", "todo.import") and id_:
            titles = payload.get("titles") or [payload["title"]]
            step = {"stream": "todos", "titles": titles, "key": [self.client, id_]}
            if (self.client, id_) not in self.log.answers:
                self.log.apply(**self.log.write(step))
            self.answer(id_)
        elif kind != "pong":
            self.complain("unknown_type" if id_ else "no_id", str(kind), id_)


async def main(port: int, path: str) -> None:
    log, sessions = Log(path), set[Session]()

    async def handle(socket: ServerConnection) -> None:
        sessions.add(session := Session(log, socket))
        writer = asyncio.create_task(session.write())
        with contextlib.suppress(ConnectionClosed):
            async for frame in socket:
                try:
                    await session.receive(json.loads(frame))
                except (ValueError, KeyError, TypeError, AttributeError):
                    session.complain("bad_message", "it is no envelope")
                for each in sessions:
                    each.push()
        sessions.discard(session)
        writer.cancel()

    async with serve(
        handle, "127.0.0.1", port, subprotocols=[Subprotocol("reactive-ws.v1")], max_size=SIZE
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
