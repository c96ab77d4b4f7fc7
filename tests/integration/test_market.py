"""The market example against recorded real traffic: right after every single update, and as a program.

What is right is computed by `expected_tops`, which reads the recording by itself and uses nothing of this project.
"""

import asyncio
import gzip
import importlib.util
import json
import math
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from market_screen import last_screen

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "tests" / "data" / "coinbase-2021-04-17.jsonl.gz"
PATIENCE = 60.0

Top = tuple[str, tuple[Decimal, Decimal], tuple[Decimal, Decimal]]
"""Product, best bid and best ask, each with price and size."""


def expected_tops() -> list[Top]:
    """The top of book after each snapshot and each update, by a plain loop over the recording."""
    bids: dict[str, dict[Decimal, Decimal]] = {}
    asks: dict[str, dict[Decimal, Decimal]] = {}
    tops: list[Top] = []
    with gzip.open(RECORDING, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            frame = record["frame"]
            if record["dir"] != "in" or frame["type"] not in ("snapshot", "l2update"):
                continue
            product = frame["product_id"]
            if frame["type"] == "snapshot":
                bids[product] = {Decimal(price): Decimal(size) for price, size in frame["bids"]}
                asks[product] = {Decimal(price): Decimal(size) for price, size in frame["asks"]}
            else:
                for side, price, size in frame["changes"]:
                    book = {"buy": bids, "sell": asks}[side][product]
                    if Decimal(size) == 0:
                        book.pop(Decimal(price), None)
                    else:
                        book[Decimal(price)] = Decimal(size)
            bid, ask = max(bids[product]), min(asks[product])
            tops.append((product, (bid, bids[product][bid]), (ask, asks[product][ask])))
    return tops


def rendered(top: Top) -> tuple[str, ...]:
    """The numbers as text: equal only when not a single digit was lost or added."""
    product, bid, ask = top
    return (product, *(str(number) for number in (*bid, *ask)))


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("market_example", ROOT / "examples" / "market.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_top_of_all_ten_books_is_right_after_every_single_update(example: ModuleType) -> None:
    from reactive_ws.commands.recording import read_recording
    from reactive_ws.commands.replay import Replay
    from reactive_ws.connection.close_policy import ClosePolicy
    from reactive_ws.connection.record import ConnectionState
    from reactive_ws.engine.domain import Domain
    from reactive_ws.service.service import WebSocketService

    expected = expected_tops()
    assert (len(expected), len({product for product, _, _ in expected})) == (9_729, 10)
    seen: list[Top] = []
    errors: list[object] = []

    async def body() -> None:
        async with Replay(read_recording(RECORDING), speed=math.inf) as replay:
            domain = Domain("market test", strict=True)
            service = WebSocketService(
                replay.url,
                domain=domain,
                dialect=example.dialect,
                policy=ClosePolicy(stop_on_normal_close=True),
                heartbeat=None,
            )
            market = example.Market(service, domain)

            def look(message: object) -> None:
                product: str = message.product_id  # type: ignore[attr-defined]
                book = market.books.get(product)
                seen.append((product, book.bids[0], book.asks[0]))

            # After the market's own handlers, in the burst's batch: the books as this message left them.
            service.on(example.BookSnapshot, look)
            service.on(example.BookUpdate, look)
            service.errors.subscribe(errors.append)
            closed = service.connection.select(lambda connection: connection.state)
            async with service:
                await service.wait_connected(PATIENCE)
                await closed.wait_for(lambda state: state is ConnectionState.CLOSED, PATIENCE)
                final = {product: top for product, *top in expected}
                for product, (bid, ask) in final.items():
                    row = [value.get() for value in market.row(product)]
                    assert row[:3] == [bid[0], ask[0], ask[0] - bid[0]]

    asyncio.run(asyncio.wait_for(body(), 4 * PATIENCE))
    assert errors == []
    # Not one comparison of two long lists: its failure would be explained for minutes.
    assert len(seen) == len(expected)
    for number, (got, wanted) in enumerate(zip(seen, expected, strict=True)):
        assert rendered(got) == rendered(wanted), f"after book message {number}"


def test_the_program_shows_the_books_and_ends_with_the_feed(tmp_path: Path) -> None:
    shown = last_screen(ROOT / "examples" / "market.py", RECORDING, tmp_path)
    assert shown == {
        product: [bid[0], ask[0], ask[0] - bid[0]] for product, bid, ask in expected_tops()
    }
