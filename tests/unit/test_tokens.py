"""Tokens over time: replaced before they expire, and followed when a user signs in or out."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from typing import Any

import pytest

from reactive_ws.connection.record import ConnectionState, ErrorKind
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import Unauthorized
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat
from reactive_ws.testing import NEVER, World, simulate
from reactive_ws.transport.credentials.authentication import FirstMessage, Header
from reactive_ws.transport.credentials.token_expiry import TokenWatch, expires_at, refresh_delay


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x", 0))


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt(expiry: float | None, number: int = 0) -> str:
    claims: dict[str, Any] = {"n": number, **({} if expiry is None else {"exp": expiry})}
    return f"{part({'alg': 'none'})}.{part(claims)}.signature"


class Issuer:
    """Gives tokens that live for so many seconds of virtual time."""

    def __init__(self, world: World, lifetime: float) -> None:
        self.world = world
        self.lifetime = lifetime
        self.times: list[float] = []
        self.failures = 0

    def __call__(self) -> str:
        self.times.append(round(self.world.now, 1))
        if self.failures:
            self.failures -= 1
            raise OSError("the identity server is down")
        now = self.world.simulation.wall_clock().timestamp()
        return jwt(now + self.lifetime, len(self.times))


@pytest.mark.parametrize(
    ("token", "expiry"),
    [
        (jwt(1700000000), 1700000000.0),
        (jwt(1700000000.5), 1700000000.5),
        (jwt(None), None),
        ("opaque", None),
        (None, None),
        ("", None),
        ("a.b", None),
        ("a.!!.c", None),
        (f"a.{part([1])}.c", None),
        (f"a.{part({'exp': 'soon'})}.c", None),
        ("a.\xff.c", None),
    ],
)
def test_the_expiry_is_read_from_a_jwt_and_from_nothing_else(
    token: str | None, expiry: float | None
) -> None:
    assert expires_at(token) == expiry


@pytest.mark.parametrize(
    ("lifetime", "earliest", "latest"),
    [
        (3600.0, 3600 - 396, 3600 - 360),
        (300.0, 300 - 33, 300 - 30),
        (100.0, 100 - 33, 100 - 30),
        (40.0, 18.0, 20.0),
        (2.0, 0.9, 1.0),
    ],
)
def test_a_token_is_replaced_30_s_or_a_tenth_of_its_life_before_its_end_and_never_in_its_first_half(
    lifetime: float, earliest: float, latest: float
) -> None:
    delays = [refresh_delay(1000 + lifetime, 1000.0, random.Random(n)) for n in range(50)]
    assert all(delay is not None and earliest <= delay <= latest for delay in delays)
    assert len(set(delays)) == 50


def test_a_token_that_is_over_or_came_again_is_not_replaced() -> None:
    assert refresh_delay(1000.0, 1000.0, random.Random(1)) is None
    watch = TokenWatch(lambda: 1000.0, random.Random(1))
    watch.start(jwt(900), 0.0)
    assert watch.deadline is None
    watch.start(jwt(1100), 0.0)
    assert watch.deadline is not None
    assert not watch.is_due(watch.deadline - 0.1)
    assert watch.is_due(watch.deadline)
    assert not watch.is_due(10_000.0)
    watch.start(jwt(1100), 70.0)
    assert watch.deadline is None
    watch.again(75.0)
    assert watch.deadline == 85.0
    watch.stop()
    watch.start(jwt(1100), 90.0)
    assert watch.deadline is not None


@simulate
async def test_a_token_in_the_first_message_is_replaced_in_place_again_and_again() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        issuer = Issuer(world, 300.0)
        service = world.service(auth=FirstMessage(issuer), registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        await world.advance(1000)
        steps = [b - a for a, b in zip(issuer.times, issuer.times[1:], strict=False)]
        assert len(steps) == 3
        assert all(267 <= step <= 270.1 for step in steps)
        sent = [m.payload.token for m in server.received if m.type == "auth"]
        assert len(sent) == len(set(sent)) == 4
        assert len(server.connections) == 1


@simulate
async def test_a_token_elsewhere_is_taken_to_a_planned_new_connection_and_nothing_is_lost() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        issuer = Issuer(world, 300.0)
        service = world.service(auth=Header(issuer), registry=agent_chat())
        seen: list[str] = []
        service.connection.select(lambda c: c.state.name).subscribe(seen.append)
        service.messages("prices", subscribe=True).subscribe(print)
        await service.connect()
        await service.wait_connected()
        await world.advance(260)
        server.acknowledge_after = NEVER
        deliveries = [service.send(chat(n)) for n in range(30)]
        await asyncio.sleep(8)
        server.acknowledge_after = 0.0
        assert await asyncio.gather(*deliveries) == [DeliveryStatus.ACKNOWLEDGED] * 30
        assert [m.id for m in server.effects] == [f"c{n}" for n in range(30)]
        assert seen == ["CLOSED", "CONNECTING", "CONNECTED", "RECONNECTING", "CONNECTED"]
        # Asked once for each token, and not once more for the dial.
        assert len(issuer.times) == 2
        assert len({headers["Authorization"] for _, headers in server.requests}) == 2
        await world.settle()
        assert [
            [m.type for m in p.received if m.type == "subscribe"] for p in server.connections
        ] == [
            ["subscribe"],
            ["subscribe"],
        ]
        assert world.errors == []


@simulate
async def test_a_provider_that_fails_is_asked_again_while_the_connection_lives_on() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        issuer = Issuer(world, 300.0)
        service = world.service(auth=Header(issuer), registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        issuer.failures = 2
        await world.advance(299)
        assert len(issuer.times) == 4
        first, *_, last = issuer.times[1:]
        assert last - first == pytest.approx(20.0, abs=0.2)
        assert [event.kind for event in world.errors] == [ErrorKind.AUTH] * 2
        assert len(server.connections) == 2
        await world.advance(60)
        assert len(server.connections) == 2


@simulate
async def test_a_provider_whose_own_task_was_cancelled_is_asked_again() -> None:
    async with World() as world:
        await world.server(registry=agent_chat())
        asked: list[float] = []

        async def token() -> str:
            asked.append(world.simulation.loop.time())
            if len(asked) == 1:
                raise asyncio.CancelledError
            return "good"

        service = world.service(auth=Header(token), registry=agent_chat())
        await service.connect()
        await world.advance(30)
        assert service.is_connected
        assert len(asked) == 2
        assert "CancelledError" in str(world.errors[0].exception)


@simulate
async def test_a_fixed_token_and_a_closed_connection_are_not_refreshed() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        soon = world.simulation.wall_clock().timestamp() + 60
        service = world.service(auth=Header(jwt(soon)), registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        await world.advance(100)
        assert len(server.connections) == 1
        issuer = Issuer(world, 100.0)
        other = world.service(auth=Header(issuer), registry=agent_chat())
        await other.connect()
        await other.wait_connected()
        await other.disconnect()
        await world.advance(1000)
        assert len(issuer.times) == 1


@simulate
async def test_an_unauthorized_refresh_leaves_the_connection_until_the_server_ends_it() -> None:
    async with World() as world:
        await world.server(registry=agent_chat())
        answers: list[Any] = ["good", Unauthorized("signed out"), Unauthorized("signed out")]

        def provider() -> str:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return str(answer)

        service = world.service(auth=Header(provider), registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        service.refresh_token()
        await world.settle()
        assert service.is_connected
        assert [str(event.exception) for event in world.errors] == [
            "signed out; sign in again and call connect()"
        ]
        world.servers[0].abort()
        await world.advance(5)
        assert service.state is ConnectionState.ERROR


@simulate
async def test_the_connection_follows_who_is_signed_in() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        token = Store[str | None](None, domain=world.domain)
        service = world.service(auth=Header(lambda: token.get() or ""), registry=agent_chat())
        seen: list[str] = []
        service.connection.select(lambda c: c.state.name).subscribe(seen.append)
        following = service.connect_while(token.select())
        await world.advance(10)
        assert seen == ["CLOSED"]
        token.set("anna")
        await service.wait_connected()
        service.messages("inbox", subscribe=True).subscribe(print)
        server.acknowledge_after = NEVER
        waiting = service.send(chat(1))
        await world.settle()
        token.set("anna-2")
        await server.connected(2)
        await service.wait_connected()
        server.acknowledge_after = 0.0
        assert await service.send(chat(2)) is DeliveryStatus.ACKNOWLEDGED
        token.set(None)
        await world.settle()
        assert service.state is ConnectionState.CLOSED
        assert waiting.is_final
        token.set("bert")
        await service.wait_connected()
        await world.settle()
        assert [h["Authorization"] for _, h in server.requests] == [
            f"Bearer {name}" for name in ("anna", "anna-2", "bert")
        ]
        assert [m.payload.channel for m in server.peer.received if m.type == "subscribe"] == [
            "inbox"
        ]
        following.dispose()
        token.set(None)
        await world.settle()
        assert service.is_connected


def test_without_a_loop_following_starts_the_services_own_thread() -> None:
    domain = Domain("gui")
    token = Store[str | None](None, domain=domain)
    service = WebSocketService(
        "ws://127.0.0.1:9/", domain=domain, proxy=None, registry=agent_chat()
    )
    service.connect_while(token.select())
    assert service.state is ConnectionState.CLOSED
    token.set("anna")
    assert service.state is not ConnectionState.CLOSED or service._place.thread is not None
    service.stop()
    assert service._place.thread is None
