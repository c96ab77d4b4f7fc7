"""The in-memory network: unmodified websockets on it, and every byte-level fault."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from reactive_ws.testing import (
    BackgroundFailure,
    Bandwidth,
    BlackHole,
    Buffers,
    Direction,
    Hang,
    Heal,
    Latency,
    Network,
    NotSimulated,
    Refuse,
    Reset,
    Simulation,
    Split,
    Stall,
    Timed,
    Truncate,
    World,
    simulate,
)

URL = "ws://server:80"


@pytest.fixture(autouse=True)
def no_noise_from_broken_handlers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="websockets")


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[Network]:
    async with serve(echo, "server", 80, ping_interval=None):
        yield Simulation.current().network


def serve(*arguments: Any, **options: Any) -> Any:
    return websockets_serve(*arguments, compression=None, **options)


def dial(**options: object) -> connect:
    return connect(URL, proxy=None, ping_interval=None, compression=None, **options)  # type: ignore[arg-type]


def now() -> float:
    return round(asyncio.get_running_loop().time(), 6)


@simulate
async def test_an_echo_takes_one_round_trip() -> None:
    async with echo_server(), dial() as client:
        started = now()
        await client.send("hello")
        assert await client.recv() == "hello"
        assert now() - started == pytest.approx(0.02)
        assert client.remote_address == ("server", 80)


def seconds_of_ten_resets_and_waits() -> float:
    """Returns how long ten times connect, reset and 60 s of waiting take of the processor's time: the best of five."""

    @simulate
    async def run() -> float:
        async with echo_server() as network:
            for _ in range(10):
                async with dial() as client:
                    await client.send("x")
                    await client.recv()
                    network.reset()
                    with pytest.raises(ConnectionClosed):
                        await client.recv()
                await asyncio.sleep(60)
        return now()

    best = 60.0
    for _ in range(5):
        started = time.process_time()
        assert run() > 600
        best = min(best, time.process_time() - started)
    print(f"ten times: {best * 1000:.1f} ms")
    return best


def test_ten_connections_that_are_reset_with_a_minute_between_them_take_no_time() -> None:
    # 5 to 10 ms on an idle machine; the limit lets a machine ten times slower pass.
    assert seconds_of_ten_resets_and_waits() < 0.5


@pytest.mark.deep
def test_ten_connections_that_are_reset_with_a_minute_between_them_take_less_than_50_ms() -> None:
    assert seconds_of_ten_resets_and_waits() < 0.05


@simulate
async def test_nobody_listening_refuses() -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial()
    attempts = Simulation.current().network.attempts
    assert [(a.time, a.host, a.port) for a in attempts] == [(0.0, "server", 80)]


@simulate
async def test_a_second_listener_on_the_same_address_is_an_error() -> None:
    async with echo_server():
        with pytest.raises(OSError, match="listens"):
            await serve(echo, "server", 80)


