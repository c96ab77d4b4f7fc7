"""A log that fails in each phase of a command, handlers that misbehave, nonsense on the wire: nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import LogUnavailable, Refused, UnknownType, UsageError
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.server import Appended, Context, MemoryLog, Page, Proposal, Publisher, Server
from reactive_ws.server.access import SUBPROTOCOL, Request
from reactive_ws.server.session import ServerSession, SessionSettings
from reactive_ws.testing import World, simulate
from reactive_ws.testing.generating import wire_garbage
from reactive_ws.transport import Header
from reactive_ws.wire import Guarantee, JsonCodec, Position, Registry, protocol_v1


class Add(msgspec.Struct, frozen=True):
    """Adds a number."""

    number: int


class Added(msgspec.Struct, frozen=True):
    """A number was added."""

    number: int


@attrs.frozen
class Numbers:
    """The numbers."""

    numbers: tuple[int, ...] = ()


def registry() -> Registry:
    types = protocol_v1()
    types.message("add", guarantee=Guarantee.AT_LEAST_ONCE)(Add)
    types.message("added")(Added)
    return types


class FailingLog(MemoryLog):
    """A log that fails in one phase, for as long as `failing` names it."""

    failing: str | None = None
    failures = 0

    def fail(self, phase: str) -> None:
        if self.failing == phase:
            self.failures += 1
            raise LogUnavailable("simulated", "it went away")

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        self.fail("begin")
        kinds = {"refusal" if one.batch.is_refusal else "commit" for one in chain}
        for kind in kinds:
            self.fail(kind)
        appended = await super().append(chain)
        for kind in kinds if appended.outcomes else ():
            self.fail(f"after the {kind}")
        return appended

    async def read(self, stream: str, after: Position | None, limit_bytes: int = 2**18) -> Page:
        self.fail("read")
        return await super().read(stream, after, limit_bytes)


def server(log: MemoryLog, **options: Any) -> Server:
    one = Server(registry(), log=log, **options)
    state = one.state("s", Numbers(), {Added: lambda now, it: Numbers((*now.numbers, it.number))})

    @one.command(Add)
    async def add(command: Add, context: Context) -> None:
        if command.number < 0:
            raise Refused("negative", "give a number from 0 up")
        context.publish("s", Added(len(context.state(state).numbers)))

    return one


@pytest.mark.parametrize(
    "phase", ["begin", "read", "commit", "after the commit", "refusal", "after the refusal"]
)
@simulate
async def test_a_log_that_goes_away_in_a_phase_of_a_command_loses_and_doubles_nothing(
    phase: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    errors: list[Exception] = []
    async with World() as world:
        log = FailingLog()
        async with server(log, on_log_error=errors.append).serve("server", 80):
            service = world.service("ws://server:80/", registry=registry())
            await service.connect()
            await service.wait_connected()
            log.failing = phase
            sent = [service.send(Add(number)) for number in (1, -1, 2)]
            await asyncio.sleep(30)
            assert log.failures > 0
            assert errors
            is_refusal = "refusal" in phase
            waiting = sent[1:2] if is_refusal else [sent[0], sent[2]]
            if phase == "after the commit":
                # The outcome was written: the same command, sent again, gets it.
                assert [it.status for it in waiting] == [DeliveryStatus.ACKNOWLEDGED] * 2
            elif phase != "after the refusal":
                assert not {it.status for it in waiting} & {DeliveryStatus.ACKNOWLEDGED}
            log.failing = None
            await asyncio.sleep(120)
            statuses = [it.status for it in sent]
            assert statuses == [
                DeliveryStatus.ACKNOWLEDGED,
                DeliveryStatus.FAILED,
                DeliveryStatus.ACKNOWLEDGED,
            ]
            page = await log.read("s", None)
            assert page.head.seq == 2
            await service.disconnect()


class Measured(msgspec.Struct, frozen=True):
    """A message with a number that JSON cannot write, or an optional one."""

    value: float
    unit: str | None = None


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda it: it.publish("s", Added("one")), "Expected `int`, got `str`"),  # type: ignore[arg-type]
        (lambda it: it.publish("s", Measured(float("nan"))), "got `null`"),
        (lambda it: it.publish("s", Measured(1.0, 5)), "Expected `str | null`, got `int`"),  # type: ignore[arg-type]
        (lambda it: it.publish("s", Added(1), channel=5), "channel"),
        (lambda it: it.tell("s", Added("one")), "no client could read it"),  # type: ignore[arg-type]
        (lambda it: it.publish(5, Added(1)), "a stream name is text, not int"),
        (lambda it: it.tell("a*", Added(1)), "only patterns do"),
        (lambda it: it.state(5), "what server.state\\(\\) returned"),
        (lambda it: it.after_commit(5), "after_commit takes a function, not int"),
        (lambda _: Refused(5, None), "a refusal has two texts, not 5"),  # type: ignore[arg-type]
        (lambda _: Refused("", "why"), "a refusal needs a code"),
        (lambda _: Refused("full", "\ud800"), "lone surrogate"),
    ],
)
def test_what_no_node_and_no_client_could_read_is_refused_before_it_is_written(
    act: Any, says: str
) -> None:
    async def check() -> None:
        log = MemoryLog()
        one = server(log)
        one.registry.message("measured")(Measured)
        await one.start()
        with pytest.raises(UsageError, match=says):
            await one.perform(act)
        assert (await log.read("s", None)).head.seq == 0
        await one.publish("s", Added(1))
        await one.stop()

    asyncio.run(check())


def test_a_state_is_made_of_what_the_log_has_and_not_of_what_a_handler_keeps() -> None:
    """So each node has the same state, and it is the same after a restart."""

    class Listed(msgspec.Struct, frozen=True):
        numbers: tuple[int, ...]

    def taken(_: Numbers, it: Listed) -> Numbers:
        return Numbers(it.numbers)

    async def check() -> None:
        types = registry()
        types.message("listed")(Listed)
        log = MemoryLog()
        one, other = Server(types, log=log), Server(types, log=log)
        states = [it.state("s", Numbers(), {Listed: taken}) for it in (one, other)]
        kept: Any = [1]
        await one.publish("s", Listed(kept))
        kept.append(2)
        found = [await it.read(state) for it, state in zip((one, other), states, strict=True)]
        assert found == [Numbers((1,)), Numbers((1,))]
        assert [type(it.numbers) for it in found] == [tuple, tuple]
        await one.stop()

    asyncio.run(check())


def test_a_state_that_cannot_be_read_again_gets_no_checkpoint_and_survives_a_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A checkpoint that no node can read would be the end of its stream."""

    def wrong(now: Numbers, it: Added) -> Numbers:
        return Numbers((*now.numbers, it.number / 2)[-3:])  # type: ignore[arg-type]

    async def check() -> None:
        log = MemoryLog()
        nodes = [Server(registry(), log=log) for _ in range(2)]
        states = [it.state("s", Numbers(), {Added: wrong}) for it in nodes]
        for number in range(250):
            await nodes[0].publish("s", Added(number))
        assert await log.checkpoint("s") is None
        found = [await it.read(state) for it, state in zip(nodes, states, strict=True)]
        assert found[0] == found[1] == Numbers((123.5, 124.0, 124.5))  # type: ignore[arg-type]
        await nodes[0].stop()

    asyncio.run(check())
    lines = [it.getMessage() for it in caplog.records if it.levelname == "ERROR"]
    assert len(lines) == 3
    assert "the state of stream 's' gets no checkpoint" in lines[0]
    assert "Expected `int`, got `float`" in lines[0]


