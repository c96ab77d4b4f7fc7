"""A service behind nginx, which drops idle connections, loses its upstream, and reloads."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from integration.peers.foreign import Nginx, Peer
from integration.peers.observing import Observed

from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.errors import ConnectionLost, HandshakeRefused


async def test_an_idle_connection_is_dropped_unless_the_heartbeat_is_shorter(
    make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer("nginx", read_timeout="1s")
    await peer.start()
    silent = Observed(peer.url, heartbeat=None)
    lively = Observed(peer.url, heartbeat=Heartbeat(interval=0.3, timeout=5.0))
    async with silent.service, lively.service:
        await silent.service.wait_connected(60)
        await lively.service.wait_connected(60)
        connected = silent.service.connection.get().since
        lost = await silent.lost()
        await silent.back()
        assert lively.states == ["CLOSED", "CONNECTING", "CONNECTED"]
    assert isinstance(lost.error, ConnectionLost)
    assert lost.error.code == 1006
    idle = lost.since - connected
    # nginx counts from the last byte that it forwarded, which is before the client has read it.
    assert 0.5 < idle < 30.0
    seen = "1006, no close frame"
    event = "no traffic, proxy_read_timeout 1 s"
    measured("nginx", event, seen, f"{idle:.3f} s", "-", "-")


async def test_a_dead_upstream_is_a_502_until_it_is_back_and_nothing_promised_is_lost(
    make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer("nginx")
    assert isinstance(peer, Nginx)
    await peer.start()
    observed = Observed(peer.url)
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        flow = asyncio.create_task(observed.flow())
        await asyncio.sleep(0.1)
        began = loop.time()
        peer.upstream.signal(signal.SIGKILL)
        lost = await observed.lost()
        await peer.upstream.ended()
        await service.connection.select().wait_for(lambda record: record.attempt >= 3, 60)
        again = loop.time()
        await peer.upstream.start()
        back = await observed.back() - again
        flow.cancel()
        ids = await observed.acknowledged()
    assert await peer.received() == ids
    first, *later = [event.exception for event in observed.errors]
    assert isinstance(first, ConnectionLost)
    assert first.code == 1006
    statuses = {error.status for error in later if isinstance(error, HandshakeRefused)}
    assert len(later) >= 2
    assert [type(error) for error in later] == [HandshakeRefused] * len(later)
    assert statuses == {502}
    detected, count = f"{lost.since - began:.3f} s", f"0 of {len(ids)}"
    seen = "1006, no close frame, then HTTP 502"
    measured("nginx", "upstream SIGKILL", seen, detected, f"{back:.2f} s", count)


async def test_a_reload_ends_connections_of_the_old_worker_and_nothing_promised_is_lost(
    make_peer: Callable[..., Peer], measured: Callable[..., None]
) -> None:
    peer = make_peer("nginx")
    assert isinstance(peer, Nginx)
    await peer.start()
    observed = Observed(peer.url)
    loop = asyncio.get_running_loop()
    async with observed.service as service:
        await service.wait_connected(60)
        flow = asyncio.create_task(observed.flow())
        await asyncio.sleep(0.1)
        began = loop.time()
        peer.reload()
        lost = await observed.lost()
        back = await observed.back() - lost.since
        await asyncio.sleep(0.1)
        flow.cancel()
        ids = await observed.acknowledged()
    assert await peer.received() == ids
    assert isinstance(lost.error, ConnectionLost)
    assert lost.error.code == 1006
    detected, count = f"{lost.since - began:.3f} s", f"0 of {len(ids)}"
    event = "reload, worker_shutdown_timeout 0.5 s"
    measured("nginx", event, "1006, no close frame", detected, f"{back:.2f} s", count)
