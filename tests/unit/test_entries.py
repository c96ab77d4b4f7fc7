"""Messages that share a number are one entry: delivered together, once, in order, and never a part of them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.inbound.entries import Entries
from reactive_ws.inbound.order import Inbound
from reactive_ws.testing import World, simulate
from reactive_ws.wire import Envelope, Position, Registry, protocol_v1


def part(seq: int, number: int, *, more: bool, epoch: str = "e") -> Envelope[Any]:
    return Envelope("part", number, "part", None, "s", epoch, seq, more=more)


class Part(msgspec.Struct, frozen=True):
    """A number."""

    number: int


class Feed:
    """An `Inbound` as the receiver uses it."""

    def __init__(self) -> None:
        self.inbound = Inbound()
        self.got: list[tuple[int, int]] = []

    def take(self, envelope: Envelope[Any]) -> None:
        if envelope.more:
            self.inbound.gather(envelope)
        else:
            self.deliver(self.inbound.whole(envelope, 0.0))

    def deliver(self, messages: Any) -> None:
        self.got += [(one.seq, one.payload) for one in self.inbound.entries.whole(messages)]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_entries_come_whole_once_and_in_order(sizes: list[int], data: st.DataObject) -> None:
    feed = Feed()
    entries = [
        [part(seq, number, more=number < size - 1) for number in range(size)]
        for seq, size in enumerate(sizes, 1)
    ]
    # The first entry begins the stream; the others come in any order, some of them twice.
    order = data.draw(st.permutations(entries[1:] + entries[: data.draw(st.integers(0, 2))]))
    for entry in [entries[0], *order]:
        for message in entry:
            feed.take(message)
    feed.deliver(feed.inbound.tick(10.0))
    assert feed.got == [(one.seq, one.payload) for entry in entries for one in entry]
    assert not feed.inbound.entries.waiting


def test_a_part_before_a_lost_connection_does_not_count() -> None:
    feed = Feed()
    feed.take(part(1, 0, more=False))
    feed.take(part(2, 0, more=True))
    assert feed.inbound.take_moved() == {"s": Position("e", 1)}
    feed.inbound.lost()
    feed.inbound.ready(0.0)
    feed.take(part(2, 0, more=True))
    feed.take(part(2, 1, more=False))
    assert feed.got == [(1, 0), (2, 0), (2, 1)]


def test_a_snapshot_drops_the_entries_that_it_has() -> None:
    feed = Feed()
    feed.take(part(1, 0, more=False))
    feed.take(part(3, 0, more=True))
    feed.take(part(3, 1, more=False))
    feed.take(part(5, 0, more=True))
    is_new, following = feed.inbound.snapshot("s", Position("e", 4))
    feed.deliver(following)
    assert is_new
    feed.take(part(5, 1, more=False))
    assert feed.got == [(1, 0), (5, 0), (5, 1)]
    assert not feed.inbound.entries.waiting


def test_too_many_messages_that_wait_are_a_gap() -> None:
    feed = Feed()
    feed.take(part(1, 0, more=False))
    for number in range(10_001):
        feed.take(part(2, number, more=True))
    assert [(it.stream, it.expected, it.got) for it in feed.inbound.take_gaps()] == [("s", 2, 3)]
    assert not feed.inbound.entries.waiting


def test_too_many_characters_that_wait_are_a_gap() -> None:
    inbound = Inbound()
    inbound.accept(part(1, 0, more=False), 0.0)
    for number in range(64):
        assert inbound.gather(part(2, number, more=True), 0.0, 2**20) == []
    assert inbound.take_gaps() == []
    assert inbound.gather(part(2, 64, more=True), 0.0, 1) == []
    assert [(it.stream, it.expected, it.got) for it in inbound.take_gaps()] == [("s", 2, 3)]
    assert not inbound.entries.waiting


def test_an_entry_without_room_takes_no_effect_in_part() -> None:
    feed = Feed()
    feed.take(part(1, 0, more=False))
    # The next entry is whole before this one, and waits for it.
    feed.take(part(3, 0, more=True))
    feed.take(part(3, 1, more=False))
    got: list[Envelope[Any]] = []
    for number in range(10_002):
        got += feed.inbound.gather(part(2, number, more=True))
    assert [(one.seq, one.payload) for one in got] == [(3, 0), (3, 1)]
    feed.take(part(2, 10_002, more=False))
    feed.take(part(4, 0, more=False))
    assert feed.got == [(1, 0), (4, 0)]
    assert not feed.inbound.entries.waiting


def test_rejected_messages_of_entries_without_an_end_have_a_bound() -> None:
    entries = Entries()
    for seq in range(10_001):
        entries.begin("s", "e", seq)
    assert len(entries.waiting) == 10_000


def test_a_rejected_message_of_an_entry_costs_itself_alone() -> None:
    entries = Entries()
    entries.begin("s", "e", 1)
    assert entries.last("s", "e", 1) is None
    assert not entries.waiting
    entries.add(part(1, 0, more=True))
    last = entries.last("s", "e", 1)
    assert last is not None
    assert entries.whole([last]) == [last]


@simulate
async def test_a_service_delivers_an_entry_in_one_commit_also_with_a_bad_message_in_it() -> None:
    types: Registry = protocol_v1()
    types.message("part")(Part)
    async with World() as world:
        scripted = await world.server(registry=types)
        service = world.service(registry=types)
        got: list[int] = []
        service.on("part", lambda envelope: got.append(envelope.payload.number))
        await service.connect()
        await service.wait_connected()
        await world.settle()
        rows = [(1, 0, False), (2, 1, True), (2, "bad", True), (2, 2, True), (2, "bad", False)]
        rows += [(3, "bad", True), (3, 3, False), (4, 4, False)]
        for seq, value, more in rows:
            place = {"stream": "s", "epoch": "e", "seq": seq}
            frame = {
                "type": "part",
                "payload": {"number": value},
                **place,
                **({"more": True} if more else {}),
            }
            scripted.send_frame(json.dumps(frame))
        await world.settle()
        assert got == [0, 1, 2, 3, 4]
        assert service.positions.get()["s"] == Position("e", 4)
        await service.disconnect()
