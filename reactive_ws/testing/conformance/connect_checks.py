"""The rules for a `connect=` of the service, and one check for each rule. `connecting` runs them.

Each check opens sockets with the factory against a small server and raises when something is not as the service needs it.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from .connect_bench import (
    CLOSE_TIMEOUT,
    Bench,
    CheckFailed,
    babble,
    close_and_stay,
    expect,
    hang_up,
    tcp_server,
)

__all__ = ["CHECKS", "ConnectRule"]

_GONE_WITHIN = 1.0
"""Seconds until the socket of a cancelled dial must be closed."""


class ConnectRule(enum.Enum):
    """The rules for a factory and its sockets."""

    HANDSHAKE = "it sends the offered subprotocols and headers, and shows what the server selected"
    FRAMES = "text is str and binary is bytes, both ways, in order"
    BY_HAND = (
        "`recv` gives buffered frames without suspending, and one that suspended can be continued"
    )
    CANCELLED_RECEIVE = "a cancelled `recv` loses no frame"
    PING = "`await ping()` gives an awaitable that ends with the pong"
    CLOSE_CODE = "after the frames before it, a close raises ConnectionClosed with code and reason"
    EMPTY_CLOSE = "a close frame without a code is 1005"
    NO_CLOSE_FRAME = "an end without a close frame raises ConnectionClosed with `rcvd` None"
    OWN_CLOSE = "`close(code, reason)` sends both; then `send` raises ConnectionClosed"
    ABORT = "`transport.abort()` drops the socket at once, and `wait_closed` returns"
    CLOSE_TIMEOUT = (
        "a peer that keeps TCP open after its close frame is dropped after `close_timeout`"
    )
    TOO_BIG = "a message over `max_size` ends the connection, and `sent` says 1009"
    REFUSED = "OSError when no server listens"
    STATUS = "InvalidStatus with status and headers when the server answers with something but 101"
    REDIRECT = "a redirect is raised as InvalidStatus with its headers, and not followed"
    NO_SERVER = "InvalidHandshake or OSError when the other side does not speak HTTP"
    BAD_URL = "InvalidURI for a text that is not a WebSocket URL"
    CANCELLED_DIAL = "a cancelled dial leaves no socket open"
    LOGGER = "it logs only to the logger that it is given, which hides secrets"


async def _end_of(socket: Any) -> ConnectionClosed:
    """Returns what `recv` raises."""
    try:
        frame = await socket.recv()
    except ConnectionClosed as error:
        return error
    raise CheckFailed(f"recv returned {frame!r} where the connection is over")


# --- the rules, in the order of the enum -----------------------------------------------------------------------------


async def _handshake(bench: Bench) -> None:
    socket = await bench.dial()
    expect(socket.subprotocol == "second", f"subprotocol is {socket.subprotocol!r}, not 'second'")
    request = bench.seen[-1].request
    assert request is not None
    offered = request.headers.get("Sec-WebSocket-Protocol")
    expect(offered == "first, second", f"it offered {offered!r}, not 'first, second'")
    expect(request.headers.get("X-Check"), "the additional header is missing")
    plain = await bench.dial(subprotocols=None)
    expect(plain.subprotocol is None, f"subprotocol is {plain.subprotocol!r}, not None")


async def _frames(bench: Bench) -> None:
    socket = await bench.dial()
    sent: list[str | bytes] = ["text with é", b"\x00\xff", "", "last"]
    for frame in sent:
        await socket.send(frame)
    came = [await socket.recv() for _ in sent]
    expect(came == sent, f"{sent!r} came back as {came!r}")


async def _by_hand(bench: Bench) -> None:
    socket = await bench.dial()
    await socket.send("three")
    came = [await socket.recv()]
    await asyncio.sleep(0.05)
    for _ in range(2):
        receiving = socket.recv()
        try:
            receiving.send(None)
        except StopIteration as stop:
            came.append(stop.value)
        else:
            receiving.close()
            raise CheckFailed("recv suspended although a frame was there")
    expect(came == ["1", "2", "3"], f"three frames came as {came!r}")
    receiving = socket.recv()
    waits_for = receiving.send(None)
    await socket.send("later")
    frame = await _Continued(receiving, waits_for)
    expect(frame == "later", f"the continued recv returned {frame!r}, not 'later'")


class _Continued:
    """Awaits a coroutine that was started by hand."""

    def __init__(self, receiving: Any, waits_for: Any) -> None:
        self._receiving = receiving
        self._waits_for = waits_for

    def __await__(self) -> Any:
        waits_for = self._waits_for
        while True:
            yield waits_for
            try:
                waits_for = self._receiving.send(None)
            except StopIteration as stop:
                return stop.value


async def _cancelled_receive(bench: Bench) -> None:
    socket = await bench.dial()
    receiving: asyncio.Future[Any] = asyncio.ensure_future(socket.recv())
    await asyncio.sleep(0.01)
    await socket.send("kept")
    receiving.cancel()
    came: Any = (await asyncio.gather(receiving, return_exceptions=True))[0]
    if isinstance(came, asyncio.CancelledError):
        came = await socket.recv()
    expect(came == "kept", f"after a cancelled recv came {came!r}, not 'kept'")


async def _ping(bench: Bench) -> None:
    socket = await bench.dial()
    ponged = await socket.ping()
    await ponged


async def _close_code(bench: Bench) -> None:
    socket = await bench.dial()
    await socket.send("close")
    await asyncio.sleep(0.05)
    frame = await socket.recv()
    expect(frame == "last words", f"the frame before the close came as {frame!r}")
    received = (await _end_of(socket)).rcvd
    expect(received is not None, "`rcvd` is None")
    assert received is not None
    told = (int(received.code), received.reason)
    expect(told == (4321, "enough"), f"`rcvd` says {told!r}, not (4321, 'enough')")


async def _empty_close(bench: Bench) -> None:
    socket = await bench.dial()
    await socket.send("empty close")
    received = (await _end_of(socket)).rcvd
    expect(received is not None and received.code == 1005, f"`rcvd` is {received!r}, not code 1005")


async def _no_close_frame(bench: Bench) -> None:
    socket = await bench.dial()
    await socket.send("die")
    received = (await _end_of(socket)).rcvd
    expect(received is None, f"`rcvd` is {received!r}, not None")


async def _own_close(bench: Bench) -> None:
    socket = await bench.dial()
    await socket.close(4001, "bye")
    peer = await bench.ended()
    told = (peer.close_code, peer.close_reason)
    expect(told == (4001, "bye"), f"the server saw {told!r}, not (4001, 'bye')")
    try:
        await socket.send("too late")
    except ConnectionClosed:
        return
    raise CheckFailed("send raised nothing after the close")


async def _abort(bench: Bench) -> None:
    socket = await bench.dial()
    socket.transport.abort()
    await socket.wait_closed()
    peer = await bench.ended()
    expect(peer.close_code == 1006, f"the server saw close code {peer.close_code}, not 1006")


async def _close_timeout(bench: Bench) -> None:
    async with tcp_server(close_and_stay) as port:
        socket = await bench.dial(port=port, subprotocols=None)
        try:
            async with asyncio.timeout(_GONE_WITHIN + CLOSE_TIMEOUT):
                received = (await _end_of(socket)).rcvd
        except TimeoutError:
            raise CheckFailed("the socket stays open") from None
        code = None if received is None else int(received.code)
        expect(code == 4321, f"`rcvd` is {received!r}, not code 4321")


async def _too_big(bench: Bench) -> None:
    socket = await bench.dial()
    await socket.send("big")
    error = await _end_of(socket)
    expect(
        error.sent is not None and error.sent.code == 1009 and not error.rcvd_then_sent,
        f"`sent` is {error.sent!r}, `rcvd_then_sent` is {error.rcvd_then_sent!r}",
    )


async def _raises(
    dial: Awaitable[Any], wanted: type[Exception] | tuple[type[Exception], ...]
) -> Any:
    try:
        await dial
    except wanted as error:
        return error
    raise CheckFailed("the dial raised nothing")


async def _refused(bench: Bench) -> None:
    async with tcp_server(hang_up) as port:
        pass
    await _raises(bench.dial(port=port), OSError)


async def _status(bench: Bench) -> None:
    error = await _raises(bench.dial("/busy"), InvalidStatus)
    headers: Mapping[str, str] = error.response.headers
    told = (int(error.response.status_code), headers.get("Retry-After"))
    expect(told == (503, "7"), f"status and Retry-After are {told!r}, not (503, '7')")


async def _redirect(bench: Bench) -> None:
    error = await _raises(bench.dial("/moved"), InvalidStatus)
    headers: Mapping[str, str] = error.response.headers
    told = (int(error.response.status_code), headers.get("Location"))
    expect(told == (307, "/"), f"status and Location are {told!r}, not (307, '/')")


async def _no_server(bench: Bench) -> None:
    for behaviour in (babble, hang_up):
        async with tcp_server(behaviour) as port:
            await _raises(bench.dial(port=port), (InvalidHandshake, OSError))


async def _bad_url(bench: Bench) -> None:
    for url in ("http://127.0.0.1/", "ws:///nowhere"):
        await _raises(_called(bench.connect, url), InvalidURI)


async def _called(connect: Callable[..., Awaitable[Any]], url: str) -> Any:
    return await connect(url, proxy=None, open_timeout=None)


async def _cancelled_dial(bench: Bench) -> None:
    silent = _Silent()
    server = await asyncio.get_running_loop().create_server(lambda: silent, "127.0.0.1", 0)
    try:
        dial = asyncio.ensure_future(bench.dial(port=server.sockets[0].getsockname()[1]))
        await silent.came.wait()
        dial.cancel()
        await asyncio.wait([dial])
        expect(dial.cancelled(), "the cancelled dial did not end as cancelled")
        try:
            async with asyncio.timeout(_GONE_WITHIN):
                await silent.gone.wait()
        except TimeoutError:
            raise CheckFailed("the socket stays open") from None
    finally:
        server.close()
        if silent.transport is not None:
            silent.transport.abort()


class _Silent(asyncio.Protocol):
    """A server that never answers."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.gone = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.came.set()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.gone.set()


