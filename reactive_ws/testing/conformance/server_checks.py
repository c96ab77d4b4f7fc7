"""The rules of a server of protocol v1, seen from outside, and one check for each; `check_server` runs them.

A check is a small client of its own, so that the server may be written in any language.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import attrs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

__all__ = ["SERVER_RULES", "Prober", "ServerBench"]

Frame = dict[str, Any]
_SUBPROTOCOL = "reactive-ws.v1"
_CLIENT_SIZE = 65_536
_MAX_SIZE = 2**24
"""Bytes of the largest frame that is read at all."""


@attrs.define
class Prober:
    """A client of a check."""

    socket: ClientConnection
    patience: float
    hello: Frame = attrs.Factory(dict[str, Any])

    async def say(self, kind: str, payload: object = None, **fields: object) -> None:
        """Sends a message."""
        await self.socket.send(json.dumps({"type": kind, "payload": payload or {}, **fields}))

    async def next(self) -> Frame:
        """Returns the next frame."""
        try:
            async with asyncio.timeout(self.patience):
                frame = await self.socket.recv()
        except TimeoutError:
            raise AssertionError(f"nothing came for {self.patience:g} s") from None
        except ConnectionClosed as error:
            raise AssertionError(f"the server closed the connection: {error}") from None
        if not isinstance(frame, str):
            raise AssertionError("a binary frame came; protocol v1 has text frames")  # noqa: TRY004
        if len(frame.encode()) > _CLIENT_SIZE:
            raise AssertionError(
                f"a frame has more than the {_CLIENT_SIZE} bytes of the client's hello"
            )
        found: Frame = json.loads(frame)
        return found

    async def until(self, *kinds: str) -> list[Frame]:
        """Returns all frames up to the first of one of these types, that one included."""
        found: list[Frame] = []
        try:
            async with asyncio.timeout(self.patience):
                while not found or found[-1]["type"] not in kinds:
                    found.append(await self.next())
        except TimeoutError:
            came = f"{len(found)} frames came in" if found else "nothing came for"
            raise AssertionError(
                f"{came} {self.patience:g} s, and no frame of type {kinds[0]!r}"
            ) from None
        return found

    async def all_so_far(self) -> list[Frame]:
        """Returns everything that comes before the answer to a ping."""
        name = uuid.uuid4().hex
        await self.say("ping", id=name)
        found: list[Frame] = []
        while not found or (found[-1]["type"], found[-1].get("id")) != ("pong", name):
            found += await self.until("pong")
        return found[:-1]


class ServerBench:
    """Dials the server that is checked.

    Args:
        url: Where it is.
        token: Sent in the header `Authorization: Bearer`.
        channel: A stream that the command appends to.
        command: Makes the type and the payload of a command that is accepted, from a number that is new each time.
        patience: Seconds for every answer.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        channel: str | None,
        command: Callable[[str], tuple[str, object]] | None,
        patience: float,
    ) -> None:
        self.url = url
        self.patience = patience
        self._token = token
        self._channel = channel
        self._command = command

    @property
    def channel(self) -> str:
        """The stream that the command appends to."""
        if self._channel is None:
            raise LookupError("no channel")
        return self._channel

    @property
    def has_command(self) -> bool:
        """Whether commands can be sent."""
        return self._command is not None and self._channel is not None

    @contextlib.asynccontextmanager
    async def dial(self, client: str | None = None) -> AsyncGenerator[Prober]:
        """Connects, takes the server's `hello`, and sends one when a client name is given."""
        headers = {} if self._token is None else {"Authorization": f"Bearer {self._token}"}
        async with connect(
            self.url,
            subprotocols=[Subprotocol(_SUBPROTOCOL)],
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            open_timeout=self.patience,
            close_timeout=1.0,
            max_size=_MAX_SIZE,
        ) as socket:
            peer = Prober(socket, self.patience)
            peer.hello = await peer.next()
            if client is not None:
                await peer.say("hello", {"client": client, "maxSize": _CLIENT_SIZE})
            yield peer

    async def send(self, peer: Prober, name: str | None = None) -> str:
        """Sends a command; returns its id."""
        if self._command is None:
            raise LookupError("no command")
        name = name or uuid.uuid4().hex
        kind, payload = self._command(name)
        await peer.say(kind, payload, id=name)
        return name

    async def do(self, peer: Prober, name: str | None = None) -> Frame:
        """Sends a command and returns its acknowledgement."""
        name = await self.send(peer, name)
        answer = (await peer.until("message.received", "error"))[-1]
        _want("answer to the command", ("message.received", name), _answer(answer))
        found: Frame = answer["payload"]
        return found

    async def resume(self, peer: Prober, **payload: object) -> tuple[Frame, list[Frame]]:
        """Sends a resume for the channel; returns the joined answer and what came after its first frame."""
        await peer.say("resume", {"subscriptions": [self.channel], **payload})
        joined: Frame = {"streams": {}, "refused": {}}
        later: list[Frame] = []
        while True:
            found = await peer.until("resumed")
            later += found[:-1]
            part = found[-1]["payload"]
            joined["streams"] |= part["streams"]
            joined["refused"] |= part.get("refused", {})
            joined["mark"] = part.get("mark")
            if not part.get("more"):
                return joined, later

    def entries(self, frames: list[Frame]) -> list[tuple[str, int]]:
        """Returns the positions of the channel's entries among these frames."""
        return [
            (frame["epoch"], frame["seq"])
            for frame in frames
            if frame.get("stream") == self.channel and not frame.get("more")
        ]


