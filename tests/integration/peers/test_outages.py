"""Every peer is stopped, killed and paused under a steady flow of messages: seen, survived, and nothing promised lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest
from integration.peers.foreign import PEERS, Peer
from integration.peers.observing import HEARTBEAT, Observed

from reactive_ws.connection.record import Connection
from reactive_ws.errors import ConnectionLost, HeartbeatTimeout

EXPECTED: dict[tuple[str, str], int | None] = {
    ("ws", "SIGTERM"): 1001,
    ("ws", "SIGKILL"): 1006,
    ("ws", "SIGSTOP"): None,
    ("ws", "SIGSTOP, SIGKILL"): None,
    ("uvicorn", "SIGTERM"): 1012,
    ("uvicorn", "SIGKILL"): 1006,
    ("uvicorn", "SIGSTOP"): None,
    ("uvicorn", "SIGSTOP, SIGKILL"): None,
    ("nginx", "SIGTERM"): 1006,
    ("nginx", "SIGKILL"): 1006,
    ("nginx", "SIGSTOP"): None,
    ("nginx", "SIGSTOP, SIGKILL"): None,
    ("hub", "SIGTERM"): 1001,
    ("hub", "SIGKILL"): 1006,
    ("hub", "SIGSTOP"): None,
    ("hub", "SIGSTOP, SIGKILL"): None,
}
"""The close code that each peer shows for each signal; None where only the heartbeat tells."""

PAUSED = 0.5


def code_of(record: Connection) -> int | None:
    error = record.error
    if isinstance(error, HeartbeatTimeout):
        return None
    assert isinstance(error, ConnectionLost)
    return error.code


def shown(code: int | None) -> str:
    names = {None: "nothing; heartbeat timeout", 1006: "1006, no close frame"}
    return names.get(code, str(code))


def test_every_peer_and_signal_is_expected() -> None:
    signals = ("SIGTERM", "SIGKILL", "SIGSTOP", "SIGSTOP, SIGKILL")
    assert set(EXPECTED) == {(peer, name) for peer in PEERS for name in signals}


@pytest.mark.parametrize(("name", "event"), EXPECTED)
async def test_an_outage_is_seen_and_nothing_promised_is_lost(
    name: str, event: str, make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer(name)
    await peer.start()
    observed = Observed(peer.url)
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        flow = asyncio.create_task(observed.flow())
        await asyncio.wait_for(
            observed.deliveries[0] if observed.deliveries else observed.chat(), 60
        )

        began = loop.time()
        first, *then = event.split(", ")
        peer.signal(signal.Signals[first])
        lost = await observed.lost()
        detected = lost.since - began

        if event == "SIGSTOP":
            await asyncio.sleep(PAUSED)
            again = loop.time()
            peer.signal(signal.SIGCONT)
        else:
            for number in then:
                peer.signal(signal.Signals[number])
            await peer.ended()
            again = loop.time()
            await peer.start()
        back = await observed.back() - again

        # Some more, to see that the new connection carries messages beside what waited.
        sent = len(observed.deliveries)
        while len(observed.deliveries) <= sent:
            await asyncio.sleep(0.01)
        flow.cancel()
        ids = await observed.acknowledged()

    assert await peer.received() == ids
    assert code_of(lost) == EXPECTED[name, event]
    assert observed.states == [
        "CLOSED",
        "CONNECTING",
        "CONNECTED",
        "DISCONNECTED",
        "RECONNECTING",
        "CONNECTED",
        "CLOSED",
    ]
    if EXPECTED[name, event] is None:
        # A ping may have gone out before; on a slow machine its answer was under way when the peer stood still.
        assert HEARTBEAT.timeout / 2 < detected < HEARTBEAT.interval + HEARTBEAT.timeout + 10.0
    else:
        assert detected < 30.0
    count = f"0 of {len(ids)}"
    measured(name, event, shown(code_of(lost)), f"{detected:.3f} s", f"{back:.2f} s", count)


async def test_a_server_that_says_when_to_come_back_is_not_dialled_before(
    make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer("hub", goaway=0.5)
    await peer.start()
    observed = Observed(peer.url)
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        flow = asyncio.create_task(observed.flow())
        await asyncio.sleep(0.1)
        began = loop.time()
        peer.signal(signal.SIGTERM)
        lost = await observed.lost()
        await peer.ended()
        await peer.start()
        back = await observed.back()
        flow.cancel()
        ids = await observed.acknowledged()
    assert await peer.received() == ids
    assert "come back later" in (lost.cause or "")
    after = observed.records[observed.records.index(lost) + 1]
    assert after.next_retry_at is not None
    assert after.next_retry_at - lost.since >= 0.5
    seen, count = "goaway, then 1001", f"0 of {len(ids)}"
    detected = f"{lost.since - began:.3f} s"
    measured("hub --goaway 0.5", "SIGTERM", seen, detected, f"{back - lost.since:.2f} s", count)
