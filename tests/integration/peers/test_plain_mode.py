"""Servers that know nothing of protocol v1: any JSON goes both ways, and the ends of their connections are understood."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from integration.peers.foreign import Peer
from integration.peers.observing import HEARTBEAT, Observed

from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import ConnectionLost, HandshakeRefused, HeartbeatTimeout, Unauthorized
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.wire.envelope import Envelope

PLAIN = ["ws", "uvicorn"]


class Echoes:
    """Sends numbers to a plain server and records the payloads that it repeats."""

    def __init__(self, observed: Observed) -> None:
        self.service = observed.service
        self.heard: list[Any] = []
        self.service.on("echo", self.hear)

    def hear(self, envelope: Envelope[Any]) -> None:
        self.heard.append(envelope.payload)

    async def exchange(self, number: int) -> None:
        delivery = self.service.send("echo", {"n": number})
        async with asyncio.timeout(60):
            while {"n": number} not in self.heard:
                await asyncio.sleep(0.005)
        # Written, not acknowledged: nothing more can be known of such a server.
        assert delivery.status is DeliveryStatus.SENT


async def test_a_default_ws_server_which_repeats_the_offered_subprotocol_is_plain(
    make_peer: Callable[..., Peer],
) -> None:
    peer = make_peer("ws", selecting="default")
    await peer.start()
    # It says nothing by itself, so the client waits for half a dial timeout and then asks.
    observed = Observed(peer.at("/plain"), dial_timeout=2.0)
    echoes = Echoes(observed)
    async with observed.service as service:
        await service.wait_connected(60)
        await echoes.exchange(0)
        assert service.metrics.get().dials == 1
    (said,) = [str(event.exception) for event in observed.errors]
    assert "JsonCodec(subprotocol=None)" in said


@pytest.mark.parametrize("name", PLAIN)
async def test_json_goes_both_ways_before_and_after_a_kill(
    name: str, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(name)
    await peer.start()
    observed = Observed(peer.at("/plain"))
    echoes = Echoes(observed)
    async with observed.service as service:
        await service.wait_connected(60)
        for number in range(3):
            await echoes.exchange(number)
        peer.signal(signal.SIGKILL)
        lost = await observed.lost()
        waiting = service.send("echo", {"n": 3})
        assert waiting.status is DeliveryStatus.QUEUED
        await peer.ended()
        await peer.start()
        await observed.back()
        await echoes.exchange(4)
    assert echoes.heard == [{"n": number} for number in range(5)]
    assert isinstance(lost.error, ConnectionLost)
    assert lost.error.code == 1006


@pytest.mark.parametrize("name", PLAIN)
async def test_the_protocols_own_pings_find_a_server_that_stands_still(
    name: str, make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer(name)
    await peer.start()
    observed = Observed(peer.at("/plain"))
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        # Long enough for some pings: a server that answers them is left alone.
        await asyncio.sleep(3 * HEARTBEAT.interval)
        assert service.is_connected
        began = loop.time()
        peer.signal(signal.SIGSTOP)
        lost = await observed.lost()
        detected = lost.since - began
        again = loop.time()
        peer.signal(signal.SIGCONT)
        back = await observed.back() - again
    assert isinstance(lost.error, HeartbeatTimeout)
    assert detected < HEARTBEAT.interval + HEARTBEAT.timeout + 10.0
    shown = "nothing; heartbeat timeout"
    measured(f"{name}, plain", "SIGSTOP", shown, f"{detected:.3f} s", f"{back:.2f} s", "-")


@pytest.mark.parametrize(
    ("name", "order", "code"),
    [
        ("ws", "close without code", 1005),
        ("ws", "terminate", 1006),
        ("uvicorn", "close", 1000),
        ("uvicorn", "return", 1006),
        ("uvicorn", "raise", 1006),
    ],
)
async def test_the_ends_that_servers_give_a_connection_are_told_apart_and_survived(
    name: str, order: str, code: int, make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer(name)
    await peer.start()
    observed = Observed(peer.at("/plain"))
    echoes = Echoes(observed)
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        began = loop.time()
        service.send(order)
        lost = await observed.lost()
        back = await observed.back() - lost.since
        await echoes.exchange(1)
    assert isinstance(lost.error, ConnectionLost)
    assert lost.error.code == code
    seen = "1006, no close frame" if code == 1006 else str(code)
    detected = f"{lost.since - began:.3f} s"
    measured(f"{name}, plain", f"handler: {order}", seen, detected, f"{back:.2f} s", "-")


async def test_a_close_before_accept_is_an_http_403_and_asks_for_another_token(
    make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer("uvicorn")
    await peer.start()
    observed = Observed(peer.at("/refused"))
    async with observed.service as service:
        with pytest.raises(Unauthorized):
            await service.wait_connected(60)
        assert service.state is ConnectionState.ERROR
    refusals = [event.exception for event in observed.errors]
    assert [type(refusal) for refusal in refusals] == [HandshakeRefused]
    assert refusals[0].status == 403  # type: ignore[attr-defined]
    measured("uvicorn", "close(4401) before accept", "HTTP 403", "at once", "never", "-")
