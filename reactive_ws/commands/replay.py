"""`reactive-ws replay FILE`: a recorded feed over a real WebSocket, for developing and testing against real traffic.

Each client gets the incoming frames from the beginning, at the pace of the recording or faster, and then a normal close.
What a client sends is read and ignored; the recording starts when it connects.
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed

from ..errors import FileUnusable
from ..server import listen, stop_listening, url_of
from .command import Command, host_name, port_number
from .recording import RecordedFrame, read_recording
from .running import termination

__all__ = ["Replay", "command"]


class Replay:
    """A server that replays a recording: `async with Replay(frames, speed=math.inf) as replay: replay.url`.

    Args:
        frames: The recording; only its incoming frames are served.
        speed: How many times faster than recorded; `math.inf` for as fast as the client reads.
        host, port: Where to listen; port 0 lets the system choose.

    Raises:
        ValueError: a speed that is not above 0.
    """

    def __init__(
        self,
        frames: Sequence[RecordedFrame],
        *,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above 0, not {speed!r}; math.inf does not wait at all")
        self._frames = [frame for frame in frames if frame.is_incoming]
        self._speed = speed
        self._host = host
        self._port = port
        self._server: Server | None = None

    def __repr__(self) -> str:
        return f"<Replay of {len(self._frames)} frames at speed {self._speed:g}>"

    @property
    def url(self) -> str:
        """Where clients connect."""
        if self._server is None:
            raise RuntimeError("the replay is not started; use `async with replay:`")
        return url_of(self._server, self._host)

    async def __aenter__(self) -> Self:
        """Listens.

        Raises:
            ListenFailed: the port is in use or the host is not of this machine.
        """
        self._server = await listen(self._serve, self._host, self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            await stop_listening(self._server)

    async def _serve(self, socket: ServerConnection) -> None:
        ignoring = asyncio.create_task(_ignore(socket))
        try:
            await self._play(socket)
        except ConnectionClosed:
            return
        finally:
            ignoring.cancel()
            await asyncio.wait([ignoring])

    async def _play(self, socket: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        for frame in self._frames:
            # Against the start and not the frame before, so that small delays do not add up.
            wait = start + frame.time / self._speed - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            await socket.send(frame.text)
        await socket.close(1000, "end of the recording")


async def _ignore(socket: ServerConnection) -> None:
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        return


def _speed(text: str) -> float:
    if text == "max":
        return math.inf
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a speed; give a factor such as 1 or 10, or 0 or max to not wait at all"
        )
    return value or math.inf


def _configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="a recording: JSON lines of t, dir, frame; plain or gzip")
    add(
        "--speed",
        metavar="X",
        type=_speed,
        default=1.0,
        help="times faster than recorded; 0 or max does not wait (default: 1)",
    )
    add(
        "--host",
        type=host_name,
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    add("--port", type=port_number, default=8000, help="TCP port, 0 for a free one (default: 8000)")


def _run(arguments: argparse.Namespace) -> int:
    frames = read_recording(arguments.file)
    if not any(frame.is_incoming for frame in frames):
        raise FileUnusable(arguments.file, "holds no incoming frame; give a recording of a feed")
    replay = Replay(frames, speed=arguments.speed, host=arguments.host, port=arguments.port)
    asyncio.run(_until_stopped(replay))
    return 0


async def _until_stopped(replay: Replay) -> None:
    with termination() as told:
        async with replay:
            print(f"replay at {replay.url}", flush=True)
            await told.wait()


command = Command(
    name="replay",
    help="serve a recorded feed over a real WebSocket",
    configure=_configure,
    run=_run,
)
