"""The options of a service, as type checkers see them where a function passes them on. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import Unpack, assert_type

from reactive_ws import Envelope, Header, OutboxOptions, ServiceOptions, WebSocketService
from reactive_ws.stores import Application
from reactive_ws.testing import ScriptedServer, World


def options_that_are_passed_on(world: World, **options: Unpack[ServiceOptions]) -> None:
    assert_type(Application.at("ws://x", auth=Header("t"), wraps=True, max_attempts=3), Application)
    assert_type(Application.at("ws://x", **options), Application)
    assert_type(WebSocketService("ws://x", **options), WebSocketService)
    assert_type(world.service(outbox=OutboxOptions()), WebSocketService)


async def misspelled_names(world: World) -> None:
    Application.at("ws://x", heartbeet=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    WebSocketService("ws://x", heartbeet=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await world.server(is_plane=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    world.service(heartbeet=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def wrong_types(world: World) -> None:
    Application.at("ws://x", outbox=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Application.at("ws://x", auth="token")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    world.service(heartbeat=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Order:
    """A message of the program."""

    symbol = "TEA"


async def messages_that_a_test_expects(server: ScriptedServer) -> None:
    assert_type(await server.expect(Order), Envelope[Order])
    assert_type((await server.expect(Order, timeout=1.0)).payload.symbol, str)
    await server.expect("order")
    await server.expect()
    await server.expect(Order())
    await server.expect(lambda message: message.type == "order")
