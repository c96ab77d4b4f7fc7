"""Servers of two shapes that people use need no codec of their own: `PlainJson` speaks with them by its arguments.

One is like the feed of Kraken: types in two fields, numbers as ids, its own ping, lists in older messages. The other is like Home
Assistant: it asks for the login, wants growing numbers, and names a subscription by the number of its request. A third one sends
compressed frames and pings the client in JSON; a fourth one sends lists, and names a subscription by a number that it chooses.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import (
    Backoff,
    Domain,
    FirstMessage,
    Guarantee,
    Registry,
    WebSocketService,
)
from reactive_ws.connection import Heartbeat
from reactive_ws.dialects import PlainJson, unzipped
from reactive_ws.errors import RequestFailed, Unauthorized

Handler = Callable[[ServerConnection, "Script"], Any]


class Script:
    """Messages that a scripted server heard, and the connections to cut."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.sockets: list[ServerConnection] = []

    def cut(self) -> None:
        self.sockets[-1].transport.abort()


@asynccontextmanager
async def scripted(handler: Handler) -> AsyncIterator[tuple[str, Script]]:
    script = Script()

    async def handle(socket: ServerConnection) -> None:
        script.sockets.append(socket)
        await handler(socket, script)

    async with serve(handle, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", script


def service_for(url: str, dialect: PlainJson, token: Any = None) -> WebSocketService:
    return WebSocketService(
        url,
        dialect=dialect,
        domain=Domain("feed"),
        auth=None if token is None else FirstMessage(token),
        backoff=Backoff(initial=0.01, cap=0.02),
        heartbeat=Heartbeat(interval=0.2),
        proxy=None,
    )


# --- like Kraken ------------------------------------------------------------------------------------------------------


class Trade(msgspec.Struct, frozen=True):
    symbol: str
    price: Decimal


class Trades(msgspec.Struct, frozen=True):
    data: tuple[Trade, ...]


class Spread(msgspec.Struct, frozen=True, array_like=True):
    number: int
    prices: tuple[Decimal, Decimal]
    name: str
    pair: str


class Order(msgspec.Struct, frozen=True):
    symbol: str
    size: str


def kind_of(it: Any) -> str | None:
    kind: str | None = it[-2] if isinstance(it, list) else it.get("channel")
    return None if kind == "heartbeat" else kind


def kraken_like() -> PlainJson:
    types = Registry()
    types.message("trade")(Trades)
    types.message("spread")(Spread)
    types.message("add_order", guarantee=Guarantee.AT_LEAST_ONCE)(Order)
    return PlainJson(
        types,
        tag=kind_of,
        payload=None,
        channel=lambda it: it[-2] if isinstance(it, list) else it["channel"],
        batches=False,
        write=lambda name, order: {"method": name, "params": order},
        subscribe=lambda name: {"method": "subscribe", "params": {"channel": name}},
        unsubscribe=lambda name, _: {"method": "unsubscribe", "params": {"channel": name}},
        ping=lambda: {"method": "ping"},
        is_pong=lambda it: isinstance(it, dict) and it.get("method") == "pong",
        id="req_id",
        numbers=True,
        result="result",
    )


async def exchange(socket: ServerConnection, script: Script) -> None:
    await socket.send('{"channel":"heartbeat"}')
    async for text in socket:
        it = json.loads(text)
        script.heard.append(it)
        number = it["req_id"]
        match it["method"]:
            case "ping":
                await socket.send(json.dumps({"method": "pong", "req_id": number}))
            case "subscribe" if it["params"]["channel"] == "secrets":
                answer = {"method": "subscribe", "success": False, "error": "no such channel"}
                await socket.send(json.dumps({**answer, "req_id": number}))
            case "subscribe":
                answer = {"method": "subscribe", "success": True, "result": {}, "req_id": number}
                await socket.send(json.dumps(answer))
                name = it["params"]["channel"]
                trade = {"symbol": "TEA/EUR", "price": "3.10"}
                if name == "trade":
                    await socket.send(json.dumps({"channel": "trade", "data": [trade, trade]}))
                else:
                    await socket.send('[340,["3.1000","3.2000"],"spread","TEA/EUR"]')
            case "add_order" if it["params"]["size"] == "0":
                answer = {"method": "add_order", "success": False, "error": "too small"}
                await socket.send(json.dumps({**answer, "req_id": number}))
            case "add_order":
                result = {"order_id": f"o-{it['params']['size']}"}
                answer = {"method": "add_order", "success": True, "result": result}
                await socket.send(json.dumps({**answer, "req_id": number}))


async def test_a_feed_like_that_of_kraken_needs_no_codec() -> None:
    async with scripted(exchange) as (url, script):
        service = service_for(url, kraken_like())
        trades: asyncio.Queue[Trades] = asyncio.Queue()
        spreads: asyncio.Queue[Spread] = asyncio.Queue()
        problems: list[Any] = []
        service.unhandled.subscribe(problems.append)
        service.messages("trade", subscribe=True).subscribe(
            lambda it: trades.put_nowait(it.payload)
        )
        service.messages("spread", subscribe=True).subscribe(
            lambda it: spreads.put_nowait(it.payload)
        )
        async with service, asyncio.timeout(60):
            for number in range(3):
                assert (await trades.get()).data[1] == Trade("TEA/EUR", Decimal("3.10"))
                assert (await spreads.get()).prices == (Decimal("3.1000"), Decimal("3.2000"))
                size = f"{number + 1}"
                reply = await service.request(Order("TEA/EUR", size), reply=dict, timeout=30)
                assert reply == {"order_id": f"o-{size}"}
                with pytest.raises(RequestFailed, match="too small"):
                    await service.send(Order("TEA/EUR", "0"))
                script.cut()
            await trades.get()
        assert problems == []
        numbers = [it["req_id"] for it in script.heard]
        assert numbers[0] == 1
        assert {1} == {b - a for a, b in itertools.pairwise(numbers) if b > a}
        assert numbers.count(1) == 4


async def test_a_channel_that_the_feed_refuses_is_reported() -> None:
    async with scripted(exchange) as (url, _):
        service = service_for(url, kraken_like())
        problems: asyncio.Queue[str] = asyncio.Queue()
        service.errors.subscribe(lambda event: problems.put_nowait(str(event.exception)))
        service.messages("secrets", subscribe=True).subscribe(print)
        async with service, asyncio.timeout(60):
            assert "no such channel" in await problems.get()


# --- like Home Assistant ----------------------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True):
    entity_id: str
    state: str


class CallService(msgspec.Struct, frozen=True):
    domain: str
    service: str


def home_like() -> PlainJson:
    types = Registry()
    types.message("event")(Event)
    types.message("call_service", guarantee=Guarantee.AT_LEAST_ONCE)(CallService)
    return PlainJson(
        types,
        payload=lambda it: it.get("event"),
        channel=lambda it: it["event"]["event_type"] if it["type"] == "event" else it["type"],
        write=lambda name, fields: {"type": name, **fields},
        login=lambda token: {"type": "auth", "access_token": token},
        wants_login=lambda it: it["type"] == "auth_required",
        is_ready=lambda it: it["type"] == "auth_ok",
        is_denied=lambda it: it["type"] == "auth_invalid",
        subscribe=lambda name: {"type": "subscribe_events", "event_type": name},
        unsubscribe=lambda _, number: {"type": "unsubscribe_events", "subscription": number},
        ping=lambda: {"type": "ping"},
        is_pong=lambda it: it["type"] == "pong",
        answer=lambda it: {"type": "pong"} if it["type"] == "ping" else None,
        id="id",
        numbers=True,
        result="result",
    )


async def home(socket: ServerConnection, script: Script) -> None:
    async def say(**fields: Any) -> None:
        await socket.send(json.dumps(fields))

    await say(type="auth_required", ha_version="2026.11")
    login = json.loads(await socket.recv())
    script.heard.append(login)
    if login.get("access_token") != "secret":
        await say(type="auth_invalid", message="Invalid access token")
        await socket.wait_closed()
        return
    await say(type="auth_ok")
    await say(type="ping")
    last = 0
    async for text in socket:
        it = json.loads(text)
        script.heard.append(it)
        if it["type"] == "pong" and "id" not in it:
            continue
        assert it["id"] > last, "identifier values have to increase"
        last = it["id"]
        match it["type"]:
            case "ping":
                await say(id=last, type="pong")
            case "subscribe_events":
                await say(id=last, type="result", success=True, result=None)
                data = {"event_type": it["event_type"], "entity_id": "light.tea", "state": "on"}
                await say(id=last, type="event", event=data)
            case "call_service" if it["service"] == "explode":
                error = {"code": "not_found", "message": "no such service"}
                await say(id=last, type="result", success=False, error=error)
            case _:
                await say(id=last, type="result", success=True, result={"done": it["service"]})


async def test_a_server_like_home_assistant_needs_no_codec() -> None:
    async with scripted(home) as (url, script):
        service = service_for(url, home_like(), "secret")
        events: asyncio.Queue[Any] = asyncio.Queue()
        problems: list[Any] = []
        service.unhandled.subscribe(lambda it: it.type.startswith("auth") or problems.append(it))
        listening = service.messages("state_changed", subscribe=True).subscribe(events.put_nowait)
        async with service, asyncio.timeout(60):
            for number in range(3):
                event = await events.get()
                assert (event.channel, event.payload) == ("state_changed", Event("light.tea", "on"))
                reply = await service.request(CallService("light", f"on-{number}"), reply=dict)
                assert reply == {"done": f"on-{number}"}
                with pytest.raises(RequestFailed, match="'not_found': no such service"):
                    await service.send(CallService("light", "explode"))
                script.cut()
            await events.get()
            listening.dispose()
            while not any(it["type"] == "unsubscribe_events" for it in script.heard):
                await service.request(CallService("light", "off"), reply=dict)
        assert problems == []
        asked = [it for it in script.heard if it["type"] == "subscribe_events"]
        (ended,) = (it for it in script.heard if it["type"] == "unsubscribe_events")
        assert ended["subscription"] == asked[-1]["id"]
        assert {"type": "pong"} in script.heard
        assert [it for it in script.heard if it["type"] == "auth"] == [
            {"type": "auth", "access_token": "secret"}
        ] * len(script.sockets)


async def test_a_wrong_token_ends_the_connection_as_unauthorized() -> None:
    async with scripted(home) as (url, _):
        service = service_for(url, home_like(), "wrong")
        service.connect()
        with pytest.raises(Unauthorized):
            await service.wait_connected(30)
        await service.disconnect()


# --- compressed frames, pings in JSON, types in the name of the channel --------------------------------------------------


class Tick(msgspec.Struct, frozen=True):
    symbol: str
    price: Decimal


def compressed_like() -> PlainJson:
    types = Registry()
    types.message("trade.detail")(Tick)

    def read(it: Any, _: Any) -> Any:
        if "ch" not in it:
            return [it]
        _, symbol, kind = it["ch"].split(".", 2)
        return [{"t": kind, "ch": it["ch"], "symbol": symbol, **one} for one in it["tick"]["data"]]

    return PlainJson(
        types,
        tag=lambda it: it.get("t"),
        payload=None,
        channel=lambda it: it["ch"],
        read=read,
        unpack=unzipped,
        subscribe=lambda name: {"sub": name},
        unsubscribe=lambda name, _: {"unsub": name},
        ping=lambda: {"ping": 1},
        is_pong=lambda it: "pong" in it,
        answer=lambda it: {"pong": it["ping"]} if "ping" in it else None,
        id="id",
        numbers=True,
        error="err-msg",
    )


async def compressed(socket: ServerConnection, script: Script) -> None:
    async def say(**fields: Any) -> None:
        await socket.send(gzip.compress(json.dumps(fields).encode()))

    await say(ping=1492420473027)
    async for text in socket:
        it = json.loads(text)
        script.heard.append(it)
        match it:
            case {"ping": asked}:
                await say(pong=asked)
            case {"sub": "market.none.trade.detail", "id": number}:
                await say(status="error", **{"err-msg": "invalid topic"}, id=number)
            case {"sub": name, "id": number}:
                await say(status="ok", subbed=name, id=str(number))
                ticks = [{"price": "3.00000000000000000001"}, {"price": 3.1}]
                await say(ch=name, ts=5, tick={"data": ticks})
            case {"unsub": name, "id": number}:
                await say(status="ok", unsubbed=name, id=str(number))


async def test_a_feed_with_compressed_frames_and_pings_in_json_needs_no_codec() -> None:
    async with scripted(compressed) as (url, script):
        service = service_for(url, compressed_like())
        ticks: asyncio.Queue[Tick] = asyncio.Queue()
        problems: asyncio.Queue[str] = asyncio.Queue()
        others: list[Any] = []
        service.unhandled.subscribe(others.append)
        name = "market.tea.trade.detail"
        listening = service.messages(name, subscribe=True).subscribe(
            lambda it: ticks.put_nowait(it.payload)
        )
        async with service, asyncio.timeout(60):
            for _ in range(2):
                assert await ticks.get() == Tick("tea", Decimal("3.00000000000000000001"))
                assert await ticks.get() == Tick("tea", Decimal("3.1"))
                script.cut()
            await ticks.get()
            await service.latency.wait_for(lambda seconds: seconds is not None)
            service.errors.subscribe(lambda event: problems.put_nowait(str(event.exception)))
            service.messages("market.none.trade.detail", subscribe=True).subscribe(print)
            text = "the channel 'market.none.trade.detail' was refused: invalid topic"
            assert text in await problems.get()
            listening.dispose()
            while not any("unsub" in it for it in script.heard):
                await asyncio.sleep(0.01)
        assert others == []
        assert {"pong": 1492420473027} in script.heard


# --- lists, and subscriptions that the server numbers --------------------------------------------------------------------


def listing_like() -> PlainJson:
    types = Registry()
    types.message("tick")(Tick)

    def read(it: Any, known: Any) -> Any:
        if isinstance(it, list):
            named = {"t": "tick", "symbol": known[it[0]]}
            return [{**named, "price": price} for price in (it[1] if it[1] != "hb" else ())]
        if it.get("event") == "subscribed":
            known[it["chanId"]] = it["symbol"]
        return [it]

    return PlainJson(
        types,
        tag=lambda it: it.get("t"),
        payload=None,
        channel=lambda it: it["symbol"],
        batches=False,
        read=read,
        subscribe=lambda name: {"event": "subscribe", "symbol": name},
        unsubscribe=lambda _, number: {"event": "unsubscribe", "chanId": number},
        subscription_id="chanId",
        id="subId",
        numbers=True,
    )


async def listing(socket: ServerConnection, script: Script) -> None:
    await socket.send('{"event":"info","version":2}')
    async for text in socket:
        it = json.loads(text)
        script.heard.append(it)
        if it["event"] == "subscribe":
            # Another one in each connection, as such servers choose them.
            number = 100 * len(script.sockets) + it["subId"]
            answer = {"event": "subscribed", "chanId": number, "symbol": it["symbol"]}
            await socket.send(json.dumps({**answer, "subId": it["subId"]}))
            await socket.send(f'[{number},"hb"]')
            await socket.send(f'[{number},["3.10","3.20"]]')
        else:
            answer = {"event": "unsubscribed", "status": "OK", "chanId": it["chanId"]}
            await socket.send(json.dumps({**answer, "subId": it["subId"]}))


async def test_a_feed_that_numbers_its_subscriptions_gets_the_number_back_at_the_end() -> None:
    async with scripted(listing) as (url, script):
        service = service_for(url, listing_like())
        ticks: asyncio.Queue[Tick] = asyncio.Queue()
        problems: list[Any] = []
        service.unhandled.subscribe(problems.append)
        listening = service.messages("TEA", subscribe=True).subscribe(
            lambda it: ticks.put_nowait(it.payload)
        )
        async with service, asyncio.timeout(60):
            for _ in range(2):
                assert [(await ticks.get()).price for _ in "ab"] == [
                    Decimal("3.10"),
                    Decimal("3.20"),
                ]
                script.cut()
            await ticks.get()
            await ticks.get()
            listening.dispose()
            while script.heard[-1]["event"] != "unsubscribe":
                await asyncio.sleep(0.01)
        assert script.heard[-1]["chanId"] == 100 * len(script.sockets) + 1
        assert problems == []
