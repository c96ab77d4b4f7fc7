"""The examples of docs/protocol.md happen: our server writes its lines when it gets the client's, and our client the other way round.

The blocks of the page are one story. A line `S {...}` is a frame of the server, `C {...}` one of the client, and `# ...` says what
happens elsewhere. Epochs and marks have other texts each time, so the page's texts are bound to them at their first use.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from reactive_ws.dialects import V1, Opening, Ready, State, Step
from reactive_ws.server import Context, Refused, Request, Server
from reactive_ws.wire import (
    Guarantee,
    JsonCodec,
    Position,
    Registry,
    protocol_v1,
    schema_of,
)

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is missing; see the Makefile")

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
LEFT_OUT = {"timestamp", "id"}
"""Fields that the examples leave out."""
Frame = dict[str, Any]
Line = tuple[str, Any]


def lines(info: str) -> list[list[Line]]:
    """Returns the blocks of the page with this info string, each as lines."""
    blocks: list[list[Line]] = []
    for text in re.findall(rf"^```{info}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        block: list[Line] = []
        for line in text.splitlines():
            who, _, rest = line.partition(" ")
            block.append((who, rest if who == "#" else json.loads(rest)))
        blocks.append(block)
    return blocks


STORY = [line for block in lines("text") for line in block]


class TodoAdd(msgspec.Struct, frozen=True):
    title: str


class TodoImport(msgspec.Struct, frozen=True):
    titles: tuple[str, ...]


class TodoAdded(msgspec.Struct, frozen=True):
    title: str


class NoteAdded(msgspec.Struct, frozen=True):
    text: str


@attrs.frozen
class Todos:
    titles: tuple[str, ...] = ()


def types() -> Registry:
    registry = protocol_v1()
    registry.message("todo.add", guarantee=Guarantee.AT_LEAST_ONCE)(TodoAdd)
    registry.message("todo.import", guarantee=Guarantee.AT_LEAST_ONCE)(TodoImport)
    registry.message("todo.added")(TodoAdded)
    registry.message("note.added")(NoteAdded)
    return registry


def make_server() -> Server:
    def authorize(request: Request) -> str | None:
        return "ann" if request.token == "secret" else None

    server = Server(types(), authorize=authorize, may_subscribe=lambda _, name: name != "plans")
    todos = server.state(
        "todos",
        Todos(),
        {TodoAdded: lambda state, it: Todos((*state.titles, it.title))},
    )

    @server.command(TodoAdd)
    def add(command: TodoAdd, context: Context) -> int:
        if not command.title:
            raise Refused("empty", "a title has text")
        context.publish("todos", TodoAdded(command.title))
        return len(context.state(todos).titles) + 1

    return server


@attrs.define
class Bindings:
    """Which text of this run stands for a text of the page, both ways."""

    found: dict[str, str] = attrs.Factory(dict)

    def fits(self, page: Any, real: Any, key: str = "") -> bool:
        """Whether a value is the one of the page. Texts below `epoch` and `mark` are bound."""
        match page, real:
            case dict(), dict():
                extra = set(real) - set(page) - (LEFT_OUT if not key else set())
                return not extra and all(
                    name in real and self.fits(page[name], real[name], name or "?") for name in page
                )
            case list(), list():
                return len(page) == len(real) and all(map(self.fits, page, real, ["?"] * len(page)))
            case str(), str() if key in ("epoch", "mark"):
                return self.found.setdefault(page, real) == real
            case _:
                return bool(page == real)


def clean(frame: Frame) -> Frame:
    """Returns a frame without an empty payload, which the page leaves out."""
    return {name: value for name, value in frame.items() if name != "payload" or value}


class Wire:
    """One connection to the server as an ASGI application, without sockets."""

    def __init__(self, server: Server) -> None:
        self._to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_client: asyncio.Queue[Frame] = asyncio.Queue()
        self._to_server.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/",
            "subprotocols": ["reactive-ws.v1"],
            "headers": [],
        }
        self.task = asyncio.create_task(server(scope, self._to_server.get, self._take))

    async def _take(self, event: Any) -> None:
        if event["type"] == "websocket.send":
            self._to_client.put_nowait(json.loads(event["text"]))

    def write(self, frame: Frame) -> None:
        self._to_server.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def read(self) -> Frame:
        async with asyncio.timeout(60):
            return clean(await self._to_client.get())

    async def cut(self) -> None:
        self._to_server.put_nowait({"type": "websocket.disconnect"})
        await self.task


async def act(server: Server, what: str) -> None:
    """Does what a stage direction of the page says, apart from cuts and ends."""
    if match := re.fullmatch(r"the stream todos has two entries, (\w+) and (\w+)", what):
        for title in match.groups():
            await server.publish("todos", TodoAdded(title))
    elif what == "the stream notes has three entries":
        for number in range(3):
            await server.publish("notes", NoteAdded(str(number)))
    elif match := re.search(r"another client adds (\w+)$", what):
        await server.publish("todos", TodoAdded(match[1]))
    elif match := re.fullmatch(r"another client imports (\w+) and (\w+)", what):
        await server.publish("todos", *map(TodoAdded, match.groups()))
    else:
        raise AssertionError(f"the test does not know how to do {what!r}")


def test_our_server_writes_what_the_page_says() -> None:
    async def play() -> None:
        server, bound = make_server(), Bindings()
        check = jsonschema.Draft202012Validator(schema_of(server.registry))
        await server.start()
        wire: Wire | None = None
        expected: list[Frame] = []
        ending: asyncio.Task[None] | None = None
        for who, what in [*STORY, ("#", "")]:
            if who == "S":
                expected.append(clean(what))
                if wire is None:
                    wire = Wire(server)
                continue
            while expected:
                assert wire is not None
                real = await wire.read()
                check.validate(real)
                page = next((one for one in expected if bound.fits(one, real)), None)
                assert page is not None, f"wanted one of {expected}, got {real}"
                expected.remove(page)
            if who == "C":
                assert wire is not None
                # The page's epochs and marks, as this server calls them.
                wire.write(json.loads(_renamed(json.dumps(what), bound.found)))
            elif what.startswith("the connection breaks"):
                assert wire is not None
                # The answer is in the log, and the client does not see it.
                while (await wire.read())["type"] != "message.received":
                    pass
                await wire.cut()
                wire = None
                await act(server, what)
            elif what == "the server is about to end":
                ending = asyncio.create_task(server.stop(leave_after=5.0))
            elif what:
                await act(server, what)
        assert wire is not None
        assert ending is not None
        await wire.cut()
        await ending

    asyncio.run(play())


def _renamed(text: str, names: dict[str, str]) -> str:
    for page, real in names.items():
        text = text.replace(json.dumps(page), json.dumps(real))
    return text


def connections() -> Iterator[list[Line]]:
    """Returns the story in pieces, one for each connection."""
    starts = [at for at, (who, what) in enumerate(STORY) if who == "S" and what["type"] == "hello"]
    for start, end in zip(starts, [*starts[1:], len(STORY)], strict=True):
        yield STORY[start:end]


def opening_of(piece: list[Line]) -> Opening:
    """Returns the facts that a client has that writes the first lines of a connection."""
    said = {
        what["type"]: what["payload"]
        for who, what in reversed(piece)
        if who == "C" and "payload" in what
    }
    resume = said["resume"]
    return Opening(
        token=said["auth"]["token"],
        subprotocol="reactive-ws.v1",
        subscriptions=tuple(resume["subscriptions"]),
        positions={name: Position(**at) for name, at in resume.get("positions", {}).items()},
        pending=tuple(resume.get("pending", ())),
        client=said["hello"]["client"],
        max_size=said["hello"]["maxSize"],
        memory={"mark": resume["mark"]} if "mark" in resume else {},
    )


def test_our_client_writes_what_the_page_says() -> None:
    registry, bound = types(), Bindings()
    codec = JsonCodec(registry)
    check = jsonschema.Draft202012Validator(schema_of(registry))
    pieces = list(connections())
    assert len(pieces) == 2
    for piece in pieces:
        session = V1(registry).session()
        written = list(session.opened(opening_of(piece), 0.0).frames)
        is_ready = False
        for who, what in piece:
            if who == "S":
                step = session.received(json.dumps(what), 0.0)
                if isinstance(step, Step):
                    written += step.frames
                    is_ready = is_ready or any(isinstance(one, Ready) for one in step.events)
            elif who == "C":
                real: Frame
                if (
                    what["type"] in registry
                    and registry.get(what["type"]).guarantee is Guarantee.AT_LEAST_ONCE
                ):  # type: ignore[union-attr]
                    assert is_ready
                    real = json.loads(codec.encode(codec.decode(json.dumps(what))))
                else:
                    if is_ready:
                        written += _asked(session, what).frames
                    real = json.loads(written.pop(0).data)
                assert isinstance(real.get("id"), str)
                check.validate(real)
                page = _usual(what, real)
                assert bound.fits(page, clean(real)), f"wanted {page}, got {real}"
        assert written == []
        assert is_ready


def _usual(what: Frame, real: Frame) -> Frame:
    """Returns a line of the page with the client's own id, and without what our client leaves out."""
    page: Frame = clean(json.loads(json.dumps(what)))
    if page["type"] == "subscribe":
        page["payload"].pop("position", None)
    if page["type"] in ("auth", "subscribe", "unsubscribe"):
        page["id"] = real["id"]
    return page


