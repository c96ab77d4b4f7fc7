"""The market example shows four more exchanges when its feed section is replaced: classes and at most 15 lines of dialect.

Each server here is scripted in the public format of an exchange: nested events (Coinbase Advanced Trade), channels that are named once
and then by a number (Bitfinex), an argument beside a list (OKX), and streams of one combined connection (Binance).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import Domain, WebSocketService
from reactive_ws.connection import Heartbeat

ROOT = Path(__file__).resolve().parents[2]

CLASSES = """
PRODUCTS = {products}
feed = Registry()


@feed.message("snapshot")
class BookSnapshot(Struct, frozen=True):
    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@feed.message("update")
class BookUpdate(Struct, frozen=True):
    product_id: str
    changes: tuple[tuple[str, Decimal, Decimal], ...]
    at: float
    time = property(lambda self: datetime.fromtimestamp(self.at))


@feed.message("trade")
class Trade(Struct, frozen=True):
    product_id: str
    at: float
    time = property(lambda self: datetime.fromtimestamp(self.at))


@feed.message("subscribe")
class Subscribe(Struct, frozen=True):
    products: tuple[str, ...]


"""

COINBASE = """
def read(it: Any, _: Any) -> Any:
    for event in it.get("events", ()) if it["channel"] in ("l2_data", "market_trades") else ():
        at = datetime.fromisoformat(it["timestamp"]).timestamp()
        if "trades" in event:
            yield from ({"t": "trade", "product_id": one["product_id"], "at": at} for one in event["trades"])
            continue
        sides = [("buy" if u["side"] == "bid" else "sell", u["price_level"], u["new_quantity"]) for u in event["updates"]]
        book = {side: [it[1:] for it in sides if it[0] == of] for side, of in (("bids", "buy"), ("asks", "sell"))}
        yield {"t": event["type"], "product_id": event["product_id"], "changes": sides, "at": at, **book}


written = lambda _, it: [{"type": "subscribe", "product_ids": it["products"], "channel": one} for one in ("level2", "market_trades")]
dialect = PlainJson(feed, tag="t", payload=None, read=read, write=written)
"""

BITFINEX = """
def read(it: Any, known: Any) -> Any:
    if isinstance(it, dict):
        known.update({it["chanId"]: it} if it["event"] == "subscribed" else {})
        return
    about, data = known[it[0]], it[-1]
    named = {"product_id": about["symbol"]}
    if about["channel"] == "trades":
        yield from [{"t": "trade", "at": data[1] / 1000, **named}] if it[1] == "te" else ()
    elif data != "hb":
        parts = [("buy" if size > 0 else "sell", price, abs(size) if count else 0) for price, count, size in (data if isinstance(data[0], list) else [data])]
        book = {side: [one[1:] for one in parts if one[0] == of] for side, of in (("bids", "buy"), ("asks", "sell"))}
        yield {"t": "snapshot" if isinstance(data[0], list) else "update", "changes": parts, "at": 1.0, **book, **named}


written = lambda _, it: [{"event": "subscribe", "channel": one, "symbol": name} for name in it["products"] for one in ("book", "trades")]
dialect = PlainJson(feed, tag="t", payload=None, read=read, write=written, batches=False)
"""

OKX = """
def read(it: Any, _: Any) -> Any:
    for data in it.get("data", ()):
        named = {"product_id": it["arg"]["instId"], "at": int(data["ts"]) / 1000}
        if it["arg"]["channel"] == "trades":
            yield {"t": "trade", **named}
        else:
            book = {side: [part[:2] for part in data[side]] for side in ("bids", "asks")}
            changes = [(of, *part) for side, of in (("bids", "buy"), ("asks", "sell")) for part in book[side]]
            yield {"t": it["action"], "changes": changes, **named, **book}


