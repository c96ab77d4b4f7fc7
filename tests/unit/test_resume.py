"""Coming back to an ordered stream: a log that was trimmed, servers with and without memory, an epoch that changes."""

from __future__ import annotations

import asyncio

from reactive_ws.dialects.parts import in_frames
from reactive_ws.errors import MessagesMissing
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import ChatSnapshot, SessionClosed, agent_chat
from reactive_ws.testing import ScriptedServer, World, simulate
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.control import Position, Recovery, Resume, Resumed
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import protocol_v1


def hear(service: WebSocketService) -> list[str]:
    """Returns a list that receives each closed session's id, and `= epoch n` for a snapshot at number n."""
    heard: list[str] = []
    service.on(SessionClosed, lambda payload: heard.append(payload.session_id))
    service.on(ChatSnapshot, lambda snapshot: heard.append(f"= {snapshot.epoch} {snapshot.seq}"))
    return heard


async def begin(world: World, server: ScriptedServer) -> tuple[WebSocketService, list[str]]:
    service = world.service(registry=agent_chat())
    heard = hear(service)
    await service.connect()
    await service.wait_connected()
    for number in (1, 2):
        server.publish(SessionClosed(str(number)))
    await world.settle()
    return service, heard


async def come_back(world: World, server: ScriptedServer, service: WebSocketService) -> None:
    await server.connected(len(server.connections) + 1)
    await service.wait_connected()
    await world.settle()


@simulate
async def test_a_log_that_was_trimmed_past_the_position_leads_to_a_snapshot() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service, heard = await begin(world, server)
        await server.stop()
        for number in (3, 4, 5):
            server.publish(SessionClosed(str(number)))

        def trimmed(message: Envelope[Resume]) -> list[Envelope[object]]:
            return [Envelope("resumed", Resumed({"app": Recovery(False, "epoch-1", 5)}))]

        missing: list[MessagesMissing] = []
        service.errors.subscribe(
            lambda it: (
                missing.append(it.exception) if isinstance(it.exception, MessagesMissing) else None
            )
        )
        server.answer("resume", trimmed)
        await server.start()
        await come_back(world, server, service)
        assert heard == ["1", "2", "= epoch-1 5"]
        # Handlers of types that are in no state are the only ones that lack them.
        assert [(it.stream, it.expected, it.got) for it in missing] == [("app", 3, 6)]
        assert service.connection.get().is_recovered is False
        server.publish(SessionClosed("6"))
        await world.settle()
        assert heard[3:] == ["6"]
        assert service.positions.get()["app"] == Position("epoch-1", 6)


@simulate
async def test_a_server_that_restarts_with_its_data_replays_what_was_missed() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service, heard = await begin(world, server)
        await server.stop()
        server.publish(SessionClosed("3"))
        await server.start()
        await come_back(world, server, service)
        assert heard == ["1", "2", "3"]
        assert service.connection.get().is_recovered is True
        assert [m.type for m in server.received] == ["resume"]


@simulate
async def test_a_server_that_restarts_without_its_data_is_asked_for_a_snapshot() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service, heard = await begin(world, server)
        await server.stop()
        server.new_epoch("epoch-2")
        server.publish(SessionClosed("a"))
        await server.start()
        await come_back(world, server, service)
        server.publish(SessionClosed("b"))
        await world.settle()
        assert heard == ["1", "2", "= epoch-2 1", "b"]
        assert service.positions.get()["app"] == Position("epoch-2", 2)