def _asked(session: Any, what: Frame) -> Step:
    """Lets a session write a control message that a program or the service asks for."""
    payload = what.get("payload", {})
    match what["type"]:
        case "sync":
            step = session.sync(payload["streams"], 0.0)
        case "subscribe":
            step = session.subscribe(payload["channel"], 0.0)
        case "unsubscribe":
            step = session.unsubscribe(payload["channel"], 0.0)
        case "ping":
            step = session.prove(what["id"], 0.0)
        case "auth":
            step = session.authenticate(payload["token"], 0.0)
        case other:
            raise AssertionError(f"the test does not know how to say {other!r}")
    assert isinstance(step, Step)
    return step


def test_a_state_in_parts_is_joined() -> None:
    (block,) = lines("text parts")
    registry = types()
    session = V1(registry).session()
    session.opened(Opening(subprotocol="reactive-ws.v1"), 0.0)
    session.received(json.dumps(STORY[1][1]), 0.0)
    events = [
        event
        for _, frame in block
        for event in getattr(session.received(json.dumps(frame), 0.0), "events", ())
    ]
    (state,) = (event for event in events if isinstance(event, State))
    assert (state.position.seq, state.state) == (8, {"titles": ["tea"]})
    check = jsonschema.Draft202012Validator(schema_of(registry))
    assert all(check.is_valid(frame) for _, frame in block)


def test_every_control_message_has_an_example() -> None:
    shown = {what["type"] for who, what in STORY if who != "#"}
    assert {row.name for row in protocol_v1()} <= shown
