from __future__ import annotations

import asyncio
import gc
import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from integration.scripted_server import ScriptedServer, until

from reactive_ws.connection.backoff import Backoff
from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.record import Connection, ConnectionState, ErrorEvent, ErrorKind
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import (
    ConnectionLost,
    DeliveryFailed,
    GaveUp,
    HandshakeRefused,
    MessageRejected,
    RequestFailed,
    RequestTimeout,
    ServiceClosed,
    Unauthorized,
    UsageError,
)
from reactive_ws.middleware import persist
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.service.service import WebSocketService
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import (
    Message,
    MessageResponse,
    MessageSend,
    SessionCreated,
    Typing,
    agent_chat,
)
from reactive_ws.transport.credentials.authentication import (
    FirstMessage,
    Header,
    Query,
    Subprotocol,
)
from reactive_ws.transport.websockets import Connection as Socket
from reactive_ws.wire.control import MessageReceived, Position, ServerError
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import Guarantee

QUICK = Backoff(initial=0.02, factor=1.0, cap=0.02)


def make(server: ScriptedServer | str, **options: Any) -> WebSocketService:
    url = server if isinstance(server, str) else server.url
    options = {
        "domain": Domain("test"),
        "proxy": None,
        "backoff": QUICK,
        "rng": random.Random(1),
        **options,
    }
    return WebSocketService(url, **{"registry": agent_chat(), **options})


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", f"text {number}", 0))


def states(service: WebSocketService) -> list[str]:
    seen: list[str] = []
    service.connection.select(lambda c: c.state.name).subscribe(seen.append)
    return seen


def problems(service: WebSocketService) -> list[ErrorEvent]:
    seen: list[ErrorEvent] = []
    service.errors.subscribe(seen.append)
    return seen


def heard(service: WebSocketService) -> list[str]:
    seen: list[str] = []
    service.on(MessageResponse, lambda payload: seen.append(payload.message.content))
    return seen


async def test_sends_and_receives_and_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    threads = threading.active_count()
    async with ScriptedServer() as server:
        service = make(server)
        seen = states(service)
        got = heard(service)
        async with service:
            await service.wait_connected(60)
            deliveries = [service.send(chat(n)) for n in range(50)]
            assert await asyncio.gather(*deliveries) == [DeliveryStatus.ACKNOWLEDGED] * 50
            await server.publish("hello")
            await until(lambda: got == ["hello"])
        assert [m["id"] for m in server.received] == [f"c{n}" for n in range(50)]
        assert seen == ["CLOSED", "CONNECTING", "CONNECTED", "CLOSED"]
        assert service.state is ConnectionState.CLOSED
    assert asyncio.all_tasks() == before
    assert threading.active_count() == threads


async def test_a_connected_service_keeps_no_heads_of_its_handshake() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        async with service:
            await service.wait_connected(60)
            assert await service.send(chat(1)) is DeliveryStatus.ACKNOWLEDGED
            sockets = [it for it in gc.get_objects() if type(it) is Socket and not it.is_lost]
            assert [len(it.response.headers) if it.response else -1 for it in sockets] == [0]
            assert [it.request for it in sockets] == [None]


async def test_an_outage_is_announced_once_and_what_was_missed_comes_once_and_in_order() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        seen = states(service)
        got = heard(service)
        async with service:
            await service.wait_connected(60)
            await server.publish("1")
            await server.publish("2")
            await until(lambda: len(got) == 2)
            port = server.port
            server.drop()
            await server.stop()
            await until(lambda: service.connection.get().attempt >= 3)
            await server.publish("3")
            server.port = port
            await server.start()
            await service.wait_connected(60)
            await server.publish("4")
            await until(lambda: len(got) >= 4)
        assert got == ["1", "2", "3", "4"]
        assert seen == [
            "CLOSED",
            "CONNECTING",
            "CONNECTED",
            "DISCONNECTED",
            "RECONNECTING",
            "CONNECTED",
            "CLOSED",
        ]
        resume = next(m for m in server.received if m["type"] == "resume")
        assert resume["payload"]["streams"] == {"chat": {"epoch": "epoch-1", "seq": 2}}