@simulate
async def test_an_epoch_that_changes_in_mid_replay_starts_anew_and_asks_for_a_snapshot() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service, heard = await begin(world, server)
        await server.stop()
        for number in (3, 4, 5):
            server.publish(SessionClosed(str(number)))
        recover = server.usual_answers

        def interrupted(message: Envelope[Resume]) -> list[Envelope[object]]:
            resumed, third, *_ = recover(message)
            server.new_epoch("epoch-2")
            fresh = server.streams.add("app", Envelope("session.closed", SessionClosed("a")))
            return [resumed, third, fresh]

        server.answer("resume", interrupted)
        await server.start()
        await come_back(world, server, service)
        await asyncio.sleep(3)
        assert heard == ["1", "2", "3", "a", "= epoch-2 1"]
        assert [type(event.exception) for event in world.errors][-1] is MessagesMissing
        server.publish(SessionClosed("b"))
        await world.settle()
        assert heard[5:] == ["b"]
        assert service.positions.get()["app"] == Position("epoch-2", 2)


# --- in parts ---------------------------------------------------------------------------------------------------------


def test_a_resume_that_outgrows_a_frame_goes_out_in_parts() -> None:
    many = {f"stream-{number}-\u00e9\x01": Position("epoch", number) for number in range(5_000)}
    parts = in_frames(many, 64 * 1024)
    assert {name: at for part in parts for name, at in part.items()} == many
    frames = [
        JsonCodec(protocol_v1()).encode(
            Envelope("resume", Resume(streams=part, more=True), id="x" * 36)
        )
        for part in parts
    ]
    assert (
        max(len(frame.encode() if isinstance(frame, str) else frame) for frame in frames) <= 65536
    )
    assert len(parts) < 20
    assert in_frames({}, None) == [{}]


@simulate
async def test_a_client_with_ten_thousand_streams_comes_back_to_a_server_that_takes_little() -> (
    None
):
    async with World() as world:
        server = await world.server()
        service = world.service()
        names = [f"stream-{number:05}" for number in range(10_000)]
        for name in names:
            server.streams.add(name, Envelope("note", name))
        service.positions.set({name: Position(server.streams.epoch, 1) for name in names})
        await service.connect()
        await service.wait_connected(60)
        assert service.connection.get().is_recovered
        resumes = [message for message in server.received if message.type == "resume"]
        assert len(resumes) > 1
        assert [message.payload.more for message in resumes] == [True] * (len(resumes) - 1) + [
            False
        ]


@simulate
async def test_a_stream_that_the_server_leaves_out_of_its_answer_is_not_recovered() -> None:
    async with World() as world:
        server = await world.server()
        server.answer("resume", lambda _: [Envelope("resumed", Resumed({}))])
        service = world.service()
        service.positions.set({"s": Position("e", 3)})
        await service.connect()
        await service.wait_connected(60)
        await world.settle()
        assert service.connection.get().is_recovered is False
        assert [m.payload.streams for m in server.received if m.type == "sync"] == [("s",)]


@simulate
async def test_a_forgotten_stream_is_not_resumed() -> None:
    async with World() as world:
        server = await world.server()
        service = world.service()
        service.positions.set({name: Position(server.streams.epoch, 1) for name in "ab"})
        for name in "ab":
            server.streams.add(name, Envelope("note", name))
        await service.connect()
        await service.wait_connected(60)
        service.forget("a", "unknown")
        assert set(service.positions.get()) == {"b"}
        service.reconnect()
        await service.wait_connected(60)
        resumes = [
            message.payload.streams for message in server.received if message.type == "resume"
        ]
        assert [set(streams) for streams in resumes] == [{"a", "b"}, {"b"}]


@simulate
async def test_a_server_that_cannot_continue_a_stream_says_so_at_any_time() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service, heard = await begin(world, server)
        for number in (3, 4):
            server.streams.add("app", Envelope("session.closed", SessionClosed(str(number))))
        epoch = server.streams.epoch
        server.send(Resumed({"app": Recovery(False, epoch, 4)}))
        assert (await server.expect("sync")).payload.streams == ("app",)
        await world.settle()
        assert service.positions.get()["app"] == Position(epoch, 4)
        server.publish(SessionClosed("5"))
        await world.settle()
        assert heard == ["1", "2", f"= {epoch} 4", "5"]
