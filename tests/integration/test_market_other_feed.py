"""The market example shows another exchange when its feed section is replaced: the dialect's few lines and the message classes.

That feed has another shape. Messages are lists with the type and the product at their end. The two sides of a book come together or
alone. Times are seconds in texts. It is made here, with a seed, in the shape of the public feed of Kraken.
"""

from __future__ import annotations

import ast
import json
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from market_screen import last_screen

ROOT = Path(__file__).resolve().parents[2]
PRODUCTS = ("XBT/EUR", "ETH/EUR", "TEA/USD")

SECTION = """# --- feed

PRODUCTS = ("XBT/EUR", "ETH/EUR", "TEA/USD")
feed = Registry()
Part = tuple[Decimal, Decimal, str]  # price, size, seconds


def moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


@feed.message("snapshot")
class BookSnapshot(Struct, frozen=True):
    product_id: str
    bs: tuple[Part, ...]
    as_: tuple[Part, ...] = field(name="as")
    bids = property(lambda self: [part[:2] for part in self.bs])
    asks = property(lambda self: [part[:2] for part in self.as_])


@feed.message("update")
class BookUpdate(Struct, frozen=True):
    product_id: str
    a: tuple[Part, ...] = ()
    b: tuple[Part, ...] = ()
    time = property(lambda self: moment((self.a + self.b)[-1][2]))

    @property
    def changes(self) -> list[tuple[str, Decimal, Decimal]]:
        sides = (("sell", self.a), ("buy", self.b))
        return [(side, price, size) for side, parts in sides for price, size, _ in parts]


@feed.message("trade")
class Trade(Struct, frozen=True):
    product_id: str
    trades: tuple[tuple[Decimal, Decimal, str, str, str, str], ...]
    time = property(lambda self: moment(self.trades[-1][2]))


@feed.message("subscribe")
class Subscribe(Struct, frozen=True):
    pair: tuple[str, ...]


# dialect
def kind_of(it: Any) -> str | None:
    if isinstance(it, dict):
        return None  # status and heartbeats
    return "trade" if it[-2] == "trade" else "snapshot" if "as" in it[1] else "update"


def fields_of(it: Any) -> Any:
    data = {"trades": it[1]} if it[-2] == "trade" else {k: v for part in it[1:-2] for k, v in part.items()}
    return {"product_id": it[-1], **data}


def written(name: str, fields: Any) -> Any:
    return {"event": name, **fields, "subscription": {"name": "book"}}


dialect = PlainJson(feed, tag=kind_of, payload=fields_of, write=written, batches=False)
# end of dialect


"""


def frames() -> list[Any]:
    """Returns a made feed: for each product a book, then changes of one side or both, trades, and noise."""
    chance = random.Random(7)
    made: list[Any] = [{"event": "systemStatus", "status": "online", "version": "1.9.0"}]
    clock = 1534614057.321597

    def part(price: int, size: int) -> list[str]:
        return [f"{price / 100:.5f}", f"{size / 1000:.8f}", f"{clock:.6f}"]

    sides: dict[tuple[str, str], set[int]] = {}
    for number, product in enumerate(PRODUCTS):
        asks, bids = (chance.sample(range(low, low + 500), 10) for low in (310_000, 309_500))
        sides[product, "a"], sides[product, "b"] = set(asks), set(bids)
        book = {"as": [part(it, 500) for it in asks], "bs": [part(it, 500) for it in bids]}
        made.append([336 + number, book, "book-10", product])
    for _ in range(300):
        clock += chance.random()
        product = chance.choice(PRODUCTS)
        changes: list[Any] = []
        for side in chance.choice(["a", "b", "ab"]):
            known = sides[product, side]
            price = chance.choice(sorted(known))
            size = 0 if len(known) > 5 and chance.random() < 0.5 else chance.randrange(1, 9_000_000)
            if chance.random() < 0.5:
                price, size = (
                    chance.randrange(*((310_000, 310_500) if side == "a" else (309_500, 310_000))),
                    77,
                )
            (known.add if size else known.discard)(price)
            changes.append({side: [part(price, size)]})
        made.append([336, *changes, "book-10", product])
        if chance.random() < 0.2:
            trade = ["3100.10000", "0.15850568", f"{clock:.6f}", "s", "l", ""]
            made += [[340, [trade], "trade", product], {"event": "heartbeat"}]
    return made


def best(made: list[Any]) -> dict[str, list[Decimal]]:
    """Returns best bid, best ask and spread of each product in the end, by a plain loop."""
    books: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
    for frame in made:
        if isinstance(frame, dict) or frame[-2] == "trade":
            continue
        book = books.setdefault(frame[-1], {"a": {}, "b": {}})
        for changes in frame[1:-2]:
            for side, parts in changes.items():
                for price, size, _ in parts:
                    book[side[0]][Decimal(price)] = Decimal(size)
    found: dict[str, list[Decimal]] = {}
    for product, book in books.items():
        bid = max(price for price, size in book["b"].items() if size)
        ask = min(price for price, size in book["a"].items() if size)
        found[product] = [bid, ask, ask - bid]
    return found


def test_another_feed_needs_only_another_feed_section(tmp_path: Path) -> None:
    source = (ROOT / "examples" / "market.py").read_text("utf-8")
    head, rest = source.split("# --- feed", 1)
    _, tail = rest.split("# --- state", 1)
    head = head.replace("from datetime import datetime", "from datetime import UTC, datetime")
    head = head.replace("from msgspec import Struct", "from msgspec import Struct, field")
    program = tmp_path / "market.py"
    program.write_text(head + SECTION + "# --- state" + tail)
    # Nothing outside of the section names a message or a field that only one of the feeds has.
    names = set(re.findall(r"\b(?:level2|l2update|Ticker|Literal)\b", tail))
    assert names == set()
    made = frames()
    recording = tmp_path / "feed.jsonl"
    recording.write_text(
        "".join(
            json.dumps({"t": number / 1000, "dir": "in", "frame": frame}) + "\n"
            for number, frame in enumerate(made)
        )
    )
    shown = last_screen(program, recording, tmp_path)
    wanted = best(made)
    assert list(shown) == list(PRODUCTS)
    for product, numbers in wanted.items():
        assert shown[product] == [Decimal(f"{number:.10f}"[:10]) for number in numbers]


def test_each_of_the_two_dialects_has_at_most_15_lines() -> None:
    source = (ROOT / "examples" / "market.py").read_text("utf-8")
    (first,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "dialect"
    )
    assert first.end_lineno is not None
    assert first.end_lineno - first.lineno < 15
    second = SECTION.partition("# dialect\n")[2].partition("# end of dialect")[0]
    assert len([line for line in second.splitlines() if line.strip()]) <= 15
