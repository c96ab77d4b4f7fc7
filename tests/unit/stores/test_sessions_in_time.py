"""Sessions: names, activity, idleness, what the server does not know, and coming back."""

from __future__ import annotations

import asyncio

import pytest
from app_world import connected, envelopes, problems, said, texts

from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores import OlderRequest
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    Message,
    PanelDeleted,
    Session,
    SessionClosed,
    SessionCreated,
)
from reactive_ws.testing import World, simulate


@simulate
async def test_a_session_keeps_the_name_that_the_user_gave_it() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(SessionCreated("a", "theirs"))
        await world.settle()
        app.sessions.rename("a", "mine")
        server.publish(SessionCreated("a", "theirs again"))
        await world.settle()
        assert [it.title for it in app.sessions.all.get()] == ["mine"]
        with pytest.raises(KeyError, match="there is no session 'nobody' here"):
            app.sessions.rename("nobody", "x")
        with pytest.raises(ValueError, match="there is a session 'a' already"):
            app.sessions.create("again", session_id="a")
        assert [it.title for it in app.sessions.all.get()] == ["mine"]


@simulate
async def test_sessions_are_ordered_by_activity_and_become_idle() -> None:
    async with World() as world:
        server, app = await connected(world, idle_after=60.0)
        for name in "abc":
            server.publish(SessionCreated(name))
        await world.settle()
        order: list[str] = []
        app.sessions.by_activity.subscribe(
            lambda sessions: order.append("".join(it.id for it in sessions))
        )
        idle: list[bool] = []
        app.sessions.is_idle("b").subscribe(idle.append)
        assert app.sessions.idle.get() == {"a", "b", "c"}
        server.publish(said("m1", "hi", 1, "b"), "b")
        await world.advance(10)
        server.publish(said("m2", "hi", 1, "c"), "c")
        await world.advance(20)
        server.publish(said("m3", "hi", 2, "b"), "b")
        await world.advance(45)
        assert order == ["abc", "bac", "cba", "bca"]
        assert app.sessions.idle.get() == {"a", "c"}
        await world.advance(60)
        assert app.sessions.idle.get() == {"a", "b", "c"}
        assert idle == [True, False, True]
        app.sessions.touch("b", "panel")
        assert app.sessions.idle.get() == {"a", "c"}
        assert "panel" in app.sessions.state.get().panel_activity
        app.close()


@simulate
async def test_what_happened_during_an_outage_comes_with_the_resume() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(SessionCreated("a"))
        server.publish(said("m1", "before", 1, "a"), "a")
        await world.settle()
        server.abort()
        await world.settle()
        server.publish(SessionCreated("b"))
        server.publish(SessionClosed("c"))
        server.publish(said("m2", "meanwhile", 2, "a"), "a")
        await app.service.wait_connected(60)
        await world.settle()
        assert [it.id for it in app.sessions.all.get()] == ["a", "b"]
        assert texts(app, "a") == ["before", "meanwhile"]
        assert [one for one in server.received if one.type == "resume"] != []


@simulate
async def test_a_response_for_an_unknown_session_is_kept_and_reported() -> None:
    async with World() as world:
        server, app = await connected(world)
        server.publish(ChatSnapshot("app", "epoch-1", 0, sessions=(Session("known"),)))
        await world.settle()
        server.publish(said("m1", "who am I?", 1, "stranger"), "stranger")
        server.publish(said("m2", "fine", 1, "known"), "known")
        await world.settle()
        assert texts(app, "stranger") == ["who am I?"]
        assert [text.split(";")[0] for text in problems(app)] == [
            "something was said in session stranger, which is not known"
        ]
        server.publish(SessionClosed("known"))
        server.publish(said("m3", "late", 2, "known"), "known")
        await world.settle()
        assert len(problems(app)) == 1


