"""The demo hub in virtual time: which clients it accepts and refuses, and what it sends before it stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reactive_ws.errors import ListenFailed, LogUnavailable, StateUnusable
from reactive_ws.server import Appended, Batch, MemoryLog, Proposal
from reactive_ws.server.access import request_of
from reactive_ws.stores.hub import Hub
from reactive_ws.stores.wire.chat import Message
from reactive_ws.testing import simulate

PROTOCOL = "reactive-ws.v1"


def hub(**options: Any) -> Hub:
    return Hub("server", 80, **{"token_delay": 0.0, **options})


async def dial(*, plain: bool = False, url: str = "ws://server:80/ws", **options: Any) -> Any:
    offers = [] if plain else [PROTOCOL]
    offers += options.pop("offers", [])
    return await connect(url, proxy=None, subprotocols=offers or None, **options)


async def say(socket: ClientConnection, kind: str, payload: Any = None, **more: Any) -> None:
    await socket.send(json.dumps({"type": kind, "payload": payload, **more}))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(await socket.recv())
    return got


async def heard(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while (message := await hear(socket))["type"] != kind:
        pass
    return message


def chat(identity: str, content: str = "hello") -> dict[str, Any]:
    message = {
        "id": identity,
        "sessionId": "s",
        "role": "user",
        "content": content,
        "timestamp": 0,
    }
    return {"sessionId": "s", "message": message}


async def end_of(socket: ClientConnection) -> tuple[int, str]:
    while True:
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            received = closed.rcvd
            break
    assert received is not None
    return received.code, received.reason


@simulate
async def test_it_starts_once_and_says_where_it_is() -> None:
    server = hub()
    assert repr(server) == "<Hub not listening, 0 clients>"
    with pytest.raises(RuntimeError):
        _ = server.url
    async with server:
        assert (server.url, server.port) == ("ws://server:80/ws", 80)
        with pytest.raises(RuntimeError, match="a hub starts once"):
            await server.start()
        other = hub()
        with pytest.raises(ListenFailed, match="it is in use"):
            await other.start()
        socket = await dial()
        assert (await hear(socket))["type"] == "hello"
        assert (await server.log.read("app", None)).head.epoch == server.epoch
        await asyncio.sleep(1)
        assert repr(server) == "<Hub ws://server:80/ws, 1 clients>"
        assert server.clients == 1
        await socket.close()
        await asyncio.sleep(1)
        assert server.clients == 0
    await server.close()


@simulate
async def test_with_a_goaway_clients_are_told_when_to_come_back() -> None:
    server = hub()
    await server.start()
    socket = await dial()
    await heard(socket, "hello")
    await server.close(goaway=7.0)
    assert (await heard(socket, "goaway"))["payload"] == {"after": 7.0}
    assert (await end_of(socket))[0] == 1001


def is_good(token: str) -> bool:
    return token == "good/token"


@simulate
async def test_a_token_may_come_in_the_header_the_query_a_subprotocol_or_the_first_message() -> (
    None
):
    async with hub(authorize=is_good):
        for options in (
            {"additional_headers": {"Authorization": "Bearer good/token"}},
            {"url": "ws://server:80/ws?token=good%2Ftoken"},
            {"offers": ["bearer.Z29vZC90b2tlbg"]},
        ):
            socket = await dial(**options)
            await say(socket, "ping", id="1")
            assert (await heard(socket, "pong"))["id"] == "1"
            await socket.close()
        socket = await dial()
        await say(socket, "ping", id="early")
        assert (await heard(socket, "pong"))["id"] == "early"
        await say(socket, "auth", {"token": "good/token"}, id="a")
        assert (await heard(socket, "auth.ok"))["id"] == "a"
        # A new one in mid-session, and a bad one.
        await say(socket, "auth", {"token": "good/token"}, id="b")
        assert (await heard(socket, "auth.ok"))["id"] == "b"
        await say(socket, "auth", {"token": "bad"})
        assert await end_of(socket) == (4401, "the token was refused")


@simulate
async def test_without_a_good_token_nobody_is_let_in() -> None:
    async with hub(authorize=is_good, auth_timeout=5.0) as server:
        for options in (
            {"additional_headers": {"Authorization": "Bearer bad"}},
            {"url": "ws://server:80/ws?token=bad"},
            {"offers": ["bearer.YmFk"]},
            {"plain": True},
        ):
            with pytest.raises(InvalidStatus) as refused:
                await dial(**options)
            assert refused.value.response.status_code == 401
        began = asyncio.get_running_loop().time()
        silent, rude, wrong = await dial(), await dial(), await dial()
        await rude.send("no json")
        assert await end_of(rude) == (4401, "the first message must be auth")
        await say(wrong, "typing", {"conversationId": "s", "userId": "u"})
        assert await end_of(wrong) == (4401, "the first message must be auth")
        assert await end_of(silent) == (4401, "no auth message came in time")
        assert asyncio.get_running_loop().time() - began == pytest.approx(5.0, abs=0.5)
        await asyncio.sleep(1)
        assert server.clients == 0


def test_the_token_of_a_handshake_is_found_where_it_may_be() -> None:
    def of(path: str = "/ws", **headers: str) -> str | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        offered = [name.strip() for name in named.get("Sec-WebSocket-Protocol", "").split(",")]
        path, _, query = path.partition("?")
        return request_of(path, query, named.items(), offered).token

    assert of() is None
    assert of(Authorization="Basic abc") is None
    assert of(Authorization="Bearer  ") is None
    assert of(Authorization="bearer  abc ") == "abc"
    assert of("/ws?x=1&token=a%20b") == "a b"
    assert of(Sec_WebSocket_Protocol=f"{PROTOCOL}, bearer.YWI") == "ab"
    assert of(Sec_WebSocket_Protocol="bearer.*") == ""
    assert of(Sec_WebSocket_Protocol=PROTOCOL) is None


@simulate
async def test_nonsense_is_answered_and_the_connection_lives_on() -> None:
    async with hub():
        socket = await dial()
        await socket.send("no json")
        assert (await heard(socket, "error"))["payload"]["code"] == "bad_message"
        await say(socket, "message.send", chat("m1"), id="m1")
        assert (await heard(socket, "message.received"))["payload"]["messageId"] == "m1"


@simulate
async def test_a_reply_that_raises_fails_its_message_and_not_the_hub() -> None:
    def broken(_: Message, __: tuple[str, ...]) -> str:
        raise LookupError

    async with hub(reply=broken):
        socket = await dial()
        await say(socket, "message.send", chat("m1"), id="m1")
        error = await heard(socket, "error")
        assert (error["payload"]["code"], error["payload"]["replyTo"]) == ("hub_failed", "m1")
        await say(socket, "ping", id="1")
        assert (await heard(socket, "pong"))["id"] == "1"


@simulate
async def test_an_answer_streams_word_by_word_and_a_plain_client_sees_no_positions() -> None:
    async with hub(reply=lambda *_: "one two", token_delay=1.0):
        socket, plain = await dial(), await dial(plain=True)
        await say(socket, "message.send", chat("m1"), id="m1")
        deltas = []
        while not deltas or not deltas[-1]["done"]:
            deltas.append((await heard(socket, "message.delta"))["payload"])
        assert [(d["offset"], d["text"], d["done"]) for d in deltas] == [
            (0, "one", False),
            (3, " two", True),
        ]
        final = await heard(socket, "message.response")
        assert final["payload"]["message"]["content"] == "one two"
        assert final["seq"] > 0
        seen = await heard(plain, "message.delta")
        assert not {"stream", "epoch", "seq"} & set(seen)


@simulate
async def test_a_client_that_was_away_gets_what_it_missed_and_nothing_twice() -> None:
    async with hub(reply=lambda *_: "yes") as server:
        first = await dial()
        await say(first, "message.send", chat("m1"), id="m1")
        await heard(first, "message.response")
        last = await heard(first, "message.response")
        await first.close()
        other = await dial()
        await say(other, "message.send", chat("m2"), id="m2")
        await heard(other, "message.response")
        await heard(other, "message.response")
        back = await dial()
        position = {"epoch": server.epoch, "seq": last["seq"]}
        await say(back, "resume", {"streams": {"s": position}})
        resumed = await heard(back, "resumed")
        assert resumed["payload"]["streams"]["s"]["recovered"] is True
        missed = []
        while "m2.reply" not in str(missed[-1:]):
            missed.append(await hear(back))
        numbers = [message["seq"] for message in missed if message.get("stream") == "s"]
        assert numbers == list(range(last["seq"] + 1, last["seq"] + 1 + len(numbers)))
        await say(back, "resume", {"streams": {"s": {"epoch": "other", "seq": 1}}})
        assert (await heard(back, "resumed"))["payload"]["streams"]["s"]["recovered"] is False


@simulate
async def test_channels_that_are_not_wanted_are_not_heard() -> None:
    async with hub(reply=lambda *_: "yes"):
        one, two = await dial(), await dial()
        await say(one, "unsubscribe", {"channel": "typing"}, id="u")
        assert (await heard(one, "unsubscribed"))["id"] == "u"
        await say(two, "typing", {"conversationId": "s", "userId": "two"})
        await say(two, "ping", id="2")
        await heard(two, "pong")
        await asyncio.sleep(1)
        await say(one, "ping", id="3")
        assert (await hear(one))["type"] == "pong"
        await say(one, "subscribe", {"channel": "typing"})
        await heard(one, "subscribed")
        await say(two, "typing", {"conversationId": "s", "userId": "two"})
        assert (await heard(one, "typing"))["payload"]["userId"] == "two"


@simulate
async def test_a_subscription_tells_the_position_when_the_channel_is_a_stream() -> None:
    async with hub(reply=lambda *_: "yes") as server:
        one, two = await dial(), await dial()
        await say(two, "message.send", chat("m1"), id="m1")
        for _ in range(2):
            await heard(two, "message.response")
        for channel, at in (("s", {"stream": "s", "epoch": server.epoch, "seq": 3}), ("t", {})):
            await say(one, "subscribe", {"channel": channel}, id=channel)
            answer = await heard(one, "subscribed")
            got = {key: value for key, value in answer["payload"].items() if key != "streams"}
            expected = at or {"stream": "t", "epoch": server.epoch, "seq": 0}
            assert (answer["id"], got) == (channel, {"channel": channel, **expected})


@simulate
async def test_a_page_of_another_origin_is_refused_and_the_hubs_own_is_not() -> None:
    async with hub():
        with pytest.raises(InvalidStatus) as refused:
            await dial(origin="https://evil.example")
        assert refused.value.response.status_code == 403
        own = await dial(origin="http://server")
        assert (await hear(own))["type"] == "hello"
    async with hub(origins=("https://app.example",)):
        socket = await dial(origin="https://app.example")
        assert (await hear(socket))["type"] == "hello"


@simulate
async def test_what_a_client_can_fill_is_bounded() -> None:
    async with hub(reply=lambda *_: "yes") as server:
        socket = await dial()
        many = "\n".join(f"panel create p{number}" for number in range(101))
        await say(socket, "message.send", chat("m1", many), id="m1")
        error = (await heard(socket, "error"))["payload"]
        assert (error["code"], error["replyTo"]) == ("too_many", "m1")
        for count in range(10):
            hundred = "\n".join(f"panel create p{count * 100 + n}" for n in range(100))
            await say(socket, "message.send", chat(f"n{count}", hundred), id=f"n{count}")
        await say(socket, "message.send", chat("m2", "panel create one more"), id="m2")
        await say(socket, "session.create", {"sessionId": "t", "title": "t" * 201}, id="c1")
        assert (await heard(socket, "error"))["payload"]["code"] == "too_long"
        assert len((await server.chat()).panels) == 1_000
        for bad in ("_private", "app", "*", "s" * 151, "a\n"):
            await say(socket, "session.create", {"sessionId": bad}, id=f"b{bad}")
            assert (await heard(socket, "error"))["payload"]["code"] == "bad_session"
        await say(socket, "sync", {"streams": ["_owed/s"]})
        assert (await heard(socket, "error"))["payload"]["code"] == "not_subscribed"
        await say(socket, "subscribe", {"channel": "_owed/*"})
        assert (await heard(socket, "error"))["payload"]["code"] == "bad_channel"


@simulate
async def test_a_hub_that_cannot_start_leaves_nothing_behind() -> None:
    log = MemoryLog()
    await log.open()
    broken = b'{"type":"_hub.owed","payload":{"x":1}}'
    await log.append([Proposal(None, Batch({"_owed/s": [broken]}))])
    before = asyncio.all_tasks()
    with pytest.raises(StateUnusable):
        await hub(log=log).start()
    assert asyncio.all_tasks() == before
    # The port is free again.
    async with hub():
        pass


@simulate
async def test_an_authorize_that_returns_no_bool_lets_no_client_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # So is the coroutine of an async function: true, whatever it would return.
    wrong: list[Any] = [lambda _: "no", lambda _: object(), lambda _: None]
    for authorize in wrong:
        async with hub(authorize=authorize):
            with pytest.raises(InvalidStatus):
                await dial(url="ws://server:80/ws?token=bad")
    assert "authorize returned object; return True or False" in caplog.text


class Database(MemoryLog):
    """A log that goes away and comes back, as a database does."""

    is_transactional = True
    is_away = False

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        if self.is_away:
            raise LogUnavailable("database", "it went away")
        return await super().append(chain)


@simulate
async def test_an_answer_goes_on_when_the_database_is_back() -> None:
    log = Database()
    async with hub(log=log, token_delay=1.0) as one:
        socket = await dial()
        await hear(socket)
        await say(socket, "hello", {"client": "c"})
        await say(socket, "resume", {"subscriptions": ["*"]})
        await say(socket, "message.send", chat("m1", "a b c d e"), id="m1")
        await heard(socket, "message.delta")
        log.is_away = True
        await asyncio.sleep(60)
        assert (await one.conversation("s")).length == 1
        log.is_away = False
        # No further message of the client is needed.
        while (await heard(socket, "message.response"))["payload"]["message"]["role"] == "user":
            pass
        await socket.close()
