"""The surface of the service where nothing else is tested with it: what it refuses, what it takes back, what it says."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from reactive_ws.connection.record import ConnectionState, ErrorEvent, ErrorKind
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import (
    DeliveryFailed,
    RequestFailed,
    RequestTimeout,
    ServiceClosed,
    UsageError,
)
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, Typing, agent_chat
from reactive_ws.testing import NEVER, World, simulate
from reactive_ws.transport.credentials.authentication import FirstMessage, Header
from reactive_ws.wire.control import ServerError, Sync
from reactive_ws.wire.envelope import Envelope

S = ConnectionState


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "x", 0))


def answer(number: int) -> MessageResponse:
    return MessageResponse("s", Message(f"r{number}", "s", "a", "x", 0))


def unconnectable(**options: Any) -> WebSocketService:
    """A service whose dials never end, and touch no network."""

    async def connect(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    return WebSocketService(
        "ws://nowhere/",
        domain=Domain("test"),
        connect=connect,
        **{"registry": agent_chat(), **options},
    )


# --- running ----------------------------------------------------------------------------------------------------------


def test_without_a_loop_connecting_says_what_to_do_and_the_rest_is_no_error() -> None:
    service = unconnectable()
    with pytest.raises(UsageError, match=r"service\.start\(\)"):
        service.connect()
    with pytest.raises(UsageError, match=r"service\.start\(\)"):
        service.reconnect()
    service.refresh_token()
    service.sync("s")
    service.stop()
    service.disconnect().result(0)
    assert service.state is S.CLOSED
    assert repr(service) == "<WebSocketService ws://nowhere/ closed>"


def test_in_its_own_thread_it_starts_once_and_leaves_nothing() -> None:
    before = threading.active_count()
    service = unconnectable()
    service.start()
    service.start()
    assert threading.active_count() == before + 1
    service.connect().result(60)
    assert service.state is S.CONNECTING
    service.reconnect()
    service.refresh_token()
    service.sync("s")
    waiting = service.send(chat(1))
    service.stop(drain=0)
    assert (service.state, waiting.status) == (S.CLOSED, DeliveryStatus.FAILED)
    assert threading.active_count() == before
    with pytest.raises(ServiceClosed):
        service.send(chat(2))
    service.start()
    service.connect().result(60)
    assert service.state is S.CONNECTING
    service.stop(drain=0)
    assert threading.active_count() == before


def test_a_stop_on_its_own_thread_returns_and_the_thread_ends_later() -> None:
    before = threading.active_count()
    service = unconnectable()
    service.start()
    service.connect().result(60)
    assert service._place.shell is not None
    returned = threading.Event()

    def stop() -> None:
        service.stop(drain=0)
        returned.set()

    service._place.shell.loop.call_soon_threadsafe(stop)
    assert returned.wait(60)
    # A second stop() waits until the first one has ended.
    service.stop()
    assert service.state is S.CLOSED
    assert threading.active_count() == before
    service.start()
    service.stop(drain=0)


@simulate
async def test_a_service_belongs_to_one_loop_at_a_time() -> None:
    async with World() as world:
        await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.connect()
        with pytest.raises(UsageError, match="use connect\\(\\) there"):
            service.start()
        service.stop(drain=0)
        await service.connection.select().wait_for(lambda c: c.state is S.CLOSED)
        await service.disconnect()


def test_a_loop_that_stands_still_is_not_waited_for() -> None:
    service = unconnectable()

    async def connect() -> None:
        await service.connect()

    async def disconnect() -> None:
        await service.disconnect()

    with asyncio.Runner() as runner:
        runner.run(connect())
        with pytest.raises(UsageError, match="does not run"):
            service.stop()
        runner.run(disconnect())
    service.stop()


def test_two_loops_at_once_are_refused_and_the_first_one_keeps_it() -> None:
    service = unconnectable()
    errors: list[ErrorEvent] = []
    service.errors.subscribe(errors.append)

    async def bind() -> None:
        with pytest.raises(UsageError, match="another event loop"):
            service._runtime._bind()

    async def begin() -> None:
        await service.connect()

    async def end() -> None:
        await service.disconnect()

    with asyncio.Runner() as first:
        first.run(begin())
        with asyncio.Runner() as second:
            second.run(bind())
        first.run(end())
    assert errors == []


@simulate
async def test_waiting_for_a_connection_ends_with_it_in_time_or_with_the_reason() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        world.network.hang()
        service = world.service(registry=agent_chat())
        await service.connect()
        with pytest.raises(TimeoutError):
            await service.wait_connected(timeout=3)
        assert service._status._waiting == []
        waiting = asyncio.create_task(service.wait_connected())
        await world.settle()
        await service.disconnect()
        with pytest.raises(ServiceClosed):
            await waiting
        world.network.heal()
        server.refuse_handshake(404)
        await service.connect()
        with pytest.raises(Exception, match="404"):
            await service.wait_connected()
        with pytest.raises(Exception, match="404"):
            await service.wait_connected()


@simulate
async def test_a_sync_is_sent_now_or_with_the_next_connection_once() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        service.sync("lost")
        await service.connect()
        service.sync("a", "b")
        service.sync("a")
        await service.wait_connected()
        await world.settle()
        service.sync("c")
        await world.settle()
        asked = [m.payload for m in server.received if m.type == "sync"]
        assert asked == [Sync(("a", "b")), Sync(("c",))]


@simulate
async def test_a_provider_that_fails_a_refresh_is_reported_and_the_connection_stays() -> None:
    tokens = iter(["first"])
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(auth=FirstMessage(lambda: next(tokens)), registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        service.refresh_token()
        await world.settle()
        assert [(e.kind, e.is_retryable) for e in world.errors] == [(ErrorKind.AUTH, True)]
        assert "StopIteration" in str(world.errors[0].exception)
        assert service.is_connected
        assert len(server.connections) == 1


@pytest.mark.parametrize("drain", [0.0, 5.0])
@simulate
async def test_a_token_that_comes_after_a_disconnect_does_not_bring_the_connection_back(
    drain: float,
) -> None:
    calls: list[float] = []

    async def provider() -> str:
        calls.append(asyncio.get_running_loop().time())
        if len(calls) == 2:
            await asyncio.sleep(1)
        return f"token {len(calls)}"

    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(auth=Header(provider), registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        server.acknowledge_after = NEVER
        service.send(chat(1))
        await world.settle()
        service.refresh_token()
        await world.settle()
        # The close takes two seconds, because the server's answer does not arrive.
        world.network.black_hole()
        await service.disconnect(drain=drain)
        assert service.state is S.CLOSED
        world.network.heal()
        await world.advance(60)
        assert (len(calls), len(server.connections)) == (2, 1)
        await service.connect()
        await service.wait_connected()
        assert server.requests[-1][1]["Authorization"] == f"Bearer token {len(calls)}"


# --- routing ----------------------------------------------------------------------------------------------------------


@simulate
async def test_handlers_that_were_taken_back_hear_nothing_more() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        heard: list[str] = []

        def by_class(payload: MessageResponse) -> None:
            heard.append(f"class {payload.message.id}")

        def by_name(envelope: Envelope[Any]) -> None:
            heard.append(f"name {envelope.payload.message.id}")

        def by_channel(payload: MessageResponse, envelope: Envelope[Any]) -> None:
            heard.append(f"channel {payload.message.id} {envelope.channel}")

        service.on(MessageResponse, by_class)
        service.on("message.response", by_name)
        registration = service.on_channel("message.*", by_channel)
        async with service:
            await service.wait_connected()
            server.publish(answer(1))
            await world.settle()
            assert service.off(MessageResponse, by_class)
            assert not service.off(MessageResponse, by_class)
            assert service.off("message.response", by_name)
            server.publish(answer(2))
            await world.settle()
            registration.dispose()
            registration.dispose()
            server.publish(answer(3))
            await world.settle()
        assert heard == [
            "class r1",
            "name r1",
            "channel r1 message.response",
            "channel r2 message.response",
        ]


@simulate
async def test_a_slow_handler_that_was_taken_back_ends_what_it_began_and_begins_nothing() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        log: list[str] = []

        async def slow(payload: MessageResponse) -> None:
            log.append(f"{payload.message.id} begins")
            await asyncio.sleep(5)
            log.append(f"{payload.message.id} ends")

        with service.on_async(MessageResponse, slow):
            async with service:
                await service.wait_connected()
                server.publish(answer(1))
                await world.settle()
                (worker,) = service._handlers._async_handlers
                registration = service.on_async(MessageResponse, slow)
                registration.dispose()
                assert list(service._handlers._async_handlers) == [worker]
                await world.advance(10)
        assert log == ["r1 begins", "r1 ends"]
        assert service._handlers._async_handlers == {}


@simulate
async def test_a_slow_handler_that_raises_is_an_error_event_with_its_name() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())

        async def broken(_: MessageResponse) -> None:
            raise LookupError("no")

        service.on_async(MessageResponse, broken)
        async with service:
            await service.wait_connected()
            server.publish(answer(1))
            await world.settle()
        errors, world.errors[:] = list(world.errors), []
        assert [(e.kind, type(e.exception), (e.source or "")[-6:]) for e in errors] == [
            (ErrorKind.APPLICATION, LookupError, "broken")
        ]


# --- sending ----------------------------------------------------------------------------------------------------------


@simulate
async def test_a_request_is_answered_refused_or_given_up() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        async with service:
            await service.wait_connected()
            asking = asyncio.create_task(service.request(Typing("c", "u"), reply=MessageResponse))
            await world.settle()
            server.send(answer(1))
            assert (await asking).message.id == "r1"
            asking = asyncio.create_task(service.request("note", 1, reply=MessageResponse))
            await world.settle()
            (asked,) = [m for m in server.received if m.type == "note"]
            server.send(ServerError("bad", "no such thing", asked.id))
            with pytest.raises(RequestFailed, match="no such thing"):
                await asking
            began = world.now
            with pytest.raises(RequestTimeout, match="MessageResponse"):
                await service.request(Typing("c", "u"), reply=MessageResponse, timeout=3)
            assert world.now - began == pytest.approx(3.0)
            assert not service._receiver.requests.waiting


@simulate
async def test_a_request_whose_message_fails_fails_at_once() -> None:
    async with World() as world:
        service = world.service(registry=agent_chat())
        with pytest.raises(DeliveryFailed, match="not connected"):
            await service.request(Typing("c", "u"), reply=MessageResponse)
        await service.disconnect()
        with pytest.raises(ServiceClosed):
            await service.request(chat(1), reply=MessageResponse)
        assert not service._receiver.requests.waiting


@simulate
async def test_discarded_messages_are_gone_from_the_view_and_are_not_sent() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        first, second = service.send(chat(1)), service.send(chat(2))
        service.discard("c1", "nobody")
        assert [entry.id for entry in service.outbox.get().entries] == ["c2"]
        assert first.status is DeliveryStatus.FAILED
        async with service:
            await service.wait_connected()
            assert await second is DeliveryStatus.ACKNOWLEDGED
        assert [m.id for m in server.received if m.type == "message.send"] == ["c2"]


@simulate
async def test_control_messages_of_the_program_go_now_or_fail() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        early = service.send(Sync(("a",)))
        assert (early.status, early.reason) == (
            DeliveryStatus.FAILED,
            "not connected, and control messages do not wait",
        )
        async with service:
            await service.wait_connected()
            assert await service.send(Sync(("a",))) is DeliveryStatus.SENT
            await world.settle()
        assert [m.payload for m in server.received if m.type == "sync"] == [Sync(("a",))]


# --- in every state ---------------------------------------------------------------------------------------------------


@simulate
async def test_send_does_what_is_promised_in_each_state() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(max_attempts=1, registry=agent_chat())
        states: list[tuple[str, str]] = []

        def send(number: int, state: S | None = None) -> None:
            name = (state or service.state).name
            try:
                states.append((name, service.send(chat(number)).status.value))
            except ServiceClosed:
                states.append((name, "refused"))

        send(0)  # CLOSED, before the first connect
        world.network.hang()
        await service.connect()
        send(1)  # CONNECTING
        await service.connection.select().wait_for(lambda c: c.state is S.RECONNECTING)
        send(2)  # RECONNECTING, waiting
        world.network.heal()
        await service.wait_connected()
        send(3)  # CONNECTED
        await service.drain()
        # The next outage counts its attempts from one again.
        await world.advance(10)
        world.network.refuse()
        server.abort()
        seen: list[str] = []

        def once(state: S) -> None:
            if state is S.DISCONNECTED and not seen:
                seen.append("sent")
                send(4, state)

        service.connection.select(lambda c: c.state).subscribe(once)
        await service.connection.select().wait_for(lambda c: c.state is S.ERROR)
        send(5)  # ERROR
        world.network.heal()
        server.acknowledge_after = NEVER
        await service.connect()
        await service.wait_connected()
        server.acknowledge_after = 0.0
        ending = service.disconnect(drain=5)
        send(6)  # closing
        await ending
        send(7)  # CLOSED, after the disconnect
        await service.connect()
        send(8)
        await service.wait_connected()
        await service.drain()
        assert states == [
            ("CLOSED", "queued"),
            ("CONNECTING", "queued"),
            ("RECONNECTING", "queued"),
            ("CONNECTED", "sent"),
            ("DISCONNECTED", "queued"),
            ("ERROR", "queued"),
            ("CONNECTED", "refused"),
            ("CLOSED", "refused"),
            ("CONNECTING", "queued"),
        ]
        assert [m.id for m in server.received if m.type == "message.send"] == [
            f"c{number}" for number in (0, 1, 2, 3, 4, 5, 8)
        ]
