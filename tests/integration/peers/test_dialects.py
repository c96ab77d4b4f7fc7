"""Dialects through the service, with the servers of their people, whose connections are cut all the time.

Nothing acknowledged is lost, nothing is lost at all, and the subscriptions come back. The quick profile takes some seconds; the
deep one cuts each connection every 1.5 s for a minute.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from integration.peers.foreign import HERE, ROOT, Peer
from missing_parts import skip_or_fail
from websockets.asyncio.client import connect

from reactive_ws import Backoff, DeliveryStatus, FirstMessage, WebSocketService
from reactive_ws.connection import ErrorKind
from reactive_ws.dialects import (
    Dialect,
    GraphqlTransportWs,
    JsonRpc,
    Opening,
    PlainJson,
    SocketIo,
    Step,
    TokenWanted,
)
from reactive_ws.engine import Domain
from reactive_ws.wire import Guarantee, Registry

IS_DEEP = os.environ.get("REACTIVE_WS_PROFILE", "quick") != "quick"
CUT = 1500 if IS_DEEP else 700
"""Milliseconds."""
SECONDS = 60.0 if IS_DEEP else 2.4
CUTS = int(SECONDS * 1000 / CUT - 1.5)
"""At least so many."""
PAUSE = 0.02


class Foreign(Peer):
    """One of the servers of dialect_server.js."""

    def __init__(self, folder: Path, name: str, package: str, cut: int = CUT) -> None:
        self.name = name
        self.package = package
        self.cut = cut
        super().__init__(folder)

    def command(self) -> list[str]:
        node = shutil.which("node")
        if node is None:
            skip_or_fail("node is missing; install it to run the tests with npm servers")
        if not (HERE / "node_modules" / self.package).is_dir():
            skip_or_fail(f"{self.package} is missing; run `npm ci` in {HERE.relative_to(ROOT)}")
        words = [self.name, str(self.port), str(self.file), str(self.cut)]
        return [str(node), str(HERE / "dialect_server.js"), *words]


# --- the four servers and what is said to them ------------------------------------------------------------------------

TICKS = "subscription { ticks }"
ADD = "mutation ($id: String!) { add(id: $id) }"


class Operation(msgspec.Struct, frozen=True):
    """A GraphQL operation."""

    query: str
    variables: dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """The result of a GraphQL operation."""

    data: dict[str, int]


class Photo(msgspec.Struct, frozen=True, array_like=True):
    """Two arguments of a Socket.IO event, the second one binary."""

    id: str
    data: bytes


class Add(msgspec.Struct, frozen=True):
    """A command of the others."""

    id: str


def sure(name: str, kind: type[Any], identity: Callable[[Any], str]) -> Registry:
    types = Registry()
    types.message(name, guarantee=Guarantee.AT_LEAST_ONCE, identity=identity)(kind)
    return types


def plain() -> PlainJson:
    return PlainJson(
        sure("add", Add, attrgetter("id")),
        tag="op",
        channel=lambda it: it.get("topic", ""),
        login=lambda token: {"op": "login", "key": token},
        is_ready=lambda it: it["op"] == "welcome",
        subscribe=lambda name: {"op": "subscribe", "topic": name},
        ping=lambda: {"op": "ping"},
        is_pong=lambda it: it["op"] == "pong",
        id="req",
    )


@attrs.frozen
class Case:
    """A dialect, its server, and what is said.

    Attributes:
        channel: What is subscribed.
        message: Returns the command with an id.
        reply: The class of a command's result.
        result: What a result shows.
    """

    package: str
    make: Callable[[], Dialect]
    channel: str
    message: Callable[[str], object]
    reply: type[Any]
    result: Callable[[Any], object]
    path: str = "/"


CASES = {
    "graphql": Case(
        "graphql-ws",
        lambda: GraphqlTransportWs(sure("graphql", Operation, lambda it: it.variables["id"])),
        TICKS,
        lambda it: Operation(ADD, {"id": it}),
        Answer,
        lambda reply: reply.data["add"] > 0,
    ),
    "socketio": Case(
        "socket.io",
        lambda: SocketIo(sure("add", Photo, attrgetter("id"))),
        "tick",
        lambda it: Photo(it, b"12345"),
        list,
        lambda reply: reply[1] == b"\x05",
        "/socket.io/",
    ),
    "jsonrpc": Case(
        "rpc-websockets",
        lambda: JsonRpc(sure("add", Add, attrgetter("id"))),
        "tick",
        Add,
        int,
        lambda reply: reply > 0,
    ),
    "plain": Case("ws", plain, "tick", Add, dict, lambda reply: reply["payload"] > 0),
}


@pytest.mark.parametrize("name", CASES)
async def test_nothing_is_lost_and_subscriptions_come_back(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    server = Foreign(tmp_path, name, case.package)
    await server.start()
    problems: list[object] = []
    ticks: list[Any] = []
    service = WebSocketService(
        server.at(case.path),
        dialect=case.make(),
        domain=Domain(name),
        auth=FirstMessage("secret"),
        backoff=Backoff(initial=0.02, cap=0.05),
        proxy=None,
    )
    try:
        service.errors.subscribe(
            lambda event: (
                event.kind in (ErrorKind.NETWORK, ErrorKind.SERVER) or problems.append(event)
            )
        )
        service.messages(case.channel, subscribe=True).subscribe(ticks.append)
        loop = asyncio.get_running_loop()
        ids: list[str] = []
        async with service:
            until = loop.time() + SECONDS
            deliveries = []
            # A slow machine needs longer for the cuts that the test is about.
            while loop.time() < until or service.metrics.get().reconnects < CUTS:
                ids.append(f"id-{len(ids)}")
                deliveries.append(service.send(case.message(ids[-1])))
                await asyncio.sleep(PAUSE)
            statuses = [await delivery for delivery in deliveries]
            # A request gets the result that comes with the acknowledgement.
            ids.append("asked")
            reply = await service.request(case.message("asked"), reply=case.reply, timeout=30)
            # The subscription is back after the last cut, too.
            before = len(ticks)
            while len(ticks) == before:
                await asyncio.sleep(PAUSE)
            counted = service.metrics.get()
        assert await server.received() == ids
    finally:
        server.close()
    assert set(statuses) == {DeliveryStatus.ACKNOWLEDGED}
    assert case.result(reply)
    assert problems == []
    assert counted.reconnects >= CUTS
    assert {tick.channel for tick in ticks} == {case.channel}
    # A command and a tick come every 20 ms; after a cut, commands wait and ticks are lost.
    assert len(ticks) > len(ids) / 20
    if name == "socketio":
        # The server recovers the state of a connection: no tick is missing, and none comes twice.
        numbers = [tick.payload for tick in ticks]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_wrong_token_is_reported(tmp_path: Path) -> None:
    server = Foreign(tmp_path, "socketio", "socket.io")
    try:
        await server.start()
        url = SocketIo().address(server.at("/socket.io/"))
        async with connect(url, proxy=None, ping_interval=None) as socket:
            session = SocketIo().session()
            step = session.opened(Opening("wrong"), 0.0)
            while TokenWanted("no") not in step.events:
                for frame in step.frames:
                    await socket.send(frame.data)
                heard = session.received(await socket.recv(), 0.0)
                step = heard if isinstance(heard, Step) else Step()
    finally:
        server.close()


async def test_a_service_asks_once_for_another_token_when_a_message_refuses_the_first(
    tmp_path: Path,
) -> None:
    server = Foreign(tmp_path, "socketio", "socket.io")
    asked: list[bool] = []

    def token(*, force: bool = False) -> str:
        asked.append(force)
        return "secret" if force else "wrong"

    await server.start()
    try:
        service = WebSocketService(
            server.at("/socket.io/"),
            dialect=SocketIo(),
            domain=Domain("token"),
            auth=FirstMessage(token),
            backoff=Backoff(initial=0.02, cap=0.05),
            proxy=None,
        )
        async with service:
            await service.wait_connected(30)
    finally:
        server.close()
    assert asked[:2] == [False, True]


async def test_a_request_of_the_server_is_answered_by_the_program(tmp_path: Path) -> None:
    server = Foreign(tmp_path, "socketio", "socket.io", cut=60_000)
    await server.start()
    try:
        service = WebSocketService(
            server.at("/socket.io/"),
            dialect=SocketIo(),
            domain=Domain("answers"),
            auth=FirstMessage("secret"),
            proxy=None,
        )
        answered: asyncio.Queue[Any] = asyncio.Queue()
        with service.on_request("ask", lambda message: message.payload * 2):
            service.on("answered", answered.put_nowait)
            async with service:
                service.send("question", 21)
                async with asyncio.timeout(30):
                    assert (await answered.get()).payload == 42
    finally:
        server.close()