@simulate
async def test_a_handler_that_hangs_is_cancelled_and_its_command_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, runs = MemoryLog(), list[str]()
    one = Server(registry(), log=log, handler_timeout=5.0)

    @one.command(Add)
    async def add(command: Add, context: Context) -> None:
        context.publish("s", Added(command.number))
        runs.append("begun")
        try:
            if len(runs) < 3:
                await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            runs.append("cancelled")
            raise

    async with World() as world, one.serve("server", 80):
        service = world.service("ws://server:80/", registry=registry())
        await service.connect()
        delivery = service.send(Add(7))
        await asyncio.sleep(60)
        assert delivery.status is DeliveryStatus.ACKNOWLEDGED
        assert runs == ["begun", "cancelled", "begun"]
        assert (await log.read("s", None)).head.seq == 1
        await service.disconnect()
    assert "TimeoutError" in caplog.text


@simulate
async def test_a_handler_that_awaits_something_cancelled_fails_alone_and_its_command_comes_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log, runs = MemoryLog(), list[int]()
    one = Server(registry(), log=log)

    @one.command(Add)
    async def add(command: Add, context: Context) -> None:
        runs.append(command.number)
        context.publish("s", Added(command.number))
        if len(runs) < 3:
            inner = asyncio.create_task(asyncio.sleep(1))
            inner.cancel()
            await inner

        def mail() -> None:
            raise asyncio.CancelledError

        context.after_commit(mail)

    async with World() as world, one.serve("server", 80):
        service = world.service("ws://server:80/", registry=registry())
        await service.connect()
        async with asyncio.timeout(60):
            await asyncio.gather(*(service.send(Add(number)) for number in (7, 8, 9)))
        # The first two runs failed; the client sends both again.
        assert runs[:2] == [7, 8]
        assert sorted(runs[2:]) == [7, 8, 9]
        assert (await log.read("s", None)).head.seq == 3
        await service.disconnect()
    assert "catch asyncio.CancelledError around it" in caplog.text
    assert "a function after the commit failed" in caplog.text


