"""Live order books of an exchange in a terminal: your own messages, dialect and stores, on a server that knows nothing of us.

reactive-ws replay tests/data/coinbase-2021-04-17.jsonl.gz --port 8000 &
python examples/market.py ws://127.0.0.1:8000/ws
"""

import asyncio
import sys
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from reactive_ws import (
    ClosePolicy,
    ConnectionState,
    Derived,
    Domain,
    Envelope,
    KeyedStore,
    Registry,
    Store,
    WebSocketService,
    derived,
)
from reactive_ws.dialects import PlainJson
from reactive_ws.errors import ReactiveWSError

WINDOW = 10.0  # seconds over which trades are counted
Level = tuple[Decimal, Decimal]  # price and size

# --- feed: prices are decimal strings on the wire and exact numbers here; another exchange needs another such section ---

BASES = {"BTC": "BAND DASH SKL YFI", "EUR": "CRV NMR", "GBP": "BAND NU SKL", "USD": "SKL"}
PRODUCTS = tuple(f"{base}-{quote}" for quote in BASES for base in BASES[quote].split())
feed = Registry()


@feed.message("snapshot")
class BookSnapshot(Struct, frozen=True):
    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@feed.message("l2update")
class BookUpdate(Struct, frozen=True):
    product_id: str
    changes: tuple[tuple[Literal["buy", "sell"], Decimal, Decimal], ...]
    time: datetime


@feed.message("match")
class Trade(Struct, frozen=True):
    product_id: str
    time: datetime


@feed.message("ticker")
class Ticker(Struct, frozen=True):
    product_id: str
    price: Decimal


@feed.message("subscribe")
class Subscribe(Struct, frozen=True):
    product_ids: tuple[str, ...]
    channels: tuple[str, ...] = ("level2", "ticker", "matches")


dialect = PlainJson(feed, payload=None)  # the fields stand beside `type`


# --- state: immutable values: a book that you hold shows one moment ---


class Book(Struct, frozen=True):
    """Both sides, best price first. A change copies one tuple: microseconds at a thousand levels."""

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()

    def change(self, side: str, price: Decimal, size: Decimal) -> "Book":
        if side == "buy":
            return Book(_change(self.bids, price, size, -1), self.asks)
        return Book(self.bids, _change(self.asks, price, size, +1))


def _change(
    levels: tuple[Level, ...], price: Decimal, size: Decimal, sign: int
) -> tuple[Level, ...]:
    """Puts a level at its place among those sorted by `sign * price`; size 0 takes it away."""
    at = bisect_left(levels, sign * price, key=lambda level: sign * level[0])
    after = at + 1 if at < len(levels) and levels[at][0] == price else at
    return (*levels[:at], *([(price, size)] if size else []), *levels[after:])


class Market:
    """Books and trades, fed by a service; everything else is derived from them."""

    def __init__(self, service: WebSocketService, domain: Domain) -> None:
        self.books = KeyedStore[str, Book](name="books", domain=domain)
        self.trades = KeyedStore[str, tuple[float, ...]](name="trades", domain=domain)
        self.now = Store(0.0, name="now", domain=domain)
        service.on(BookSnapshot, self._replace)
        service.on(BookUpdate, self._update, run=self._update_run)
        service.on(Trade, self._trade)

    def row(self, product: str) -> tuple[Derived[Any], ...]:
        """Best bid, best ask, their spread, and trades a second over the last seconds of the feed."""
        bid = derived(self.books.select_part(lambda books: books.get(product, Book()).bids), _best)
        ask = derived(self.books.select_part(lambda books: books.get(product, Book()).asks), _best)
        spread = derived(bid, ask, lambda low, high: high - low if low and high else None)
        times = self.trades.select_part(lambda trades: trades.get(product, ()))
        return bid, ask, spread, derived(times, self.now, _rate)

    def _replace(self, snapshot: BookSnapshot) -> None:
        bids, asks = sorted(snapshot.bids, reverse=True), sorted(snapshot.asks)
        self.books.upsert(snapshot.product_id, Book(tuple(bids), tuple(asks)))

    def _update(self, *updates: BookUpdate) -> None:
        changed: dict[str, Book] = {}
        for update in updates:
            name = update.product_id
            book = changed.get(name) or self.books.get(name) or Book()
            for side, price, size in update.changes:
                book = book.change(side, price, size)
            changed[name] = book
        self.books.set_many(changed)
        self.now.set(updates[-1].time.timestamp())

    def _update_run(self, updates: Sequence[Envelope[BookUpdate]]) -> None:
        """Updates that came in a row, which most do: one write for each book."""
        self._update(*(update.payload for update in updates))

    def _trade(self, trade: Trade) -> None:
        now = trade.time.timestamp()
        recent = [t for t in self.trades.get(trade.product_id) or () if t > now - WINDOW]
        self.trades.upsert(trade.product_id, (*recent, now))


def _best(levels: tuple[Level, ...]) -> Decimal | None:
    return levels[0][0] if levels else None


def _rate(times: tuple[float, ...], now: float) -> float:
    return sum(t > now - WINDOW for t in times) / WINDOW


# --- program: repaints four times a second, however much arrives ---


async def main(url: str) -> None:
    domain, is_over = Domain("market"), asyncio.Event()
    policy = ClosePolicy(stop_on_normal_close=True)
    service = WebSocketService(url, domain=domain, dialect=dialect, policy=policy, heartbeat=None)
    market = Market(service, domain)
    rows = {product: market.row(product) for product in PRODUCTS}

    def connection_changed(state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            service.send(Subscribe(PRODUCTS))
        elif state in (ConnectionState.CLOSED, ConnectionState.ERROR):
            is_over.set()

    async with service:
        service.connection.select(lambda now: now.state).subscribe(connection_changed)
        while not is_over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), 0.25)
            print(
                f"\x1b[H\x1b[J{service.state.value:10}        bid        ask     spread   trades/s"
            )
            for product, row in rows.items():
                cells = (f"{v.get():.10f}"[:10] if v.get() is not None else "-" for v in row)
                print(f"{product:10}", *(f"{cell:>10}" for cell in cells))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8000/ws"))
        except ReactiveWSError as mistake:
            sys.exit(f"market: {mistake}")
