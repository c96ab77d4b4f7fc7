"""The command `reactive-ws record URL FILE`: writes the traffic of a WebSocket server into a file for `replay`.

It sends only the frames that the user gives, and it records one connection. `recording` has the format of the file.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import math
import time
from pathlib import Path
from typing import TextIO, cast

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from ..errors import FileUnusable
from .command import Command, CommandFailed, non_negative
from .running import termination

__all__ = ["Recorder", "command"]


class Recorder:
    """Writes frames into a file, one JSON object a line.

    Args:
        file: The open file.

    Attributes:
        frames: The number of written frames.
        skipped: The number of frames that are not JSON, and that the format cannot hold.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._start = time.monotonic()
        self.frames = 0
        self.skipped = 0

    def write(self, frame: str | bytes, *, is_incoming: bool) -> None:
        """Writes one frame with the seconds since the start."""
        try:
            # Decoded and encoded again, because a frame with line breaks would end the line of the file.
            text = msgspec.json.encode(msgspec.json.decode(frame)).decode()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.skipped += 1
            return
        seconds = time.monotonic() - self._start
        direction = "in" if is_incoming else "out"
        self._file.write(f'{{"t":{seconds:.6f},"dir":"{direction}","frame":{text}}}\n')
        self._file.flush()
        self.frames += 1


def _configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("url", metavar="URL", help="the server, such as ws://127.0.0.1:8000/ws")
    add("file", metavar="FILE", help="the new file; a name that ends in .gz is compressed")
    add(
        "--send",
        metavar="JSON",
        action="append",
        default=[],
        help="send this frame at the start, such as a subscription; may be repeated",
    )
    add(
        "--seconds",
        type=non_negative,
        default=math.inf,
        help="how long to record (default: until Ctrl-C or the end of the connection)",
    )


def _run(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file)
    for frame in arguments.send:
        try:
            json.loads(frame)
        except ValueError as error:
            raise CommandFailed(f"--send takes JSON: {error}", 2) from error
    if path.exists():
        raise FileUnusable(str(path), "exists already; choose another name")
    try:
        opened = gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w")  # noqa: SIM115 - used below
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileUnusable(str(path), f"cannot be written: {reason}") from error
    with opened as file:
        recorder = Recorder(cast("TextIO", file))
        try:
            asyncio.run(_record(arguments.url, recorder, arguments.send, arguments.seconds))
        except KeyboardInterrupt:
            if not recorder.frames:
                path.unlink()
                raise
        except (OSError, WebSocketException) as error:
            path.unlink()
            raise CommandFailed(f"cannot record {arguments.url}: {error}") from error
    said = f"recorded {recorder.frames} frame{'' if recorder.frames == 1 else 's'}"
    if recorder.skipped:
        said += f"; frames that were not JSON and are missing: {recorder.skipped}"
    print(said)
    return 0


async def _record(url: str, recorder: Recorder, frames: list[str], seconds: float) -> None:
    # Frames may be large, and a server of this package speaks plain JSON when no subprotocol is offered.
    async with connect(url, max_size=2**26, open_timeout=10) as socket:
        # A server that closes early leaves what it sent before; that is recorded.
        with contextlib.suppress(ConnectionClosed):
            for frame in frames:
                await socket.send(frame)
                recorder.write(frame, is_incoming=False)
        with termination() as ended:
            tasks = {
                asyncio.create_task(_take(socket, recorder)),
                asyncio.create_task(ended.wait()),
            }
            timeout = None if math.isinf(seconds) else seconds
            try:
                await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)


async def _take(socket: ClientConnection, recorder: Recorder) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for frame in socket:
            recorder.write(frame, is_incoming=True)


command = Command(
    name="record",
    help="record the traffic of a WebSocket server for replay",
    configure=_configure,
    run=_run,
)