async def test_unacknowledged_messages_are_sent_again_in_order_with_the_same_ids() -> None:
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        service = make(server)
        async with service:
            await service.wait_connected(60)
            deliveries = [service.send(chat(n)) for n in range(30)]
            await until(lambda: len(server.received) == 20)
            server.is_acknowledging = True
            server.drop()
            await asyncio.gather(*deliveries)
        ids = [m["id"] for m in server.received if m["type"] == "message.send"]
        assert ids == [f"c{n}" for n in range(20)] + [f"c{n}" for n in range(30)]
        again = [m.get("redelivered", False) for m in server.received[20:]]
        assert again == [True] * 20 + [False] * 10


async def test_a_missing_acknowledgement_leads_to_a_new_connection_and_there_to_a_resend() -> None:
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        service = make(
            server,
            outbox=OutboxOptions(acknowledgement_timeout=0.3, reconnect_after=0.5),
            # A pong must show that the server has read the message.
            heartbeat=Heartbeat(interval=0.1, timeout=10.0),
        )
        async with service:
            await service.wait_connected(60)
            delivery = service.send(chat(1))
            await until(lambda: server.connections >= 2)
            await until(lambda: len(server.received) >= 2)
            server.is_acknowledging = True
            assert await delivery is DeliveryStatus.ACKNOWLEDGED
        assert {m["id"] for m in server.received} == {"c1"}


async def test_messages_queued_before_the_first_connect_go_first() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        first = [service.send(chat(n)) for n in range(3)]
        assert [d.status for d in first] == [DeliveryStatus.QUEUED] * 3
        assert [e.id for e in service.outbox.get().entries] == ["c0", "c1", "c2"]
        async with service:
            last = service.send(chat(3))
            await asyncio.gather(*first, last)
        assert [m["id"] for m in server.received] == ["c0", "c1", "c2", "c3"]
        assert service.outbox.get().entries == ()


async def test_after_disconnect_send_raises_and_what_waited_has_its_final_status() -> None:
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        service = make(server)
        await service.connect()
        await service.wait_connected(60)
        flying = service.send(chat(1))
        await until(lambda: flying.status is DeliveryStatus.SENT)
        await service.disconnect()
        assert flying.status is DeliveryStatus.UNCERTAIN
        with pytest.raises(ServiceClosed):
            service.send(chat(2))
        with pytest.raises(DeliveryFailed, match="disconnected before the acknowledgement"):
            await flying
        await service.connect()
        await service.wait_connected(60)
        await service.disconnect()


async def test_volatile_messages_are_not_queued() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        offline = service.send(Typing("c", "u"))
        assert offline.status is DeliveryStatus.FAILED
        async with service:
            await service.wait_connected(60)
            assert await service.send(Typing("c", "u")) is DeliveryStatus.SENT
            await until(lambda: len(server.received) == 1)


@pytest.mark.parametrize(
    "nonsense",
    [
        "not json",
        "[1, 2]",
        '{"payload": 1}',
        b"\x00\x01",
        '{"type": "message.response", "payload": {"sessionId": 1}}',
        "{" * 5000,
    ],
)
async def test_nonsense_is_reported_and_the_connection_lives(nonsense: str | bytes) -> None:
    async with ScriptedServer() as server:
        service = make(server)
        seen = problems(service)
        got = heard(service)
        async with service:
            await service.wait_connected(60)
            await server.sockets[0].send(nonsense)
            await server.publish("after")
            await until(lambda: got == ["after"])
        assert [(e.kind, type(e.exception)) for e in seen] == [
            (ErrorKind.PROTOCOL, MessageRejected)
        ]
        assert server.connections == 1


