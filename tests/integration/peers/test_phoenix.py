"""Phoenix v2: the frames of the npm client are the oracle, and a scripted server cuts connections as the real one would.

npm and PyPI have no server of Phoenix. So `phoenix_client.js` lets the real client write and read frames, and our session
must write the same bytes and read the same values.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from typing import Any

import msgspec
import pytest
from integration.peers.foreign import HERE, ROOT
from missing_parts import skip_or_fail
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import Backoff, DeliveryStatus, Domain, FirstMessage, Heartbeat, WebSocketService
from reactive_ws.dialects import (
    Acknowledged,
    Alive,
    Ended,
    Event,
    Following,
    Opening,
    Phoenix,
    Refused,
)
from reactive_ws.dialects.phoenix import PhoenixSession
from reactive_ws.errors import RequestFailed
from reactive_ws.wire import Envelope, Guarantee, Registry

FROM_SERVER: list[str | bytes] = [
    '["1","2","room:1","phx_reply",{"status":"ok","response":{"n":1}}]',
    '["1",null,"room:1","said",{"text":"milk"}]',
    '[null,null,"room:1","said",{"text":"to all"}]',
    b"\x00\x01\x06\x05" + b"1room:1photo" + b"\x01\xff",
    b"\x01\x01\x01\x06\x02" + b"13room:1ok" + b"\x07",
    b"\x02\x06\x05" + b"room:1photo" + b"\x08",
]


def packed(frame: str | bytes) -> Any:
    return frame if isinstance(frame, str) else {"binary": base64.b64encode(frame).decode()}


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        skip_or_fail("node is missing; install it to run the tests with npm servers")
    if not (HERE / "node_modules" / "phoenix").is_dir():
        skip_or_fail(f"phoenix is missing; run `npm ci` in {HERE.relative_to(ROOT)}")
    done = subprocess.run(
        [node, str(HERE / "phoenix_client.js"), json.dumps([packed(it) for it in FROM_SERVER])],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Say(msgspec.Struct, frozen=True):
    text: str


def types() -> Registry:
    registry = Registry()
    registry.message("say", guarantee=Guarantee.AT_LEAST_ONCE)(Say)
    registry.message("said")(msgspec.defstruct("Said", [("text", str)], frozen=True))
    return registry


def joined(dialect: Phoenix, first: int = 1) -> tuple[PhoenixSession, list[str | bytes]]:
    """Returns a session that joined room:1 with this reference, and the frame that it wrote for it."""
    session = dialect.session()
    session.opened(Opening("secret"), 0.0)
    session._last_ref = first - 1
    frames = [frame.data for frame in session.subscribe("room:1", 0.0).frames]
    ok = '{"status":"ok","response":{}}'
    step = session.received(f'["{first}","{first}","room:1","phx_reply",{ok}]', 0.0)
    assert step.events == (Following("room:1"),)
    return session, frames


def test_our_session_writes_the_bytes_of_the_npm_client(oracle: dict[str, Any]) -> None:
    dialect = Phoenix(types(), refresh="access_token")
    url, *written = oracle["sent"]
    # The npm client has used some references before.
    session, frames = joined(dialect, int(json.loads(written[0])[1]))
    said = Envelope("say", Say("tea"), "room:1", "m1")
    photo = Envelope("photo", bytes([1, 2, 255]), "room:1", "m2")
    steps = [session.send(said, 0.0), session.send(photo, 0.0), session.prove("p", 0.0)]
    steps += [session.authenticate("new", 0.0), session.unsubscribe("room:1", 0.0)]
    frames += [frame.data for step in steps if step is not None for frame in step.frames]
    assert url == dialect.address("ws://127.0.0.1:4000/socket/websocket")
    assert [packed(frame) for frame in frames] == written


def test_our_session_reads_what_the_npm_client_reads(oracle: dict[str, Any]) -> None:
    session, _ = joined(Phoenix(types()))
    for name in ("m1", "m2"):
        session.send(Envelope("say", Say("tea"), "room:1", name), 0.0)
    events: list[Event] = []
    for frame in FROM_SERVER:
        events += session.received(frame, 0.0).events
    wanted = []
    for _, ref, topic, event, payload in oracle["read"]:
        data = payload["response"] if event == "phx_reply" else payload
        if "binary" in data:
            data = base64.b64decode(data["binary"])
        wanted.append({"2": "m1", "3": "m2"}[ref] if event == "phx_reply" else (topic, event))
        wanted.append(data)
    found: list[Any] = []
    for it in events:
        if isinstance(it, Acknowledged):
            found += [it.id, it.reply]
        else:
            assert isinstance(it, Envelope)
            found += [(it.channel, it.type), msgspec.to_builtins(it.payload, builtin_types=[bytes])]
    assert found == wanted


def test_replies_end_joins_messages_and_questions_for_life() -> None:
    session, _ = joined(Phoenix(types()))
    session.send(Envelope("say", Say("tea"), "room:1", "m1"), 0.0)
    error = '{"status":"error","response":{"reason":"full"}}'
    assert session.received(f'["1","2","room:1","phx_reply",{error}]', 0.0).events == (
        Refused("m1", "full", "full"),
    )
    session.prove("p", 0.0)
    ok = '{"status":"ok","response":{}}'
    assert session.received(f'[null,"3","phoenix","phx_reply",{ok}]', 0.0).events == (
        Alive("p", is_answer=True),
    )
    session.subscribe("room:2", 0.0)
    assert session.received(f'["4","4","room:2","phx_reply",{error}]', 0.0).events == (
        Ended("room:2", "full", "full"),
    )
    crashed = session.received('["1","1","room:1","phx_error",{}]', 0.0)
    assert crashed.events == (
        Ended("room:1", "phx_error", "its process on the server ended", again_after=1.0),
    )
    # A message of the join that is over, and one that joins its topic again.
    assert session.received('["1",null,"room:1","said",{"text":"late"}]', 0.0).events == ()
    step = session.send(Envelope("say", Say("tea"), "room:1", "m3"), 0.0)
    assert [json.loads(frame.data)[:4] for frame in step.frames] == [
        ["5", "5", "room:1", "phx_join"],
        ["5", "6", "room:1", "say"],
    ]
    assert [frame.of for frame in step.frames] == [None, "m3"]


class Scripted:
    """A server of Phoenix v2 with rooms. It crashes a room now and then, and drops the connection after some messages."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.joins = 0
        self.connections = 0

    async def serve(self, socket: ServerConnection) -> None:
        self.connections += 1
        rooms: dict[str, str] = {}
        left = 25
        async for frame in socket:
            join_ref, ref, topic, event, payload = json.loads(frame)

            async def say(*fields: Any) -> None:
                await socket.send(json.dumps(fields))

            async def answer(status: str, response: Any, to: Any = (join_ref, ref, topic)) -> None:
                await say(*to, "phx_reply", {"status": status, "response": response})

            left -= 1
            if left == 0:
                socket.transport.abort()
                return
            if topic == "phoenix":
                await answer("ok", {})
            elif event == "phx_join" and payload.get("token") == "secret":
                self.joins += 1
                rooms[topic] = join_ref
                await answer("ok", {})
                await say(join_ref, None, topic, "said", {"text": f"hello {self.joins}"})
            elif event == "phx_join" or rooms.get(topic) != join_ref:
                await answer("error", {"reason": "unmatched topic"})
            elif payload["text"] == "":
                await answer("error", {"reason": "empty"})
            else:
                if payload["text"] not in self.taken:
                    self.taken.append(payload["text"])
                await answer("ok", {"count": len(self.taken)})
                if left == 12:
                    del rooms[topic]
                    await say(join_ref, None, topic, "phx_error", {})


async def test_nothing_is_lost_when_connections_and_rooms_end() -> None:
    script = Scripted()
    async with serve(script.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        service = WebSocketService(
            f"ws://127.0.0.1:{port}/socket/websocket",
            dialect=Phoenix(types()),
            domain=Domain("phoenix"),
            auth=FirstMessage("secret"),
            backoff=Backoff(initial=0.01, cap=0.02),
            heartbeat=Heartbeat(interval=0.05),
            proxy=None,
        )
        greetings: list[str] = []
        service.messages("room:1", subscribe=True).subscribe(
            lambda it: greetings.append(it.payload.text) if it.type == "said" else None
        )
        async with service, asyncio.timeout(60):
            texts = [f"message {number}" for number in range(60)]
            for text in texts:
                assert (
                    await service.send(Say(text), channel="room:1") is DeliveryStatus.ACKNOWLEDGED
                )
            reply = await service.request(Say("last"), reply=dict, channel="room:1")
            assert reply == {"count": 61}
            with pytest.raises(RequestFailed, match="empty"):
                await service.send(Say(""), channel="room:1")
        assert script.taken == [*texts, "last"]
        assert script.connections >= 3
        assert greetings == [f"hello {number + 1}" for number in range(script.joins)]