def _answer(frame: Frame) -> tuple[str, object]:
    payload = frame["payload"]
    return frame["type"], payload.get("messageId", payload.get("replyTo"))


def _want(what: str, wanted: object, got: object) -> None:
    if wanted != got:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")


def _new() -> str:
    return uuid.uuid4().hex


# --- rules of a connection ----------------------------------------------------------------------------------------------


async def _subprotocol(bench: ServerBench) -> None:
    async with bench.dial() as peer:
        _want("selected subprotocol", _SUBPROTOCOL, peer.socket.subprotocol)


async def _hello(bench: ServerBench) -> None:
    async with bench.dial() as peer:
        _want("type of the first frame", "hello", peer.hello.get("type"))
        payload = peer.hello.get("payload", {})
        for name, kinds in {"heartbeat": (int, float), "maxSize": (int,)}.items():
            value = payload.get(name)
            if value is not None and not (isinstance(value, kinds) and value > 0):
                raise AssertionError(f"{name} in hello: wanted a number above 0, got {value!r}")


async def _ping(bench: ServerBench) -> None:
    async with bench.dial() as peer:
        for name in ("p1", "p2"):
            await peer.say("ping", id=name)
            _want("id of the pong", name, (await peer.until("pong"))[-1].get("id"))


async def _nonsense(bench: ServerBench) -> None:
    for text in ("no json", "[]", '{"type":7}', '{"payload":{}}', '{"type":"resume","payload":7}'):
        async with bench.dial() as peer:
            await peer.socket.send(text)
            _want(f"answer to {text}", "error", (await peer.until("error"))[-1]["type"])
            await peer.all_so_far()


async def _unknown(bench: ServerBench) -> None:
    async with bench.dial(_new()) as peer:
        await peer.say("no.such.type", {"x": 1}, id="u1")
        answer = (await peer.until("error", "message.received"))[-1]
        _want("answer to a type that does not exist", ("error", "u1"), _answer(answer))


# --- rules of commands --------------------------------------------------------------------------------------------------


async def _acknowledged(bench: ServerBench) -> None:
    async with bench.dial(_new()) as peer:
        for _ in range(2):
            await bench.do(peer)


async def _once(bench: ServerBench) -> None:
    client, name = _new(), _new()
    async with bench.dial(client) as peer:
        first = await bench.do(peer, name)
        _want("acknowledgement of a resend", first, await bench.do(peer, name))
    async with bench.dial(client) as peer:
        resumed, _ = await bench.resume(peer)
        head = resumed["streams"].get(bench.channel, {}).get("seq")
        again = await bench.do(peer, name)
        _want("acknowledgement on another connection", first["messageId"], again["messageId"])
        frames = await peer.all_so_far()
        _want("entries after a resend", [], bench.entries(frames))
        following = await bench.do(peer)
        at = following.get("positions", {}).get(bench.channel, {}).get("seq")
        if head is not None and at is not None:
            _want("number of the next entry", head + 1, at)


async def _scope(bench: ServerBench) -> None:
    name = _new()
    async with bench.dial(_new()) as listener:
        await bench.resume(listener)
        for _ in range(2):
            async with bench.dial(_new()) as peer:
                await bench.do(peer, name)
        found: list[tuple[str, int]] = []
        for _ in range(100):
            found += bench.entries(await listener.all_so_far())
            if len(found) >= 2:
                return
            await asyncio.sleep(bench.patience / 100)
        raise AssertionError("two clients sent the same id, and the second command had no effect")


async def _order(bench: ServerBench) -> None:
    async with bench.dial(_new()) as listener, bench.dial(_new()) as peer:
        resumed, frames = await bench.resume(listener)
        start = resumed["streams"].get(bench.channel)
        for _ in range(5):
            await bench.do(peer)
        found = bench.entries(frames)
        while len(found) < 5:
            found += bench.entries([await listener.next()])
        first = found[0][1] if start is None else start["seq"] + 1
        _want("numbers of five entries", list(range(first, first + 5)), [seq for _, seq in found])
        _want("epochs of five entries", 1, len({epoch for epoch, _ in found}))