@pytest.mark.parametrize("too_much", ["x" * 2**21, None])
async def test_a_frame_that_ends_the_connection_is_reported_and_the_next_connection_works(
    too_much: str | None,
) -> None:
    async with ScriptedServer() as server:
        service = make(server)
        seen = problems(service)
        async with service:
            await service.wait_connected(60)
            socket = server.sockets[0]
            if too_much is None:
                socket.transport.write(b"\x81\x02\xff\xfe")  # a text frame that is not UTF-8
            else:
                await socket.send(json.dumps({"type": too_much}))
            await until(lambda: server.connections == 2)
            await service.wait_connected(60)
        assert [(e.kind, type(e.exception), e.is_retryable) for e in seen] == [
            (ErrorKind.PROTOCOL, ConnectionLost, True)
        ]


async def test_html_instead_of_a_handshake_is_retried() -> None:
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        service = make(f"http://127.0.0.1:{port}/", max_attempts=2)
        seen = problems(service)
        await service.connect()
        with pytest.raises(GaveUp):
            await service.wait_connected(60)
        assert [type(e.exception) for e in seen] == [HandshakeRefused] * 3 + [GaveUp]
        assert service.state is ConnectionState.ERROR
        service.send(chat(1))
        await service.disconnect()


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (1000, ConnectionState.CONNECTED),
        (1001, ConnectionState.CONNECTED),
        (1012, ConnectionState.CONNECTED),
        (1008, ConnectionState.ERROR),
        (4403, ConnectionState.ERROR),
        (4401, ConnectionState.ERROR),
        (4500, ConnectionState.ERROR),
    ],
)
async def test_close_codes_are_obeyed(code: int, state: ConnectionState) -> None:
    async with ScriptedServer() as server:
        service = make(server)
        await service.connect()
        await service.wait_connected(60)
        await server.close(code)
        await until(lambda: service.state is not ConnectionState.CONNECTED)
        await until(lambda: service.state is state)
        await service.disconnect()


async def test_a_silent_server_is_dropped_after_the_heartbeat_timeout() -> None:
    async with ScriptedServer() as server:
        server.is_answering_pings = False
        service = make(server, heartbeat=Heartbeat(interval=0.05, timeout=0.05))
        seen = problems(service)
        async with service:
            await service.wait_connected(60)
            await until(lambda: server.connections >= 2)
        assert {e.kind for e in seen} == {ErrorKind.HEARTBEAT}


async def test_pongs_keep_the_connection_and_measure_the_round_trip() -> None:
    async with ScriptedServer() as server:
        service = make(server, heartbeat=Heartbeat(interval=0.02, timeout=10.0))
        async with service:
            await service.wait_connected(60)
            await until(lambda: service.metrics.get().round_trip is not None)
            assert server.connections == 1


async def test_a_plain_server_is_ready_when_open_and_gets_protocol_pings_and_no_extras() -> None:
    async with ScriptedServer(subprotocol=None) as server:
        service = make(server, heartbeat=Heartbeat(interval=0.02, timeout=10.0))
        async with service:
            await service.wait_connected(60)
            service.messages("news", subscribe=True).subscribe(print)
            assert await service.send(chat(1)) is DeliveryStatus.SENT
            assert await service.send("my.type", {"a": 1}, channel="x") is DeliveryStatus.SENT
            await until(lambda: service.metrics.get().round_trip is not None)
            await until(lambda: len(server.received) == 2)
            assert server.connections == 1
        assert [m["type"] for m in server.received] == ["message.send", "my.type"]
        assert server.received[1]["payload"] == {"a": 1}
        assert server.received[1]["channel"] == "x"


async def test_a_handler_that_raises_loses_only_its_own_writes() -> None:
    domain = Domain("test")
    count = Store(0, domain=domain)
    other = Store(0, domain=domain)
    async with ScriptedServer() as server:
        service = make(server, domain=domain)
        seen = problems(service)

        def bad(payload: MessageResponse) -> None:
            other.set(99)
            raise ValueError(payload.message.content)

        service.on(MessageResponse, bad)
        service.on(MessageResponse, lambda _: count.update(lambda n: n + 1))
        async with service:
            await service.wait_connected(60)
            await server.publish("1")
            await server.publish("2")
            await until(lambda: count.get() == 2)
        assert other.get() == 0
        assert [(e.kind, str(e.exception)) for e in seen] == [
            (ErrorKind.APPLICATION, "1"),
            (ErrorKind.APPLICATION, "2"),
        ]
        assert service.positions.get()["chat"].seq == 2


