"""The registry: control messages only at first, own types, own ids, and the application's own state in snapshots."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest
from msgspec import Struct

from reactive_ws.errors import UsageError
from reactive_ws.testing import World, simulate
from reactive_ws.wire import (
    Envelope,
    Guarantee,
    JsonCodec,
    Position,
    Registry,
    Snapshot,
    protocol_v1,
)

TYPES = protocol_v1()


@TYPES.message("order.add", guarantee=Guarantee.AT_LEAST_ONCE, identity=attrgetter("number"))
class OrderAdd(Struct, frozen=True):
    number: str


@TYPES.snapshot
class Orders(Snapshot, frozen=True):
    numbers: tuple[str, ...] = ()


def test_a_program_that_registers_nothing_knows_control_messages_only() -> None:
    assert list(Registry()) == []
    assert {row.name for row in protocol_v1()} == {
        "auth",
        "auth.ok",
        "error",
        "goaway",
        "hello",
        "message.received",
        "ping",
        "pong",
        "resume",
        "resumed",
        "snapshot",
        "subscribe",
        "subscribed",
        "sync",
        "unsubscribe",
        "unsubscribed",
    }


def test_a_type_of_the_program_is_in_its_own_registry_only() -> None:
    assert TYPES.of(OrderAdd).name == "order.add"
    assert protocol_v1().get("order.add") is None
    snapshots = protocol_v1().get("snapshot")
    assert snapshots is not None
    assert snapshots.payload is Snapshot


def test_a_snapshot_is_decoded_as_the_class_of_the_application() -> None:
    frame = (
        '{"type": "snapshot", "payload": {"stream": "s", "epoch": "e", "seq": 7, "numbers": ["a"]}}'
    )
    assert JsonCodec(TYPES).decode(frame).payload == Orders("s", "e", 7, ("a",))
    assert JsonCodec().decode(frame).payload == Snapshot("s", "e", 7)


def test_the_class_of_a_snapshot_must_have_its_position() -> None:
    class Bare(Struct, frozen=True):
        numbers: tuple[str, ...] = ()

    with pytest.raises(UsageError, match=r"Bare must be a subclass of reactive_ws\.wire\.Snapshot"):
        protocol_v1().snapshot(Bare)  # type: ignore[type-var]


def test_a_guarantee_that_is_none_is_refused_with_what_to_write() -> None:
    with pytest.raises(
        UsageError, match=r"'order.add' is 'at least once'; write one of .*Guarantee.AT_LEAST_ONCE"
    ):
        protocol_v1().message("order.add", guarantee="at least once")(OrderAdd)  # type: ignore[arg-type]


def test_a_registry_that_shares_its_tables_keeps_its_own_snapshots() -> None:
    copied = TYPES.copy()

    @copied.snapshot
    class Others(Snapshot, frozen=True):
        pass

    assert (TYPES.of(Orders).payload, copied.of(Others).payload) == (Orders, Others)


@simulate
async def test_a_message_goes_out_under_the_id_that_its_payload_has() -> None:
    async with World() as world:
        server, service = await world.server(registry=TYPES), world.service(registry=TYPES)
        await service.connect()
        await service.wait_connected(10)
        assert (await service.send(OrderAdd("n-1"))).value == "acknowledged"
        assert [effect.id for effect in server.effects] == ["n-1"]
        await service.send("order.add", {"number": "n-2"})
        assert server.effects[1].id != "n-2"


@simulate
async def test_a_snapshot_of_the_application_moves_its_stream_and_reaches_its_handler() -> None:
    async with World() as world:
        server, service = await world.server(registry=TYPES), world.service(registry=TYPES)
        seen: list[Any] = []
        service.on(Orders, seen.append)
        await service.connect()
        await service.wait_connected(10)
        server.send(Envelope("snapshot", Orders("orders", "e", 3, ("a", "b"))))
        await world.settle()
        assert seen == [Orders("orders", "e", 3, ("a", "b"))]
        assert service.positions.get()["orders"] == Position("e", 3)
