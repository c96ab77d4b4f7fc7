"""Feeds and viewers: news, documents, filter, pause, the tree of stores."""

from __future__ import annotations

import json

import pytest

from reactive_ws import Domain, Store
from reactive_ws.devtools import ProgramRecorder
from reactive_ws.devtools.feed import Feed, read_document
from reactive_ws.devtools.values import Shows
from reactive_ws.devtools.viewer import Viewer, details_of
from reactive_ws.errors import UsageError
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat
from reactive_ws.testing import World, simulate


def test_a_viewer_gets_each_event_once_and_the_stores_whose_values_are_new() -> None:
    domain = Domain("app")
    count, other = Store(0, name="a.count", domain=domain), Store(0, name="a.other", domain=domain)
    with ProgramRecorder(domain=domain) as recorder:
        feed, late = Feed(recorder, Shows()), Feed(recorder, Shows())
        assert feed.hello() == {"type": "hello", "domain": "app", "services": []}
        first = feed.news()
        assert first is not None
        assert [store["name"] for store in first["stores"]] == ["a.count", "a.other"]
        assert feed.news() is None
        count.set(1)
        second = feed.news()
        assert second is not None
        assert [(it["kind"], it["title"], it["commit"]) for it in second["events"]] == [
            ("commit", "a.count", 1)
        ]
        assert [(it["name"], it["value"]["text"]) for it in second["stores"]] == [("a.count", "1")]
        other.close()
        third = feed.news()
        assert third is not None
        assert third["gone"] == [2]
        assert third["events"][0]["closed"] == ["a.other"]
        whole = late.news()
        assert whole is not None
        assert [it["number"] for it in whole["events"]] == [1, 2]


def test_a_viewer_that_comes_late_hears_how_many_events_it_missed() -> None:
    domain = Domain()
    count = Store(0, domain=domain)
    with ProgramRecorder(domain=domain, size=600) as recorder:
        feed = Feed(recorder, Shows())
        for number in range(1, 1001):
            count.set(number)
        news = feed.news()
        assert news is not None
        assert [it["number"] for it in news["events"]] == list(range(501, 1001))
        assert news["missed"] == 500


def test_no_secret_is_in_anything_that_leaves_the_program() -> None:
    @simulate
    async def story() -> None:
        async with World() as world:
            server = await world.server(registry=agent_chat())
            service = world.service(
                "ws://ann:SECRET0@server:80/ws?token=SECRET1", registry=agent_chat()
            )
            login = Store(
                {"user": "ann", "token": "SECRET2"}, name="app.login", domain=world.domain
            )
            with ProgramRecorder(service) as recorder:
                feed = Feed(recorder, Shows(hide=["pin"]))
                await service.connect()
                await service.wait_connected()
                login.set({"user": "bob", "token": "SECRET3", "pin": "SECRET4"})
                service.send("sign.in", {"password": "SECRET5", "user": "bob"})
                server.send_frame('{"type": "token", "payload": {"value": "SECRET6"}}')
                await world.settle()
                text = json.dumps([feed.news(), feed.document(), feed.hello()])
            assert "bob" in text
            assert "sign.in" in text
            assert "SECRET" not in text, text[text.index("SECRET") - 80 :][:160]

    story()


@simulate
async def test_messages_and_the_outbox_are_shown() -> None:
    async with World() as world:
        service = world.service(registry=agent_chat())
        with ProgramRecorder(service) as recorder:
            feed = Feed(recorder, Shows())
            await service.connect()
            service.send(MessageSend("s", Message("c1", "s", "user", "hi", 0)))
            await world.settle()
            news = feed.news()
            assert news is not None
            (sent,) = [it for it in news["events"] if it["kind"] == "out"]
            assert (sent["title"], sent["id"], sent["guarantee"]) == (
                "message.send",
                "c1",
                "at-least-once",
            )
            assert details_of(sent)[:4] == [
                "out message.send",
                "id: c1",
                "channel: message.send",
                "guarantee: at-least-once",
            ]
            (shown,) = news["services"]
            assert shown["waiting"] == 1
            assert shown["outbox"] == [
                {"id": "c1", "type": "message.send", "status": "queued", "attempts": 0}
            ]
            assert shown["state"] in ("connecting", "reconnecting")