async def test_routing_by_class_type_and_channel_pattern() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        got: list[Any] = []
        service.on("other", lambda envelope: got.append(("other", envelope.payload)))
        service.on_channel("a.*", lambda payload, envelope: got.append((envelope.channel, payload)))
        service.on_channel("*", lambda payload, envelope: got.append(("*", envelope.type)))
        unhandled: list[str] = []
        service.unhandled.subscribe(lambda envelope: unhandled.append(envelope.type))
        async with service:
            await service.wait_connected(60)
            got.clear()
            socket = server.sockets[0]
            await socket.send('{"type": "other", "payload": 1}')
            await socket.send('{"type": "new", "channel": "a.b.c", "payload": 2}')
            await until(lambda: len(got) >= 4)
        assert got == [("other", 1), ("*", "other"), ("a.b.c", 2), ("*", "new")]
        assert unhandled == ["new"]


async def test_messages_are_iterated_after_their_effects() -> None:
    domain = Domain("test")
    count = Store(0, domain=domain)
    async with ScriptedServer() as server:
        service = make(server, domain=domain)
        service.on(MessageResponse, lambda _: count.update(lambda n: n + 1))
        got: list[tuple[str, bool]] = []

        async def read() -> None:
            async for envelope in service.messages("message.*"):
                got.append((envelope.payload.message.content, count.get() >= len(got) + 1))
                if len(got) == 3:
                    return

        async with service:
            await service.wait_connected(60)
            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
            for text in "abc":
                await server.publish(text)
            await asyncio.wait_for(reader, 60)
        assert got == [("a", True), ("b", True), ("c", True)]


async def test_requests_are_answered_failed_and_timed_out() -> None:
    registry = agent_chat()

    @registry.message("ask", guarantee=Guarantee.AT_MOST_ONCE)
    class Ask(Typing, frozen=True):
        pass

    class Answering(ScriptedServer):
        async def on_message(self, socket: Any, message: dict[str, Any]) -> None:
            if message["type"] != "ask":
                return await super().on_message(socket, message)
            user = message["payload"]["userId"]
            if user == "good":
                await self.say(socket, "session.created", {"sessionId": "new"}, id=message["id"])
            elif user == "bad":
                payload = {"code": "no", "message": "not so", "replyTo": message["id"]}
                await self.say(socket, "error", payload)
            return None

    async with Answering() as server:
        service = make(server, registry=registry)
        seen = problems(service)
        async with service:
            await service.wait_connected(60)
            reply = await service.request(Ask("c", "good"), reply=SessionCreated)
            assert reply.session_id == "new"
            with pytest.raises(RequestFailed, match="not so"):
                await service.request(Ask("c", "bad"), reply=SessionCreated)
            with pytest.raises(RequestTimeout):
                await service.request(Ask("c", "none"), reply=SessionCreated, timeout=0.05)
            assert service.is_connected
        assert [(e.kind, str(e.exception)) for e in seen] == [
            (ErrorKind.APPLICATION, "the server answered with error 'no': not so")
        ]


async def test_async_handlers_run_in_order_after_the_commit() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        got: list[str] = []

        async def slow(payload: MessageResponse) -> None:
            await asyncio.sleep(0.01 if payload.message.content == "1" else 0)
            got.append(payload.message.content)

        service.on_async(MessageResponse, slow)
        async with service:
            await service.wait_connected(60)
            for text in "123":
                await server.publish(text)
            await until(lambda: len(got) == 3)
        assert got == ["1", "2", "3"]


