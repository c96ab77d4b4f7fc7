"""A close that refuses something: a message is blamed only when nothing else can have been the cause."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from reactive_ws.connection import Heartbeat
from reactive_ws.errors import DeliveryFailed
from reactive_ws.outbox import DeliveryStatus, OutboxOptions
from reactive_ws.outbox.outgoing import Outgoing
from reactive_ws.outbox.queue import Outbox
from reactive_ws.service import WebSocketService
from reactive_ws.stores.wire.chat import SessionClose, agent_chat
from reactive_ws.testing import Peer, ScriptedServer, World, simulate
from reactive_ws.wire import Envelope, Guarantee

SURE, LOOSE = Guarantee.AT_LEAST_ONCE, Guarantee.AT_MOST_ONCE


# --- the outbox -----------------------------------------------------------------------------------------------------------


def outbox(*names: str) -> Outbox:
    box = Outbox(OutboxOptions(reconnect_after=60.0))
    box.online(has_acknowledgements=True)
    for name in names:
        box.offer(Envelope("t", None, id=name), name, SURE, 0.0)
    return box


def write(box: Outbox, position: int, now: float = 0.0) -> Outgoing:
    entry = box.take(now)
    assert entry is not None
    entry.position = position
    box.written(entry)
    return entry


@pytest.mark.parametrize("beside", [50, 200, math.inf])
def test_a_frame_that_the_server_has_not_confirmed_takes_the_blame_too(beside: float) -> None:
    box = outbox("a")
    box.wrote_beside(beside)
    entry = write(box, 100)
    box.lost(refusals=math.inf)
    assert not entry.delivery.is_final
    assert len(box) == 1


def test_a_frame_that_the_server_has_read_takes_no_blame() -> None:
    box = outbox("a")
    box.wrote_beside(50)
    box.confirmed(50, 0.0)
    entry = write(box, 100)
    box.lost(refusals=math.inf)
    assert entry.delivery.status is DeliveryStatus.FAILED


def test_an_acknowledgement_confirms_the_frames_before_its_message_and_no_later_one() -> None:
    box = outbox("a", "b", "c")
    box.wrote_beside(50)
    write(box, 100)
    box.acknowledge("a")
    second = write(box, 200)
    box.wrote_beside(250)
    box.acknowledge("b")
    third = write(box, 300)
    assert second.delivery.status is DeliveryStatus.ACKNOWLEDGED
    box.lost(refusals=math.inf)
    assert not third.delivery.is_final


def with_a_suspect() -> Outbox:
    """Returns an outbox whose message was cut off beside another frame, on a new connection that wrote 60 bytes beside it."""
    box = outbox("a")
    box.wrote_beside(50)
    write(box, 100)
    box.lost(refusals=math.inf)
    box.online(has_acknowledgements=True)
    box.wrote_beside(60)
    assert box.take(10.0) is None
    return box


def test_a_suspect_waits_until_the_server_has_read_what_was_written_before() -> None:
    box = with_a_suspect()
    assert box.is_held
    box.confirmed(59, 11.0)
    assert box.take(11.0) is None
    box.confirmed(60, 12.0)
    entry = write(box, 100, 12.0)
    assert not box.is_held
    box.lost(refusals=math.inf)
    assert entry.delivery.status is DeliveryStatus.FAILED


def test_a_connection_that_lives_on_has_taken_what_was_written_before() -> None:
    box = with_a_suspect()
    assert box.deadline == 70.0
    assert box.tick(70.0)
    entry = write(box, 100, 70.0)
    assert not box.is_held
    box.lost(refusals=math.inf)
    assert entry.delivery.status is DeliveryStatus.FAILED


def test_a_message_that_was_cut_off_beside_takes_the_blame_too() -> None:
    box = outbox("a")
    entry = write(box, 100)
    box.offer(Envelope("t", None, id="loose"), "loose", LOOSE, 0.0)
    loose = box.take(0.0)
    assert loose is not None
    loose.position = 150
    box.cut_off(loose)
    box.lost(refusals=math.inf)
    assert not entry.delivery.is_final


# --- the service ----------------------------------------------------------------------------------------------------------


class Judge:
    """Makes a server close with 1009 at messages of one type, a number of times, before they take effect."""

    def __init__(self, server: ScriptedServer, kind: str, times: float) -> None:
        self.closes = 0
        self.times = times
        self._kind = kind
        self._original = server._take_effect
        self._tasks: set[asyncio.Task[None]] = set()
        server._take_effect = self.judge  # type: ignore[method-assign]

    def judge(self, peer: Peer, message: Envelope[Any], *, is_silent: bool) -> None:
        if message.type != self._kind or self.closes >= self.times:
            self._original(peer, message, is_silent=is_silent)
            return
        self.closes += 1
        # What it has read besides has no effect.
        peer.is_aborted = True
        task = asyncio.get_running_loop().create_task(peer.close(1009))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def listen(service: WebSocketService) -> None:
    service.messages("news", subscribe=True).subscribe(lambda _: None)


@simulate
@pytest.mark.parametrize("kind", ["subscribe", "sync"])
@pytest.mark.parametrize("heartbeat", [Heartbeat(), None], ids=["heartbeat", "none"])
async def test_a_close_1009_for_a_control_frame_fails_no_message(
    kind: str, heartbeat: Heartbeat | None
) -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat(), heartbeat=heartbeat)
        await service.connect()
        await service.wait_connected()
        server.acknowledge_after = math.inf
        judge = Judge(server, kind, 3)
        delivery = service.send(SessionClose("s"))
        await world.settle()
        if kind == "sync":
            service.sync("app")
        else:
            listen(service)
        await world.settle()
        assert judge.closes == 1
        server.acknowledge_after = 0.0
        await world.advance(300)
        assert delivery.status is DeliveryStatus.ACKNOWLEDGED
        assert judge.closes == (1 if kind == "sync" else 3)
        assert len(server.effects) == 1


@simulate
@pytest.mark.parametrize("heartbeat", [Heartbeat(), None], ids=["heartbeat", "none"])
async def test_frames_written_at_ready_do_not_hide_the_message_that_the_server_refuses(
    heartbeat: Heartbeat | None,
) -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat(), heartbeat=heartbeat)
        listen(service)
        judge = Judge(server, "session.close", math.inf)
        bad = service.send(SessionClose("s"))
        await service.connect()
        with pytest.raises(DeliveryFailed, match="the server refused it"):
            await bad
        assert judge.closes <= 3
        judge.times = 0
        assert await service.send(SessionClose("t")) is DeliveryStatus.ACKNOWLEDGED


@simulate
async def test_a_message_that_was_alone_fails_at_the_first_close() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        judge = Judge(server, "session.close", math.inf)
        with pytest.raises(DeliveryFailed, match="the server refused it"):
            await service.send(SessionClose("s"))
        assert judge.closes == 1
