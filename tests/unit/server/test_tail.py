"""The newest own entries of a node: what a page of them has, when the log has to be read, and how much is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from reactive_ws.server import MemoryLog, Page, Server
from reactive_ws.server.logs import Entry
from reactive_ws.server.node import tail
from reactive_ws.server.node.tail import Tail
from reactive_ws.server.session import EncodedEntry, encode_entry
from reactive_ws.testing import World
from reactive_ws.wire import Position, protocol_v1


def entry(seq: int, *, epoch: str = "e", size: int = 1) -> EncodedEntry:
    return encode_entry(Entry("s", Position(epoch, seq), [b"x" * size]))


def filled(*seqs: int) -> Tail:
    kept = Tail()
    for seq in seqs:
        kept.add("s", entry(seq))
    return kept


def numbers(kept: Tail, after: int, at_least: int | None = None, *, epoch: str = "e") -> list[int]:
    wanted = None if at_least is None else Position("e", at_least)
    page = kept.page("s", Position(epoch, after), wanted)
    if page is None:
        return []
    assert page.entries is not None
    assert page.head == page.last == page.entries[-1].position
    assert not page.more
    return [one.position.seq for one in page.entries]


@pytest.mark.parametrize(
    ("seqs", "after", "at_least", "found"),
    [
        ((3, 4, 5), 2, None, [3, 4, 5]),
        ((3, 4, 5), 4, None, [5]),
        ((3, 4, 5), 4, 5, [5]),
        # Number 2 belongs to another node, or was dropped.
        ((3, 4, 5), 1, None, []),
        ((3, 4, 5), 5, None, []),
        ((3, 4, 5), 9, None, []),
        # The log has more than that already.
        ((3, 4, 5), 3, 6, []),
        # Number 4 is of another node: what was before it is of no use.
        ((2, 3, 5, 6), 4, None, [5, 6]),
        ((2, 3, 5, 6), 1, None, []),
        ((2, 3, 5, 6), 3, None, []),
        # Answers in another order than the numbers.
        ((2, 4, 3), 3, None, [4]),
        ((2, 4, 3), 2, None, []),
        ((2, 3, 3), 1, None, [2, 3]),
    ],
)
def test_a_page_has_every_entry_behind_a_position_or_the_log_is_read(
    seqs: Sequence[int], after: int, at_least: int | None, found: list[int]
) -> None:
    assert numbers(filled(*seqs), after, at_least) == found


def test_entries_of_another_epoch_are_never_mixed_with_those_before() -> None:
    kept = filled(1, 2, 3)
    assert numbers(kept, 2, epoch="other") == []
    assert kept.page("s", Position("e", 2), Position("other", 3)) is None
    kept.add("s", entry(4, epoch="other"))
    assert numbers(kept, 2) == []
    assert numbers(kept, 3, epoch="other") == [4]
    kept.clear()
    assert numbers(kept, 3, epoch="other") == []


def test_what_is_kept_has_a_bound_for_each_stream_and_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail, "_MAX_STREAM", 1_000)
    monkeypatch.setattr(tail, "_MAX_BYTES", 5_000)
    kept = Tail()
    for seq in range(1, 101):
        for stream in range(20):
            kept.add(str(stream), entry(seq, size=200))
        assert kept._size == sum(run.size for run in kept._runs.values()) <= 5_000
        assert all(run.size <= 1_000 for run in kept._runs.values())
    assert list(kept._runs) == [str(stream) for stream in range(19 - len(kept._runs) + 1, 20)]
    # One entry that is larger than all bounds is kept, and nothing else.
    kept.add("19", entry(101, size=9_000))
    assert list(kept._runs) == ["19"]
    assert kept.page("19", Position("e", 100), None) is not None


class Said(msgspec.Struct, frozen=True):
    """A text."""

    text: str


class Counted(MemoryLog):
    """Counts the pages that are read."""

    reads = 0

    async def read(self, stream: str, after: Position | None, limit_bytes: int = 2**18) -> Page:
        self.reads += 1
        return await super().read(stream, after, limit_bytes)


def test_clients_get_what_their_node_commits_without_a_read_of_the_log() -> None:
    log, heard = Counted(), list[str]()

    async def body(world: World) -> None:
        types = protocol_v1()
        types.message("said")(Said)
        server = Server(types, log=log)
        async with server.serve("server", 80):
            services = [world.service("ws://server:80/", registry=types) for _ in range(3)]
            for service in services:
                service.messages("s", subscribe=True).subscribe(lambda _: None)
                service.on(Said, lambda message: heard.append(message.text))
                await service.connect()
                await service.wait_connected()
            # The first page behind the subscription is read: nothing else tells where the clients are.
            await server.publish("s", Said("first"))
            await asyncio.sleep(1.0)
            log.reads = 0
            for number in range(5):
                await server.publish("s", Said(str(number)))
                await asyncio.sleep(0.1)
            await asyncio.gather(*(server.publish("s", Said("together")) for _ in range(5)))
            await asyncio.sleep(1.0)
            for service in services:
                await service.disconnect()

    with World(0) as world:
        world.run(body(world))
    assert sorted(heard) == sorted(3 * ["first", *map(str, range(5)), *5 * ["together"]])
    assert log.reads == 0
