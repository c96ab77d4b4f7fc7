"""The log of a service: the exact lines of a connection's life, no payloads, and no flood."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from reactive_ws.connection import Counters
from reactive_ws.connection.logbook import Logbook
from reactive_ws.service.status import Reports
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, agent_chat
from reactive_ws.testing import World, simulate


def chat(number: int) -> MessageSend:
    return MessageSend("s", Message(f"c{number}", "s", "user", "PAYLOAD", 0))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of this package, without those of the socket library."""
    return [
        f"{record.levelname} {record.name.removeprefix('reactive_ws.')}: {record.getMessage()}"
        for record in caplog.records
        if record.name.startswith("reactive_ws.") and record.name != "reactive_ws.websockets"
    ]


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, None), (1, ("1", "message", "it")), (2, ("2", "messages", "them"))],
)
@simulate
async def test_promised_messages_that_end_with_the_service_are_counted(
    caplog: pytest.LogCaptureFixture, count: int, words: tuple[str, str, str] | None
) -> None:
    async with World() as world:
        world.network.refuse(1_000)
        service = world.service(registry=agent_chat())
        await service.connect()
        for number in range(count):
            service.send(chat(number))
        service.send("note", {})
        await world.settle()
        began = world.now
        await service.disconnect(drain=5.0)
        assert world.now == began
    promised = [line for line in lines(caplog) if "at-least-once" in line]
    assert promised == [
        f"WARNING service: the service ended with {number} unacknowledged at-least-once {messages}; "
        f"OutboxOptions(path=...) would keep {them}"
        for number, messages, them in (() if words is None else (words,))
    ]


@simulate
async def test_the_lines_of_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reactive_ws")
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(max_attempts=10, registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        await service.send(chat(1))
        world.network.refuse(2)
        await server.close(1012, "restart")
        await world.settle()
        waiting = [service.send(chat(n)) for n in (2, 3)]
        await asyncio.gather(*waiting)
        await service.disconnect()
        waits = [f"{seconds:.1f}" for seconds in (0.6, 0.9, 1.3)]
        assert lines(caplog) == [
            "INFO connection: state CLOSED -> CONNECTING",
            "INFO connection: connecting to ws://server:80/ws",
            "INFO connection: state CONNECTING -> CONNECTED",
            "INFO connection: connected to ws://server:80/ws",
            "WARNING connection: lost ws://server:80/ws: connection closed with code 1012 (restart)",
            "INFO connection: state CONNECTED -> DISCONNECTED",
            "INFO connection: state DISCONNECTED -> RECONNECTING",
            f"INFO connection: reconnecting in {waits[0]} s (attempt 1 of 10)",
            "INFO service: queued message.send, 1 waiting",
            "INFO service: queued message.send, 2 waiting",
            "INFO connection: connecting to ws://server:80/ws",
            (
                f"INFO connection: reconnecting in {waits[1]} s (attempt 2 of 10): "
                "cannot reach ws://server:80/ws: Connect call failed ('server', 80)"
            ),
            "INFO connection: connecting to ws://server:80/ws",
            (
                f"INFO connection: reconnecting in {waits[2]} s (attempt 3 of 10): "
                "cannot reach ws://server:80/ws: Connect call failed ('server', 80)"
            ),
            "INFO connection: connecting to ws://server:80/ws",
            "INFO connection: state RECONNECTING -> CONNECTED",
            "INFO connection: connected to ws://server:80/ws",
            "INFO connection: flushed 2",
            "INFO connection: state CONNECTED -> CLOSED",
        ]


@simulate
async def test_giving_up_is_one_line_that_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "reactive_ws")
    async with World() as world:
        server = await world.server(registry=agent_chat())
        server.refuse_handshake(404)
        service = world.service(registry=agent_chat())
        await service.connect()
        await world.advance(10)
        assert lines(caplog) == [
            "ERROR connection: gave up: the server answered the handshake with HTTP 404; check the URL"
        ]


