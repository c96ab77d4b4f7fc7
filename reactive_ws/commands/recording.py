"""Recorded WebSocket traffic: one JSON object a line, plain or gzip.

    {"t": 0.041229, "dir": "in", "frame": {...}}

`t` is seconds since the recording began and never goes back, `dir` is `in` (server to client) or `out`, `frame` is the JSON
frame. This room reads files; `commands.replay` serves them.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, cast

import attrs
import msgspec

from ..errors import FileUnusable

__all__ = ["RecordedFrame", "read_recording"]

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_LINE = 1 << 26
"""Bytes; a file that is not a recording, such as a disk image, may be one line and larger than the memory."""


@attrs.frozen
class RecordedFrame:
    """One frame of a recording.

    Attributes:
        time: Seconds since the recording began.
        is_incoming: True from server to client.
        text: The JSON text.
    """

    time: float
    is_incoming: bool
    text: str


class _Line(msgspec.Struct, frozen=True, gc=False):
    t: float
    dir: Literal["in", "out"]
    frame: msgspec.Raw


def read_recording(path: str | Path) -> tuple[RecordedFrame, ...]:
    """Returns all frames of a recording, in order.

    Raises:
        FileUnusable: the file cannot be opened, is not a recording, is cut off, or its times go back.
    """
    try:
        with Path(path).open("rb") as file:
            magic = file.read(len(_GZIP_MAGIC))
            file.seek(0)
            if magic != _GZIP_MAGIC:
                return tuple(_frames(str(path), file))
            with gzip.open(file) as unpacked:
                return tuple(_frames(str(path), cast("BinaryIO", unpacked)))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileUnusable(str(path), f"is cut off or damaged ({error}); fetch it again") from error
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise FileUnusable(
            str(path), f"cannot be read: {what}; give the path of a recording"
        ) from error


def _frames(path: str, lines: BinaryIO) -> Iterator[RecordedFrame]:
    decode = msgspec.json.Decoder(_Line).decode
    before = 0.0
    for number, line in enumerate(iter(partial(lines.readline, _MAX_LINE), b""), 1):
        if len(line) == _MAX_LINE:
            raise FileUnusable(path, f"is not a recording: line {number} is longer than 64 MiB")
        try:
            entry = decode(line)
            text = bytes(entry.frame).decode()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FileUnusable(path, f"is not a recording: line {number}: {error}") from error
        if entry.t < before:
            raise FileUnusable(path, f"is not a recording: line {number}: its time goes back")
        before = entry.t
        yield RecordedFrame(entry.t, entry.dir == "in", text)
