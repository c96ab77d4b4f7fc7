"""The scripted server: what it does by itself, what it asserts, and every way in which it misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reactive_ws.stores.wire.chat import SessionClose, Typing, agent_chat
from reactive_ws.testing import (
    NEVER,
    Delay,
    DieAfter,
    Drop,
    Duplicate,
    Mute,
    Reorder,
    ScriptedServer,
    Transcript,
    simulate,
)
from reactive_ws.wire.control import GoAway, Ping

V1 = ["reactive-ws.v1"]


@contextlib.asynccontextmanager
async def talking(
    server: ScriptedServer | None = None, *, has_hello: bool = True
) -> AsyncIterator[tuple[ScriptedServer, ClientConnection]]:
    server = server or ScriptedServer(registry=agent_chat())
    async with server, connect(server.url, proxy=None, subprotocols=V1) as client:  # type: ignore[arg-type]
        if has_hello:
            assert (await hear(client))["type"] == "hello"
        yield server, client


async def hear(client: ClientConnection, seconds: float = 60.0) -> Any:
    return json.loads(await asyncio.wait_for(client.recv(), seconds))


async def hear_all(client: ClientConnection, seconds: float = 1.0) -> list[Any]:
    heard: list[Any] = []
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        async with asyncio.timeout(seconds):
            while True:
                heard.append(json.loads(await client.recv()))
    return heard


async def tell(client: ClientConnection, kind: str, payload: Any = None, **fields: Any) -> None:
    await client.send(json.dumps({"type": kind, "payload": payload or {}, **fields}))


def close_session(name: str) -> dict[str, Any]:
    return {"payload": {"sessionId": name}, "id": name}


def now() -> float:
    return round(asyncio.get_running_loop().time(), 2)


@simulate
async def test_left_alone_it_speaks_agent_chat() -> None:
    async with talking() as (server, client):
        assert client.subprotocol == "reactive-ws.v1"
        await tell(client, "ping", id="p1")
        await tell(client, "subscribe", {"channel": "ai.*"})
        await tell(client, "session.close", **close_session("a"))
        await tell(client, "typing", {"conversationId": "c", "userId": "u"})
        heard = await hear_all(client)
        assert [(m["type"], m.get("id"), m.get("payload")) for m in heard] == [
            ("pong", "p1", {}),
            ("subscribed", None, {"channel": "ai.*"}),
            ("message.received", None, {"messageId": "a"}),
        ]
        assert [m.type for m in server.received] == [
            "ping",
            "subscribe",
            "session.close",
            "typing",
        ]
        assert [m.payload for m in server.effects] == [SessionClose("a")]


@simulate
async def test_a_plain_server_says_nothing_by_itself() -> None:
    async with talking(ScriptedServer(is_plain=True, registry=agent_chat()), has_hello=False) as (
        server,
        client,
    ):
        assert client.subprotocol is None
        await tell(client, "ping", id="p1")
        await tell(client, "session.close", **close_session("a"))
        assert await hear_all(client) == []
        assert len(server.received) == 2


@simulate
async def test_a_client_that_does_not_offer_the_subprotocol_gets_no_hello() -> None:
    async with (
        ScriptedServer(registry=agent_chat()) as server,
        connect(server.url, proxy=None) as client,
    ):
        assert await hear_all(client) == []


@simulate
async def test_expect_returns_the_next_message_and_asserts_what_it_is() -> None:
    async with talking() as (server, client):
        for name in "abcde":
            await tell(client, "session.close", **close_session(name))
            await tell(client, "ping")
        assert (await server.expect("session.close")).id == "a"
        assert (await server.expect(SessionClose)).id == "b"
        assert (await server.expect(SessionClose("c"))).id == "c"
        assert (await server.expect(lambda message: message.id == "d")).id == "d"
        with pytest.raises(
            AssertionError, match=r"'typing' was expected, but the client sent .*'e'"
        ):
            await server.expect("typing")
        assert (await server.expect(Ping)).payload == Ping()
        with pytest.raises(AssertionError, match="a message was expected, nothing came within 5 s"):
            await server.expect(timeout=5)


@simulate
async def test_expect_waits_for_what_comes_later() -> None:
    async with talking() as (server, client):
        asyncio.get_running_loop().call_later(
            30,
            lambda: asyncio.ensure_future(
                tell(client, "typing", {"conversationId": "c", "userId": "u"})
            ),
        )
        assert (await server.expect(Typing)).payload == Typing("c", "u")
        assert now() > 30


@simulate
async def test_expect_nothing_allows_what_the_server_answers_by_itself() -> None:
    async with talking() as (server, client):
        await tell(client, "ping")
        await server.expect_nothing(5)
        await tell(client, "session.close", **close_session("a"))
        with pytest.raises(AssertionError, match="nothing was expected"):
            await server.expect_nothing(5)


@simulate
async def test_published_messages_are_numbered_and_come_again_after_a_resume() -> None:
    async with talking() as (server, client):
        for name in "abc":
            server.publish(SessionClose(name))
        assert [(m["stream"], m["epoch"], m["seq"]) for m in await hear_all(client)] == [
            ("app", "epoch-1", number) for number in (1, 2, 3)
        ]
        await tell(client, "resume", {"streams": {"app": {"epoch": "epoch-1", "seq": 1}}})
        resumed, *missed = await hear_all(client)
        assert resumed["payload"] == {
            "streams": {"app": {"recovered": True, "epoch": "epoch-1", "seq": 3}}
        }
        assert [message["seq"] for message in missed] == [2, 3]
        server.new_epoch("epoch-2")
        await tell(client, "resume", {"streams": {"app": {"epoch": "epoch-1", "seq": 1}}})
        assert [message["payload"] for message in await hear_all(client)] == [
            {"streams": {"app": {"recovered": False, "epoch": "epoch-2", "seq": 0}}}
        ]
        await tell(client, "sync", {"streams": ["app"]})
        assert (await hear(client))["payload"] == {"stream": "app", "epoch": "epoch-2", "seq": 0}


@simulate
async def test_a_replay_repeats_old_numbers() -> None:
    async with talking() as (server, client):
        for name in "abc":
            server.publish(SessionClose(name))
        server.replay(2)
        assert [message["seq"] for message in await hear_all(client)] == [1, 2, 3, 2, 3]


async def numbers_after(mischief: Any, count: int = 5, seconds: float = 100.0) -> list[int]:
    async with talking() as (server, client):
        server.misbehave(mischief)
        for number in range(count):
            server.publish(SessionClose(str(number)))
        return [message["seq"] for message in await hear_all(client, seconds)]


@pytest.mark.parametrize(
    ("mischief", "numbers"),
    [
        (Drop(), [2, 3, 4, 5]),
        (Drop(2, types="session.*"), [3, 4, 5]),
        (Drop(2, types="panel.*"), [1, 2, 3, 4, 5]),
        (Duplicate(2), [1, 1, 2, 2, 3, 4, 5]),
        (Delay(10.0), [2, 3, 4, 5, 1]),
        (Delay(10.0, times=2), [3, 4, 5, 1, 2]),
        (Reorder(3), [3, 2, 1, 4, 5]),
        (Reorder(9), []),
        (Mute(10.0), [1, 2, 3, 4, 5]),
        (Mute(), []),
    ],
    ids=str,
)
@simulate
async def test_outgoing_mischief(mischief: Any, numbers: list[int]) -> None:
    assert await numbers_after(mischief) == numbers


@simulate
async def test_behaving_again_sends_what_waited() -> None:
    async with talking() as (server, client):
        server.misbehave(Reorder(9))
        server.publish(SessionClose("a"))
        server.publish(SessionClose("b"))
        server.misbehave(Mute())
        server.stop_reading()
        server.acknowledge_after = NEVER
        await asyncio.sleep(1)
        server.behave()
        assert [message["seq"] for message in await hear_all(client)] == [2, 1]
        await tell(client, "session.close", **close_session("x"))
        assert (await hear(client))["type"] == "message.received"


@simulate
async def test_mischief_can_be_done_to_acknowledgements_only() -> None:
    async with talking() as (server, client):
        server.misbehave(Drop(1, types="message.received"))
        for name in "ab":
            await tell(client, "session.close", **close_session(name))
        assert [m["payload"]["messageId"] for m in await hear_all(client)] == ["b"]


@pytest.mark.parametrize(("after", "times"), [(0.0, [0.02]), (3.0, [3.02]), (NEVER, [])])
@simulate
async def test_acknowledgements_come_at_once_late_or_never(
    after: float, times: list[float]
) -> None:
    async with talking(ScriptedServer(acknowledge_after=after, registry=agent_chat())) as (
        _,
        client,
    ):
        started = now()
        await tell(client, "session.close", **close_session("a"))
        heard = []
        while len(heard) < len(times):
            await hear(client)
            heard.append(round(now() - started, 2))
        assert heard == times
        assert await hear_all(client, 100) == []


@pytest.mark.parametrize(("is_deduplicating", "effects"), [(True, 1), (False, 2)])
@simulate
async def test_a_known_id_has_no_second_effect_but_a_second_acknowledgement(
    is_deduplicating: bool, effects: int
) -> None:
    server = ScriptedServer(is_deduplicating=is_deduplicating, registry=agent_chat())
    async with talking(server) as (_, client):
        for _ in range(2):
            await tell(client, "session.close", **close_session("a"))
        assert len(await hear_all(client)) == 2
    assert len(server.effects) == effects
    assert [entry.id for entry in server.history.entries] == ["a"] * effects


@simulate
async def test_it_can_die_after_some_messages_without_an_answer() -> None:
    async with talking() as (server, client):
        server.misbehave(DieAfter(2))
        for name in "abc":
            await tell(client, "session.close", **close_session(name))
        assert await hear_all(client) == []
        assert [message.id for message in server.effects] == ["a", "b"]
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is None


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1009, 1012, 3000, 4401, 4999])
@simulate
async def test_it_closes_with_any_code(code: int) -> None:
    async with talking() as (server, client):
        await server.close(code, "because")
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, "because")


@simulate
async def test_it_refuses_handshakes_with_any_status_and_headers() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        server.refuse_handshake(503, {"Retry-After": "7", "Date": "Thu, 01 Jan 1970 00:00:00 GMT"})
        server.refuse_handshake(401, times=2)
        seen: list[tuple[int, str | None]] = []
        for _ in range(3):
            with pytest.raises(InvalidStatus) as caught:
                await connect(server.url, proxy=None)
            response = caught.value.response
            seen.append((response.status_code, response.headers.get("Retry-After")))
        assert seen == [(503, "7"), (401, None), (401, None)]
        async with connect(server.url + "?token=x", proxy=None, additional_headers={"A": "b"}):
            await server.connected()
        path, headers = server.requests[-1]
        assert (path, headers["A"], len(server.requests)) == ("/ws?token=x", "b", 4)


@simulate
async def test_a_handshake_can_hang_and_go_on() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        server.hang_handshake()
        with pytest.raises(TimeoutError):
            await connect(server.url, proxy=None, open_timeout=30)
        asyncio.get_running_loop().call_later(5, server.behave)
        async with connect(server.url, proxy=None):
            assert now() == pytest.approx(35.05, abs=0.05)


@simulate
async def test_a_server_that_does_not_read_makes_the_client_wait() -> None:
    async with talking() as (server, client):
        server.stop_reading()

        async def flood() -> None:
            for _ in range(200):
                await tell(client, "typing", {"conversationId": "x" * 5_000, "userId": "u"})

        task = asyncio.create_task(flood())
        await asyncio.sleep(100)
        assert not task.done()
        server.behave()
        await asyncio.wait_for(task, 100)
        await asyncio.sleep(1)
        assert len(server.received) == 200


@simulate
async def test_frames_can_be_anything_and_what_is_no_message_is_kept() -> None:
    async with talking() as (server, client):
        server.send_frame("not json")
        server.send_frame(b"\xff\x00")
        assert [await client.recv(), await client.recv()] == ["not json", b"\xff\x00"]
        await client.send("garbage")
        await client.send(b"\x00")
        await tell(client, "ping", id="still alive")
        assert (await hear(client))["id"] == "still alive"
        assert server.rejected == ["garbage", b"\x00"]


@simulate
async def test_answers_can_be_replaced() -> None:
    async with talking() as (server, client):
        server.answer("ping", None)
        await tell(client, "ping")
        assert await hear_all(client) == []
        server.answer("ping", lambda _: [server.send(GoAway(5.0))])
        await tell(client, "ping")
        assert [message["type"] for message in await hear_all(client)] == ["goaway", "goaway"]


@simulate
async def test_it_can_stop_and_start_again_with_its_memory() -> None:
    server = ScriptedServer(registry=agent_chat())
    async with talking(server) as (_, client):
        server.publish(SessionClose("a"))
        await server.stop(1012)
        assert [m["type"] for m in await hear_all(client)] == ["session.close"]
        with pytest.raises(ConnectionRefusedError):
            await connect(server.url, proxy=None)
        await server.start()
        async with connect(server.url, proxy=None):
            assert (await server.connected(2)).number == 2
            server.publish(SessionClose("b"))
    assert [message.seq for message in server.streams.last(9, "app")] == [1, 2]


@simulate
async def test_it_stops_while_a_connection_waits_for_a_handshake_that_never_comes() -> None:
    server = ScriptedServer(registry=agent_chat())
    await server.start()
    reader, writer = await asyncio.open_connection("server", 80)
    await asyncio.wait_for(server.stop(), 10)
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()


@simulate
async def test_waiting_for_a_connection_that_does_not_come_says_so() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        with pytest.raises(LookupError):
            _ = server.peer
        with pytest.raises(AssertionError, match="1 connections were expected, there were 0"):
            await server.connected(timeout=3)


def test_the_same_seed_writes_the_same_transcript_which_can_be_read_again(tmp_path: Path) -> None:
    @simulate(seed=9)
    async def run() -> Transcript:
        async with talking() as (server, client):
            await tell(client, "ping", id="1")
            await client.send(b"\x01")
            server.publish(SessionClose("a"))
            await hear_all(client)
            await server.close(4000, "bye")
        return server.transcript

    first, second = run(), run()
    assert bytes(first) == bytes(second)
    assert [(frame.what, frame.text[:30]) for frame in first.frames] == [
        ("open", "/ws"),
        ("down", '{"type":"hello","payload":{"re'),
        ("down", '{"type":"session.close","strea'),
        ("up", '{"type": "ping", "payload": {}'),
        ("up", "AQ=="),
        ("down", '{"type":"pong","id":"1","paylo'),
        ("closed", "4000 bye"),
    ]
    path = first.write(tmp_path / "deep" / "transcript.jsonl")
    assert Transcript.read(path).frames == first.frames


def test_it_also_serves_real_sockets() -> None:
    async def run() -> str:
        async with talking(ScriptedServer("ws://127.0.0.1:0/ws", registry=agent_chat())) as (
            _,
            client,
        ):
            await tell(client, "ping", id="1")
            return str((await hear(client))["id"])

    assert asyncio.run(run()) == "1"


def test_a_message_can_be_sent_as_payload_or_envelope() -> None:
    server = ScriptedServer(registry=agent_chat())
    message = server.send(SessionClose("a"), id="x", channel="c")
    assert (message.type, message.id, message.channel) == ("session.close", "x", "c")
    assert server.send(message) is message


@pytest.mark.parametrize("status", [200, 204, 301, 304, 418, 429, 499, 503, 522, 599])
@simulate
async def test_a_refusal_has_any_status_also_one_of_no_standard(status: int) -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        server.refuse_handshake(status, {"Retry-After": "7"})
        with pytest.raises(InvalidStatus) as caught:
            await connect(server.url, proxy=None, process_exception=lambda error: error)
        assert caught.value.response.status_code == status
        assert caught.value.response.headers["Retry-After"] == "7"


@pytest.mark.parametrize("status", [0, 101, 199, 1000])
def test_a_status_that_refuses_nothing_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="use a status from 200 to 999"):
        ScriptedServer(registry=agent_chat()).refuse_handshake(status)


@simulate
async def test_who_gave_up_while_a_handshake_hung_uses_up_no_refusal() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        server.hang_handshake()
        with pytest.raises(TimeoutError):
            await connect(server.url, proxy=None, open_timeout=1)
        await asyncio.sleep(1)
        server.refuse_handshake(503)
        server.hang_handshake(is_hanging=False)
        await asyncio.sleep(1)
        with pytest.raises(InvalidStatus):
            await connect(server.url, proxy=None, process_exception=lambda error: error)


@simulate
async def test_what_was_expected_is_said_without_addresses_and_who_is_not_there() -> None:
    async with ScriptedServer(registry=agent_chat()) as server:
        with pytest.raises(
            AssertionError, match=r"a message that <lambda> accepts \(test_server.py:\d+\)"
        ) as caught:
            await server.expect(lambda message: True, timeout=1)
        assert caught.value.__notes__ == [f"no client ever connected to {server.url}"]
    async with talking() as (server, client):
        await client.close()
        with pytest.raises(
            AssertionError, match="Ping was expected, nothing came within 1 s"
        ) as caught:
            await server.expect(Ping, timeout=1)
        assert caught.value.__notes__ == ["no client is connected now"]


@simulate
async def test_what_came_before_and_was_not_expected_counts_as_something() -> None:
    async with talking() as (server, client):
        await tell(client, "typing", {"conversationId": "c", "userId": "u"})
        await asyncio.sleep(1)
        with pytest.raises(AssertionError, match="nothing was expected, but the client sent"):
            await server.expect_nothing(1)
