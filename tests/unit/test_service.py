"""The service in virtual time: hours of waiting, exact moments, nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from websockets.asyncio.client import connect

from reactive_ws.connection.record import ConnectionState, ErrorEvent, ErrorKind, Phase
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import DeliveryFailed, GaveUp, MessageTooBig, ServiceClosed, UsageError
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.service.service import WebSocketService
from reactive_ws.state import derived
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import (
    Message,
    MessageResponse,
    MessageSend,
    SessionClose,
    SessionClosed,
    Typing,
    agent_chat,
)
from reactive_ws.testing import NEVER, BlackHole, Drop, ScriptedServer, Simulation, World, simulate
from reactive_ws.transport.credentials.authentication import FirstMessage, Header
from reactive_ws.wire.control import GoAway, Hello


def make(server: ScriptedServer | str = "ws://server:80/ws", **options: Any) -> WebSocketService:
    url = server if isinstance(server, str) else server.url
    return World().service(
        url,
        **{"registry": agent_chat(), "domain": Domain("test"), "rng": random.Random(7), **options},
    )


def now() -> float:
    return asyncio.get_running_loop().time()


def chat(number: int, size: int = 1) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x" * size, 0))


def problems(service: WebSocketService) -> list[ErrorEvent]:
    seen: list[ErrorEvent] = []
    service.errors.subscribe(seen.append)
    return seen


def trace(service: WebSocketService) -> list[str]:
    seen: list[str] = []
    service.connection.select(lambda c: c.state.name).subscribe(seen.append)
    return seen


@simulate
async def test_a_dead_connection_is_noticed_forty_seconds_after_it_became_ready() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        await service.connect()
        await service.wait_connected()
        ready = now()
        Simulation.current().network.apply(BlackHole())
        await service.connection.select(lambda c: c.state).wait_for(
            lambda state: state is ConnectionState.RECONNECTING
        )
        assert now() - ready == pytest.approx(40.0, abs=0.1)
        await service.disconnect()


@simulate
async def test_a_server_that_goes_on_to_publish_and_answers_no_ping_is_left() -> None:
    """Its reader hangs: what is sent to it is lost."""
    async with ScriptedServer(registry=agent_chat()) as server:
        server.answer("ping", None)
        service = make(server)
        await service.connect()
        await service.wait_connected()
        ready, lost = now(), list[float]()
        service.connection.select(lambda it: it.state).subscribe(
            lambda state: lost.append(now()) if state is ConnectionState.DISCONNECTED else None
        )
        while not lost:
            await asyncio.sleep(1)
            server.publish(MessageResponse("s", Message("m", "s", "a", "x", 0)))
        assert 40 < lost[0] - ready < 45
        await service.disconnect()


@simulate
async def test_an_accept_then_close_server_is_not_hammered() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        await service.connect()
        while now() < 600:
            await server.connected(len(server.connections) + 1, timeout=1000)
            await asyncio.sleep(0.5)
            await server.close(1000)
        assert len(server.connections) < 45
        await service.disconnect()


@simulate
async def test_a_hanging_dial_is_given_up_after_the_dial_timeout_and_leaks_nothing() -> None:
    service = make(max_attempts=1)
    async with ScriptedServer(registry=agent_chat()):
        Simulation.current().network.hang()
        await service.connect()
        with pytest.raises(GaveUp, match="within 10 s"):
            await service.wait_connected()
        assert 20.0 < now() < 22.0
        Simulation.current().network.heal()
        await service.disconnect()
    assert len(asyncio.all_tasks()) == 1


@simulate
async def test_waking_from_sleep_dials_anew_at_once() -> None:
    slept = 0.0
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server, suspended=lambda: slept)
        seen = trace(service)
        await service.connect()
        await service.wait_connected()
        await asyncio.sleep(100)
        assert seen == ["CLOSED", "CONNECTING", "CONNECTED"]
        slept = 28_800.0
        began = now()
        await server.connected(2)
        assert now() - began < 5.0 + 2.0 + 0.5
        await service.disconnect()


@simulate
async def test_disconnect_in_any_phase_leaves_no_task_and_no_timer() -> None:
    loop = asyncio.get_running_loop()
    async with ScriptedServer(registry=agent_chat()) as server:
        for phase in ("dialing", "backing off", "live", "draining", "at once"):
            server.acknowledge_after = NEVER if phase == "draining" else 0.0
            service = make(server if phase != "backing off" else "ws://nobody:1/")
            await service.connect()
            if phase == "live":
                await service.wait_connected()
            elif phase == "backing off":
                await service.connection.select().wait_for(lambda c: c.phase is Phase.BACKING_OFF)
            elif phase == "draining":
                service.send(chat(1))
            elif phase == "dialing":
                await asyncio.sleep(0.001)
            await service.disconnect(drain=3.0)
            assert service.state is ConnectionState.CLOSED
            assert [t for t in asyncio.all_tasks(loop) if "reactive_ws" in t.get_name()] == []
            left = [h for h in loop._scheduled if not h.cancelled()]  # type: ignore[attr-defined]
            assert [h for h in left if "reactive_ws." in repr(h) and "testing" not in repr(h)] == []
            assert service._domain.home is None


@simulate
async def test_disconnect_then_connect_then_a_drop_reconnects() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        await service.connect()
        await service.wait_connected()
        first = service.disconnect()
        await service.connect()
        await first
        await service.wait_connected()
        server.abort()
        await server.connected(3)
        await service.wait_connected()
        await service.disconnect()


@simulate
async def test_connecting_many_times_opens_one_socket() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        for _ in range(5):
            await service.connect()
        await service.wait_connected()
        await service.connect()
        await asyncio.sleep(60)
        assert len(server.connections) == 1
        await service.disconnect()


@simulate
async def test_a_disconnect_from_a_handler_ends_everything() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        got: list[str] = []

        def take(payload: MessageResponse) -> None:
            got.append(payload.message.id)
            service.disconnect()

        service.on(MessageResponse, take)
        await service.connect()
        await service.wait_connected()
        for n in range(3):
            server.publish(MessageResponse("s", Message(str(n), "s", "a", "x", 0)))
        await asyncio.sleep(1)
        assert service.state is ConnectionState.CLOSED
        assert got[0] == "0"
        await asyncio.sleep(100)
        assert len(server.connections) == 1


@simulate
async def test_an_observer_that_connects_again_when_closed_gets_its_connection() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        times = 0

        def again(state: ConnectionState) -> None:
            nonlocal times
            if state is ConnectionState.CLOSED and times < 3:
                times += 1
                if times > 1:
                    service.connect()

        service.connection.select(lambda c: c.state).subscribe(again)
        await service.connect()
        await service.wait_connected()
        service.disconnect()
        await asyncio.sleep(1)
        assert service.is_connected
        times = 3
        await service.disconnect()


@simulate
async def test_time_to_live_counts_from_the_send_also_before_the_first_connect() -> None:
    service = make()
    seen = problems(service)
    short = service.send(chat(1), time_to_live=5.0)
    await service.connect()
    await asyncio.sleep(6)
    assert short.status is DeliveryStatus.FAILED
    assert [e.source for e in seen if e.kind is ErrorKind.APPLICATION] == [
        "its time to live was over"
    ]
    await service.disconnect()


@pytest.mark.parametrize("is_online", [False, True], ids=["offline", "behind a blocked socket"])
@simulate
async def test_the_time_to_live_of_a_lonely_at_most_once_message_ends_at_its_moment(
    is_online: bool,
) -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server, heartbeat=None)
        if not is_online:
            Simulation.current().network.refuse()
        await service.connect()
        await asyncio.sleep(100)
        if is_online:
            Simulation.current().network.stall(100.0)
            # More than the socket takes: what comes after it waits.
            service.send("app.large", {"text": "x" * 900_000})
            await asyncio.sleep(1)
        began, moments = now(), list[tuple[str, float]]()
        short = service.send("app.note", {"n": 1}, time_to_live=5.0)
        short.stream.subscribe(lambda status: moments.append((status.value, now() - began)))
        await asyncio.sleep(30)
        assert moments == [("queued", 0.0), ("failed", pytest.approx(5.0))]
        await service.disconnect()


@contextlib.asynccontextmanager
async def taking_at_most_1000_bytes() -> AsyncGenerator[WebSocketService]:
    async with ScriptedServer(registry=agent_chat()) as server, make(server) as service:
        await service.wait_connected()
        server.send(Hello("epoch-1", max_size=1000))
        await asyncio.sleep(1)
        yield service


@simulate
async def test_a_promised_message_larger_than_the_server_takes_is_parked_alone() -> None:
    async with taking_at_most_1000_bytes() as service:
        problems: list[ErrorEvent] = []
        service.errors.subscribe(problems.append)
        big, small = service.send(chat(1, 2000)), service.send(chat(2))
        assert await small is DeliveryStatus.ACKNOWLEDGED
        await asyncio.sleep(1)
        assert [(it.id, it.is_parked) for it in service.outbox.get().entries] == [(big.id, True)]
        assert [type(it.exception) for it in problems] == [MessageTooBig]
        assert not big.is_final
        service.discard(big.id)


@simulate
async def test_another_message_larger_than_the_server_takes_fails_alone() -> None:
    async with taking_at_most_1000_bytes() as service:
        with pytest.raises(MessageTooBig):
            await service.send("note", "x" * 2000)
        assert await service.send(chat(2)) is DeliveryStatus.ACKNOWLEDGED


@simulate
async def test_the_limit_counts_bytes_whatever_the_letters() -> None:
    async with taking_at_most_1000_bytes() as service:
        letters = [service.send("note", letter * 600) for letter in "x\u00e9"]
        assert await letters[0] is DeliveryStatus.SENT
        with pytest.raises(MessageTooBig, match=r"1[34][0-9][0-9]"):
            await letters[1]


def test_ids_are_random_uuids() -> None:
    service = WebSocketService("ws://server/", domain=Domain("test"), registry=agent_chat())
    ids = [service.send("a.type").id for _ in range(100)]
    known = [uuid.UUID(identity) for identity in ids]
    assert [str(one) for one in known] == ids
    assert {(one.version, one.variant) for one in known} == {(4, uuid.RFC_4122)}
    assert len(set(ids)) == 100
    assert {identity[19] for identity in ids} == set("89ab")


@simulate
async def test_the_message_that_made_the_server_close_with_1009_is_found() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:

        def judge(
            peer: Any, message: Any, original: Any = server._take_effect, **more: Any
        ) -> None:
            if message.type == "message.send" and len(message.payload.message.content) > 10:
                asyncio.get_running_loop().create_task(peer.close(1009))
                server.misbehave_done = True  # type: ignore[attr-defined]
                peer.is_aborted = True
            else:
                original(peer, message, **more)

        server._take_effect = judge  # type: ignore[method-assign]
        service = make(server)
        async with service:
            await service.wait_connected()
            deliveries = [service.send(chat(n, 100 if n == 3 else 1)) for n in range(6)]
            done = await asyncio.gather(*deliveries, return_exceptions=True)
        assert [type(d) for d in done] == [DeliveryStatus] * 3 + [DeliveryFailed] + [
            DeliveryStatus
        ] * 2


@simulate
async def test_a_fresh_token_goes_out_in_place_with_first_message_and_else_by_reconnecting() -> (
    None
):
    calls = 0

    def provider() -> str:
        nonlocal calls
        calls += 1
        return f"t{calls}"

    async with ScriptedServer(registry=agent_chat()) as server:
        first = make(server, auth=FirstMessage(provider))
        async with first:
            await first.wait_connected()
            first.refresh_token()
            await asyncio.sleep(1)
            tokens = [m.payload.token for m in server.received if m.type == "auth"]
            assert (tokens, len(server.connections)) == (["t1", "t2"], 1)
        server.acknowledge_after = NEVER
        second = make(server, auth=Header(provider))
        async with second:
            await second.wait_connected()
            waiting = second.send(chat(1))
            await asyncio.sleep(1)
            server.acknowledge_after = 0.0
            second.refresh_token()
            assert await waiting is DeliveryStatus.ACKNOWLEDGED
        assert [h["Authorization"] for _, h in server.requests if "Authorization" in h] == [
            "Bearer t3",
            "Bearer t4",
        ]


@simulate
async def test_overload_and_retry_after_slow_the_dials_down() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        server.refuse_handshake(503, {"Retry-After": "120"})
        service = make(server)
        await service.connect()
        await service.wait_connected()
        assert 120.0 <= now() < 121.0
        await service.disconnect()


@simulate
async def test_a_lame_duck_server_is_left_politely_and_asked_again_in_time() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        await service.connect()
        await service.wait_connected()
        began = now()
        server.send(GoAway(30.0))
        await server.connected(2, timeout=100)
        assert 30.0 <= now() - began <= 32.0
        await service.disconnect()


@simulate
async def test_dropped_messages_are_events_counts_and_failed_deliveries() -> None:
    service = make(outbox=OutboxOptions(limit=2))
    seen = problems(service)
    deliveries = [service.send("note", n) for n in range(4)]
    assert [d.status.value for d in deliveries] == ["failed", "failed", "queued", "queued"]
    assert [str(e.exception)[-19:] for e in seen] == ["the outbox was full"] * 2
    await service.connect()
    await asyncio.sleep(2)
    assert service.metrics.get().messages_dropped == 2
    await service.disconnect()


@simulate
async def test_the_room_of_the_outbox_is_shown_before_it_is_gone() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server, outbox=OutboxOptions(limit=10))
        seen: list[tuple[bool, bool]] = []
        derived(
            service.is_filling, service.can_send, lambda filling, room: (filling, room)
        ).select().subscribe(seen.append)
        for number in range(7):
            service.send(chat(number))
        assert seen == [(False, True)]
        service.send(chat(7))
        assert seen[-1] == (True, True)
        for number in range(8, 10):
            service.send(chat(number))
        assert seen[-1] == (True, False)
        await service.connect()
        await asyncio.sleep(2)
        assert (len(service.outbox.get()), seen[-1]) == (0, (False, True))
        await service.disconnect()
    large = make(outbox=OutboxOptions(max_size=10_000))
    large.send(chat(0, 7_000))
    assert not large.is_filling.get()
    large.send(chat(1, 1_500))
    assert large.is_filling.get()


@simulate
async def test_messages_that_may_be_dropped_fill_no_outbox() -> None:
    service = make(outbox=OutboxOptions(limit=2))
    for number in range(4):
        service.send("note", number)
    assert (service.is_filling.get(), service.can_send.get()) == (False, True)


@simulate
async def test_bursts_commit_together_and_not_more_than_64_at_once() -> None:
    domain = Domain("test")
    count = Store(0, domain=domain)
    commits: list[int] = []
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server, domain=domain)
        service.on(MessageResponse, lambda _: count.update(lambda n: n + 1))
        count.select().subscribe(commits.append)
        async with service:
            await service.wait_connected()
            for n in range(300):
                server.publish(MessageResponse("s", Message(str(n), "s", "a", "x", 0)))
            await asyncio.sleep(5)
        assert commits[-1] == 300
        steps = [b - a for a, b in itertools.pairwise(commits)]
        assert max(steps) <= 64
        assert len(steps) < 100


@simulate
async def test_requests_end_with_the_service() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        service = make(server)
        await service.connect()
        await service.wait_connected()
        asking = asyncio.create_task(service.request(Typing("c", "u"), reply=MessageResponse))
        await asyncio.sleep(1)
        await service.disconnect()
        with pytest.raises(ServiceClosed):
            await asking


def test_a_service_whose_loop_died_under_it_starts_again_in_the_next_one() -> None:
    domain = Domain("test")
    service = WebSocketService(
        "ws://127.0.0.1:9/", domain=domain, proxy=None, connect=connect, registry=agent_chat()
    )

    async def abandon() -> None:
        await service.connect()

    async def proper() -> None:
        await service.connect()
        await service.disconnect()

    asyncio.run(abandon())
    asyncio.run(proper())
    assert service.state is ConnectionState.CLOSED
    assert domain.home is None


@simulate
async def test_a_disconnect_and_connect_in_one_turn_of_the_loop_part_old_messages_from_new() -> (
    None
):
    service = make("ws://nobody:1/")
    await service.connect()
    await service.connection.select().wait_for(lambda c: c.phase is Phase.BACKING_OFF)
    first = service.send(chat(1))
    service.disconnect()
    service.connect()
    second = service.send(chat(2))
    await asyncio.sleep(1)
    assert (first.status, second.status) == (DeliveryStatus.FAILED, DeliveryStatus.QUEUED)
    await service.disconnect()


@simulate
async def test_what_waits_for_a_gap_at_a_disconnect_comes_again_with_the_next_connection() -> None:
    heard: list[str] = []
    async with World() as world:
        server, service = (
            await world.server(registry=agent_chat()),
            world.service(registry=agent_chat()),
        )
        service.on(SessionClosed, lambda closed: heard.append(closed.session_id))
        await service.connect()
        await service.wait_connected()
        server.publish(SessionClosed("a"))
        await world.settle()
        server.misbehave(Drop())
        server.publish(SessionClosed("b"))
        server.publish(SessionClosed("c"))
        await world.settle()
        await service.disconnect()
        world.check_at_rest()
        await world.advance(10)
        assert heard == ["a"]
        await service.connect()
        await world.advance(1)
        assert heard == ["a", "b", "c"]


@simulate
async def test_what_overtakes_a_slow_answer_to_the_resume_waits_for_it() -> None:
    heard: list[str] = []
    async with World() as world:
        server, service = (
            await world.server(registry=agent_chat()),
            world.service(registry=agent_chat()),
        )
        service.on(SessionClosed, lambda closed: heard.append(closed.session_id))
        await service.connect()
        await service.wait_connected()
        server.publish(SessionClosed("a"))
        await world.settle()
        server.answer("resume", None)
        server.abort()
        server.publish(SessionClosed("b"))
        resume = await server.expect("resume")
        server.publish(SessionClosed("c"))
        await world.advance(5)
        assert heard == ["a"]
        for answer in server.usual_answers(resume):
            server.send(answer)
        await world.settle()
        assert heard == ["a", "b", "c"]
        assert service.metrics.get().gaps == 0


@simulate
async def test_the_metrics_of_a_service_that_never_connected_show_what_waits() -> None:
    async with World() as world:
        service = world.service(registry=agent_chat())
        shown: list[int] = []
        service.metrics.select(lambda metrics: metrics.queued_messages).subscribe(shown.append)
        deliveries = [service.send(SessionClose(name)) for name in "ab"]
        service.discard(deliveries[0].id)
        assert shown == [0, 1, 2, 1]
        await service.disconnect()
        assert [delivery.is_final for delivery in deliveries] == [True, True]
        assert shown == [0, 1, 2, 1, 0]
        assert len(service.outbox.get()) == 0


@simulate
async def test_what_the_server_may_have_forgotten_is_not_sent_again_and_is_reported() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        server.acknowledge_after = math.inf
        service = world.service(registry=agent_chat())
        await service.connect()
        await service.wait_connected(10)
        delivery = service.send(SessionClose("s"))
        await world.settle()
        server.be_silent()
        server.abort()
        await world.advance(100)
        server.abort()
        await server.connected(len(server.connections) + 1)
        server.send(Hello("epoch-1", dedup=100.0))
        await service.wait_connected(10)
        await world.settle()
        assert delivery.status is DeliveryStatus.UNCERTAIN
        assert len(server.effects) == 1
        assert [str(event.exception) for event in world.errors if event.source] == [
            f"it is not known whether message {delivery.id} was delivered: its outcome is unknown: the server keeps outcomes for 100 s"
        ]


def alone(**options: Any) -> WebSocketService:
    return WebSocketService("ws://server/", domain=Domain("test"), registry=agent_chat(), **options)


@pytest.mark.parametrize("identity", ["", "x" * 201, 7, None])
def test_an_id_that_no_server_takes_is_refused_at_the_door(identity: Any) -> None:
    service = alone(new_id=lambda: identity)
    for message in ("a.type", Typing("s", "u")):
        with pytest.raises(UsageError, match="text of 1 to 200 characters"):
            service.send(message)
    assert len(service.outbox.get()) == 0


def test_an_id_of_the_payload_that_no_server_takes_is_refused_at_the_door() -> None:
    service = alone()
    for identity in ("", "x" * 201):
        message = MessageSend("s", Message(identity, "s", "user", "x", 0))
        with pytest.raises(UsageError, match=r"identity= of 'message\.send'"):
            service.send(message)
    assert service.send(MessageSend("s", Message("x" * 200, "s", "user", "x", 0))).id == "x" * 200


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "5", True])
def test_a_time_to_live_that_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    service = alone()
    with pytest.raises(UsageError, match="time_to_live= takes seconds"):
        service.send("a.type", time_to_live=seconds)
    assert len(service.outbox.get()) == 0
