"""The strategies reach everything they promise, and what they draw is valid; the garbage is not."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from random import Random, SystemRandom
from typing import Any, Literal

import attrs
import msgspec
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from msgspec import Struct, inspect

from reactive_ws.connection.backoff import Backoff
from reactive_ws.errors import MessageRejected
from reactive_ws.stores.wire.chat import agent_chat
from reactive_ws.testing import Heal, Simulation, Timed, simulate
from reactive_ws.testing.generating import strategies
from reactive_ws.testing.generating.garbage import (
    GARBAGE,
    Garbage,
    missing_fields,
    wire_garbage,
    wrong_types,
)
from reactive_ws.testing.generating.schema import sample, wire_values
from reactive_ws.wire import MessageReceived
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import MessageType, Registry, protocol_v1

thousand = settings(max_examples=1_000, derandomize=True, database=None)
some = settings(max_examples=200, derandomize=True, database=None)


def optional_fields(kind: inspect.Type, path: str) -> Iterator[str]:
    """Yields the path of every field that may be left out, at any depth."""
    match kind:
        case inspect.UnionType():
            for member in kind.types:
                yield from optional_fields(member, path)
        case inspect.DictType():
            yield from optional_fields(kind.value_type, path)
        case inspect.VarTupleType():
            yield from optional_fields(kind.item_type, path)
        case inspect.StructType():
            for field in kind.fields:
                if not field.required:
                    yield f"{path}.{field.encode_name}"
                yield from optional_fields(field.type, f"{path}.{field.encode_name}")
        case _:
            pass


def presence(kind: inspect.Type, value: Any, path: str) -> Iterator[tuple[str, bool]]:
    """Yields the path of every field that may be left out, and whether this value has it."""
    match kind:
        case inspect.UnionType():
            for member in kind.types:
                yield from presence(member, value, path)
        case inspect.DictType() if isinstance(value, dict):
            for inner in value.values():
                yield from presence(kind.value_type, inner, path)
        case inspect.VarTupleType() if isinstance(value, list):
            for inner in value:
                yield from presence(kind.item_type, inner, path)
        case inspect.StructType() if isinstance(value, dict):
            for field in kind.fields:
                inside = f"{path}.{field.encode_name}"
                if not field.required:
                    yield inside, field.encode_name in value
                if field.encode_name in value:
                    yield from presence(field.type, value[field.encode_name], inside)
        case _:
            pass


def reach_everything(chosen: int) -> None:
    registry = agent_chat()
    kinds = {row.name: inspect.type_info(row.payload) for row in registry}
    seen_types: Counter[str] = Counter()
    seen: dict[str, set[bool]] = defaultdict(set)

    @seed(chosen)
    @settings(max_examples=1_000, derandomize=False, database=None)
    @given(strategies.wire_objects(registry=registry))
    def collect(message: dict[str, Any]) -> None:
        name = message["type"]
        seen_types[name] += 1
        for field in ("channel", "id", "timestamp", "redelivered", "stream"):
            seen[field].add(field in message)
        if "payload" in message:
            for path, is_present in presence(kinds[name], message["payload"], name):
                seen[path].add(is_present)

    collect()
    wanted = {path for name, kind in kinds.items() for path in optional_fields(kind, name)}
    assert len(wanted) > 30
    assert set(seen_types) == set(kinds)
    assert [path for path in sorted(wanted) if seen[path] != {True, False}] == []
    assert [path for path, kinds_seen in seen.items() if kinds_seen != {True, False}] == []


def test_a_thousand_messages_have_every_type_and_every_optional_field_present_and_absent() -> None:
    reach_everything(0)


@pytest.mark.deep
@pytest.mark.parametrize("number", range(20))
def test_they_have_it_from_any_seed(number: int) -> None:
    reach_everything(SystemRandom().randrange(2**32))


def test_a_thousand_close_codes_have_every_class() -> None:
    seen: Counter[str] = Counter()

    def kind(code: int) -> str:
        names = {1009: "too big", 1013: "overload", 3008: "overload", 4008: "overload"}
        names |= {4429: "overload", 3000: "token", 4001: "token", 4401: "token"}
        names |= dict.fromkeys((1002, 1003, 1007, 1008, 1010, 3003, 4003, 4403), "fatal by name")
        names |= {1000: "normal", 1001: "going away"}
        return names.get(code) or {1: "standard", 3: "registered"}.get(
            code // 1000, "private, retry" if code < 4500 else "private, fatal"
        )

    @thousand
    @given(strategies.close_codes())
    def collect(code: int) -> None:
        assert code not in (1004, 1005, 1006, 1015)
        assert 1000 <= code <= 1014 or 3000 <= code <= 4999
        seen[kind(code)] += 1

    collect()
    assert sorted(seen) == sorted(
        {kind(code) for code in (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))}
    )


def test_a_thousand_frames_of_garbage_have_every_row() -> None:
    seen: Counter[str] = Counter()
    codec = JsonCodec()

    @thousand
    @given(wire_garbage())
    def collect(garbage: Garbage) -> None:
        seen[garbage.row] += 1
        try:
            envelope = codec.decode(garbage.frame)
        except MessageRejected:
            return
        assert isinstance(envelope, Envelope)

    collect()
    assert set(seen) == set(GARBAGE)
    assert {
        "deep nesting", "huge integer", "not a number", "overflowing number", "lone surrogate",
        "duplicate keys", "byte order mark", "utf-16 or utf-32", "wrong type", "truncated", "mutated",
    } <= set(GARBAGE)  # fmt: skip


def test_every_field_of_every_type_has_frames_with_a_wrong_type() -> None:
    fields = {each.detail.rpartition(" is ")[0] for each in wrong_types()}
    for row in protocol_v1():
        for field in msgspec.json.decode(json.dumps(sample(row.payload))):
            if row.payload is MessageReceived and field == "reply":
                # Any JSON value is one.
                continue
            assert f"{row.name}: payload.{field}" in fields
        for field in ("type", "channel", "id", "stream", "epoch", "seq", "timestamp"):
            assert f"{row.name}: {field}" in fields


@pytest.mark.parametrize("source", [wrong_types, missing_fields])
def test_wrong_types_and_missing_fields_are_really_wrong(source: Any) -> None:
    codec = JsonCodec()
    accepted: list[str] = []
    for garbage in source():
        try:
            envelope = codec.decode(garbage.frame)
        except MessageRejected:
            continue
        if not envelope.problems and envelope.type in protocol_v1():
            accepted.append(garbage.detail)
    # A codec may read a position or flag of the envelope more kindly; a payload of another type it may not.
    assert [detail for detail in accepted if "payload" in detail] == []


@some
@given(strategies.wire_text())
def test_valid_text_is_decoded_without_repairs(text: str) -> None:
    assert JsonCodec().decode(text).problems == ()


@some
@given(strategies.wire_bytes("message.*"))
def test_a_pattern_chooses_types(data: bytes) -> None:
    assert json.loads(data)["type"].startswith("message.")


def test_a_pattern_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no message type fits 'mesage"):
        strategies.messages("mesage.*")


@some
@given(strategies.envelopes())
def test_envelopes_survive_the_codec(envelope: Envelope[Any]) -> None:
    codec = JsonCodec()
    assert codec.decode(codec.encode(envelope)) == envelope


class Color(Struct, frozen=True):
    name: Literal["red", "blue"]
    strength: int = 5
    inner: tuple[Color, ...] = ()


@attrs.frozen
class Order:
    number: int
    colors: list[Color]
    when: datetime | None = None
    pair: tuple[int, str] = (0, "")


def test_own_types_are_drawn_from_their_classes() -> None:
    registry = Registry()
    registry.message("order.made")(Order)
    has_inner: set[bool] = set()

    @some
    @given(strategies.messages(registry=registry))
    def collect(made: Any) -> None:
        assert isinstance(made, Order)
        has_inner.add(any(color.inner for color in made.colors))

    collect()
    assert has_inner == {True, False}


@some
@given(wire_garbage(Registry((MessageType("order.made", Order),))))
def test_garbage_of_own_types_is_drawn_too(garbage: Garbage) -> None:
    assert garbage.row in GARBAGE


@some
@given(wire_values(Order))
def test_wire_values_of_own_types_convert(value: Any) -> None:
    assert isinstance(msgspec.convert(value, Order), Order)


def test_a_type_without_a_json_form_is_refused() -> None:
    class Odd(Struct):
        value: complex

    with pytest.raises(TypeError, match="no JSON form"):
        wire_values(Odd)


class EchoServer(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Listener(asyncio.Protocol):
    def __init__(self) -> None:
        self.heard = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        if not self.heard.done():
            self.heard.set_result(data[:1])


@some
@given(strategies.fault_plans())
def test_a_network_survives_every_fault_plan_and_heals(plan: tuple[Timed, ...]) -> None:
    assert [step.at for step in plan] == sorted(step.at for step in plan)

    @simulate
    async def run() -> bytes:
        loop, network = asyncio.get_running_loop(), Simulation.current().network
        await loop.create_server(EchoServer, "server", 1)
        network.play(plan)
        await asyncio.sleep(121)
        network.apply(Heal())
        transport, listener = await loop.create_connection(Listener, "server", 1)
        transport.write(b"hello")
        return bytes(await listener.heard)

    assert run() == b"h"


@some
@given(strategies.backoff_settings(), strategies.seeds())
def test_backoff_settings_stay_below_their_cap(backoff: Backoff, seed: int) -> None:
    delays = list(itertools.islice(backoff.delays(Random(seed)), 20))
    assert all(0 <= delay <= backoff.cap for delay in delays)


def test_mischiefs_reach_every_kind() -> None:
    seen: set[str] = set()

    @some
    @given(strategies.mischiefs("session.*"))
    def collect(mischief: Any) -> None:
        seen.add(type(mischief).__name__)

    collect()
    assert seen == {"Drop", "Duplicate", "Delay", "Reorder", "Mute", "DieAfter"}


def test_fault_plans_reach_every_fault() -> None:
    seen: set[str] = set()

    @some
    @given(st.lists(strategies.faults(), min_size=5, max_size=10))
    def collect(drawn: list[Any]) -> None:
        seen.update(type(fault).__name__ for fault in drawn)

    collect()
    assert len(seen) == 11
