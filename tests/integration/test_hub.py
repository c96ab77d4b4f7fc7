"""The hub over real sockets, seen by a client that knows only JSON."""

import asyncio
import json
import signal
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from raw_client import PATIENCE, RawClient, answer_to, raw_client, serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reactive_ws.errors import ListenFailed, LogUnusable
from reactive_ws.stores.hub import Hub
from reactive_ws.stores.wire.chat import Message


def run(body: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * PATIENCE):
            await body

    asyncio.run(bounded())


def yes(message: Message, outcomes: tuple[str, ...]) -> str:
    return "yes indeed"


def positions(client: RawClient) -> list[tuple[str, int]]:
    """The entries that a client got; the messages of one entry share its number, all but the last with `more`."""
    return [
        (one["stream"], one["seq"]) for one in client.seen if "stream" in one and "more" not in one
    ]


async def head(hub: Hub, stream: str) -> int:
    return (await hub.log.read(stream, None, 1)).head.seq


def test_hello_is_first_and_a_message_is_acknowledged_streamed_and_answered() -> None:
    async def body() -> None:
        async with Hub(reply=yes) as hub, raw_client(hub.url) as client:
            assert client.socket.subprotocol == "reactive-ws.v1"
            await client.say("m1", "hello")
            await client.until(answer_to("m1"))
            assert client.types() == [
                "hello",
                "message.received",
                "session.created",
                "message.response",
                "message.delta",
                "message.delta",
                "message.response",
            ]
            assert client.seen[0]["payload"] == {
                "heartbeat": 30.0,
                "maxSize": 2**20 - 2**12,
                "resume": True,
                "features": ["cause", "more", "snapshot-parts"],
                "dedup": hub.log.dedup_seconds,
            }
            assert client.seen[1]["payload"] == {
                "messageId": "m1",
                "positions": {name: {"epoch": hub.epoch, "seq": 1} for name in ("app", "s1")},
                "reply": {"sequence": 1},
            }
            deltas = [one["payload"] for one in client.seen if one["type"] == "message.delta"]
            assert [(d["offset"], d["text"], d["done"]) for d in deltas] == [
                (0, "yes", False),
                (3, " indeed", True),
            ]
            assert client.seen[-1]["payload"]["message"]["content"] == "yes indeed"

    run(body())


def test_a_client_without_the_subprotocol_gets_no_hello_and_no_positions() -> None:
    async def body() -> None:
        async with Hub(reply=yes) as hub, raw_client(hub.url, plain=True) as client:
            assert client.socket.subprotocol is None
            await client.say("m1", "hello")
            await client.until(answer_to("m1"))
            assert "hello" not in client.types()
            assert positions(client) == []

    run(body())


def test_all_clients_see_the_same_entries_in_the_same_order() -> None:
    async def body() -> None:
        async with (
            Hub(reply=yes) as hub,
            raw_client(hub.url) as one,
            raw_client(hub.url) as two,
        ):
            for client in (one, two):
                await client.settled()
                await client.send("sync", {"streams": ["app"]})
                await client.until("snapshot")
            await one.say("m1", "panel create A")
            await two.say("m2", "panel create B", session="s2")
            for client in (one, two):
                got: set[str] = set()
                while got != {"m1.reply", "m2.reply"}:
                    await client.until("message.response")
                    got = set(client.answers())
            assert sorted(positions(one)) == sorted(positions(two))
            assert sorted(positions(one)) == sorted(set(positions(one)))
            panels = [
                [p["payload"]["panel"]["title"] for p in c.seen if p["type"] == "panel.created"]
                for c in (one, two)
            ]
            assert panels[0] == panels[1]

    run(body())


def test_typing_is_relayed_to_the_others_only() -> None:
    async def body() -> None:
        async with Hub() as hub, raw_client(hub.url) as one, raw_client(hub.url) as two:
            await two.settled()
            await one.send("typing", {"conversationId": "s1", "userId": "ann"})
            assert (await two.until("typing"))["payload"]["userId"] == "ann"
            await one.settled()
            assert "typing" not in one.types()

    run(body())


