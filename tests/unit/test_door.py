"""Reports of a program's own mistakes: options, names, handlers, waits that end without a value."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from msgspec import Struct

from reactive_ws import Domain, KeyedStore, Store, WebSocketService, derived, protocol_v1
from reactive_ws.errors import ReactiveWSError, RequestTimeout, UsageError
from reactive_ws.service import ServiceOptions
from reactive_ws.stores import Application
from reactive_ws.stores.wire.chat import agent_chat
from reactive_ws.testing import ScriptedServer, ServerOptions, World, simulate


class Ask(Struct, frozen=True):
    text: str


class Answer(Struct, frozen=True):
    text: str


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.levelname} {record.getMessage()}"
        for record in caplog.records
        if record.name.startswith("reactive_ws.") and record.name != "reactive_ws.websockets"
    ]


# --- options ----------------------------------------------------------------------------------------------------------


def test_the_options_that_functions_pass_on_are_exactly_those_of_the_service() -> None:
    parameters = dict(inspect.signature(WebSocketService.__init__).parameters)
    del parameters["self"], parameters["url"]
    import reactive_ws.service.service as module

    hints = get_type_hints(WebSocketService.__init__, vars(module))
    del hints["url"], hints["return"]
    assert list(get_type_hints(ServiceOptions)) == list(parameters)
    assert get_type_hints(ServiceOptions) == hints


def test_the_options_of_a_scripted_server_are_exactly_those_that_a_world_passes_on() -> None:
    import reactive_ws.testing.server.server as module

    hints = get_type_hints(ScriptedServer.__init__, vars(module))
    del hints["url"], hints["return"]
    assert get_type_hints(ServerOptions, vars(module)) == hints


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"auth": "SECRET"}, "auth= takes Header(token), "),
    ({"heartbeat": 5}, "heartbeat= takes a Heartbeat, such as Heartbeat(interval=5); got int 5"),
    ({"outbox": "q.db"}, 'outbox= takes a OutboxOptions, such as OutboxOptions(path="waiting.db")'),
    ({"backoff": 1}, "backoff= takes something like Backoff("),
    ({"codec": "json"}, "codec= takes something like JsonCodec()"),
    ({"dialect": "plain"}, "dialect= takes something like PlainJson("),
    ({"domain": "app"}, "domain= takes a Domain"),
    ({"registry": {}}, "registry= takes a Registry"),
    ({"policy": 1}, "policy= takes a ClosePolicy"),
    ({"headers": [("a", "b")]}, "headers= takes a Mapping"),
    ({"max_attempts": -1}, "max_attempts= takes a number, 0 or more, None for no limit; got -1"),
    ({"max_attempts": "3"}, "max_attempts= takes a number"),
    ({"max_size": 0}, "max_size= takes a number, 1 or more"),
    ({"dial_timeout": -1}, "dial_timeout= takes seconds, 0 or more"),
    ({"close_timeout": "2"}, "close_timeout= takes seconds"),
    ({"stable_after": None}, "stable_after= takes seconds"),
    ({"compression": "gzip"}, 'compression= takes "deflate" or None'),
    ({"subprotocols": "chat"}, "write subprotocols=['chat']"),
    ({"clock": 5}, "clock= takes a function; got 5"),
]


@pytest.mark.parametrize(("options", "text"), WRONG, ids=lambda it: str(it)[:40])
@pytest.mark.parametrize("make", [WebSocketService, Application.at])
def test_an_option_of_a_wrong_kind_is_refused_and_the_text_says_what_to_write(
    make: Callable[..., Any], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        make("ws://x", **options)
    assert text in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_every_option_that_is_no_text_of_a_server_is_checked() -> None:
    """An object that fits nothing is refused by every option but those that nothing can be said about."""
    for name in get_type_hints(ServiceOptions):
        if name in ("ssl", "origin", "proxy", "rng", "domain"):
            continue
        with pytest.raises((UsageError, TypeError)):
            WebSocketService("ws://x", **{name: object()})


def test_an_application_of_a_url_is_refused_with_the_way_to_make_one() -> None:
    wrong: Any = "ws://x"
    with pytest.raises(UsageError, match=r"Application\.at\(url\)"):
        Application(wrong)


# --- handlers and names -----------------------------------------------------------------------------------------------


def test_an_async_handler_is_refused_and_the_text_names_on_async() -> None:
    async def handler(_: Any) -> None: ...

    async def of_channel(_: Any, __: Any) -> None: ...

    service = WebSocketService("ws://x", domain=Domain())
    with pytest.raises(UsageError, match=r"handler is an `async def`, .*service\.on_async"):
        service.on("note", handler)
    with pytest.raises(UsageError, match="async def"):
        service.on("note", print, run=handler)
    with pytest.raises(UsageError, match="async def"):
        service.on_channel("a.*", of_channel)
    wrong: Any = "print"
    with pytest.raises(UsageError, match="a handler is a function"):
        service.on("note", wrong)
    service.on_async("note", handler).dispose()


@simulate
async def test_a_misspelled_type_name_is_reported_once_with_the_right_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "reactive_ws")
    async with World() as world:
        service = world.service(registry=agent_chat())
        for _ in range(2):
            service.on("message.respons", print)
        service.on("message.response", print)
        service.on("other", print)  # a name without a class is nothing wrong
        text = (
            "a handler waits for 'message.respons', which is not registered;"
            " did you mean 'message.response'?"
        )
        assert [str(event.exception) for event in world.errors] == [text]
        assert lines(caplog) == [f"WARNING application error in message.respons: {text}"]
        world.errors.clear()


@simulate
async def test_a_message_whose_handler_has_a_similar_name_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "reactive_ws")
    async with World() as world:
        server = await world.server()
        service = world.service()
        service.on("price.updated", print)
        await service.connect()
        await service.wait_connected()
        caplog.clear()
        for name in ("price.update", "price.update", "elsewhere", "elsewhere"):
            server.send_frame(f'{{"type": "{name}", "payload": {{}}}}')
        await world.settle()
        assert lines(caplog) == [
            "WARNING no handler for messages of type 'price.update'; one waits for 'price.updated'",
            "INFO no handler for messages of type 'elsewhere'; service.unhandled has them",
        ]
        assert world.errors == []


@simulate
async def test_names_that_a_server_makes_up_are_reported_within_a_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "reactive_ws")
    async with World() as world:
        server = await world.server()
        service = world.service()
        await service.connect()
        await service.wait_connected()
        caplog.clear()
        for number in range(1000):
            server.send_frame(f'{{"type": "made.up.{number}", "payload": {{}}}}')
        await world.settle()
        assert len(lines(caplog)) == 256


@simulate
async def test_a_very_long_name_costs_nothing_and_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "reactive_ws")
    async with World() as world:
        server = await world.server()
        service = world.service()
        service.on("x" * 100_000, print)
        await service.connect()
        await service.wait_connected()
        caplog.clear()
        server.send_frame(f'{{"type": "{"y" * 100_000}", "payload": {{}}}}')
        await world.settle()
        assert lines(caplog) == []


@pytest.mark.parametrize("is_async", [False, True])
def test_one_error_of_a_handler_is_one_line_with_its_traceback(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @simulate
    async def story() -> None:
        async with World() as world:
            server = await world.server()
            service = world.service()

            def broken(_: Any) -> None:
                raise ZeroDivisionError

            async def broken_later(_: Any) -> None:
                raise ZeroDivisionError

            if is_async:
                service.on_async("note", broken_later)
            else:
                service.on("note", broken)
            await service.connect()
            await service.wait_connected()
            server.send_frame('{"type": "note", "payload": {}}')
            await world.settle()
            assert len(world.errors) == 1
            await world.advance(1)
            assert service.metrics.get().handler_errors == 1
            world.errors.clear()

    caplog.set_level(logging.WARNING, "reactive_ws")
    story()
    (record,) = [it for it in caplog.records if it.name.startswith("reactive_ws")]
    assert record.levelname == "ERROR"
    assert "broken" in record.getMessage()
    assert record.exc_info is not None


# --- waits ------------------------------------------------------------------------------------------------------------


@simulate
async def test_a_wait_without_its_value_says_what_was_waited_for() -> None:
    def is_ready(now: int) -> bool:
        return now > 5

    count = Store(1, name="count")
    rows = KeyedStore({"a": 1}, name="rows")
    with pytest.raises(TimeoutError) as caught:
        await count.select().wait_for(is_ready, timeout=2)
    assert str(caught.value).startswith("store 'count' had no value that ")
    assert str(caught.value).endswith("is_ready accepts within 2 s")
    with pytest.raises(TimeoutError) as caught:
        await derived(count, lambda now: now - 1, name="less").select().wait_for(timeout=0.5)
    assert str(caught.value) == "store 'less' had no value that is true within 0.5 s"
    with pytest.raises(TimeoutError, match=r"the lambda in line \d+ of test_door\.py"):
        await rows.select_keys().wait_for(lambda keys: "b" in keys, timeout=1)


@simulate
async def test_a_wait_in_the_domain_of_a_service_says_how_the_connection_stands() -> None:
    async with World() as world:
        service = world.service("ws://away:80/ws?token=SECRET")
        lamp = Store(False, name="lamp", domain=world.domain)
        await service.connect()
        why = r"; the connection to ws://away:80/ws\?\*\*\* is reconnecting \(attempt \d+\): cannot reach "
        with pytest.raises(
            TimeoutError, match="store 'lamp' had no value that is true within 9 s" + why
        ):
            await lamp.select().wait_for(timeout=9)
        with pytest.raises(TimeoutError, match="no connection within 9 s" + why):
            await service.wait_connected(9)
        service.send("a", {})
        with pytest.raises(TimeoutError, match="1 message still waits after 9 s" + why):
            await service.drain(9)


@simulate
async def test_a_request_without_a_reply_says_how_the_connection_stands() -> None:
    types = protocol_v1()
    types.message("ask")(Ask)
    types.message("answer")(Answer)
    async with World() as world:
        await world.server(registry=types)
        service = world.service(registry=types)
        await service.connect()
        await service.wait_connected()
        with pytest.raises(RequestTimeout) as caught:
            await service.request(Ask("x"), reply=Answer, timeout=3)
        assert str(caught.value) == (
            "no 'Answer' arrived within 3 s; the connection to ws://server:80/ws is connected"
        )


@simulate
async def test_a_timeout_of_the_predicate_or_of_the_caller_passes_as_it_is() -> None:
    def late(_: int) -> bool:
        raise TimeoutError("of the predicate")

    with pytest.raises(TimeoutError, match="of the predicate"):
        await Store(1).select().wait_for(late, timeout=5)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            await Store(0).select().wait_for(timeout=5)
    assert str(caught.value) == ""


def test_a_service_that_is_gone_explains_nothing() -> None:
    domain = Domain()
    service = WebSocketService("ws://x", domain=domain)
    assert domain.explanation() == "; the connection to ws://x is closed"
    del service
    assert domain.explanation() == ""


# --- causes -----------------------------------------------------------------------------------------------------------


@simulate
async def test_a_first_dial_that_fails_is_no_lost_connection_and_giving_up_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "reactive_ws")
    async with World() as world:
        service = world.service("ws://away:80/ws", max_attempts=1)
        await service.connect()
        with pytest.raises(ReactiveWSError):
            await service.wait_connected()
        reason = "cannot reach ws://away:80/ws: Connect call failed ('away', 80)"
        assert lines(caplog) == [
            f"WARNING not connected: {reason}",
            f"ERROR gave up: after 1 retry: {reason}",
        ]


@simulate
async def test_no_metrics_say_connected_without_a_connect() -> None:
    async with World() as world:
        server = await world.server()
        service = world.service()
        seen: list[tuple[str, int, bool]] = []
        service.metrics.select(
            lambda now: (now.state.value, now.connects, now.connected_for is not None)
        ).subscribe(seen.append)
        await service.connect()
        await service.wait_connected()
        await server.close(1012)
        await world.advance(30)
        assert seen == [
            ("closed", 0, False),
            ("connecting", 0, False),
            ("connected", 1, True),
            ("reconnecting", 1, False),
            ("connected", 2, True),
        ]


@pytest.mark.parametrize(
    "make", [lambda: Store(1), lambda: KeyedStore({"a": 1}), lambda: derived(Store(1), abs)]
)
def test_a_method_that_a_store_does_not_have_is_refused_with_what_to_write(
    make: Callable[[], Any],
) -> None:
    store = make()
    for name, instead in [
        ("subscribe", r"select\(\)\.subscribe\("),
        ("pipe", r"select\(\)\.pipe\("),
        ("value", r"write get\(\)"),
        ("wait_for", r"select\(\)\.wait_for\("),
        ("nothing", "has no attribute 'nothing'$"),
    ]:
        with pytest.raises(AttributeError, match=instead):
            getattr(store, name)
    assert not hasattr(store, "subscribe")
