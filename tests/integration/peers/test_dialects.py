"""Dialects against the servers of their people, whose connections are cut every 0.7 s: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from integration.peers.foreign import HERE, ROOT, Peer, missing
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from reactive_ws.dialects import (
    Acknowledged,
    Dialect,
    Fault,
    Following,
    GraphqlTransportWs,
    Hangup,
    JsonRpc,
    Past,
    Ready,
    Refused,
    Session,
    SocketIo,
    Step,
    TokenWanted,
)
from reactive_ws.wire import Envelope

CUT = 700
"""Milliseconds."""
COUNT = 120


class Foreign(Peer):
    """One of the servers of dialect_server.js."""

    def __init__(self, folder: Path, name: str, package: str) -> None:
        self.name = name
        self.package = package
        super().__init__(folder)

    def command(self) -> list[str]:
        node = shutil.which("node")
        if node is None:
            missing("node is missing; install it to run the tests with npm servers")
        if not (HERE / "node_modules" / self.package).is_dir():
            missing(f"{self.package} is missing; run `npm ci` in {HERE.relative_to(ROOT)}")
        words = [self.name, str(self.port), str(self.file), str(CUT)]
        return [str(node), str(HERE / "dialect_server.js"), *words]


class Client:
    """The smallest owner of sessions: dials again, sends again what is unacknowledged, subscribes again."""

    def __init__(self, dialect: Dialect, url: str, channel: str) -> None:
        self.dialect = dialect
        self.url = dialect.address(url)
        self.channel = channel
        self.waiting: dict[str, Envelope[Any]] = {}
        self.acknowledged: list[str] = []
        self.replies: list[Any] = []
        self.events: list[Envelope[Any]] = []
        self.unexpected: list[object] = []
        self.connections = 0
        self._past = Past()
        self._session: Session | None = None
        self._socket: ClientConnection | None = None

    async def run(self) -> None:
        while True:
            with contextlib.suppress(ConnectionClosed, OSError):
                await self._connection()
            self._session = self._socket = None
            await asyncio.sleep(0.02)

    async def _connection(self) -> None:
        offered: Any = self.dialect.subprotocols or None
        async with connect(
            self.url, subprotocols=offered, proxy=None, ping_interval=None
        ) as socket:
            session = self.dialect.session()
            self._socket = socket
            try:
                await self._perform(session, session.opened("secret", self._past, 0.0))
                async for frame in socket:
                    await self._perform(session, session.received(frame, 0.0))
            finally:
                self._past = Past(memory=session.memory)

    async def _perform(self, session: Session, step: Step) -> None:
        assert self._socket is not None
        for frame in step.frames:
            await self._socket.send(frame.data)
        for event in step.events:
            match event:
                case Ready():
                    self.connections += 1
                    await self._perform(session, session.subscribe(self.channel, 0.0))
                    for message in list(self.waiting.values()):
                        await self._perform(session, session.send(message, 0.0))
                    self._session = session
                case Acknowledged(id=identity, reply=reply):
                    assert self.waiting.pop(identity)
                    self.acknowledged.append(identity)
                    self.replies.append(reply)
                case Envelope():
                    self.events.append(event)
                case Following():
                    assert event.channel == self.channel
                case Hangup() | Fault() | Refused() | TokenWanted():
                    self.unexpected.append(event)
                case _:
                    pass

    async def send(self, message: Envelope[Any]) -> None:
        self.waiting[message.id or ""] = message
        if self._session is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._perform(self._session, self._session.send(message, 0.0))


@contextlib.asynccontextmanager
async def running(client: Client) -> AsyncIterator[None]:
    task = asyncio.create_task(client.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Operation(msgspec.Struct, frozen=True):
    """A GraphQL operation."""

    query: str
    variables: dict[str, str]


TICKS = "subscription { ticks }"
ADD = "mutation ($id: String!) { add(id: $id) }"
CASES: dict[str, tuple[str, Callable[[], Dialect], str, Callable[[str], Envelope[Any]]]] = {
    "graphql": (
        "graphql-ws",
        GraphqlTransportWs,
        TICKS,
        lambda it: Envelope("graphql", Operation(ADD, {"id": it}), "graphql", it),
    ),
    "socketio": (
        "socket.io",
        SocketIo,
        "tick",
        lambda it: Envelope("add", [it, b"12345"], "add", it),
    ),
    "jsonrpc": (
        "rpc-websockets",
        JsonRpc,
        "tick",
        lambda it: Envelope("add", {"id": it}, "add", it),
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_nothing_acknowledged_is_lost_and_subscriptions_come_back(
    name: str, tmp_path: Path
) -> None:
    package, make, channel, message = CASES[name]
    server = Foreign(tmp_path, name, package)
    client = Client(make(), server.at("/socket.io/" if name == "socketio" else "/"), channel)
    ids = [f"id-{number}" for number in range(COUNT)]
    try:
        await server.start()
        async with running(client):
            for identity in ids:
                await client.send(message(identity))
                await asyncio.sleep(0.02)
            while client.waiting:
                await asyncio.sleep(0.02)
        assert await server.received() == ids
    finally:
        server.close()
    assert sorted(client.acknowledged) == sorted(ids)
    assert client.unexpected == []
    assert client.connections >= 3
    assert {event.channel for event in client.events} == {channel}
    assert len(client.events) > COUNT / 4
    if name == "socketio":
        assert {reply[1] for reply in client.replies} == {b"\x05"}
        # The server recovers the state of a connection: no tick is missing, and none comes twice.
        ticks = [event.payload for event in client.events]
        assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))


async def test_a_wrong_token_is_reported(tmp_path: Path) -> None:
    server = Foreign(tmp_path, "socketio", "socket.io")
    try:
        await server.start()
        url = SocketIo().address(server.at("/socket.io/"))
        async with connect(url, proxy=None, ping_interval=None) as socket:
            session = SocketIo().session()
            step = session.opened("wrong", Past(), 0.0)
            while not step.events:
                for frame in step.frames:
                    await socket.send(frame.data)
                step = session.received(await socket.recv(), 0.0)
        assert step.events == (TokenWanted("no"),)
    finally:
        server.close()
