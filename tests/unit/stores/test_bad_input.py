"""Bad input: each case is defined, visible in the error store, and harms nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from app_world import connected, problems, said, texts

from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    MessageDelta,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
)
from reactive_ws.testing import World, simulate
from reactive_ws.wire.control import MessageReceived
from reactive_ws.wire.envelope import Envelope


def frame(kind: str, payload: Any, **fields: Any) -> str:
    return json.dumps({"type": kind, "payload": payload, **fields})


@simulate
async def test_a_panel_without_id_is_rejected_and_its_stream_goes_on() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(PanelCreated(Panel("a", "text", "A")))
        both = Panel("a", "text", "A"), Panel("b", "text", "B")
        state = ChatSnapshot("app", "epoch-1", 3, panels=both)
        # The panels are loaded again, because the one without an id may be anything.
        server.answer("sync", lambda _: [Envelope("snapshot", state)])
        bad = frame(
            "panel.created",
            {"panel": {"kind": "text", "title": "no id"}},
            stream="app",
            epoch="epoch-1",
            seq=2,
        )
        server.send_frame(bad)
        good = frame(
            "panel.created",
            {"panel": {"id": "b", "kind": "text", "title": "B"}},
            stream="app",
            epoch="epoch-1",
            seq=3,
        )
        server.send_frame(good)
        await world.settle()
        assert [it.id for it in app.carousel.panels.get()] == ["a", "b"]
        (problem,) = problems(app)
        assert "id" in problem
        assert app.service.positions.get()["app"].seq == 3


@simulate
async def test_an_update_and_a_deletion_of_an_unknown_panel() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(PanelDeleted("ghost"))
        server.publish(PanelUpdated(PanelChange("ghost", title="new")))
        await world.settle()
        assert app.carousel.panels.get() == ()
        assert problems(app) == [
            "panel ghost changed and is not here; the panels are fetched again"
        ]
        assert [it.payload.streams for it in server.received if it.type == "sync"][-1] == ("app",)


@simulate
async def test_sequence_numbers_that_jump_are_waited_for_reported_and_synced() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m1", "one", 1), "s")
        server.streams.add(
            "s", server.send(said("lost", "lost", 2), stream="other", epoch="e", seq=1)
        )
        server.publish(said("m3", "three", 3), "s")
        await world.settle()
        assert texts(app) == ["one", "lost"]
        await world.advance(3)
        assert texts(app) == ["one", "lost", "three"]
        assert len(problems(app)) == 1
        assert [it.payload.streams for it in server.received if it.type == "sync"][-1] == ("s",)


@simulate
async def test_sequence_numbers_that_repeat_are_shown_both_and_reported() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m1", "one", 1), "s")
        await world.settle()
        server.publish(said("other", "also one", 1), "s")
        await world.settle()
        assert texts(app) == ["one", "also one"]
        assert problems(app) == ["messages m1 and other have the same sequence 1; both are shown"]


@simulate
async def test_an_id_that_is_reused_with_other_content_shows_the_newer_one() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m1", "one", 1), "s")
        server.publish(said("m2", "two", 2), "s")
        await world.settle()
        server.publish(said("m1", "changed", 1), "s")
        server.publish(said("m2", "two", 2), "s")
        await world.settle()
        assert texts(app) == ["changed", "two"]
        assert problems(app) == ["message m1 came again with other content; the newer one is shown"]


@simulate
async def test_a_message_of_a_million_characters_is_shown() -> None:
    async with World() as world:
        server, app = await connected(world)
        long = "x" * 1_000_000
        server.publish(said("m1", long, 1), "s")
        server.publish(said("m2", "short", 2), "s")
        await world.settle()
        assert texts(app) == [long, "short"]
        assert problems(app) == []
        server.publish(said("m3", long * 2, 3), "s")
        await app.service.wait_connected(120)
        await world.advance(5)
        assert len(problems(app)) > 0
        assert texts(app)[:2] == [long, "short"]


@simulate
async def test_dates_in_the_future_and_dates_that_are_none() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m1", "future", 1, timestamp=datetime(2999, 1, 1, tzinfo=UTC)), "s")
        server.publish(said("m2", "never", 2, timestamp=1e300), "s")
        bad = {"id": "m3", "sessionId": "s", "role": "user", "content": "x", "timestamp": "soon"}
        server.send_frame(
            frame(
                "message.response",
                {"sessionId": "s", "message": bad},
                stream="s",
                epoch="epoch-1",
                seq=3,
            )
        )
        await world.settle()
        assert texts(app) == ["future", "never"]
        rejected, future, never = sorted(problems(app))
        assert "m1 is dated in the future" in future
        assert "m2 has a date that no calendar knows" in never
        assert "timestamp" in rejected


@simulate
async def test_an_acknowledgement_for_nothing_is_reported_and_one_that_repeats_is_not() -> None:
    async with World() as world:
        server, app = await connected(world)
        delivery = app.history.send("s", "hello")
        await delivery
        server.send(MessageReceived(delivery.id, reply={"sequence": 1}))
        server.send(MessageReceived("nothing", reply={"sequence": 1}))
        await world.settle()
        assert problems(app) == [
            "the server acknowledged message nothing, which was not sent from here"
        ]
        assert texts(app) == ["hello"]


@simulate
async def test_pieces_after_the_end_of_an_answer_are_dropped_and_reported() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(MessageDelta("s", "a", 0, "Hello", done=True), "s")
        server.publish(MessageDelta("s", "a", 5, " again"), "s")
        await world.settle()
        assert texts(app) == ["Hello"]
        assert problems(app) == ["answer a went on after its end; dropped"]


@simulate
async def test_a_message_of_another_session_than_its_response_is_shown_and_reported() -> None:
    async with World() as world:
        server, app = await connected(world)
        response = said("m1", "hi", 1, "t")
        server.publish(type(response)("s", response.message), "s")
        await world.settle()
        assert (texts(app, "s"), texts(app, "t")) == (["hi"], [])
        assert len(problems(app)) == 1


@simulate
async def test_a_frame_that_is_no_message_is_counted_and_the_next_one_is_read() -> None:
    async with World() as world:
        server, app = await connected(world)
        for _ in range(3):
            server.send_frame("{broken")
        server.publish(said("m1", "hi", 1), "s")
        await world.settle()
        assert texts(app) == ["hi"]
        (error,) = app.errors.state.get().errors
        assert (error.count, error.kind.value) == (3, "protocol")
        app.errors.dismiss(error.number)
        assert problems(app) == []