@simulate
async def test_what_is_over_leaves_nothing_that_is_counted_or_grows() -> None:
    async with World() as world:
        server, app = await connected(world)
        unread: list[int] = []
        app.history.unread.subscribe(unread.append)
        for name in ("a", "b", "c"):
            server.publish(SessionCreated(name))
            server.publish(said(f"m-{name}", "news", 1, name, panel_id=f"p-{name}"), name)
        await world.settle()
        assert unread[-1] == 3
        app.sessions.rename("a", "mine")
        server.publish(SessionClosed("a"))
        server.publish(PanelDeleted("p-a"))
        await world.settle()
        server.publish(said("m-late", "on its way", 2, "a", panel_id="p-late"), "a")
        await world.settle()
        assert unread[-1] == 2
        assert texts(app, "a") == ["news", "on its way"]
        state = app.sessions.state.get()
        assert set(state.last_activity) == {"b", "c"}
        assert set(state.panel_activity) == {"p-b", "p-c"}
        assert dict(state.renamed) == {}
        server.publish(ChatSnapshot("app", "epoch-1", 99, sessions=(Session("c"),)))
        await world.settle()
        assert unread[-1] == 1
        assert (texts(app, "b"), app.history.select_unread("c").get()) == (["news"], 1)
        app.history.forget("b")
        app.history.forget("b")
        assert app.history.select_session_ids().get() == ("a", "c")
        assert problems(app) == []


@simulate
async def test_several_late_answers_at_once_leave_nothing_either() -> None:
    async with World() as world:
        server, app = await connected(world)
        for name in ("a", "b"):
            server.publish(SessionCreated(name))
        server.publish(SessionClosed("a"))
        await world.settle()
        for sequence in range(1, 20):
            server.publish(said(f"a{sequence}", "late", sequence, "a", panel_id="p-a"), "a")
            server.publish(said(f"b{sequence}", "new", sequence, "b", panel_id="p-b"), "b")
        await world.settle()
        state = app.sessions.state.get()
        assert set(state.last_activity) == {"b"}
        assert set(state.panel_activity) == {"p-b"}
        assert app.history.unread.get() == 19


@simulate
async def test_a_session_that_is_there_again_has_news_again() -> None:
    async with World() as world:
        server, app = await connected(world)
        for name in ("a", "b"):
            server.publish(SessionCreated(name))
            server.publish(SessionClosed(name))
        await world.settle()
        server.publish(SessionCreated("a"))
        server.publish(
            ChatSnapshot("app", "epoch-1", 99, sessions=(Session("a"), Session("b"), Session("c")))
        )
        await world.settle()
        for name in ("a", "b"):
            server.publish(said(f"m-{name}", "news", 1, name), name)
        await world.settle()
        assert [app.history.select_unread(name).get() for name in ("a", "b")] == [1, 1]
        assert set(app.sessions.state.get().last_activity) == {"a", "b"}


@simulate
async def test_an_unknown_session_leaves_no_activity_when_the_server_does_not_know_it_either() -> (
    None
):
    async with World() as world:
        server, app = await connected(world)
        server.publish(said("m1", "who am I?", 1, "stranger"), "stranger")
        await world.settle()
        assert set(app.sessions.state.get().last_activity) == {"stranger"}
        server.publish(ChatSnapshot("app", "epoch-1", 0, sessions=()))
        await world.settle()
        assert set(app.sessions.state.get().last_activity) == set()
        assert app.history.unread.get() == 0


@simulate
async def test_a_forgotten_session_does_not_come_back_with_what_was_on_its_way() -> None:
    async with World() as world:
        server, app = await connected(world)
        pages: list[str] = []

        async def page(request: OlderRequest) -> list[Message]:
            await asyncio.sleep(5)
            pages.append(request.session_id)
            if request.session_id == "broken":
                raise ConnectionError("no page")
            return [Message("old", request.session_id, "user", "long ago", 0.0)]

        async def post(_: Message) -> None:
            await asyncio.sleep(5)

        names = ("said", "posted", "paged", "broken")
        app.service.disconnect()
        await app.service.connect()
        sent = app.history.send("said", "over the socket")
        posted = app.history.send("posted", "another way", post=post)
        loads = [app.history.load_older(name, page) for name in names[2:]]
        for name in names:
            app.history.forget(name)
        await world.advance(30)
        assert app.history.select_session_ids().get() == ()
        assert (sent.status, posted.status) == (DeliveryStatus.ACKNOWLEDGED,) * 2
        assert [one.payload.message.content for one in envelopes(server, "message.send")] == [
            "over the socket"
        ]
        assert pages == ["paged", "broken"]
        assert await loads[0] == 0
        with pytest.raises(ConnectionError):
            await loads[1]
        assert not app.history.get("paged").is_loading_older
        server.publish(said("m1", "later", 1, "said"), "said")
        await world.settle()
        assert texts(app, "said") == ["later"]
