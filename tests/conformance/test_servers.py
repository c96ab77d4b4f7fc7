"""Our server keeps the rules of protocol v1, and `check_server` names the rule that each planted defect breaks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import msgspec
import pytest
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from reactive_ws.errors import UsageError
from reactive_ws.server import Context, Server
from reactive_ws.server.logs import CommandKey, Outcome
from reactive_ws.server.session import ServerSession
from reactive_ws.testing import SERVER_RULES, Unfit, World, check_server, simulate
from reactive_ws.wire import Guarantee, Position, protocol_v1


class Put(msgspec.Struct, frozen=True):
    text: str


class PutDone(msgspec.Struct, frozen=True):
    text: str


@attrs.frozen
class Texts:
    texts: tuple[str, ...] = ()


def server() -> Server:
    registry = protocol_v1()
    registry.message("put", guarantee=Guarantee.AT_LEAST_ONCE)(Put)
    registry.message("put.done")(PutDone)
    one = Server(registry)
    one.state(
        "texts",
        Texts(),
        {PutDone: lambda state, message: Texts((*state.texts, message.text * 3000))},
    )

    @one.command(Put)
    def put(command: Put, context: Context) -> None:
        context.publish("texts", PutDone(command.text))

    return one


def command(name: str) -> tuple[str, object]:
    return "put", {"text": name}


async def check(url: str, *rules: str, patience: float = 5.0) -> list[str]:
    return await check_server(
        url, channel="texts", command=command, rules=rules or None, patience=patience
    )


def test_our_server_is_fit() -> None:
    async def body() -> None:
        async with server().serve(port=0) as url:
            assert await check(url) == list(SERVER_RULES)
            assert await check_server(url) == [
                name for name, row in SERVER_RULES.items() if not row[2]
            ]

    asyncio.run(body())


class NoPong(ServerSession):
    """Answers a ping without its id."""

    def _say(self, name: str, payload: Any, id: str | None = None) -> None:  # noqa: A002
        super()._say(name, payload, None if name == "pong" else id)


class ZeroSize(ServerSession):
    """Allows messages of no size."""

    def opened(self, now: float) -> Any:
        self.settings = attrs.evolve(self.settings, max_size=0)
        return super().opened(now)


class DiesOfNonsense(ServerSession):
    """Closes the connection at a bad frame."""

    def burst(self, frames: Any) -> Any:
        effects = super().burst(frames)
        if any("bad_message" in repr(effect) for effect in effects):
            self._close(1007, "nonsense")
            return [*effects, *self._take()]
        return effects


class TakesAll(ServerSession):
    """Acknowledges what it does not know."""

    def _queue_command(self, envelope: Any) -> None:
        if envelope.type not in self._registry:
            self._acknowledge({envelope.id: Outcome(True)})
            return
        super()._queue_command(envelope)


class WrongIds(ServerSession):
    """Acknowledges another id."""

    def _acknowledge(self, outcomes: Any) -> None:
        super()._acknowledge({f"{name}-": outcome for name, outcome in outcomes.items()})


class NoMemory(ServerSession):
    """Runs a resent command again."""

    def _command_of(self, envelope: Any) -> Any:
        return replace(super()._command_of(envelope), key=None)

    def _write_result(self, run: Any, result: Any) -> None:
        key = CommandKey("", "", run.envelope.id)
        super()._write_result(replace(run, key=key), result)


class IdsAlone(ServerSession):
    """Takes the id alone for the key of a command."""

    def _greet(self, hello: Any) -> None:
        super()._greet(hello)
        self.client = ""


class Skips(ServerSession):
    """Leaves every third entry out."""

    def offered(self, *_: Any) -> None:
        """Asks for a page of its own."""

    def _write_page(self, stream: str, page: Any) -> None:
        entries = [one for one in page.entries or () if one.position.seq % 3]
        super()._write_page(stream, replace(page, entries=entries))
        self._following.move(stream, page.head)


class NoReplay(ServerSession):
    """Goes on where the stream is, and says that it recovered."""

    def _move(self, moves: Any, heads: Any) -> None:
        super()._move({name: heads[name] for name in moves}, heads)


class Optimist(ServerSession):
    """Recovers from every position."""

    def _can_continue(self, stream: str, at: Position, head: Position) -> Any:
        yield from ()
        return True


class LateAcks(ServerSession):
    """Does not look pending commands up."""

    def _outcomes(self, pending: Any) -> Any:
        yield from ()
        return {}


class Loud(ServerSession):
    """Subscribes every client to everything."""

    def __init__(self, settings: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(attrs.evolve(settings, channels=("*",)), *arguments, **named)

    def burst(self, frames: Any) -> Any:
        if self._missing_channels():
            from reactive_ws.server.session.session import _Lane

            self._start(_Lane.CONTROL, self._default_channels)
        return super().burst(frames)


class OldStates(ServerSession):
    """Gives a state with the position before."""

    def _write_states(self, streams: Any, pending: Any) -> Any:
        work = super()._write_states(streams, pending)
        answer = None
        while True:
            try:
                answer = yield work.send(answer)
            except StopIteration:
                return
            if hasattr(answer, "state"):
                at = Position(answer.position.epoch, answer.position.seq - 1)
                answer = attrs.evolve(answer, position=at)


DEFECTS: Mapping[str, type[ServerSession]] = {
    "hello": ZeroSize,
    "ping": NoPong,
    "nonsense": DiesOfNonsense,
    "unknown type": TakesAll,
    "acknowledged": WrongIds,
    "once": NoMemory,
    "scope": IdsAlone,
    "order": Skips,
    "replay": NoReplay,
    "gap": Optimist,
    "pending": LateAcks,
    "silence": Loud,
    "sync": OldStates,
}


@pytest.mark.parametrize("rule", DEFECTS)
def test_a_planted_defect_is_found_by_the_check_of_its_rule(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactive_ws.server.server.ServerSession", DEFECTS[rule])

    async def body() -> None:
        async with server().serve(port=0) as url:
            with pytest.raises(Unfit) as unfit:
                await check(url, rule, patience=0.7)
            assert [name.split(" (")[0] for name in unfit.value.broken] == [rule]

    asyncio.run(body())


def test_a_server_that_is_not_there_breaks_every_rule() -> None:
    with pytest.raises(Unfit, match="no connection"):
        asyncio.run(check_server("ws://127.0.0.1:1/", patience=1.0))


async def _drips(socket: ServerConnection) -> None:
    await socket.send('{"type":"hello","payload":{}}')
    while True:
        await socket.send('{"type":"tick","payload":{}}')
        await asyncio.sleep(0.9)


async def _pongs_for_ever(socket: ServerConnection) -> None:
    await socket.send('{"type":"hello","payload":{}}')
    async for text in socket:
        frame = json.loads(text)
        if frame["type"] == "put":
            answer = {"type": "message.received", "payload": {"messageId": frame["id"]}}
            await socket.send(json.dumps(answer))
        elif frame["type"] == "ping":
            break
    while True:
        await socket.send('{"type":"pong","payload":{},"id":"another"}')
        await asyncio.sleep(0.5)


async def _nests(socket: ServerConnection) -> None:
    await socket.send("[" * 60_000)
    await socket.wait_closed()


async def _numbers(socket: ServerConnection) -> None:
    await socket.send("7")
    await socket.wait_closed()


@pytest.mark.parametrize(
    ("odd", "rule", "says"),
    [
        (_drips, "ping", "2 frames came in 1 s, and no frame of type 'pong'"),
        (_pongs_for_ever, "silence", "frames came for 20 s, and not those that end the check"),
        (_nests, "hello", "RecursionError"),
        (_numbers, "hello", "'int' object has no attribute"),
    ],
)
@simulate
async def test_a_server_that_talks_nonsense_without_end_is_given_up(
    odd: Callable[[ServerConnection], Awaitable[None]], rule: str, says: str
) -> None:
    offers = [Subprotocol("reactive-ws.v1")]
    async with World(), serve(odd, "odd", 80, subprotocols=offers, compression=None):
        with pytest.raises(Unfit) as unfit:
            await check("ws://odd:80/", rule, patience=1.0)
        assert says in str(unfit.value)


@pytest.mark.parametrize(
    "url",
    ["", "server", "http://server/?token=s3cret", "ws://[::1", "ws://server:99999/?token=s3cret"],
)
def test_what_is_no_url_of_a_websocket_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="cannot be dialled") as refused:
        asyncio.run(check_server(url))
    assert "s3cret" not in str(refused.value)


def test_the_report_shows_no_token() -> None:
    with pytest.raises(Unfit) as unfit:
        asyncio.run(check_server("ws://127.0.0.1:1/?token=s3cret", patience=1.0))
    assert "s3cret" not in str(unfit.value)


def test_the_command_says_what_was_checked_and_what_is_broken() -> None:
    async def body() -> None:
        async with server().serve(port=0) as url:

            async def run(*words: str) -> tuple[int | None, str]:
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "reactive_ws", "check-server", *words),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
                said, _ = await child.communicate()
                return child.returncode, said.decode()

            message = '{"type":"put","payload":{"text":"$N"}}'
            assert await run(url, "--channel", "texts", "--command", message) == (
                0,
                f"{url} keeps 14 of 14 rules\n",
            )
            code, said = await run(url)
            assert (code, "keeps 5 of 14 rules; give --channel" in said) == (0, True)
            code, said = await run(url, "--channel", "texts")
            assert (code, "together" in said) == (2, True)
            code, said = await run(url, "--channel", "texts", "--command", "{")
            assert (code, "--command is not JSON" in said) == (2, True)

    asyncio.run(body())