def test_what_was_missed_is_replayed_once_and_in_order() -> None:
    async def body() -> None:
        async with Hub(reply=yes) as hub, raw_client(hub.url) as other:
            async with raw_client(hub.url) as client:
                await client.say("m1", "hello")
                await client.until(answer_to("m1"))
                last = dict(positions(client))
            await other.say("m2", "panel create A")
            await other.until(answer_to("m2"))
            async with raw_client(hub.url) as client:
                await client.until("hello")
                # Happens after the greeting and before the resume: part of the replay, and not sent twice.
                await other.say("m3", "hello")
                await other.until(answer_to("m3"))
                streams = {n: {"epoch": hub.epoch, "seq": s} for n, s in last.items()}
                await client.send("resume", {"streams": streams})
                await client.until(answer_to("m3"))
                await client.settled()
                assert client.types()[1] == "resumed"
                for name in ("app", "s1"):
                    missed = [seq for stream, seq in positions(client) if stream == name]
                    assert missed == list(range(last[name] + 1, await head(hub, name) + 1))

    run(body())


def test_what_happens_before_the_first_word_of_a_client_reaches_it_in_the_end() -> None:
    async def body() -> None:
        async with (
            Hub(reply=yes, hold_time=0.05) as hub,
            raw_client(hub.url) as other,
            raw_client(hub.url) as client,
        ):
            await client.until("hello")
            await other.say("m1", "hello")
            await client.until(answer_to("m1"))
            heard = [seq for stream, seq in positions(client) if stream == "s1"]
            assert heard == [1, 2, 3, 4]

    run(body())


def test_an_unwanted_stream_is_silent_until_it_is_wanted_again() -> None:
    async def body() -> None:
        async with Hub(reply=yes) as hub, raw_client(hub.url) as client:
            await client.send("unsubscribe", {"channel": "s1"})
            await client.say("m1", "panel create A")
            await client.until("panel.created")
            await client.say("m2", "hello", session="s2")
            await client.until(answer_to("m2"))
            await client.send("subscribe", {"channel": "s1"})
            subscribed = await client.until("subscribed")
            assert subscribed["payload"]["stream"] == "s1"
            await client.say("m3", "hello")
            await client.until(answer_to("m3"))
            heard = [seq for stream, seq in positions(client) if stream == "s1"]
            assert heard[0] > subscribed["payload"]["seq"]

    run(body())


def test_garbage_is_answered_with_errors_and_does_no_harm() -> None:
    async def body() -> None:
        async with Hub(reply=yes) as hub, raw_client(hub.url) as client:
            garbage: list[str | bytes] = [
                "",
                "{",
                "[]",
                "null",
                b"\x00\xff",
                '{"type": 1}',
                '{"type":"message.send","id":"g1"}',
                '{"type":"message.send","id":"g2","payload":{"sessionId":"s","message":{"id":5}}}',
                "[" * 100_000,
                '{"type":"resume","id":"g3","payload":{"streams":{"app":{"epoch":"x"}}}}',
            ]
            for frame in garbage:
                await client.socket.send(frame)
            await client.say("m1", "hello")
            await client.until(answer_to("m1"))
            errors = [one["payload"] for one in client.seen if one["type"] == "error"]
            assert [e["code"] for e in errors] == ["bad_message"] * len(garbage)
            assert [e["replyTo"] for e in errors if "replyTo" in e] == ["g1", "g2", "g3"]

    run(body())


def test_a_message_over_the_limit_closes_with_1009() -> None:
    async def body() -> None:
        async with Hub(max_size=1000) as hub, raw_client(hub.url) as client:
            await client.say("m1", "x" * 2000)
            with pytest.raises(ConnectionClosed) as caught:
                await client.until("message.received")
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1009

    run(body())