@simulate
async def test_port_0_picks_a_free_port_and_localhost_has_its_three_names() -> None:
    async with serve(echo, "localhost", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for name in ("127.0.0.1", "localhost", "[::1]"):
            async with connect(f"ws://{name}:{port}", proxy=None) as client:
                await client.send(name)
                assert await client.recv() == name
    assert server.sockets == ()


@simulate
async def test_refuse_holds_for_so_many_dials() -> None:
    async with echo_server() as network:
        network.apply(Refuse(2))
        outcomes: list[str] = []
        for _ in range(3):
            try:
                async with dial():
                    outcomes.append("open")
            except ConnectionRefusedError:
                outcomes.append("refused")
        assert outcomes == ["refused", "refused", "open"]


@simulate
async def test_a_hanging_connect_ends_with_the_dial_timeout_or_with_the_system() -> None:
    async with echo_server() as network:
        network.apply(Hang())
        with pytest.raises(TimeoutError):
            await dial(open_timeout=10)
        assert now() == 10.0
        with pytest.raises(TimeoutError) as caught:
            await dial(open_timeout=None)
        assert "Connect call failed" in str(caught.value.__cause__)
        assert now() == pytest.approx(137.02)


@simulate
async def test_a_hanging_connect_gets_through_when_the_network_heals() -> None:
    async with echo_server() as network:
        network.apply(Hang())
        asyncio.get_running_loop().call_later(5, network.heal)
        async with dial() as client:
            assert now() == pytest.approx(5.02)
            await client.send("x")
            assert await client.recv() == "x"


@simulate
async def test_latency_and_bandwidth_add_up() -> None:
    async with echo_server() as network, dial() as client:
        network.apply(Latency(0.5, direction=Direction.UP))
        network.apply(Latency(0.25, direction=Direction.DOWN))
        network.apply(Bandwidth(1_000.0, Direction.DOWN))
        started = now()
        await client.send("x" * 996)  # 1 000 bytes with the header of a server's frame
        await client.recv()
        assert now() - started == pytest.approx(0.5 + 1.0 + 0.25)


@simulate
async def test_jitter_changes_delays_but_never_the_order() -> None:
    async with echo_server() as network, dial() as client:
        network.apply(Latency(0.01, jitter=1.0))
        delays: set[float] = set()
        for number in range(50):
            await client.send(str(number))
        for number in range(50):
            started = now()
            assert await client.recv() == str(number)
            delays.add(now() - started)
        assert len(delays) > 1


@simulate
async def test_a_lower_latency_does_not_let_later_bytes_overtake() -> None:
    async with echo_server() as network, dial() as client:
        network.apply(Latency(5.0))
        await client.send("first")
        network.apply(Latency(0.0))
        await client.send("second")
        assert [await client.recv(), await client.recv()] == ["first", "second"]


@simulate
async def test_frames_that_arrive_byte_by_byte_are_whole() -> None:
    async with echo_server() as network, dial() as client:
        network.apply(Split(1))
        text = "schön " * 500
        await client.send(text)
        assert await client.recv() == text


@simulate
async def test_a_stall_delays_and_loses_nothing() -> None:
    async with echo_server() as network, dial() as client:
        started = now()
        network.apply(Stall(30.0, Direction.UP))
        await client.send("a")
        await client.send("b")
        assert [await client.recv(), await client.recv()] == ["a", "b"]
        assert now() - started == pytest.approx(30.01)


@simulate
async def test_nobody_is_told_of_a_black_hole_and_the_bytes_arrive_after_healing() -> None:
    async with echo_server() as network, dial() as client:
        network.apply(BlackHole())
        await client.send("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 3_600)
        network.apply(Heal())
        await client.send("b")
        assert [await client.recv(), await client.recv()] == ["a", "b"]


@pytest.mark.parametrize(
    ("direction", "arrived"), [(Direction.UP, []), (Direction.DOWN, ["question"])]
)
@simulate
async def test_a_black_hole_can_have_one_direction(
    direction: Direction, arrived: list[str]
) -> None:
    got: list[str] = []

    async def note(connection: ServerConnection) -> None:
        async for message in connection:
            got.append(str(message))
            await connection.send("answer")

    async with serve(note, "server", 80, ping_interval=None), dial() as client:
        Simulation.current().network.apply(BlackHole(direction))
        await client.send("question")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 60)
        assert got == arrived


@simulate
async def test_with_the_defaults_of_websockets_a_half_open_connection_is_noticed_after_50_s() -> (
    None
):
    async with echo_server() as network, connect(URL, proxy=None) as client:
        started = now()
        network.black_hole()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert now() - started == pytest.approx(50.0, abs=0.1)


@simulate
async def test_a_reset_breaks_both_ends_without_a_close_frame() -> None:
    closed: list[str] = []

    async def watch(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as error:
            closed.append(repr(error.rcvd))

    async with serve(watch, "server", 80), dial() as client:
        network = Simulation.current().network
        network.apply(Reset())
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is None
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        await asyncio.sleep(1)
        assert closed == ["None"]
        assert network.links == []


@pytest.mark.parametrize(
    ("is_reset", "cause"), [(False, "EOFError"), (True, "ConnectionResetError")]
)
@simulate
async def test_a_connection_can_end_in_the_middle_of_a_frame(is_reset: bool, cause: str) -> None:
    async def push(connection: ServerConnection) -> None:
        await connection.send("x" * 8)
        await asyncio.sleep(5)
        await connection.send("y" * 1_000)
        await connection.wait_closed()

    async with serve(push, "server", 80, ping_interval=None), dial() as client:
        assert await client.recv() == "x" * 8
        Simulation.current().network.apply(Truncate(500, is_reset=is_reset))
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is None
        assert type(caught.value.__cause__).__name__ == cause


@simulate
async def test_a_writer_waits_for_a_reader_that_does_not_read() -> None:
    async def deaf(connection: ServerConnection) -> None:
        await asyncio.sleep(100)
        async for _ in connection:
            pass

    async with serve(deaf, "server", 80, ping_interval=None), dial() as client:
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while sent < 1_000:
                await client.send(b"x" * 10_000)
                sent += 1

        task = asyncio.create_task(flood())
        await asyncio.sleep(50)
        assert 10 < sent < 60
        await asyncio.wait_for(task, 200)
        assert sent == 1_000


@simulate
async def test_bytes_to_a_closed_socket_are_answered_with_a_reset() -> None:
    lost: list[Exception | None] = []

    class Client(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

        def eof_received(self) -> bool:
            return True  # half-open: the other side may go on reading, as far as this one knows

    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            transport.close()

    loop = asyncio.get_running_loop()
    await loop.create_server(Server, "server", 80)
    transport, _ = await loop.create_connection(Client, "server", 80)
    await asyncio.sleep(1)
    assert lost == []
    transport.write(b"anybody there?")
    await asyncio.sleep(1)
    assert [type(error) for error in lost] == [ConnectionResetError]


@simulate
async def test_a_plan_applies_each_fault_at_its_time() -> None:
    async with echo_server() as network:
        network.play((Timed(10, Refuse()), Timed(20, Heal())))
        outcomes: list[str] = []
        for moment in (5, 15, 25):
            await asyncio.sleep(moment - now())
            try:
                async with dial():
                    outcomes.append("open")
            except ConnectionRefusedError:
                outcomes.append("refused")
            finally:
                await asyncio.sleep(0)
        assert outcomes == ["open", "refused", "open"]


@pytest.mark.parametrize("status", [401, 503])
@simulate
async def test_a_handshake_can_be_refused_with_an_http_status(status: int) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(status, "no")

    async with serve(echo, "server", 80, process_request=refuse):
        with pytest.raises(InvalidStatus) as caught:
            async with dial():
                pass
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"


@simulate
async def test_a_restart_closes_with_1012() -> None:
    async with serve(echo, "server", 80) as server, dial() as client:
        server.close(code=1012)
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "https_proxy"])
def test_a_proxy_from_the_environment_is_refused_by_name(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "http://user:secret@10.0.0.1:3128/")

    @simulate
    async def run() -> None:
        async with serve(echo, "server", 80):
            await connect(URL)

    with pytest.raises(NotSimulated, match="proxy=None") as caught:
        run()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("use", ["connect", "connect_ex", "bind"])
def test_real_sockets_are_refused(use: str) -> None:
    async def main() -> None:
        with socket.socket() as real:
            getattr(real, use)(("127.0.0.1", 0))

    with pytest.raises(NotSimulated, match=rf"socket.{use}\(\)"), Simulation() as simulation:
        simulation.run(main())


def test_tls_is_refused_with_advice() -> None:
    @simulate
    async def run() -> None:
        with contextlib.suppress(NotSimulated):
            await connect("wss://server:80", proxy=None)

    with pytest.raises(BackgroundFailure) as caught:
        run()
    assert "ws://" in str(caught.value.exceptions[0])


@simulate
async def test_quiet_waits_for_bytes_under_way() -> None:
    async with echo_server() as network, dial() as client:
        network.apply(Latency(3.0))
        started = now()
        await client.send("x")
        await Simulation.current().loop.quiet()
        assert now() - started == pytest.approx(6.0)
        assert network.in_flight == 0
        network.black_hole()
        await client.send("lost in the hole")
        await Simulation.current().loop.quiet()
        assert now() - started == pytest.approx(9.0)


def test_forty_orders_of_ten_talking_clients_all_work() -> None:
    async def run() -> None:
        async with echo_server() as network:
            network.apply(Latency(0.0, jitter=0.01))

            async def talk(client: ClientConnection, name: str) -> list[str]:
                heard: list[str] = []
                for number in range(10):
                    await client.send(f"{name} {number}")
                    heard.append(str(await client.recv()))
                return heard

            async def visit(name: str) -> None:
                async with dial() as client:
                    assert await talk(client, name) == [f"{name} {n}" for n in range(10)]

            async with asyncio.TaskGroup() as group:
                for name in "abcdefghij":
                    group.create_task(visit(name))

    simulate(explore=5)(run)()


@pytest.mark.parametrize("is_reset", [False, True])
@simulate
async def test_who_writes_much_into_a_connection_that_was_cut_is_not_left_waiting(
    is_reset: bool,
) -> None:
    async with World() as world:
        server, service = await world.server(), world.service()
        await service.connect()
        await service.wait_connected()
        world.network.apply(Truncate(0, is_reset, Direction.DOWN))
        server.send_frame("[" * 100_000)
        await world.advance(30)
        assert not any(peer.is_open for peer in server.connections)
        world.network.heal()
        await service.wait_connected(60)
        await service.disconnect()
        await world.advance(5)
        assert world.network.links == []


@pytest.mark.parametrize("size", [0, 64 * 1024, 4_000_000])
@simulate
async def test_buffers_take_what_the_other_side_has_not_read_before_a_writer_waits(
    size: int,
) -> None:
    async with serve(never_reads, "server", 80, ping_interval=None):
        network = Simulation.current().network
        network.apply(Buffers(size, Direction.UP))
        client = await connect(URL, proxy=None, compression=None, ping_interval=None)
        network.apply(Bandwidth(1_000, Direction.UP))
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while True:
                    await client.send(b"x" * 10_000)
                    taken += 10_000
        assert size <= taken < size + 64 * 1024
        client.transport.abort()
        await client.wait_closed()


async def never_reads(connection: ServerConnection) -> None:
    await connection.wait_closed()
