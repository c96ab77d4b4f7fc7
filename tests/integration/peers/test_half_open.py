"""A peer that stands still: its kernel goes on accepting connections and bytes, so nothing but time tells."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest
from integration.peers.foreign import PEERS, Peer
from integration.peers.observing import HEARTBEAT, Observed

from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import DialFailed, HeartbeatTimeout
from reactive_ws.stores.wire.chat import Message, MessageSend


@pytest.mark.parametrize("name", PEERS)
async def test_disconnecting_from_a_paused_peer_is_prompt_and_leaves_nothing(
    name: str, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(name)
    await peer.start()
    before = asyncio.all_tasks()
    observed = Observed(peer.url, heartbeat=None, close_timeout=0.3)
    loop = asyncio.get_running_loop()
    await observed.service.connect()
    await observed.service.wait_connected(60)
    peer.signal(signal.SIGSTOP)
    began = loop.time()
    await observed.service.disconnect()
    # Far from the ten seconds of a polite close, and from a machine that is slow.
    assert loop.time() - began < 8.0
    assert observed.states == ["CLOSED", "CONNECTING", "CONNECTED", "CLOSED"]
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("name", PEERS)
async def test_a_full_write_buffer_does_not_hide_that_the_peer_is_gone(
    name: str, make_peer: Callable[..., Peer]
) -> None:
    peer = make_peer(name)
    await peer.start()
    observed = Observed(peer.url)
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        # The link shows how fast it is. Before that, unconfirmed bytes are granted 4 KiB a second.
        for number in range(10):
            message = Message(f"m{number}", "s", "user", "x" * 60_000, 0)
            observed.deliveries.append(service.send(MessageSend("s", message)))
        await observed.acknowledged()
        peer.signal(signal.SIGSTOP)
        began = loop.time()
        for _ in range(40):
            # Far more than the window: the writer stands still, and the pings behind it.
            service.send("bulk", {"text": "x" * 60_000})
        lost = await observed.lost()
        detected = lost.since - began
        await service.disconnect()
    assert isinstance(lost.error, HeartbeatTimeout)
    assert detected < HEARTBEAT.interval + HEARTBEAT.timeout + 10.0


async def test_dialling_a_paused_peer_ends_with_the_dial_timeout_again_and_again(
    make_peer: Callable[..., Peer],
) -> None:
    peer = make_peer("ws")
    await peer.start()
    observed = Observed(peer.url, dial_timeout=0.2)
    peer.signal(signal.SIGSTOP)
    async with observed.service as service:
        await service.connection.select().wait_for(lambda record: record.attempt >= 3, 60)
        peer.signal(signal.SIGCONT)
        await service.wait_connected(60)
        assert service.state is ConnectionState.CONNECTED
    failures = [event.exception for event in observed.errors]
    assert len(failures) >= 3
    assert {type(failure) for failure in failures} == {DialFailed}
    assert all("within 0.2 s" in str(failure) for failure in failures)
    assert observed.states == [
        "CLOSED",
        "CONNECTING",
        "DISCONNECTED",
        "RECONNECTING",
        "CONNECTED",
        "CLOSED",
    ]
