"""A whole application in virtual time: what the tests of the stores share."""

from __future__ import annotations

from typing import Any

from reactive_ws.stores import Application, command_center
from reactive_ws.stores.wire.chat import Message, MessageResponse
from reactive_ws.testing import ScriptedServer, World
from reactive_ws.wire.envelope import Envelope


def application(world: World, url: str = "ws://server:80/ws", **options: Any) -> Application:
    """Returns an application whose clocks, chance and ids are the world's; `service` holds options of the service."""
    service = world.service(url, **{"registry": command_center(), **options.pop("service", {})})
    simulation = world.simulation
    return Application(service, clock=simulation.wall_clock, new_id=simulation.new_id, **options)


async def server(world: World, **options: Any) -> ScriptedServer:
    """Returns a server that knows all event types."""
    return await world.server(**{"registry": command_center(), **options})


async def connected(world: World, **options: Any) -> tuple[ScriptedServer, Application]:
    """Returns a server and an application that is connected to it."""
    scripted = await server(world)
    app = application(world, **options)
    await app.service.connect()
    await app.service.wait_connected(30)
    await world.settle()
    return scripted, app


def said(
    identity: str, text: str, sequence: int | None = None, session_id: str = "s", **more: Any
) -> MessageResponse:
    """Returns a message of the server."""
    message = Message(
        identity,
        session_id,
        "assistant",
        text,
        more.pop("timestamp", 0.0),
        sequence=sequence,
        **more,
    )
    return MessageResponse(session_id, message)


def texts(app: Application, session_id: str = "s") -> list[str]:
    """Returns what is shown of a session."""
    return [entry.content for entry in app.history.get_entries(session_id)]


def envelopes(scripted: ScriptedServer, kind: str) -> list[Envelope[Any]]:
    """Returns what the server received of a type."""
    return [one for one in scripted.received if one.type == kind]


def problems(app: Application) -> list[str]:
    """Returns what the error store shows."""
    return [error.text for error in app.errors.state.get().errors]