written = lambda _, it: {"op": "subscribe", "args": [{"channel": one, "instId": name} for name in it["products"] for one in ("books", "trades")]}
dialect = PlainJson(feed, tag="t", payload=None, read=read, write=written, ping=lambda: "ping", is_pong=lambda it: it == "pong")
"""

BINANCE = """
def read(it: Any, _: Any) -> Any:
    data, (product, _, kind) = it.get("data"), it.get("stream", "").partition("@")
    named = {"product_id": product, **(data or {})}
    if kind.startswith("depth20"):
        yield {"t": "snapshot", **named}
    elif kind == "aggTrade":
        yield {"t": "trade", "at": data["T"] / 1000, **named}
    elif kind.startswith("depth"):
        changes = [(of, *part) for side, of in (("b", "buy"), ("a", "sell")) for part in data[side]]
        yield {"t": "update", "at": data["E"] / 1000, "changes": changes, **named}


written = lambda _, it: {"method": "SUBSCRIBE", "params": [f"{name}@{one}" for name in it["products"] for one in ("depth20", "depth", "aggTrade")]}
dialect = PlainJson(feed, tag="t", payload=None, read=read, write=written, id="id", numbers=True)
"""


def coinbase(asked: list[Any]) -> list[Any]:
    assert [it["channel"] for it in asked] == ["level2", "market_trades"]

    def book(kind: str, product: str, *updates: tuple[str, str, str]) -> Any:
        names = ("side", "price_level", "new_quantity")
        parts = [{"event_time": "x", **dict(zip(names, it, strict=True))} for it in updates]
        return {"type": kind, "product_id": product, "updates": parts}

    def message(channel: str, *events: Any) -> Any:
        head = {"client_id": "", "timestamp": "2023-02-09T20:32:50.714964Z", "sequence_num": 0}
        return {"channel": channel, **head, "events": list(events)}

    one, two = asked[0]["product_ids"]
    first = (("bid", "21921.73", "0.06"), ("offer", "21921.74", "0.02"))
    trade = {"trade_id": "1", "product_id": two, "price": "1", "size": "2", "side": "BUY"}
    return [
        message("subscriptions", {"subscriptions": {"level2": [one, two]}}),
        message("l2_data", book("snapshot", one, *first), book("snapshot", two, *first)),
        message("l2_data", book("update", one, ("bid", "21921.73", "0"), ("bid", "21920.5", "1"))),
        message("market_trades", {"type": "update", "trades": [trade, trade]}),
    ]


def bitfinex(asked: list[Any]) -> list[Any]:
    frames: list[Any] = [{"event": "info", "version": 2, "platform": {"status": 1}}]
    for number, it in enumerate(asked):
        assert it["event"] == "subscribe"
        frames.append(
            {"event": "subscribed", "chanId": number, **{k: it[k] for k in it if k != "event"}}
        )
    one, _, two, trades = range(4)
    levels = [[21921.73, 2, 0.06], [21921.74, 1, -0.02]]
    trade = [401597393, 1574694475039, 0.005, 7244.9]
    return [
        *frames,
        *([one, levels], [two, levels], [one, "hb"]),
        *([one, [21921.73, 0, 1]], [one, [21920.5, 1, 1]]),
        *([trades, [trade]], [trades, "te", trade], [trades, "tu", trade], [trades, "te", trade]),
    ]


def okx(asked: list[Any]) -> list[Any]:
    (ask,) = asked
    books = [it for it in ask["args"] if it["channel"] == "books"]
    trades = [it for it in ask["args"] if it["channel"] == "trades"]

    def book(arg: Any, action: str, bids: Any, asks: Any) -> Any:
        data = {"asks": asks, "bids": bids, "ts": "1597026383085", "checksum": -1, "seqId": 1}
        return {"arg": arg, "action": action, "data": [data]}

    bids, asks = [["21921.73", "0.06", "0", "13"]], [["21921.74", "0.02", "0", "1"]]
    trade = {"instId": trades[1]["instId"], "px": "1", "sz": "1", "ts": "1630048897897"}
    change = [["21921.73", "0", "0", "0"], ["21920.5", "1", "0", "1"]]
    return [
        *({"event": "subscribe", "arg": it, "connId": "a4d3ae55"} for it in ask["args"]),
        *(book(it, "snapshot", bids, asks) for it in books),
        book(books[0], "update", change, []),
        {"arg": trades[1], "data": [trade, trade]},
    ]


def binance(asked: list[Any]) -> list[Any]:
    (ask,) = asked
    assert (ask["method"], ask["id"]) == ("SUBSCRIBE", 1)
    one, two = dict.fromkeys(it.partition("@")[0] for it in ask["params"])
    book = {"lastUpdateId": 160, "bids": [["21921.73", "0.06"]], "asks": [["21921.74", "0.02"]]}
    change = {"b": [["21921.73", "0"], ["21920.5", "1"]], "a": [], "U": 157, "u": 160}
    trade = {"e": "aggTrade", "E": 1672515782136, "s": "X", "T": 1672515782136, "m": True}
    return [
        {"result": None, "id": ask["id"]},
        *({"stream": f"{name}@depth20", "data": book} for name in (one, two)),
        {"stream": f"{one}@depth", "data": {"e": "depthUpdate", "E": 1672515782136, **change}},
        *[{"stream": f"{two}@aggTrade", "data": trade}] * 2,
    ]


FEEDS: dict[str, tuple[str, tuple[str, str], int, Callable[[list[Any]], list[Any]]]] = {
    "coinbase": (COINBASE, ("BTC-USD", "ETH-USD"), 2, coinbase),
    "bitfinex": (BITFINEX, ("tBTCUSD", "tETHUSD"), 4, bitfinex),
    "okx": (OKX, ("BTC-USDT", "ETH-USDT"), 1, okx),
    "binance": (BINANCE, ("btcusdt", "ethusdt"), 1, binance),
}
"""By exchange: its dialect, two products, how many messages subscribe, and what the server then sends."""


def example(dialect: str, products: tuple[str, str]) -> dict[str, Any]:
    """Returns the names of the market example with another feed section."""
    text = (ROOT / "examples" / "market.py").read_text("utf-8")
    section = CLASSES.format(products=products) + dialect
    replaced, count = re.subn(r"(?s)# --- feed.*?(?=# --- state)", lambda _: section, text)
    assert count == 1
    names: dict[str, Any] = {"__name__": "market"}
    exec(compile(replaced, "market.py", "exec", dont_inherit=True), names)
    return names


@pytest.mark.parametrize("exchange", FEEDS)
def test_the_market_shows_another_exchange_by_another_feed_section(exchange: str) -> None:
    dialect, products, count, script = FEEDS[exchange]
    names = example(dialect, products)
    problems: list[str] = []

    async def handle(socket: ServerConnection) -> None:
        asked: list[Any] = []
        async for text in socket:
            if text == "ping":
                await socket.send("pong")
                continue
            asked.append(json.loads(text))
            if len(asked) == count:
                for frame in script(asked):
                    await socket.send(json.dumps(frame))

    async def run() -> None:
        async with serve(handle, "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            domain = Domain("market")
            # The feed with texts as pings shows that its answers count as life.
            beat = Heartbeat(interval=0.1, timeout=5.0) if exchange == "okx" else None
            service = WebSocketService(
                url, domain=domain, dialect=names["dialect"], heartbeat=beat, proxy=None
            )
            market = names["Market"](service, domain)
            service.errors.subscribe(lambda event: problems.append(str(event.exception)))
            one, two = (market.row(product) for product in products)
            async with service:
                service.send(names["Subscribe"](products))
                trades = market.trades.select(products[1])
                await trades.wait_for(lambda times: len(times or ()) == 2, timeout=10)
                if exchange == "okx":
                    await service.latency.wait_for(lambda seconds: seconds is not None, timeout=10)
                assert [cell.get() for cell in one[:2]] == [Decimal("21920.5"), Decimal("21921.74")]
                assert [cell.get() for cell in two[:2]] == [
                    Decimal("21921.73"),
                    Decimal("21921.74"),
                ]
        assert problems == []

    asyncio.run(run())


@pytest.mark.parametrize("exchange", FEEDS)
def test_each_dialect_has_at_most_15_lines(exchange: str) -> None:
    lines = [line for line in FEEDS[exchange][0].splitlines() if line.strip()]
    assert len(lines) <= 15