@simulate
async def test_messages_are_lines_with_type_and_id_when_debugging_and_payloads_are_never_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "reactive_ws")
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        await service.send(chat(1))
        server.send(MessageResponse("s", Message("r1", "s", "a", "PAYLOAD", 0)), id="r1")
        await world.settle()
        assert [line for line in lines(caplog) if line.startswith("DEBUG messages")] == [
            "DEBUG messages: Received hello -",
            "DEBUG messages: Sent message.send c1",
            "DEBUG messages: Received message.received -",
            "DEBUG messages: Received message.response r1",
        ]
        assert [line for line in lines(caplog) if "PAYLOAD" in line] == []


@simulate
async def test_a_peer_with_another_codec_does_not_fill_the_disk(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "reactive_ws")
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        await service.connect()
        await service.wait_connected()
        caplog.clear()
        for _ in range(10_000):
            server.send_frame("<xml/>")
        await world.settle()
        assert len(lines(caplog)) == 5
        assert len(set(lines(caplog))) == 1
        assert "not JSON" in lines(caplog)[0]
        await world.advance(60)
        server.send_frame("<xml/>")
        await world.settle()
        assert len(lines(caplog)) == 6
        assert lines(caplog)[5].endswith("(9995 more like it were left out)")
        assert service.metrics.get().messages_rejected >= 10_000
        # The stream of errors has them all.
        assert len(world.errors) == 10_001


def test_every_kind_of_line_has_its_own_limit_and_a_raising_handler_keeps_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    book = Logbook(lambda: now)
    for _ in range(7):
        book.warning("a", "first")
        book.warning("b", "second")
    book.error("c", "third", ValueError("why"))
    assert [record.getMessage() for record in caplog.records] == [
        *("first", "second") * 5,
        "third",
    ]
    assert caplog.records[-1].exc_info is not None
    caplog.clear()
    for number in range(300):
        book.warning(number, "many")
    now = 60.0
    book.warning(299, "many")
    assert len(caplog.records) == 301


@simulate
async def test_a_handler_that_takes_the_envelope_for_its_payload_gets_a_note(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def by_item(it: Any) -> object:
        return it["title"]

    def by_attribute(it: Any) -> object:
        return it.title

    def by_payload(it: Any) -> object:
        return it.payload["missing"]

    with pytest.raises(ExceptionGroup) as raised:
        async with World() as world:
            server = await world.server(registry=agent_chat())
            service = world.service(registry=agent_chat())
            service.on("news", by_item)
            service.on("news", by_attribute)
            service.on("news", by_payload)
            await service.connect()
            await service.wait_connected()
            server.send_frame('{"type": "news", "payload": {"title": "hello"}}')
            await world.settle()
    notes = [getattr(error, "__notes__", []) for error in raised.value.exceptions]
    hint = "write envelope.payload"
    assert [any(hint in note for note in them) for them in notes] == [True, True, False]
    # Another test of this process may have left a lower level: only errors count here.
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert logging.Formatter().format(errors[0]).count(hint) == 1


def test_a_handler_that_is_slow_once_does_not_reach_stderr_and_one_that_blocks_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A busy machine may pause any program for a tenth of a second, in a handler too.
    caplog.set_level(logging.INFO, "reactive_ws")
    book = Logbook(lambda: 0.0)
    reports = Reports(lambda: 0.0, Counters(), book)
    seen: list[str] = []
    reports.events.add(lambda event: seen.append(str(event.exception)))
    reports.handler_slow("parse", 0.06)
    reports.handler_slow("fetch", 3.0)
    assert lines(caplog) == [
        "INFO service: application error in parse: handler parse took 60 ms; use on_async for slow work",
        "WARNING service: application error in fetch: handler fetch took 3000 ms; use on_async for slow work",
    ]
    assert len(seen) == 2