@simulate
async def test_rights_that_raise_or_await_something_cancelled_are_errors_and_let_no_client_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing, refused = {"authorize", "may_send"}, list[str]()

    async def cancelled(name: str) -> bool:
        if name in failing:
            refused.append(name)
            raise asyncio.CancelledError
        return True

    async def who(_: object) -> str | None:
        return "ada" if await cancelled("authorize") else None

    one = server(
        MemoryLog(),
        authorize=who,
        may_send=lambda _, __: cancelled("may_send"),
        may_subscribe=lambda _, __: cancelled("may_subscribe"),
    )
    async with World() as world, one.serve("server", 80):
        with pytest.raises(InvalidStatus) as rejected:
            async with connect(
                "ws://server:80/?token=x",
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                proxy=None,
            ):
                pass
        # It says nothing about the token: after a 401 the client would not come again.
        assert rejected.value.response.status_code == 503
        failing.discard("authorize")
        service = world.service("ws://server:80/", registry=registry(), auth=Header("x"))
        await service.connect()
        delivery = service.send(Add(1))
        await asyncio.sleep(5)
        assert delivery.status not in (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.FAILED)
        failing.clear()
        async with asyncio.timeout(60):
            await delivery
        await service.disconnect()
    assert refused[:2] == ["authorize", "may_send"]
    assert "authorize failed; the client is refused for now" in caplog.text
    assert "may_send failed on 'add'" in caplog.text


def _raise(*_: object) -> Any:
    raise LookupError("the database is away")


async def _hang(*_: object) -> Any:
    await asyncio.sleep(1e9)


def _return(value: object) -> Any:
    return lambda *_: value