async def test_a_gap_is_reported_and_a_snapshot_asked_for() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        seen = problems(service)
        got = heard(service)
        async with service:
            await service.wait_connected(60)
            await server.publish("1")
            server.history.append({**server.history[0], "seq": 2})
            await server.publish("3")
            await until(lambda: any(m["type"] == "sync" for m in server.received))
        assert got == ["1", "3"]
        assert [str(e.exception) for e in seen] == [
            "stream 'chat' went on at 3 where 2 was expected"
        ]


async def test_a_new_epoch_leads_to_a_snapshot() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        snapshots: list[int] = []
        service.on("snapshot", lambda envelope: snapshots.append(envelope.payload.seq))
        async with service:
            await service.wait_connected(60)
            await server.publish("1")
            await until(lambda: "chat" in service.positions.get())
            server.epoch = "epoch-2"
            server.history.clear()
            server.drop()
            await until(lambda: snapshots == [0])
            await until(lambda: service.positions.get()["chat"].epoch == "epoch-2")
            assert service.connection.get().is_recovered is False


async def test_channels_are_counted_and_subscribed_on_every_connection() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        async with service:
            one = service.messages("news", subscribe=True).subscribe(print)
            await service.wait_connected(60)
            two = service.messages("news", subscribe=True).subscribe(print)
            await until(lambda: len(server.received) == 1)
            server.drop()
            await until(lambda: len(server.received) == 2)
            one.dispose()
            two.dispose()
            await until(lambda: len(server.received) == 3)
        assert [(m["type"], m["payload"]["channel"]) for m in server.received] == [
            ("subscribe", "news"),
            ("subscribe", "news"),
            ("unsubscribe", "news"),
        ]


async def test_goaway_reconnects_after_the_time_the_server_asked_for() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        seen = states(service)
        async with service:
            await service.wait_connected(60)
            records: list[Connection] = []
            service.connection.select().subscribe(records.append)
            await server.say(server.sockets[0], "goaway", {"after": 0.1})
            await until(lambda: "RECONNECTING" in seen)
            await service.wait_connected(60)
        connection = next(it for it in records if it.state is ConnectionState.RECONNECTING)
        assert connection.next_retry_at is not None
        assert connection.next_retry_at - connection.since > 0.1
        assert seen[2:6] == ["CONNECTED", "DISCONNECTED", "RECONNECTING", "CONNECTED"]


async def test_reconnect_loses_nothing() -> None:
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        service = make(server)
        async with service:
            await service.wait_connected(60)
            delivery = service.send(chat(1))
            await until(lambda: len(server.received) == 1)
            server.is_acknowledging = True
            service.reconnect()
            assert await delivery is DeliveryStatus.ACKNOWLEDGED
        assert [m["id"] for m in server.received] == ["c1", "c1"]