def test_a_filter_and_a_pause_and_the_switch_for_the_stores_of_services() -> None:
    domain = Domain()
    count, own = (
        Store(0, name="app.count", domain=domain),
        Store(0, name="service.metrics", domain=domain),
    )
    lamp = Store(0, name="app.lamp", domain=domain)
    viewer = Viewer()
    with ProgramRecorder(domain=domain) as recorder:
        feed = Feed(recorder, Shows())

        def look() -> list[str]:
            news = feed.news()
            if news is not None:
                viewer.take(news)
            return [row["title"] for row in viewer.rows()]

        count.set(1)
        own.set(1)
        lamp.set(1)
        assert look() == ["app.count", "app.lamp"]
        viewer.shows_service = True
        assert look() == ["app.count", "service.metrics", "app.lamp"]
        viewer.filter = "LAMP commit"
        assert look() == ["app.lamp"]
        viewer.filter = "a_filter_and_a_pause"  # the function that wrote
        assert len(look()) == 3
        viewer.filter = ""
        viewer.pause(is_paused=True)
        lamp.set(2)
        assert len(look()) == 3
        assert viewer.held == 1
        assert viewer.stores[3]["value"] == {"text": "2"}
        viewer.pause(is_paused=False)
        assert len(look()) == 4
        assert viewer.held == 0
        assert viewer.tree() == {
            "app": {"count": (1, {"text": "1"}), "lamp": (3, {"text": "2"})},
            "service": {"metrics": (2, {"text": "1"})},
        }


def test_stores_with_one_name_and_a_store_with_the_name_of_a_folder_have_places_of_their_own() -> (
    None
):
    domain = Domain()
    stores = [
        Store(n, name=name, domain=domain) for n, name in enumerate(("a", "a.b", "a.b", "text"))
    ]
    with ProgramRecorder(domain=domain) as recorder:
        viewer, news = Viewer(), Feed(recorder, Shows()).news()
        assert news is not None
        viewer.take(news)
    numbers = {store["value"]["text"]: store["store"] for store in viewer.stores.values()}
    first, second = sorted((numbers[it], it) for it in "12")
    assert viewer.tree() == {
        "a": (numbers["0"], {"text": "0"}),
        "a.": {
            "b": (first[0], {"text": first[1]}),
            f"b #{second[0]}": (second[0], {"text": second[1]}),
        },
        "text": (numbers["3"], {"text": "3"}),
    }
    del stores


def test_an_exported_record_can_be_read_and_shown_again() -> None:
    domain = Domain("app")
    count = Store(0, name="count", domain=domain)
    with ProgramRecorder(domain=domain) as recorder:
        count.set(1)
        document = read_document(json.dumps(Feed(recorder, Shows()).document()))
    viewer = Viewer()
    viewer.filter = "nothing"
    viewer.load(document)
    (row,) = viewer.rows()
    assert details_of(row)[0] == "commit 1 count"
    assert details_of(row)[-2:] == ["count:", "  0 -> 1"]
    assert viewer.tree() == {"count": (1, {"text": "1"})}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "export writes one"),
        ("[]", "export writes one"),
        ("[" * 100_000, "export writes one"),
        ('{"format": "reactive-ws record", "version": 2}', "version 2; this tool reads 1"),
        (
            '{"format": "reactive-ws record", "version": 1}',
            "damaged: Object missing required field `events`",
        ),
        ('{"format": "reactive-ws record", "version": 1, "events": [{}], "stores": []}', "damaged"),
        ('{"format": "reactive-ws record", "version": 1, "events": [], "stores": [1]}', "damaged"),
    ],
)
def test_a_file_that_is_no_record_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_document(text)