async def _replay(bench: ServerBench) -> None:
    client = _new()
    async with bench.dial(client) as peer:
        await bench.resume(peer)
        await bench.do(peer)
        positions = await _position(bench, peer)
    async with bench.dial(_new()) as other:
        for _ in range(3):
            await bench.do(other)
    async with bench.dial(client) as peer:
        resumed, early = await bench.resume(peer, positions={bench.channel: positions})
        _want("entries before the frame that names their stream", [], bench.entries(early))
        row = resumed["streams"].get(bench.channel, {})
        _want("recovered", True, row.get("recovered"))
        seqs: list[int] = []
        while len(seqs) < 3:
            seqs += [seq for _, seq in bench.entries([await peer.next()])]
        start = positions["seq"] + 1
        _want("numbers that follow a resume", list(range(start, start + 3)), seqs)


async def _position(bench: ServerBench, peer: Prober) -> Frame:
    """Returns the position of the channel, from the answer to a resume."""
    resumed, _ = await bench.resume(peer)
    row = resumed["streams"].get(bench.channel)
    if row is None:
        raise AssertionError(f"resumed does not name {bench.channel!r}, which has entries")
    return {"epoch": row["epoch"], "seq": row["seq"]}


async def _gap(bench: ServerBench) -> None:
    async with bench.dial(_new()) as peer:
        await bench.do(peer)
        at = await _position(bench, peer)
    for what, position in {
        "another epoch": {**at, "epoch": f"{at['epoch']}-"},
        "ahead of the newest entry": {**at, "seq": at["seq"] + 1000},
    }.items():
        async with bench.dial(_new()) as peer:
            resumed, _ = await bench.resume(peer, positions={bench.channel: position})
            row = resumed["streams"].get(bench.channel, {})
            _want(f"recovered, from a position of {what}", False, row.get("recovered"))


async def _pending(bench: ServerBench) -> None:
    client = _new()
    async with bench.dial(client) as peer:
        await bench.do(peer)
        at = await _position(bench, peer)
        name = (await bench.do(peer))["messageId"]
    async with bench.dial(client) as peer:
        positions = {bench.channel: at}
        _, early = await bench.resume(peer, positions=positions, pending=[name, _new()])
        order: list[str] = []
        frames = early
        while "entry" not in order:
            frames = [*frames, await peer.next()]
            order = [
                "entry" if bench.entries([frame]) else "ack"
                for frame in frames
                if bench.entries([frame]) or frame["type"] == "message.received"
            ]
        _want("order of acknowledgement and replay", ["ack", "entry"], order)


async def _silence(bench: ServerBench) -> None:
    async with bench.dial(_new()) as listener, bench.dial(_new()) as peer:
        await bench.do(peer)
        await peer.all_so_far()
        frames = await listener.all_so_far()
        _want("entries for a client that subscribed to nothing", [], bench.entries(frames))


async def _sync(bench: ServerBench) -> None:
    async with bench.dial(_new()) as peer:
        await bench.do(peer)
        at = await _position(bench, peer)
        await peer.say("sync", {"streams": [bench.channel]})
        parts: list[Frame] = []
        while not parts or parts[-1]["part"] < parts[-1]["parts"]:
            parts.append((await peer.until("snapshot"))[-1]["payload"])
        _want("position of the snapshot", at, {"epoch": parts[0]["epoch"], "seq": parts[0]["seq"]})
        _want("parts", list(range(1, parts[0]["parts"] + 1)), [part["part"] for part in parts])
        if len(parts) > 1:
            json.loads("".join(part["state"] for part in parts))


SERVER_RULES: Mapping[str, tuple[str, Callable[[ServerBench], Awaitable[None]], bool]] = {
    "subprotocol": ("the server selects reactive-ws.v1 when it is offered", _subprotocol, False),
    "hello": ("its first frame is a hello with sensible limits", _hello, False),
    "ping": ("a pong has the id of its ping", _ping, False),
    "nonsense": ("a bad frame is answered with error; the connection lives", _nonsense, False),
    "unknown type": ("a message of no known type is answered with error", _unknown, False),
    "acknowledged": ("a command is acknowledged by its id", _acknowledged, True),
    "once": ("a resend is acknowledged and has no second effect", _once, True),
    "scope": ("the same id from another client is another command", _scope, True),
    "order": ("entries of a stream have consecutive numbers in one epoch", _order, True),
    "replay": (
        "a resume brings what followed, after the answer that names the stream",
        _replay,
        True,
    ),
    "gap": ("a position that cannot be continued is not recovered", _gap, True),
    "pending": ("pending commands are acknowledged before the replay", _pending, True),
    "silence": ("a client hears only what it subscribed to", _silence, True),
    "sync": ("a snapshot has the position of its state, and parts that join", _sync, True),
}
"""Sentence, check, and whether it needs a command, of each rule by name."""