@pytest.mark.parametrize("kind", [Header, Query, Subprotocol, FirstMessage])
async def test_tokens_reach_the_server_and_nothing_else(
    kind: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = "s3cret-t0ken"
    encoded = "czNjcmV0LXQwa2Vu"

    class Guarded(ScriptedServer):
        async def on_message(self, socket: Any, message: dict[str, Any]) -> None:
            await super().on_message(socket, message)
            if message["type"] == "auth":
                await self.say(socket, "auth.ok", {})

    async with Guarded() as server:
        service = make(server, auth=kind(secret))
        async with service:
            await service.wait_connected(60)
        request = server.requests[0]
        wire = f"{request.path} {list(request.headers.raw_items())} {server.received}"
        assert secret in wire or encoded in wire
        ours = [r for r in caplog.records if r.name.startswith("reactive_ws")]
        shown = "".join(r.getMessage() for r in ours) + repr(service) + repr(service._settings)
        assert ours
        assert secret not in shown
        assert encoded not in shown


async def test_a_refused_token_is_refreshed_once_per_outage() -> None:
    asked: list[bool] = []

    def provider(*, force: bool) -> str:
        asked.append(force)
        return f"token-{len(asked)}"

    class Guarded(ScriptedServer):
        good = "token-2"

        def process_request(self, connection: Any, request: Any) -> Any:
            if request.headers["Authorization"] != f"Bearer {self.good}":
                return connection.respond(401, "no\n")
            return None

    async with Guarded() as server:
        service = make(server, auth=Header(provider))
        async with service:
            await service.wait_connected(60)
            assert asked == [False, True]
        asked.clear()
        server.good = "never"
        await service.connect()
        with pytest.raises(Unauthorized):
            await service.wait_connected(60)
        assert asked == [False, True]
        await service.disconnect()


async def test_a_provider_that_fails_is_retried() -> None:
    calls = 0

    async def provider() -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise OSError("no network yet")
        return "t"

    async with ScriptedServer() as server:
        service = make(server, auth=Header(provider))
        async with service:
            await service.wait_connected(60)
        assert calls == 3


def test_runs_in_its_own_thread_and_takes_messages_from_any_thread() -> None:
    ready = threading.Event()
    done = threading.Event()
    server = ScriptedServer()

    def run_server() -> None:
        async def main() -> None:
            async with server:
                ready.set()
                while not done.is_set():
                    await asyncio.sleep(0.01)

        asyncio.run(main())

    host = threading.Thread(target=run_server)
    host.start()
    ready.wait(60)
    before = threading.active_count()
    service = make(server)
    threads: set[str] = set()
    service.on(MessageReceived, lambda _: threads.add(threading.current_thread().name))
    service.start()
    service.start()
    deliveries: list[Any] = []
    senders = [
        threading.Thread(
            target=lambda n=n: deliveries.extend(service.send(chat(n * 10 + i)) for i in range(10))
        )
        for n in range(4)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert [d.result(60) for d in deliveries] == [DeliveryStatus.ACKNOWLEDGED] * 40
    assert service.connection.get().state is ConnectionState.CONNECTED
    service.stop()
    assert service.state is ConnectionState.CLOSED
    assert threads == {f"reactive_ws {service.connection.get().url}"}
    assert threading.active_count() == before
    service.start()
    service.stop()
    done.set()
    host.join()


async def test_connect_without_a_loop_says_what_to_do() -> None:
    service = make("ws://127.0.0.1:1/")

    def call() -> None:
        with pytest.raises(UsageError, match=r"service\.start\(\)"):
            service.connect()

    await asyncio.to_thread(call)


async def test_an_application_error_leaves_the_connection_alone() -> None:
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        service = make(server)
        seen = states(service)
        errors: list[str] = []
        service.on(ServerError, lambda payload: errors.append(payload.code))
        async with service:
            await service.wait_connected(60)
            delivery = service.send(chat(1))
            await until(lambda: len(server.received) == 1)
            payload = {"code": "bad", "message": "no such session", "replyTo": "c1"}
            await server.say(server.sockets[0], "error", payload)
            with pytest.raises(RequestFailed, match="no such session"):
                await delivery
        assert errors == ["bad"]
        assert seen == ["CLOSED", "CONNECTING", "CONNECTED", "CLOSED"]


async def test_duplicates_by_id_are_dropped() -> None:
    async with ScriptedServer() as server:
        service = make(server)
        got: list[Envelope[Any]] = []
        service.on("note", got.append)
        async with service:
            await service.wait_connected(60)
            for identity in ("a", "a", "b", "a"):
                await server.say(server.sockets[0], "note", 1, id=identity)
            await server.say(server.sockets[0], "note", 2)
            await until(lambda: got and got[-1].payload == 2)
        assert [e.id for e in got] == ["a", "b", None]


async def test_positions_are_kept_in_a_file_and_resumed_from_by_the_next_program(
    tmp_path: Path,
) -> None:
    async with ScriptedServer() as server:
        for texts in (["1", "2"], ["3"]):
            for text in texts:
                await server.publish(text)
            service = make(server)
            got = heard(service)
            path = tmp_path / "positions.json"
            with persist(service.positions, path, as_type=dict[str, Position], delay=0.0):
                async with service:
                    await service.wait_connected(60)
                    await server.publish("live")
                    await until(lambda got=got: got[-1:] == ["live"])
        assert got == ["3", "live"]
        assert service.positions.get()["chat"].seq == 5
