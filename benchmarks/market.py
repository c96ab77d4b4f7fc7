"""`pipeline_market`: the recorded exchange feed as fast as possible, order books kept, by `examples/market.py` and by hand.

The loops by hand have no stores, no order of commits and no connection that comes back. The first keeps the example's
immutable books, so that only the framework differs. The second is the shortest program that keeps the books.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from benchmarks.timing import Metric

__all__ = ["rows"]

_ROOT = Path(__file__).resolve().parent.parent
_RECORDING = _ROOT / "tests/data/coinbase-2021-04-17.jsonl.gz"

Tops = dict[str, tuple[Decimal, Decimal]]


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("market_example", _ROOT / "examples/market.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError("examples/market.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def _ours(url: str, example: Any) -> tuple[float, Tops]:
    from reactive_ws import ClosePolicy, ConnectionState, Domain, WebSocketService

    domain = Domain("market")
    service = WebSocketService(
        url,
        domain=domain,
        dialect=example.dialect,
        policy=ClosePolicy(stop_on_normal_close=True),
        heartbeat=None,
        proxy=None,
    )
    market = example.Market(service, domain)
    state = service.connection.select(lambda connection: connection.state)
    began = time.perf_counter()
    async with service:
        await service.wait_connected(10)
        await state.wait_for(lambda now: now is ConnectionState.CLOSED, 60)
        took = time.perf_counter() - began
    tops = {
        product: (book.bids[0][0], book.asks[0][0])
        for product, book in market.books.get_all().items()
    }
    return took, tops


def _socket(url: str) -> Any:
    from websockets.asyncio.client import connect

    return connect(url, compression=None, ping_interval=None, proxy=None, max_size=None)


class _Head(msgspec.Struct):
    type: str


def _decoder(example: Any) -> Callable[[str | bytes], Any]:
    """Returns how a program by hand reads the feed: the type first, then straight into the class."""
    head = msgspec.json.Decoder(_Head).decode
    classes = {row.name: msgspec.json.Decoder(row.payload).decode for row in example.feed}

    def decode(frame: str | bytes) -> Any:
        read = classes.get(head(frame).type)
        return None if read is None else read(frame)

    return decode


async def _same_books(url: str, example: Any) -> tuple[float, Tops]:
    decode = _decoder(example)
    books: dict[str, Any] = {}
    trades: dict[str, tuple[float, ...]] = {}
    now = 0.0
    began = time.perf_counter()
    async with _socket(url) as socket:
        async for frame in socket:
            message = decode(frame)
            if isinstance(message, example.BookSnapshot):
                bids, asks = sorted(message.bids, reverse=True), sorted(message.asks)
                books[message.product_id] = example.Book(tuple(bids), tuple(asks))
            elif isinstance(message, example.BookUpdate):
                book = books.get(message.product_id) or example.Book()
                for side, price, size in message.changes:
                    book = book.change(side, price, size)
                books[message.product_id] = book
                now = message.time.timestamp()
            elif isinstance(message, example.Trade):
                now = message.time.timestamp()
                recent = [t for t in trades.get(message.product_id, ()) if t > now - 10.0]
                trades[message.product_id] = (*recent, now)
    took = time.perf_counter() - began
    return took, {key: (book.bids[0][0], book.asks[0][0]) for key, book in books.items()}


async def _dicts(url: str, _: Any) -> tuple[float, Tops]:
    books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
    began = time.perf_counter()
    async with _socket(url) as socket:
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "snapshot":
                books[frame["product_id"]] = {
                    side: {Decimal(price): Decimal(size) for price, size in frame[name]}
                    for side, name in (("buy", "bids"), ("sell", "asks"))
                }
            elif frame["type"] == "l2update":
                book = books[frame["product_id"]]
                for side, price, size in frame["changes"]:
                    if Decimal(size) == 0:
                        book[side].pop(Decimal(price), None)
                    else:
                        book[side][Decimal(price)] = Decimal(size)
    took = time.perf_counter() - began
    return took, {key: (max(book["buy"]), min(book["sell"])) for key, book in books.items()}


_WAYS = {"ours": _ours, "plain loop": _same_books, "plain loop, dicts": _dicts}


def rows(rounds: int) -> Iterator[Metric]:
    """Yields the row, in seconds for the whole recording."""
    example = _example()
    samples: dict[str, list[float]] = {who: [] for who in _WAYS}
    words = [
        "-m",
        "reactive_ws",
        "replay",
        str(_RECORDING),
        "--speed",
        "max",
        "--port",
        "0",
    ]
    with subprocess.Popen(
        [sys.executable, *words], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split(" at ")[1].strip()
            for _ in range(rounds):
                tops: dict[str, Tops] = {}
                for who, way in _WAYS.items():
                    took, tops[who] = asyncio.run(way(url, example))
                    samples[who].append(took)
                    if tops[who] != tops["ours"] or len(tops[who]) != 10:
                        raise AssertionError(f"{who} has other books than ours")
        finally:
            server.terminate()
    yield Metric("pipeline_market", "s", samples, {"plain loop": 0.6})