@pytest.mark.parametrize("hook", ["authorize", "may_subscribe", "may_send"])
@pytest.mark.parametrize(
    "wrong",
    [_raise, _hang, _return(5), _return({}), _return([True]), _return("\ud800")],
    ids=["raises", "hangs", "int", "dict", "list", "surrogate"],
)
@simulate
async def test_a_hook_that_fails_lets_no_client_in_and_loses_none(
    hook: str, wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    is_failing = True
    right = _return("ada" if hook == "authorize" else True)

    def decide(*given: object) -> Any:
        return (wrong if is_failing else right)(*given)

    options: dict[str, Any] = {hook: decide, "handler_timeout": 5.0}
    got: list[int] = []
    async with World() as world:
        one = server(MemoryLog(), **options)
        async with one.serve("server", 80):
            service = world.service("ws://server:80/", registry=registry(), auth=Header("x"))
            service.on(Added, lambda message: got.append(message.number))
            service.messages("s", subscribe=True).subscribe(lambda _: None)
            await service.connect()
            delivery = service.send(Add(1))
            await asyncio.sleep(60)
            assert delivery.status not in (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.FAILED)
            assert (await one.log.read("s", None)).head.seq == 0
            # A client that gave up would need a new token.
            assert service.state is not ConnectionState.ERROR
            is_failing = False
            async with asyncio.timeout(120):
                await delivery
                while not got:
                    await asyncio.sleep(0.1)
            await service.disconnect()
    assert got == [0]


@pytest.mark.parametrize("wrong", [_return("no"), _return(1), _return(object())])
@simulate
async def test_a_right_that_is_true_without_being_true_is_none(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with World() as world:
        one = server(MemoryLog(), may_send=wrong)
        async with one.serve("server", 80):
            service = world.service("ws://server:80/", registry=registry())
            await service.connect()
            delivery = service.send(Add(1))
            await asyncio.sleep(10)
            assert delivery.status is not DeliveryStatus.ACKNOWLEDGED
            await service.disconnect()
    assert "return True or False" in caplog.text


@simulate
async def test_a_state_that_cannot_be_made_is_an_error_and_other_states_come() -> None:
    one = Server(registry(), log=MemoryLog())

    def broken(_: Numbers) -> object:
        raise LookupError("no view")

    one.state("bad", Numbers(), {}, view=broken)
    one.state("good", Numbers(), {})
    async with World(), one.serve("server", 80), raw("ws://server:80/") as socket:
        await socket.send('{"type":"hello","payload":{"client":"c"}}')
        await socket.send('{"type":"resume","payload":{"subscriptions":["bad","good"]}}')
        await socket.send('{"type":"sync","payload":{"streams":["bad","good"]}}')
        got: list[dict[str, Any]] = []
        while not got or got[-1]["type"] != "snapshot":
            got.append(json.loads(await socket.recv()))
        assert [one["type"] for one in got] == ["hello", "resumed", "error", "snapshot"]
        assert "the state of 'bad' cannot be made" in got[2]["payload"]["message"]
        assert got[3]["payload"]["stream"] == "good"


class SlowLog(MemoryLog):
    """A log whose reads wait."""

    async def read(self, stream: str, after: Position | None, limit_bytes: int = 2**18) -> Page:
        await asyncio.sleep(0)
        return await super().read(stream, after, limit_bytes)


def test_states_of_a_server_that_starts_again_in_another_loop_can_be_read() -> None:
    one = Server(registry(), log=SlowLog())
    state = one.state("s", Numbers(), {Added: lambda now, it: Numbers((*now.numbers, it.number))})

    async def run() -> Numbers:
        await one.publish("s", Added(1))
        # They wait for one lock.
        found = await asyncio.gather(*(one.read(state) for _ in range(3)))
        await one.stop()
        return found[-1]

    assert [asyncio.run(run()).numbers for _ in range(3)] == [(1,), (1, 1), (1, 1, 1)]


@simulate
async def test_a_publisher_refuses_what_would_break_the_stream_for_good() -> None:
    log = MemoryLog()
    one = server(log)
    wrong: list[Any] = [Added("one"), Measured(float("nan"))]  # type: ignore[arg-type]
    async with Publisher(registry(), log.node()) as publisher:
        for message in wrong:
            with pytest.raises((UsageError, UnknownType)):
                await publisher.publish("s", message)
        names: list[Any] = [5, b"job", "\ud800"]
        for name in names:
            with pytest.raises(UsageError, match="once= takes a text"):
                await publisher.publish("s", Added(1), once=name)
        assert (await publisher.publish("s", Added(1), once="job")).seq == 1
    await one.publish("s", Added(2))
    assert (await log.read("s", None)).head.seq == 2
    await one.stop()


@simulate
async def test_a_peer_that_is_gone_without_a_word_is_cut_off() -> None:
    async with World() as world:
        one = server(MemoryLog(), settings=SessionSettings(heartbeat=20.0, stuck_after=30.0))
        async with one.serve("server", 80), raw("ws://server:80/") as gone:
            assert one.clients == 1
            await asyncio.sleep(200)
            assert one.clients == 1, "a client that answers pings stays"
            world.network.black_hole()
            await asyncio.sleep(60)
            assert one.clients == 0
            world.network.heal()
            gone.transport.abort()


@simulate
async def test_a_server_ends_in_two_seconds_beside_a_peer_that_sends_no_handshake() -> None:
    async with World():
        async with server(MemoryLog()).serve("server", 80), raw("ws://server:80/") as socket:
            reader, writer = await asyncio.open_connection("server", 80)
            await socket.ping()
            begin = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - begin <= 2.1
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


@simulate
async def test_a_flood_is_read_no_further_than_its_limit_and_delays_no_other_client() -> None:
    log, most = MemoryLog(), 0
    async with World() as world:
        one = Server(registry(), log=log, settings=SessionSettings(max_waiting=50))

        @one.command(Add)
        async def add(command: Add, context: Context) -> None:
            await asyncio.sleep(0.01)
            context.publish("s", Added(command.number))

        async with one.serve("server", 80), raw("ws://server:80/") as flood:

            async def pour() -> None:
                for number in range(1_000):
                    frame = {"type": "add", "id": str(number), "payload": {"number": number}}
                    await flood.send(json.dumps(frame))

            async def read() -> None:
                left = {str(number) for number in range(1_000)}
                while left:
                    frame = json.loads(await flood.recv())
                    if frame["type"] == "message.received":
                        left.remove(frame["payload"]["messageId"])

            pouring = asyncio.create_task(pour())
            reading = asyncio.create_task(read())
            other = world.service("ws://server:80/", registry=registry())
            await other.connect()
            await other.wait_connected()
            for _ in range(20):
                async with asyncio.timeout(1.0):
                    await other.send(Add(-1))
                assert one._node is not None
                for client in one._node._clients:
                    most = max(most, client.session.waiting)
            await pouring
            await reading
            await other.disconnect()
            assert (await log.read("s", None)).head.seq == 1_020
        assert 40 <= most <= 50


def raw(url: str) -> Any:
    return connect(url, subprotocols=[Subprotocol(SUBPROTOCOL)], proxy=None, ping_interval=None)


GARBAGE_FRAMES = wire_garbage().map(lambda garbage: garbage.frame)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=30), st.binary(max_size=30), GARBAGE_FRAMES), max_size=8),
    st.booleans(),
    st.sampled_from(["ada", None]),
)
def test_no_frame_whatever_raises_in_a_session(
    nonsense: list[str | bytes], is_plain: bool, identity: str | None
) -> None:
    types = registry()
    channels = SessionSettings(channels=("*",))
    one = ServerSession(channels, types, JsonCodec(types), identity=identity, is_plain=is_plain)
    one.opened(0.0)
    for frame in nonsense:
        one.received(frame)
    one.tick(100.0)
    one.ended()


@simulate
async def test_a_client_whose_task_is_cancelled_leaves_no_task() -> None:
    """As an ASGI server drops a connection, and as `AsgiDuplex.abort` does."""

    class Silent:
        take = None

        async def send(self, frame: str | bytes) -> None:
            return

        def listen(self, heard: object) -> None:
            return

        def go_on(self) -> None:
            return

        async def receive(self) -> str | bytes:
            await asyncio.sleep(3_600)
            raise AssertionError

        async def close(self, code: int, reason: str) -> None:
            return

        def abort(self) -> None:
            return

    one = server(MemoryLog())
    await one.start()
    assert one._node is not None
    before = asyncio.all_tasks()
    types = registry()
    session = ServerSession(SessionSettings(), types, JsonCodec(types))
    serving = asyncio.create_task(one._node.serve(Silent(), session, Request("/", {}, None)))
    await asyncio.sleep(1.0)
    assert one.clients == 1
    serving.cancel()
    await asyncio.wait([serving])
    assert asyncio.all_tasks() == before
    await one.stop()
