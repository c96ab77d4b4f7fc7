"""Garbage on the wire raises nothing, changes no store of the program, and does not make the client drop the connection."""

from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.connection.record import Metrics
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import agent_chat
from reactive_ws.testing import ClientSnapshot, World
from reactive_ws.testing.generating.garbage import GARBAGE, wire_garbage
from reactive_ws.testing.generating.profiles import PROFILES
from reactive_ws.wire.envelope import Envelope

HARMLESS = tuple(
    # A mutation or a second `type` may make a good message of another one; these rows cannot.
    row
    for row in GARBAGE
    if row not in ("mutated", "duplicate keys", "wrong type", "missing field", "trailing data")
)


@pytest.fixture(autouse=True)
def no_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def _withstand(frames: list[str | bytes], *, is_harmless: bool) -> None:
    with World() as world:
        server = world.run(world.server(registry=agent_chat()))
        service = world.service(max_size=2**20, registry=agent_chat())
        seen: Store[tuple[Any, ...]] = Store((), domain=world.domain)

        def take(envelope: Envelope[Any]) -> None:
            seen.update(lambda before: (*before, envelope))

        service.on("session.closed", take)
        world.call(service.connect)
        world.run(service.wait_connected(30))
        world.run(world.advance(2))  # metrics are shown once a second
        before, counted = ClientSnapshot.of(service, {"seen": seen}), service.metrics.get()
        for frame in filter(_can_be_sent, frames):
            world.call(lambda frame=frame: server.send_frame(frame))
        world.run(world.advance(2))
        world.run(world.settle())
        world.check()
        if is_harmless:
            assert service.is_connected
            assert len(server.connections) == 1
            assert ClientSnapshot.of(service, {"seen": seen}) == before
            assert attrs.evolve(service.metrics.get(), **_what_may_change(counted)) == counted


def _what_may_change(metrics: Metrics) -> dict[str, Any]:
    """Returns the metrics that count frames and errors, and the clocks."""
    names = (
        "messages_received",
        "bytes_received",
        "messages_rejected",
        "last_heartbeat_at",
        "connected_for",
    )
    return {name: getattr(metrics, name) for name in names}


def _can_be_sent(frame: str | bytes) -> bool:
    """A lone surrogate reaches a codec only in tests: no text frame can carry it."""
    try:
        return isinstance(frame, bytes) or bool(frame.encode()) or True
    except UnicodeEncodeError:
        return False


@settings(PROFILES["quick"], max_examples=100)
@given(
    st.lists(
        wire_garbage(rows=HARMLESS, registry=agent_chat()).map(lambda garbage: garbage.frame),
        max_size=10,
    )
)
def test_garbage_changes_nothing(frames: list[str | bytes]) -> None:
    _withstand(frames, is_harmless=True)


@settings(PROFILES["quick"], max_examples=100)
@given(
    st.lists(wire_garbage(registry=agent_chat()).map(lambda garbage: garbage.frame), max_size=10)
)
def test_no_garbage_raises(frames: list[str | bytes]) -> None:
    _withstand(frames, is_harmless=False)


@settings(PROFILES["quick"], max_examples=100)
@given(st.lists(st.binary(max_size=300), max_size=10))
def test_random_bytes_change_nothing(frames: list[str | bytes]) -> None:
    _withstand(frames, is_harmless=True)


@pytest.mark.deep
@settings(PROFILES["deep"], max_examples=10_000)
@given(
    st.lists(
        wire_garbage(rows=HARMLESS, registry=agent_chat()).map(lambda garbage: garbage.frame),
        min_size=10,
        max_size=10,
    )
)
def test_a_hundred_thousand_frames_of_garbage_change_nothing(frames: list[str | bytes]) -> None:
    _withstand(frames, is_harmless=True)