def test_a_client_that_does_not_read_is_cut_off_and_the_others_are_served() -> None:
    async def body() -> None:
        long = "x " * 5_000

        async def silent(hub: Hub) -> socket.socket:
            """A client that completes the handshake and then never reads."""
            plain = socket.create_connection(("127.0.0.1", hub.port))
            plain.sendall(
                b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            return plain

        async with Hub(reply=lambda m, o: "ok", stuck_after=0.5) as hub:
            stuck = await silent(hub)
            try:
                async with raw_client(hub.url) as client:
                    await client.settled()
                    while hub.clients < 2:
                        await asyncio.sleep(0.01)
                    sent = 0
                    while hub.clients == 2:
                        sent += 1
                        await client.say(f"m{sent}", long)
                        await client.until(answer_to(f"m{sent}"))
                    assert len(client.answers()) == sent
            finally:
                stuck.close()

    run(body())


def test_a_token_is_accepted_wherever_a_client_may_put_it_and_never_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body() -> None:
        async with Hub(authorize=lambda token: token == "s3cret", auth_timeout=1.0) as hub:
            async with raw_client(
                hub.url, additional_headers={"Authorization": "Bearer s3cret"}
            ) as client:
                await client.settled()
            async with raw_client(hub.url + "?token=s3cret", plain=True) as client:
                await client.settled()
            offers = ["reactive-ws.v1", "bearer.czNjcmV0"]
            async with connect(hub.url, subprotocols=offers, proxy=None) as socket:  # type: ignore[arg-type]
                assert socket.subprotocol == "reactive-ws.v1"
                await RawClient(socket).settled()
            async with raw_client(hub.url) as client:
                await client.settled()  # a ping is answered before
                await client.send("auth", {"token": "s3cret"}, "a1")
                assert (await client.until("auth.ok"))["id"] == "a1"
                await client.send("auth", {"token": "s3cret"}, "a2")
                await client.until("auth.ok")
                await client.settled()
            codes = []
            for type_, payload in (
                ("auth", {"token": "wrong-s3cret"}),
                ("sync", {"streams": ["app"]}),
                ("ping", None),
            ):
                async with raw_client(hub.url) as client:
                    await client.send(type_, payload)
                    with pytest.raises(ConnectionClosed) as caught:
                        await client.until("snapshot")
                    assert caught.value.rcvd is not None
                    codes.append(caught.value.rcvd.code)
            assert codes == [4401, 4401, 4401]
            for url, offers in (
                (hub.url, []),
                (hub.url + "?token=wrong-s3cret", ["reactive-ws.v1"]),
                (hub.url, ["reactive-ws.v1", "bearer.d3Jvbmc"]),
                (hub.url, ["reactive-ws.v1", "bearer.!"]),
            ):
                with pytest.raises(InvalidStatus) as refused:
                    async with connect(url, subprotocols=offers, proxy=None):  # type: ignore[arg-type]
                        pass
                assert refused.value.response.status_code == 401

    caplog.set_level("DEBUG", "reactive_ws")
    run(body())
    assert "s3cret" not in caplog.text


def test_closing_says_goaway_and_1001() -> None:
    async def body() -> None:
        hub = Hub()
        await hub.start()
        async with raw_client(hub.url) as client:
            await client.settled()
            await hub.close(goaway=2.5)
            assert (await client.until("goaway"))["payload"] == {"after": 2.5}
            with pytest.raises(ConnectionClosed) as caught:
                await client.until("nothing more")
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
            await hub.close()

    run(body())


def test_a_restart_without_a_file_is_a_new_epoch_and_with_one_it_is_not(tmp_path: Path) -> None:
    async def body() -> None:
        for data, is_recovered in (("memory", False), (tmp_path / "hub.db", True)):
            async with Hub(log=data, reply=yes) as hub, raw_client(hub.url) as client:
                await client.say("m1", "hello")
                await client.until(answer_to("m1"))
                epoch = hub.epoch
            async with Hub(log=data, reply=yes) as hub, raw_client(hub.url) as client:
                assert (hub.epoch == epoch) is is_recovered
                await client.send("resume", {"streams": {"s1": {"epoch": epoch, "seq": 3}}})
                resumed = await client.until("resumed")
                assert resumed["payload"]["streams"]["s1"]["recovered"] is is_recovered
                await client.say("m1", "hello")
                await client.until("message.received")
                await client.settled()
                expected = [("s1", 4)] if is_recovered else None
                if expected is not None:
                    assert positions(client) == expected

    run(body())


def test_a_taken_port_a_bad_host_and_a_file_in_use_are_said_plainly(tmp_path: Path) -> None:
    async def body() -> None:
        async with Hub(log=tmp_path / "hub.db") as hub:
            with pytest.raises(ListenFailed, match="it is in use"):
                await Hub(port=hub.port).start()
            with pytest.raises(ListenFailed, match="no such host"):
                await Hub("no.such.host.invalid").start()
            with pytest.raises(LogUnusable, match=r"none\.db"):
                await Hub(log=tmp_path / "missing" / "none.db").start()
            with pytest.raises(ListenFailed, match="it is in use"):
                await Hub(port=hub.port, log=tmp_path / "other.db").start()
            # The file of a hub that could not listen is free again.
            async with Hub(log=tmp_path / "other.db"):
                pass

    run(body())


def test_strangers_do_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    async def body() -> None:
        async with Hub() as hub:
            for greeting in (b"", b"\x00\x01\x02", b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
                writer.write(greeting)
                if writer.can_write_eof():
                    writer.write_eof()
                await reader.read()
                writer.close()
                await writer.wait_closed()
            async with raw_client(hub.url) as client:
                await client.settled()
            async with connect(hub.url, subprotocols=["other"], proxy=None) as foreign:  # type: ignore[list-item]
                assert foreign.subprotocol is None

    run(body())
    assert capfd.readouterr().err == ""


def test_what_was_acknowledged_before_a_kill_is_there_and_every_message_has_one_answer(
    tmp_path: Path,
) -> None:
    words = ("hub", "--port", "0", "--log", str(tmp_path / "hub.db"), "--token-delay", "0.002")
    ids = [f"m{number}" for number in range(60)]
    acknowledged: set[str] = set()
    heard: list[dict[str, Any]] = []

    async def talk(url: str, stop_after: int) -> None:
        async with raw_client(url) as client:
            try:
                for one in ids:
                    await client.say(one, f"panel create {one}")
                while len(acknowledged) < stop_after:
                    received = await client.until("message.received")
                    acknowledged.add(received["payload"]["messageId"])
            finally:
                heard.extend(client.seen)

    async def rest(url: str) -> None:
        async with raw_client(url) as client:
            for one in ids:
                await client.say(one, f"panel create {one}")
            for _ in ids:
                await client.until("message.received")
            await client.send("sync", {"streams": ["app"]})
            panels = (await client.until("snapshot"))["payload"]["panels"]
            assert [panel["title"] for panel in panels] == ids
            while True:
                await client.send("sync", {"streams": ["s1"]})
                snapshot = (await client.until("snapshot"))["payload"]
                said = [m for m in snapshot["messages"] if m.get("sequence")]
                if len(said) == 2 * len(ids):
                    break
            assert sorted(m["id"] for m in said if m["role"] == "user") == sorted(ids)
            assert [m["id"] for m in said if m["role"] == "assistant"] == [
                f"{i}.reply" for i in ids
            ]
            await client.send("resume", {"streams": {"s1": {"epoch": snapshot["epoch"], "seq": 0}}})
            await client.until("resumed")
            await client.settled()
            replayed = {(e["stream"], e["seq"]): e for e in client.seen if "stream" in e}
            # No number was ever given to two different things, before and after the kills.
            for entry in heard:
                if "stream" in entry:
                    assert entry == replayed.get((entry["stream"], entry["seq"]), entry)

    for stop_after in (20, 60):
        with serving(*words) as (program, url):
            run(talk(url, stop_after))
            program.kill()
    with serving(*words) as (program, url):
        run(rest(url))
        program.send_signal(signal.SIGTERM)
        assert program.wait(PATIENCE) == 0
    assert acknowledged == set(ids)
    entries = [json.dumps(e, sort_keys=True) for e in heard if e["type"] == "message.response"]
    assert len(entries) == len(set(entries))


def test_a_half_given_answer_is_finished_after_a_kill(tmp_path: Path) -> None:
    words = ("hub", "--port", "0", "--log", str(tmp_path / "hub.db"))

    async def half(url: str) -> None:
        async with raw_client(url) as client:
            await client.say("m1", "one two three")
            await client.until("message.delta")
            await client.until("message.delta")

    async def whole(url: str) -> None:
        async with raw_client(url) as client:
            await client.send("sync", {"streams": ["s1"]})
            begun = (await client.until("snapshot"))["payload"]["messages"][-1]
            text = begun["content"] if begun["id"] == "m1.reply" else ""
            assert text.startswith("You said:")
            if begun.get("sequence"):
                # A slow client comes when the answer is whole.
                assert text == "You said: one two three (3 words)"
                return
            response = await client.until(answer_to("m1"))
            for message in client.seen:
                if message["type"] == "message.delta":
                    assert message["payload"]["offset"] == len(text)
                    text += message["payload"]["text"]
            assert response["payload"]["message"]["content"] == text
            assert text == "You said: one two three (3 words)"

    with serving(*words, "--token-delay", "0.2") as (program, url):
        run(half(url))
        program.kill()
    with serving(*words, "--token-delay", "0.2") as (_, url):
        run(whole(url))


def test_the_largest_message_that_is_accepted_reaches_clients_with_the_usual_limit() -> None:
    async def body() -> None:
        async with Hub(reply=yes) as hub, raw_client(hub.url, max_size=2**20) as client:
            await client.say("m1", "x" * (2**20 - 2**12 - 200))
            await client.until(answer_to("m1"))
            await client.send("sync", {"streams": ["s1"]})
            snapshot = await client.until("snapshot")
            assert [m["id"] for m in snapshot["payload"]["messages"]] == ["m1", "m1.reply"]

    run(body())


def test_a_reply_that_fails_costs_its_message_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fragile(message: Message, outcomes: tuple[str, ...]) -> str:
        if message.content == "break":
            raise ZeroDivisionError("in the reply")
        return "yes"

    async def body() -> None:
        async with Hub(reply=fragile) as hub, raw_client(hub.url) as client:
            await client.say("m1", "break")
            error = (await client.until("error"))["payload"]
            assert (error["code"], error["replyTo"]) == ("hub_failed", "m1")
            await client.say("m2", "hello")
            await client.until(answer_to("m2"))
            assert client.answers() == ["m2.reply"]

    run(body())
    assert "in the reply" in caplog.text


def test_a_hub_closes_in_time_while_clients_flood_it(tmp_path: Path) -> None:
    async def flood(url: str, number: int) -> None:
        async with raw_client(url) as client:
            for index in range(100_000):
                await client.say(f"{number}-{index}", "hello")

    async def body() -> None:
        hub = Hub(log=tmp_path / "hub.db")
        await hub.start()
        floods = [asyncio.create_task(flood(hub.url, number)) for number in range(3)]
        while await head(hub, "s1") < 2_000:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(hub.close(), PATIENCE)
        for ended in await asyncio.gather(*floods, return_exceptions=True):
            assert isinstance(ended, ConnectionClosed)

    run(body())