async def _logger(bench: Bench) -> None:
    strangers: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith((bench.logger.name, "asyncio")):
                strangers.append(record.name)

    root = logging.getLogger()
    listening = Listening()
    level = root.level
    root.addHandler(listening)
    root.setLevel(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    try:
        socket = await bench.dial()
        await socket.send("hello")
        await socket.recv()
        await socket.close()
    finally:
        asyncio.get_running_loop().set_debug(False)
        root.removeHandler(listening)
        root.setLevel(level)
    expect(not strangers, f"it also logged to {sorted(set(strangers))}")


CHECKS: Mapping[ConnectRule, Callable[[Bench], Awaitable[None]]] = {
    ConnectRule.HANDSHAKE: _handshake,
    ConnectRule.FRAMES: _frames,
    ConnectRule.BY_HAND: _by_hand,
    ConnectRule.CANCELLED_RECEIVE: _cancelled_receive,
    ConnectRule.PING: _ping,
    ConnectRule.CLOSE_CODE: _close_code,
    ConnectRule.EMPTY_CLOSE: _empty_close,
    ConnectRule.NO_CLOSE_FRAME: _no_close_frame,
    ConnectRule.OWN_CLOSE: _own_close,
    ConnectRule.ABORT: _abort,
    ConnectRule.CLOSE_TIMEOUT: _close_timeout,
    ConnectRule.TOO_BIG: _too_big,
    ConnectRule.REFUSED: _refused,
    ConnectRule.STATUS: _status,
    ConnectRule.REDIRECT: _redirect,
    ConnectRule.NO_SERVER: _no_server,
    ConnectRule.BAD_URL: _bad_url,
    ConnectRule.CANCELLED_DIAL: _cancelled_dial,
    ConnectRule.LOGGER: _logger,
}
